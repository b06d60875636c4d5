//! Extents: long byte strings, immutable from creation to removal.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Cache;
use super::frames::Referenced;
use crate::ids::{BlobId, Ticket};
use crate::node::{Extents, Miss};

/// One extent that is in memory or not yet published.
#[derive(Default)]
pub struct ExtentSlot {
    /// Its bytes, if they are in memory.
    pub bytes: Option<Arc<[u8]>>,
    /// Its length, in bytes.
    pub len: u32,
    /// Where its pages were staged, if they were and are not published.
    pub staged: Vec<Ticket>,
    /// Whether it is not published.
    pub dirty: bool,
    /// Whether the running cut still has to write it.
    pub pending: bool,
    /// Whether `staged` belongs to the running cut.
    pub owned: bool,
    pub(super) referenced: Referenced,
}

impl Cache {
    /// Keeps `bytes` as a new extent and returns its number.
    pub fn create_extent(&mut self, bytes: &[u8]) -> u64 {
        let extent = self.next_extent;
        self.next_extent += 1;
        let slot = ExtentSlot {
            bytes: Some(bytes.into()),
            len: bytes.len() as u32,
            dirty: true,
            ..ExtentSlot::default()
        };
        self.used += bytes.len() as u64;
        self.extents.insert(extent, slot);
        self.dirty_extents.insert(extent);
        extent
    }

    /// Removes an extent of `len` bytes that nothing refers to any more. If a snapshot may need
    /// it, it is read first if it is not in memory.
    pub fn drop_extent(&mut self, extent: u64, len: u32) {
        if self.keeps_extent(extent) {
            if self.extent(extent, len).is_err() {
                // If it cannot be read, the snapshots expire below; the removal goes on.
                let _ = self.load(Miss::Extent { extent, len });
            }
            self.keep_past_extent(extent);
        }
        self.dirty_extents.remove(&extent);
        let published = match self.extents.remove(&extent) {
            None => true,
            Some(slot) => {
                self.used -= slot.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
                let published = !slot.dirty;
                if slot.pending || slot.owned {
                    if slot.pending
                        && let Some(cut) = &mut self.cut
                    {
                        self.used += slot.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
                        cut.extents.insert(extent, slot);
                    }
                    true
                } else {
                    self.released.extend(slot.staged);
                    published
                }
            }
        };
        if published {
            self.deleted.insert(BlobId::extent(extent));
        }
    }
}

impl Extents for Cache {
    fn extent(&self, extent: u64, len: u32) -> Result<&[u8], Miss> {
        match self.extents.get(&extent) {
            Some(ExtentSlot { bytes: Some(bytes), referenced, .. })
                if bytes.len() == len as usize =>
            {
                referenced.touch();
                Ok(bytes)
            }
            _ => Err(Miss::Extent { extent, len }),
        }
    }
}
