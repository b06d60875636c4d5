//! A full frame gives half its pages to a new sibling.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Forest;
use super::lob::new_bound;
use super::route::{Path, Step};
use super::split::{Outcome, build_page};
use crate::art::Anchor;
use crate::art::head::{ANCHOR_HEAD_BYTES, Head};
use crate::cache::Cache;
use crate::frame::Bound;
use crate::ids::TreeId;
use crate::node::{LongKey, Miss, Owned, Page};

impl Forest {
    /// Moves the upper half of the pages of the frame of `path` on `level` to a new frame, and
    /// adds the crossing to the parent. `FrameFull` says that the parent's page has no room.
    pub(super) fn spill(&mut self, tree: TreeId, path: &Path, level: u8) -> Result<Outcome, Miss> {
        let broken = Miss::Broken { frame: 0, why: "a level has no frame" };
        let step = path.at_level(level).ok_or(broken)?;
        let parent = path.at_level(level + 1).ok_or(broken)?;
        let head = Head::parse(self.cache.page(step.frame, 0)?);
        for at in self.rank_spills(&head, step)? {
            if let Some(outcome) = self.spill_at(tree, &head, step, parent, at)? {
                return Ok(outcome);
            }
        }
        Err(Miss::Broken { frame: step.frame, why: "a full frame cannot be split" })
    }

    /// The same with the pages from ordinal `at` on; `None` if one of the heads would not fit
    /// page 0.
    pub(super) fn spill_at(
        &mut self,
        tree: TreeId,
        head: &Head,
        step: Step,
        parent: Step,
        at: usize,
    ) -> Result<Option<Outcome>, Miss> {
        let separator = self.anchor_key(head, at)?;
        if !self.parent_has_room(parent, &separator)? {
            return Ok(Some(Outcome::FrameFull));
        }
        let Some(plan) = self.plan_spill(head, step.frame, at, &separator)? else {
            return Ok(None);
        };
        // Everything is at hand: nothing below can miss.
        self.finish_spill(tree, head, step, parent, at, separator, plan)?;
        self.counters.spills += 1;
        Ok(Some(Outcome::Done))
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
        if page.run_at(page.count()) > 0 && step.ordinal > 0 && self.is_last_filled(head, step)? {
            // An ascending load: leave the old frame full.
            ranked.insert(0, step.ordinal);
        }
        Ok(ranked)
    }

    /// Whether no page of the frame behind this one has a record.
    fn is_last_filled(&self, head: &Head, step: Step) -> Result<bool, Miss> {
        for &number in head.pages.iter().skip(step.ordinal + 1) {
            if self.cache.page(step.frame, number)?.count() > 0 {
                return Ok(false);
            }
        }
        Ok(true)
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
        let keeps = left.prefix.len() == head.prefix.len();
        self.hold_pages(frame, &head.pages[if keeps { at } else { 0 }..])?;
        let mut moved = Vec::with_capacity(right.pages.len());
        for ordinal in 0..right.pages.len() {
            let page = self.cache.page(frame, head.pages[at + ordinal])?;
            moved.push(reprefix(page, head, &right, ordinal)?);
        }
        let mut kept = Vec::new();
        if !keeps {
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
        head: &Head,
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
        drop_lost_anchors(&mut self.cache, head, &[&left, &right]);
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
        let forms = meta.forms;
        let meta = &mut self.cache.frame_mut(frame)?.meta;
        (meta.live, meta.forms) = (live as u32, forms);
        if let Some(root) = self.roots.get_mut(&tree) {
            root.frames = root.frames.saturating_add(1);
        }
        self.add_crossing(parent, frame, separator)
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
