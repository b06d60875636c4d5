//! `holt import`: keeps what `lstat` says of every entry of a directory tree.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use holt_engine::db::TreeStats;
use holt_engine::limits::MAX_KEY_BYTES;
use holt_host::api::SandboxUsage;
use indicatif::ProgressBar;
use serde_json::json;

use crate::cli::args::EngineChoice;
use crate::cli::batch::Batch;
use crate::cli::failure::Failure;
use crate::cli::keys::escape;
use crate::cli::limits::LISTED_FAILURES;
use crate::cli::open::{Access, open};
use crate::cli::output::{count_of, human_bytes, human_count, say};
use crate::cli::walk::{Unreadable, walk};
use crate::cli::{Context, disk, progress};

use std::os::unix::ffi::OsStrExt;

const HELP: &str = "\
Examples:
  holt --store /var/tmp/usr import /usr
  holt --store ./s import --prefix home/me/ ~     keys start with home/me/
  holt --store ./s --engine sandbox import /etc
  holt --store ./s import --json /usr

Writes one record for each entry below PATH. Its key is the prefix and then the path relative
to PATH, byte for byte: put the / at the end of the prefix yourself. PATH itself is no record,
directories have no / at the end, links are recorded and not followed. The value is a stat
record: kind, size, permissions, user, group, time of modification in nanoseconds, number of
links, target of a link; `ls -l` and --json decode it. Content of files is not read.

Creates the store if there is none and says so. Records of entries that are gone stay. Entries
that cannot be read are counted, the first 20 listed, and the exit code is 3. Ends with a
checkpoint.

JSON: {\"bytes_per_record\",\"created_store\",\"device_calls\",\"disk_bytes\",\"engine\",\"fuel\",\"records\",
\"records_per_second\",\"seconds\",\"store_records\",\"unreadable\"}; bytes_per_record is disk_bytes
(allocated by all files of the store) over store_records; fuel and device_calls are null for the
native engine";

/// Record what the system says of every entry of a directory tree
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// Directory to walk
    #[arg(value_name = "PATH", value_hint = clap::ValueHint::DirPath)]
    path: PathBuf,

    /// What keys start with, before the relative path
    #[arg(long, value_name = "P", default_value = "", hide_default_value = true)]
    prefix: OsString,
}

/// What the walk came to.
struct Counts {
    records: u64,
    unreadable: u64,
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let prefix = context.keys.parse(&arguments.prefix)?;
    require_directory(&arguments.path)?;
    let mut opened = open(context, Access::Create)?;
    let started = Instant::now();
    let bar = progress::records("imported");
    let counts = import(&arguments.path, &prefix, Batch::new(opened.store.as_mut()), &bar)?;
    bar.set_message("; checkpoint");
    opened.store.checkpoint()?;
    let seconds = started.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let stats = opened.store.stats()?;
    let usage = opened.store.sandbox_usage();
    // Closing may give space back: what counts is what stays on disk.
    drop(opened.store);
    let disk_bytes = disk::allocated_bytes(&opened.dir)?;
    print(context, &counts, seconds, &stats, usage, disk_bytes, opened.created)?;
    match counts.unreadable {
        0 => Ok(()),
        count => Err(Failure::Partial(format!(
            "{} could not be taken; see to what is listed above and import again",
            if count == 1 { "1 entry".into() } else { format!("{count} entries") },
        ))),
    }
}

/// Refuses what cannot be listed before a store is created for it.
fn require_directory(path: &Path) -> Result<(), Failure> {
    match fs::read_dir(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(Failure::Usage(format!(
            "{} is not a directory; import takes one",
            escape(path.as_os_str().as_bytes())
        ))),
        Err(error) => Err(Failure::io(format!("reading {}", path.display()), error)),
    }
}

fn import(
    start: &Path,
    prefix: &[u8],
    mut batch: Batch<'_>,
    bar: &ProgressBar,
) -> Result<Counts, Failure> {
    let mut unreadable = 0;
    for entry in walk(start) {
        let found = entry.and_then(|found| {
            let key = [prefix, &found.path].concat();
            match key.len() > MAX_KEY_BYTES {
                true => Err(Unreadable {
                    path: start.join(std::ffi::OsStr::from_bytes(&found.path)),
                    why: format!("key of {} bytes is over the limit", key.len()),
                }),
                false => Ok((key, found.stat.encode())),
            }
        });
        match found {
            Ok((key, value)) => batch.put(key, value)?,
            Err(Unreadable { path, why }) => {
                unreadable += 1;
                if unreadable <= LISTED_FAILURES {
                    let path = escape(path.as_os_str().as_bytes());
                    bar.suspend(|| say(format_args!("left out {path}: {why}")));
                }
            }
        }
        bar.set_position(batch.written());
    }
    batch.flush()?;
    Ok(Counts { records: batch.written(), unreadable })
}

fn print(
    context: &mut Context,
    counts: &Counts,
    seconds: f64,
    stats: &TreeStats,
    usage: SandboxUsage,
    disk_bytes: u64,
    created: bool,
) -> Result<(), Failure> {
    let rate = counts.records as f64 / seconds.max(1e-9);
    let each = disk_bytes as f64 / stats.records.max(1) as f64;
    let sandboxed = context.engine == EngineChoice::Sandbox;
    if context.json {
        return context.out.json(&json!({
            "engine": context.engine.name(),
            "records": counts.records,
            "unreadable": counts.unreadable,
            "seconds": seconds,
            "records_per_second": rate,
            "store_records": stats.records,
            "disk_bytes": disk_bytes,
            "bytes_per_record": each,
            "fuel": sandboxed.then_some(usage.fuel),
            "device_calls": sandboxed.then_some(usage.device_calls),
            "created_store": created,
        }));
    }
    context.out.line(format!(
        "{} in {seconds:.2} s, {} records/s",
        count_of(counts.records, "record"),
        human_count(rate as u64),
    ))?;
    context.out.line(format!(
        "{} on disk for {} in the store, {each:.1} bytes a record",
        human_bytes(disk_bytes),
        count_of(stats.records, "record"),
    ))?;
    if sandboxed {
        context.out.line(format!(
            "sandbox: {} units of fuel, {} device calls, {} of memory",
            human_count(usage.fuel),
            human_count(usage.device_calls),
            human_bytes(usage.memory_bytes),
        ))?;
    }
    Ok(())
}
