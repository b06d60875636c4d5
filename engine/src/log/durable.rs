//! How far the log is durable, and waiting for it: one sync for many writers.
//!
//! Owns: the synced mark, who syncs, the first failure of a sync. Never does: append. A writer
//! appends under the store's lock and waits here without it. Whoever finds nobody syncing does
//! it for all that was appended by then; those who come meanwhile wait, and the next of them syncs
//! for all the others (group commit: DeWitt et al., "Implementation Techniques for Main Memory
//! Database Systems", 1984).
//!
//! Writers that the last sync was for are likely to be back at once. A sync that did not wait for
//! them would leave half of them to the next one, so it begins when as many are there as last
//! time; then no thread has to be woken for it, since the last who comes does it. Whoever waits
//! first looks after the time, and where they did not come, the next syncs wait for nobody. Nor
//! does a lone writer, ever.

use alloc::string::{String, ToString};
use alloc::sync::Arc;

use crate::device::LogDevice;
use crate::error::{Error, Result};
use crate::ids::Lsn;
use crate::limits::MAX_HURRIED_SYNCS;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard, wait_a_moment};

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
    /// one after it will be for. So a sync wakes nobody whom it does not help, but its successor.
    done: [Condvar; 2],
}

#[derive(Default)]
struct State {
    /// Whether somebody syncs.
    busy: bool,
    /// Where the log ended when they began.
    target: Lsn,
    /// Which of the two is of the running sync, or of the next one while nobody syncs.
    running: usize,
    /// How many wait for either.
    waiting: [usize; 2],
    /// Syncs that were begun.
    begun: u64,
    /// Whether one of those who wait for the next sync looks after the time.
    watched: bool,
    gathering: Gathering,
    /// The first failure of the device.
    failure: Option<String>,
}

/// How many writers a sync waits for.
#[derive(Default)]
struct Gathering {
    /// They are to be so many, with the one who syncs.
    expected: usize,
    /// Syncs that wait for nobody, because the last one waited in vain,
    hurried: u32,
    /// and how many there were the last time.
    penalty: u32,
}

impl Gathering {
    /// A sync begins.
    fn begin(&mut self) {
        if self.expected > 1 {
            self.penalty /= 2;
        }
    }

    /// It was for `served` writers, and others wait for the next.
    fn end(&mut self, served: usize, others: usize) {
        self.expected = if self.hurried == 0 { served + others } else { 0 };
        self.hurried = self.hurried.saturating_sub(1);
    }

    /// Those who are not here yet do not come in time.
    fn give_up(&mut self) {
        self.expected = 0;
        self.penalty = MAX_HURRIED_SYNCS.min(2 * self.penalty + 1);
        self.hurried = self.penalty;
    }
}

impl State {
    /// Whether a writer who comes now is to sync.
    fn leads(&self) -> bool {
        !self.busy && self.waiting[self.running] + 1 >= self.gathering.expected
    }

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
            if state.leads() {
                return self.lead(state, 1);
            }
            let later = usize::from(state.busy && end > state.target);
            let row = state.running ^ later;
            state.waiting[row] += 1;
            if state.busy || state.watched {
                self.done[row].wait(&mut state);
            } else {
                self.watch(row, &mut state);
            }
            state.waiting[row] -= 1;
        }
    }

    /// Waits for the next sync, but not long for those whom it is to be for.
    fn watch(&self, row: usize, state: &mut MutexGuard<'_, State>) {
        let begun = state.begun;
        state.watched = true;
        let late = wait_a_moment(&self.done[row], state);
        // Else it began, and who waits for another looks after that one's time.
        if state.begun == begun {
            state.watched = false;
            if late {
                state.gathering.give_up();
            }
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
        self.lead(state, 0)
    }

    /// Syncs everything appended so far, as so many writers. Nobody else does meanwhile.
    fn lead(&self, mut state: MutexGuard<'_, State>, writers: usize) -> Result<()> {
        // What is appended while the device is busy may be durable or not.
        let end = self.appended.load(Ordering::Acquire);
        state.busy = true;
        state.target = end;
        state.begun += 1;
        state.watched = false;
        state.gathering.begin();
        drop(state);
        let synced = self.device.sync();
        let mut state = self.state.lock();
        state.busy = false;
        let helped = state.running;
        state.running ^= 1;
        let (served, others) = (writers + state.waiting[helped], state.waiting[helped ^ 1]);
        state.gathering.end(served, others);
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
