//! `holt rm`: deletes one record.

use std::ffi::OsString;

use crate::cli::Context;
use crate::cli::commands::get::no_such_key;
use crate::cli::failure::Failure;
use crate::cli::open::{Access, open};
use crate::cli::output::object_of;

const HELP: &str = "\
Examples:
  holt --store ./s rm color
  holt --store ./s rm --key-format hex 00ff

Deletes exactly this record, not what lies below it. Ends with 1 if there is no such record.
When it ends with 0 the deletion is durable against loss of power.

JSON: {\"deleted\",\"key\"} (or key_b64)";

/// Delete a record
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// Key of the record
    #[arg(value_name = "KEY")]
    key: OsString,
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let key = context.keys.parse(&arguments.key)?;
    let mut opened = open(context, Access::Write)?;
    if !opened.store.delete(&key)? {
        return Err(no_such_key(context, &key));
    }
    opened.store.sync()?;
    if context.json {
        let mut object = object_of("key", &key);
        object.insert("deleted".into(), true.into());
        context.out.json(&object)?;
    }
    Ok(())
}
