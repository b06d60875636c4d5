//! Upkeep beside the writers: checkpoints whose writes and syncs nobody waits for.
//!
//! Owns: which part of a checkpoint is next, and doing its device calls without the store's
//! lock. Never does: decide when; a thread of the program, or a writer that is over the log's
//! budget, does. A part is taken under the lock, written without it and noted under it again;
//! one part is under way at a time.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::ops::{Deref, DerefMut};

use super::core::Core;
use super::hold::CoreWrite;
use super::shared::Store;
use crate::checkpoint::{Changes, Next, Part, Written};
use crate::device::{BlobStore, LogDevice};
use crate::error::{Error, Result};
use crate::ids::Lsn;
use crate::limits::READ_AHEAD_PAGES;
use crate::sync::{MaybeSync, MutexGuard};

/// Pages that a writer over the log's budget checkpoints.
const HELP_PAGES: usize = 64;

/// What is next to be done for a checkpoint.
pub(super) enum Due {
    /// There is no checkpoint, and none is due.
    Nothing,
    /// So many pages are done; nothing waits.
    Done(usize),
    /// The checkpoint is published.
    Published,
    /// To be done without the store's lock.
    Away(Away),
}

/// A device call to be made without the store's lock.
pub(super) enum Away {
    Stage(Part),
    Publish(Changes),
    Truncate(Arc<dyn LogDevice>, Lsn),
}

/// A device call that was made.
pub(super) enum Back {
    Staged(Written),
    Published,
    Truncated(Result<()>),
}

impl Away {
    fn run(self, blobs: &dyn BlobStore) -> Result<Back> {
        match self {
            Self::Stage(part) => part.write(blobs).map(Back::Staged),
            Self::Publish(changes) => changes.publish(blobs).map(|()| Back::Published),
            Self::Truncate(log, before) => Ok(Back::Truncated(log.truncate(before))),
        }
    }
}

impl Core {
    /// The next part of the checkpoint that runs, or of one that begins now if the log has at
    /// least `start` bytes since the last.
    pub(super) fn next_due(&mut self, pages: usize, start: u64) -> Result<Due> {
        if self.running.is_none() {
            if !self.is_due(start) {
                return Ok(Due::Nothing);
            }
            self.begin_checkpoint()?;
        }
        if self.is_sealed() {
            // The first write ends this checkpoint, so no part of it may be under way elsewhere.
            return Ok(match self.step_checkpoint(pages)? {
                true => Due::Published,
                false => Due::Done(pages),
            });
        }
        let Some(running) = &mut self.running else { return Ok(Due::Nothing) };
        Ok(match running.next_part(&mut self.forest, pages)? {
            Next::Staged(0) => Due::Away(Away::Publish(running.changes())),
            Next::Staged(pages) => Due::Done(pages),
            Next::More => Due::Done(0),
            Next::Write(part) => Due::Away(Away::Stage(part)),
        })
    }

    /// A part came back.
    pub(super) fn came_back(&mut self, back: Back) -> Result<Due> {
        Ok(match (back, &mut self.running) {
            (Back::Staged(written), Some(running)) => {
                Due::Done(running.wrote(&mut self.forest, written))
            }
            (Back::Staged(_), None) => Due::Nothing,
            (Back::Published, _) => match self.end_checkpoint()? {
                Some((log, before)) => Due::Away(Away::Truncate(log, before)),
                None => Due::Published,
            },
            (Back::Truncated(done), _) => self.gave_back(done).map(|()| Due::Published)?,
        })
    }
}

/// The store's lock, with no part of a checkpoint under way elsewhere.
pub(super) struct Settled<'a> {
    core: CoreWrite<'a>,
    _turn: MutexGuard<'a, ()>,
}

impl Deref for Settled<'_> {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl DerefMut for Settled<'_> {
    fn deref_mut(&mut self) -> &mut Core {
        &mut self.core
    }
}

impl Store {
    /// Waits for what is under way elsewhere, and keeps everyone out.
    pub fn settled(&self) -> Settled<'_> {
        let turn = self.turn.lock();
        Settled { core: self.core.write(), _turn: turn }
    }

    /// Does about `pages` pages of the checkpoint that runs or is due; whether there is more to
    /// do at once. `None` if there was nothing to do.
    pub fn checkpoint_some(&self, pages: usize, start: u64) -> Result<Option<bool>> {
        let _turn = self.turn.lock();
        let (mut done, mut any) = (0, None);
        while done < pages {
            let mut core = self.core.write();
            core.check_writable()?;
            let due = core.next_due(pages - done, start);
            let mut due = core.guard(due)?;
            while let Due::Away(away) = due {
                let blobs = Arc::clone(core.forest.cache.blobs());
                drop(core);
                let back = away.run(&*blobs);
                core = self.core.write();
                let next = back.and_then(|back| core.came_back(back));
                due = core.guard(next)?;
            }
            match due {
                Due::Nothing | Due::Away(_) => return Ok(any),
                Due::Published => return Ok(Some(false)),
                Due::Done(pages) => done += pages,
            }
            any = Some(true);
        }
        Ok(Some(true))
    }

    /// See [`Tree::maintain`](super::Tree::maintain).
    pub fn maintain(&self, budget: usize) -> Result<bool> {
        match self.checkpoint_some(budget.max(1), self.options.early_start())? {
            Some(more) => Ok(more),
            None => match self.repack_some()? {
                true => Ok(true),
                false => self.core.write().compact_some(),
            },
        }
    }

    /// Repacks a frame that removals left thin; whether there was one. Its pages are read with
    /// nobody kept out.
    pub fn repack_some(&self) -> Result<bool> {
        loop {
            let mut core = self.core.write();
            core.check_writable()?;
            let Some(frame) = core.forest.take_thinned() else { return Ok(false) };
            // Page 0, then those it leads to.
            for _ in 0..2 {
                let missing = core.forest.missing_pages(frame);
                drop(core);
                missing.chunks(READ_AHEAD_PAGES).for_each(|pages| self.fetch_pages(frame, pages));
                core = self.core.write();
                core.check_writable()?;
            }
            // Each step has all it reads before it changes anything. What cannot be read is of no
            // concern to those who write elsewhere; who asks for it, or checks the store, is told.
            let repacked = core.forest.repack_thinned(frame).unwrap_or(false);
            let trimmed = core.forest.cache.trim();
            core.guard(trimmed)?;
            if repacked {
                return Ok(true);
            }
        }
    }

    /// A writer's share once the log is over its budget.
    #[cold]
    pub fn help(&self) {
        // The write is done and safe; a failure shows on the next.
        let _ = self.checkpoint_some(HELP_PAGES, self.options.late_start());
    }
}

/// How far upkeep is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is nothing to do now.
    Nothing,
    /// There is more to do, and time for it: the log has room.
    Ahead,
    /// There is more to do at once, or writers have to help.
    Behind,
    /// There is no checkpoint to make; a frame that removals left thin was repacked, and there
    /// may be others.
    Repacked,
}

/// Who keeps a store up: ends when it is dropped.
pub type Keeper = Box<dyn MaybeSync>;

/// Keeps an open store up, from a thread of the program's own; see
/// [`StartKeeper`](super::StartKeeper).
pub struct Upkeep {
    store: Arc<Store>,
}

impl Upkeep {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// Does about `pages` pages of the checkpoint that runs or is due, or repacks a frame if there
    /// is none, without keeping readers and writers waiting for the device.
    ///
    /// # Errors
    /// Failures of the devices, after which the store takes no more writes, and what writes say
    /// then: `Poisoned`, `ReadOnly`.
    pub fn checkpoint(&self, pages: usize) -> Result<Progress> {
        self.sync_in_time()?;
        let start = self.store.options.late_start();
        let idle = {
            let glance = self.store.core.enter();
            let core = glance.state();
            // A store that nothing was written to since it was opened is left as it is.
            let idle = core.running.is_none() && !core.is_due(start);
            if core.installing || core.is_sealed() || (idle && core.forest.thinned.is_empty()) {
                return Ok(Progress::Nothing);
            }
            idle
        };
        if idle {
            return match self.store.repack_some() {
                Err(Error::InvalidArgument { .. }) | Ok(false) => Ok(Progress::Nothing),
                Ok(true) => Ok(Progress::Repacked),
                Err(error) => Err(error),
            };
        }
        match self.store.checkpoint_some(pages.max(1), start) {
            // An image began to come in meanwhile.
            Err(Error::InvalidArgument { .. }) => Ok(Progress::Nothing),
            Err(error) => Err(error),
            Ok(Some(true)) => Ok(match self.store.core.enter().state().is_ahead() {
                true => Progress::Ahead,
                false => Progress::Behind,
            }),
            Ok(Some(false) | None) => Ok(Progress::Nothing),
        }
    }

    /// Syncs the log where a write would soon have to.
    fn sync_in_time(&self) -> Result<()> {
        let hoped = {
            let glance = self.store.core.enter();
            let log = glance.state().log();
            log.and_then(|log| Some((Arc::clone(log.durable()), log.hoped()?)))
        };
        hoped.map_or(Ok(()), |(durable, end)| self.store.wait(&durable, end))
    }

    /// Bytes of log that a crash now would replay.
    pub fn log_bytes(&self) -> u64 {
        self.store.core.enter().state().log_bytes()
    }
}
