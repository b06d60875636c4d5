//! Taking leaf frames out of a tree, whatever they hold.
//!
//! Owns: who covers the keys of a frame that goes. Never does: look at records, or give back
//! the frame itself. What a tree loses in one step is one frame; in between it is whole.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::lob::drop_bound;
use super::route::{Path, crossing};
use super::split::build_page;
use super::{Forest, Root};
use crate::art::Anchors;
use crate::art::head::{Head, HeadView};
use crate::frame::{Bound, Forms};
use crate::ids::TreeId;
use crate::node::build::page_holds;
use crate::node::{Miss, Owned, Page};

/// A leaf frame as it will be between other fences.
pub(super) struct Refenced {
    /// As it is.
    pub old: Head,
    /// As it will be.
    pub head: Head,
    /// Pages that change, by ordinal of the new head.
    pages: Vec<(usize, Box<Page>)>,
}

impl Forest {
    /// A leaf frame between other fences, which its records respect, computed without changing
    /// anything. `None` if that needs more than a new head: all pages depend on its prefix.
    pub(super) fn refence(
        &self,
        frame: u32,
        low: &Bound,
        high: Option<&Bound>,
    ) -> Result<Option<Refenced>, Miss> {
        let old = Head::parse(self.cache.page(frame, 0)?);
        let mut head = Head::new(old.level, low.clone(), high.cloned());
        let mut pages = Vec::new();
        if self.cache.frame(frame)?.meta.live == 0 {
            self.hold_pages(frame, &old.pages)?;
            head.pages = [old.pages[0]].into();
            head.anchors = Anchors::first();
            pages.push((0, build_page(&head, frame, 0, &[], 0)?));
            return Ok(Some(Refenced { old, head, pages }));
        }
        if head.prefix != old.prefix {
            return Ok(None);
        }
        head.pages.clone_from(&old.pages);
        head.anchors = old.anchors.clone();
        if head.build(frame, 0).is_none() {
            return Ok(None);
        }
        // The pages at the fences may share less now.
        let last = head.pages.len() - 1;
        let edges: &[usize] = if last == 0 { &[0] } else { &[0, last] };
        for &ordinal in edges {
            let page = self.cache.page(frame, head.pages[ordinal])?;
            let prefix = head.page_prefix(ordinal).len();
            if page.prefix_len() <= prefix {
                continue;
            }
            let records: Vec<Owned> =
                (0..page.count()).map(|slot| Owned::take(page, slot, &head.prefix)).collect();
            let stripped = head.prefix.len() + prefix;
            let heap = records.iter().map(|record| record.size(stripped)).sum();
            if !page_holds(records.len(), heap, prefix) {
                return Ok(None);
            }
            pages.push((ordinal, build_page(&head, frame, ordinal, &records, stripped)?));
        }
        Ok(Some(Refenced { old, head, pages }))
    }

    /// Makes what [`Forest::refence`] computed true. Fences and their extents are the caller's.
    pub(super) fn install_refenced(&mut self, frame: u32, plan: Refenced) -> Result<(), Miss> {
        let Refenced { old, head, pages } = plan;
        if head.anchors.len() < old.anchors.len() {
            self.drop_anchors(&old);
        }
        for &number in old.pages.iter().filter(|number| !head.pages.contains(number)) {
            self.cache.drop_page(frame, number)?;
        }
        for (ordinal, page) in pages {
            self.cache.install(frame, head.pages[ordinal], &page)?;
        }
        self.install_head(frame, &head)?;
        let meta = &mut self.cache.frame_mut(frame)?.meta;
        if meta.live == 0 {
            meta.forms = Forms::default();
        }
        Ok(())
    }

    /// Takes the leaf frame of `path` out of the tree by giving its keys to a sibling under the
    /// same parent page: the left one or, if `either`, the right one. `false`, and nothing
    /// changed, if they cannot take them. The frame's fences are gone afterwards.
    pub(super) fn unlink(&mut self, tree: TreeId, path: &Path, either: bool) -> Result<bool, Miss> {
        let Some(parent) = path.at_level(1) else { return Ok(false) };
        let head = Head::parse(self.cache.page(path.leaf().frame, 0)?);
        let page = self.cache.page(parent.frame, parent.page)?;
        let right = (either && parent.slot + 1 < page.count()).then_some(parent.slot + 1);
        let right = right.map(|slot| crossing(page, slot, parent.frame)).transpose()?;
        if let Some(slot) = parent.slot.checked_sub(1) {
            let left = crossing(page, slot, parent.frame)?;
            let low = HeadView(self.cache.page(left, 0)?).low();
            if let Some(plan) = self.refence(left, &low, head.high.as_ref())? {
                self.drop_fences(&head.low, plan.old.high.as_ref());
                self.install_refenced(left, plan)?;
                self.drop_crossing(parent, parent.slot)?;
                self.count_frames(tree, -1);
                return Ok(true);
            }
        }
        let Some(right) = right else { return Ok(false) };
        let high = HeadView(self.cache.page(right, 0)?).high();
        let Some(plan) = self.refence(right, &head.low, high.as_ref())? else { return Ok(false) };
        self.drop_fences(&plan.old.low, head.high.as_ref());
        self.install_refenced(right, plan)?;
        self.drop_crossing(parent, parent.slot + 1)?;
        self.turn_crossing(parent, right)?;
        self.count_frames(tree, -1);
        Ok(true)
    }

    /// Gives back the extents of the anchors of a head that goes.
    pub(super) fn drop_anchors(&mut self, head: &Head) {
        for (_, long) in head.anchors.longs() {
            self.cache.drop_extent(long.extent, long.len);
        }
    }

    fn drop_fences(&mut self, low: &Bound, high: Option<&Bound>) {
        drop_bound(&mut self.cache, low);
        if let Some(high) = high {
            drop_bound(&mut self.cache, high);
        }
    }

    /// Takes the leaf frame of `path` with all its records out of the tree; an empty frame takes
    /// its place if its left sibling cannot. The frame's fences are gone afterwards.
    pub(super) fn lift(&mut self, tree: TreeId, path: &Path) -> Result<(), Miss> {
        let gone = path.leaf().frame;
        let live = u64::from(self.cache.frame(gone)?.meta.live);
        if !self.unlink(tree, path, false)? {
            let old = Head::parse(self.cache.page(gone, 0)?);
            let head = Head {
                pages: [1].into(),
                anchors: Anchors::first(),
                ..Head::new(0, old.low, old.high)
            };
            let mut page = build_page(&head, gone, 0, &[], 0)?;
            let frame = self.cache.create_frame(tree, 0);
            page.set_identity(frame, 1);
            self.cache.install(frame, 1, &page)?;
            self.install_head(frame, &head)?;
            self.hang(tree, path, frame)?;
        }
        if let Some(root) = self.roots.get_mut(&tree) {
            root.records = root.records.saturating_sub(live);
        }
        Ok(())
    }

    /// Takes the leaf frame of `path` away if it is empty and a sibling can cover its keys: the
    /// left one or, if `either`, the right one. Whether it did.
    pub(super) fn fold(&mut self, tree: TreeId, path: &Path, either: bool) -> Result<bool, Miss> {
        let frame = path.leaf().frame;
        let head = Head::parse(self.cache.page(frame, 0)?);
        if self.cache.frame(frame)?.meta.live != 0 {
            return Ok(false);
        }
        self.hold_pages(frame, &head.pages)?;
        if !self.unlink(tree, path, either)? {
            return Ok(false);
        }
        self.drop_anchors(&head);
        self.cache.drop_frame(frame)?;
        Ok(true)
    }

    /// Puts `frame` where the tree has the leaf frame of `path`.
    pub(super) fn hang(&mut self, tree: TreeId, path: &Path, frame: u32) -> Result<(), Miss> {
        if let Some(parent) = path.at_level(1) {
            return self.turn_crossing(parent, frame);
        }
        let broken = Miss::Broken { frame, why: "the tree has no root" };
        let root = self.roots.get_mut(&tree).ok_or(broken)?;
        *root = Root { frame, ..*root };
        Ok(())
    }

    /// Counts frames that a tree got or lost.
    pub(super) fn count_frames(&mut self, tree: TreeId, change: i64) {
        if let Some(root) = self.roots.get_mut(&tree) {
            root.frames = root.frames.saturating_add_signed(change);
        }
    }
}
