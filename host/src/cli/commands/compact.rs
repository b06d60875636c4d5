//! `holt compact`: repacks thin pages and frames and gives space back.

use std::time::Instant;

use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::open::{Access, open};
use crate::cli::output::human_bytes;
use crate::cli::{Context, disk, progress};

const HELP: &str = "\
Examples:
  holt --store ./s compact

Repacks pages and frames that deletions left thin, then writes a checkpoint, so that the space
goes back to the file system.

JSON: {\"disk_bytes_after\",\"disk_bytes_before\",\"frames_after\",\"frames_before\",\"seconds\"}";

/// Repack thin pages and frames and give space back
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {}

pub fn run(_: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let bar = progress::busy("compacting");
    let mut opened = open(context, Access::Write)?;
    let disk_before = disk::allocated_bytes(&opened.dir)?;
    let frames_before = opened.store.stats()?.frames;
    let started = Instant::now();
    opened.store.compact()?;
    opened.store.checkpoint()?;
    let seconds = started.elapsed().as_secs_f64();
    let frames_after = opened.store.stats()?.frames;
    // Closing may give space back: what counts is what stays on disk.
    drop(opened.store);
    let disk_after = disk::allocated_bytes(&opened.dir)?;
    bar.finish_and_clear();
    match context.json {
        true => context.out.json(&json!({
            "disk_bytes_before": disk_before,
            "disk_bytes_after": disk_after,
            "frames_before": frames_before,
            "frames_after": frames_after,
            "seconds": seconds,
        })),
        false => context.out.line(format!(
            "from {} to {} on disk, from {frames_before} to {frames_after} frames, {seconds:.2} s",
            human_bytes(disk_before),
            human_bytes(disk_after),
        )),
    }
}
