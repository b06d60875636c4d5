//! Walking records in key order, over pages and frames.

use alloc::vec::Vec;

use super::{Pages, Reader};
use crate::art::head::HeadView;
use crate::ids::TreeId;
use crate::node::{Extents, Miss, Page, Record, search};

/// A place between records, or on one. Valid until the tree changes.
#[derive(Clone, Copy, Debug)]
pub struct Cursor {
    tree: TreeId,
    frame: u32,
    ordinal: usize,
    page: u8,
    slot: usize,
}

/// The record under a cursor.
pub struct Entry<'a> {
    /// What precedes the page's prefix.
    pub frame_prefix: &'a [u8],
    /// The page it is on.
    pub page: &'a Page,
    /// The record.
    pub record: Record<'a>,
}

impl Entry<'_> {
    /// Puts the whole key into `out`.
    pub fn key(&self, extents: &impl Extents, out: &mut Vec<u8>) -> Result<(), Miss> {
        out.clear();
        match self.record.long {
            Some(long) => out.extend_from_slice(extents.extent(long.extent, long.len)?),
            None => {
                out.extend_from_slice(self.frame_prefix);
                out.extend_from_slice(self.page.prefix());
                out.extend_from_slice(self.record.suffix);
            }
        }
        Ok(())
    }
}

impl<'a, P: Pages> Reader<'a, P> {
    /// A cursor on the first record not below `key` (above it, if `after`), or at the end of
    /// the page where it would be.
    pub fn seek(self, tree: TreeId, key: &[u8], after: bool) -> Result<Cursor, Miss> {
        let leaf = self.leaf(tree, key)?;
        let (slot, exact) = search::lower_bound(leaf.page, &leaf.query, self.pages)?;
        let leaf = leaf.step;
        Ok(Cursor {
            tree,
            frame: leaf.frame,
            ordinal: leaf.ordinal,
            page: leaf.page,
            slot: slot + usize::from(exact && after),
        })
    }

    /// The record under the cursor, moving to the next page or frame if the cursor is at the
    /// end of one; `None` at the end of the tree. On a miss the cursor has not moved past
    /// anything.
    pub fn entry(self, cursor: &mut Cursor) -> Result<Option<Entry<'a>>, Miss> {
        loop {
            let head = HeadView(self.pages.page(cursor.frame, 0)?);
            let page = self.pages.page(cursor.frame, cursor.page)?;
            if cursor.slot < page.count() {
                let record = Record::read(page, cursor.slot);
                return Ok(Some(Entry { frame_prefix: head.prefix(), page, record }));
            }
            if let Some(&next) = head.pages().get(cursor.ordinal + 1) {
                self.pages.page(cursor.frame, next)?;
                (cursor.ordinal, cursor.page, cursor.slot) = (cursor.ordinal + 1, next, 0);
                continue;
            }
            let Some(high) = head.high() else { return Ok(None) };
            let key = self.bound_key(&high)?;
            let next = self.seek(cursor.tree, &key, false)?;
            // Fences must ascend, or a damaged tree could be walked for ever.
            let beyond = HeadView(self.pages.page(next.frame, 0)?).high();
            if let Some(beyond) = beyond
                && self.bound_key(&beyond)? <= key
            {
                let why = "the next frame does not lie above this one";
                return Err(Miss::Broken { frame: cursor.frame, why });
            }
            *cursor = next;
        }
    }

    /// Moves past the record under the cursor.
    pub fn step(self, cursor: &mut Cursor) {
        cursor.slot += 1;
    }
}
