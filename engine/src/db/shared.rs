//! An open store, shared by its handles: looking things up, and writing with others.
//!
//! Owns: the store's lock and who waits for what without it. Never does: decide what a write is.

use alloc::string::ToString;
use alloc::sync::Arc;
use core::ops::Deref;

use super::ahead::Ahead;
use super::core::Core;
use super::feed::{ChangePage, FeedRun};
use super::hold::Hold;
use super::options::Options;
use super::scan_part::Buffers;
use super::upkeep::{Keeper, Upkeep};
use super::write::Failed;
use crate::error::{Error, Result};
use crate::forest::Forest;
use crate::ids::{FEED_TREE, Lsn, TreeId};
use crate::limits::{MAX_FEED_CHANGES, MAX_SCAN_BYTES};
use crate::log::Durable;
use crate::node::Miss;
use crate::sync::{Mutex, THREADS};

/// What all handles of an open store have in common. With the last of them the store closes.
pub(super) struct Shared {
    /// Who keeps the store up beside its handles; it ends before the store closes.
    keeper: Option<Keeper>,
    pub(super) store: Arc<Store>,
}

/// An open store.
pub(super) struct Store {
    pub core: Hold,
    pub options: Options,
    /// Whether writes that stay on one page may be made beside others.
    pub beside: bool,
    /// Held by who has a part of a checkpoint under way without the lock of `core`, and by who
    /// needs that nobody has. Taken before that lock.
    pub turn: Mutex<()>,
    /// Buffers of scans that ended.
    pub buffers: Buffers,
}

impl Shared {
    pub fn new(core: Core, options: Options) -> Arc<Self> {
        let start = options
            .start_keeper
            .0
            .filter(|_| core.log().is_some() && options.kept_up && !options.read_only);
        // Writers that take their share of checkpoints have the store alone for it, the change
        // feed is in the order of the log, and a write that is published at once is alone.
        let shares = core.log().is_some() && options.auto_checkpoint && !options.kept_up;
        let publishes = core.log().is_none() && options.publish_writes;
        let beside =
            THREADS && !shares && !publishes && options.feed_retention == 0 && !options.read_only;
        let (core, turn, buffers) = (Hold::new(core), Mutex::new(()), Buffers::default());
        let store = Store { core, options, beside, turn, buffers };
        let store = Arc::new(store);
        let keeper = start.map(|start| start(Upkeep::new(Arc::clone(&store))));
        Arc::new(Self { keeper, store })
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        drop(self.keeper.take());
    }
}

impl Deref for Shared {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Store {
    /// Runs a lookup again and again until nothing is missing; see [`Store::look_into`].
    pub fn look<T>(&self, mut look: impl FnMut(&Forest) -> Result<T, Miss>) -> Result<T> {
        self.look_into(&mut Ahead::default(), |core, _| {
            core.check_whole()?;
            Ok(look(&core.forest))
        })
    }

    /// Runs a write. Where the store promises that what is acknowledged is durable, waits for
    /// that without the store's lock: writers that wait share a sync. Others may see the write
    /// before that, as they may see its outcome after the caller's process died.
    ///
    /// # Errors
    /// Those of `write`; if the sync fails, what `unsure` makes of the failure.
    pub fn commit<T, E>(
        &self,
        write: impl FnOnce(&mut Core) -> Result<T, E>,
        unsure: impl FnOnce(Error) -> E,
    ) -> Result<T, E> {
        let mut core = self.core.write();
        core.grouped = true;
        let done = write(&mut core);
        let awaited = core.take_awaited();
        let over = core.take_over_budget();
        drop(core);
        let done = done?;
        if over {
            self.help();
        }
        let Some((durable, end)) = awaited else { return Ok(done) };
        match self.wait(&durable, end) {
            Ok(()) => Ok(done),
            Err(error) => Err(unsure(error)),
        }
    }

    /// Waits until what was written is durable; if that fails, nothing more is written.
    pub fn wait(&self, durable: &Durable, end: Lsn) -> Result<()> {
        let waited = durable.wait(end);
        if let Err(error) = &waited {
            self.core.write().give_up(error.to_string());
        }
        waited
    }

    /// Waits until everything written so far is durable, if the store promises that of what it
    /// acknowledges: followers must not be ahead of it.
    fn wait_durable(&self) -> Result<()> {
        if !self.options.sync {
            return Ok(());
        }
        let glance = self.core.enter();
        let awaited = glance.state().log().map(|log| (Arc::clone(log.durable()), log.end()));
        drop(glance);
        awaited.map_or(Ok(()), |(durable, end)| durable.wait(end))
    }

    /// [`Store::commit`] of a single operation.
    pub fn commit_one<T>(&self, write: impl FnOnce(&mut Core) -> Result<T>) -> Result<T> {
        self.commit(write, |error| error)
    }

    /// [`Store::commit`] of a batch.
    pub fn commit_batch<T>(
        &self,
        write: impl FnOnce(&mut Core) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        self.commit(write, |error| Failed { error, unknown: true })
    }

    /// A part of the change feed; see [`Tree::changes_since`](super::Tree::changes_since).
    pub fn changes(&self, tree: Option<TreeId>, from: Lsn) -> Result<ChangePage> {
        let now = {
            let core = self.core.read();
            if self.options.feed_retention == 0 {
                let why = "was not switched on; open the store with feed_retention";
                return Err(Error::InvalidArgument { what: "change feed", why });
            }
            let empty = !core.forest.roots.contains_key(&FEED_TREE);
            (empty || from >= core.last_lsn()).then(|| core.last_lsn())
        };
        if let Some(now) = now {
            return match from >= now {
                true => Ok(ChangePage { next: from, ..ChangePage::default() }),
                false => Err(expired()),
            };
        }
        let mut run = FeedRun::new(tree, from, MAX_FEED_CHANGES, MAX_SCAN_BYTES);
        match self.look(|forest| run.advance(forest.reader()))? {
            true => {
                self.wait_durable()?;
                Ok(run.finish())
            }
            false => Err(expired()),
        }
    }
}

fn expired() -> Error {
    let advice = "read everything anew from a snapshot and follow from its position";
    Error::Expired { what: "the change feed from there on", advice }
}
