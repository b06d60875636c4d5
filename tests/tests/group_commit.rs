//! Every interleaving of writers that wait for durability (loom): nobody is acknowledged before
//! its record is durable or after a sync failed, and nobody waits for ever.

extern crate alloc;

use std::sync::Arc;

use loom::model::Builder;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

mod device {
    pub use holt_engine::device::{LogBounds, LogDevice};
}
mod error {
    pub use holt_engine::error::{Error, IoError, IoErrorKind, Result};
}
mod ids {
    pub use holt_engine::ids::Lsn;
}
mod limits {
    pub use holt_engine::limits::MAX_HURRIED_SYNCS;
}

/// Locks with the interface that the engine uses.
mod sync {
    use std::ops::{Deref, DerefMut};
    use std::sync::atomic::{AtomicBool, Ordering};

    pub use loom::sync::atomic;

    pub struct Mutex<T>(loom::sync::Mutex<T>);
    pub struct MutexGuard<'a, T> {
        of: &'a Mutex<T>,
        held: Option<loom::sync::MutexGuard<'a, T>>,
    }
    pub struct Condvar(loom::sync::Condvar, AtomicBool);

    impl<T> Mutex<T> {
        pub fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard { of: self, held: Some(self.0.lock().expect("nobody panicked")) }
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.held.as_ref().expect("is held")
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.held.as_mut().expect("is held")
        }
    }

    /// Without clocks, any time is over as soon as the others had a chance; the first who waits
    /// is woken for nothing.
    pub fn wait_a_moment<T>(told: &Condvar, held: &mut MutexGuard<'_, T>) -> bool {
        held.held = None;
        loom::thread::yield_now();
        *held = held.of.lock();
        told.1.swap(true, Ordering::Relaxed)
    }

    impl Condvar {
        pub fn new() -> Self {
            Self(loom::sync::Condvar::new(), AtomicBool::new(false))
        }

        pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            let held = guard.held.take().expect("is held");
            guard.held = Some(self.0.wait(held).expect("nobody panicked"));
        }

        pub fn notify_all(&self) {
            self.0.notify_all();
        }

        pub fn notify_one(&self) {
            self.0.notify_one();
        }
    }
}

#[allow(dead_code, reason = "what only the engine's log uses")]
#[path = "../../engine/src/log/durable.rs"]
mod durable;

use device::{LogBounds, LogDevice};
use durable::Durable;
use error::{Error, IoError, IoErrorKind, Result};
use ids::Lsn;

/// A log that only counts: what was written, and what of it is durable.
struct Log {
    written: AtomicU64,
    durable: AtomicU64,
    syncs: AtomicU64,
    /// Number of the sync that fails; 0 for none.
    fails: u64,
}

impl LogDevice for Log {
    fn bounds(&self) -> Result<LogBounds> {
        Ok(LogBounds { start: 0, end: self.written.load(Ordering::SeqCst) })
    }
    fn append(&self, _at: Lsn, _bytes: &[u8]) -> Result<()> {
        Ok(())
    }
    fn read(&self, _at: Lsn, _buf: &mut [u8]) -> Result<usize> {
        Ok(0)
    }
    fn sync(&self) -> Result<()> {
        let found = self.written.load(Ordering::Acquire);
        thread::yield_now();
        let number = 1 + self.syncs.fetch_add(1, Ordering::AcqRel);
        if number == self.fails {
            return Err(IoError::new(IoErrorKind::Device, "sync", "as planned").into());
        }
        self.durable.fetch_max(found, Ordering::AcqRel);
        Ok(())
    }
    fn allocated(&self) -> Result<u64> {
        Ok(0)
    }
    fn truncate(&self, _before: Lsn) -> Result<()> {
        Ok(())
    }
    fn reset(&self, _base: Lsn) -> Result<()> {
        Ok(())
    }
}

/// Writers that each append once and wait; the sync of this number fails.
fn explore(writers: usize, fails: u64, preemptions: usize) {
    run(writers, 1, fails, false, preemptions);
}

/// The same, each so many times; if `breaks`, the first writer's next append fails.
fn run(writers: usize, times: usize, fails: u64, breaks: bool, preemptions: usize) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 100_000;
    builder.check(move || {
        let new = || AtomicU64::new(0);
        let log = Arc::new(Log { written: new(), durable: new(), syncs: new(), fails });
        let durable = Arc::new(Durable::new(log.clone(), 0, 0));
        // Appends are one after the other, as under the log's own lock.
        let end = loom::sync::Arc::new(loom::sync::Mutex::new(0_u64));
        let write = {
            let (log, durable) = (log.clone(), durable.clone());
            move || -> Result<()> {
                for _ in 0..times {
                    let mine = {
                        let mut end = end.lock().expect("nobody panicked");
                        durable.check()?;
                        *end += 8;
                        log.written.store(*end, Ordering::Release);
                        durable.note_appended(*end);
                        *end
                    };
                    durable.wait(mine)?;
                    assert!(log.durable.load(Ordering::Acquire) >= mine, "acknowledged too early");
                }
                Ok(())
            }
        };
        let others: Vec<_> = (1..writers)
            .map(|_| {
                let write = write.clone();
                thread::spawn(write)
            })
            .collect();
        let mut outcomes = vec![write()];
        if breaks {
            durable.fail(&IoError::new(IoErrorKind::Device, "append", "as planned").into());
        }
        outcomes.extend(others.into_iter().map(|other| other.join().expect("ends")));
        let syncs = log.syncs.load(Ordering::Acquire);
        assert!(syncs as usize <= writers * times, "{syncs} syncs");
        let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        assert!(breaks || (failed > 0) == (fails > 0 && syncs >= fails), "{outcomes:?}");
        assert!(
            outcomes
                .iter()
                .flat_map(|outcome| outcome.as_ref().err())
                .all(|error| { matches!(error, Error::BlobStoreIo(_) | Error::Poisoned { .. }) })
        );
    });
}

#[test]
fn two_writers() {
    explore(2, 0, 4);
    explore(2, 1, 4);
    explore(2, 2, 4);
}

#[test]
fn three_writers() {
    explore(3, 0, 2);
    explore(3, 1, 2);
    explore(3, 2, 2);
}

/// The second time one may wait for the other, who may not come any more.
#[test]
fn two_writers_that_come_back() {
    run(2, 2, 0, false, 3);
    run(2, 2, 2, false, 3);
}

/// Whoever is woken to sync and finds that the log is broken lets the others know.
#[test]
fn an_append_that_fails_leaves_nobody_waiting() {
    run(2, 1, 0, true, 4);
    run(3, 1, 0, true, 2);
}
