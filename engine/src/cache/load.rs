//! Reading what a lookup missed.

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Cache;
use super::fetch::published_of;
use crate::art::head;
use crate::device::PageBuffer;
use crate::error::{Corruption, CorruptionClass, Error, Result};
use crate::frame::FrameMeta;
use crate::ids::BlobId;
use crate::limits::{MAX_EXTENT_BYTES, MAX_FRAMES, PAGE_BYTES};
use crate::node::{Miss, Page, PageKind, verify};

impl Cache {
    /// Brings what was missed into memory.
    ///
    /// # Errors
    /// Device failures, and `Corrupt` if the store has no such page or it is not sound.
    pub fn load(&mut self, miss: Miss) -> Result<()> {
        match miss {
            Miss::Page { frame, page } => self.load_page(frame, page),
            Miss::Extent { extent, len } => self.load_extent(extent, len),
            Miss::PastPage { frame, page, epoch } => self.load_past_page(frame, page, epoch),
            Miss::PastExtent { extent } => self.load_past_extent(extent),
            Miss::NoTree | Miss::Broken { .. } => hopeless(miss).map_or(Ok(()), Err),
        }
    }

    /// Gets the control block of a frame ready, of which `page` is wanted.
    pub(super) fn meet_frame(&mut self, frame: u32, page: u8) -> Result<()> {
        let blob = BlobId::frame(frame);
        let damage = |class, why: &str| {
            Err(Error::from(Corruption::page(class, blob, u64::from(page), why)))
        };
        if frame >= self.next_frame.min(MAX_FRAMES) || usize::from(page) >= self.geometry.pages() {
            return damage(CorruptionClass::Reachability, "reference to a page that cannot be");
        }
        if self.frame(frame).is_err() {
            // Who asks may have been led there before it was removed. The store has it still.
            if self.is_leaving(blob) {
                return damage(CorruptionClass::Reachability, "reference to a removed frame");
            }
            let Some(entry) = self.blobs.entry(blob)? else {
                return damage(CorruptionClass::Reachability, "reference to a missing frame");
            };
            let Some(meta) = FrameMeta::decode(&entry.meta) else {
                return damage(CorruptionClass::Manifest, "frame metadata cannot be read");
            };
            self.put_frame(frame, meta);
        }
        Ok(())
    }

    fn load_page(&mut self, frame: u32, page: u8) -> Result<()> {
        let blob = BlobId::frame(frame);
        let damage = |class, why: &str| {
            Err(Error::from(Corruption::page(class, blob, u64::from(page), why)))
        };
        self.meet_frame(frame, page)?;
        let blobs = Arc::clone(&self.blobs);
        let Ok(control) = self.control(frame) else {
            return damage(CorruptionClass::Reachability, "reference to a page that cannot be");
        };
        if control.resident.has(page) {
            return Ok(());
        }
        let mut loaded = Box::new(Page::blank());
        let staged = match control.staged.get(&page) {
            Some(&ticket) => {
                let read = blobs.read_staged(ticket, loaded.bytes_mut());
                still_staged(read, control.owned.has(page))?
            }
            None => false,
        };
        if !staged {
            match blobs.read(blob, u32::from(page), loaded.bytes_mut()) {
                Err(Error::NotFound) => {
                    return damage(CorruptionClass::Reachability, "reference to a missing page");
                }
                other => other?,
            }
        }
        check_page(&loaded, frame, page, self.geometry.pages())?;
        self.admit(frame, page, &loaded).map_err(|_| Error::NotFound)?;
        self.counters.misses += 1;
        Ok(())
    }

    /// Brings the first of `pages` into memory, and as many of the others as can be read with it
    /// by one call.
    ///
    /// # Errors
    /// Those of [`Cache::load`] for the first page alone.
    pub fn load_ahead(&mut self, frame: u32, pages: &[u8]) -> Result<()> {
        let Some(&first) = pages.first() else { return Ok(()) };
        let mut wanted = match self.frame(frame) {
            Ok(control) => published_of(control, pages),
            Err(_) => Vec::new(),
        };
        wanted.sort_unstable();
        if wanted.len() > 1 {
            self.load_together(frame, &wanted);
        }
        // What is wrong with the first one, if something is, shows now.
        self.load_page(frame, first)
    }

    /// Brings published pages in as far as that works.
    fn load_together(&mut self, frame: u32, pages: &[u8]) {
        let numbers: Vec<u32> = pages.iter().map(|&page| u32::from(page)).collect();
        let mut read = PageBuffer::new(pages.len());
        if self.blobs.read_scattered(BlobId::frame(frame), &numbers, &mut read).is_err() {
            return;
        }
        let mut page = Box::new(Page::blank());
        for (&number, bytes) in pages.iter().zip(read.chunks_exact(PAGE_BYTES)) {
            page.bytes_mut().copy_from_slice(bytes);
            self.take_in_read(frame, number, &page);
        }
    }

    fn load_extent(&mut self, extent: u64, len: u32) -> Result<()> {
        let blob = BlobId::extent(extent);
        let missing = |why: &str| {
            Err(Error::from(Corruption::page(CorruptionClass::Reachability, blob, 0, why)))
        };
        if len as usize > MAX_EXTENT_BYTES || len == 0 {
            return missing("reference to an extent of impossible length");
        }
        let mut buffer = alloc::vec![0; (len as usize).next_multiple_of(PAGE_BYTES)];
        let known = self.extents.get(&extent);
        if known.is_some_and(|slot| slot.len != len) {
            return missing("reference to an extent with another length");
        }
        // Another reader that missed it may have been quicker.
        if known.is_some_and(|slot| slot.bytes.is_some()) {
            return Ok(());
        }
        let staged = match known.filter(|slot| !slot.staged.is_empty()) {
            Some(slot) => {
                let mut pages = slot.staged.iter().zip(buffer.chunks_mut(PAGE_BYTES));
                let read = pages.try_for_each(|(at, page)| self.blobs.read_staged(*at, page));
                still_staged(read, slot.owned)?
            }
            None => false,
        };
        if !staged {
            match self.blobs.read(blob, 0, &mut buffer) {
                Err(Error::NotFound) => return missing("reference to a missing extent"),
                other => other?,
            }
        }
        buffer.truncate(len as usize);
        let slot = self.extents.entry(extent).or_default();
        slot.len = len;
        slot.bytes = Some(buffer.into());
        slot.referenced.touch();
        self.used += u64::from(len);
        self.counters.misses += 1;
        Ok(())
    }
}

/// The error that a miss is for good, if nothing that could be loaded would help.
pub fn hopeless(miss: Miss) -> Option<Error> {
    match miss {
        Miss::NoTree => Some(Error::TreeDropped),
        Miss::Broken { frame, why } => {
            let blob = BlobId::frame(frame);
            Some(Corruption::page(CorruptionClass::Fence, blob, 0, why).into())
        }
        _ => None,
    }
}

/// Whether what a ticket names could be read. One that belongs to the running cut may be
/// published just now, by a thread that waits for the store without the engine's lock: then
/// the blob has it.
fn still_staged(read: Result<()>, owned: bool) -> Result<bool> {
    match read {
        Err(Error::InvalidArgument { .. }) if owned => Ok(false),
        read => read.map(|()| true),
    }
}

/// Checks that a page read for a place is a sound page of that place.
pub fn check_page(page: &Page, frame: u32, number: u8, frame_pages: usize) -> Result<()> {
    let blob = BlobId::frame(frame);
    let damage =
        |class, why: &str| Err(Corruption::page(class, blob, u64::from(number), why).into());
    if !page.has_kind() {
        return damage(CorruptionClass::PageLayout, "unknown kind of page");
    }
    if page.frame() != frame || page.number() != u16::from(number) {
        let why = format!("page says it is page {} of frame {}", page.number(), page.frame());
        return damage(CorruptionClass::Identity, &why);
    }
    let expected = match (number, page.level()) {
        (0, _) => PageKind::Head,
        (_, 0) => PageKind::Leaf,
        _ => PageKind::Branch,
    };
    if page.kind() != expected {
        return damage(CorruptionClass::Identity, "page is of another kind than its place");
    }
    let checked = match expected {
        PageKind::Head => head::layout(page, frame_pages),
        _ => verify::layout(page).and_then(|()| verify::order(page)),
    };
    match checked {
        Err((class, why)) => damage(class, why),
        Ok(()) => Ok(()),
    }
}
