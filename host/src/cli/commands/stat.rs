//! `holt stat`: figures of the store.

use std::os::unix::ffi::OsStrExt;

use holt_engine::db::TreeStats;
use holt_host::api::SandboxUsage;
use serde_json::{Map, Value, json};

use crate::cli::args::EngineChoice;
use crate::cli::disk::{self, FileUse};
use crate::cli::failure::Failure;
use crate::cli::keys::escape;
use crate::cli::open::{Access, open};
use crate::cli::output::{human_bytes, human_count, object_of};
use crate::cli::{Context, progress};

const HELP: &str = "\
Examples:
  holt --store ./s stat
  holt --store ./s stat --json | jq .tree.records
  holt --store ./s --engine sandbox stat        fuel and device calls of opening, too

Counters start when the store is opened, which this command does itself: they show the work of
opening, and those that are zero are left out of the table.

JSON: {\"engine\",\"files\":[{\"allocated_bytes\",\"bytes\",\"name\"}],\"disk_bytes\",\"sandbox\",\"store\",
\"tree\"}; tree has the fields of TreeStats, with those of the store's own bookkeeping in
tree.store; store is the directory; sandbox is null for the native engine, else
{\"device_calls\",\"fuel\",\"memory_bytes\"}";

/// Show figures of the store
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {}

pub fn run(_: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let bar = progress::busy("opening");
    let mut opened = open(context, Access::Read)?;
    let stats = opened.store.stats()?;
    let usage = (context.engine == EngineChoice::Sandbox).then(|| opened.store.sandbox_usage());
    let files = disk::files(&opened.dir)?;
    bar.finish_and_clear();
    let disk_bytes: u64 = files.iter().map(|file| file.allocated_bytes).sum();
    if context.json {
        let tree = serde_json::to_value(&stats).unwrap_or_default();
        let mut object = object_of("store", opened.dir.as_os_str().as_bytes());
        object.insert("engine".into(), context.engine.name().into());
        object.insert("tree".into(), tree);
        object.insert("files".into(), json!(files));
        object.insert("disk_bytes".into(), disk_bytes.into());
        let sandbox = usage.map(|usage| {
            json!({
                "fuel": usage.fuel,
                "device_calls": usage.device_calls,
                "memory_bytes": usage.memory_bytes,
            })
        });
        object.insert("sandbox".into(), sandbox.into());
        return context.out.json(&object);
    }
    let dir = escape(opened.dir.as_os_str().as_bytes());
    context.out.line(format!("store {dir} ({} engine)", context.engine.name()))?;
    print_tree(context, &stats)?;
    print_files(context, &files, disk_bytes, stats.records)?;
    match usage {
        Some(usage) => print_sandbox(context, usage),
        None => Ok(()),
    }
}

fn row(context: &mut Context, label: &str, value: String) -> Result<(), Failure> {
    context.out.line(format!("  {label:<30} {value:>16}"))
}

/// Fields of the statistics that have a row of their own.
const NOT_COUNTERS: [&str; 16] = [
    "records",
    "frames",
    "levels",
    "cache_bytes",
    "dirty_pages",
    "log_bytes",
    "fill_per_mille",
    "replayed_records",
    "replayed_bytes",
    "log_allocated_bytes",
    "last_lsn",
    "blobs",
    "pages",
    "free_bytes",
    "manifest_bytes",
    "allocated_bytes",
];

fn print_tree(context: &mut Context, stats: &TreeStats) -> Result<(), Failure> {
    context.out.line("tree")?;
    row(context, "records", human_count(stats.records))?;
    row(context, "frames", human_count(stats.frames))?;
    row(context, "levels of frames", stats.levels.to_string())?;
    row(context, "log to replay", human_bytes(stats.log_bytes))?;
    row(context, "log records replayed", human_count(stats.replayed_records))?;
    row(context, "log replayed", human_bytes(stats.replayed_bytes))?;
    row(context, "log allocated", human_bytes(stats.log_allocated_bytes))?;
    row(context, "log position", human_count(stats.last_lsn))?;
    row(context, "cache in use", human_bytes(stats.cache_bytes))?;
    let fill = format!("{}.{} %", stats.fill_per_mille / 10, stats.fill_per_mille % 10);
    row(context, "fill of leaf pages in memory", fill)?;
    row(context, "pages not yet published", human_count(stats.dirty_pages))?;
    context.out.line("bookkeeping")?;
    row(context, "blobs", human_count(stats.store.blobs))?;
    row(context, "pages", human_count(stats.store.pages))?;
    row(context, "free for reuse", human_bytes(stats.store.free_bytes))?;
    row(context, "manifest", human_bytes(stats.store.manifest_bytes))?;
    row(context, "allocated", human_bytes(stats.store.allocated_bytes))?;
    let mut counters = Map::new();
    flatten(serde_json::to_value(stats).unwrap_or_default(), &mut counters);
    counters.retain(|name, value| {
        !NOT_COUNTERS.contains(&name.as_str()) && value.as_u64().is_some_and(|count| count > 0)
    });
    if !counters.is_empty() {
        context.out.line("since opening")?;
    }
    for (name, value) in counters {
        row(context, &name.replace('_', " "), human_count(value.as_u64().unwrap_or_default()))?;
    }
    Ok(())
}

/// The fields of an object and of the objects in it, by name, in one map: two levels at most.
fn flatten(value: Value, into: &mut Map<String, Value>) {
    let Value::Object(fields) = value else { return };
    for (name, value) in fields {
        match value {
            Value::Object(inner) => into.extend(inner),
            other => drop(into.insert(name, other)),
        }
    }
}

fn print_files(
    context: &mut Context,
    files: &[FileUse],
    disk_bytes: u64,
    records: u64,
) -> Result<(), Failure> {
    context.out.line("on disk (length, allocated)")?;
    for file in files {
        let line = format!(
            "  {:<22} {:>12} {:>12}",
            file.name,
            human_bytes(file.bytes),
            human_bytes(file.allocated_bytes)
        );
        context.out.line(line)?;
    }
    row(context, "allocated in all", human_bytes(disk_bytes))?;
    let each = disk_bytes as f64 / records.max(1) as f64;
    row(context, "bytes a record", format!("{each:.1}"))
}

fn print_sandbox(context: &mut Context, usage: SandboxUsage) -> Result<(), Failure> {
    context.out.line("sandbox")?;
    row(context, "units of fuel", human_count(usage.fuel))?;
    row(context, "device calls", human_count(usage.device_calls))?;
    row(context, "linear memory", human_bytes(usage.memory_bytes))
}
