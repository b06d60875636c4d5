//! `holt mv`: moves one record to another key, or all below a prefix.

use std::ffi::OsString;

use holt_engine::error::Error;

use crate::cli::Context;
use crate::cli::commands::get::no_such_key;
use crate::cli::failure::Failure;
use crate::cli::open::{Access, open};
use crate::cli::output::{add_bytes, count_of, object_of, say_if_typed};

const HELP: &str = "\
Examples:
  holt --store ./s mv color colour
  holt --store ./s mv --force draft final        replaces a record that is there
  holt --store ./s mv -r inbox/ archive/2026/    every record whose key starts with inbox/

Moves exactly this record, or with -r every record whose key starts with FROM, in one step for
readers too. Ends with 1 if FROM is not there and with 2 if TO is there (with -r: any key that
starts with TO) and --force is not given; nothing changes then. --force replaces what is there.

JSON: {\"from\",\"to\"} (or from_b64, to_b64); with -r also {\"moved\"}, a number";

/// Move a record to another key
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// Key of the record
    #[arg(value_name = "FROM")]
    from: OsString,

    /// Key it gets
    #[arg(value_name = "TO")]
    to: OsString,

    /// Replace a record under TO
    #[arg(long, short)]
    force: bool,

    /// Every record whose key starts with FROM
    #[arg(long, short)]
    recursive: bool,
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let from = context.keys.parse(&arguments.from)?;
    let to = context.keys.parse(&arguments.to)?;
    let mut opened = open(context, Access::Write)?;
    let store = &mut opened.store;
    let moved = match arguments.recursive {
        true => store.rename_prefix(&from, &to, arguments.force)?,
        false => match store.rename(&from, &to, arguments.force) {
            Err(Error::NotFound) => 0,
            other => other.map(|()| 1)?,
        },
    };
    if moved == 0 {
        return Err(no_such_key(context, &from));
    }
    store.sync()?;
    if context.json {
        let mut object = object_of("from", &from);
        add_bytes(&mut object, "to", &to);
        if arguments.recursive {
            object.insert("moved".into(), moved.into());
        }
        context.out.json(&object)?;
    } else if arguments.recursive {
        say_if_typed(&format!("moved {}", count_of(moved, "record")));
    }
    Ok(())
}
