//! Places between records, and the way from one page to the next in both directions.

use alloc::vec::Vec;

use super::change::Place;
use super::leaf::Leaf;
use super::route::{Reached, crossing};
use super::{Pages, Reader};
use crate::art::head::HeadView;
use crate::ids::TreeId;
use crate::node::{Extents, Miss, Page, Record, search};

/// A place between two records, or at either end. Valid until the tree changes.
#[derive(Clone, Copy, Debug)]
pub struct Cursor {
    tree: TreeId,
    frame: u32,
    ordinal: usize,
    page: u8,
    slot: usize,
}

impl Cursor {
    /// How many records of its page lie below the place.
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// Where the record that follows the place is, which lies on the page of `leaf`.
    pub(super) fn place(&self, leaf: &Leaf<'_>) -> Place {
        let stripped = leaf.frame_prefix.len() + leaf.page.prefix_len();
        Place { frame: self.frame, page: self.page, slot: self.slot, exact: true, stripped }
    }

    /// Moves to another place on the same page.
    pub fn move_to(&mut self, slot: usize) {
        self.slot = slot;
    }
}

/// The record that follows a place.
pub struct Entry<'a> {
    /// Its page.
    pub leaf: Leaf<'a>,
    /// The record.
    pub record: Record<'a>,
}

impl Entry<'_> {
    /// Puts the whole key into `out`.
    pub fn key(&self, extents: &impl Extents, out: &mut Vec<u8>) -> Result<(), Miss> {
        if let Some(long) = self.record.long {
            out.clear();
            out.extend_from_slice(extents.extent(long.extent, long.len)?);
            return Ok(());
        }
        self.leaf.stem(out);
        out.extend_from_slice(self.record.suffix);
        Ok(())
    }
}

impl<'a, P: Pages> Reader<'a, P> {
    /// The record that follows the place; `None` at the end of the tree. On a miss the place has
    /// not moved past anything.
    pub fn entry(self, cursor: &mut Cursor) -> Result<Option<Entry<'a>>, Miss> {
        let leaf = self.next_page(cursor)?;
        Ok(leaf.map(|leaf| Entry { leaf, record: leaf.record(cursor.slot) }))
    }

    /// The place just before `key`, or just behind it if `after`, whether there is a record or
    /// not.
    pub fn seek(self, tree: TreeId, key: &[u8], after: bool) -> Result<Cursor, Miss> {
        self.seek_page(tree, None, (key, after)).map(|(cursor, _)| cursor)
    }

    /// The same, with the page of the place; it may be known what lies on the way: a place that is
    /// probably in the same frame.
    pub fn seek_page(
        self,
        tree: TreeId,
        from: Option<&Cursor>,
        (key, after): (&[u8], bool),
    ) -> Result<(Cursor, Leaf<'a>), Miss> {
        let from = from
            .map(|from| from.frame)
            .filter(|&frame| self.head(frame, 0).is_ok_and(|head| head.surely_covers(key)));
        let leaf = match from {
            Some(frame) => self.enter(frame, 0, key)?,
            None => self.leaf(tree, key)?,
        };
        let cursor = self.place_on(tree, &leaf, after)?;
        Ok((cursor, Leaf { frame_prefix: leaf.head.prefix(), page: leaf.page }))
    }

    /// Whether all of a leaf frame lies below `key`, as far as page 0 tells.
    pub fn ends_below(self, frame: u32, key: &[u8]) -> Result<bool, Miss> {
        Ok(self.head(frame, 0)?.surely_below(key))
    }

    fn place_on(self, tree: TreeId, leaf: &Reached<'_, '_>, after: bool) -> Result<Cursor, Miss> {
        let (slot, exact) = search::lower_bound(leaf.page, &leaf.query, self.pages)?;
        let (step, slot) = (leaf.step, slot + usize::from(exact && after));
        Ok(Cursor { tree, frame: step.frame, ordinal: step.ordinal, page: step.page, slot })
    }

    /// The place behind the last record.
    pub fn seek_end(self, tree: TreeId) -> Result<Cursor, Miss> {
        let (frame, level) = self.root(tree)?;
        self.rightmost(tree, frame, level)
    }

    /// The page with the record that follows the place, which moves there if it lies elsewhere;
    /// `None` at the end of the tree. On a miss the place has not moved past anything.
    pub fn next_page(self, cursor: &mut Cursor) -> Result<Option<Leaf<'a>>, Miss> {
        loop {
            let head = self.head(cursor.frame, 0)?;
            let page = self.pages.page(cursor.frame, cursor.page)?;
            if cursor.slot < page.count() {
                return Ok(Some(Leaf { frame_prefix: head.prefix(), page }));
            }
            if let Some(&next) = head.pages().get(cursor.ordinal + 1) {
                self.pages.page(cursor.frame, next)?;
                (cursor.ordinal, cursor.page, cursor.slot) = (cursor.ordinal + 1, next, 0);
                continue;
            }
            let Some(high) = head.high_key(self.pages)? else { return Ok(None) };
            let next = self.seek(cursor.tree, high, false)?;
            // Fences must ascend, or a damaged tree could be walked for ever.
            let beyond = self.head(next.frame, 0)?.high_key(self.pages)?;
            if beyond.is_some_and(|beyond| beyond <= high) {
                let why = "the next frame does not lie above this one";
                return Err(Miss::Broken { frame: cursor.frame, why });
            }
            *cursor = next;
        }
    }

    /// The page with the record that precedes the place, which moves there if it lies elsewhere;
    /// `None` at the start of the tree. On a miss the place has not moved past anything.
    pub fn previous_page(self, cursor: &mut Cursor) -> Result<Option<Leaf<'a>>, Miss> {
        loop {
            let head = self.head(cursor.frame, 0)?;
            let page = self.pages.page(cursor.frame, cursor.page)?;
            if cursor.slot > page.count() {
                let why = "a place lies behind the end of its page";
                return Err(Miss::Broken { frame: cursor.frame, why });
            }
            if cursor.slot > 0 {
                return Ok(Some(Leaf { frame_prefix: head.prefix(), page }));
            }
            if let Some(ordinal) = cursor.ordinal.checked_sub(1) {
                let before = head.pages()[ordinal];
                let slot = self.pages.page(cursor.frame, before)?.count();
                (cursor.ordinal, cursor.page, cursor.slot) = (ordinal, before, slot);
                continue;
            }
            let low = head.low_key(self.pages)?;
            if low.is_empty() {
                return Ok(None);
            }
            let before = self.left_of(cursor.tree, low)?;
            // Fences must descend, or a damaged tree could be walked for ever.
            if self.head(before.frame, 0)?.low_key(self.pages)? >= low {
                let why = "the frame before does not lie below this one";
                return Err(Miss::Broken { frame: cursor.frame, why });
            }
            *cursor = before;
        }
    }

    /// The page of the same frame that comes next, or before if `back`, if it is in memory.
    pub fn beside(self, cursor: &Cursor, back: bool) -> Option<&'a Page> {
        let pages = HeadView(self.pages.page(cursor.frame, 0).ok()?).pages();
        let ordinal =
            if back { cursor.ordinal.checked_sub(1)? } else { cursor.ordinal.checked_add(1)? };
        self.pages.page(cursor.frame, *pages.get(ordinal)?).ok()
    }

    /// The end of the frame to the left of the one that starts at `low`: the way to `low`, the
    /// last fork on it taken one crossing earlier, and from there to the right.
    fn left_of(self, tree: TreeId, low: &[u8]) -> Result<Cursor, Miss> {
        let path = self.descend(tree, low)?;
        let steps = path.steps();
        for (level, step) in steps.iter().rev().enumerate().skip(1) {
            let level = level as u8;
            let (page, slot) = if step.slot > 0 {
                (step.page, step.slot - 1)
            } else if let Some(ordinal) = step.ordinal.checked_sub(1) {
                let page = self.head(step.frame, level)?.pages()[ordinal];
                (page, self.pages.page(step.frame, page)?.count().saturating_sub(1))
            } else {
                continue;
            };
            let child = crossing(self.pages.page(step.frame, page)?, slot, step.frame)?;
            return self.rightmost(tree, child, level - 1);
        }
        let frame = steps.first().map_or(0, |step| step.frame);
        Err(Miss::Broken { frame, why: "nothing lies before a frame that is not the first" })
    }

    /// The place behind the last record below a frame at `level`.
    fn rightmost(self, tree: TreeId, frame: u32, level: u8) -> Result<Cursor, Miss> {
        let (mut frame, mut level) = (frame, level);
        loop {
            let pages = self.head(frame, level)?.pages();
            let ordinal = pages.len() - 1;
            let number = pages[ordinal];
            let page = self.pages.page(frame, number)?;
            if level == 0 {
                return Ok(Cursor { tree, frame, ordinal, page: number, slot: page.count() });
            }
            frame = crossing(page, page.count().saturating_sub(1), frame)?;
            level -= 1;
        }
    }
}
