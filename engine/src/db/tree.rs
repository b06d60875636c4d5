//! The handle of one tree: opening, reading, upkeep. Changes are in `tree_write.rs`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::core::Core;
use super::feed::ChangePage;
use super::options::Options;
use super::shared::Shared;
use super::snapshot::Moment;
use super::stats::{TreeStats, VerifyReport};
use super::view::{Snapshot, View};
use crate::device::{BlobStore, LogDevice, MemoryBlobStore};
use crate::error::Result;
use crate::geometry::Geometry;
use crate::ids::{Lsn, RecordVersion, STANDALONE_TREE, TreeId};
use crate::node::Record as Stored;

/// A value and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The value.
    pub value: Vec<u8>,
    /// The version.
    pub version: RecordVersion,
}

/// A tree of records: any bytes to any bytes, ordered by key as unsigned bytes.
///
/// Handles are cheap to clone and share one open store. Keys have at most 65 535 bytes, values
/// at most 1 MiB; both may be empty, and a key may extend another.
///
/// ```
/// let tree = holt_engine::db::Tree::memory()?;
/// tree.put(b"usr/bin/env", b"executable")?;
/// let same = tree.clone();
/// assert_eq!(same.get(b"usr/bin/env")?.as_deref(), Some(&b"executable"[..]));
/// # Ok::<(), holt_engine::error::Error>(())
/// ```
#[derive(Clone)]
pub struct Tree {
    pub(super) shared: Arc<Shared>,
    pub(super) tree: TreeId,
    /// Whether the handle stands for the whole store.
    pub(super) standalone: bool,
}

impl Tree {
    /// Opens the store on these devices and replays its log into memory. `log` is `None` only
    /// for trees that need not survive. A new store is one whose devices are both empty. If the
    /// store has named trees, they stay as they are: the handle is of the tree without a name.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use holt_engine::db::{Options, Tree};
    /// use holt_engine::device::{MemoryBlobStore, MemoryLog};
    /// use holt_engine::geometry::Geometry;
    ///
    /// let blobs = Arc::new(MemoryBlobStore::new(Geometry::default(), [1; 16]));
    /// let log = Arc::new(MemoryLog::new());
    /// let tree = Tree::open_with_devices(blobs, Some(log), Options::default())?;
    /// tree.put(b"key", b"value")?;
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Corrupt` for damage, `UnsupportedFormat` for a store of a later version, and failures of
    /// the devices. Nothing is changed by an opening that fails.
    pub fn open_with_devices(
        blobs: Arc<dyn BlobStore>,
        log: Option<Arc<dyn LogDevice>>,
        options: Options,
    ) -> Result<Self> {
        let core = Core::open(blobs, log, options.clone())?;
        Ok(Self { shared: Shared::new(core, options), tree: STANDALONE_TREE, standalone: true })
    }

    /// A tree in memory with default settings.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"a/b", b"1")?;
    /// assert_eq!(tree.get(b"a/b")?.as_deref(), Some(&b"1"[..]));
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    pub fn memory() -> Result<Self> {
        let blobs = MemoryBlobStore::new(Geometry::default(), [0; 16]);
        Self::open_with_devices(Arc::new(blobs), None, Options::default())
    }

    /// The value of `key`.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"", b"the empty key is one")?;
    /// assert!(tree.get(b"")?.is_some() && tree.get(b"other")?.is_none());
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Corrupt` if what was read is damaged, `TreeDropped`, and failures of the device.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.shared.find(self.tree, key, |reader, found| {
            let Some((page, slot)) = found else { return Ok(None) };
            Ok(Some(reader.value(Stored::read(page, slot).value)?.into()))
        })
    }

    /// The value of `key` and its version.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"key", b"1")?;
    /// let first = tree.get_record(b"key")?.expect("is there");
    /// tree.put(b"key", b"1")?;
    /// assert!(tree.get_record(b"key")?.expect("is there").version > first.version);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::get`].
    pub fn get_record(&self, key: &[u8]) -> Result<Option<Record>> {
        self.shared.find(self.tree, key, |reader, found| {
            let Some((page, slot)) = found else { return Ok(None) };
            let stored = Stored::read(page, slot);
            let version = RecordVersion::from_raw(stored.version);
            Ok(Some(Record { value: reader.value(stored.value)?.into(), version }))
        })
    }

    /// Commits of this tree from position `from` on, in order: at most as many as fit a few
    /// megabytes, and where to go on. Begin with [`Tree::last_lsn`], or with [`View::lsn`] of a
    /// snapshot that was read in full: together they miss nothing and repeat nothing.
    ///
    /// The feed must be switched on when the store is opened (`feed_retention`); it then lives
    /// through checkpoints and reopenings.
    ///
    /// ```
    /// use holt_engine::db::{ChangeEvent, Options, Tree};
    /// # use std::sync::Arc;
    /// # use holt_engine::{device::MemoryBlobStore, geometry::Geometry};
    /// # let blobs = Arc::new(MemoryBlobStore::new(Geometry::default(), [1; 16]));
    ///
    /// let options = Options { feed_retention: 1 << 20, ..Options::default() };
    /// let tree = Tree::open_with_devices(blobs, None, options)?;
    /// let from = tree.last_lsn();
    /// tree.put(b"key", b"value")?;
    /// let page = tree.changes_since(from)?;
    /// let event = &page.changes[0].events[0];
    /// assert!(matches!(event, ChangeEvent::Put { key, .. } if key == b"key"));
    /// assert!(tree.changes_since(page.next)?.changes.is_empty());
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Expired` if commits from `from` on are not all kept any more, or were made while the
    /// feed was off; `InvalidArgument` without a feed; `Corrupt` and failures of the device.
    pub fn changes_since(&self, from: Lsn) -> Result<ChangePage> {
        self.shared.changes(Some(self.tree), from)
    }

    /// Every commit so far has a position below this one.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// let before = tree.last_lsn();
    /// tree.put(b"key", b"value")?;
    /// assert!(tree.last_lsn() > before);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    pub fn last_lsn(&self) -> Lsn {
        self.shared.core.enter().state().last_lsn()
    }

    /// The tree as it is now, under `prefix`, for as long as the snapshot lives. Taking it costs
    /// the same however large the tree is; keeping it costs what changes meanwhile.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"a", b"old")?;
    /// let snapshot = tree.snapshot(b"")?;
    /// tree.put(b"a", b"new")?;
    /// assert_eq!(snapshot.get(b"a")?.as_deref(), Some(&b"old"[..]));
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `SnapshotEpochExhausted`, `TreeDropped`.
    pub fn snapshot(&self, prefix: &[u8]) -> Result<Snapshot> {
        let moment = Moment::take(&self.shared, self.tree)?;
        Ok(Snapshot::new(View::new(moment, self.tree, prefix)))
    }

    /// Calls `read` with the tree as it is now, under `prefix`: everything it reads is of one
    /// moment. No lock is held meanwhile.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put_many(&[(b"a/1", b""), (b"a/2", b"")])?;
    /// let (count, first) = tree.view(b"a/", |view| {
    ///     Ok((view.prefix_count(b"a/", 0)?.count, view.get(b"a/1")?))
    /// })?;
    /// assert_eq!((count, first), (2, Some(vec![])));
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `SnapshotEpochExhausted`, `TreeDropped`, and those of `read`.
    pub fn view<R>(&self, prefix: &[u8], read: impl FnOnce(&View) -> Result<R>) -> Result<R> {
        read(&View::new(Moment::take(&self.shared, self.tree)?, self.tree, prefix))
    }

    /// Makes everything written to the store so far part of the published state and shortens the
    /// log.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"key", b"value")?;
    /// tree.checkpoint()?;
    /// assert_eq!(tree.stats()?.log_bytes, 0);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `ReadOnly`, `Poisoned`, failures of the devices. Nothing is lost by a failure.
    pub fn checkpoint(&self) -> Result<()> {
        self.shared.settled().checkpoint()
    }

    /// Repacks thin pages and frames of this tree, then checkpoints the store. Takes time in
    /// proportion to the tree.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.compact()?;
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::checkpoint`].
    pub fn compact(&self) -> Result<()> {
        self.shared.settled().compact(Some(self.tree))
    }

    /// Does about `budget` pages of maintenance of the store: checkpoint, then compaction. `true`
    /// if there is more to do at once.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// while tree.maintain(256)? {
    ///     // Other work of the program goes here.
    /// }
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::checkpoint`].
    pub fn maintain(&self, budget: usize) -> Result<bool> {
        self.shared.maintain(budget)
    }

    /// Makes everything written so far durable against loss of power.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"key", b"value")?;
    /// tree.sync()?;
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Poisoned`, failures of the device.
    pub fn sync(&self) -> Result<()> {
        self.shared.core.write().sync()
    }

    /// Checks everything: pages, checksums, order, fences, routing, reachability, space.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"key", b"value")?;
    /// let report = tree.verify()?;
    /// assert!(report.is_clean() && report.records == 1);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Only failures of the device; damage is in the report.
    pub fn verify(&self) -> Result<VerifyReport> {
        self.verify_with(&mut |_, _| {})
    }

    /// The same; `progress` gets the pages checked so far and their total as far as known.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"key", b"value")?;
    /// let report = tree.verify_with(&mut |done, total| println!("{done} of {total} pages"))?;
    /// assert!(report.is_clean());
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::verify`].
    pub fn verify_with(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<VerifyReport> {
        super::verify::run(&mut self.shared.settled(), progress)
    }

    /// Figures of the tree and of its store; cheap, never reads the device.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"key", b"value")?;
    /// let stats = tree.stats()?;
    /// assert_eq!((stats.records, stats.frames, stats.levels), (1, 1, 1));
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `TreeDropped`, and failures of a remote store to answer.
    pub fn stats(&self) -> Result<TreeStats> {
        super::stats::collect(&self.shared.core.read_counted(), self.tree)
    }

    /// The number by which the change feed of a database names the tree. No other tree of the
    /// store ever gets it.
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// let (a, b) = (db.create_tree("a")?, db.create_tree("b")?);
    /// assert_eq!(db.open_tree("a")?.id(), a.id());
    /// assert_ne!(a.id(), b.id());
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    pub fn id(&self) -> TreeId {
        self.tree
    }

    /// The settings the tree was opened with.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// assert!(!tree.config().read_only);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    pub fn config(&self) -> &Options {
        &self.shared.options
    }
}
