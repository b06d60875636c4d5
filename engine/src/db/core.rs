//! Everything behind a handle: forest, log, checkpoint, and their order.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::feed::Feed;
use super::options::Options;
use super::snapshot::Retired;
use crate::cache::Cache;
use crate::checkpoint::{RootRecord, Running};
use crate::device::{BlobStore, LogDevice};
use crate::error::{Error, Result};
use crate::forest::Forest;
use crate::ids::{Lsn, TreeId};
use crate::limits::{MIN_CACHE_BYTES, MIN_LOG_BUDGET};
use crate::log::{Log, OpRef, Recovery};
use crate::txn::{Applied, check_limits};

/// A standalone tree is tree 0.
pub(super) const TREE: TreeId = 0;

/// An explicit checkpoint leaves at most this fraction of the file free: one part in so many.
const SETTLED_FRACTION: u64 = 32;

/// Most times an explicit checkpoint lets the store move pages together.
const MAX_SETTLE_ROUNDS: usize = 256;

/// The part of the log budget after which a checkpoint starts by itself: late, since a page
/// that changes again is written again, and early enough that staging its pages over the next
/// quarter ends before the budget does.
const CHECKPOINT_DUE: (u64, u64) = (5, 8);

/// Pages that one write stages at a time while a checkpoint runs beside it.
const INLINE_STEP: usize = 64;
/// Most pages a write checkpoints inline.
const MAX_INLINE_STEP: usize = 4096;

/// Figures that no layer below keeps.
#[derive(Default)]
pub(super) struct CoreCounters {
    pub checkpoints: u64,
    pub checkpoint_pages: u64,
}

/// An open store.
pub(super) struct Core {
    pub forest: Forest,
    pub log: Option<Log>,
    pub running: Option<Running>,
    pub recovery: Recovery,
    pub counters: CoreCounters,
    /// The change feed.
    pub feed: Feed,
    /// Snapshots to give back.
    pub retired: Arc<Retired>,
    options: Options,
    published: Lsn,
    clock: Lsn,
    /// Bytes of log written since the running checkpoint last took a step.
    debt: u64,
    poison: Option<String>,
    compact_from: Option<Vec<u8>>,
}

impl Core {
    /// Opens the store and replays its log into memory. Writes nothing the devices publish.
    pub fn open(
        blobs: Arc<dyn BlobStore>,
        log: Option<Arc<dyn LogDevice>>,
        options: Options,
    ) -> Result<Self> {
        let root = RootRecord::decode(&blobs.root()?)?;
        let budget = options.cache_bytes.max(MIN_CACHE_BYTES);
        let mut cache = Cache::new(Arc::clone(&blobs), budget, root.next_frame, root.next_extent);
        cache.set_read_only(options.read_only);
        cache.set_memory_hint(options.memory_hint.0);
        cache.set_history_limit(options.snapshot_bytes);
        let counters = Default::default();
        let mut forest = Forest { cache, roots: root.trees.into(), counters };
        if !forest.roots.contains_key(&TREE) {
            forest.create_tree(TREE)?;
        }
        let mut feed = Feed::new(options.feed_retention, root.log.cut);
        let mut recovery = Recovery::default();
        let log = match log {
            None => None,
            Some(device) => {
                let (log, found) = Log::open(device, blobs.store_id(), root.log, &mut |record| {
                    let ops: Vec<OpRef<'_>> = record.ops().map(|(_, op)| op).collect();
                    let applied = Applied::apply(&mut forest, &ops, record.lsn)?;
                    applied.commit(&mut forest)?;
                    feed.note(&mut forest, record.lsn, &ops)?;
                    forest.cache.trim()
                })?;
                recovery = found;
                Some(log)
            }
        };
        Ok(Self {
            forest,
            log,
            running: None,
            recovery,
            counters: CoreCounters::default(),
            feed,
            retired: Arc::default(),
            published: root.log.cut,
            clock: root.log.ceiling.max(8),
            options,
            debt: 0,
            poison: None,
            compact_from: None,
        })
    }

    fn check_writable(&self) -> Result<()> {
        if self.options.read_only {
            return Err(Error::ReadOnly);
        }
        match &self.poison {
            Some(cause) => Err(Error::Poisoned { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    /// Passes a result on; after a failure no more writes are taken, so that nothing is
    /// acknowledged that rests on an unknown state.
    fn guard<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.give_up(error.to_string());
        }
        result
    }

    /// No more writes from here on. Reads go on: what is dirty stays in memory, as the store
    /// takes nothing any more.
    fn give_up(&mut self, cause: String) {
        self.poison.get_or_insert(cause);
        self.forest.cache.set_read_only(true);
    }

    /// Gives back what only snapshots needed whose last handle is gone.
    pub fn drain_retired(&mut self) {
        for epoch in self.retired.take() {
            self.forest.cache.retire_snapshot(epoch);
        }
    }

    /// Every change made so far has a position below this one.
    pub fn last_lsn(&self) -> Lsn {
        self.log.as_ref().map_or(self.clock, |log| log.end())
    }

    /// Makes room after a read. The read has what it wants: a failure shows on the next write.
    pub fn after_read(&mut self) {
        self.drain_retired();
        let trimmed = self.forest.cache.trim();
        let _ = self.guard(trimmed);
    }

    /// Gets ready for the first write after opening: what was replayed is published, and the
    /// log starts a new epoch at positions never used.
    fn ready(&mut self) -> Result<()> {
        self.check_writable()?;
        if self.log.as_ref().is_none_or(|log| !log.is_sealed()) {
            return Ok(());
        }
        if self.recovery.records > 0 && self.published < self.recovery.end {
            self.checkpoint()?;
        }
        let begun = match &mut self.log {
            Some(log) => log.begin_epoch(),
            None => Ok(()),
        };
        self.guard(begun)
    }

    /// Writes one record; the short way of a batch of one.
    pub fn put(&mut self, tree: TreeId, key: &[u8], value: &[u8]) -> Result<()> {
        check_limits(key, value)?;
        self.ready()?;
        let place = self.forest.make_place(tree, key, value.len())?;
        let lsn = self.append(&[OpRef::Put { tree, key, value }])?;
        self.forest.cache.set_lsn(lsn);
        let written = self.forest.settle(|forest| forest.write(tree, place, key, value, lsn));
        if let Some(previous) = self.guard(written)? {
            self.forest.forget(&previous, true);
        }
        self.note(lsn, &[OpRef::Put { tree, key, value }])?;
        self.after_write(key.len() + value.len())
    }

    /// Removes one record.
    pub fn delete(&mut self, tree: TreeId, key: &[u8]) -> Result<bool> {
        check_limits(key, &[])?;
        self.check_writable()?;
        let place = self.forest.with(|forest| forest.place(tree, key))?;
        if !place.exact {
            self.after_read();
            return Ok(false);
        }
        self.ready()?;
        let lsn = self.append(&[OpRef::Delete { tree, key }])?;
        self.forest.cache.set_lsn(lsn);
        let erased = self.forest.settle(|forest| forest.erase(tree, place, key));
        let previous = self.guard(erased)?;
        self.forest.forget(&previous, false);
        let shrunk = self.forest.shrink(tree, key);
        self.guard(shrunk)?;
        self.note(lsn, &[OpRef::Delete { tree, key }])?;
        self.after_write(key.len())?;
        Ok(true)
    }

    /// Applies operations together or not at all, as one log record.
    pub fn batch(&mut self, ops: &[OpRef<'_>]) -> Result<()> {
        crate::log::check_ops(ops)?;
        self.ready()?;
        let prepared = match &mut self.log {
            Some(log) => log.prepare_ops(ops),
            // Without a log the limits of a log record hold all the same.
            None => Ok(self.clock),
        };
        let lsn = match prepared {
            Ok(lsn) => lsn,
            Err(error) => return Err(self.judge(error)),
        };
        let applied = match Applied::apply(&mut self.forest, ops, lsn) {
            Ok(applied) => applied,
            Err(error @ Error::Poisoned { .. }) => return Err(self.judge(error)),
            Err(error) => return Err(error),
        };
        if let Err(error) = self.append(ops) {
            let undone = applied.undo(&mut self.forest);
            self.guard(undone)?;
            return Err(error);
        }
        let committed = applied.commit(&mut self.forest);
        self.guard(committed)?;
        self.note(lsn, ops)?;
        self.after_write(crate::log::encoded_len(ops))
    }

    /// Notes a commit in the change feed. It is in the log: if that fails, the next opening
    /// makes it good.
    fn note(&mut self, lsn: Lsn, ops: &[OpRef<'_>]) -> Result<()> {
        let noted = self.feed.note(&mut self.forest, lsn, ops);
        self.guard(noted)
    }

    /// Notes a failure of the log that is not about the operations themselves.
    fn judge(&mut self, error: Error) -> Error {
        if matches!(error, Error::BlobStoreIo(_) | Error::Poisoned { .. }) {
            self.give_up(error.to_string());
        }
        error
    }

    fn append(&mut self, ops: &[OpRef<'_>]) -> Result<Lsn> {
        match &mut self.log {
            Some(log) => match log.append_ops(ops) {
                Ok(lsn) => Ok(lsn),
                Err(error) => Err(self.judge(error)),
            },
            None => {
                let lsn = self.clock;
                self.clock += 8 * (ops.len() as u64 + 1);
                Ok(lsn)
            }
        }
    }

    /// What follows every write: durability, room, and a share of the checkpoint.
    fn after_write(&mut self, bytes: usize) -> Result<()> {
        if self.options.sync {
            self.sync()?;
        }
        // The write is done and safe; a failure to make room or to checkpoint shows on the next.
        let result = self.upkeep(bytes as u64);
        let _ = self.guard(result);
        Ok(())
    }

    fn upkeep(&mut self, bytes: u64) -> Result<()> {
        self.drain_retired();
        self.forest.cache.trim()?;
        let Some(log) = self.log.as_ref().filter(|_| self.options.auto_checkpoint) else {
            return Ok(());
        };
        let budget = self.options.log_budget.max(MIN_LOG_BUDGET);
        let since = log.bytes_since(self.published);
        let Some(running) = &self.running else {
            if since >= budget / CHECKPOINT_DUE.1 * CHECKPOINT_DUE.0 {
                self.begin_checkpoint()?;
            }
            return Ok(());
        };
        // The rest must be staged within a quarter of the budget.
        self.debt += bytes;
        let left = running.left();
        let due = self.debt.saturating_mul(left.max(1)) / (budget / 4).max(1);
        if since >= budget {
            return self.finish_checkpoint();
        }
        if due >= INLINE_STEP as u64 || left == 0 {
            self.debt = 0;
            return self
                .step_checkpoint((due as usize).clamp(INLINE_STEP, MAX_INLINE_STEP))
                .map(|_| ());
        }
        Ok(())
    }

    fn begin_checkpoint(&mut self) -> Result<()> {
        self.forest.cache.trim()?;
        self.running = Some(Running::begin(&mut self.forest, self.log.as_mut(), self.clock)?);
        self.debt = 0;
        Ok(())
    }

    /// One step of the running checkpoint; `true` once it is published or there is none.
    fn step_checkpoint(&mut self, budget: usize) -> Result<bool> {
        let Some(running) = &mut self.running else { return Ok(true) };
        if !running.step(&mut self.forest, budget)? {
            return Ok(false);
        }
        self.finish_checkpoint()?;
        Ok(true)
    }

    fn finish_checkpoint(&mut self) -> Result<()> {
        let Some(running) = self.running.take() else { return Ok(()) };
        let cut = running.cut();
        self.counters.checkpoint_pages += running.publish(&mut self.forest, self.log.as_mut())?;
        self.counters.checkpoints += 1;
        self.published = cut;
        self.forest.cache.trim()
    }

    /// Publishes everything written so far.
    pub fn checkpoint(&mut self) -> Result<()> {
        self.check_writable()?;
        let result = self.checkpoint_now();
        self.guard(result)
    }

    fn checkpoint_now(&mut self) -> Result<()> {
        self.drain_retired();
        self.forest.cache.trim()?;
        self.finish_checkpoint()?;
        let logged = self.log.as_ref().is_some_and(|log| log.bytes_since(self.published) > 0);
        if logged || self.forest.cache.is_dirty() {
            self.begin_checkpoint()?;
            self.finish_checkpoint()?;
        }
        self.settle_store()
    }

    /// Lets the store give free space back, now that nothing else is to be written: publishing
    /// no change is its sign to move pages together and trim.
    fn settle_store(&mut self) -> Result<()> {
        let blobs = Arc::clone(self.forest.cache.blobs());
        let mut usage = blobs.usage()?;
        for _ in 0..MAX_SETTLE_ROUNDS {
            if usage.free_bytes <= usage.allocated_bytes / SETTLED_FRACTION {
                break;
            }
            blobs.publish(&[], &blobs.root()?)?;
            let now = blobs.usage()?;
            if now.allocated_bytes >= usage.allocated_bytes {
                break;
            }
            usage = now;
        }
        Ok(())
    }

    /// Makes everything written so far durable.
    pub fn sync(&mut self) -> Result<()> {
        self.check_writable()?;
        let synced = match &mut self.log {
            // A sealed log too: what was replayed from it may be in the system's memory only.
            Some(log) => log.sync(),
            None => Ok(()),
        };
        self.guard(synced)
    }

    /// Repacks everything.
    pub fn compact(&mut self) -> Result<()> {
        self.check_writable()?;
        let mut next = Some(Vec::new());
        while let Some(key) = next {
            let step = self.compact_step(&key);
            next = self.guard(step)?;
        }
        self.compact_from = None;
        self.checkpoint()
    }

    fn compact_step(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let next = self.forest.compact_at(TREE, key)?;
        self.forest.cache.trim()?;
        Ok(next)
    }

    /// About `budget` pages of maintenance: the running checkpoint, or one that is due, else a
    /// frame of compaction. `true` if there is more to do at once.
    pub fn maintain(&mut self, budget: usize) -> Result<bool> {
        self.check_writable()?;
        let result = self.maintain_now(budget);
        self.guard(result)
    }

    fn maintain_now(&mut self, budget: usize) -> Result<bool> {
        if self.running.is_some() {
            return self.step_checkpoint(budget.max(1)).map(|done| !done);
        }
        let since = self.log.as_ref().map_or(0, |log| log.bytes_since(self.published));
        if since >= self.options.log_budget.max(MIN_LOG_BUDGET) / 4 {
            self.begin_checkpoint()?;
            return Ok(true);
        }
        let from = self.compact_from.take().unwrap_or_default();
        self.compact_from = self.compact_step(&from)?;
        Ok(self.compact_from.is_some())
    }

    /// No version and no page is as new as this.
    pub fn limit(&self) -> Lsn {
        self.log.as_ref().map_or(self.clock, |log| log.ceiling().max(1))
    }

    /// Bytes of log that a crash now would replay.
    pub fn log_bytes(&self) -> u64 {
        self.log.as_ref().map_or(0, |log| log.bytes_since(self.published))
    }
}
