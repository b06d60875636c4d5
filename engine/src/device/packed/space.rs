//! Which pages of the file are free.
//!
//! Owns: one bit a page for "in use" and one for "takes space on the device". Never does: I/O,
//! or decide when a page comes free. Low pages are given out first, so that the end of the file
//! comes free and can be cut off.

use alloc::vec::Vec;

use super::layout::{FIRST_PAGE, Run};
use crate::limits::{MAX_STORE_PAGES, RUN_SEARCH_RUNS, SHORT_HOLE_PAGES, SPARSE_PAGES};

/// The allocator of one file.
#[derive(Debug)]
pub struct Space {
    used: Bits,
    backed: Bits,
    /// Pages of the file, free ones included.
    end: u32,
    free: u32,
    free_backed: u32,
    /// No page below this one is free.
    hint: u32,
    /// No page below this one is free and takes space.
    backed_hint: u32,
}

impl Space {
    /// Space of a file of `end` pages, all free and all taking space on the device.
    pub fn new(end: u32) -> Self {
        let end = end.max(FIRST_PAGE);
        let mut space = Self {
            used: Bits::default(),
            backed: Bits::default(),
            end,
            free: end,
            free_backed: end,
            hint: FIRST_PAGE,
            backed_hint: FIRST_PAGE,
        };
        space.used.grow(end);
        space.backed.grow(end);
        space.backed.set_range(0, end);
        space.take(Run { first: 0, pages: FIRST_PAGE });
        space
    }

    /// Pages of the file.
    pub const fn end(&self) -> u32 {
        self.end
    }

    /// Free pages of the file.
    pub const fn free(&self) -> u32 {
        self.free
    }

    /// Pages in use, the fixed ones included.
    pub const fn used(&self) -> u32 {
        self.end - self.free
    }

    /// Free pages that take space on the device.
    pub const fn free_backed(&self) -> u32 {
        self.free_backed
    }

    /// Whether a page is in use.
    pub fn is_used(&self, page: u32) -> bool {
        page < self.end && self.used.get(page)
    }

    /// Marks pages as used when a store is opened; `false` if one is outside the file or has an
    /// owner already.
    pub fn claim(&mut self, run: Run) -> bool {
        if run.end() > u64::from(self.end) || self.next_used(run.first) < run.first + run.pages {
            return false;
        }
        self.take(run);
        true
    }

    /// Says that no free page takes space, as a file whose allocated size is its used size.
    pub fn assume_punched(&mut self) {
        let mut at = FIRST_PAGE;
        while let Some(run) = self.next_free_run(at, u32::MAX) {
            self.backed.clear_range(run.first, run.first + run.pages);
            at = run.first + run.pages;
        }
        self.free_backed = 0;
    }

    /// Allocates `count` pages, low ones first: those that take space already, as one run if one
    /// is near, else in pieces; then others, in long runs. `false` if the file would outgrow its limit; nothing is allocated then.
    pub fn allocate(&mut self, count: u32, out: &mut Vec<Run>) -> bool {
        if u64::from(self.end - self.free) + u64::from(count) > u64::from(MAX_STORE_PAGES) {
            return false;
        }
        if count > 1
            && let Some(run) = self.find_backed_run(count)
        {
            self.take(run);
            out.push(run);
            return true;
        }
        let mut left = count;
        while left > 0 {
            let run = match self.next_backed_run(self.backed_hint, left) {
                Some(run) => {
                    self.backed_hint = run.first + run.pages;
                    run
                }
                None => self.new_run(left),
            };
            self.take(run);
            left -= run.pages;
            out.push(run);
        }
        true
    }

    /// A run of pages that take no space yet, of at most `most` pages. Short holes are used only
    /// if the file would become much longer than what it holds.
    fn new_run(&mut self, most: u32) -> Run {
        if let Some(run) = self.find_run(most, RUN_SEARCH_RUNS) {
            return run;
        }
        let sparse = self.free > self.used() && self.free > SPARSE_PAGES;
        let shortest = if sparse { 1 } else { most.min(SHORT_HOLE_PAGES) };
        match self.find_run(shortest, RUN_SEARCH_RUNS) {
            Some(run) => self.next_free_run(run.first, most).unwrap_or(run),
            None => self.extend(most),
        }
    }

    fn find_backed_run(&mut self, count: u32) -> Option<Run> {
        if self.free_backed < count {
            return None;
        }
        let mut run = self.next_backed_run(self.backed_hint, count)?;
        self.backed_hint = run.first;
        for _ in 0..RUN_SEARCH_RUNS {
            if run.pages == count {
                return Some(run);
            }
            run = self.next_backed_run(run.first + run.pages, count)?;
        }
        None
    }

    /// Allocates `count` pages as one run, growing the file if it must.
    pub fn allocate_run(&mut self, count: u32) -> Option<Run> {
        let run = match self.find_run(count, usize::MAX) {
            Some(run) => run,
            None => {
                let last = self.last_used_end();
                if u64::from(last) + u64::from(count) > u64::from(MAX_STORE_PAGES) {
                    return None;
                }
                let tail = self.end - last;
                self.extend(count - tail.min(count));
                Run { first: last, pages: count }
            }
        };
        self.take(run);
        Some(run)
    }

    /// Gives pages back.
    pub fn give(&mut self, run: Run) {
        for page in run.first..run.first + run.pages {
            if self.is_used(page) {
                self.used.clear_range(page, page + 1);
                self.free += 1;
                self.free_backed += u32::from(self.backed.get(page));
            }
        }
        self.hint = self.hint.min(run.first.max(FIRST_PAGE));
        self.backed_hint = self.backed_hint.min(run.first.max(FIRST_PAGE));
    }

    /// Gives pages back that no longer take space on the device.
    pub fn give_punched(&mut self, run: Run) {
        self.backed.clear_range(run.first, run.first + run.pages);
        self.give(run);
    }

    /// The page after the last one in use.
    pub fn last_used_end(&self) -> u32 {
        self.used.last_set(self.end).map_or(0, |last| last + 1)
    }

    /// Forgets the free pages from `end` on.
    pub fn cut(&mut self, end: u32) {
        let gone = self.end - end;
        self.free -= gone;
        self.free_backed -= self.backed.count(end, self.end);
        self.backed.clear_range(end, self.end);
        self.end = end;
        self.hint = self.hint.min(end);
        self.backed_hint = self.backed_hint.min(end);
        self.used.shrink(end);
        self.backed.shrink(end);
    }

    /// The next free run at or after `from` that takes space, of at most `most` pages.
    pub fn next_backed_run(&self, from: u32, most: u32) -> Option<Run> {
        if self.free_backed == 0 {
            return None;
        }
        let mut at = from;
        loop {
            let run = self.next_free_run(at, u32::MAX)?;
            let end = run.first + run.pages;
            let first = self.backed.next_set(run.first, end);
            if first < end {
                let stop = self.backed.next_clear(first, end);
                return Some(Run { first, pages: (stop - first).min(most) });
            }
            at = end;
        }
    }

    /// Free pages of a range that take space.
    pub fn free_backed_in(&self, from: u32, to: u32) -> u32 {
        let to = to.min(self.end);
        let all = self.backed.count(from, to);
        all - self.used.count(from, to).min(all)
    }

    /// Pages in use of a range.
    pub fn used_in(&self, from: u32, to: u32) -> u32 {
        self.used.count(from, to.min(self.end))
    }

    /// The next free run at or after `from` that ends before `to`.
    pub fn next_free_run_in(&self, from: u32, to: u32) -> Option<Run> {
        let to = to.min(self.end);
        let run = self.next_free_run(from, u32::MAX).filter(|run| run.first < to)?;
        Some(Run { first: run.first, pages: run.pages.min(to - run.first) })
    }

    /// Takes a run out of the free pages, so that nobody else writes there meanwhile.
    pub fn reserve(&mut self, run: Run) {
        self.take(run);
    }

    fn next_used(&self, from: u32) -> u32 {
        self.used.next_set(from, self.end)
    }

    fn next_free_run(&self, from: u32, most: u32) -> Option<Run> {
        let first = self.used.next_clear(from, self.end);
        if first >= self.end {
            return None;
        }
        let stop = first.saturating_add(most).min(self.end);
        let end = self.used.next_set(first, stop);
        Some(Run { first, pages: end - first })
    }

    fn find_run(&mut self, count: u32, tries: usize) -> Option<Run> {
        let mut at = self.used.next_clear(self.hint, self.end);
        self.hint = at;
        for _ in 0..tries {
            let run = self.next_free_run(at, count)?;
            if run.pages == count {
                return Some(run);
            }
            at = run.first + run.pages;
        }
        None
    }

    /// Adds free pages at the end of the file, where nothing is stored yet.
    fn extend(&mut self, count: u32) -> Run {
        let run = Run { first: self.end, pages: count };
        self.end += count;
        self.free += count;
        self.used.grow(self.end);
        self.backed.grow(self.end);
        run
    }

    fn take(&mut self, run: Run) {
        let end = run.first + run.pages;
        self.free -= run.pages;
        self.free_backed -= self.backed.count(run.first, end);
        self.used.set_range(run.first, end);
        self.backed.set_range(run.first, end);
    }
}

/// A bitmap with fast steps over whole words.
#[derive(Debug, Default)]
struct Bits {
    words: Vec<u64>,
}

/// Bits `from..to` of the word that begins at bit `base`.
const fn mask(base: u32, from: u32, to: u32) -> u64 {
    let low = from.saturating_sub(base);
    let high = if to - base < 64 { to - base } else { 64 };
    if low >= high {
        return 0;
    }
    (u64::MAX << low) & (u64::MAX >> (64 - high))
}

impl Bits {
    fn grow(&mut self, bits: u32) {
        let words = bits.div_ceil(64) as usize;
        if words > self.words.len() {
            self.words.resize(words, 0);
        }
    }

    fn shrink(&mut self, bits: u32) {
        self.words.truncate(bits.div_ceil(64) as usize);
        if self.words.len() * 2 < self.words.capacity() {
            self.words.shrink_to_fit();
        }
    }

    fn get(&self, bit: u32) -> bool {
        self.words[bit as usize / 64] >> (bit % 64) & 1 == 1
    }

    fn each(&mut self, from: u32, to: u32, mut change: impl FnMut(&mut u64, u64)) {
        if from >= to {
            return;
        }
        for index in from / 64..=(to - 1) / 64 {
            change(&mut self.words[index as usize], mask(index * 64, from, to));
        }
    }

    fn set_range(&mut self, from: u32, to: u32) {
        self.each(from, to, |word, mask| *word |= mask);
    }

    fn clear_range(&mut self, from: u32, to: u32) {
        self.each(from, to, |word, mask| *word &= !mask);
    }

    fn count(&self, from: u32, to: u32) -> u32 {
        if from >= to {
            return 0;
        }
        (from / 64..=(to - 1) / 64)
            .map(|index| (self.words[index as usize] & mask(index * 64, from, to)).count_ones())
            .sum()
    }

    /// The first bit of `from..to` for which `flip` of its word has a one; `to` if none.
    fn find(&self, from: u32, to: u32, flip: u64) -> u32 {
        if from >= to {
            return to;
        }
        for index in from / 64..=(to - 1) / 64 {
            let word = (self.words[index as usize] ^ flip) & mask(index * 64, from, to);
            if word != 0 {
                return index * 64 + word.trailing_zeros();
            }
        }
        to
    }

    fn next_set(&self, from: u32, to: u32) -> u32 {
        self.find(from, to, 0)
    }

    fn next_clear(&self, from: u32, to: u32) -> u32 {
        self.find(from, to, u64::MAX)
    }

    /// The last bit set below `to`.
    fn last_set(&self, to: u32) -> Option<u32> {
        let mut index = to.div_ceil(64);
        while index > 0 {
            index -= 1;
            let word = self.words[index as usize] & mask(index * 64, 0, to);
            if word != 0 {
                return Some(index * 64 + 63 - word.leading_zeros());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec;

    use super::*;

    #[test]
    fn low_pages_and_whole_runs_come_first() {
        let mut space = Space::new(0);
        let mut out = Vec::new();
        assert!(space.allocate(100, &mut out));
        assert_eq!(out, [Run { first: FIRST_PAGE, pages: 100 }]);
        space.give(Run { first: 10, pages: 1 });
        space.give(Run { first: 20, pages: 5 });
        out.clear();
        assert!(space.allocate(4, &mut out));
        assert_eq!(out, [Run { first: 20, pages: 4 }]);
        out.clear();
        assert!(space.allocate(3, &mut out));
        let pieces = [(10, 1), (24, 1), (103, 1)].map(|(first, pages)| Run { first, pages });
        assert_eq!(out, pieces);
    }

    #[test]
    fn cutting_the_end_forgets_free_pages_only() {
        let mut space = Space::new(0);
        let run = space.allocate_run(50).expect("room");
        let last = space.allocate_run(7).expect("room");
        space.give(last);
        assert_eq!(space.last_used_end(), run.first + run.pages);
        space.cut(space.last_used_end());
        assert_eq!((space.end(), space.free(), space.free_backed()), (53, 0, 0));
        assert!(!space.claim(Run { first: 50, pages: 5 }));
    }

    #[test]
    #[cfg_attr(miri, ignore = "too long for Miri")]
    fn random_use_agrees_with_a_set() {
        let mut space = Space::new(0);
        let mut used: BTreeSet<u32> = (0..FIRST_PAGE).collect();
        let mut held: Vec<Run> = Vec::new();
        let mut seed = 1u64;
        for _ in 0..4000 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let pick = (seed >> 33) as u32;
            if pick.is_multiple_of(2) || held.is_empty() {
                let mut out = vec![];
                assert!(space.allocate(pick % 40 + 1, &mut out));
                for run in out {
                    for page in run.first..run.first + run.pages {
                        assert!(used.insert(page), "page {page} given out twice");
                    }
                    held.push(run);
                }
            } else {
                let run = held.swap_remove(pick as usize % held.len());
                space.give(run);
                for page in run.first..run.first + run.pages {
                    used.remove(&page);
                }
            }
            if pick.is_multiple_of(97) {
                space.cut(space.last_used_end());
            }
            assert_eq!(space.used() as usize, used.len());
            assert_eq!(space.last_used_end(), used.last().expect("fixed pages") + 1);
            let backed = core::iter::successors(space.next_backed_run(0, 9), |run| {
                space.next_backed_run(run.first + run.pages, 9)
            });
            assert_eq!(backed.map(|run| run.pages).sum::<u32>(), space.free_backed());
        }
    }
}
