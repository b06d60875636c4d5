//! Frames that removals left thin, to be repacked by who has time for it.
//!
//! Owns: which frames may be. Never does: know for sure; who takes one looks at its pages. Pages
//! that are all but empty join their neighbours at once, with the removal that made them so.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Forest;
use crate::art::head::HeadView;
use crate::error::Result;
use crate::ids::TreeId;
use crate::limits::{MAX_THINNED, PAGE_BYTES};
use crate::node::Miss;

/// Frames are repacked whose pages are filled to less than this, in percent.
const THINNED: usize = 60;

/// Frames that may be thin.
#[derive(Default)]
pub struct Thinned(BTreeSet<u32>);

impl Thinned {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn note(&mut self, frame: u32) {
        // Beyond that many, others are found by compaction.
        if self.0.len() < MAX_THINNED {
            self.0.insert(frame);
        }
    }
}

impl Forest {
    /// Notes that a record was removed from a page, which may be thin now.
    pub(super) fn note_thinned(&mut self, frame: u32, page: u8) {
        let is_thin = self
            .cache
            .page(frame, page)
            .is_ok_and(|page| page.level() == 0 && page.used() * 100 < PAGE_BYTES * THINNED);
        if is_thin {
            self.thinned.note(frame);
        }
    }

    /// A frame that may be thin, which is forgotten. Not one that a snapshot may need: all of its
    /// pages would be kept twice.
    pub fn take_thinned(&mut self) -> Option<u32> {
        loop {
            let frame = self.thinned.0.pop_first()?;
            if !self.cache.keeps_frame(frame) {
                return Some(frame);
            }
        }
    }

    /// The pages of a leaf frame that are not in memory, as far as that is known: the first one
    /// leads to the others.
    pub fn missing_pages(&self, frame: u32) -> Vec<u8> {
        match self.cache.page(frame, 0) {
            Err(_) => alloc::vec![0],
            Ok(head) if head.level() > 0 => Vec::new(),
            Ok(head) => {
                let pages = HeadView(head).pages().iter().copied();
                pages.filter(|&page| self.cache.page(frame, page).is_err()).collect()
            }
        }
    }

    /// Repacks a frame if it is thin; whether it was.
    ///
    /// # Errors
    /// Damage, and failures of the device.
    pub fn repack_thinned(&mut self, frame: u32) -> Result<bool> {
        let Ok((tree, low)) = self.low_end(frame) else { return Ok(false) };
        if !self.roots.contains_key(&tree) {
            return Ok(false);
        }
        // The frame may be gone, and another be there now.
        if self.with(|forest| forest.descend(tree, &low))?.leaf().frame != frame {
            return Ok(false);
        }
        let (used, pages) = self.with(|forest| forest.density(frame))?;
        if used * 100 >= pages * PAGE_BYTES * THINNED || pages == 1 {
            return Ok(false);
        }
        self.compact_at(tree, &low)?;
        Ok(true)
    }

    /// The tree of a leaf frame in memory, and the lowest key that belongs there.
    fn low_end(&self, frame: u32) -> Result<(TreeId, Vec<u8>), Miss> {
        let head = self.cache.page(frame, 0)?;
        if head.level() > 0 {
            return Err(Miss::Broken { frame, why: "no leaf frame" });
        }
        let low = HeadView(head).low_key(&self.cache)?.into();
        Ok((self.cache.frame(frame)?.meta.tree, low))
    }
}
