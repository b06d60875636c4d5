//! `holt put`: writes one record.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

use holt_engine::error::Error;
use holt_engine::limits::MAX_VALUE_BYTES;

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::open::{Access, open};
use crate::cli::output::{object_of, say_if_typed};

const HELP: &str = "\
Examples:
  holt --store ./s put color blue                    the value is the argument, byte for byte
  holt --store ./s put photo < cat.jpg               without a value: standard input
  printf %s - | holt --store ./s put dash -          `-` is standard input too
  holt --store ./s put --key-format hex 00ff x       a key of two bytes
  holt --store ./s put -- --odd-key v                after `--` nothing is an option

Replaces a record under the same key. Creates the store if there is none and says so. When it
ends with 0 the record is durable against loss of power. Keys have at most 65535 bytes, values
at most 1048576.

JSON: {\"bytes\",\"created_store\",\"key\"} (or key_b64)";

/// Write a record
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// Key of the record
    #[arg(value_name = "KEY")]
    key: OsString,

    /// Value; `-` or none: standard input
    #[arg(value_name = "VALUE")]
    value: Option<OsString>,
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let key = context.keys.parse(&arguments.key)?;
    let value = match &arguments.value {
        Some(value) if value != "-" => value.as_bytes().into(),
        _ => read_value()?,
    };
    check_limits(&key, &value)?;
    let mut opened = open(context, Access::Create)?;
    opened.store.put(&key, &value)?;
    opened.store.sync()?;
    if context.json {
        let mut object = object_of("key", &key);
        object.insert("bytes".into(), value.len().into());
        object.insert("created_store".into(), opened.created.into());
        context.out.json(&object)?;
    }
    Ok(())
}

/// All of standard input, if it is not longer than a value may be.
fn read_value() -> Result<Vec<u8>, Failure> {
    say_if_typed("the value");
    let mut value = Vec::new();
    let limit = MAX_VALUE_BYTES as u64 + 1;
    io::stdin()
        .lock()
        .take(limit)
        .read_to_end(&mut value)
        .map_err(|error| Failure::io("reading standard input", error))?;
    match value.len() > MAX_VALUE_BYTES {
        // The rest was not read, so the length is only known to be over the limit.
        true => Err(Failure::Usage(format!(
            "standard input is over the limit of {MAX_VALUE_BYTES} bytes; store it in pieces"
        ))),
        false => Ok(value),
    }
}

/// Refuses what no store takes before one is created for it.
pub fn check_limits(key: &[u8], value: &[u8]) -> Result<(), Error> {
    if key.len() > holt_engine::limits::MAX_KEY_BYTES {
        return Err(Error::KeyTooLong { len: key.len() });
    }
    if value.len() > MAX_VALUE_BYTES {
        return Err(Error::ValueTooLong { len: value.len() });
    }
    Ok(())
}
