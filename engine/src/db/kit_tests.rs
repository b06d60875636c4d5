//! What the tests of batches and trees share: randomness, devices that fail, whole contents.

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};

use super::{DB, Options, RangeEntry, Tree};
use crate::device::{
    BlobEntry, BlobOp, BlobStore, LogBounds, LogDevice, MemoryBlobStore, MemoryLog, StoreUsage,
};
use crate::error::{Corruption, Error, IoError, IoErrorKind, Result};
use crate::geometry::Geometry;
use crate::ids::{BlobId, Lsn, StoreId, Ticket};
use crate::limits::{MIN_CACHE_BYTES, PAGE_BYTES};
pub(super) use crate::random::Random;
use crate::sync::Mutex;

/// What trees of files hold, drawn.
pub(super) trait Files {
    /// A key of a small file system: few directories, so that prefixes hold many of them, and
    /// now and then a key that does not fit a page, or odd bytes.
    fn key(&mut self) -> Vec<u8>;
    /// What many keys start with.
    fn dir(&mut self) -> Vec<u8>;
    /// A value: mostly short, now and then one that does not fit a page.
    fn value(&mut self) -> Vec<u8>;
}

impl Files for Random {
    fn key(&mut self) -> Vec<u8> {
        let dir = self.dir();
        let file = self.below(400);
        let mut key = match self.below(12) {
            0 => [dir.as_slice(), "l".repeat(1000 + file).as_bytes()].concat(),
            1 => [dir.as_slice(), &[0xff, file as u8]].concat(),
            2 => dir,
            _ => [dir.as_slice(), format!("file-{file:05}").as_bytes()].concat(),
        };
        if self.below(40) == 0 {
            key.push(0);
        }
        key
    }

    fn dir(&mut self) -> Vec<u8> {
        let (a, b) = (self.below(6), self.below(5));
        match self.below(5) {
            0 => format!("d{a}/").into(),
            1 => format!("d{a}/{}", "deep/".repeat(60)).into(),
            _ => format!("d{a}/e{b}/").into(),
        }
    }

    fn value(&mut self) -> Vec<u8> {
        let len = match self.below(12) {
            0 => self.below(6000),
            1 => self.below(1100),
            _ => self.below(90),
        };
        alloc::vec![self.below(256) as u8; len]
    }
}

/// What a test does while a device is at work.
type Meanwhile = Box<dyn FnMut() + Send>;

/// A store in memory whose reads, or stagings, fail from the n-th on.
pub(super) struct Faulty {
    store: MemoryBlobStore,
    left: AtomicI64,
    staged: AtomicU64,
    stages: AtomicI64,
    meanwhile: Mutex<Option<Meanwhile>>,
    reading: Mutex<Option<Meanwhile>>,
    /// Pages read so far, and by how many calls.
    reads: AtomicU64,
    read_calls: AtomicU64,
    /// Bytes it pretends to have free.
    loose: AtomicU64,
    /// Whether all pages of a blob lie beside each other.
    together: AtomicBool,
    /// What it answers for staged pages is this byte over and over, unless it is 0.
    lies: AtomicU8,
}

/// A log in memory whose appends and syncs fail from the n-th on.
#[derive(Default)]
pub(super) struct FaultyLog {
    log: MemoryLog,
    left: AtomicI64,
}

const NEVER: i64 = i64::MAX;

fn failure(call: &str) -> Error {
    IoError::new(IoErrorKind::Device, call, "the test said so").into()
}

/// Counts a call down; fails at zero.
fn count(left: &AtomicI64, call: &str) -> Result<()> {
    match left.load(Ordering::Relaxed) {
        NEVER => return Ok(()),
        0 => return Err(failure(call)),
        _ => {}
    }
    left.fetch_sub(1, Ordering::Relaxed);
    Ok(())
}

impl Faulty {
    pub fn new(frame: u32) -> Arc<Self> {
        let store = MemoryBlobStore::new(Geometry::new(frame).unwrap(), [7; 16]);
        Arc::new(Self {
            store,
            left: AtomicI64::new(NEVER),
            stages: AtomicI64::new(NEVER),
            staged: AtomicU64::new(0),
            meanwhile: Mutex::new(None),
            reading: Mutex::new(None),
            reads: AtomicU64::new(0),
            read_calls: AtomicU64::new(0),
            loose: AtomicU64::new(0),
            together: AtomicBool::new(false),
            lies: AtomicU8::new(0),
        })
    }

    /// From now on, `act` runs before and after pages are staged or changes published; what it
    /// does to the store itself is left alone.
    pub fn meanwhile(&self, act: impl FnMut() + Send + 'static) {
        *self.meanwhile.lock() = Some(Box::new(act));
    }

    /// No longer.
    pub fn undisturbed(&self) {
        *self.meanwhile.lock() = None;
        *self.reading.lock() = None;
    }

    /// From now on, `act` runs before and after pages are read, as [`Faulty::meanwhile`] does.
    pub fn while_reading(&self, act: impl FnMut() + Send + 'static) {
        *self.reading.lock() = Some(Box::new(act));
    }

    /// Pages read so far.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// By how many calls.
    pub fn read_calls(&self) -> u64 {
        self.read_calls.load(Ordering::Relaxed)
    }

    fn note_read(&self, bytes: usize) {
        self.reads.fetch_add((bytes / PAGE_BYTES) as u64, Ordering::Relaxed);
        self.read_calls.fetch_add(1, Ordering::Relaxed);
    }

    /// The next `after` stagings work, and then none.
    pub fn fail_stages_after(&self, after: i64) {
        self.stages.store(after, Ordering::Relaxed);
    }

    /// The next `after` reads work, and then none.
    pub fn fail_after(&self, after: i64) {
        self.left.store(after, Ordering::Relaxed);
    }

    /// From now on all pages of a blob lie beside each other.
    pub fn lay_together(&self) {
        self.together.store(true, Ordering::Relaxed);
    }

    /// From now on it makes up what was staged.
    pub fn lie(&self, byte: u8) {
        self.lies.store(byte, Ordering::Relaxed);
    }

    pub fn heal(&self) {
        self.left.store(NEVER, Ordering::Relaxed);
        self.stages.store(NEVER, Ordering::Relaxed);
    }

    /// Pretends that so many bytes are free; each publish of nothing gives half of them back.
    pub fn loosen(&self, bytes: u64) {
        self.loose.store(bytes, Ordering::Relaxed);
    }

    /// What is left of them.
    pub fn loose(&self) -> u64 {
        self.loose.load(Ordering::Relaxed)
    }

    /// Pages staged so far.
    pub fn staged(&self) -> u64 {
        self.staged.load(Ordering::Relaxed)
    }
}

fn disturbed<T>(meanwhile: &Mutex<Option<Meanwhile>>, call: impl FnOnce() -> T) -> T {
    let Some(mut act) = meanwhile.lock().take() else { return call() };
    act();
    let done = call();
    act();
    *meanwhile.lock() = Some(act);
    done
}

impl FaultyLog {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { log: MemoryLog::new(), left: AtomicI64::new(NEVER) })
    }

    /// The next `after` appends and syncs work, and then none.
    pub fn fail_after(&self, after: i64) {
        self.left.store(after, Ordering::Relaxed);
    }

    pub fn heal(&self) {
        self.left.store(NEVER, Ordering::Relaxed);
    }
}

impl BlobStore for Faulty {
    fn geometry(&self) -> Geometry {
        self.store.geometry()
    }
    fn store_id(&self) -> StoreId {
        self.store.store_id()
    }
    fn root(&self) -> Result<Vec<u8>> {
        self.store.root()
    }
    fn entry(&self, blob: BlobId) -> Result<Option<BlobEntry>> {
        self.store.entry(blob)
    }
    fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobId>> {
        self.store.list(after, limit)
    }
    fn read(&self, blob: BlobId, first: u32, buf: &mut [u8]) -> Result<()> {
        count(&self.left, "read")?;
        self.note_read(buf.len());
        disturbed(&self.reading, || self.store.read(blob, first, buf))
    }
    fn read_scattered(&self, blob: BlobId, pages: &[u32], buf: &mut [u8]) -> Result<()> {
        count(&self.left, "read")?;
        self.note_read(buf.len());
        disturbed(&self.reading, || self.store.read_scattered(blob, pages, buf))
    }
    fn near(&self, blob: BlobId, page: u32, others: &[u32], most: usize) -> Result<Vec<u32>> {
        if !self.together.load(Ordering::Relaxed) {
            return self.store.near(blob, page, others, most);
        }
        let others = others.iter().copied().filter(|&other| other != page);
        let mut near: Vec<u32> = others.take(most.saturating_sub(1)).collect();
        near.push(page);
        near.sort_unstable();
        Ok(near)
    }
    fn read_staged(&self, ticket: Ticket, buf: &mut [u8]) -> Result<()> {
        count(&self.left, "read")?;
        self.note_read(buf.len());
        disturbed(&self.reading, || self.store.read_staged(ticket, buf))?;
        match self.lies.load(Ordering::Relaxed) {
            0 => {}
            lie => buf.fill(lie),
        }
        Ok(())
    }
    fn stage(&self, pages: &[u8], tickets: &mut Vec<Ticket>) -> Result<()> {
        count(&self.stages, "stage")?;
        self.staged.fetch_add((pages.len() / PAGE_BYTES) as u64, Ordering::Relaxed);
        disturbed(&self.meanwhile, || self.store.stage(pages, tickets))
    }
    fn release(&self, tickets: &[Ticket]) -> Result<()> {
        self.store.release(tickets)
    }
    fn publish(&self, ops: &[BlobOp], root: &[u8]) -> Result<()> {
        if ops.is_empty() {
            self.loose.store(self.loose() / 2, Ordering::Relaxed);
        }
        disturbed(&self.meanwhile, || self.store.publish(ops, root))
    }
    fn discard(&self) -> Result<()> {
        self.store.discard()
    }
    fn usage(&self) -> Result<StoreUsage> {
        let mut usage = self.store.usage()?;
        usage.free_bytes += self.loose();
        usage.allocated_bytes += self.loose();
        Ok(usage)
    }
    fn audit(
        &self,
        found: &mut dyn FnMut(Corruption),
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        self.store.audit(found, progress)
    }
}

impl LogDevice for FaultyLog {
    fn bounds(&self) -> Result<LogBounds> {
        self.log.bounds()
    }
    fn append(&self, at: Lsn, bytes: &[u8]) -> Result<()> {
        count(&self.left, "append log")?;
        self.log.append(at, bytes)
    }
    fn read(&self, at: Lsn, buf: &mut [u8]) -> Result<usize> {
        self.log.read(at, buf)
    }
    fn sync(&self) -> Result<()> {
        count(&self.left, "sync log")?;
        self.log.sync()
    }
    fn truncate(&self, before: Lsn) -> Result<()> {
        self.log.truncate(before)
    }
    fn reset(&self, at: Lsn) -> Result<()> {
        self.log.reset(at)
    }
    fn allocated(&self) -> Result<u64> {
        self.log.allocated()
    }
}

/// A store with both devices, to be opened again and again.
pub(super) struct Devices {
    pub blobs: Arc<Faulty>,
    pub log: Arc<FaultyLog>,
    pub options: Options,
}

impl Devices {
    /// Small frames, a small cache, a small log budget.
    pub fn new() -> Self {
        let options = Options { cache_bytes: 300_000, log_budget: 200_000, ..Options::default() };
        Self { blobs: Faulty::new(16 * 1024), log: FaultyLog::new(), options }
    }

    /// With the smallest cache, and nobody who makes checkpoints by themselves.
    pub fn hungry() -> Self {
        let options = Options {
            cache_bytes: MIN_CACHE_BYTES,
            log_budget: 1 << 40,
            kept_up: true,
            ..Options::default()
        };
        Self { options, ..Self::new() }
    }

    pub fn tree(&self) -> Tree {
        self.ready();
        let (blobs, log) = (self.blobs.clone(), self.log.clone());
        Tree::open_with_devices(blobs, Some(log), self.options.clone()).unwrap()
    }

    pub fn db(&self) -> DB {
        self.ready();
        let (blobs, log) = (self.blobs.clone(), self.log.clone());
        DB::open_with_devices(blobs, Some(log), self.options.clone()).unwrap()
    }

    fn ready(&self) {
        self.blobs.heal();
        self.log.heal();
        self.blobs.discard().unwrap();
    }
}

/// Every key with its value and version.
pub(super) fn dump(tree: &Tree) -> Vec<(Vec<u8>, Vec<u8>, u64)> {
    let entries = tree.range().into_iter().map(|entry| match entry.unwrap() {
        RangeEntry::Key { key, value, version } => (key, value, version.as_u64()),
        RangeEntry::CommonPrefix(_) => panic!("a roll-up without a delimiter"),
    });
    entries.collect()
}

/// Fails with the damage if there is any.
pub(super) fn assert_clean(report: Result<super::VerifyReport>, when: &str) {
    let damage = report.unwrap().damage;
    assert!(damage.is_empty(), "{when}: {damage:?}");
}
