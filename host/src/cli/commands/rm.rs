//! `holt rm`: deletes one record, or all below a prefix.

use std::ffi::OsString;

use crate::cli::Context;
use crate::cli::commands::get::no_such_key;
use crate::cli::failure::Failure;
use crate::cli::open::{Access, open};
use crate::cli::output::{count_of, object_of, say_if_typed};

const HELP: &str = "\
Examples:
  holt --store ./s rm color
  holt --store ./s rm --key-format hex 00ff
  holt --store ./s rm -r logs/2025/             every record whose key starts with logs/2025/

Deletes exactly this record, not what lies below it; with -r every record whose key starts with
KEY, in one step for readers too. Ends with 1 if there is no such record. When it ends with 0
the deletion is durable against loss of power.

JSON: {\"deleted\",\"key\"} (or key_b64); with -r `deleted` is a number";

/// Delete a record
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// Key of the record
    #[arg(value_name = "KEY")]
    key: OsString,

    /// Every record whose key starts with KEY
    #[arg(long, short)]
    recursive: bool,
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let key = context.keys.parse(&arguments.key)?;
    let mut opened = open(context, Access::Write)?;
    let deleted = match arguments.recursive {
        true => opened.store.delete_prefix(&key)?,
        false => opened.store.delete(&key)?.into(),
    };
    if deleted == 0 {
        return Err(no_such_key(context, &key));
    }
    opened.store.sync()?;
    if context.json {
        let mut object = object_of("key", &key);
        let count = if arguments.recursive { deleted.into() } else { true.into() };
        object.insert("deleted".into(), count);
        context.out.json(&object)?;
    } else if arguments.recursive {
        say_if_typed(&format!("deleted {}", count_of(deleted, "record")));
    }
    Ok(())
}
