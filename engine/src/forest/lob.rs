//! Long keys wherever they appear: as records, fences and anchors.

use alloc::vec::Vec;

use super::{Forest, Pages, Reader};
use crate::art::Anchor;
use crate::art::head::{ANCHOR_HEAD_BYTES, Head};
use crate::cache::Cache;
use crate::frame::Bound;
use crate::node::{Extents, LongKey, Miss, Owned, Page, Record};

impl Forest {
    /// The whole key of the record in `slot`.
    pub fn full_key(&self, page: &Page, slot: usize, prefix: &[u8]) -> Result<Vec<u8>, Miss> {
        let record = Record::read(page, slot);
        if let Some(long) = record.long {
            return Ok(self.cache.extent(long.extent, long.len)?.into());
        }
        let mut key = Vec::with_capacity(prefix.len() + page.prefix_len() + record.suffix.len());
        key.extend_from_slice(prefix);
        key.extend_from_slice(page.prefix());
        key.extend_from_slice(record.suffix);
        Ok(key)
    }

    /// The whole key of a record taken off its page.
    pub(super) fn owned_key(&self, record: &Owned) -> Result<Vec<u8>, Miss> {
        match record.long {
            Some(long) => Ok(self.cache.extent(long.extent, long.len)?.into()),
            None => Ok(record.key.clone()),
        }
    }

    /// The whole key of a fence.
    pub fn bound_key(&self, bound: &Bound) -> Result<Vec<u8>, Miss> {
        self.reader().bound_key(bound)
    }

    /// The whole absolute key where the page at `ordinal` starts.
    pub(super) fn anchor_key(&self, head: &Head, ordinal: usize) -> Result<Vec<u8>, Miss> {
        if ordinal == 0 {
            return self.bound_key(&head.low);
        }
        if let Some(long) = head.anchors.long(ordinal) {
            return Ok(self.cache.extent(long.extent, long.len)?.into());
        }
        let mut key = head.prefix.clone();
        key.extend_from_slice(head.anchors.bytes(ordinal));
        Ok(key)
    }
}

impl<'a, P: Pages> Reader<'a, P> {
    /// The whole of a long key.
    pub fn long_key(self, long: LongKey) -> Result<&'a [u8], Miss> {
        self.pages.extent(long.extent, long.len)
    }

    /// The whole key of a fence.
    pub fn bound_key(self, bound: &Bound) -> Result<Vec<u8>, Miss> {
        match bound.long {
            Some(long) => Ok(self.pages.extent(long.extent, long.len)?.into()),
            None => Ok(bound.bytes.clone()),
        }
    }

    /// Whether a fence is at `key`.
    pub(super) fn is_at(self, bound: &Bound, key: &[u8]) -> Result<bool, Miss> {
        Ok(bound.len() == key.len() && self.bound_key(bound)? == key)
    }
}

/// A fence at `key`; the extent of a long one is created.
pub(super) fn new_bound(cache: &mut Cache, key: &[u8]) -> Bound {
    Bound::new(key, |key| cache.create_extent(key))
}

/// An anchor at the absolute `key` in a frame with this prefix; the extent of a long one is
/// created.
pub(super) fn new_anchor(cache: &mut Cache, key: &[u8], prefix_len: usize) -> Anchor {
    let suffix = &key[prefix_len.min(key.len())..];
    if suffix.len() <= ANCHOR_HEAD_BYTES {
        return Anchor { bytes: suffix.into(), long: None };
    }
    let long = LongKey { extent: cache.create_extent(key), len: key.len() as u32 };
    Anchor { bytes: suffix[..ANCHOR_HEAD_BYTES].into(), long: Some(long) }
}

/// Gives back the extents of a fence.
pub(super) fn drop_bound(cache: &mut Cache, bound: &Bound) {
    if let Some(long) = bound.long {
        cache.drop_extent(long.extent, long.len);
    }
}
