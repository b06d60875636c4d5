//! Packing records into as few pages as their bytes need.

use alloc::vec::Vec;

use super::Forest;
use super::merge::Group;
use crate::art::head::Head;
use crate::codec::order::common_len;
use crate::error::Result;
use crate::frame::bound::Edge;
use crate::frame::{prefix_between, separator_len};
use crate::ids::TreeId;
use crate::limits::{MAX_PAGE_PREFIX_BYTES, PAGE_BYTES};
use crate::node::build::page_holds;
use crate::node::{Miss, Owned};

/// How full compaction packs pages, in percent: the rest takes the next insertions.
const PACKED: usize = 96;
/// Compaction leaves a frame alone that fills its pages to this, in percent.
const DENSE: usize = 88;

impl Forest {
    /// Cuts records into groups of a page each, filled to `percent`; `None` if they need more
    /// pages than a frame has.
    pub(super) fn group(
        &self,
        head: &Head,
        records: &[Owned],
        percent: usize,
    ) -> Result<Option<Vec<Group>>, Miss> {
        let mut groups: Vec<Group> = Vec::new();
        let mut anchor = Vec::new();
        let mut start = 0;
        loop {
            let (end, fitting) = self.group_end(head, records, start, &anchor, percent);
            if end == start && !records.is_empty() {
                // A single record that fits no page: only on a damaged one.
                return Ok(None);
            }
            groups.push(Group { end, anchor, fitting });
            if groups.len() >= self.cache.geometry().pages() {
                return Ok(None);
            }
            if end >= records.len() {
                return Ok(Some(groups));
            }
            let left = self.owned_key(&records[end - 1])?;
            anchor = self.owned_key(&records[end])?;
            if head.level == 0 {
                anchor.truncate(separator_len(&left, &anchor));
            }
            start = end;
        }
    }

    /// Where the group that starts with record `start` ends, and the prefix under which it fits.
    fn group_end(
        &self,
        head: &Head,
        records: &[Owned],
        start: usize,
        anchor: &[u8],
        percent: usize,
    ) -> (usize, usize) {
        let base = head.prefix.len();
        let slack = PAGE_BYTES * (100 - percent) / 100;
        let mut strip = usize::MAX;
        let mut fitting = base;
        let mut heap = 0;
        for end in start + 1..=records.len() {
            // The page's prefix is at least what its neighbours share; at the edges of the
            // frame, what the fences say.
            let low: &[u8] = if start == 0 { &head.low.bytes } else { anchor };
            let shared = match records.get(end) {
                Some(next) => common_len(low, &next.key),
                None => {
                    let high = head.high.as_ref().map(|high| high.edge());
                    prefix_between(Edge { bytes: low, whole: true }, high, usize::MAX)
                }
            };
            let now = shared.clamp(base, base + MAX_PAGE_PREFIX_BYTES);
            if now == strip {
                heap += records[end - 1].size(now);
            } else {
                strip = now;
                heap = records[start..end].iter().map(|record| record.size(now)).sum();
            }
            let room = if end == start + 1 { 0 } else { slack };
            if !page_holds(end - start, heap + room, strip - base) {
                return (end - 1, fitting);
            }
            fitting = strip;
        }
        (records.len(), fitting)
    }

    /// Repacks the leaf frame at `key` if it is not dense, then joins it with its right
    /// neighbour if both fit one frame. Returns the key where the next frame starts.
    pub fn compact_at(&mut self, tree: TreeId, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let path = self.with(|forest| forest.descend(tree, key))?;
        let leaf = path.leaf();
        let (used, pages) = self.with(|forest| forest.density(leaf.frame))?;
        if used * 100 < pages * PAGE_BYTES * DENSE
            && pages > used.div_ceil(PAGE_BYTES * PACKED / 100)
            && self.settle(|forest| forest.rebuild(tree, &[leaf.frame], None, PACKED))?
        {
            self.counters.compactions += 1;
        }
        if let Some(parent) = path.at_level(1) {
            let capacity = self.cache.geometry().pages() - 1;
            let next = self.with(|forest| {
                let page = forest.cache.page(parent.frame, parent.page)?;
                if parent.slot + 1 >= page.count() {
                    return Ok(None);
                }
                let right = super::route::crossing(page, parent.slot + 1, parent.frame)?;
                let (left, other) = (forest.density(leaf.frame)?, forest.density(right)?);
                let needed = (left.0 + other.0).div_ceil(PAGE_BYTES * 90 / 100);
                Ok((needed <= capacity).then_some(right))
            })?;
            if let Some(right) = next {
                let pair = [leaf.frame, right];
                let crossing = Some((parent, parent.slot + 1));
                if self.settle(|forest| forest.rebuild(tree, &pair, crossing, PACKED))? {
                    self.counters.merges += 1;
                    self.shrink_from(tree, key, 1)?;
                    return Ok(Some(key.into()));
                }
            }
        }
        self.with(|forest| {
            let frame = forest.descend(tree, key)?.leaf().frame;
            forest.reader().next_frame(frame, key)
        })
    }

    /// Bytes in use on the pages of a frame, and how many pages those are.
    pub(super) fn density(&self, frame: u32) -> Result<(usize, usize), Miss> {
        let view = crate::art::head::HeadView(self.cache.page(frame, 0)?);
        let mut used = 0;
        for &number in view.pages() {
            used += self.cache.page(frame, number)?.used();
        }
        Ok((used, view.count()))
    }
}
