//! `holt watch`: prints changes as they are committed.
//!
//! A store has one writer at a time, so this command never holds it: it opens the store for
//! reading, prints what is new, closes it, and comes back.

use std::ffi::OsString;
use std::thread::sleep;
use std::time::Duration;

use holt_engine::error::Error;
use holt_host::api::Event;
use serde_json::{Map, Value};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::open::{Access, open};
use crate::cli::output::{add_bytes, object_of};

const HELP: &str = "\
Examples:
  holt --store ./s --feed 16000000 put color blue         a writer that keeps a feed
  holt --store ./s watch                                  every change from now on
  holt --store ./s watch logs/ --from 0 --once            all that is kept, then end
  holt --store ./s watch --json | while read line; do ... ; done

Prints one line a change: its position, what it was, and the key. Changes are kept by those who
write: give --feed BYTES (or HOLT_FEED) to every command that writes, or `feed_retention` to a
program. Where changes were made without it, or are no longer kept, this ends with 1.

JSON: one object a line, {\"lsn\",\"op\",\"key\"} (or key_b64); op is put, delete, rename-prefix
(with \"to\") or delete-prefix; put has \"version\" and \"bytes\"";

/// Print changes as they are committed
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// Only keys that start with this, and prefixes that touch them
    #[arg(value_name = "PREFIX", default_value = "", hide_default_value = true)]
    prefix: OsString,

    /// Position to begin at [default: the end of what is there now]
    #[arg(long, value_name = "LSN")]
    from: Option<u64>,

    /// Print what is there and end
    #[arg(long)]
    once: bool,

    /// Milliseconds between two looks
    #[arg(long, value_name = "MS", default_value_t = 500)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    every: u64,
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let prefix = context.keys.parse(&arguments.prefix)?;
    // Reading changes nothing: whatever the writers kept is looked at, however much it is.
    context.feed = u64::MAX;
    let mut from = arguments.from;
    loop {
        from = Some(look(context, &prefix, from)?);
        context.out.flush()?;
        if arguments.once {
            return Ok(());
        }
        sleep(Duration::from_millis(arguments.every));
    }
}

/// Prints what was committed since `from`; returns where to go on.
fn look(context: &mut Context, prefix: &[u8], from: Option<u64>) -> Result<u64, Failure> {
    let mut opened = open(context, Access::Read)?;
    let mut from = match from {
        Some(from) => from,
        None => return Ok(opened.store.last_lsn()?),
    };
    loop {
        let page = match opened.store.changes_since(from) {
            Err(Error::Expired { what, advice }) => {
                return Err(Failure::Missing(format!("{what} is no longer kept; {advice}")));
            }
            other => other?,
        };
        for commit in &page.commits {
            for event in &commit.events {
                print(context, commit.lsn, event, prefix)?;
            }
        }
        from = page.next;
        if !page.more {
            return Ok(from);
        }
    }
}

fn touches(key: &[u8], prefix: &[u8]) -> bool {
    key.starts_with(prefix) || prefix.starts_with(key)
}

fn print(context: &mut Context, lsn: u64, event: &Event, prefix: &[u8]) -> Result<(), Failure> {
    let (op, key, to) = match event {
        Event::Put { key, .. } => ("put", key, None),
        Event::Delete { key } => ("delete", key, None),
        Event::RenamePrefix { src, dst } => ("rename-prefix", src, Some(dst)),
        Event::DeletePrefix { prefix } => ("delete-prefix", prefix, None),
        Event::Created | Event::Dropped => return Ok(()),
    };
    let wanted = match event {
        Event::Put { key, .. } | Event::Delete { key } => key.starts_with(prefix),
        _ => touches(key, prefix) || to.is_some_and(|to| touches(to, prefix)),
    };
    if !wanted {
        return Ok(());
    }
    if context.json {
        let mut object: Map<String, Value> = object_of("key", key);
        object.insert("lsn".into(), lsn.into());
        object.insert("op".into(), op.into());
        if let Some(to) = to {
            add_bytes(&mut object, "to", to);
        }
        if let Event::Put { value, version, .. } = event {
            object.insert("bytes".into(), value.len().into());
            object.insert("version".into(), version.as_u64().into());
        }
        return context.out.json(&object);
    }
    let key = context.keys.show(key);
    let to = to.map(|to| format!(" -> {}", context.keys.show(to))).unwrap_or_default();
    context.out.line(format!("{lsn:>16} {op:<13} {key}{to}"))
}
