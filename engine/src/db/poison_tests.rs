//! A store that stops taking writes: what was read before stays readable, under pressure too.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use super::{Options, Tree};
use crate::device::{BlobEntry, BlobOp, BlobStore, MemoryBlobStore, StoreUsage};
use crate::error::{Corruption, Error, Result};
use crate::geometry::Geometry;
use crate::ids::{BlobId, StoreId, Ticket};

struct Failing {
    store: MemoryBlobStore,
    broken: AtomicBool,
}

impl Failing {
    fn check(&self) -> Result<()> {
        match self.broken.load(Ordering::Relaxed) {
            true => Err(Error::Poisoned { cause: "the test said so".into() }),
            false => Ok(()),
        }
    }
}

impl BlobStore for Failing {
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
        self.store.read(blob, first, buf)
    }
    fn read_staged(&self, ticket: Ticket, buf: &mut [u8]) -> Result<()> {
        self.store.read_staged(ticket, buf)
    }
    fn stage(&self, pages: &[u8], tickets: &mut Vec<Ticket>) -> Result<()> {
        self.check()?;
        self.store.stage(pages, tickets)
    }
    fn release(&self, tickets: &[Ticket]) -> Result<()> {
        self.check()?;
        self.store.release(tickets)
    }
    fn publish(&self, ops: &[BlobOp], root: &[u8]) -> Result<()> {
        self.check()?;
        self.store.publish(ops, root)
    }
    fn discard(&self) -> Result<()> {
        self.store.discard()
    }
    fn usage(&self) -> Result<StoreUsage> {
        self.store.usage()
    }
    fn audit(
        &self,
        found: &mut dyn FnMut(Corruption),
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        self.store.audit(found, progress)
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn reads_go_on_when_dirty_pages_cannot_be_written_out() {
    let store = MemoryBlobStore::new(Geometry::new(16 * 1024).unwrap(), [7; 16]);
    let blobs = Arc::new(Failing { store, broken: AtomicBool::new(false) });
    let options = Options { cache_bytes: 256 * 1024, ..Options::default() };
    let tree = Tree::open_with_devices(blobs.clone(), None, options).unwrap();
    let key = |at: u32| alloc::format!("key-{:08}", at.wrapping_mul(7919) % 6000);
    for at in 0..6000 {
        tree.put(key(at).as_bytes(), &[at as u8; 100]).unwrap();
    }
    blobs.broken.store(true, Ordering::Relaxed);
    // Misses now need room, and most of what is in memory is dirty.
    for at in 0..6000 {
        let found = tree.get(key(at).as_bytes()).unwrap();
        assert_eq!(found.as_deref(), Some(&[at as u8; 100][..]));
    }
    assert!(matches!(tree.put(b"k", b"v"), Err(Error::Poisoned { .. })));
    assert!(matches!(tree.checkpoint(), Err(Error::Poisoned { .. })));
}
