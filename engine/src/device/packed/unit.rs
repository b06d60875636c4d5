//! Builds the units of a manifest: the change of one publish, or the whole state.
//!
//! Owns: how changes are cut into records. Never does: decide where they go.

use alloc::vec::Vec;

use super::record::{Kind, Link, put_change, put_delete, put_record};
use super::table::{Entry, PageRef};
use crate::codec::bytes::Write;
use crate::error::Result;
use crate::ids::BlobId;
use crate::limits::{MANIFEST_CHUNK_BYTES, MANIFEST_RECORD_TARGET_BYTES, PAGE_BYTES};

/// A unit in the making. Whole pages of it are handed to `sink` as they fill up.
pub struct UnitWriter<'a> {
    link: Link,
    changes: Vec<u8>,
    out: Vec<u8>,
    sink: Sink<'a>,
}

/// Takes whole pages of a unit, in order.
pub type Sink<'a> = &'a mut dyn FnMut(&[u8]) -> Result<()>;

/// What the unit's last record says, and what follows it.
#[derive(Clone, Copy, Debug)]
pub struct Totals {
    /// Blobs after the publish.
    pub blobs: u64,
    /// Pages after the publish.
    pub pages: u64,
}

impl<'a> UnitWriter<'a> {
    /// A unit for publish `commit`, whose first record continues `chain`.
    pub fn new(commit: u64, chain: u32, sink: Sink<'a>) -> Self {
        let link = Link { commit, index: 0, chain };
        Self { link, changes: Vec::new(), out: Vec::new(), sink }
    }

    /// Adds a change of a blob.
    pub fn put(
        &mut self,
        blob: BlobId,
        meta: &[u8],
        dropped: &[u32],
        set: &[PageRef],
    ) -> Result<()> {
        put_change(&mut self.changes, blob, meta, dropped, set);
        self.close_full()
    }

    /// Adds a whole entry.
    pub fn put_entry(&mut self, blob: BlobId, entry: &Entry) -> Result<()> {
        self.put(blob, &entry.meta, &[], &entry.pages)
    }

    /// Adds the removal of a blob.
    pub fn delete(&mut self, blob: BlobId) -> Result<()> {
        put_delete(&mut self.changes, blob);
        self.close_full()
    }

    fn close_full(&mut self) -> Result<()> {
        match self.changes.len() >= MANIFEST_RECORD_TARGET_BYTES {
            true => self.close_changes(),
            false => Ok(()),
        }
    }

    fn close_changes(&mut self) -> Result<()> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let changes = core::mem::take(&mut self.changes);
        self.record(Kind::Changes, &changes)
    }

    fn record(&mut self, kind: Kind, payload: &[u8]) -> Result<()> {
        let chain = put_record(&mut self.out, self.link, kind, payload);
        self.link = Link { index: self.link.index + 1, chain, ..self.link };
        if self.out.len() >= MANIFEST_CHUNK_BYTES {
            let whole = self.out.len() / PAGE_BYTES * PAGE_BYTES;
            (self.sink)(&self.out[..whole])?;
            self.out.drain(..whole);
        }
        Ok(())
    }

    /// Ends the unit; returns the checksum that the next unit continues.
    pub fn finish(mut self, root: &[u8], totals: Totals) -> Result<u32> {
        self.close_changes()?;
        self.record(Kind::Root, root)?;
        let mut payload = Vec::with_capacity(16);
        payload.put_u64(totals.blobs);
        payload.put_u64(totals.pages);
        self.record(Kind::Commit, &payload)?;
        self.out.resize(self.out.len().next_multiple_of(PAGE_BYTES), 0);
        if !self.out.is_empty() {
            (self.sink)(&self.out)?;
        }
        Ok(self.link.chain)
    }
}

/// Most bytes a unit with these contents takes, padding included.
pub fn unit_bound(change_bytes: u64, root_bytes: u64) -> u64 {
    let header = super::record::HEADER_BYTES as u64;
    let records = change_bytes / MANIFEST_RECORD_TARGET_BYTES as u64 + 3;
    (change_bytes + root_bytes + 16 + records * header).next_multiple_of(PAGE_BYTES as u64)
}
