//! Devices of one's own: a log written from scratch over a plain file, and a blob store that
//! counts what the engine asks of the one below it. Both pass holt's own conformance suites, and
//! a tree on top of them survives its process.
//!
//!     cargo run --example custom_store [DIRECTORY]

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holt::limits::PAGE_BYTES;
use holt::{
    BlobEntry, BlobId, BlobOp, BlobStore, Corruption, Error, FileOptions, FileStore, Geometry,
    IoError, IoErrorKind, LogBounds, LogDevice, Lsn, MemoryBlobStore, Result, StoreId, StoreUsage,
    Ticket, Tree, TreeBuilder, conformance,
};

/// A log in one file: the position of its first byte (8 bytes), then its bytes.
struct FileLog {
    path: PathBuf,
    state: Mutex<Log>,
}

struct Log {
    file: File,
    bounds: LogBounds,
    /// Why the log takes no more changes: after a failure nobody knows what the file holds.
    failure: Option<String>,
}

/// Bytes before the log's own.
const HEAD: u64 = 8;

impl FileLog {
    fn open(path: &Path) -> Result<Self> {
        if !path.exists() {
            replace(path, 0).map_err(failed("create the log"))?;
        }
        let file = File::options().read(true).write(true).open(path);
        let file = file.map_err(failed("open the log"))?;
        let mut head = [0; HEAD as usize];
        file.read_exact_at(&mut head, 0).map_err(failed("read the log"))?;
        let held = file.metadata().map_err(failed("measure the log"))?.len() - HEAD;
        let start = Lsn::from_le_bytes(head);
        let bounds = LogBounds { start, end: start + held };
        Ok(Self { path: path.into(), state: Mutex::new(Log { file, bounds, failure: None }) })
    }

    fn state(&self) -> MutexGuard<'_, Log> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the log. After a change that failed every other one is refused.
    fn change(&self, call: &str, change: impl FnOnce(&mut Log) -> io::Result<()>) -> Result<()> {
        let mut log = self.state();
        if let Some(cause) = log.failure.clone() {
            return Err(Error::Poisoned { cause });
        }
        change(&mut log).map_err(|error| {
            log.failure = Some(error.to_string());
            failed(call)(error)
        })
    }
}

/// Puts an empty log that begins at `start` in place of the file: all of it or nothing.
fn replace(path: &Path, start: Lsn) -> io::Result<File> {
    let new = path.with_extension("new");
    let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&new)?;
    file.write_all(&start.to_le_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())?;
    Ok(file)
}

fn failed(call: &str) -> impl Fn(io::Error) -> Error {
    move |error| IoError::new(IoErrorKind::Device, call, error.to_string()).into()
}

fn check(holds: bool, why: &'static str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::InvalidArgument { what: "position", why }) }
}

impl LogDevice for FileLog {
    fn bounds(&self) -> Result<LogBounds> {
        Ok(self.state().bounds)
    }

    fn append(&self, at: Lsn, bytes: &[u8]) -> Result<()> {
        check(at == self.bounds()?.end, "must be the end of the log")?;
        self.change("append to the log", |log| {
            log.file.write_all_at(bytes, HEAD + at - log.bounds.start)?;
            log.bounds.end = at + bytes.len() as u64;
            Ok(())
        })
    }

    fn read(&self, at: Lsn, buf: &mut [u8]) -> Result<usize> {
        let Log { file, bounds, .. } = &*self.state();
        check((bounds.start..=bounds.end).contains(&at), "must lie within the log")?;
        let count = buf.len().min((bounds.end - at) as usize);
        let read = file.read_exact_at(&mut buf[..count], HEAD + at - bounds.start);
        read.map_err(failed("read the log"))?;
        Ok(count)
    }

    fn sync(&self) -> Result<()> {
        self.change("sync the log", |log| log.file.sync_data())
    }

    /// Bytes *may* be given back, so the simplest truncation is none: the space comes back when
    /// the log is emptied.
    fn truncate(&self, _before: Lsn) -> Result<()> {
        self.change("truncate the log", |_| Ok(()))
    }

    fn reset(&self, at: Lsn) -> Result<()> {
        check(at >= self.bounds()?.end, "must not be below the end of the log")?;
        self.change("empty the log", |log| {
            log.file = replace(&self.path, at)?;
            log.bounds = LogBounds { start: at, end: at };
            Ok(())
        })
    }

    fn allocated(&self) -> Result<u64> {
        Ok(HEAD + self.bounds()?.end - self.bounds()?.start)
    }
}

/// A blob store that counts what the engine asks for and hands it on.
struct Counted {
    below: Arc<dyn BlobStore>,
    read: AtomicU64,
    staged: AtomicU64,
    publishes: AtomicU64,
}

impl Counted {
    fn new(below: Arc<dyn BlobStore>) -> Self {
        Self { below, read: 0.into(), staged: 0.into(), publishes: 0.into() }
    }

    fn counts(&self) -> String {
        let Self { read, staged, publishes, .. } = self;
        format!("{read:?} pages read, {staged:?} staged, {publishes:?} publishes")
    }
}

impl BlobStore for Counted {
    fn read(&self, blob: BlobId, first: u32, buf: &mut [u8]) -> Result<()> {
        self.read.fetch_add((buf.len() / PAGE_BYTES) as u64, Relaxed);
        self.below.read(blob, first, buf)
    }

    fn stage(&self, pages: &[u8], tickets: &mut Vec<Ticket>) -> Result<()> {
        self.staged.fetch_add((pages.len() / PAGE_BYTES) as u64, Relaxed);
        self.below.stage(pages, tickets)
    }

    fn publish(&self, ops: &[BlobOp], root: &[u8]) -> Result<()> {
        self.publishes.fetch_add(1, Relaxed);
        self.below.publish(ops, root)
    }

    // The rest is handed on as it is.
    fn geometry(&self) -> Geometry {
        self.below.geometry()
    }
    fn store_id(&self) -> StoreId {
        self.below.store_id()
    }
    fn root(&self) -> Result<Vec<u8>> {
        self.below.root()
    }
    fn entry(&self, blob: BlobId) -> Result<Option<BlobEntry>> {
        self.below.entry(blob)
    }
    fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobId>> {
        self.below.list(after, limit)
    }
    fn read_staged(&self, ticket: Ticket, buf: &mut [u8]) -> Result<()> {
        self.below.read_staged(ticket, buf)
    }
    fn release(&self, tickets: &[Ticket]) -> Result<()> {
        self.below.release(tickets)
    }
    fn discard(&self) -> Result<()> {
        self.below.discard()
    }
    fn usage(&self) -> Result<StoreUsage> {
        self.below.usage()
    }
    fn audit(
        &self,
        found: &mut dyn FnMut(Corruption),
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        self.below.audit(found, progress)
    }
}

/// Runs holt's conformance suites: they panic with the clause of the contract that is broken.
fn check_contracts(dir: &Path) {
    let log = || FileLog::open(&dir.join("log")).expect("opens");
    conformance::log_device(log, |_| log());
    println!("FileLog keeps the contract of LogDevice");
    let store = || Counted::new(Arc::new(MemoryBlobStore::new(Geometry::default(), [7; 16])));
    conformance::blob_store(store, |before| {
        // What closing a store in files does: what was staged and not published is forgotten.
        before.discard().expect("discards");
        before
    });
    println!("Counted keeps the contract of BlobStore");
}

/// Opens a tree whose blobs are in holt's own file, counted, and whose log is ours.
fn open(dir: &Path) -> Result<(Tree, Arc<Counted>)> {
    let store = Arc::new(Counted::new(FileStore::open(dir, &FileOptions::default())?.blobs));
    let log = Arc::new(FileLog::open(&dir.join("own.log"))?);
    Ok((TreeBuilder::new(dir).open_with_devices(store.clone(), log)?, store))
}

fn main() -> Result<()> {
    let scratch = tempfile::tempdir().map_err(failed("make a directory"))?;
    check_contracts(scratch.path());
    let given = std::env::args_os().nth(1).map(PathBuf::from);
    let dir = given.unwrap_or_else(|| scratch.path().join("store"));

    let (tree, store) = open(&dir)?;
    for number in 0..20_000_u32 {
        tree.put(format!("objects/{number:06}").as_bytes(), &number.to_le_bytes())?;
    }
    println!("20000 writes, all in the log: {}", store.counts());
    tree.checkpoint()?;
    println!("and a checkpoint: {}", store.counts());
    assert!(store.publishes.load(Relaxed) > 0);
    tree.put(b"written/after", b"the checkpoint")?;
    drop((tree, store));

    let (tree, store) = open(&dir)?;
    println!("opened again: {} records came from the log", tree.stats()?.replayed_records);
    assert_eq!(tree.get(b"written/after")?.as_deref(), Some(&b"the checkpoint"[..]));
    assert_eq!(tree.get(b"objects/012345")?, Some(12_345_u32.to_le_bytes().into()));
    println!("two lookups: {}", store.counts());
    let report = tree.verify()?;
    assert!(report.is_clean(), "{:?}", report.damage);
    println!("checked {} records on {} pages: sound", report.records, report.pages);
    Ok(())
}
