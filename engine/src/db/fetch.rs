//! Lookups and writes whose pages are not in memory: others go on while the device reads.
//!
//! Owns: the order of letting go of the store, reading, and taking in. Never does: report damage;
//! where reading fails, who has the store alone reads once more and tells.

use super::ahead::Ahead;
use super::core::Core;
use super::shared::Store;
use crate::cache::{Fetch, hopeless};
use crate::error::Result;
use crate::limits::READ_GROWTH_BYTES;
use crate::node::Miss;

/// Times that one lookup has pages brought in without the store before it takes the store for
/// good: more than it takes to get to any record, so others are in the way.
pub(super) const MAX_FETCHES: usize = 16;

impl Store {
    /// Runs a lookup until nothing is missing. What it misses is loaded, with nobody kept out
    /// while the device reads, unless there is no end to it.
    ///
    /// It is told whether it is to begin anew, if it minds: what the calls before found may be of
    /// another state then. Of a walk of many lookups, `ahead` is the same for all.
    ///
    /// # Errors
    /// Those of the lookup, `Corrupt`, and failures of the device.
    pub fn look_into<T>(
        &self,
        ahead: &mut Ahead,
        mut look: impl FnMut(&Core, bool) -> Result<Result<T, Miss>>,
    ) -> Result<T> {
        ahead.begin();
        // Where there are no threads nobody is kept out either way. It is done all the same: what is
        // evicted when, and so every byte of the store, does not depend on the home.
        for _ in 0..=MAX_FETCHES {
            let miss = match look(&self.core.read(), true)? {
                Ok(found) => return Ok(found),
                Err(miss) => miss,
            };
            // Going on from there could pass over what is wrong.
            if let Some(error) = hopeless(miss) {
                return Err(error);
            }
            if !self.fetch(miss, ahead) {
                break;
            }
        }
        self.look_alone(look, ahead)
    }

    /// The same, with the store alone.
    fn look_alone<T>(
        &self,
        mut look: impl FnMut(&Core, bool) -> Result<Result<T, Miss>>,
        ahead: &mut Ahead,
    ) -> Result<T> {
        let mut core = self.core.write();
        core.counters.cold_reads += u64::from(ahead.is_first());
        let mut room = core.forest.cache.used() + READ_GROWTH_BYTES;
        let mut anew = true;
        loop {
            let miss = match look(&core, anew)? {
                Ok(found) => {
                    core.after_read();
                    return Ok(found);
                }
                Err(miss) => miss,
            };
            anew = false;
            if core.forest.cache.used() > room {
                // A long lookup goes past more than may stay.
                core.after_read();
                room = core.forest.cache.used() + READ_GROWTH_BYTES;
            }
            let cache = &mut core.forest.cache;
            match ahead.pages(cache, miss) {
                Some((frame, pages)) => cache.load_ahead(frame, &pages)?,
                None => cache.load(miss)?,
            }
            core.counters.lookup_restarts += 1;
        }
    }

    /// Brings in what was missed, with nobody kept out while the device reads; `false` if that
    /// is left to who has the store alone.
    pub(super) fn fetch(&self, miss: Miss, ahead: &mut Ahead) -> bool {
        let Miss::Page { frame, page } = miss else { return false };
        let begun = {
            let mut core = self.core.write();
            core.counters.cold_reads += u64::from(ahead.is_first());
            core.counters.lookup_restarts += 1;
            let cache = &mut core.forest.cache;
            let pages = ahead.pages(cache, miss).map_or_else(|| [page].into(), |(_, pages)| pages);
            cache.begin_fetch(frame, &pages)
        };
        self.end_fetch(begun)
    }

    /// Brings in pages of a frame as far as that works.
    pub(super) fn fetch_pages(&self, frame: u32, pages: &[u8]) {
        let begun = self.core.write().forest.cache.begin_fetch(frame, pages);
        self.end_fetch(begun);
    }

    fn end_fetch(&self, begun: Result<Option<Fetch>>) -> bool {
        let fetch = match begun {
            Ok(Some(fetch)) => fetch,
            Ok(None) => return true,
            Err(_) => return false,
        };
        let read = fetch.read();
        let mut core = self.core.write();
        let taken = core.forest.cache.end_fetch(&fetch, &read);
        core.after_read();
        taken
    }
}
