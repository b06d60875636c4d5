//! Single operations on pages that are not in memory: others go on while the device reads.
//!
//! Owns: the order of letting go of the store, reading, and taking in. Never does: report damage;
//! where reading fails, who has the store alone reads once more and tells.

use super::shared::Store;
use crate::cache::Cache;
use crate::error::Result;
use crate::forest::Reader;
use crate::ids::TreeId;
use crate::node::{Miss, Page};
use crate::sync::THREADS;

/// Pages that one lookup brings in without the store before it takes the store for good: more
/// than it takes to get to any record, so others are in the way.
pub(super) const MAX_FETCHES: usize = 16;

impl Store {
    /// Runs `read` on the record of `key`, if there is one; what is missed is brought in with
    /// nobody kept out. `None` if that comes to nothing.
    ///
    /// # Errors
    /// Of a store that is not whole.
    pub(super) fn find_cold<T>(
        &self,
        tree: TreeId,
        key: &[u8],
        read: &mut impl FnMut(Reader<'_, Cache>, Option<(&Page, usize)>) -> Result<T, Miss>,
    ) -> Result<Option<T>> {
        for _ in 0..if THREADS { MAX_FETCHES } else { 0 } {
            let held = self.core.read();
            held.check_whole()?;
            let reader = held.forest.reader();
            let miss = match reader.find(tree, key).and_then(|found| read(reader, found)) {
                Ok(found) => return Ok(Some(found)),
                Err(miss) => miss,
            };
            drop(held);
            if !self.fetch(miss) {
                break;
            }
        }
        Ok(None)
    }

    /// Brings in what was missed, with nobody kept out while the device reads; `false` if that
    /// is left to who has the store alone.
    pub(super) fn fetch(&self, miss: Miss) -> bool {
        let Miss::Page { frame, page } = miss else { return false };
        let begun = {
            let mut core = self.core.write();
            core.counters.cold_reads += 1;
            core.forest.cache.begin_fetch(frame, page)
        };
        let fetch = match begun {
            Ok(Some(fetch)) => fetch,
            Ok(None) => return true,
            Err(_) => return false,
        };
        let read = fetch.read();
        let mut core = self.core.write();
        let taken = core.forest.cache.end_fetch(&fetch, read.as_deref());
        core.after_read();
        taken
    }
}
