//! `holt get`: prints the value of one record.

use std::ffi::OsString;

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::open::{Access, open};
use crate::cli::output::{add_bytes, object_of};
use crate::cli::statjson;
use crate::cli::statrec::StatRecord;

const HELP: &str = "\
Examples:
  holt --store ./s get color                     the bytes of the value, nothing added
  holt --store ./s get photo > cat.jpg
  holt --store ./s get --json bin/ls             decoded, if `import` wrote it
  holt --store ./s get --key-format escaped 'a\\x00b'

Ends with 1 if there is no such record.

JSON: {\"bytes\",\"key\",\"value\",\"version\"} (or key_b64, value_b64), and \"stat\" if the value is a
stat record of `import`; `holt help ls` lists its fields";

/// Print the value of a record, byte for byte
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// Key of the record
    #[arg(value_name = "KEY")]
    key: OsString,
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let key = context.keys.parse(&arguments.key)?;
    let mut opened = open(context, Access::Read)?;
    let Some(record) = opened.store.get(&key)? else {
        return Err(no_such_key(context, &key));
    };
    if !context.json {
        return context.out.raw(&record.value);
    }
    let mut object = object_of("key", &key);
    add_bytes(&mut object, "value", &record.value);
    object.insert("bytes".into(), record.value.len().into());
    object.insert("version".into(), record.version.as_u64().into());
    if let Some(stat) = StatRecord::decode(&record.value) {
        object.insert("stat".into(), statjson::object(&stat));
    }
    context.out.json(&object)
}

/// The failure of a command whose key is not there.
pub fn no_such_key(context: &Context, key: &[u8]) -> Failure {
    Failure::Missing(format!(
        "there is no record {}; `holt ls` lists what is there",
        context.keys.brief(key)
    ))
}
