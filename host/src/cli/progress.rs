//! Progress bars with rates, drawn only when standard error is a terminal.
//!
//! Owns: the look of the bars. Never does: write to a pipe.

use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::output::human_count;

const TICK: Duration = Duration::from_millis(120);

fn target() -> ProgressDrawTarget {
    match io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file; a wrong one only changes the look.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
            // A writer of text in memory does not fail.
            let _ = write!(out, "{}/s", human_count(state.per_sec() as u64));
        })
}

/// A counter of records whose number is not known beforehand. Its message, empty at first, is
/// for what comes after the counting.
pub fn records(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, target());
    bar.set_style(style("{spinner} {prefix} {human_pos} records, {rate}, {elapsed}{msg}"));
    bar.set_prefix(what);
    bar.enable_steady_tick(TICK);
    bar
}

/// A bar of pages out of a total that may grow.
pub fn pages(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), target());
    bar.set_style(style("{prefix} [{bar:30}] {human_pos}/{human_len} pages, {rate}, {eta} left"));
    bar.set_prefix(what);
    bar
}

/// A sign of life for work without a count.
pub fn busy(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, target());
    bar.set_style(style("{spinner} {prefix} {elapsed}"));
    bar.set_prefix(what);
    bar.enable_steady_tick(TICK);
    bar
}
