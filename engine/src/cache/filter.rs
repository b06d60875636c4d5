//! What is known of the records of a page that left memory.
//!
//! Owns: a filter for each such page: which of the 256 fingerprints its records have. Never does:
//! say of a record that it is there. A key whose fingerprint is not among them is not on the page,
//! and to know that the page need not be read.
//!
//! A filter takes 32 bytes where the page took 4096, and of the keys asked for in vain it lets
//! through those that share a fingerprint with one of the page's records: with 30 records on a
//! page about one in nine.

use alloc::boxed::Box;

use super::Cache;
use super::frames::Frame;
use crate::art::head::HeadView;
use crate::limits::FILTERS_SHARE;
use crate::node::record::is_long;
use crate::node::{Page, Query, search};

/// The filters of a frame, by page.
pub(super) type Filters = Box<[Filter]>;

/// Memory that a filter counts for.
pub(super) const FILTER_COST: u64 = 40;

const _: () = assert!(size_of::<Filter>() as u64 <= FILTER_COST);

/// The fingerprints of a page.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Filter {
    seen: [u64; 4],
    /// Bytes that the page strips from its keys after the frame.
    prefix_len: u16,
    /// Whether the page was ever in memory.
    is_known: bool,
}

impl Filter {
    fn of(page: &Page) -> Self {
        let mut seen = [0; 4];
        for &print in page.fingerprints() {
            seen[usize::from(print >> 6)] |= 1 << (print & 63);
        }
        Self { seen, prefix_len: page.prefix_len() as u16, is_known: true }
    }

    fn lacks(&self, query: &Query<'_>) -> bool {
        let at = query.stripped + usize::from(self.prefix_len);
        let Some(suffix) = query.key.get(at..) else { return false };
        let long = is_long(query.key.len()).then_some(query.key.len() as u32);
        let print = search::fingerprint(suffix, long);
        self.is_known && self.seen[usize::from(print >> 6)] & 1 << (print & 63) == 0
    }
}

impl Cache {
    /// Notes what is on a leaf page that is about to leave memory.
    pub(super) fn note_filter(&mut self, frame: u32, page: u8) {
        let Ok(leaving) = self.page(frame, page) else { return };
        if page == 0 || leaving.level() > 0 {
            return;
        }
        let (filter, pages) = (Filter::of(leaving), self.geometry.pages());
        let cost = FILTER_COST * pages as u64;
        // Where the cache is far smaller than the store, pages are worth more.
        let is_room = self.filters + cost <= self.budget / FILTERS_SHARE;
        let Ok(control) = self.control(frame) else { return };
        if control.filters.is_empty() {
            if !is_room {
                return;
            }
            control.filters = alloc::vec![Filter::default(); pages].into();
            (self.used, self.filters) = (self.used + cost, self.filters + cost);
        }
        if let Ok(control) = self.control(frame) {
            control.filters[usize::from(page)] = filter;
        }
    }

    /// Whether a leaf page that is not in memory is known not to have the record of `key`, which
    /// belongs there.
    pub fn lacks(&self, frame: u32, page: u8, key: &[u8]) -> bool {
        let Ok(control) = self.frame(frame) else { return false };
        let Some(filter) = control.filter(page) else { return false };
        let Ok(head) = self.page(frame, 0) else { return false };
        filter.lacks(&Query { key, stripped: HeadView(head).prefix_len() })
    }
}

impl Frame {
    /// Memory that its filters count for.
    pub(super) fn filters_cost(&self) -> u64 {
        FILTER_COST * self.filters.len() as u64
    }

    fn filter(&self, page: u8) -> Option<&Filter> {
        match self.resident.has(page) {
            true => None,
            false => self.filters.get(usize::from(page)),
        }
    }
}
