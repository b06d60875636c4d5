//! Reading a page without having the cache meanwhile.
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

use super::Cache;
use super::load::check_page;
use crate::device::BlobStore;
use crate::error::Result;
use crate::ids::{BlobId, Ticket};
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

/// A page on its way in.
pub struct Fetch {
    blobs: Arc<dyn BlobStore>,
    frame: u32,
    page: u8,
    staged: Option<Ticket>,
    number: u64,
}

impl Fetch {
    /// Reads the page; `None` if that fails, for whatever reason.
    pub fn read(&self) -> Option<Box<Page>> {
        let mut page = Box::new(Page::blank());
        let read = match self.staged {
            Some(ticket) => self.blobs.read_staged(ticket, page.bytes_mut()),
            None => {
                let blob = BlobId::frame(self.frame);
                self.blobs.read(blob, u32::from(self.page), page.bytes_mut())
            }
        };
        read.ok().map(|()| page)
    }
}

impl Cache {
    /// Begins to read a page; `None` if it is in memory by now.
    ///
    /// # Errors
    /// Those of [`Cache::load`], as far as they show without reading.
    pub fn begin_fetch(&mut self, frame: u32, page: u8) -> Result<Option<Fetch>> {
        self.meet_frame(frame, page)?;
        let Ok(control) = self.frame(frame) else { return Ok(None) };
        if control.resident.has(page) {
            return Ok(None);
        }
        let staged = control.staged.get(&page).copied();
        let number = self.fetching.begin(frame, page);
        Ok(Some(Fetch { blobs: Arc::clone(&self.blobs), frame, page, staged, number }))
    }

    /// Takes in what was read; `false` if it is of no use.
    pub fn end_fetch(&mut self, fetch: &Fetch, read: Option<&Page>) -> bool {
        let Fetch { frame, page, number, .. } = *fetch;
        if self.fetching.pages.get(&(frame, page)) != Some(&number) {
            return self.page(frame, page).is_ok();
        }
        self.fetching.forget(frame, page);
        let sound = read.filter(|read| {
            read.has_kind() && check_page(read, frame, page, self.geometry.pages()).is_ok()
        });
        let taken = sound.is_some_and(|read| self.admit(frame, page, read).is_ok());
        match taken {
            true => self.counters.misses += 1,
            false => self.retire(frame),
        }
        taken
    }
}
