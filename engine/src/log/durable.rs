//! How far the log is durable, and waiting for it: one sync for many writers.
//!
//! Owns: the synced mark, who syncs, the first failure of a sync. Never does: append. A writer
//! appends under the store's lock and waits here without it. Whoever finds nobody syncing does
//! it at once for all that was appended by then; those who come meanwhile wait, and the next of
//! them syncs for all the others (group commit: DeWitt et al., "Implementation Techniques for
//! Main Memory Database Systems", 1984). Nobody waits for a timer.

use alloc::string::{String, ToString};
use alloc::sync::Arc;

use crate::device::LogDevice;
use crate::error::{Error, Result};
use crate::ids::Lsn;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// The durable part of an open log, shared by those who wait for it.
pub struct Durable {
    device: Arc<dyn LogDevice>,
    /// Position after the last record that the device took as a whole.
    appended: AtomicU64,
    /// Everything below is durable.
    synced: AtomicU64,
    syncs: AtomicU64,
    /// Whether there was a failure: asked before every append.
    failed: AtomicBool,
    state: Mutex<State>,
    /// Told after a sync: one for those whom the running one is for, the other for those whom the
    /// next one will be for. So a sync wakes nobody whom it does not help, but its successor.
    done: [Condvar; 2],
}

#[derive(Default)]
struct State {
    /// Whether somebody syncs.
    busy: bool,
    /// Where the log ended when they began.
    target: Lsn,
    /// Which of the two is of the running sync.
    running: usize,
    /// The first failure of the device.
    failure: Option<String>,
}

impl State {
    fn check(&self) -> Result<()> {
        match &self.failure {
            Some(cause) => Err(Error::Poisoned { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    fn fail(&mut self, error: &Error) {
        self.failure.get_or_insert_with(|| match error {
            Error::Poisoned { cause } => cause.clone(),
            other => other.to_string(),
        });
    }
}

impl Durable {
    /// Of a log that ends at `end` and is durable up to `synced`.
    pub(super) fn new(device: Arc<dyn LogDevice>, end: Lsn, synced: Lsn) -> Self {
        Self {
            device,
            appended: AtomicU64::new(end),
            synced: AtomicU64::new(synced),
            syncs: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            state: Mutex::new(State::default()),
            done: [Condvar::new(), Condvar::new()],
        }
    }

    /// Everything below is durable.
    pub fn synced(&self) -> Lsn {
        self.synced.load(Ordering::Acquire)
    }

    /// Syncs since opening.
    pub(super) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// Notes that the device took everything below `end`.
    pub(super) fn note_appended(&self, end: Lsn) {
        self.appended.store(end, Ordering::Release);
    }

    /// Returns once everything below `end`, which was appended, is durable.
    ///
    /// # Errors
    /// The failure of the device that came in the way; `Poisoned` after an earlier one. Whether
    /// the records survive is then not known.
    pub fn wait(&self, end: Lsn) -> Result<()> {
        if self.synced() >= end {
            return Ok(());
        }
        let mut state = self.state.lock();
        loop {
            if self.synced() >= end {
                return Ok(());
            }
            if let Err(error) = state.check() {
                // It may have been woken to sync for others.
                self.wake_all();
                return Err(error);
            }
            if !state.busy {
                return self.lead(state);
            }
            let later = usize::from(end > state.target);
            self.done[state.running ^ later].wait(&mut state);
        }
    }

    /// Syncs whatever was appended, even if all of it should be durable.
    ///
    /// # Errors
    /// Those of [`Durable::wait`].
    pub(super) fn force(&self) -> Result<()> {
        let mut state = self.state.lock();
        while state.busy {
            self.done[state.running].wait(&mut state);
        }
        state.check()?;
        self.lead(state)
    }

    /// Syncs everything appended so far. Nobody else does meanwhile.
    fn lead(&self, mut state: MutexGuard<'_, State>) -> Result<()> {
        // What is appended while the device is busy may be durable or not.
        let end = self.appended.load(Ordering::Acquire);
        state.busy = true;
        state.target = end;
        drop(state);
        let synced = self.device.sync();
        let mut state = self.state.lock();
        state.busy = false;
        let helped = state.running;
        state.running ^= 1;
        match &synced {
            Ok(()) => {
                self.syncs.fetch_add(1, Ordering::Relaxed);
                self.synced.fetch_max(end, Ordering::AcqRel);
            }
            Err(error) => self.note_failure(&mut state, error),
        }
        drop(state);
        self.done[helped].notify_all();
        if synced.is_ok() {
            self.done[helped ^ 1].notify_one();
        } else {
            self.wake_all();
        }
        synced
    }

    fn wake_all(&self) {
        for waiting in &self.done {
            waiting.notify_all();
        }
    }

    /// Remembers the first failure of the device, whoever met it.
    pub(super) fn fail(&self, error: &Error) {
        self.note_failure(&mut self.state.lock(), error);
    }

    fn note_failure(&self, state: &mut State, error: &Error) {
        state.fail(error);
        self.failed.store(true, Ordering::Release);
    }

    /// # Errors
    /// `Poisoned` after a failure of the device.
    pub(super) fn check(&self) -> Result<()> {
        match self.failed.load(Ordering::Acquire) {
            true => self.state.lock().check(),
            false => Ok(()),
        }
    }
}
