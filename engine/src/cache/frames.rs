//! Control blocks: one for each frame that was looked at.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use super::Cache;
use crate::frame::{FrameMeta, PageSet};
use crate::ids::{BlobId, Ticket, TreeId};
use crate::limits::PAGE_BYTES;
use crate::node::{Miss, Page};

/// Whether something was used since the clock's hand last passed.
#[derive(Debug, Default)]
pub struct Referenced(AtomicBool);

impl Referenced {
    /// Notes a use; a shared line is written only when that changes it.
    #[inline]
    pub fn touch(&self) {
        if !self.0.load(Ordering::Relaxed) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// Whether there was a use; forgets it.
    pub fn take(&mut self) -> bool {
        core::mem::take(self.0.get_mut())
    }
}

/// One page of a frame: in memory, staged or published.
#[derive(Default)]
pub struct PageSlot {
    /// The page, if it is in memory.
    pub page: Option<Page>,
    /// Where its newest content was staged, if it was and is not published.
    pub staged: Option<Ticket>,
    /// Whether it differs from the published state.
    pub dirty: bool,
    /// Whether the running cut still has to write it.
    pub pending: bool,
    /// Whether `staged` belongs to the running cut.
    pub owned: bool,
    /// For the clock.
    pub referenced: Referenced,
}

/// The control block of a frame.
pub struct Frame {
    /// What the manifest keeps of it.
    pub meta: FrameMeta,
    /// Its pages, page 0 first.
    pub slots: Vec<PageSlot>,
    /// Pages that stopped to exist since the last cut.
    pub dropped: PageSet,
}

impl Cache {
    pub(super) fn put_frame(&mut self, number: u32, meta: FrameMeta) {
        let index = number as usize;
        if self.frames.len() <= index {
            self.frames.resize_with(index + 1, || None);
        }
        let slots = (0..self.geometry.pages()).map(|_| PageSlot::default()).collect();
        self.frames[index] = Some(Box::new(Frame { meta, slots, dropped: PageSet::default() }));
    }

    /// A new frame without pages.
    pub fn create_frame(&mut self, tree: TreeId, level: u8) -> u32 {
        let number = self.next_frame;
        self.next_frame += 1;
        self.put_frame(number, FrameMeta { tree, level, live: 0, lsn: self.lsn });
        self.dirty_frames.insert(number);
        number
    }

    /// Gets a slot ready to change: keeps what a cut needs, gives back what nobody does.
    pub(super) fn before_change(
        &mut self,
        frame: u32,
        page: u8,
        must_exist: bool,
    ) -> Result<(), Miss> {
        let miss = Miss::Page { frame, page };
        let control = self.frames.get_mut(frame as usize).and_then(|frame| frame.as_deref_mut());
        let slot = control.and_then(|frame| frame.slots.get_mut(usize::from(page))).ok_or(miss)?;
        if must_exist && slot.page.is_none() {
            return Err(miss);
        }
        if slot.pending {
            self.keep_pre_image(frame, page)?;
        }
        let slot = self.slot_mut(frame, page)?;
        let (staged, owned) = (slot.staged.take(), core::mem::take(&mut slot.owned));
        let clean = !core::mem::replace(&mut slot.dirty, true);
        self.released.extend(staged.filter(|_| !owned));
        self.dirty_pages += u64::from(clean);
        Ok(())
    }

    pub(super) fn slot_mut(&mut self, frame: u32, page: u8) -> Result<&mut PageSlot, Miss> {
        let control = self.frames.get_mut(frame as usize).and_then(|frame| frame.as_deref_mut());
        let slot = control.and_then(|frame| frame.slots.get_mut(usize::from(page)));
        slot.ok_or(Miss::Page { frame, page })
    }

    /// Removes a page from its frame.
    pub fn drop_page(&mut self, frame: u32, page: u8) -> Result<(), Miss> {
        self.before_change(frame, page, false)?;
        let slot = self.slot_mut(frame, page)?;
        slot.dirty = false;
        let held = slot.page.take().is_some();
        self.dirty_pages -= 1;
        self.used -= u64::from(held) * PAGE_BYTES as u64;
        self.frame_mut(frame)?.dropped.add(page);
        Ok(())
    }

    /// Removes a frame and all its pages.
    pub fn drop_frame(&mut self, frame: u32) -> Result<(), Miss> {
        for page in 0..self.geometry.pages() {
            self.drop_page(frame, page as u8)?;
        }
        self.frames[frame as usize] = None;
        self.dirty_frames.remove(&frame);
        self.deleted.insert(BlobId::frame(frame));
        Ok(())
    }

    /// Frames with a control block.
    pub fn loaded_frames(&self) -> impl Iterator<Item = (u32, &Frame)> {
        (0u32..).zip(&self.frames).filter_map(|(at, frame)| Some((at, frame.as_deref()?)))
    }
}
