//! The thread that keeps a store in files up: checkpoints beside readers and writers, and thin
//! frames repacked.
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
    let mut pace = Pace { seen: upkeep.log_bytes(), pause: IDLE };
    while !stop.load(Ordering::Acquire) {
        let Ok(progress) = upkeep.checkpoint(PART_PAGES) else { return };
        if let Some(pause) = pace.after(progress, upkeep.log_bytes()) {
            thread::park_timeout(pause);
        }
    }
}

/// How long to wait between two turns.
struct Pace {
    /// Bytes of log at the last turn.
    seen: u64,
    pause: Duration,
}

impl Pace {
    /// How long to wait after a turn that found so many bytes of log; `None`: go on at once.
    fn after(&mut self, progress: Progress, log_bytes: u64) -> Option<Duration> {
        let quiet = log_bytes == self.seen;
        self.seen = log_bytes;
        let pause = match progress {
            Progress::Behind => return None,
            Progress::Ahead | Progress::Repacked if quiet => return None,
            Progress::Ahead => GENTLE,
            Progress::Nothing if quiet => (2 * self.pause).min(IDLE),
            Progress::Nothing | Progress::Repacked => BUSY,
        };
        self.pause = pause;
        Some(pause)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_as_often_as_there_is_something_to_do() {
        let mut pace = Pace { seen: 0, pause: IDLE };
        assert_eq!(pace.after(Progress::Nothing, 0), Some(IDLE), "nobody writes");
        assert_eq!(pace.after(Progress::Nothing, 100), Some(BUSY), "someone does");
        assert_eq!(pace.after(Progress::Nothing, 100), Some(2 * BUSY), "no more");
        assert_eq!(pace.after(Progress::Nothing, 100), Some(4 * BUSY));
        assert_eq!(pace.after(Progress::Ahead, 200), Some(GENTLE), "beside a writer");
        assert_eq!(pace.after(Progress::Ahead, 200), None, "nobody is disturbed");
        assert_eq!(pace.after(Progress::Behind, 300), None, "writers would have to help");
        assert_eq!(pace.after(Progress::Repacked, 350), Some(BUSY), "it keeps others out");
        assert_eq!(pace.after(Progress::Repacked, 350), None);
        assert_eq!(pace.after(Progress::Nothing, 400), Some(BUSY));
        let longest = (0..20).map(|_| pace.after(Progress::Nothing, 400)).max();
        assert_eq!(longest, Some(Some(IDLE)), "it is there again soon after a long rest");
    }
}
