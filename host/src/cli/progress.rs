//! Progress bars with rates, drawn only when standard error is a terminal.
//!
//! Owns: the look of the bars. Never does: write to a pipe.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const TICK: Duration = Duration::from_millis(120);

fn target() -> ProgressDrawTarget {
    match io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file; a wrong one only changes the look.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// A counter of records whose number is not known beforehand.
pub fn records(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, target());
    bar.set_style(style("{spinner} {prefix} {human_pos} records, {per_sec}, {elapsed}"));
    bar.set_prefix(what);
    bar.enable_steady_tick(TICK);
    bar
}

/// A bar of pages out of a total that may grow.
pub fn pages(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), target());
    bar.set_style(style(
        "{prefix} [{bar:30}] {human_pos}/{human_len} pages, {per_sec}, {eta} left",
    ));
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
