//! Reading pages without having the cache meanwhile.
//!
//! Owns: which pages are on their way in, and whether what was read is still what belongs there.
//! Never does: report what is wrong with a page; who then loads it in the usual way finds that.
//!
//! A page changes only in memory. So one that was not there when its reading began, and did not
//! come in since, is as it was, whatever was published, moved or written out in between. The table
//! of pages under way forgets a page as soon as it comes in or stops to exist: what was read of
//! it is worth nothing then.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::load::check_page;
use super::{Cache, Frame};
use crate::device::{BlobStore, PageBuffer};
use crate::error::Result;
use crate::ids::{BlobId, Ticket};
use crate::limits::PAGE_BYTES;
use crate::node::Page;

/// Pages on their way in, each with a number of its own.
#[derive(Default)]
pub(super) struct Fetching {
    pages: BTreeMap<(u32, u8), u64>,
    next: u64,
}

impl Fetching {
    /// Readers of one page share a number.
    fn begin(&mut self, frame: u32, page: u8) -> u64 {
        self.next += 1;
        *self.pages.entry((frame, page)).or_insert(self.next)
    }

    /// The page came in, or is no more.
    pub fn forget(&mut self, frame: u32, page: u8) {
        if !self.pages.is_empty() {
            self.pages.remove(&(frame, page));
        }
    }
}

/// Pages of a frame on their way in.
pub struct Fetch {
    blobs: Arc<dyn BlobStore>,
    frame: u32,
    /// The page that is wanted and others that may be, with the number of each.
    pages: Vec<(u8, u64)>,
    /// Where the wanted one is, if it was staged; then it comes alone.
    staged: Option<Ticket>,
}

impl Fetch {
    /// Reads them; none if that fails, for whatever reason.
    pub fn read(&self) -> PageBuffer {
        let mut bytes = PageBuffer::new(self.pages.len());
        let blob = BlobId::frame(self.frame);
        let numbers: Vec<u32> = self.pages.iter().map(|&(page, _)| u32::from(page)).collect();
        let read = match (self.staged, &numbers[..]) {
            (Some(ticket), _) => self.blobs.read_staged(ticket, &mut bytes),
            (None, &[page]) => self.blobs.read(blob, page, &mut bytes),
            (None, pages) => self.blobs.read_scattered(blob, pages, &mut bytes),
        };
        match read {
            Ok(()) => bytes,
            Err(_) => PageBuffer::default(),
        }
    }
}

impl Cache {
    /// Begins to read pages of a frame, the first of which is wanted; `None` if that one is in
    /// memory by now.
    ///
    /// # Errors
    /// Those of [`Cache::load`], as far as they show without reading.
    pub fn begin_fetch(&mut self, frame: u32, pages: &[u8]) -> Result<Option<Fetch>> {
        let Some(&first) = pages.first() else { return Ok(None) };
        self.meet_frame(frame, first)?;
        let Ok(control) = self.frame(frame) else { return Ok(None) };
        if control.resident.has(first) {
            return Ok(None);
        }
        let staged = control.staged.get(&first).copied();
        let mut wanted = match (staged, pages) {
            (Some(_), _) => alloc::vec![first],
            (None, [page]) => self.around(frame, *page),
            (None, pages) => published_of(control, pages),
        };
        wanted.sort_unstable();
        let number = |&page| (page, self.fetching.begin(frame, page));
        let pages = wanted.iter().map(number).collect();
        Ok(Some(Fetch { blobs: Arc::clone(&self.blobs), frame, pages, staged }))
    }

    /// Takes in what was read; `false` if none of it is of use.
    pub fn end_fetch(&mut self, fetch: &Fetch, read: &[u8]) -> bool {
        let mut taken = false;
        let mut loaded = Box::new(Page::blank());
        let mut bytes = read.chunks_exact(PAGE_BYTES);
        for &(page, number) in &fetch.pages {
            let bytes = bytes.next();
            if self.fetching.pages.get(&(fetch.frame, page)) != Some(&number) {
                taken |= self.page(fetch.frame, page).is_ok();
                continue;
            }
            self.fetching.forget(fetch.frame, page);
            let Some(bytes) = bytes else { continue };
            loaded.bytes_mut().copy_from_slice(bytes);
            taken |= self.take_in_read(fetch.frame, page, &loaded);
        }
        self.retire(fetch.frame);
        taken
    }

    /// Takes a page in that was read for a place, if it is a sound page of that place, and one
    /// that the frame has: where page 0 was not there, it was the store that said what to read.
    pub(super) fn take_in_read(&mut self, frame: u32, number: u8, page: &Page) -> bool {
        let sound = self.lists(frame, number)
            && check_page(page, frame, number, self.geometry.pages()).is_ok();
        let taken = sound && self.admit(frame, number, page).is_ok();
        self.counters.misses += u64::from(taken);
        taken
    }
}

/// Those of `pages` that are not in memory, and that the published state has.
pub(super) fn published_of(control: &Frame, pages: &[u8]) -> Vec<u8> {
    let is_published =
        |page: &u8| !control.resident.has(*page) && !control.staged.contains_key(page);
    pages.iter().copied().filter(is_published).collect()
}
