//! What lookups work on: roots and pages, as they are now or as a snapshot saw them.
//!
//! Owns: nothing; it borrows. Never does: change anything. Every lookup is written once, here
//! and in `route` and `cursor`, for both.

use alloc::collections::BTreeMap;

use super::{Forest, Root};
use crate::cache::{Cache, Past};
use crate::ids::TreeId;
use crate::node::{Extents, Miss, Page};

/// Pages and extents of one state of the store.
pub trait Pages: Extents {
    /// A page of a frame, if it is in memory.
    fn page(&self, frame: u32, page: u8) -> Result<&Page, Miss>;

    /// How many records a leaf frame has, if this state of it is known without its pages.
    fn live(&self, frame: u32) -> Result<Option<u64>, Miss> {
        let _ = frame;
        Ok(None)
    }

    /// Whether a leaf page that is not in memory is known not to have the record of `key`, which
    /// belongs there.
    fn lacks(&self, frame: u32, page: u8, key: &[u8]) -> bool {
        let _ = (frame, page, key);
        false
    }
}

impl Pages for Cache {
    #[inline]
    fn page(&self, frame: u32, page: u8) -> Result<&Page, Miss> {
        Self::page(self, frame, page)
    }

    fn live(&self, frame: u32) -> Result<Option<u64>, Miss> {
        Ok(Some(u64::from(self.frame(frame)?.live())))
    }

    fn lacks(&self, frame: u32, page: u8, key: &[u8]) -> bool {
        Self::lacks(self, frame, page, key)
    }
}

impl Pages for Past<'_> {
    fn page(&self, frame: u32, page: u8) -> Result<&Page, Miss> {
        Self::page(self, frame, page)
    }
}

/// One state of all trees.
#[derive(Debug)]
pub struct Reader<'a, P> {
    /// Where pages come from.
    pub pages: &'a P,
    /// Roots by tree.
    pub roots: &'a BTreeMap<TreeId, Root>,
}

impl<P> Clone for Reader<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Reader<'_, P> {}

impl Forest {
    /// The newest state.
    #[inline]
    pub fn reader(&self) -> Reader<'_, Cache> {
        Reader { pages: &self.cache, roots: &self.roots }
    }
}
