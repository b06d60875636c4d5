//! What comes in beside a page that a lookup misses.
//!
//! Owns: how many pages, and which. A device takes about as long for one page as for a dozen that
//! lie together. So once a good part of a frame was asked for page by page, the rest of it costs
//! about half of what was paid already: it comes in, as far as it lies together (the rule of
//! renting skis). A lookup in a large store reads one page, and where a store is used as a whole it
//! is soon there as a whole. Never does: drive anything out of memory, or cost a lookup a second
//! read.

use alloc::vec::Vec;

use super::Cache;
use super::fetch::published_of;
use super::frames::{Frame, PAGE_COST};
use crate::art::head::HeadView;
use crate::ids::BlobId;
use crate::limits::{READ_AROUND_SHARE, SMALL_STORE_BYTES};

impl Cache {
    /// The pages of a frame to read for one that is missed, that one among them, ascending.
    pub(super) fn around(&mut self, frame: u32, page: u8) -> Vec<u8> {
        if page != 0
            && let Ok(control) = self.control(frame)
        {
            control.asked = control.asked.saturating_add(1);
        }
        self.neighbours(frame, page).unwrap_or_else(|| [page].into())
    }

    fn neighbours(&mut self, frame: u32, page: u8) -> Option<Vec<u8>> {
        let most = self.most_around(frame);
        if most < 2 {
            return None;
        }
        let absent = self.absent(frame).filter(|absent| absent.contains(&page))?;
        let others: Vec<u32> = absent.iter().map(|&page| u32::from(page)).collect();
        let near = self.blobs.near(BlobId::frame(frame), u32::from(page), &others, most).ok()?;
        // Whatever the store answers: pages that are not there, and that one.
        let is_near = |other: &u8| *other == page || near.contains(&u32::from(*other));
        Some(absent.into_iter().filter(is_near).collect())
    }

    /// How many pages to read.
    fn most_around(&self, frame: u32) -> usize {
        let room = self.budget.saturating_sub(self.used) / 2;
        let pages = usize::try_from(room / PAGE_COST).unwrap_or(usize::MAX);
        let frames = u64::from(self.next_frame) * u64::from(self.geometry.frame_bytes());
        let whole = frames <= SMALL_STORE_BYTES.min(room) || self.is_sought(frame);
        if whole { self.geometry.pages().min(pages) } else { 1 }
    }

    /// Whether so much of a frame was asked for that the rest is worth a read.
    fn is_sought(&self, frame: u32) -> bool {
        let (Ok(control), Ok(head)) = (self.frame(frame), self.page(frame, 0)) else {
            return false;
        };
        usize::from(control.asked) * READ_AROUND_SHARE > HeadView(head).pages().len()
    }

    /// All pages of a frame that is as it was published, and of which nothing is in memory.
    pub fn all_pages(&mut self, frame: u32) -> Option<Vec<u8>> {
        self.meet_frame(frame, 0).ok()?;
        // Else the store's list may be of pages that were.
        let idle = self.cut.is_none() && self.frame(frame).is_ok_and(Frame::is_idle);
        if !idle {
            return None;
        }
        let pages = self.blobs.entry(BlobId::frame(frame)).ok()??.pages;
        let of_frame = |page| {
            u8::try_from(page).ok().filter(|&page| usize::from(page) < self.geometry.pages())
        };
        let pages: Option<Vec<u8>> = pages.into_iter().map(of_frame).collect();
        pages.filter(|pages| pages.first() == Some(&0))
    }

    /// Whether a frame has a page, as its page 0 says.
    pub(super) fn lists(&self, frame: u32, page: u8) -> bool {
        let head = self.page(frame, 0);
        page == 0 || head.is_ok_and(|head| HeadView(head).pages().contains(&page))
    }

    /// Published pages of a frame that are not in memory, ascending.
    fn absent(&mut self, frame: u32) -> Option<Vec<u8>> {
        let mut pages = match self.page(frame, 0) {
            Ok(head) => published_of(self.frame(frame).ok()?, HeadView(head).pages()),
            Err(_) => self.all_pages(frame)?,
        };
        pages.sort_unstable();
        Some(pages)
    }
}
