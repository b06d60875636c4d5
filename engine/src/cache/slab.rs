//! Memory for pages: chunks that never move, handed out page by page.
//!
//! Owns: which page of which chunk is free. Never does: know what a page holds, or give memory
//! back before the cache is closed; what one page leaves the next one takes.
//! Pages lie beside each other in large chunks, so that few entries of the processor's address
//! translation cover many of them.

#![allow(unsafe_code)]

use alloc::vec::Vec;
use core::cell::UnsafeCell;

use crate::limits::{PAGE_BYTES, SLAB_CHUNK_PAGES};
use crate::node::Page;

/// A page of the slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle(u32);

impl Handle {
    /// No page.
    pub const NONE: Self = Self(u32::MAX);

    /// Whether this is a page.
    #[inline]
    pub fn is_some(self) -> bool {
        self != Self::NONE
    }

    /// Its number; those of pages given back are used again.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A page that [`Slab::change`] can change behind a shared reference.
struct PageCell(UnsafeCell<Page>);

// SAFETY: as if it were a `Page`, but for `Slab::change`, whose callers promise what a lock would.
unsafe impl Sync for PageCell {}

/// All pages in memory.
#[derive(Default)]
pub struct Slab {
    /// Each has room for [`SLAB_CHUNK_PAGES`] from the start, so a page never moves.
    chunks: Vec<Vec<PageCell>>,
    free: Vec<Handle>,
    hint: Option<fn(usize, usize)>,
}

impl Slab {
    /// Sets what is told of each new chunk's address and length.
    pub fn set_hint(&mut self, hint: Option<fn(usize, usize)>) {
        self.hint = hint;
    }

    /// A page with the content of `page`.
    pub fn put(&mut self, page: &Page) -> Handle {
        if let Some(handle) = self.free.pop() {
            self.get_mut(handle).bytes_mut().copy_from_slice(page.bytes());
            return handle;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == SLAB_CHUNK_PAGES) {
            let chunk: Vec<PageCell> = Vec::with_capacity(SLAB_CHUNK_PAGES);
            if let Some(hint) = self.hint {
                hint(chunk.as_ptr().addr(), SLAB_CHUNK_PAGES * PAGE_BYTES);
            }
            self.chunks.push(chunk);
        }
        let before = (self.chunks.len() - 1) * SLAB_CHUNK_PAGES;
        let chunk = &mut self.chunks[before / SLAB_CHUNK_PAGES];
        chunk.push(PageCell(UnsafeCell::new(page.clone())));
        Handle((before + chunk.len() - 1) as u32)
    }

    /// Gives a page back.
    pub fn give(&mut self, handle: Handle) {
        debug_assert!(handle.is_some());
        self.free.push(handle);
    }

    /// The page of `handle`.
    #[inline]
    pub fn get(&self, handle: Handle) -> &Page {
        // SAFETY: nobody changes the page as long as this is borrowed: not by `get_mut`, which
        // needs the slab alone, and not by `change`, as its callers promise.
        unsafe { &*self.cell(handle).0.get() }
    }

    #[inline]
    fn cell(&self, handle: Handle) -> &PageCell {
        let at = handle.0 as usize;
        &self.chunks[at / SLAB_CHUNK_PAGES][at % SLAB_CHUNK_PAGES]
    }

    /// The page of `handle`, to change while others look at other pages.
    ///
    /// # Safety
    /// As long as what this returns is in use, nobody else may have the page, nor get it.
    #[allow(clippy::mut_from_ref, reason = "the caller has the page alone")]
    pub unsafe fn change(&self, handle: Handle) -> &mut Page {
        // SAFETY: the caller has the page alone.
        unsafe { &mut *self.cell(handle).0.get() }
    }

    /// The page of `handle`, to change.
    #[inline]
    pub fn get_mut(&mut self, handle: Handle) -> &mut Page {
        let at = handle.0 as usize;
        self.chunks[at / SLAB_CHUNK_PAGES][at % SLAB_CHUNK_PAGES].0.get_mut()
    }
}
