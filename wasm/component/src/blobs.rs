//! The engine's blob store over the imported one.
//!
//! Invariant: no call carries more than `MAX_TRANSFER_BYTES`. The host is trusted to be honest
//! (it could read and change everything anyway) but not to be right: lengths are checked.

use holt_engine::device::{BlobEntry, BlobOp, BlobStore, StoreUsage};
use holt_engine::error::{Corruption, Error, IoError, IoErrorKind, Result};
use holt_engine::geometry::Geometry;
use holt_engine::ids::{BlobId, StoreId, Ticket};
use holt_engine::limits::{MAX_TRANSFER_BYTES, PAGE_BYTES};
use holt_wire::limits::MAX_IDS_PER_CALL;
use holt_wire::{entry, publish};

use crate::bindings::holt::metadata::blob_store as host;
use crate::convert::{corruption_from_wit, error_from_wit};

/// Pages that one call carries.
const PAGES_PER_CALL: usize = MAX_TRANSFER_BYTES / PAGE_BYTES;

/// The store that the host linked.
pub(crate) struct HostBlobs {
    geometry: Geometry,
    id: StoreId,
}

impl HostBlobs {
    /// Asks for what never changes.
    pub(crate) fn new() -> Result<Self> {
        let geometry = Geometry::new(host::geometry())?;
        let (low, high) = host::store_id();
        let mut id = StoreId::default();
        let (first, last) = id.split_at_mut(8);
        first.copy_from_slice(&low.to_le_bytes());
        last.copy_from_slice(&high.to_le_bytes());
        Ok(Self { geometry, id })
    }
}

/// The host answered with the wrong number of bytes or tickets.
pub(crate) fn wrong_length(call: &str) -> Error {
    IoError::new(IoErrorKind::Device, call, "the host answered with a wrong length").into()
}

/// How many whole pages a buffer has.
fn whole_pages(bytes: usize) -> Result<usize> {
    match bytes.is_multiple_of(PAGE_BYTES) {
        true => Ok(bytes / PAGE_BYTES),
        false => Err(Error::InvalidArgument { what: "buffer", why: "must be whole pages" }),
    }
}

impl BlobStore for HostBlobs {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn store_id(&self) -> StoreId {
        self.id
    }

    fn root(&self) -> Result<Vec<u8>> {
        host::root().map_err(error_from_wit)
    }

    fn entry(&self, blob: BlobId) -> Result<Option<BlobEntry>> {
        let packed = host::entry(blob.0).map_err(error_from_wit)?;
        packed.map(|packed| entry::decode(&packed)).transpose()
    }

    fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobId>> {
        let limit = limit.min(MAX_IDS_PER_CALL) as u32;
        let ids = host::list_blobs(after.map(|blob| blob.0), limit).map_err(error_from_wit)?;
        Ok(ids.into_iter().map(BlobId).collect())
    }

    fn read(&self, blob: BlobId, first: u32, buf: &mut [u8]) -> Result<()> {
        whole_pages(buf.len())?;
        for (part, chunk) in buf.chunks_mut(PAGES_PER_CALL * PAGE_BYTES).enumerate() {
            let skipped = u32::try_from(part * PAGES_PER_CALL).unwrap_or(u32::MAX);
            let first = first.saturating_add(skipped);
            let count = (chunk.len() / PAGE_BYTES) as u32;
            let bytes = host::read(blob.0, first, count).map_err(error_from_wit)?;
            if bytes.len() != chunk.len() {
                return Err(wrong_length("blob-store.read"));
            }
            chunk.copy_from_slice(&bytes);
        }
        Ok(())
    }

    fn read_scattered(&self, blob: BlobId, pages: &[u32], buf: &mut [u8]) -> Result<()> {
        if buf.len() != pages.len() * PAGE_BYTES {
            return Err(Error::InvalidArgument { what: "buffer", why: "must be as many pages" });
        }
        let parts = buf.chunks_mut(PAGES_PER_CALL * PAGE_BYTES);
        for (pages, chunk) in pages.chunks(PAGES_PER_CALL).zip(parts) {
            let bytes = host::read_scattered(blob.0, pages).map_err(error_from_wit)?;
            if bytes.len() != chunk.len() {
                return Err(wrong_length("blob-store.read-scattered"));
            }
            chunk.copy_from_slice(&bytes);
        }
        Ok(())
    }

    fn near(&self, blob: BlobId, page: u32, others: &[u32], most: usize) -> Result<Vec<u32>> {
        let others = &others[..others.len().min(PAGES_PER_CALL)];
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        host::near(blob.0, page, others, most).map_err(error_from_wit)
    }

    fn read_staged(&self, ticket: Ticket, buf: &mut [u8]) -> Result<()> {
        let bytes = host::read_staged(ticket.0).map_err(error_from_wit)?;
        if bytes.len() != buf.len() {
            return Err(wrong_length("blob-store.read-staged"));
        }
        buf.copy_from_slice(&bytes);
        Ok(())
    }

    fn stage(&self, pages: &[u8], tickets: &mut Vec<Ticket>) -> Result<()> {
        whole_pages(pages.len())?;
        for chunk in pages.chunks(PAGES_PER_CALL * PAGE_BYTES) {
            let given = host::stage(chunk).map_err(error_from_wit)?;
            if given.len() != chunk.len() / PAGE_BYTES {
                return Err(wrong_length("blob-store.stage"));
            }
            tickets.extend(given.into_iter().map(Ticket));
        }
        Ok(())
    }

    fn release(&self, tickets: &[Ticket]) -> Result<()> {
        for chunk in tickets.chunks(MAX_IDS_PER_CALL) {
            let numbers: Vec<u64> = chunk.iter().map(|ticket| ticket.0).collect();
            host::release(&numbers).map_err(error_from_wit)?;
        }
        Ok(())
    }

    fn publish(&self, ops: &[BlobOp], root: &[u8]) -> Result<()> {
        publish::send_parts(ops, root, |part, last| {
            host::publish(part, last).map_err(error_from_wit)
        })
    }

    fn discard(&self) -> Result<()> {
        host::discard().map_err(error_from_wit)
    }

    fn usage(&self) -> Result<StoreUsage> {
        let usage = host::usage().map_err(error_from_wit)?;
        Ok(StoreUsage {
            blobs: usage.blobs,
            pages: usage.pages,
            staged_pages: usage.staged_pages,
            free_bytes: usage.free_bytes,
            allocated_bytes: usage.allocated_bytes,
            manifest_bytes: usage.manifest_bytes,
            manifest_switches: usage.manifest_switches,
            pages_read: usage.pages_read,
            bytes_written: usage.bytes_written,
        })
    }

    fn audit(
        &self,
        found: &mut dyn FnMut(Corruption),
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        let damage = host::audit().map_err(error_from_wit)?;
        damage.into_iter().map(corruption_from_wit).for_each(found);
        let pages = self.usage()?.pages;
        progress(pages, pages);
        Ok(())
    }
}
