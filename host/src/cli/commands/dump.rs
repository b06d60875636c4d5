//! `holt dump`: prints every record as JSON Lines.

use std::ffi::OsString;

use holt_engine::db::RangeEntry;
use holt_host::api::ScanRequest;

use crate::cli::commands::ls::for_each;
use crate::cli::failure::Failure;
use crate::cli::limits::{SCAN_BYTES, SCAN_ENTRIES};
use crate::cli::open::{Access, open};
use crate::cli::{Context, jsonl, progress};

const HELP: &str = "\
Examples:
  holt --store ./s dump > s.jsonl
  holt --store ./s dump usr/lib/ | head          only keys that start with usr/lib/
  holt --store ./s dump | holt --store ./copy load
  diff <(holt --store ./a dump) <(holt --store ./b dump)

One object a line, in key order: {\"key\",\"value\"} if both are UTF-8, else {\"key_b64\",\"value_b64\"}
(standard base64). Equal records give equal bytes, whichever engine wrote or reads them; they are of
one moment. --json changes nothing.";

/// Print every record, as JSON Lines in key order
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// Only keys that start with this
    #[arg(value_name = "PREFIX", default_value = "", hide_default_value = true)]
    prefix: OsString,
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let prefix = context.keys.parse(&arguments.prefix)?;
    let mut opened = open(context, Access::Read)?;
    // Others may write meanwhile: what is printed is of one moment.
    let mut snapshot = opened.store.snapshot(&prefix)?;
    let request = ScanRequest {
        prefix,
        max_entries: SCAN_ENTRIES,
        max_bytes: SCAN_BYTES,
        ..ScanRequest::default()
    };
    let bar = progress::records("dumped");
    for_each(snapshot.as_mut(), request, u64::MAX, |entry| {
        bar.inc(1);
        match entry {
            RangeEntry::Key { key, value, .. } => jsonl::write(&mut context.out, key, value),
            // Without a delimiter nothing is rolled up.
            _ => Ok(()),
        }
    })?;
    bar.finish_and_clear();
    Ok(())
}
