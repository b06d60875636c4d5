//! `holt ls`: lists keys, one level at a time or flat.

use std::ffi::OsString;

use holt_engine::db::RangeEntry;
use holt_host::api::{Reads, ScanRequest};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::limits::{SCAN_BYTES, SCAN_ENTRIES};
use crate::cli::open::{Access, open};
use crate::cli::output::object_of;
use crate::cli::statjson;
use crate::cli::statrec::StatRecord;

const HELP: &str = "\
Examples:
  holt --store ./usr ls                    first level: records, and NAME/ where more lies below
  holt --store ./usr ls -l bin/            what is in bin/, as `ls -l` of the system shows it
  holt --store ./usr ls -r share/man/      every key below, flat
  holt --store ./usr ls --delimiter : a:   one level at another byte
  holt --store ./usr ls --limit 100 --after lib/      the next hundred

PREFIX is compared byte by byte: end it with / to list what is in a directory. Keys print in
byte order, one a line, escaped: \\\\ is a backslash, \\n \\r \\t \\0 those bytes, \\xHH any other
control character, any byte that is not UTF-8, and characters that hide or reorder text. Give
them back with --key-format escaped. With --key-format hex they print in hexadecimal.

-l shows a record of `import` as kind and permissions, links, user, group, size in bytes, time
of modification (UTC), key, and -> target of a link; `value` and a size for any other record;
`prefix` where more lies below.

JSON: one object a line, {\"bytes\",\"key\",\"version\"} (or key_b64) for a record, with \"stat\" if
`import` wrote it: {\"gid\",\"kind\",\"links\",\"mode\",\"mtime\",\"mtime_nanos\",\"size\",\"target\",\"uid\"}
(or target_b64; only links have one); {\"prefix\"} (or prefix_b64) where more lies below";

/// List keys, one level at `/`
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// Only keys that start with this
    #[arg(value_name = "PREFIX", default_value = "", hide_default_value = true)]
    prefix: OsString,

    /// Every key below PREFIX, not one level
    #[arg(long, short, conflicts_with = "delimiter")]
    recursive: bool,

    /// Sizes, times and more
    #[arg(long, short)]
    long: bool,

    /// Byte at which a level ends [default: /]
    #[arg(long, value_name = "C")]
    delimiter: Option<OsString>,

    /// Most entries to print
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    /// Only entries after this key
    #[arg(long, value_name = "KEY")]
    after: Option<OsString>,
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let request = ScanRequest {
        prefix: context.keys.parse(&arguments.prefix)?,
        start_after: context.keys.parse_option(arguments.after.as_ref())?,
        delimiter: match arguments.recursive {
            true => None,
            false => Some(delimiter(context, arguments.delimiter.as_ref())?),
        },
        keys_only: !arguments.long && !context.json,
        max_entries: SCAN_ENTRIES,
        max_bytes: SCAN_BYTES,
        ..ScanRequest::default()
    };
    let mut opened = open(context, Access::Read)?;
    let limit = arguments.limit.unwrap_or(u64::MAX);
    for_each(opened.store.as_mut(), request, limit, |entry| match context.json {
        true => json_entry(context, entry),
        false if arguments.long => {
            let line = long_line(context, entry);
            context.out.line(line)
        }
        false => {
            let line = context.keys.show(key_of(entry));
            context.out.line(line)
        }
    })
}

fn delimiter(context: &Context, argument: Option<&OsString>) -> Result<u8, Failure> {
    match context.keys.parse_option(argument)?.as_deref() {
        None => Ok(b'/'),
        Some(&[byte]) => Ok(byte),
        Some(_) => {
            Err(Failure::Usage("--delimiter takes exactly one byte; give one, as `/`".into()))
        }
    }
}

/// Calls `visit` with up to `limit` entries, fetching a bounded number at a time.
pub fn for_each(
    store: &mut dyn Reads,
    mut request: ScanRequest,
    limit: u64,
    mut visit: impl FnMut(&RangeEntry) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut left = limit;
    while left > 0 {
        request.max_entries = SCAN_ENTRIES.min(usize::try_from(left).unwrap_or(usize::MAX));
        let page = store.scan(&request)?;
        for entry in &page.entries {
            visit(entry)?;
        }
        left = left.saturating_sub(page.entries.len() as u64);
        match page.next {
            Some(next) => request.resume = Some(next),
            None => break,
        }
    }
    Ok(())
}

fn key_of(entry: &RangeEntry) -> &[u8] {
    match entry {
        RangeEntry::Key { key, .. } => key,
        RangeEntry::CommonPrefix(prefix) => prefix,
        // The enum may grow; an entry of an unknown kind has no key to show.
        _ => b"",
    }
}

fn long_line(context: &Context, entry: &RangeEntry) -> String {
    let name = context.keys.show(key_of(entry));
    let RangeEntry::Key { value, .. } = entry else {
        return columns("prefix", "", &name);
    };
    match StatRecord::decode(value) {
        Some(stat) => statjson::line(&stat, &name),
        None => columns("value", &value.len().to_string(), &name),
    }
}

/// A line in the columns of [`statjson::line`], for what has few of them.
fn columns(kind: &str, bytes: &str, name: &str) -> String {
    format!("{kind:<10} {:>5} {:>5} {:>5} {bytes:>12} {:<20} {name}", "", "", "", "")
}

fn json_entry(context: &mut Context, entry: &RangeEntry) -> Result<(), Failure> {
    let object = match entry {
        RangeEntry::Key { key, value, version } => {
            let mut object = object_of("key", key);
            object.insert("bytes".into(), value.len().into());
            object.insert("version".into(), version.as_u64().into());
            if let Some(stat) = StatRecord::decode(value) {
                object.insert("stat".into(), statjson::object(&stat));
            }
            object
        }
        other => object_of("prefix", key_of(other)),
    };
    context.out.json(&object)
}
