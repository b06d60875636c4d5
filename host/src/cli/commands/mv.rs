//! `holt mv`: moves one record to another key.

use std::ffi::OsString;

use holt_engine::error::Error;

use crate::cli::Context;
use crate::cli::commands::get::no_such_key;
use crate::cli::failure::Failure;
use crate::cli::open::{Access, open};
use crate::cli::output::{add_bytes, object_of};

const HELP: &str = "\
Examples:
  holt --store ./s mv color colour
  holt --store ./s mv --force draft final        replaces a record that is there

Moves exactly this record, in one step for readers too. Ends with 1 if FROM is not there and
with 2 if TO is there and --force is not given; nothing changes then.

JSON: {\"from\",\"to\"} (or from_b64, to_b64)";

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
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let from = context.keys.parse(&arguments.from)?;
    let to = context.keys.parse(&arguments.to)?;
    let mut opened = open(context, Access::Write)?;
    match opened.store.rename(&from, &to, arguments.force) {
        Err(Error::NotFound) => return Err(no_such_key(context, &from)),
        other => other?,
    }
    opened.store.sync()?;
    if context.json {
        let mut object = object_of("from", &from);
        add_bytes(&mut object, "to", &to);
        context.out.json(&object)?;
    }
    Ok(())
}
