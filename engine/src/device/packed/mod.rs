//! The packed store: all blobs of a store in one file, over any [`PositionedIo`].
//!
//! Owns: superblocks, manifest, allocation of the file's pages, checksums. Never does: know what
//! a blob means, or keep a page in memory.
//!
//! The file: superblock slots in pages 0 and 1, the mark in page 2, then pages of blobs and the
//! two manifest regions in any order. `layout` has the fixed pages, `record` and `unit` the
//! manifest's bytes, `replay` reads them, `table` and `space` are the state in memory, `open`,
//! `read`, `stage`, `publish`, `reclaim` and `audit` what is done with it.
//!
//! Invariants:
//! - A page that the durable manifest refers to is never written.
//! - A page comes free only after the publish that dropped it is durable.
//! - Nothing refers to a page that is not synced.
//! - A superblock slot is written only while the other one is valid and durable.
//! - Locks are taken in the order `manifest`, `table`, `space`; none is held while a page is
//!   read or staged.
//!
//! A publish that changes nothing (no operations, the same root) gives free space back instead,
//! a bounded amount each time: call it when the store is quiet, again as long as that helps.

mod audit;
mod dense;
mod layout;
mod open;
mod publish;
mod read;
mod reclaim;
mod record;
mod replay;
mod space;
mod stage;
mod table;
#[cfg(test)]
mod tests;
mod together;
mod unit;

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use self::layout::Superblock;
use self::stage::Staging;
use self::table::Table;
use super::blob::{BlobEntry, BlobOp, BlobStore, StoreUsage};
use super::io::PositionedIo;
use super::poison::{Poison, lift};
use super::rules;
use crate::error::{Corruption, Error, Result};
use crate::geometry::Geometry;
use crate::ids::{BlobId, StoreId, Ticket};
use crate::limits::PAGE_BYTES;
use crate::sync::{Mutex, RwLock};

pub use self::open::{Access, Opened};

/// A blob store in one file.
#[derive(Debug)]
pub struct PackedStore<Io> {
    io: Poison<Io>,
    geometry: Geometry,
    store_id: StoreId,
    access: Access,
    manifest: Mutex<Manifest>,
    table: RwLock<Table>,
    staging: Mutex<Staging>,
    /// Whether staged pages were written since the last sync.
    unsynced: AtomicBool,
    counters: Counters,
}

/// Where the manifest on the device stands. Held for the whole of a publish.
#[derive(Debug)]
struct Manifest {
    block: Superblock,
    /// The last publish.
    commit: u64,
    /// Bytes of the region in use.
    used_bytes: u64,
    /// What the next record's checksum continues.
    chain: u32,
}

#[derive(Debug, Default)]
struct Counters {
    pages_read: AtomicU64,
    bytes_written: AtomicU64,
    manifest_bytes: AtomicU64,
    manifest_switches: AtomicU64,
}

impl<Io: PositionedIo> PackedStore<Io> {
    /// The medium below.
    pub fn io(&self) -> &Io {
        self.io.inner()
    }

    /// What the store was opened for.
    pub const fn access(&self) -> Access {
        self.access
    }

    fn writable(&self) -> Result<()> {
        match self.access {
            Access::ReadOnly => Err(Error::ReadOnly),
            Access::ReadWrite => self.io.check("write").map_err(lift),
        }
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.io.write_at(offset, bytes).map_err(lift)?;
        self.counters.bytes_written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.io.sync().map_err(lift)
    }
}

impl<Io: PositionedIo> BlobStore for PackedStore<Io> {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn store_id(&self) -> StoreId {
        self.store_id
    }

    fn root(&self) -> Result<Vec<u8>> {
        Ok(self.table.read().root().into())
    }

    fn entry(&self, blob: BlobId) -> Result<Option<BlobEntry>> {
        Ok(self.table.read().show(blob))
    }

    fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobId>> {
        Ok(self.table.read().list(after, limit))
    }

    fn read(&self, blob: BlobId, first: u32, buf: &mut [u8]) -> Result<()> {
        let pages = rules::whole_pages(buf.len())?;
        self.read_pages(blob, first, buf)?;
        self.counters.pages_read.fetch_add(pages as u64, Ordering::Relaxed);
        Ok(())
    }

    fn read_scattered(&self, blob: BlobId, pages: &[u32], buf: &mut [u8]) -> Result<()> {
        rules::pages_of(pages, buf.len())?;
        self.read_listed(blob, pages, buf)?;
        self.counters.pages_read.fetch_add(pages.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn near(&self, blob: BlobId, page: u32, others: &[u32], most: usize) -> Result<Vec<u32>> {
        Ok(self.pages_near(blob, page, others, most))
    }

    fn read_staged(&self, ticket: Ticket, buf: &mut [u8]) -> Result<()> {
        rules::one_page(buf.len())?;
        self.read_ticket(ticket, buf)?;
        self.counters.pages_read.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn stage(&self, pages: &[u8], tickets: &mut Vec<Ticket>) -> Result<()> {
        rules::whole_pages(pages.len())?;
        self.writable()?;
        self.stage_pages(pages, tickets)
    }

    fn release(&self, tickets: &[Ticket]) -> Result<()> {
        self.staging.lock().release(tickets);
        Ok(())
    }

    fn publish(&self, ops: &[BlobOp], root: &[u8]) -> Result<()> {
        self.writable()?;
        self.publish_ops(ops, root)
    }

    fn discard(&self) -> Result<()> {
        self.staging.lock().discard();
        Ok(())
    }

    fn usage(&self) -> Result<StoreUsage> {
        let (blobs, pages) = {
            let table = self.table.read();
            (table.blobs(), table.pages())
        };
        let (staged_pages, free) = {
            let staging = self.staging.lock();
            (staging.count(), staging.space.free())
        };
        Ok(StoreUsage {
            blobs,
            pages,
            staged_pages,
            free_bytes: u64::from(free) * PAGE_BYTES as u64,
            allocated_bytes: self.io.allocated()?,
            manifest_bytes: self.counters.manifest_bytes.load(Ordering::Relaxed),
            manifest_switches: self.counters.manifest_switches.load(Ordering::Relaxed),
            pages_read: self.counters.pages_read.load(Ordering::Relaxed),
            bytes_written: self.counters.bytes_written.load(Ordering::Relaxed),
        })
    }

    fn audit(
        &self,
        found: &mut dyn FnMut(Corruption),
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        self.audit_all(found, progress)
    }
}
