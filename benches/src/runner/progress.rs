//! A progress line on a terminal; nothing where there is none.

use indicatif::{ProgressBar, ProgressStyle};

use crate::protocol::Step;

/// The line.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// An empty line (`indicatif` draws only on a terminal).
    pub fn new() -> Self {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template(
            "{msg:32} {bar:30} {human_pos}/{human_len} {per_sec:>14} {elapsed:>4} eta {eta}",
        );
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self { bar }
    }

    /// A step begins.
    pub fn step(&mut self, engine: &str, step: Step, round: u32, rounds: u32) {
        let name = format!("{step:?}").to_lowercase();
        let round = match super::has_rounds(step) {
            true => format!(" {}/{rounds}", round + 1),
            false => String::new(),
        };
        self.bar.reset();
        self.bar.set_length(0);
        self.bar.set_message(format!("{engine}: {name}{round}"));
        self.bar.tick();
    }

    /// It got this far.
    pub fn at(&mut self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
    }

    /// Says something above the line.
    pub fn say(&self, words: &str) {
        self.bar.suspend(|| eprintln!("holt-benches: {words}"));
    }

    /// Everything is done.
    pub fn finish(&mut self) {
        self.bar.finish_and_clear();
    }
}
