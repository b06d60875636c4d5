//! The handle of one tree.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::batch::{AtomicBatch, BatchOp};
use super::core::{Core, TREE};
use super::options::Options;
use super::stats::{TreeStats, VerifyReport};
use crate::device::{BlobStore, LogDevice, MemoryBlobStore};
use crate::error::{Error, Result};
use crate::forest::Forest;
use crate::geometry::Geometry;
use crate::ids::RecordVersion;
use crate::limits::READ_GROWTH_BYTES;
use crate::log::OpRef;
use crate::node::{Miss, Record as Stored};
use crate::sync::RwLock;

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
#[derive(Clone)]
pub struct Tree {
    shared: Arc<Shared>,
}

struct Shared {
    core: RwLock<Core>,
    options: Options,
}

impl Tree {
    /// Opens the store on these devices and replays its log into memory. `log` is `None` only
    /// for trees that need not survive. A new store is one whose devices are both empty.
    ///
    /// # Errors
    /// `Corrupt` for damage, `UnsupportedFormat` for a store of a later version, and failures of
    /// the devices. Nothing is changed by an opening that fails.
    pub fn open_with_devices(
        blobs: Arc<dyn BlobStore>,
        log: Option<Arc<dyn LogDevice>>,
        options: Options,
    ) -> Result<Self> {
        let core = RwLock::new(Core::open(blobs, log, options.clone())?);
        Ok(Self { shared: Arc::new(Shared { core, options }) })
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

    /// Runs a lookup; what it misses is loaded, with writers kept out only while that happens.
    /// All calls but the first see the same state.
    pub(super) fn look<T>(&self, mut look: impl FnMut(&Forest) -> Result<T, Miss>) -> Result<T> {
        let missed = match look(&self.shared.core.read().forest) {
            Ok(found) => return Ok(found),
            Err(miss) => miss,
        };
        let mut core = self.shared.core.write();
        let mut miss = Some(missed);
        let mut room = core.forest.cache.used() + READ_GROWTH_BYTES;
        loop {
            if core.forest.cache.used() > room {
                // A long lookup goes past more than may stay.
                core.after_read();
                room = core.forest.cache.used() + READ_GROWTH_BYTES;
            }
            if let Some(miss) = miss.take() {
                core.forest.cache.load(miss)?;
            }
            match look(&core.forest) {
                Ok(found) => {
                    core.after_read();
                    return Ok(found);
                }
                Err(next) => miss = Some(next),
            }
        }
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// `Corrupt` if what was read is damaged, and failures of the device.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.look(|forest| {
            let Some((page, slot)) = forest.reader().find(TREE, key)? else { return Ok(None) };
            Ok(Some(forest.reader().value(Stored::read(page, slot).value)?.into()))
        })
    }

    /// The value of `key` and its version.
    ///
    /// # Errors
    /// Those of [`Tree::get`].
    pub fn get_record(&self, key: &[u8]) -> Result<Option<Record>> {
        self.look(|forest| {
            let Some((page, slot)) = forest.reader().find(TREE, key)? else { return Ok(None) };
            let stored = Stored::read(page, slot);
            let version = RecordVersion::from_raw(stored.version);
            Ok(Some(Record { value: forest.reader().value(stored.value)?.into(), version }))
        })
    }

    /// Writes a record, replacing any under the same key.
    ///
    /// # Errors
    /// `KeyTooLong`, `ValueTooLong`, `ReadOnly`, `Poisoned` after an earlier failure, and
    /// failures of the devices. After an error the write may or may not be found on reopening;
    /// after one of the first three it is not.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.shared.core.write().put(TREE, key, value)
    }

    /// Deletes a record; `false` if there was none.
    ///
    /// # Errors
    /// Those of [`Tree::put`].
    pub fn delete(&self, key: &[u8]) -> Result<bool> {
        self.shared.core.write().delete(TREE, key)
    }

    /// Moves a record, with a new version. `src == dst` changes nothing.
    ///
    /// # Errors
    /// `NotFound` if `src` is not there, `DstExists` if `dst` is and `force` is not given, both
    /// before any change; else those of [`Tree::put`].
    pub fn rename(&self, src: &[u8], dst: &[u8], force: bool) -> Result<()> {
        crate::txn::check_limits(src, &[])?;
        crate::txn::check_limits(dst, &[])?;
        let mut core = self.shared.core.write();
        let value = core.forest.with(|forest| {
            let Some((page, slot)) = forest.reader().find(TREE, src)? else { return Ok(None) };
            Ok(Some(Vec::from(forest.reader().value(Stored::read(page, slot).value)?)))
        })?;
        let Some(value) = value else {
            core.after_read();
            return Err(Error::NotFound);
        };
        if src == dst {
            return Ok(());
        }
        if !force && core.forest.with(|forest| Ok(forest.reader().find(TREE, dst)?.is_some()))? {
            return Err(Error::DstExists);
        }
        core.batch(&[
            OpRef::Delete { tree: TREE, key: src },
            OpRef::Put { tree: TREE, key: dst, value: &value },
        ])
    }

    /// Applies a batch as one log record: all of it or, on error, nothing. Operations apply in
    /// order; later ones see earlier ones. Readers see all or nothing.
    ///
    /// # Errors
    /// `BatchTooLarge`, `WalRecordTooLarge` and those of [`Tree::put`].
    pub fn atomic(&self, fill: impl FnOnce(&mut AtomicBatch)) -> Result<bool> {
        let mut batch = AtomicBatch::default();
        fill(&mut batch);
        if batch.is_empty() {
            return Ok(true);
        }
        let ops: Vec<OpRef<'_>> = batch
            .ops
            .iter()
            .map(|op| match op {
                BatchOp::Put { key, value } => OpRef::Put { tree: TREE, key, value },
                BatchOp::Delete { key } => OpRef::Delete { tree: TREE, key },
            })
            .collect();
        self.shared.core.write().batch(&ops)?;
        Ok(true)
    }

    /// Makes everything written so far part of the published state and shortens the log.
    ///
    /// # Errors
    /// `ReadOnly`, `Poisoned`, failures of the devices. Nothing is lost by a failure.
    pub fn checkpoint(&self) -> Result<()> {
        self.shared.core.write().checkpoint()
    }

    /// Repacks thin pages and frames, then checkpoints. Takes time in proportion to the store.
    ///
    /// # Errors
    /// Those of [`Tree::checkpoint`].
    pub fn compact(&self) -> Result<()> {
        self.shared.core.write().compact()
    }

    /// Does about `budget` pages of maintenance: checkpoint, then compaction. `true` if there is
    /// more to do at once.
    ///
    /// # Errors
    /// Those of [`Tree::checkpoint`].
    pub fn maintain(&self, budget: usize) -> Result<bool> {
        self.shared.core.write().maintain(budget)
    }

    /// Makes everything written so far durable against loss of power.
    ///
    /// # Errors
    /// `Poisoned`, failures of the device.
    pub fn sync(&self) -> Result<()> {
        self.shared.core.write().sync()
    }

    /// Checks everything: pages, checksums, order, fences, routing, reachability, space.
    ///
    /// # Errors
    /// Only failures of the device; damage is in the report.
    pub fn verify(&self) -> Result<VerifyReport> {
        self.verify_with(&mut |_, _| {})
    }

    /// The same; `progress` gets the pages checked so far and their total as far as known.
    ///
    /// # Errors
    /// Those of [`Tree::verify`].
    pub fn verify_with(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<VerifyReport> {
        super::verify::run(&mut self.shared.core.write(), progress)
    }

    /// Figures of the tree; cheap, never reads the device.
    ///
    /// # Errors
    /// Failures of a remote store to answer.
    pub fn stats(&self) -> Result<TreeStats> {
        super::stats::collect(&self.shared.core.read())
    }

    /// The settings the tree was opened with.
    pub fn options(&self) -> &Options {
        &self.shared.options
    }
}
