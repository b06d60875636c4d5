//! Thin pages and frames join their neighbours; frames are repacked.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Forest;
use super::lob::{drop_bound, new_anchor};
use super::route::{Path, Step};
use super::split::build_page;
use crate::art::Anchors;
use crate::art::head::Head;
use crate::error::{Error, Result};
use crate::frame::Forms;
use crate::ids::TreeId;
use crate::limits::PAGE_BYTES;
use crate::node::build::page_holds;
use crate::node::{Miss, Owned, Page};

/// A page with less than this in use looks for a neighbour to join, in bytes.
pub(super) const THIN_PAGE: usize = PAGE_BYTES / 4;
/// Joined pages may fill this much of one, in bytes, so that they do not split again at once.
const JOINED_PAGE: usize = PAGE_BYTES * 3 / 4;

impl Forest {
    /// After a removal at `key`: joins its page, and then its frame, with neighbours as long as
    /// they are thin.
    pub fn shrink(&mut self, tree: TreeId, key: &[u8]) -> Result<()> {
        match self.shrink_from(tree, key, 0) {
            // A damaged neighbour cannot be joined; the removal itself is done, and each step
            // loads all it needs before it changes anything.
            Err(Error::Corrupt(_)) => Ok(()),
            other => other,
        }
    }

    /// The same, starting with the page on `level`.
    pub(super) fn shrink_from(&mut self, tree: TreeId, key: &[u8], level: u8) -> Result<()> {
        let mut level = level;
        loop {
            let path = self.with(|forest| forest.descend(tree, key))?;
            let Some(step) = path.at_level(level) else { return Ok(()) };
            if !self.with(|forest| forest.is_thin(step))? {
                return Ok(());
            }
            if self.settle(|forest| forest.merge_page(step))? {
                continue;
            }
            if path.at_level(level + 1).is_none() {
                return self.settle(|forest| forest.lower_root(tree));
            }
            if self.settle(|forest| forest.merge_frame(tree, &path, level))? {
                level += 1;
                continue;
            }
            // No neighbour under the same parent page: let that page join one first.
            let Some(parent) = path.at_level(level + 1) else { return Ok(()) };
            let alone =
                self.with(|forest| Ok(forest.cache.page(parent.frame, parent.page)?.count() == 1))?;
            if !alone || !self.settle(|forest| forest.merge_page(parent))? {
                return Ok(());
            }
        }
    }

    pub(super) fn is_thin(&self, step: Step) -> Result<bool, Miss> {
        Ok(self.cache.page(step.frame, step.page)?.used() < THIN_PAGE)
    }

    /// Joins a page with a neighbour in its frame; whether it did.
    pub(super) fn merge_page(&mut self, step: Step) -> Result<bool, Miss> {
        let head = Head::parse(self.cache.page(step.frame, 0)?);
        let last = head.pages.len() - 1;
        let right = (step.ordinal < last).then_some(step.ordinal);
        let left = step.ordinal.checked_sub(1);
        for first in right.into_iter().chain(left) {
            if self.join(step.frame, &head, first)? {
                self.counters.page_merges += 1;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Joins the pages at `first` and `first + 1` if they fit one.
    fn join(&mut self, frame: u32, head: &Head, first: usize) -> Result<bool, Miss> {
        let mut records = Vec::new();
        let mut empty = false;
        for &number in &head.pages[first..first + 2] {
            let page = self.cache.page(frame, number)?;
            empty |= page.count() == 0;
            records.extend((0..page.count()).map(|slot| Owned::take(page, slot, &head.prefix)));
        }
        let prefix = head.span_prefix(first, first + 1);
        let stripped = head.prefix.len() + prefix.len();
        let heap: usize = records.iter().map(|record| record.size(stripped)).sum();
        let slack = if empty { 0 } else { PAGE_BYTES - JOINED_PAGE };
        if !page_holds(records.len(), heap + slack, prefix.len()) {
            return Ok(false);
        }
        let mut joined = head.clone();
        let gone = joined.pages.remove(first + 1);
        let long = joined.anchors.remove(first + 1);
        let page = build_page(&joined, frame, first, &records, stripped)?;
        if let Some(long) = long {
            self.cache.drop_extent(long.extent, long.len);
        }
        self.cache.install(frame, joined.pages[first], &page)?;
        self.cache.drop_page(frame, gone)?;
        self.install_head(frame, &joined)?;
        Ok(true)
    }

    /// Takes roots away that lead to a single child.
    pub(super) fn lower_root(&mut self, tree: TreeId) -> Result<(), Miss> {
        loop {
            let broken = Miss::Broken { frame: 0, why: "the tree has no root" };
            let root = *self.roots.get(&tree).ok_or(broken)?;
            if root.level == 0 {
                return Ok(());
            }
            let head = Head::parse(self.cache.page(root.frame, 0)?);
            let page = self.cache.page(root.frame, head.pages[0])?;
            if head.pages.len() > 1 || page.count() > 1 {
                return Ok(());
            }
            let child = super::route::crossing(page, 0, root.frame)?;
            self.cache.page(child, 0)?;
            self.cache.drop_frame(root.frame)?;
            let (level, frames) = (root.level - 1, root.frames.saturating_sub(1));
            self.roots.insert(tree, super::Root { frame: child, level, frames, ..root });
        }
    }

    /// Joins the frame of `path` on `level` with a neighbour under the same parent page, if
    /// both are thin; whether it did.
    pub(super) fn merge_frame(
        &mut self,
        tree: TreeId,
        path: &Path,
        level: u8,
    ) -> Result<bool, Miss> {
        let (Some(step), Some(parent)) = (path.at_level(level), path.at_level(level + 1)) else {
            return Ok(false);
        };
        let most = (self.cache.geometry().pages() - 1) * 3 / 4;
        let pages = |forest: &Self, frame: u32| -> Result<usize, Miss> {
            Ok(crate::art::head::HeadView(forest.cache.page(frame, 0)?).count())
        };
        let mine = pages(self, step.frame)?;
        if mine > most.div_ceil(2) {
            return Ok(false);
        }
        let count = self.cache.page(parent.frame, parent.page)?.count();
        let right = (parent.slot + 1 < count).then_some(parent.slot);
        let left = parent.slot.checked_sub(1);
        for slot in right.into_iter().chain(left) {
            let page = self.cache.page(parent.frame, parent.page)?;
            let pair = [
                super::route::crossing(page, slot, parent.frame)?,
                super::route::crossing(page, slot + 1, parent.frame)?,
            ];
            if pages(self, pair[0])? + pages(self, pair[1])? > most {
                continue;
            }
            if self.rebuild(tree, &pair, Some((parent, slot + 1)), 85)? {
                self.counters.merges += 1;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Packs all records of one frame, or of two neighbours, into the first of them, filling
    /// pages to `percent`. `crossing` is where the parent leads to the second. `false` if they
    /// do not fit one frame.
    pub(super) fn rebuild(
        &mut self,
        tree: TreeId,
        frames: &[u32],
        crossing: Option<(Step, usize)>,
        percent: usize,
    ) -> Result<bool, Miss> {
        let mut heads = Vec::new();
        let mut records = Vec::new();
        for &frame in frames {
            let head = Head::parse(self.cache.page(frame, 0)?);
            self.hold_pages(frame, &head.pages)?;
            for &number in &head.pages {
                let page = self.cache.page(frame, number)?;
                records.extend((0..page.count()).map(|slot| Owned::take(page, slot, &head.prefix)));
            }
            heads.push(head);
        }
        let (first, last) = (&heads[0], &heads[heads.len() - 1]);
        let mut head = Head::new(first.level, first.low.clone(), last.high.clone());
        let Some(groups) = self.group(&head, &records, percent)? else { return Ok(false) };
        head.pages = (1..=groups.len() as u8).collect();
        head.anchors = Anchors::first();
        for group in &groups[1..] {
            head.anchors.push(&super::border::trial_anchor(&group.anchor, head.prefix.len()));
        }
        if head.build(frames[0], 0).is_none() {
            return Ok(false);
        }
        if let Some((parent, slot)) = crossing {
            let page = self.cache.page(parent.frame, parent.page)?;
            if slot >= page.count() {
                return Ok(false);
            }
        }
        let mut pages = Vec::with_capacity(groups.len());
        let mut start = 0;
        for (ordinal, group) in groups.iter().enumerate() {
            let part = &records[start..group.end];
            pages.push(build_page(&head, frames[0], ordinal, part, group.fitting)?);
            start = group.end;
        }
        // Everything is at hand and fits: nothing below can miss.
        for (ordinal, group) in groups.iter().enumerate().skip(1) {
            let anchor = new_anchor(&mut self.cache, &group.anchor, head.prefix.len());
            head.anchors.set(ordinal, &anchor);
        }
        self.replace_frames(tree, frames, heads, crossing, &head, pages, &records)?;
        Ok(true)
    }

    /// Misses a page that is not in memory, before any work is done that a miss would undo.
    pub(super) fn hold_pages(&self, frame: u32, pages: &[u8]) -> Result<(), Miss> {
        pages.iter().try_for_each(|&number| self.cache.page(frame, number).map(|_| ()))
    }

    #[allow(clippy::too_many_arguments)]
    fn replace_frames(
        &mut self,
        tree: TreeId,
        frames: &[u32],
        heads: Vec<Head>,
        crossing: Option<(Step, usize)>,
        head: &Head,
        pages: Vec<Box<Page>>,
        records: &[Owned],
    ) -> Result<(), Miss> {
        for old in &heads {
            for (_, long) in old.anchors.longs() {
                self.cache.drop_extent(long.extent, long.len);
            }
        }
        for &number in &heads[0].pages {
            if usize::from(number) > pages.len() {
                self.cache.drop_page(frames[0], number)?;
            }
        }
        for (&number, page) in head.pages.iter().zip(pages) {
            self.cache.install(frames[0], number, &page)?;
        }
        self.install_head(frames[0], head)?;
        let meta = &mut self.cache.frame_mut(frames[0])?.meta;
        meta.live = records.len() as u32;
        meta.forms = match head.level {
            0 => records.iter().fold(Forms::default(), |forms, record| {
                forms.and(Forms::of(&record.record(0), record.key.len()))
            }),
            _ => Forms::default(),
        };
        if let (Some(&gone), Some((parent, slot))) = (frames.get(1), crossing) {
            if let Some(high) = &heads[0].high {
                drop_bound(&mut self.cache, high);
            }
            drop_bound(&mut self.cache, &heads[1].low);
            self.cache.drop_frame(gone)?;
            self.drop_crossing(parent, slot)?;
            if let Some(root) = self.roots.get_mut(&tree) {
                root.frames = root.frames.saturating_sub(1);
            }
        }
        Ok(())
    }
}

/// Records that share a page: they end before `end`, and `anchor` separates them from those
/// before.
pub(super) struct Group {
    /// Index after the group's last record.
    pub end: usize,
    /// The absolute key where the group starts.
    pub anchor: Vec<u8>,
    /// Bytes of its keys that a prefix may strip so that it fits a page.
    pub fitting: usize,
}
