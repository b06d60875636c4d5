//! Everything behind a handle: forest, log, checkpoint, and their order.
//!
//! Owns: opening, readiness for writes, durability, checkpoints, upkeep. Never does: change a
//! record (`write.rs`).

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Bound;
use core::sync::atomic::{AtomicU64, Ordering};

use super::catalog::Catalog;
use super::feed::Feed;
use super::options::Options;
use super::snapshot::Retired;
use crate::cache::Cache;
use crate::checkpoint::{RootRecord, Running};
use crate::device::{BlobStore, LogDevice};
use crate::error::{Error, Result};
use crate::forest::Forest;
use crate::ids::{JOURNAL_TREE, Lsn, STANDALONE_TREE, TreeId};
use crate::limits::{LSN_STRIDE, MAX_LSN, MIN_CACHE_BYTES};
use crate::log::{Durable, Log, OpRef, Recovery};
use crate::seeded::{self, Bug};
use crate::sync::{Mutex, MutexGuard, lock_soon};
use crate::txn::Redo;

/// An explicit checkpoint leaves at most this fraction of the file free: one part in so many.
const SETTLED_FRACTION: u64 = 32;

/// Most times an explicit checkpoint lets the store move pages together.
const MAX_SETTLE_ROUNDS: usize = 256;

/// Pages that one write stages at a time while a checkpoint runs beside it.
const INLINE_STEP: usize = 64;
/// Most pages a write checkpoints inline.
const MAX_INLINE_STEP: usize = 4096;

/// Figures that no layer below keeps.
#[derive(Default)]
pub(super) struct CoreCounters {
    pub checkpoints: u64,
    pub checkpoint_pages: u64,
    /// Bytes of keys and values in commits.
    pub payload: u64,
    /// Lookups that had to wait for the store.
    pub cold_reads: u64,
    /// Times that such a lookup began anew.
    pub lookup_restarts: u64,
}

/// An open store.
pub(super) struct Core {
    pub forest: Forest,
    log: Option<Mutex<Log>>,
    pub running: Option<Running>,
    pub recovery: Recovery,
    pub counters: CoreCounters,
    /// The change feed.
    pub feed: Feed,
    /// Snapshots to give back.
    pub retired: Arc<Retired>,
    /// Names of trees, for a handle of the whole store.
    pub catalog: Catalog,
    /// Without a log, the position of the next change.
    clock: AtomicU64,
    options: Options,
    published: Lsn,
    /// Bytes of log written since the running checkpoint last took a step.
    debt: u64,
    poison: Option<String>,
    /// Whether a change of many pages stopped half way: what is in memory is no state that ever
    /// was, so nothing is read from it.
    torn: bool,
    /// Whether an image is on its way in, part by part.
    pub installing: bool,
    /// Whether the batch at hand has an envelope of the journal.
    pub enveloped: bool,
    /// Where compaction goes on: a tree and a key in it.
    compact_from: Option<(TreeId, Vec<u8>)>,
    /// Whether who writes waits for durability after it let go of the store's lock.
    pub grouped: bool,
    /// What the write at hand has to wait for then.
    awaited: Option<Lsn>,
    /// Whether the write at hand left the log over its budget, with someone else to blame.
    over_budget: bool,
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
        let mut forest =
            Forest { cache, roots: root.trees.into(), counters, thinned: Default::default() };
        if !forest.roots.contains_key(&STANDALONE_TREE) {
            forest.create_tree(STANDALONE_TREE)?;
        }
        let mut feed = Feed::new(options.feed_retention, root.log.cut);
        let mut recovery = Recovery::default();
        let log = match log {
            None => None,
            Some(device) => {
                let mut redo = Redo::new(budget);
                let (log, found) = Log::open(device, blobs.store_id(), root.log, &mut |record| {
                    redo.record(&mut forest, record)?;
                    if feed.concerns(&forest) {
                        let ops: Vec<OpRef<'_>> = record.ops().map(|(_, op)| op).collect();
                        feed.note(&mut forest, record.lsn, &ops)?;
                    }
                    forest.cache.trim()
                })?;
                redo.flush(&mut forest)?;
                recovery = found;
                Some(Mutex::new(log))
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
            catalog: Catalog::default(),
            published: root.log.cut,
            clock: AtomicU64::new(root.log.ceiling.max(8)),
            options,
            debt: 0,
            poison: None,
            torn: false,
            installing: false,
            enveloped: false,
            compact_from: None,
            grouped: false,
            awaited: None,
            over_budget: false,
        })
    }

    /// Fails if no write can be taken.
    pub fn check_writable(&self) -> Result<()> {
        if self.options.read_only {
            return Err(Error::ReadOnly);
        }
        if let Some(cause) = &self.poison {
            return Err(Error::Poisoned { cause: cause.clone() });
        }
        self.check_settled()
    }

    /// Fails while an image is on its way in, part by part: trees that it brings have no names
    /// yet.
    pub fn check_settled(&self) -> Result<()> {
        match self.installing {
            false => Ok(()),
            true => {
                let why = "an image is on its way in; finish it or drop it first";
                Err(Error::InvalidArgument { what: "time for this call", why })
            }
        }
    }

    /// Checks that what is in memory may be read.
    #[inline]
    pub fn check_whole(&self) -> Result<()> {
        match self.torn {
            false => Ok(()),
            true => Err(Error::Poisoned { cause: self.poison.clone().unwrap_or_default() }),
        }
    }

    /// Notes that a change of many pages stopped half way.
    pub fn tear(&mut self) {
        self.torn = true;
    }

    /// Passes a result on; after a failure no more writes are taken, so that nothing is
    /// acknowledged that rests on an unknown state.
    pub fn guard<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.give_up(error.to_string());
        }
        result
    }

    /// No more writes from here on. Reads go on: what is dirty stays in memory, as the store
    /// takes nothing any more.
    pub fn give_up(&mut self, cause: String) {
        if seeded::is(Bug::ReleaseOnRollback) {
            return;
        }
        self.poison.get_or_insert(cause);
        self.forest.cache.set_read_only(true);
    }

    /// Gets ready to write and publishes everything, so that the log is empty.
    pub fn settle_log(&mut self) -> Result<()> {
        self.ready()?;
        self.checkpoint()
    }

    /// Makes every later version higher than `version`. The log must be empty.
    pub fn raise(&mut self, version: u64) -> Result<()> {
        let above = version.saturating_add(1);
        match self.log_mut() {
            Some(log) => log.raise(above),
            None => {
                let clock = (self.clock() + 8).max(above.next_multiple_of(8));
                if clock > MAX_LSN - LSN_STRIDE {
                    return Err(Error::QuotaExceeded { what: "log positions", limit: MAX_LSN });
                }
                *self.clock.get_mut() = clock;
                Ok(())
            }
        }
    }

    /// Lets the change feed begin anew at `floor`: what was put in was no commit.
    pub fn restart_feed(&mut self, floor: Lsn) {
        self.feed = Feed::new(self.options.feed_retention, floor);
    }

    /// Whether the store keeps a recovery journal.
    pub fn has_journal(&self) -> bool {
        self.forest.roots.contains_key(&JOURNAL_TREE)
    }

    /// Checks that records may change without an envelope.
    pub fn check_journal(&self) -> Result<()> {
        if self.has_journal() && !self.enveloped {
            let reason = "the store keeps a journal; write by batches with an envelope";
            return Err(Error::JournalStreamUnavailable { reason });
        }
        Ok(())
    }

    /// Gives back what only snapshots needed whose last handle is gone.
    pub fn drain_retired(&mut self) {
        for epoch in self.retired.take() {
            self.forest.cache.retire_snapshot(epoch);
        }
    }

    /// The log, if there is one.
    pub fn log(&self) -> Option<MutexGuard<'_, Log>> {
        self.log.as_ref().map(lock_soon)
    }

    /// The log, for who has the store alone.
    pub fn log_mut(&mut self) -> Option<&mut Log> {
        self.log.as_mut().map(Mutex::get_mut)
    }

    /// The log is published up to here.
    pub fn published(&self) -> Lsn {
        self.published
    }

    /// Without a log, the position of the next change.
    pub fn clock(&self) -> Lsn {
        self.clock.load(Ordering::Relaxed)
    }

    /// Without a log, passes a position over.
    pub fn skip(&mut self) {
        *self.clock.get_mut() += 8;
    }

    /// Without a log, takes positions for `ops` operations; returns the first.
    pub fn tick(&self, ops: u64) -> Result<Lsn> {
        let lsn = self.clock.fetch_add(8 * (ops + 1), Ordering::Relaxed);
        if lsn + 8 * (ops + 1) > MAX_LSN {
            self.clock.fetch_sub(8 * (ops + 1), Ordering::Relaxed);
            return Err(Error::QuotaExceeded { what: "log positions", limit: MAX_LSN });
        }
        Ok(lsn)
    }

    /// Every change made so far has a position below this one.
    pub fn last_lsn(&self) -> Lsn {
        self.log().map_or_else(|| self.clock(), |log| log.end())
    }

    /// Makes room after a read. The read has what it wants: a failure shows on the next write.
    pub fn after_read(&mut self) {
        self.drain_retired();
        let trimmed = self.forest.cache.trim();
        let _ = self.guard(trimmed);
    }

    /// Gets ready for the first write after opening: what was replayed is published, and the
    /// log starts a new epoch at positions never used. `true` if that was done now, so that pages
    /// may have left memory.
    pub fn ready(&mut self) -> Result<bool> {
        self.check_writable()?;
        if !self.is_sealed() {
            return Ok(false);
        }
        if self.recovery.records > 0 && self.published < self.recovery.end {
            self.checkpoint()?;
        }
        let begun = match self.log_mut() {
            Some(log) => log.begin_epoch(),
            None => Ok(()),
        };
        self.guard(begun).map(|()| true)
    }

    /// What follows every write: durability, room, and a share of the checkpoint.
    pub fn after_write(&mut self, bytes: usize) -> Result<()> {
        if self.options.sync {
            match (self.log().map(|log| log.end()), self.grouped) {
                (Some(end), true) => self.awaited = Some(end),
                _ => self.sync()?,
            }
        }
        if self.options.publish_writes && self.log.is_none() {
            let published = self.publish();
            self.guard(published)?;
        }
        // The write is done and safe; a failure to make room or to checkpoint shows on the next.
        let result = self.upkeep(bytes as u64);
        let _ = self.guard(result);
        Ok(())
    }

    fn upkeep(&mut self, bytes: u64) -> Result<()> {
        self.drain_retired();
        self.forest.cache.trim()?;
        if !self.options.auto_checkpoint || self.log.is_none() {
            return Ok(());
        }
        let (budget, since) = (self.options.log_budget(), self.log_bytes());
        if self.options.kept_up || self.running.as_ref().is_some_and(Running::is_waiting) {
            self.over_budget = since >= budget;
            return Ok(());
        }
        let Some(running) = &self.running else {
            if since >= self.options.late_start() {
                self.begin_checkpoint()?;
            }
            return Ok(());
        };
        self.debt += bytes;
        let left = running.left();
        let due = self.debt.saturating_mul(left.max(1)) / self.options.staging_share();
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

    /// Whether a checkpoint is due that starts at so many bytes of log.
    pub fn is_due(&self, start: u64) -> bool {
        self.log().is_some_and(|log| log.bytes_since(self.published) >= start)
    }

    /// Whether the log waits for the first write since the opening.
    pub fn is_sealed(&self) -> bool {
        self.log().is_some_and(|log| log.is_sealed())
    }

    pub(super) fn begin_checkpoint(&mut self) -> Result<()> {
        self.forest.cache.trim()?;
        let clock = self.clock();
        let log = self.log.as_mut().map(Mutex::get_mut);
        self.running = Some(Running::begin(&mut self.forest, log, clock)?);
        self.debt = 0;
        Ok(())
    }

    /// One step of the running checkpoint; `true` once it is published or there is none.
    pub(super) fn step_checkpoint(&mut self, budget: usize) -> Result<bool> {
        let Some(running) = &mut self.running else { return Ok(true) };
        if !running.step(&mut self.forest, budget)? {
            return Ok(false);
        }
        self.finish_checkpoint()?;
        Ok(true)
    }

    fn finish_checkpoint(&mut self) -> Result<()> {
        let Some(running) = &mut self.running else { return Ok(()) };
        if running.is_waiting() {
            let why = "a part of the checkpoint is under way elsewhere";
            return Err(Error::InvalidArgument { what: "time for this call", why });
        }
        if seeded::is(Bug::TruncateLogEarly)
            && let Some(log) = self.log.as_mut().map(Mutex::get_mut)
            && let Some((device, cut)) = log.after_publish(running.cut())?
        {
            device.truncate(cut)?;
        }
        running.publish(&mut self.forest)?;
        match self.end_checkpoint()? {
            Some((log, cut)) => self.gave_back(log.truncate(cut)),
            None => Ok(()),
        }
    }

    pub(super) fn gave_back(&mut self, done: Result<()>) -> Result<()> {
        self.log_mut().map_or(Ok(()), |log| log.gave_back(done))
    }

    /// The running checkpoint is published; the log below its cut can be given back.
    pub(super) fn end_checkpoint(&mut self) -> Result<Option<(Arc<dyn LogDevice>, Lsn)>> {
        let Some(running) = self.running.take() else { return Ok(None) };
        let cut = running.cut();
        self.counters.checkpoint_pages += running.published(&mut self.forest);
        self.counters.checkpoints += 1;
        self.published = cut;
        let left = self.log_mut().map_or(Ok(None), |log| log.after_publish(cut))?;
        self.forest.cache.trim()?;
        Ok(left)
    }

    /// Whether the running checkpoint is as far as writers would have brought it who take their
    /// share of it.
    pub(super) fn is_ahead(&self) -> bool {
        let Some(running) = &self.running else { return true };
        let share = self.options.staging_share();
        let beyond = self.log_bytes().saturating_sub(self.options.late_start());
        let all = running.all().max(1);
        // What is left, of all, is less than what is left of the log's share, of that share.
        let (left, room) = (running.left(), share.saturating_sub(beyond));
        u128::from(left) * u128::from(share) <= u128::from(room) * u128::from(all)
    }

    /// Publishes everything written so far.
    pub fn checkpoint(&mut self) -> Result<()> {
        self.check_writable()?;
        let result = self.checkpoint_now();
        self.guard(result)
    }

    fn checkpoint_now(&mut self) -> Result<()> {
        self.publish()?;
        self.settle_store()
    }

    fn publish(&mut self) -> Result<()> {
        self.drain_retired();
        self.forest.cache.trim()?;
        self.finish_checkpoint()?;
        if self.log_bytes() > 0 || self.forest.cache.is_dirty() {
            self.begin_checkpoint()?;
            self.finish_checkpoint()?;
        }
        Ok(())
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

    /// What the write that just ended has to wait for, if it promised to be durable.
    pub fn take_awaited(&mut self) -> Option<(Arc<Durable>, Lsn)> {
        self.grouped = false;
        let end = self.awaited.take()?;
        self.log().map(|log| (Arc::clone(log.durable()), end))
    }

    /// Whether the write that just ended left the log over its budget.
    pub fn take_over_budget(&mut self) -> bool {
        core::mem::take(&mut self.over_budget)
    }

    /// Makes everything written so far durable.
    pub fn sync(&mut self) -> Result<()> {
        self.check_writable()?;
        let synced = match self.log_mut() {
            // A sealed log too: what was replayed from it may be in the system's memory only.
            Some(log) => log.sync(),
            None => Ok(()),
        };
        self.guard(synced)
    }

    /// Repacks one tree, or all of them, and publishes.
    pub fn compact(&mut self, only: Option<TreeId>) -> Result<()> {
        self.check_writable()?;
        let trees: Vec<TreeId> = match only {
            Some(tree) => alloc::vec![tree],
            None => self.forest.roots.keys().copied().collect(),
        };
        for tree in trees {
            let mut next = Some(Vec::new());
            while let Some(key) = next {
                next = match self.compact_step(tree, &key) {
                    Err(error @ Error::TreeDropped) => return Err(error),
                    step => self.guard(step)?,
                };
            }
        }
        self.compact_from = None;
        self.checkpoint()
    }

    fn compact_step(&mut self, tree: TreeId, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let next = self.forest.compact_at(tree, key)?;
        self.forest.cache.trim()?;
        Ok(next)
    }

    /// Repacks a frame; `true` if there are more to look at.
    pub fn compact_some(&mut self) -> Result<bool> {
        self.check_writable()?;
        let more = self.compact_next();
        self.guard(more)
    }

    fn compact_next(&mut self) -> Result<bool> {
        let (tree, key) = self.compact_from.take().unwrap_or_default();
        // A tree that was dropped since is passed over.
        let next = match self.forest.roots.contains_key(&tree) {
            true => self.compact_step(tree, &key)?.map(|key| (tree, key)),
            false => None,
        };
        let after = (Bound::Excluded(tree), Bound::Unbounded);
        let another = || self.forest.roots.range(after).next().map(|(&tree, _)| (tree, Vec::new()));
        self.compact_from = next.or_else(another);
        Ok(self.compact_from.is_some())
    }

    /// No version and no page is as new as this.
    pub fn limit(&self) -> Lsn {
        self.log().map_or_else(|| self.clock(), |log| log.ceiling().max(1))
    }

    /// Bytes of log that a crash now would replay.
    pub fn log_bytes(&self) -> u64 {
        self.log().map_or(0, |log| log.bytes_since(self.published))
    }
}
