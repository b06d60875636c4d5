//! Blobs by id: verified reads, immutable staged writes, one atomic switch.

use alloc::vec::Vec;

use super::rules;
use crate::error::{Corruption, Result};
use crate::geometry::Geometry;
use crate::ids::{BlobId, StoreId, Ticket};
use crate::limits::PAGE_BYTES;
use crate::sync::MaybeSync;

/// One page of a blob and the staged page that becomes its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageAt {
    /// Page number within the blob.
    pub page: u32,
    /// Where the page was staged.
    pub ticket: Ticket,
}

/// One change of a [`BlobStore::publish`]. A blob is named by at most one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobOp {
    /// Creates or changes a blob. Pages not named stay as they are.
    Put {
        /// Which blob.
        blob: BlobId,
        /// Its metadata from now on: opaque, at most `MAX_META_BYTES`.
        meta: Vec<u8>,
        /// Pages that get new content, in ascending order.
        pages: Vec<PageAt>,
        /// Pages that no longer exist, in ascending order; naming one that never did is fine.
        dropped: Vec<u32>,
    },
    /// Removes a blob and all its pages; removing one that is not there is fine.
    Delete {
        /// Which blob.
        blob: BlobId,
    },
}

/// A published blob, as the manifest has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobEntry {
    /// Its metadata, as published.
    pub meta: Vec<u8>,
    /// Its pages, in ascending order.
    pub pages: Vec<u32>,
}

/// How much a store uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct StoreUsage {
    /// Published blobs.
    pub blobs: u64,
    /// Published pages.
    pub pages: u64,
    /// Pages staged and not published.
    pub staged_pages: u64,
    /// Bytes free for reuse inside the file.
    pub free_bytes: u64,
    /// Bytes allocated on the device, manifest and superblocks included.
    pub allocated_bytes: u64,
    /// Bytes of the manifest in use.
    pub manifest_bytes: u64,
    /// Manifests switched (rewritten into the other region) since opening.
    pub manifest_switches: u64,
    /// Pages read from the device since opening.
    pub pages_read: u64,
    /// Bytes written to the device since opening.
    pub bytes_written: u64,
}

/// Frames and extents by id, over any medium.
///
/// Contract, checked by the conformance suite:
/// 1. What is read was published (or staged) under exactly that blob and page, byte for byte,
///    or the read fails with a `Corrupt` error: stale, torn, misdirected and rotten pages are
///    all caught.
/// 2. `stage` never overwrites bytes that the published state refers to. Staged pages are
///    forgotten by `discard`, by `release` and by reopening.
/// 3. `publish` is atomic and durable: after it returns `Ok`, loss of power keeps all of it;
///    when it fails or power is lost within it, all or nothing of it is found on reopening.
///    It syncs staged pages before anything refers to them.
/// 4. After a failed write or sync, `stage` and `publish` fail with `Poisoned` until the store
///    is opened anew; reads go on.
/// 5. A page holds exactly `PAGE_BYTES`. Blobs have at most `MAX_BLOB_PAGES` pages.
pub trait BlobStore: MaybeSync {
    /// The shape of frames, fixed at creation.
    fn geometry(&self) -> Geometry;

    /// The identity drawn at creation.
    fn store_id(&self) -> StoreId;

    /// The engine's root record as last published; empty before the first publish.
    fn root(&self) -> Result<Vec<u8>>;

    /// The published entry of a blob.
    fn entry(&self, blob: BlobId) -> Result<Option<BlobEntry>>;

    /// Published blobs with an id greater than `after`, ascending, at most `limit`.
    fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobId>>;

    /// Reads consecutive published pages, starting with `first`; `buf` is a whole number of
    /// pages.
    ///
    /// # Errors
    /// `NotFound` if one of them is not published; `Corrupt` if it is damaged.
    fn read(&self, blob: BlobId, first: u32, buf: &mut [u8]) -> Result<()>;

    /// Reads published pages of one blob, wherever they lie in it: `pages` ascend, and `buf` has
    /// room for as many. As good as one [`BlobStore::read`] for each; a store that can read them
    /// at once does.
    ///
    /// # Errors
    /// Those of [`BlobStore::read`].
    fn read_scattered(&self, blob: BlobId, pages: &[u32], buf: &mut [u8]) -> Result<()> {
        rules::pages_of(pages, buf.len())?;
        let mut parts = pages.iter().zip(buf.chunks_exact_mut(PAGE_BYTES));
        parts.try_for_each(|(page, buf)| self.read(blob, *page, buf))
    }

    /// Which published pages the device reads along with `page` at hardly any cost, of the
    /// published pages `others`: `page` among them, ascending, at most `most` (but one). Reading
    /// them by [`BlobStore::read_scattered`] is then one read of the device. Does not read; a
    /// store that knows nothing of where pages lie names `page` alone.
    ///
    /// # Errors
    /// Those of the medium.
    fn near(&self, blob: BlobId, page: u32, others: &[u32], most: usize) -> Result<Vec<u32>> {
        let _ = (blob, others, most);
        Ok(alloc::vec![page])
    }

    /// Reads one staged page back.
    fn read_staged(&self, ticket: Ticket, buf: &mut [u8]) -> Result<()>;

    /// Writes pages (a whole number of them) to free space and appends a ticket for each, in
    /// order. The bytes need not be durable before `publish`.
    fn stage(&self, pages: &[u8], tickets: &mut Vec<Ticket>) -> Result<()>;

    /// Forgets staged pages that will not be published.
    fn release(&self, tickets: &[Ticket]) -> Result<()>;

    /// Makes `ops` and `root` the published state, atomically and durably. Published tickets
    /// stop being staged; staged pages that no op names stay staged.
    fn publish(&self, ops: &[BlobOp], root: &[u8]) -> Result<()>;

    /// Forgets everything staged and not published.
    fn discard(&self) -> Result<()>;

    /// What the store uses; does not read the device.
    fn usage(&self) -> Result<StoreUsage>;

    /// Checks the store's own bookkeeping (superblocks, manifest, owners of space) and every
    /// published page's checksum, calling `found` for each piece of damage. `progress` gets the
    /// pages checked so far and their total.
    fn audit(
        &self,
        found: &mut dyn FnMut(Corruption),
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<()>;
}
