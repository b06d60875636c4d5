//! Where the records of keys were found: a way to a page that does not lead through the tree.
//!
//! Owns: a table from a hash of a key to pages in memory. Never does: promise anything. What it
//! says is a guess that is checked against the page before it is believed, so nothing in it is
//! taken back when records move or pages leave memory: such guesses turn out wrong, and others
//! take their place.
//!
//! The table has lines of one cache line: twelve tags of one byte, zero for a free place, and
//! the page of each. Tag and page are written one after the other, and two threads may mix
//! theirs: that makes one more wrong guess.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use super::Cache;
use super::slab::Handle;
use crate::codec::hash;
use crate::ids::TreeId;
use crate::node::record::is_long;

/// Guesses of a line.
const WAYS: usize = 12;
/// Tags of a word.
const TAGS: usize = 8;
/// Bytes of a line.
const LINE_BYTES: u64 = 64;

/// With fewer guesses for a page than the first, a table grows to the second.
const GUESSES: (usize, usize) = (30, 36);

/// Memory that each page in the cache counts for on top of its own bytes, so that the same pages
/// stay in memory whether the table is there or not: it comes with the first lookups.
pub(super) const GUESSES_COST: u64 = GUESSES.1 as u64 * LINE_BYTES / WAYS as u64;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// What the table knows a key by.
#[derive(Clone, Copy, Debug)]
pub struct Print(u64);

impl Print {
    /// That of a key; none of one that is not whole on its page.
    #[inline]
    pub fn of(tree: TreeId, key: &[u8]) -> Option<Self> {
        (!is_long(key.len())).then(|| Self(hash::of(u64::from(tree), key)))
    }

    /// Its tag, in every byte.
    #[inline]
    fn tags(self) -> u64 {
        (self.0 & 0xFF).max(1) * ONES
    }

    /// Which of `lines` lines it belongs to.
    #[inline]
    fn line(self, lines: usize) -> usize {
        (((self.0 >> 32) * lines as u64) >> 32) as usize
    }
}

#[derive(Default)]
#[repr(C, align(64))]
struct Line {
    tags: [AtomicU64; 2],
    pages: [AtomicU32; WAYS],
}

const _: () = assert!(size_of::<Line>() as u64 == LINE_BYTES && WAYS <= 2 * TAGS);

/// The places of a line whose tag may be a key's.
#[derive(Clone, Copy)]
pub struct Guesses<'a> {
    cache: &'a Cache,
    line: Option<&'a Line>,
    /// A bit for each, the highest of its tag's byte.
    matches: [u64; 2],
}

impl Iterator for Guesses<'_> {
    /// A frame and a page that is in memory.
    type Item = (u32, u8);

    #[inline]
    fn next(&mut self) -> Option<(u32, u8)> {
        let line = self.line?;
        loop {
            let word = usize::from(self.matches[0] == 0);
            let matches = &mut self.matches[word];
            if *matches == 0 {
                return None;
            }
            let at = word * TAGS + matches.trailing_zeros() as usize / 8;
            *matches &= *matches - 1;
            let page = line.pages.get(at)?.load(Relaxed);
            if let Some(owner) = self.cache.accelerator.owner(page) {
                return Some(owner);
            }
        }
    }
}

/// The table, and whose the pages in memory are.
#[derive(Default)]
pub(super) struct Accelerator {
    lines: Vec<Line>,
    /// By handle: frame and page in one number, or [`NOBODY`].
    owners: Vec<u64>,
    /// Pages in memory.
    pages: usize,
    /// There was no memory for a larger table.
    refused: bool,
}

const NOBODY: u64 = u64::MAX;

impl Accelerator {
    /// A page of a frame has come into memory.
    pub fn came(&mut self, handle: Handle, frame: u32, page: u8) {
        let at = handle.index();
        if self.owners.len() <= at {
            self.owners.resize(at + 1, NOBODY);
        }
        self.owners[at] = u64::from(frame) << 8 | u64::from(page);
        self.pages += 1;
    }

    /// It has left.
    pub fn left(&mut self, handle: Handle) {
        if let Some(owner) = self.owners.get_mut(handle.index()) {
            *owner = NOBODY;
        }
        self.pages -= 1;
    }

    #[inline]
    fn owner(&self, handle: u32) -> Option<(u32, u8)> {
        let owner = *self.owners.get(handle as usize)?;
        (owner != NOBODY).then_some(((owner >> 8) as u32, owner as u8))
    }

    fn is_small(&self) -> bool {
        self.lines.len() * WAYS < self.pages * GUESSES.0 && !self.refused
    }
}

impl Cache {
    /// The pages in memory where the record with this print may be.
    #[inline]
    pub fn guesses(&self, print: Print) -> Guesses<'_> {
        let lines = &self.accelerator.lines;
        let Some(line) = lines.get(print.line(lines.len())) else {
            return Guesses { cache: self, line: None, matches: [0; 2] };
        };
        // Zero bytes of `differing` are matches; a borrow may add a false one above a true one.
        let matches = [0, 1].map(|word| {
            let differing = line.tags[word].load(Relaxed) ^ print.tags();
            differing.wrapping_sub(ONES) & !differing & HIGHS
        });
        Guesses { cache: self, line: Some(line), matches }
    }

    /// Notes that the record with this print is on a page in memory; `true` if the table is too
    /// small for the pages there are, which [`Cache::widen`] mends.
    pub fn remember(&self, print: Print, frame: u32, page: u8) -> bool {
        let Ok(handle) = self.frame(frame).map(|control| control.handle(page)) else {
            return false;
        };
        let lines = &self.accelerator.lines;
        let Some(line) = lines.get(print.line(lines.len())).filter(|_| handle.is_some()) else {
            return self.accelerator.is_small();
        };
        let free = |at: &usize| line.tags[at / TAGS].load(Relaxed) >> (at % TAGS * 8) & 0xFF == 0;
        let at = (0..WAYS).find(free).unwrap_or((print.0 >> 8) as usize % WAYS);
        let (tags, shift) = (&line.tags[at / TAGS], at % TAGS * 8);
        line.pages[at].store(handle.index() as u32, Relaxed);
        let others = tags.load(Relaxed) & !(0xFF << shift);
        tags.store(others | (print.tags() & 0xFF) << shift, Relaxed);
        self.accelerator.is_small()
    }

    /// Makes the table as large as the pages in memory are worth; it is empty then. Without
    /// memory for it, it stays as it is.
    pub fn widen(&mut self) {
        if !self.accelerator.is_small() {
            return;
        }
        let wanted = (self.accelerator.pages * GUESSES.1).div_ceil(WAYS);
        let mut lines = Vec::new();
        match lines.try_reserve_exact(wanted) {
            Ok(()) => {
                lines.resize_with(wanted, Line::default);
                self.accelerator.lines = lines;
            }
            Err(_) => self.accelerator.refused = true,
        }
    }
}
