//! Durable writers on many threads: they share syncs, none is acknowledged before its record is
//! durable, and after a failed sync none is acknowledged at all.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::{AtomicBatch, DB, Options, Tree};
use crate::device::{LogBounds, LogDevice, MemoryBlobStore, MemoryLog};
use crate::error::{AtomicErrorKind, Error, IoError, IoErrorKind, Result};
use crate::geometry::Geometry;
use crate::ids::Lsn;
use crate::random::repeats;
use crate::sync::Mutex;

const THREADS: u64 = repeats(16, 4) as u64;
const PUTS: u64 = repeats(63, 12) as u64;

/// A log whose syncs take their time, which fails the sync of a number and remembers what was
/// durable by the last one.
#[derive(Default)]
struct SlowLog {
    log: MemoryLog,
    syncs: AtomicU64,
    /// Number of the sync that fails; 0 for none.
    fails: AtomicU64,
    /// End of what the last finished sync found.
    durable: Mutex<Lsn>,
}

impl SlowLog {
    /// A log as it is after the loss of everything that was not durable.
    fn after_power_loss(&self) -> Arc<MemoryLog> {
        let (start, end) = (self.log.bounds().unwrap().start, *self.durable.lock());
        let mut bytes = alloc::vec![0; (end - start) as usize];
        let mut at = 0;
        while at < bytes.len() {
            at += self.log.read(start + at as u64, &mut bytes[at..]).unwrap();
        }
        let log = MemoryLog::new();
        log.reset(start).unwrap();
        log.append(start, &bytes).unwrap();
        Arc::new(log)
    }
}

impl LogDevice for SlowLog {
    fn bounds(&self) -> Result<LogBounds> {
        self.log.bounds()
    }
    fn append(&self, at: Lsn, bytes: &[u8]) -> Result<()> {
        self.log.append(at, bytes)
    }
    fn read(&self, at: Lsn, buf: &mut [u8]) -> Result<usize> {
        self.log.read(at, buf)
    }
    fn sync(&self) -> Result<()> {
        let end = self.log.bounds()?.end;
        thread::sleep(Duration::from_millis(2));
        let number = self.syncs.fetch_add(1, Ordering::SeqCst) + 1;
        if number == self.fails.load(Ordering::SeqCst) {
            let error = IoError::new(IoErrorKind::Device, "sync", "the cable was pulled");
            return Err(Error::BlobStoreIo(error));
        }
        let mut durable = self.durable.lock();
        *durable = end.max(*durable);
        Ok(())
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

fn blobs() -> Arc<MemoryBlobStore> {
    Arc::new(MemoryBlobStore::new(Geometry::default(), [1; 16]))
}

fn options() -> Options {
    Options { sync: true, auto_checkpoint: false, ..Options::default() }
}

fn key(thread: u64, number: u64) -> Vec<u8> {
    format!("{thread:02}/{number:04}").into_bytes()
}

/// Lets every thread write until it is done or refused; what each was acknowledged.
fn written(tree: &Tree, puts: u64) -> Vec<(Vec<u8>, Option<Error>)> {
    let work = |thread: u64| {
        let mut acknowledged = Vec::new();
        for number in 0..puts {
            let done = match number % 3 {
                0 => tree.put(&key(thread, number), b"value"),
                1 => tree.insert(&key(thread, number), b"value").map(drop),
                _ => tree.txn(|batch: &mut AtomicBatch| batch.put(&key(thread, number), b"value")),
            };
            match done {
                Ok(()) => acknowledged.push((key(thread, number), None)),
                Err(error) => {
                    acknowledged.push((key(thread, number), Some(error)));
                    break;
                }
            }
        }
        acknowledged
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|at| scope.spawn(move || work(at))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn durable_writers_share_syncs_and_a_lone_one_waits_for_nobody() {
    let log = Arc::new(SlowLog::default());
    let blobs = blobs();
    let tree = Tree::open_with_devices(blobs.clone(), Some(log.clone()), options()).unwrap();
    tree.put(b"first", b"").unwrap();
    let before = tree.stats().unwrap().log_syncs;
    let acknowledged = written(&tree, PUTS);
    let syncs = tree.stats().unwrap().log_syncs - before;
    assert_eq!(acknowledged.len() as u64, THREADS * PUTS);
    assert!(acknowledged.iter().all(|(_, error)| error.is_none()));
    // In Miri a sync takes less time than a put.
    let most = THREADS * PUTS / repeats(5, 1) as u64;
    assert!(syncs <= most, "{syncs} syncs for {} puts", THREADS * PUTS);
    // Alone: a sync for each put, at once.
    let before = tree.stats().unwrap().log_syncs;
    for number in 0..5 {
        tree.put(&key(99, number), b"value").unwrap();
    }
    assert_eq!(tree.stats().unwrap().log_syncs - before, 5);
    // Nothing that changes nothing waits.
    assert!(!tree.delete(b"none").unwrap());
    assert!(!tree.put_if_absent(b"first", b"").unwrap());
    assert_eq!(tree.stats().unwrap().log_syncs - before, 5);
    drop(tree);
    let found = Tree::open_with_devices(blobs, Some(log.after_power_loss()), options()).unwrap();
    for (key, _) in acknowledged {
        assert!(found.contains_key(&key).unwrap(), "an acknowledged write was lost");
    }
}

#[test]
fn after_a_failed_sync_nobody_is_acknowledged() {
    for fails in [5, 9, 17].into_iter().take(repeats(3, 1)) {
        let log = Arc::new(SlowLog::default());
        log.fails.store(fails, Ordering::SeqCst);
        let blobs = blobs();
        let tree = Tree::open_with_devices(blobs.clone(), Some(log.clone()), options()).unwrap();
        let ended = written(&tree, PUTS);
        let refused = ended.iter().filter_map(|(_, error)| error.as_ref());
        let refused: Vec<&Error> = refused.collect();
        assert_eq!(refused.len() as u64, THREADS, "every thread was told");
        for error in refused {
            assert!(matches!(error, Error::BlobStoreIo(_) | Error::Poisoned { .. }), "{error:?}");
            assert!(format!("{error}").contains("the cable was pulled"), "{error}");
        }
        assert!(matches!(tree.put(b"later", b""), Err(Error::Poisoned { .. })));
        assert!(matches!(tree.sync(), Err(Error::Poisoned { .. })));
        assert_eq!(log.syncs.load(Ordering::SeqCst), fails, "nothing was tried after it");
        drop(tree);
        let after = log.after_power_loss();
        let found = Tree::open_with_devices(blobs, Some(after), options()).unwrap();
        for (key, error) in ended {
            if error.is_none() {
                assert!(found.contains_key(&key).unwrap(), "an acknowledged write was lost");
            }
        }
    }
}

#[test]
fn a_batch_whose_sync_fails_has_an_unknown_outcome() {
    let log = Arc::new(SlowLog::default());
    let blobs = blobs();
    let db = DB::open_with_devices(blobs, Some(log.clone()), options()).unwrap();
    db.create_tree("files").unwrap();
    log.fails.store(log.syncs.load(Ordering::SeqCst) + 1, Ordering::SeqCst);
    let failed = db.atomic(|batch| batch.put("files", b"key", b"value")).unwrap_err();
    assert!(
        matches!(&failed, Error::Atomic { kind: AtomicErrorKind::OutcomeUnknown, .. }),
        "{failed:?}"
    );
    let again = db.atomic(|batch| batch.put("files", b"key", b"value")).unwrap_err();
    assert!(
        matches!(&again, Error::Atomic { kind: AtomicErrorKind::DefinitelyNotApplied, .. }),
        "{again:?}"
    );
}
