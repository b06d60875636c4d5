//! A cut as the cache sees it: which pages it must write, and handing them out.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Cache, PreImage};
use crate::device::PageAt;
use crate::frame::{FrameMeta, PageSet};
use crate::ids::{BlobId, Ticket};
use crate::node::Page;

/// What a cut publishes of one frame.
#[derive(Clone, Debug, Default)]
pub struct FramePlan {
    /// Its metadata at the cut.
    pub meta: FrameMeta,
    /// Pages still to be written.
    pub pending: PageSet,
    /// Pages written.
    pub staged: Vec<PageAt>,
    /// Pages that no longer exist.
    pub dropped: PageSet,
}

/// Everything a cut publishes.
#[derive(Clone, Debug, Default)]
pub struct CutPlan {
    /// By frame.
    pub frames: BTreeMap<u32, FramePlan>,
    /// Extents, with their pages once they are written.
    pub extents: BTreeMap<u64, Vec<Ticket>>,
    /// Blobs that no longer exist.
    pub deleted: BTreeSet<BlobId>,
}

/// What a cut needs of one page.
pub enum CutPage<'a> {
    /// It is staged already.
    Staged(Ticket),
    /// It must be staged: as it is now.
    Live(&'a Page),
    /// It must be staged: as it was.
    Kept(Box<Page>),
}

impl Cache {
    /// Starts a cut: everything dirty becomes pending.
    pub fn begin_plan(&mut self) -> CutPlan {
        self.begin_cut();
        let mut plan = CutPlan {
            deleted: core::mem::take(&mut self.deleted),
            extents: core::mem::take(&mut self.dirty_extents)
                .into_iter()
                .map(|extent| (extent, Vec::new()))
                .collect(),
            frames: BTreeMap::new(),
        };
        self.leaving = plan.deleted.clone();
        for extent in plan.extents.keys() {
            if let Some(slot) = self.extents.get_mut(extent) {
                slot.pending = true;
            }
        }
        for frame in core::mem::take(&mut self.dirty_frames) {
            let Some(control) = self.frames.get_mut(frame) else { continue };
            control.listed = false;
            control.pending = control.dirty;
            let entry = FramePlan {
                meta: control.meta,
                pending: control.dirty,
                dropped: core::mem::take(&mut control.dropped),
                staged: Vec::new(),
            };
            plan.frames.insert(frame, entry);
        }
        plan
    }

    /// A pending page, as it was at the cut.
    pub fn cut_page(&mut self, frame: u32, page: u8) -> Option<CutPage<'_>> {
        match self.take_pre_image(frame, page) {
            Some(PreImage::Staged(ticket)) => return Some(CutPage::Staged(ticket)),
            Some(PreImage::Page(page)) => return Some(CutPage::Kept(page)),
            None => {}
        }
        let control = self.frame(frame).ok()?;
        match control.staged.get(&page) {
            Some(&ticket) => Some(CutPage::Staged(ticket)),
            None => {
                let handle = control.handle(page);
                handle.is_some().then(|| CutPage::Live(self.slab.get(handle)))
            }
        }
    }

    /// A page of the cut is staged. If it did not change meanwhile, it is clean, and its ticket
    /// belongs to the cut.
    pub fn cut_wrote(&mut self, frame: u32, page: u8, ticket: Ticket) {
        // Changed, or removed, while it was written: what was kept for the cut is not needed.
        if let Some(PreImage::Staged(other)) = self.take_pre_image(frame, page) {
            self.released.extend(Some(other).filter(|other| *other != ticket));
        }
        let Ok(control) = self.control(frame) else { return };
        if !control.pending.has(page) {
            return;
        }
        control.pending.take(page);
        control.owned.add(page);
        // Evicted while it was written, it is staged twice.
        let other = control.staged.insert(page, ticket).filter(|other| *other != ticket);
        let was_dirty = control.dirty.has(page);
        control.dirty.take(page);
        self.dirty_pages -= u64::from(was_dirty);
        self.released.extend(other);
    }

    /// The bytes of a pending extent, or its tickets if it is staged already.
    pub fn cut_extent(&self, extent: u64) -> Option<Result<Arc<[u8]>, Vec<Ticket>>> {
        let kept = self.cut.as_ref().and_then(|cut| cut.extents.get(&extent));
        let slot = self.extents.get(&extent).or(kept)?;
        if !slot.staged.is_empty() {
            return Some(Err(slot.staged.clone()));
        }
        slot.bytes.clone().map(Ok)
    }

    /// A pending extent is staged.
    pub fn cut_wrote_extent(&mut self, extent: u64, tickets: &[Ticket]) {
        let others = if let Some(slot) = self.extents.get_mut(&extent) {
            slot.pending = false;
            slot.dirty = false;
            slot.owned = true;
            core::mem::replace(&mut slot.staged, tickets.into())
        } else if let Some(slot) = self.cut.as_mut().and_then(|cut| cut.extents.remove(&extent)) {
            // Removed since the cut.
            self.used -= slot.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
            slot.staged
        } else {
            Vec::new()
        };
        if others != tickets {
            // Evicted while it was written, it is staged twice.
            self.released.extend(others);
        }
    }

    /// The cut is published: what it staged is read by name from now on.
    pub fn end_plan(&mut self, plan: &CutPlan) {
        for (&frame, entry) in &plan.frames {
            let Ok(control) = self.control(frame) else { continue };
            for at in &entry.staged {
                let page = at.page as u8;
                if control.owned.has(page) && control.staged.get(&page) == Some(&at.ticket) {
                    control.owned.take(page);
                    control.staged.remove(&page);
                }
            }
        }
        for extent in plan.extents.keys() {
            let Some(slot) = self.extents.get_mut(extent) else { continue };
            if slot.owned {
                slot.owned = false;
                slot.staged.clear();
            }
            if slot.bytes.is_none() && !slot.dirty {
                self.extents.remove(extent);
            }
        }
        self.end_cut();
        self.leaving.clear();
        for &frame in plan.frames.keys() {
            self.retire(frame);
        }
    }

    /// Whether a published blob is on its way out.
    pub fn is_deleted(&self, blob: BlobId) -> bool {
        self.deleted.contains(&blob)
    }

    /// Whether a blob was removed, which the store has until that is published.
    pub(super) fn is_leaving(&self, blob: BlobId) -> bool {
        self.deleted.contains(&blob) || self.leaving.contains(&blob)
    }

    /// Whether there is anything that a checkpoint would publish.
    pub fn is_dirty(&self) -> bool {
        !self.dirty_frames.is_empty() || !self.dirty_extents.is_empty() || !self.deleted.is_empty()
    }
}
