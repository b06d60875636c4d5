//! Removing everything under a prefix, or a whole tree.
//!
//! Owns: giving back the frames and extents. Never does: the log.

use alloc::vec::Vec;

use super::Forest;
use super::route::crossing;
use super::under::is_below;
use crate::art::head::{Head, HeadView};
use crate::error::Result;
use crate::frame::successor;
use crate::ids::{BlobId, TreeId};
use crate::limits::MAX_LEVELS;
use crate::node::{LongKey, Miss, Record, Value};

/// An extent and its length.
type Reference = (u64, u32);

fn reference(long: &LongKey) -> Reference {
    (long.extent, long.len)
}

impl Forest {
    /// Removes every record under `prefix` and returns how many there were. Many go frame by
    /// frame; only frames with long keys or values in extents are read for that.
    ///
    /// # Errors
    /// Failures of the device and damage; what was removed so far stays removed.
    pub fn remove_prefix(&mut self, tree: TreeId, prefix: &[u8]) -> Result<u64> {
        if !self.with(|forest| forest.reader().is_under(tree, prefix))? {
            return Ok(0);
        }
        if !self.is_large(tree, prefix)? {
            let removed = self.remove_singly(tree, prefix)?;
            self.shrink(tree, prefix)?;
            return Ok(removed);
        }
        let removed = self.remove_frames(tree, prefix)?;
        self.mend_under(tree, prefix)?;
        Ok(removed)
    }

    fn remove_singly(&mut self, tree: TreeId, prefix: &[u8]) -> Result<u64> {
        let end = successor(prefix);
        let mut at: Vec<u8> = prefix.into();
        let mut removed = 0;
        while let Some(key) =
            self.with(|forest| forest.reader().first_key(tree, &at, end.as_deref()))?
        {
            let place = self.with(|forest| forest.place_held(tree, &key))?;
            let remains = self.settle(|forest| forest.erase(tree, place))?;
            self.give_back(remains);
            removed += 1;
            at = key;
            self.leave_page(tree, &at)?;
            self.cache.trim()?;
        }
        Ok(removed)
    }

    fn remove_frames(&mut self, tree: TreeId, prefix: &[u8]) -> Result<u64> {
        let end = successor(prefix);
        self.cut(tree, prefix)?;
        if let Some(end) = &end {
            self.cut(tree, end)?;
        }
        let mut removed = 0;
        let mut next = Some(Vec::from(prefix));
        while let Some(at) = next.filter(|next| is_below(next, end.as_deref())) {
            self.check_frames()?;
            let (path, beyond) =
                self.with(|forest| forest.reader().frame_at(tree, &at, end.as_deref()))?;
            let frame = path.leaf().frame;
            next = beyond;
            let extents = self.extents_within(frame)?;
            removed += u64::from(self.with(|forest| Ok(forest.cache.frame(frame)?.meta.live))?);
            self.settle(|forest| forest.lift(tree, &path))?;
            self.settle(|forest| forest.cache.drop_frame(frame))?;
            extents.into_iter().for_each(|(extent, len)| self.cache.drop_extent(extent, len));
            self.cache.trim()?;
        }
        Ok(removed)
    }

    /// Every extent that a leaf frame refers to but those of its fences.
    fn extents_within(&mut self, frame: u32) -> Result<Vec<Reference>> {
        let (head, forms) = self.with(|forest| {
            let head = Head::parse(forest.cache.page(frame, 0)?);
            Ok((head, forest.cache.frame(frame)?.meta.forms))
        })?;
        let mut extents: Vec<Reference> =
            head.anchors.longs().iter().map(|(_, long)| reference(long)).collect();
        if forms.long_keys || forms.extents {
            for &number in &head.pages {
                extents.extend(self.with(|forest| forest.extents_on(frame, number))?);
            }
        }
        Ok(extents)
    }

    /// The extents that the records of a page refer to.
    fn extents_on(&self, frame: u32, number: u8) -> Result<Vec<Reference>, Miss> {
        let page = self.cache.page(frame, number)?;
        let mut extents = Vec::new();
        for slot in 0..page.count() {
            let record = Record::read(page, slot);
            extents.extend(record.long.as_ref().map(reference));
            if let Value::Extent { extent, len } = record.value {
                extents.push((extent, len));
            }
        }
        Ok(extents)
    }

    /// Removes a tree with all its records and returns how many there were; 0 if there is no
    /// such tree.
    ///
    /// # Errors
    /// Failures of the device and damage. The tree is gone all the same; what was not given
    /// back is reported by a check.
    pub fn remove_tree(&mut self, tree: TreeId) -> Result<u64> {
        let Some(root) = self.roots.remove(&tree) else { return Ok(0) };
        let mut left = alloc::vec![(root.frame, root.level)];
        while let Some((frame, level)) = left.pop() {
            let mut extents = self.with(|forest| forest.fences_of(frame, level))?;
            match level.checked_sub(1) {
                None => extents.extend(self.extents_within(frame)?),
                Some(below) => {
                    for number in self.frame_pages(frame)?.split_off(1) {
                        extents.extend(self.with(|forest| forest.extents_on(frame, number))?);
                        let children = self.with(|forest| forest.children_on(frame, number))?;
                        left.extend(children.into_iter().map(|child| (child, below)));
                    }
                    let head = self.with(|forest| Ok(Head::parse(forest.cache.page(frame, 0)?)))?;
                    extents.extend(head.anchors.longs().iter().map(|(_, long)| reference(long)));
                }
            }
            self.settle(|forest| forest.cache.drop_frame(frame))?;
            extents.into_iter().for_each(|(extent, len)| self.cache.drop_extent(extent, len));
            self.cache.trim()?;
        }
        Ok(root.records)
    }

    /// The extents of the fences of a frame on its way out.
    fn fences_of(&self, frame: u32, level: u8) -> Result<Vec<Reference>, Miss> {
        let page = self.cache.page(frame, 0)?;
        if page.level() != level || level >= MAX_LEVELS {
            return Err(Miss::Broken { frame, why: "the frame is of another level" });
        }
        if self.cache.is_deleted(BlobId::frame(frame)) {
            return Err(Miss::Broken { frame, why: "frame has two parents" });
        }
        let head = HeadView(page);
        let fences = [head.low().long, head.high().and_then(|high| high.long)];
        Ok(fences.iter().flatten().map(reference).collect())
    }

    /// The children that the crossings of a page lead to.
    fn children_on(&self, frame: u32, number: u8) -> Result<Vec<u32>, Miss> {
        let page = self.cache.page(frame, number)?;
        (0..page.count()).map(|slot| crossing(page, slot, frame)).collect()
    }
}
