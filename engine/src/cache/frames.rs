//! Control blocks: one for each frame that has pages in memory or changes to write.

use alloc::collections::BTreeMap;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

use super::Cache;
use super::accelerator::GUESSES_COST;
use super::filter::Filters;
use super::slab::Handle;
use crate::art::head::HeadView;
use crate::frame::{FrameMeta, PageSet};
use crate::ids::{BlobId, Ticket, TreeId};
use crate::limits::{MAX_ANCHORS, PAGE_BYTES};
use crate::node::{Miss, Page};
use crate::seeded::{self, Bug};

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

const WORD: usize = u32::BITS as usize;

/// [`Referenced`] for each page of a frame.
#[derive(Debug, Default)]
struct Uses([AtomicU32; (MAX_ANCHORS + 1) / WORD]);

impl Uses {
    #[inline]
    fn touch(&self, page: u8) {
        let (word, bit) = (&self.0[usize::from(page) / WORD], 1 << (usize::from(page) % WORD));
        if word.load(Ordering::Relaxed) & bit == 0 {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    fn take(&mut self, page: u8) -> bool {
        let word = self.0[usize::from(page) / WORD].get_mut();
        let bit = 1 << (usize::from(page) % WORD);
        let used = *word & bit != 0;
        *word &= !bit;
        used
    }
}

/// Memory that a page counts for.
pub(super) const PAGE_COST: u64 = PAGE_BYTES as u64 + GUESSES_COST;

/// The control block of a frame.
pub struct Frame {
    /// Where its pages are in memory, page 0 first.
    handles: [Handle; MAX_ANCHORS + 1],
    uses: Uses,
    /// What the manifest keeps of it.
    pub meta: FrameMeta,
    /// Pages in memory.
    pub resident: PageSet,
    /// Pages that differ from the published state.
    pub dirty: PageSet,
    /// Pages that the running cut still has to write.
    pub pending: PageSet,
    /// Pages whose staged place belongs to the running cut.
    pub owned: PageSet,
    /// Pages that stopped to exist since the last cut.
    pub dropped: PageSet,
    /// Where the newest content of a page was staged, if it was and is not published.
    pub staged: BTreeMap<u8, Ticket>,
    /// What is known of leaf pages that left memory; empty until one does.
    pub(super) filters: Filters,
    /// Whether the next cut publishes something of it.
    pub listed: bool,
    /// Times that a lookup missed a page.
    pub(super) asked: u8,
    /// Records that changes beside others added, less those they removed, which `meta` does not
    /// count yet.
    pub(super) added: AtomicI32,
}

/// Memory that one control block counts for: the same wherever the engine runs, so that the same
/// operations evict the same pages and leave the same bytes on the device.
pub(super) const FRAME_COST: u64 = 704;

const _: () = assert!(size_of::<Frame>() as u64 <= FRAME_COST);

impl Frame {
    fn new(meta: FrameMeta) -> Self {
        Self {
            handles: [Handle::NONE; MAX_ANCHORS + 1],
            uses: Uses::default(),
            meta,
            resident: PageSet::default(),
            dirty: PageSet::default(),
            pending: PageSet::default(),
            owned: PageSet::default(),
            dropped: PageSet::default(),
            staged: BTreeMap::new(),
            filters: Filters::default(),
            listed: false,
            asked: 0,
            added: AtomicI32::new(0),
        }
    }

    /// Live records.
    pub fn live(&self) -> u32 {
        self.meta.live.saturating_add_signed(self.added.load(Ordering::Relaxed))
    }

    #[inline]
    pub(super) fn handle(&self, page: u8) -> Handle {
        self.handles.get(usize::from(page)).copied().unwrap_or(Handle::NONE)
    }

    pub(super) fn take_use(&mut self, page: u8) -> bool {
        self.uses.take(page)
    }

    /// Whether the manifest says all there is to know about it.
    pub(super) fn is_idle(&self) -> bool {
        self.resident.is_empty() && !self.listed && self.staged.is_empty()
    }
}

/// A loaded frame, for lookups.
#[derive(Clone, Copy)]
pub struct FrameView<'a> {
    cache: &'a Cache,
    frame: &'a Frame,
    number: u32,
}

impl<'a> FrameView<'a> {
    /// Whether it holds records of this tree.
    #[inline]
    pub fn is_leaf_of(self, tree: TreeId) -> bool {
        self.frame.meta.level == 0 && self.frame.meta.tree == tree
    }

    /// A page for reading.
    #[inline]
    pub fn page(self, page: u8) -> Result<&'a Page, Miss> {
        let handle = self.frame.handle(page);
        if !handle.is_some() {
            return Err(Miss::Page { frame: self.number, page });
        }
        self.frame.uses.touch(page);
        Ok(self.cache.slab.get(handle))
    }
}

impl Cache {
    /// A frame's pages, for several lookups.
    #[inline]
    pub fn view(&self, number: u32) -> Result<FrameView<'_>, Miss> {
        Ok(FrameView { cache: self, frame: self.frame(number)?, number })
    }

    pub(super) fn put_frame(&mut self, number: u32, meta: FrameMeta) {
        self.take_frame(number);
        self.frames.set(number, Frame::new(meta));
        self.used += FRAME_COST;
    }

    fn take_frame(&mut self, number: u32) {
        let Some(frame) = self.frames.get(number) else { return };
        let filters = frame.filters_cost();
        self.frames.remove(number);
        self.filters -= filters;
        self.used -= FRAME_COST + filters;
    }

    /// A new frame without pages.
    pub fn create_frame(&mut self, tree: TreeId, level: u8) -> u32 {
        let number = self.next_frame;
        self.next_frame += 1;
        let meta = FrameMeta { tree, level, lsn: self.lsn, ..FrameMeta::default() };
        self.put_frame(number, meta);
        self.list(number);
        number
    }

    /// Notes that the next cut has something to publish of a frame.
    fn list(&mut self, number: u32) {
        if let Some(frame) = self.frames.get_mut(number)
            && !frame.listed
        {
            frame.listed = true;
            self.dirty_frames.push(number);
        }
    }

    /// The control block of a frame that is loaded.
    #[inline]
    pub fn frame(&self, frame: u32) -> Result<&Frame, Miss> {
        self.frames.get(frame).ok_or(Miss::Page { frame, page: 0 })
    }

    pub(super) fn control(&mut self, frame: u32) -> Result<&mut Frame, Miss> {
        self.frames.get_mut(frame).ok_or(Miss::Page { frame, page: 0 })
    }

    /// The control block of a frame that is loaded, to change its metadata.
    pub fn frame_mut(&mut self, frame: u32) -> Result<&mut Frame, Miss> {
        self.list(frame);
        self.control(frame)
    }

    /// Gets a page ready to change: keeps what a cut needs, gives back what nobody does, stamps
    /// the frame.
    pub(super) fn before_change(&mut self, frame: u32, page: u8) -> Result<(), Miss> {
        if self.control(frame)?.pending.has(page) {
            self.keep_pre_image(frame, page)?;
        }
        if self.keeps_frame(frame) && !seeded::is(Bug::SnapshotIgnoresChange) {
            self.keep_past(frame, page);
        }
        let lsn = self.lsn;
        let control = self.frame_mut(frame)?;
        control.meta.lsn = lsn;
        let owned = control.owned.has(page);
        control.owned.take(page);
        let staged = match control.staged.is_empty() {
            true => None,
            false => control.staged.remove(&page),
        };
        let clean = !control.dirty.has(page);
        control.dirty.add(page);
        self.released.extend(staged.filter(|_| !owned || seeded::is(Bug::ReuseWithReaders)));
        self.dirty_pages += u64::from(clean);
        Ok(())
    }

    /// Puts a page that is not there into memory.
    pub(super) fn admit(&mut self, frame: u32, number: u8, page: &Page) -> Result<(), Miss> {
        let handle = self.slab.put(page);
        let Ok(control) = self.control(frame) else {
            self.slab.give(handle);
            return Err(Miss::Page { frame, page: number });
        };
        control.handles[usize::from(number)] = handle;
        control.resident.add(number);
        control.uses.touch(number);
        self.fetching.forget(frame, number);
        self.accelerator.came(handle, frame, number);
        self.used += PAGE_COST;
        self.ring.push((frame, number));
        Ok(())
    }

    /// Takes a page out of memory; its place in the ring stays until the hand finds it gone.
    pub(super) fn expel(&mut self, frame: u32, page: u8) {
        let Ok(control) = self.control(frame) else { return };
        let handle = control.handle(page);
        if handle.is_some() {
            control.handles[usize::from(page)] = Handle::NONE;
            control.resident.take(page);
            self.slab.give(handle);
            self.accelerator.left(handle);
            self.used -= PAGE_COST;
        }
    }

    /// Gives a control block back that says nothing any more. While a cut runs, the manifest
    /// may be behind it.
    pub(super) fn retire(&mut self, frame: u32) {
        if self.cut.is_none() && self.frame(frame).is_ok_and(Frame::is_idle) {
            self.take_frame(frame);
        }
    }

    /// Removes a page from its frame.
    pub fn drop_page(&mut self, frame: u32, page: u8) -> Result<(), Miss> {
        self.before_change(frame, page)?;
        self.fetching.forget(frame, page);
        self.expel(frame, page);
        let control = self.control(frame)?;
        control.dirty.take(page);
        control.dropped.add(page);
        self.dirty_pages -= 1;
        Ok(())
    }

    /// Removes a frame and all its pages. If a snapshot may need them they must be in memory: a
    /// miss has changed nothing.
    pub fn drop_frame(&mut self, frame: u32) -> Result<(), Miss> {
        if self.keeps_frame(frame) {
            let used = HeadView(self.page(frame, 0)?).used();
            for page in used.iter() {
                self.page(frame, page)?;
            }
        }
        for page in 0..self.geometry.pages() {
            self.drop_page(frame, page as u8)?;
        }
        self.take_frame(frame);
        self.deleted.insert(BlobId::frame(frame));
        Ok(())
    }

    /// Removes a published blob that nothing leads to.
    pub fn drop_orphan(&mut self, blob: BlobId) {
        if let Ok(frame) = u32::try_from(blob.0) {
            // A check may have loaded pages of it; none of them was changed.
            for page in 0..self.geometry.pages() {
                self.expel(frame, page as u8);
            }
            self.take_frame(frame);
        }
        self.deleted.insert(blob);
    }
}
