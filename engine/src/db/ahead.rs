//! Reading ahead: which pages a lookup that goes from page to page will miss next.
//!
//! Owns: the guess. Never does: read. A walk that misses a page beside the one it missed before
//! is taken for a scan, and each further miss brings in a few times as many pages as the last, as
//! systems do for files that are read from the front; in the end it brings in whole frames, page 0
//! with the others. A lookup of one record reads one page, and a scan waits for the device a few
//! times and not for every page.

use alloc::vec::Vec;

use crate::art::head::HeadView;
use crate::cache::Cache;
use crate::limits::{PAGE_BYTES, READ_AHEAD_PAGES, READ_AHEAD_SHARE};
use crate::node::Miss;

/// How many times as many pages the next miss of a walk brings in.
const GROWTH: usize = 4;

/// A walk that brought in so many pages at a time is taken to go on over the end of its frame.
const WALK_PAGES: usize = GROWTH * GROWTH;

#[derive(Clone, Copy)]
struct Last {
    frame: u32,
    ordinal: usize,
    /// Pages of the frame.
    of: usize,
    /// Pages that came in with it.
    count: usize,
}

/// The misses so far, of a lookup or of the lookups of a walk.
#[derive(Default)]
pub struct Ahead {
    /// The last one.
    last: Option<Last>,
    begun: bool,
}

impl Ahead {
    /// To be called when a lookup begins.
    pub fn begin(&mut self) {
        self.begun = false;
    }

    /// Whether this is the first one of the lookup; to be asked once for each.
    pub fn is_first(&mut self) -> bool {
        !core::mem::replace(&mut self.begun, true)
    }

    /// The frame and the pages of it to bring in for a miss, that which was missed first.
    pub fn pages(&mut self, cache: &mut Cache, miss: Miss) -> Option<(u32, Vec<u8>)> {
        let Miss::Page { frame, page } = miss else { return None };
        // As much as may stay while others come in.
        let most = cache.budget() / (READ_AHEAD_SHARE * PAGE_BYTES as u64);
        let most = READ_AHEAD_PAGES.min(most.max(1) as usize);
        if page == 0 && self.goes_on() {
            let whole = cache.all_pages(frame).filter(|pages| pages.len() <= most)?;
            let count = whole.len();
            self.last = Some(Last { frame, ordinal: 0, of: count, count });
            return Some((frame, whole));
        }
        // Above the leaves a walk meets one page on its way down, and then another frame.
        let head = cache.page(frame, 0).ok().filter(|head| head.level() == 0)?;
        let pages = HeadView(head).pages();
        let ordinal = pages.iter().position(|&number| number == page)?;
        let (count, back) = self.guess(frame, ordinal, pages.len());
        let count = count.min(most);
        self.last = Some(Last { frame, ordinal, of: pages.len(), count });
        let wanted = match back {
            false => pages[ordinal..].iter().copied().take(count).collect(),
            true => pages[..=ordinal].iter().rev().copied().take(count).collect(),
        };
        Some((frame, wanted))
    }

    /// Whether a walk that was through with a frame will read most of the next one.
    fn goes_on(&self) -> bool {
        let through =
            |last: Last| last.ordinal + last.count >= last.of || last.ordinal < last.count;
        self.last.is_some_and(|last| last.count >= WALK_PAGES && through(last))
    }

    /// How many pages to bring in, and whether they are those before.
    fn guess(&self, frame: u32, ordinal: usize, pages: usize) -> (usize, bool) {
        let Some(Last { frame: last_frame, ordinal: last, of, count }) = self.last else {
            return (1, false);
        };
        let (on, back) = match last_frame == frame {
            true => (
                ordinal > last && ordinal <= last + count,
                ordinal < last && ordinal + count >= last,
            ),
            // The next frame is met where a walk over the end of the last one goes on.
            false => (ordinal == 0 && last + count >= of, ordinal + 1 == pages && last < count),
        };
        (if on || back { count * GROWTH } else { 1 }, back)
    }
}
