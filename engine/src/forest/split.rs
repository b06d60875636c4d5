//! Making room: splitting a full page, and choosing what else must happen first.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::border::Border;
use super::crossing::crossing_to;
use super::route::{Path, Step};
use super::{Forest, Root};
use crate::art::Anchors;
use crate::art::head::{Head, HeadView};
use crate::error::{Error, Result};
use crate::frame::separator_len;
use crate::ids::TreeId;
use crate::limits::{MAX_FRAMES, MAX_LEVELS};
use crate::node::build::page_holds;
use crate::node::{Miss, Owned, Page, PageBuilder, PageKind, Query, Record, search};
use crate::seeded::{self, Bug};

/// Insertions in a row, each just behind the one before, that make a load ascending.
const ASCENDING_RUN: usize = 8;

/// What a structure change came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was made.
    Done,
    /// The frame has no page, or no room in page 0, for it.
    FrameFull,
}

impl Forest {
    /// Makes one structure change that brings room at `key` on `level` nearer.
    pub(super) fn grow(&mut self, tree: TreeId, key: &[u8], level: u8) -> Result<()> {
        self.check_frames()?;
        self.check_levels(tree, 1)?;
        let mut level = level;
        loop {
            let path = self.with(|forest| forest.descend(tree, key))?;
            let split = self.settle(|forest| forest.split_page(&path, level, key))?;
            if split == Outcome::Done {
                return Ok(());
            }
            if path.at_level(level + 1).is_none() {
                self.settle(|forest| forest.raise_root(tree))?;
                continue;
            }
            if self.settle(|forest| forest.spill(tree, &path, level))? == Outcome::Done {
                return Ok(());
            }
            // The parent has no room for another crossing: make that first.
            level += 1;
        }
    }

    /// Whether a structure change may still create its frames.
    pub(super) fn check_frames(&self) -> Result<()> {
        if self.cache.next_ids().0 >= MAX_FRAMES - 2 * u32::from(MAX_LEVELS) {
            let limit = u64::from(MAX_FRAMES);
            return Err(Error::QuotaExceeded { what: "frames", limit });
        }
        Ok(())
    }

    /// Whether a tree may still become so many levels higher.
    pub(super) fn check_levels(&self, tree: TreeId, by: u8) -> Result<()> {
        let level = self.roots.get(&tree).map_or(0, |root| root.level);
        if level + by >= MAX_LEVELS {
            let limit = u64::from(MAX_LEVELS);
            return Err(Error::QuotaExceeded { what: "levels of frames", limit });
        }
        Ok(())
    }

    /// Splits the page of `path` on `level` in two within its frame.
    fn split_page(&mut self, path: &Path, level: u8, key: &[u8]) -> Result<Outcome, Miss> {
        let Some(step) = path.at_level(level) else {
            return Err(Miss::Broken { frame: 0, why: "a level has no frame" });
        };
        let head = HeadView(self.cache.page(step.frame, 0)?);
        let page = self.cache.page(step.frame, step.page)?;
        if head.used().lowest_free(self.cache.geometry().pages()).is_none() {
            return Ok(Outcome::FrameFull);
        }
        let query = Query { key, stripped: head.prefix_len() };
        let (slot, _) = search::lower_bound(page, &query, &self.cache)?;
        let ahead = match slot == page.count() && is_ascending(page, slot) {
            true => self.bound_ahead(step, key)?.map(|bound| (slot, bound)),
            false => None,
        };
        let (middle, separator) = match ahead {
            Some(ahead) => ahead,
            None => self.choose(page, head.prefix(), slot, key)?,
        };
        self.split_page_at(step, middle, separator)
    }

    /// Splits the page of `step` before slot `middle`, and so at the key `separator`.
    pub(super) fn split_page_at(
        &mut self,
        step: Step,
        middle: usize,
        separator: Vec<u8>,
    ) -> Result<Outcome, Miss> {
        let head = self.cache.page(step.frame, 0)?;
        let page = self.cache.page(step.frame, step.page)?;
        let at = step.ordinal + 1;
        let free = HeadView(head).used().lowest_free(self.cache.geometry().pages());
        let Some(border) = free.and_then(|number| Border::drawn(head, at, number, separator))
        else {
            return Ok(Outcome::FrameFull);
        };
        let left = border.part(page, at - 1, 0..middle)?;
        let right = border.part(page, at, middle..page.count())?;
        self.install_border(border, [left, right])?;
        self.counters.page_splits += 1;
        Ok(Outcome::Done)
    }

    /// Where to split a page, and the shortest key that separates the halves.
    fn choose(
        &self,
        page: &Page,
        prefix: &[u8],
        slot: usize,
        key: &[u8],
    ) -> Result<(usize, Vec<u8>), Miss> {
        let count = page.count();
        if count < 2 {
            return Err(Miss::Broken { frame: page.frame(), why: "a full page has no records" });
        }
        let ascending = is_ascending(page, slot);
        if ascending && page.kind() == PageKind::Leaf {
            if slot == count {
                let last = self.full_key(page, count - 1, prefix)?;
                let len = separator_len(&last, key);
                return Ok((count, key[..len].into()));
            }
            // What lies behind the load goes elsewhere, and the page is the load's.
            let next = self.full_key(page, slot, prefix)?;
            let len = separator_len(key, &next);
            return Ok((slot, next[..len].into()));
        }
        let at_end = ascending && slot == count;
        let middle = match at_end {
            true => count - 1,
            false => middle_by_bytes(page),
        };
        if at_end {
            return self.cut_before(page, middle, prefix);
        }
        let broken = Miss::Broken { frame: page.frame(), why: "a page has no middle" };
        self.separator_near(page, middle, prefix)?.ok_or(broken)
    }

    /// The slot near `middle` before which the shortest key separates: that makes routing and
    /// prefixes short. And that key.
    pub(super) fn separator_near(
        &self,
        page: &Page,
        middle: usize,
        prefix: &[u8],
    ) -> Result<Option<(usize, Vec<u8>)>, Miss> {
        let count = page.count();
        let reach = count / 16;
        let near = middle.saturating_sub(reach).max(1)..=(middle + reach).min(count - 1);
        let mut best: Option<(usize, usize)> = None;
        for at in near {
            let len = self.separator(page, at, prefix)?;
            if best.is_none_or(|(_, shortest)| len < shortest) {
                best = Some((at, len));
            }
        }
        best.map(|(at, _)| self.cut_before(page, at, prefix)).transpose()
    }

    /// The shortest key that separates the record in slot `at` from the one before it.
    fn cut_before(&self, page: &Page, at: usize, prefix: &[u8]) -> Result<(usize, Vec<u8>), Miss> {
        let len = self.separator(page, at, prefix)?;
        let mut key = self.full_key(page, at, prefix)?;
        key.truncate(len.saturating_sub(usize::from(seeded::is(Bug::WrongSeparator))));
        Ok((at, key))
    }

    /// Length of the part of the key in slot `at` that separates it from the slot before.
    fn separator(&self, page: &Page, at: usize, prefix: &[u8]) -> Result<usize, Miss> {
        let (left, right) = (Record::read(page, at - 1), Record::read(page, at));
        let whole = prefix.len() + page.prefix_len();
        // A crossing's own key must separate: below it, keys belong to the child before.
        if page.kind() == PageKind::Branch {
            let short = whole + right.suffix.len();
            return Ok(right.long.map_or(short, |long| long.len as usize));
        }
        if left.long.is_none() && right.long.is_none() {
            return Ok(whole + separator_len(left.suffix, right.suffix));
        }
        let (left, right) =
            (self.full_key(page, at - 1, prefix)?, self.full_key(page, at, prefix)?);
        Ok(separator_len(&left, &right))
    }

    /// Puts a new root above the old one.
    pub(super) fn raise_root(&mut self, tree: TreeId) -> Result<(), Miss> {
        let broken = Miss::Broken { frame: 0, why: "the tree has no root or too many levels" };
        let old = *self.roots.get(&tree).ok_or(broken)?;
        if old.level + 1 >= crate::limits::MAX_LEVELS {
            return Err(broken);
        }
        let level = old.level + 1;
        let frame = self.cache.create_frame(tree, level);
        let head = Head {
            pages: [1].into(),
            anchors: Anchors::first(),
            ..Head::new(level, Default::default(), None)
        };
        let crossing = crossing_to(old.frame, Vec::new(), None);
        let page = build_page(&head, frame, 0, &[crossing], 0)?;
        self.cache.install(frame, 1, &page)?;
        self.install_head(frame, &head)?;
        self.cache.frame_mut(frame)?.meta.live = 1;
        self.roots.insert(tree, Root { frame, level, frames: old.frames + 1, ..old });
        Ok(())
    }

    /// Writes page 0; the caller made sure that it fits.
    pub(super) fn install_head(&mut self, frame: u32, head: &Head) -> Result<(), Miss> {
        let page = head.build(frame, self.cache.lsn());
        let page = page.ok_or(Miss::Broken { frame, why: "page 0 does not hold its routing" })?;
        self.cache.install(frame, 0, &page)
    }

    /// Creates a tree of one empty page.
    ///
    /// # Errors
    /// `QuotaExceeded` if the store has had all the frames it may have.
    pub fn create_tree(&mut self, tree: TreeId) -> Result<()> {
        self.check_frames()?;
        self.settle(|forest| {
            let frame = forest.cache.create_frame(tree, 0);
            let head = Head {
                pages: [1].into(),
                anchors: Anchors::first(),
                ..Head::new(0, Default::default(), None)
            };
            let page = build_page(&head, frame, 0, &[], 0)?;
            forest.cache.install(frame, 1, &page)?;
            forest.install_head(frame, &head)?;
            forest.roots.insert(tree, Root { frame, level: 0, records: 0, frames: 1 });
            Ok(())
        })
    }
}

/// Whether a record that belongs to `slot` is one of a load in the order of keys.
pub(super) fn is_ascending(page: &Page, slot: usize) -> bool {
    page.run_at(slot) >= ASCENDING_RUN
}

/// The page at `ordinal` of `frame` with these records, which fit under the first `fitting`
/// bytes of their keys. The page takes the longest prefix under which they fit: usually all
/// that its bounds share, but records of long keys do not shrink as the prefix grows.
pub(super) fn build_page(
    head: &Head,
    frame: u32,
    ordinal: usize,
    records: &[Owned],
    fitting: usize,
) -> Result<Box<Page>, Miss> {
    let kind = if head.level == 0 { PageKind::Leaf } else { PageKind::Branch };
    let base = head.prefix.len();
    let mut prefix = head.page_prefix(ordinal);
    let heap: usize = records.iter().map(|record| record.size(base + prefix.len())).sum();
    if !page_holds(records.len(), heap, prefix.len()) {
        prefix.truncate(fitting.saturating_sub(base));
    }
    let number = head.pages[ordinal];
    let mut page = PageBuilder::new(kind, head.level, frame, number, base, &prefix);
    for record in records {
        if !page.push(record) {
            // Only records out of order or outside their bounds do not fit.
            return Err(Miss::Broken { frame, why: "records do not fit the page meant for them" });
        }
    }
    Ok(page.finish())
}

/// The slot before which half of the bytes of a page lie.
fn middle_by_bytes(page: &Page) -> usize {
    let sizes = (0..page.count()).map(|slot| Record::read(page, slot).size());
    let half = sizes.clone().sum::<usize>() / 2;
    let mut sum = 0;
    let at = sizes.take_while(|size| {
        sum += size;
        sum <= half
    });
    at.count().clamp(1, page.count() - 1)
}
