//! `holt checkpoint`: publishes everything written and shortens the log.

use std::time::Instant;

use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::open::{Access, open};
use crate::cli::output::{human_bytes, human_count};
use crate::cli::{Context, progress};

const HELP: &str = "\
Examples:
  holt --store ./s checkpoint

Makes everything written part of the published state, so that the next opening replays no log.
`import` and `load` end with one by themselves.

JSON: {\"log_bytes_after\",\"log_bytes_before\",\"pages\",\"seconds\"}";

/// Publish everything written and shorten the log
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {}

pub fn run(_: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let bar = progress::busy("checkpoint");
    let mut opened = open(context, Access::Write)?;
    let before = opened.store.stats()?;
    let started = Instant::now();
    opened.store.checkpoint()?;
    let seconds = started.elapsed().as_secs_f64();
    let after = opened.store.stats()?;
    bar.finish_and_clear();
    let pages = after.checkpoint_pages.saturating_sub(before.checkpoint_pages);
    match context.json {
        true => context.out.json(&json!({
            "log_bytes_before": before.log_bytes,
            "log_bytes_after": after.log_bytes,
            "pages": pages,
            "seconds": seconds,
        })),
        false => context.out.line(format!(
            "{} pages in {seconds:.2} s, log to replay from {} to {}",
            human_count(pages),
            human_bytes(before.log_bytes),
            human_bytes(after.log_bytes),
        )),
    }
}
