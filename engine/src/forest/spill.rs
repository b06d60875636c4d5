//! A full frame gives half its pages to a new sibling.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Forest;
use super::change::crossing_size;
use super::lob::new_bound;
use super::route::{Path, Step};
use super::split::{Outcome, build_page, crossing_to};
use crate::art::Anchor;
use crate::art::head::{ANCHOR_HEAD_BYTES, Head};
use crate::cache::Cache;
use crate::frame::Bound;
use crate::ids::TreeId;
use crate::node::record::is_long;
use crate::node::{LongKey, Miss, Owned, Page, Query, search};

impl Forest {
    /// Moves the upper half of the pages of the frame of `path` on `level` to a new frame, and
    /// adds the crossing to the parent. `FrameFull` says that the parent's page has no room.
    pub(super) fn spill(&mut self, tree: TreeId, path: &Path, level: u8) -> Result<Outcome, Miss> {
        let broken = Miss::Broken { frame: 0, why: "a level has no frame" };
        let step = path.at_level(level).ok_or(broken)?;
        let parent = path.at_level(level + 1).ok_or(broken)?;
        let head = Head::parse(self.cache.page(step.frame, 0)?);
        for at in self.rank_spills(&head, step)? {
            let separator = self.anchor_key(&head, at)?;
            if !self.parent_has_room(parent, &separator)? {
                return Ok(Outcome::FrameFull);
            }
            if let Some(plan) = self.plan_spill(&head, step.frame, at, &separator)? {
                // Everything is at hand: nothing below can miss.
                self.finish_spill(tree, head, step, parent, at, separator, plan)?;
                self.counters.spills += 1;
                return Ok(Outcome::Done);
            }
        }
        Err(Miss::Broken { frame: step.frame, why: "a full frame cannot be split" })
    }

    /// The ordinals with which the new sibling may start, best first.
    fn rank_spills(&self, head: &Head, step: Step) -> Result<Vec<usize>, Miss> {
        let count = head.pages.len();
        let page = self.cache.page(step.frame, step.page)?;
        let mut ranked: Vec<usize> = (1..count).collect();
        let middle = count / 2;
        ranked.sort_by_key(|at| at.abs_diff(middle));
        // Near the middle, the shortest anchor: it tends to be the end of a directory.
        let near = (count / 4).clamp(1, ranked.len().max(1)).min(ranked.len());
        ranked[..near].sort_by_key(|&at| (head.anchors.bytes(at).len(), at.abs_diff(middle)));
        if step.ordinal + 1 == count && page.run() > 0 && count > 1 {
            // An ascending load: leave the old frame full.
            ranked.insert(0, count - 1);
        }
        Ok(ranked)
    }

    fn parent_has_room(&self, parent: Step, separator: &[u8]) -> Result<bool, Miss> {
        let prefix = crate::art::head::HeadView(self.cache.page(parent.frame, 0)?).prefix_len();
        let page = self.cache.page(parent.frame, parent.page)?;
        // Searched here so that what the insertion will compare with is in memory.
        search::lower_bound(page, &Query { key: separator, stripped: prefix }, &self.cache)?;
        Ok(page.fits(crossing_size(separator, prefix + page.prefix_len())))
    }

    /// The heads and pages of both frames, computed without changing anything; `None` if one of
    /// the heads would not fit page 0. Fences of the plan have no extents yet.
    fn plan_spill(
        &self,
        head: &Head,
        frame: u32,
        at: usize,
        separator: &[u8],
    ) -> Result<Option<SpillPlan>, Miss> {
        let cut = Bound::new(separator, |_| 0);
        let left = self.narrow(head, frame, &head.low, Some(&cut), 0..at)?;
        let right = self.narrow(head, frame, &cut, head.high.as_ref(), at..head.pages.len())?;
        if left.build(frame, 0).is_none() || right.build(frame, 0).is_none() {
            return Ok(None);
        }
        let mut moved = Vec::with_capacity(right.pages.len());
        for ordinal in 0..right.pages.len() {
            let page = self.cache.page(frame, head.pages[at + ordinal])?;
            moved.push(reprefix(page, head, &right, ordinal)?);
        }
        let mut kept = Vec::new();
        if left.prefix.len() > head.prefix.len() {
            for ordinal in 0..at {
                let page = self.cache.page(frame, head.pages[ordinal])?;
                kept.push(reprefix(page, head, &left, ordinal)?);
            }
        }
        Ok(Some(SpillPlan { left, right, moved, kept }))
    }

    /// The head of a frame between narrower fences that keeps some of the pages.
    fn narrow(
        &self,
        head: &Head,
        frame: u32,
        low: &Bound,
        high: Option<&Bound>,
        ordinals: core::ops::Range<usize>,
    ) -> Result<Head, Miss> {
        let mut narrow = Head::new(head.level, low.clone(), high.cloned());
        for ordinal in ordinals {
            let first = narrow.pages.is_empty();
            narrow.pages.push(head.pages[ordinal]);
            let anchor = match (first, head.anchors.long(ordinal)) {
                (true, _) => Anchor::default(),
                (false, None) => {
                    let strip = narrow.prefix.len().checked_sub(head.prefix.len());
                    let strip = strip.ok_or(Miss::Broken { frame, why: SHORTER })?;
                    let bytes = head.anchors.bytes(ordinal);
                    Anchor { bytes: bytes.get(strip..).unwrap_or(&[]).into(), long: None }
                }
                (false, Some(long)) => {
                    let key = self.anchor_key(head, ordinal)?;
                    let suffix = key.get(narrow.prefix.len()..);
                    shortened(suffix.ok_or(Miss::Broken { frame, why: SHORTER })?, long)
                }
            };
            narrow.anchors.push(&anchor);
        }
        Ok(narrow)
    }

    #[allow(clippy::too_many_arguments)]
    fn finish_spill(
        &mut self,
        tree: TreeId,
        head: Head,
        step: Step,
        parent: Step,
        at: usize,
        separator: Vec<u8>,
        plan: SpillPlan,
    ) -> Result<(), Miss> {
        let SpillPlan { mut left, mut right, moved, kept } = plan;
        let frame = self.cache.create_frame(tree, head.level);
        left.high = Some(new_bound(&mut self.cache, &separator));
        right.low = new_bound(&mut self.cache, &separator);
        drop_lost_anchors(&mut self.cache, &head, &[&left, &right]);
        let live: usize = moved.iter().map(|page| page.count()).sum();
        for &number in &head.pages[at..] {
            self.cache.drop_page(step.frame, number)?;
        }
        for (number, page) in (1u8..).zip(moved) {
            right.pages[usize::from(number) - 1] = number;
            self.cache.install(frame, number, &page)?;
        }
        for (ordinal, page) in kept.into_iter().enumerate() {
            self.cache.install(step.frame, left.pages[ordinal], &page)?;
        }
        self.install_head(step.frame, &left)?;
        self.install_head(frame, &right)?;
        let meta = &mut self.cache.frame_mut(step.frame)?.meta;
        meta.live = meta.live.saturating_sub(live as u32);
        self.cache.frame_mut(frame)?.meta.live = live as u32;
        if let Some(root) = self.roots.get_mut(&tree) {
            root.frames = root.frames.saturating_add(1);
        }
        self.add_crossing(parent, frame, separator)
    }

    /// Adds the crossing to `child` in the parent's page, which has room.
    fn add_crossing(&mut self, parent: Step, child: u32, key: Vec<u8>) -> Result<(), Miss> {
        let head = crate::art::head::HeadView(self.cache.page(parent.frame, 0)?);
        let prefix = head.prefix_len();
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
}

/// Only damaged fences or anchors lead here.
const SHORTER: &str = "a part of a frame shares less than the whole";

struct SpillPlan {
    left: Head,
    right: Head,
    moved: Vec<Box<Page>>,
    kept: Vec<Box<Page>>,
}

/// A long anchor under a longer prefix: it may be short now.
fn shortened(suffix: &[u8], long: LongKey) -> Anchor {
    match suffix.len() <= ANCHOR_HEAD_BYTES {
        true => Anchor { bytes: suffix.into(), long: None },
        false => Anchor { bytes: suffix[..ANCHOR_HEAD_BYTES].into(), long: Some(long) },
    }
}

/// Gives back the extents of anchors that became short or a fence.
fn drop_lost_anchors(cache: &mut Cache, old: &Head, new: &[&Head]) {
    let kept = |long: &LongKey| {
        new.iter().any(|head| head.anchors.longs().iter().any(|(_, kept)| kept == long))
    };
    for (_, long) in old.anchors.longs() {
        if !kept(long) {
            cache.drop_extent(long.extent, long.len);
        }
    }
}

/// The page at `ordinal` of `new`, which was under the shorter prefix of `old`.
fn reprefix(page: &Page, old: &Head, new: &Head, ordinal: usize) -> Result<Box<Page>, Miss> {
    let strip = new.prefix.len().checked_sub(old.prefix.len());
    let strip = strip.ok_or(Miss::Broken { frame: page.frame(), why: SHORTER })?;
    if strip <= page.prefix_len() {
        let mut page = Box::new(page.clone());
        page.shorten_prefix(strip);
        return Ok(page);
    }
    let records: Vec<Owned> =
        (0..page.count()).map(|slot| Owned::take(page, slot, &old.prefix)).collect();
    build_page(new, page.frame(), ordinal, &records, old.prefix.len() + page.prefix_len())
}
