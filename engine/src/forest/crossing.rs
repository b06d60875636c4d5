//! Crossings: the records above level 0, each the way to a child frame.
//!
//! Owns: adding, removing and turning them. Never does: make room, or touch the child.

use alloc::vec::Vec;

use super::Forest;
use super::change::suffix;
use super::route::Step;
use crate::art::head::HeadView;
use crate::node::record::is_long;
use crate::node::{LongKey, Miss, Owned, Query, Record, Value, search};

/// Bytes a crossing at `key` takes on a page.
fn crossing_size(key: &[u8], stripped: usize) -> usize {
    let long = is_long(key.len()).then_some(LongKey { extent: 0, len: 0 });
    Record { version: 0, suffix: suffix(key, stripped), long, value: Value::Inline(&[0; 4]) }.size()
}

/// A crossing to `frame` for keys from `key` on.
pub(super) fn crossing_to(frame: u32, key: Vec<u8>, long: Option<LongKey>) -> Owned {
    Owned { key, long, version: 0, inline: frame.to_le_bytes().into(), extent: None }
}

impl Forest {
    /// Whether the page at `parent` has room for a crossing at `key`. Afterwards all that
    /// [`Forest::add_crossing`] compares with is in memory.
    pub(super) fn parent_has_room(&self, parent: Step, key: &[u8]) -> Result<bool, Miss> {
        let prefix = HeadView(self.cache.page(parent.frame, 0)?).prefix_len();
        let page = self.cache.page(parent.frame, parent.page)?;
        search::lower_bound(page, &Query { key, stripped: prefix }, &self.cache)?;
        Ok(page.fits(crossing_size(key, prefix + page.prefix_len())))
    }

    /// The key of the crossing that `parent` took.
    pub(super) fn crossing_key(&self, parent: Step) -> Result<Vec<u8>, Miss> {
        let prefix = HeadView(self.cache.page(parent.frame, 0)?).prefix();
        self.full_key(self.cache.page(parent.frame, parent.page)?, parent.slot, prefix)
    }

    /// Adds the crossing to `child` in the parent's page, which has room.
    pub(super) fn add_crossing(
        &mut self,
        parent: Step,
        child: u32,
        key: Vec<u8>,
    ) -> Result<(), Miss> {
        let prefix = HeadView(self.cache.page(parent.frame, 0)?).prefix_len();
        let page = self.cache.page(parent.frame, parent.page)?;
        let query = Query { key: &key, stripped: prefix };
        let (slot, _) = search::lower_bound(page, &query, &self.cache)?;
        let stripped = prefix + page.prefix_len();
        let long = is_long(key.len())
            .then(|| LongKey { extent: self.cache.create_extent(&key), len: key.len() as u32 });
        let crossing = crossing_to(child, key, long);
        let page = self.cache.page_mut(parent.frame, parent.page)?;
        let done = page.insert(slot, &crossing.record(stripped));
        debug_assert!(done, "the parent had room");
        let meta = &mut self.cache.frame_mut(parent.frame)?.meta;
        meta.live = meta.live.saturating_add(1);
        Ok(())
    }

    /// Removes the crossing in `slot` of the parent's page, which has another before it.
    pub(super) fn drop_crossing(&mut self, parent: Step, slot: usize) -> Result<(), Miss> {
        let page = self.cache.page_mut(parent.frame, parent.page)?;
        let long = Record::read(page, slot).long;
        page.remove(slot);
        if let Some(long) = long {
            self.cache.drop_extent(long.extent, long.len);
        }
        let meta = &mut self.cache.frame_mut(parent.frame)?.meta;
        meta.live = meta.live.saturating_sub(1);
        Ok(())
    }

    /// Makes the crossing that `parent` took lead to `child`.
    pub(super) fn turn_crossing(&mut self, parent: Step, child: u32) -> Result<(), Miss> {
        let page = self.cache.page_mut(parent.frame, parent.page)?;
        let crossing = Owned::take(page, parent.slot, &[]);
        let turned = Owned { inline: child.to_le_bytes().into(), ..crossing };
        let done = page.replace(parent.slot, &turned.record(page.prefix_len()));
        debug_assert!(done, "a crossing keeps its size");
        Ok(())
    }
}
