//! The handle of a store with many named trees.
//!
//! Owns: what creates, drops and finds trees by name. Never does: touch records by another way
//! than a batch.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::batch::DBAtomicBatch;
use super::catalog::{Catalog, NEXT_KEY, check_name};
use super::core::Core;
use super::multi_journal::advance_floor;
use super::options::Options;
use super::shared::Shared;
use super::stats::{DBStats, VacuumStats, VerifyReport};
use super::tree::Tree;
use super::write::Failed;
use crate::device::{BlobStore, LogDevice, MemoryBlobStore};
use crate::error::{AtomicErrorKind, Corruption, CorruptionClass, Error, Result};
use crate::geometry::Geometry;
use crate::ids::{CATALOG_TREE, FIRST_SYSTEM_TREE, STANDALONE_TREE, TreeId};
use crate::txn::{Expect, Request};

/// A store of named trees that share one log, one cache and one checkpoint, and whose records
/// can change together.
///
/// Handles are cheap to clone. Names are any UTF-8 of 1 to 1024 bytes that does not start with a
/// NUL byte. Beside them the store has one tree without a name, the one that
/// [`Tree::open_with_devices`] opens: a store that was written through that handle can be opened
/// as a database and the other way round, see [`DB::unnamed_tree`].
///
/// ```
/// let db = holt_engine::db::DB::memory()?;
/// let (left, right) = (db.create_tree("left")?, db.create_tree("right")?);
/// left.put(b"key", b"1")?;
/// assert_eq!(right.get(b"key")?, None);
/// assert_eq!(db.list_trees()?, ["left", "right"]);
/// # Ok::<(), holt_engine::error::Error>(())
/// ```
#[derive(Clone)]
pub struct DB {
    pub(super) shared: Arc<Shared>,
}

impl DB {
    /// Opens the store on these devices and replays its log into memory. `log` is `None` only
    /// for stores that need not survive. A new store is one whose devices are both empty.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use holt_engine::db::{DB, Options};
    /// use holt_engine::device::{MemoryBlobStore, MemoryLog};
    /// use holt_engine::geometry::Geometry;
    ///
    /// let blobs = Arc::new(MemoryBlobStore::new(Geometry::default(), [1; 16]));
    /// let log = Arc::new(MemoryLog::new());
    /// let db = DB::open_with_devices(blobs, Some(log), Options::default())?;
    /// db.create_tree("files")?;
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::open_with_devices`], and `Corrupt` of class catalog.
    pub fn open_with_devices(
        blobs: Arc<dyn BlobStore>,
        log: Option<Arc<dyn LogDevice>>,
        options: Options,
    ) -> Result<Self> {
        let mut core = Core::open(blobs, log, options.clone())?;
        core.catalog = Catalog::load(&mut core.forest)?;
        core.after_read();
        Ok(Self { shared: Shared::new(core, options) })
    }

    /// A store in memory with default settings.
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// let files = db.create_tree("files")?;
    /// let applied = db.atomic(|batch| {
    ///     batch.assert_absent("files", b"a");
    ///     batch.put("files", b"a", b"1");
    /// })?;
    /// assert!(applied);
    /// assert_eq!(files.get(b"a")?.as_deref(), Some(&b"1"[..]));
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    pub fn memory() -> Result<Self> {
        let blobs = MemoryBlobStore::new(Geometry::default(), [0; 16]);
        Self::open_with_devices(Arc::new(blobs), None, Options::default())
    }

    fn handle(&self, tree: TreeId) -> Tree {
        Tree { shared: Arc::clone(&self.shared), tree, standalone: false }
    }

    /// The tree without a name. It cannot be dropped, is not listed, and batches of the database
    /// cannot name it.
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// db.unnamed_tree().put(b"key", b"value")?;
    /// assert!(db.list_trees()?.is_empty());
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    pub fn unnamed_tree(&self) -> Tree {
        self.handle(STANDALONE_TREE)
    }

    /// Creates an empty tree.
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// db.create_tree("files")?.put(b"key", b"value")?;
    /// assert!(db.create_tree("files").is_err());
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidTreeName`, `TreeExists`, `QuotaExceeded` for more trees than a store may have,
    /// all before any change; `ReadOnly`, `Poisoned`, failures of the devices.
    pub fn create_tree(&self, name: &str) -> Result<Tree> {
        check_name(name)?;
        let mut core = self.shared.core.write();
        match core.catalog.names.contains_key(name) {
            true => Err(Error::TreeExists { name: name.into() }),
            false => create(&mut core, name).map(|tree| self.handle(tree)),
        }
    }

    /// The tree of this name.
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// use holt_engine::error::Error;
    ///
    /// assert!(matches!(db.open_tree("files"), Err(Error::TreeNotFound { .. })));
    /// db.create_tree("files")?;
    /// db.open_tree("files")?.put(b"key", b"value")?;
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `TreeNotFound`; `Corrupt` if the catalog names a tree that does not exist.
    pub fn open_tree(&self, name: &str) -> Result<Tree> {
        find(&self.shared.core.read(), name).map(|tree| self.handle(tree))
    }

    /// The tree of this name, created if there is none.
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// db.open_or_create_tree("files")?.put(b"key", b"value")?;
    /// assert!(db.open_or_create_tree("files")?.contains_key(b"key")?);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`DB::create_tree`] but `TreeExists`; `Corrupt` if the catalog names a tree that
    /// does not exist.
    pub fn open_or_create_tree(&self, name: &str) -> Result<Tree> {
        check_name(name)?;
        let mut core = self.shared.core.write();
        match find(&core, name) {
            Err(Error::TreeNotFound { .. }) => create(&mut core, name),
            found => found,
        }
        .map(|tree| self.handle(tree))
    }

    /// The names of all trees, in byte order.
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// db.create_tree("b")?;
    /// db.create_tree("a")?;
    /// assert_eq!(db.list_trees()?, ["a", "b"]);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// None at present; a store that has to be asked may fail.
    pub fn list_trees(&self) -> Result<Vec<String>> {
        Ok(self.shared.core.read().catalog.names.keys().cloned().collect())
    }

    /// Removes a tree and all it holds. Handles of it answer `TreeDropped` from now on; a new
    /// tree of the same name is another tree. Takes time in proportion to the tree.
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// let files = db.create_tree("files")?;
    /// db.drop_tree("files")?;
    /// assert_eq!(files.get(b"key"), Err(holt_engine::error::Error::TreeDropped));
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `TreeNotFound`; `ReadOnly`, `Poisoned`, failures of the devices.
    pub fn drop_tree(&self, name: &str) -> Result<()> {
        let mut core = self.shared.core.write();
        core.check_writable()?;
        let tree = find(&core, name)?;
        let key = name.as_bytes();
        let dropped = core.batch(&[
            Request::Delete { tree: CATALOG_TREE, key, when: Expect::Anything },
            Request::DropTree { tree },
        ]);
        if !core.forest.roots.contains_key(&tree) {
            core.catalog.names.remove(name);
        }
        dropped?;
        Ok(())
    }

    /// Applies a batch over several trees as one log record: all of it, or nothing; `false` if a
    /// guard did not hold. See [`Tree::atomic`].
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// use holt_engine::error::{AtomicErrorKind, Error};
    ///
    /// db.create_tree("files")?;
    /// assert!(db.atomic(|batch| batch.put("files", b"key", b"value"))?);
    /// assert!(!db.atomic(|batch| batch.assert_absent("files", b"key"))?);
    /// let failed = db.atomic(|batch| batch.put("nowhere", b"key", b"value"));
    /// let not_applied = AtomicErrorKind::DefinitelyNotApplied;
    /// assert!(matches!(failed, Err(Error::Atomic { kind, .. }) if kind == not_applied));
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Atomic`, which says whether the batch may have taken effect, with the reason inside:
    /// those of [`Tree::atomic`], and `TreeNotFound` for a name that no tree has.
    pub fn atomic(&self, fill: impl FnOnce(&mut DBAtomicBatch)) -> Result<bool> {
        let mut batch = DBAtomicBatch::default();
        fill(&mut batch);
        if batch.is_empty() {
            return Ok(true);
        }
        self.apply(&batch).map_err(|failed| {
            let kind = match failed.unknown {
                true => AtomicErrorKind::OutcomeUnknown,
                false => AtomicErrorKind::DefinitelyNotApplied,
            };
            Error::Atomic { kind, source: Box::new(failed.error) }
        })
    }

    fn apply(&self, batch: &DBAtomicBatch) -> Result<bool, Failed> {
        self.shared.commit_batch(|core| {
            let trees = self.trees_of(core, batch)?;
            Ok(core.batch(&batch.requests(&trees))?.is_some())
        })
    }

    /// The ids of the trees that a batch names, by their numbers in it.
    pub(super) fn trees_of(&self, core: &Core, batch: &DBAtomicBatch) -> Result<Vec<TreeId>> {
        let mut trees = alloc::vec![STANDALONE_TREE; batch.names().len()];
        for (name, &number) in batch.names() {
            trees[number] = find(core, name)?;
        }
        Ok(trees)
    }

    /// Makes everything written so far part of the published state and shortens the log. A
    /// recovery journal lets go of its envelopes so far: the checkpoint contains them.
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// db.checkpoint()?;
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `ReadOnly`, `Poisoned`, failures of the devices. Nothing is lost by a failure.
    pub fn checkpoint(&self) -> Result<()> {
        let mut core = self.shared.settled();
        core.check_writable()?;
        advance_floor(&mut core)?;
        core.checkpoint()
    }

    /// Repacks thin pages and frames of every tree, then checkpoints.
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// db.compact()?;
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`DB::checkpoint`].
    pub fn compact(&self) -> Result<()> {
        self.shared.settled().compact(None)
    }

    /// Does about `budget` pages of maintenance: checkpoint, then compaction. `true` if there is
    /// more to do at once.
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// while db.maintain(256)? {}
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`DB::checkpoint`].
    pub fn maintain(&self, budget: usize) -> Result<bool> {
        self.shared.maintain(budget)
    }

    /// See [`Tree::gc`].
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// assert_eq!(db.gc()?, 0);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Corrupt` if the store is damaged; else those of [`DB::checkpoint`].
    pub fn gc(&self) -> Result<usize> {
        self.shared.settled().gc()
    }

    /// See [`Tree::vacuum`].
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// db.vacuum()?;
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`DB::gc`].
    pub fn vacuum(&self) -> Result<VacuumStats> {
        self.shared.settled().vacuum()
    }

    /// Makes everything written so far durable against loss of power.
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// db.sync()?;
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Poisoned`, failures of the device.
    pub fn sync(&self) -> Result<()> {
        self.shared.core.write().sync()
    }

    /// Checks everything, the catalog included; see [`Tree::verify`].
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// assert!(db.verify()?.is_clean());
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Only failures of the device; damage is in the report.
    pub fn verify(&self) -> Result<VerifyReport> {
        super::verify::run(&mut self.shared.settled(), &mut |_, _| {})
    }

    /// Figures of the store and of each tree; cheap, never reads the device.
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// db.create_tree("files")?.put(b"key", b"value")?;
    /// let stats = db.stats()?;
    /// assert_eq!((stats.open_tree_count, stats.trees[0].records), (1, 1));
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Failures of a remote store to answer.
    pub fn stats(&self) -> Result<DBStats> {
        super::stats::collect_all(&self.shared.core.read_counted())
    }

    /// The settings the store was opened with.
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// assert!(!db.config().read_only);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    pub fn config(&self) -> &Options {
        &self.shared.options
    }
}

/// The id of the tree of this name.
fn find(core: &Core, name: &str) -> Result<TreeId> {
    match core.catalog.names.get(name) {
        Some(tree) if core.forest.roots.contains_key(tree) => Ok(*tree),
        Some(_) => {
            let why = "the catalog names a tree that does not exist";
            Err(Corruption::new(CorruptionClass::Catalog, why).into())
        }
        None => Err(Error::TreeNotFound { name: name.into() }),
    }
}

/// Creates a tree whose name is free.
fn create(core: &mut Core, name: &str) -> Result<TreeId> {
    core.check_writable()?;
    let tree = core.catalog.next;
    if tree >= FIRST_SYSTEM_TREE {
        let limit = u64::from(FIRST_SYSTEM_TREE);
        return Err(Error::QuotaExceeded { what: "trees ever created", limit });
    }
    let (id, next) = (tree.to_le_bytes(), (tree + 1).to_le_bytes());
    let put = |key, value| Request::Put { tree: CATALOG_TREE, key, value, when: Expect::Anything };
    let requests = [
        Request::CreateTree { tree: CATALOG_TREE },
        Request::CreateTree { tree },
        put(name.as_bytes(), &id),
        put(NEXT_KEY, &next),
    ];
    let known = usize::from(core.forest.roots.contains_key(&CATALOG_TREE));
    let created = core.batch(&requests[known..]);
    if core.forest.roots.contains_key(&tree) {
        core.catalog.names.insert(name.into(), tree);
        core.catalog.next = tree + 1;
    }
    created?;
    Ok(tree)
}
