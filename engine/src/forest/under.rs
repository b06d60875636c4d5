//! What lies under a prefix, looked at by frames.
//!
//! Owns: questions that are asked before keys are moved or removed. Never does: change anything.

use alloc::vec::Vec;

use super::{Forest, Pages, Path, Place, Reader};
use crate::art::head::HeadView;
use crate::error::{Error, Result};
use crate::frame::successor;
use crate::ids::TreeId;
use crate::limits::{MAX_INLINE_KEY_BYTES, MAX_KEY_BYTES};
use crate::node::{Miss, Query, Record};

/// Whether a key where a frame ends lies below the end of a range.
pub(super) fn is_below(key: &[u8], end: Option<&[u8]>) -> bool {
    end.is_none_or(|end| key < end)
}

impl<P: Pages> Reader<'_, P> {
    /// The first key that is not below `from` and below `end`.
    pub fn first_key(
        self,
        tree: TreeId,
        from: &[u8],
        end: Option<&[u8]>,
    ) -> Result<Option<Vec<u8>>, Miss> {
        Ok(self.first_place(tree, from, end)?.map(|(key, _)| key))
    }

    /// The same, and where its record is.
    pub(super) fn first_place(
        self,
        tree: TreeId,
        from: &[u8],
        end: Option<&[u8]>,
    ) -> Result<Option<(Vec<u8>, Place)>, Miss> {
        let mut cursor = self.seek(tree, from, false)?;
        let Some(entry) = self.entry(&mut cursor)? else { return Ok(None) };
        let mut key = Vec::new();
        entry.key(self.pages, &mut key)?;
        Ok(is_below(&key, end).then(|| (key, cursor.place(&entry.leaf))))
    }

    /// Whether any key starts with `prefix`.
    pub fn is_under(self, tree: TreeId, prefix: &[u8]) -> Result<bool, Miss> {
        let first = self.first_key(tree, prefix, None)?;
        Ok(first.is_some_and(|key| key.starts_with(prefix)))
    }

    /// The key where the frame after `frame` starts, in which `key` lies.
    pub(super) fn next_frame(self, frame: u32, key: &[u8]) -> Result<Option<Vec<u8>>, Miss> {
        let Some(high) = HeadView(self.pages.page(frame, 0)?).high() else { return Ok(None) };
        let next = self.bound_key(&high)?;
        // Fences must ascend, or a walk over a damaged tree would go round for ever.
        if next.as_slice() <= key {
            return Err(Miss::Broken { frame, why: "a frame ends before a key that leads to it" });
        }
        Ok(Some(next))
    }

    /// The way to the leaf frame that starts at `key`, and the key where the next one starts,
    /// which is not behind `end`.
    pub(super) fn frame_at(
        self,
        tree: TreeId,
        key: &[u8],
        end: Option<&[u8]>,
    ) -> Result<(Path, Option<Vec<u8>>), Miss> {
        let path = self.descend(tree, key)?;
        let frame = path.leaf().frame;
        let next = self.next_frame(frame, key)?;
        let within = end.is_none_or(|end| next.as_ref().is_some_and(|next| **next <= *end));
        if !within || !self.is_at(&HeadView(self.pages.page(frame, 0)?).low(), key)? {
            return Err(Miss::Broken { frame, why: "a frame has other fences than its place" });
        }
        Ok((path, next))
    }
}

impl Forest {
    /// Whether the pages that may hold keys under `prefix` are more than `most`.
    pub(super) fn spans_more(&mut self, tree: TreeId, prefix: &[u8], most: usize) -> Result<bool> {
        let end = successor(prefix);
        let mut at: Vec<u8> = prefix.into();
        let mut pages = 0;
        loop {
            let (count, next) = self.with(|forest| {
                let reader = forest.reader();
                let leaf = reader.leaf(tree, &at)?;
                let next = reader.next_frame(leaf.step.frame, &at)?;
                let last = match &end {
                    Some(key) if next.as_ref().is_none_or(|next| next > key) => {
                        let query = Query { key, stripped: leaf.head.prefix_len() };
                        leaf.head.floor(&query, reader.pages)?
                    }
                    _ => leaf.head.count() - 1,
                };
                Ok(((last + 1).saturating_sub(leaf.step.ordinal), next))
            })?;
            pages += count;
            match next {
                _ if pages > most => return Ok(true),
                Some(next) if is_below(&next, end.as_deref()) => at = next,
                _ => return Ok(false),
            }
        }
    }

    /// Checks that no key under `src` would be over the limit under `dst`.
    ///
    /// # Errors
    /// `KeyTooLong` with the first such length; damage and failures of the device.
    pub fn check_move(&mut self, tree: TreeId, src: &[u8], dst: &[u8]) -> Result<()> {
        let by = dst.len().saturating_sub(src.len());
        if self.keys_can_grow(tree, src, by)? {
            return Ok(());
        }
        // Which one is a question for the message only, so it may take a walk.
        let end = successor(src);
        let mut at: Vec<u8> = src.into();
        let mut after = false;
        loop {
            let found = self.with(|forest| {
                let reader = forest.reader();
                let mut cursor = reader.seek(tree, &at, after)?;
                let mut key = Vec::new();
                let Some(entry) = reader.entry(&mut cursor)? else { return Ok(None) };
                entry.key(reader.pages, &mut key)?;
                Ok(is_below(&key, end.as_deref()).then_some(key))
            })?;
            let len = found.as_ref().map_or(MAX_KEY_BYTES + 1, |key| key.len() + by);
            match found {
                Some(key) if len <= MAX_KEY_BYTES => (at, after) = (key, true),
                _ => return Err(Error::KeyTooLong { len }),
            }
        }
    }

    /// Whether every key under `prefix` may grow by `by` bytes and be within the limit of keys.
    /// Reads one page of each frame, and all only of frames with keys that may exceed it.
    pub fn keys_can_grow(&mut self, tree: TreeId, prefix: &[u8], by: usize) -> Result<bool> {
        if by == 0 {
            return Ok(true);
        }
        let Some(limit) = MAX_KEY_BYTES.checked_sub(by) else {
            return Ok(!self.with(|forest| forest.reader().is_under(tree, prefix))?);
        };
        let end = successor(prefix);
        let mut at: Vec<u8> = prefix.into();
        loop {
            let (frame, next, pages) = self.with(|forest| {
                let reader = forest.reader();
                let leaf = reader.leaf(tree, &at)?;
                let forms = forest.cache.frame(leaf.step.frame)?.meta.forms;
                let suspect = forms.long_keys || limit < MAX_INLINE_KEY_BYTES;
                let pages: Vec<u8> = if suspect { leaf.head.pages().into() } else { Vec::new() };
                Ok((leaf.step.frame, reader.next_frame(leaf.step.frame, &at)?, pages))
            })?;
            for page in pages {
                if self.with(|forest| forest.is_exceeded(frame, page, prefix, limit))? {
                    return Ok(false);
                }
            }
            self.cache.trim()?;
            match next {
                Some(next) if is_below(&next, end.as_deref()) => at = next,
                _ => return Ok(true),
            }
        }
    }

    /// Whether a key under `prefix` on this page is longer than `limit`.
    fn is_exceeded(&self, frame: u32, page: u8, prefix: &[u8], limit: usize) -> Result<bool, Miss> {
        let head = HeadView(self.cache.page(frame, 0)?);
        let page = self.cache.page(frame, page)?;
        let stripped = head.prefix_len() + page.prefix_len();
        for slot in 0..page.count() {
            let record = Record::read(page, slot);
            let len = record.long.map_or(stripped + record.suffix.len(), |long| long.len as usize);
            if len > limit && self.full_key(page, slot, head.prefix())?.starts_with(prefix) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
