//! Ends a suite that hangs: a call that never returns is a finding, not a test that runs for ever.
//!
//! Owns: [`Watch`]. Never does: judge how long anything takes short of that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A step that takes longer hangs.
const HANGS: Duration = Duration::from_secs(60);

/// Between two looks.
const EVERY: Duration = Duration::from_millis(200);

/// Ends the program if no step ends for a long time, until it is dropped.
pub struct Watch {
    steps: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Watch {
    /// Watches the steps of `what`.
    pub fn over(what: &'static str) -> Self {
        let (steps, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (seen, ended) = (Arc::clone(&steps), Arc::clone(&over));
        thread::spawn(move || {
            let mut last = (0, Instant::now());
            while !ended.load(Ordering::Relaxed) {
                thread::sleep(EVERY);
                let steps = seen.load(Ordering::Relaxed);
                if steps != last.0 {
                    last = (steps, Instant::now());
                } else if last.1.elapsed() > HANGS {
                    eprintln!("{what}: no answer for {HANGS:?}, after {steps} steps");
                    std::process::exit(101);
                }
            }
        });
        Self { steps, over }
    }

    /// A step ended.
    pub fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}
