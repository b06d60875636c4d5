//! The thread that keeps a store in files up: checkpoints beside readers and writers.
//!
//! Owns: the thread, when it looks and when it ends. Never does: decide what is due, which the
//! engine knows, or print: a failure stops the store's writes, and the next of them says why.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use holt_engine::db::{Keeper, Progress, Upkeep};

/// Pages of one turn: as many as go to the device at once.
const PART_PAGES: usize = 64;
/// Between two turns of a checkpoint that has time, beside writers.
const GENTLE: Duration = Duration::from_millis(2);
/// Between two looks while records are written.
const BUSY: Duration = Duration::from_millis(5);
/// The longest between two looks.
const IDLE: Duration = Duration::from_millis(500);

/// The thread; it ends when this is dropped.
struct Thread {
    stop: Arc<AtomicBool>,
    handle: Option<JoinHandle<()>>,
}

/// Starts the thread. If the system has none left, writers do its work.
pub(crate) fn start(upkeep: Upkeep) -> Keeper {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = thread::Builder::new().name("holt-upkeep".into());
    let handle = thread.spawn(move || run(&upkeep, &stopped)).ok();
    Box::new(Thread { stop, handle })
}

fn run(upkeep: &Upkeep, stop: &AtomicBool) {
    let (mut seen, mut pause) = (upkeep.log_bytes(), IDLE);
    while !stop.load(Ordering::Acquire) {
        let Ok(progress) = upkeep.checkpoint(PART_PAGES) else { return };
        let now = upkeep.log_bytes();
        let quiet = now == seen;
        seen = now;
        pause = match progress {
            Progress::Behind => continue,
            Progress::Ahead if quiet => continue,
            Progress::Ahead => GENTLE,
            Progress::Nothing if quiet => (2 * pause).min(IDLE),
            Progress::Nothing => BUSY,
        };
        thread::park_timeout(pause);
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(handle) = self.handle.take() {
            handle.thread().unpark();
            // It holds the store open, which is to be closed when this returns.
            let _ = handle.join();
        }
    }
}
