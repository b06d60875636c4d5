//! Balance between neighbours: a full page gives records to the one beside it.
//!
//! Owns: what is tried before a page is divided. Divided pages are half empty, and where keys come
//! in any order pages stay at 0.69 on average for that; with the help of neighbours they reach 0.8
//! (the overflow of B*-trees: D. Knuth, The Art of Computer Programming 3, 6.2.4). Dividing two
//! full pages into three, as those do, costs as much as it saves and is left out.
//! Never does: read a neighbour, or write more than a division would: that changes two pages too.

use alloc::vec::Vec;
use core::ops::Range;

use super::border::Border;
use super::split::is_ascending;
use super::{Forest, Place};
use crate::art::head::HeadView;
use crate::frame::separator_len;
use crate::limits::PAGE_BYTES;
use crate::node::{Miss, Page, Record};

/// Room that a neighbour must have: half of it is given away at a time.
const ROOM: usize = PAGE_BYTES / 5;
/// Room that a page must have that takes records, since its prefix changes.
const LEFT: usize = PAGE_BYTES / 16;
/// What a record takes of a page beside its own bytes: a fingerprint and an offset.
const SLOT_BYTES: usize = 3;

impl Forest {
    /// Makes room on the full page of `place`, where `key` belongs, together with a neighbour in
    /// its frame; whether it did. After that the place is another one.
    pub(super) fn balance(&mut self, place: Place, key: &[u8]) -> Result<bool, Miss> {
        let page = self.cache.page(place.frame, place.page)?;
        if page.count() < 2 {
            return Ok(false);
        }
        let view = HeadView(self.cache.page(place.frame, 0)?);
        let numbers = view.pages();
        let Some(from) = numbers.iter().position(|number| *number == place.page) else {
            return Ok(false);
        };
        let room = |ordinal: usize| {
            let page = self.cache.page(place.frame, *numbers.get(ordinal)?).ok()?;
            Some((page.free(), ordinal))
        };
        let (left, right) = (from.checked_sub(1).and_then(room), room(from + 1));
        if is_ascending(page, place.slot) {
            // What lies behind the load makes way, if there is something, and all of it.
            let behind = bytes_of(page, place.slot..page.count());
            let takes = right.is_some_and(|(free, _)| behind > 0 && free >= behind + LEFT);
            if !takes {
                return Ok(false);
            }
            let next = self.full_key(page, place.slot, view.prefix())?;
            let separator = next[..separator_len(key, &next)].into();
            return self.lend(place.frame, from, from + 1, place.slot, separator);
        }
        let Some((free, to)) = left.max(right).filter(|(free, _)| *free >= ROOM) else {
            return Ok(false);
        };
        let (count, given) = (page.count(), (free - page.free().min(free)) / 2);
        let slot = match to < from {
            true => records_of(page, 0..count, given),
            false => count - records_of(page, (0..count).rev(), given),
        };
        match self.separator_near(page, slot, view.prefix())? {
            Some((slot, separator)) => self.lend(place.frame, from, to, slot, separator),
            None => Ok(false),
        }
    }

    /// Moves the records of a page before `slot`, or those from there on, to the page before or
    /// behind it, and has `separator` divide the two from now on. `false`, and nothing changed,
    /// if they do not fit.
    fn lend(
        &mut self,
        frame: u32,
        from: usize,
        to: usize,
        slot: usize,
        separator: Vec<u8>,
    ) -> Result<bool, Miss> {
        let head = self.cache.page(frame, 0)?;
        let at = from.max(to);
        let old = HeadView(head).long_anchor(at);
        let numbers = HeadView(head).pages();
        let (full, taker) =
            (self.cache.page(frame, numbers[from])?, self.cache.page(frame, numbers[to])?);
        let Some(border) = Border::moved(head, at, separator) else { return Ok(false) };
        let (below, above, all) = (0..slot, slot..full.count(), 0..taker.count());
        let (kept, parts) = match to < from {
            true => (above, [(taker, all), (full, below)]),
            false => (below, [(full, above), (taker, all)]),
        };
        let less = border.part(full, from, kept)?;
        let Some(more) = border.joined(to, parts).filter(|more| more.free() >= LEFT) else {
            return Ok(false);
        };
        self.install_border(border, [less, more])?;
        if let Some(long) = old {
            self.cache.drop_extent(long.extent, long.len);
        }
        self.counters.page_balances += 1;
        Ok(true)
    }
}

/// What the record in `slot` takes of a page.
fn bytes_at(page: &Page, slot: usize) -> usize {
    Record::read(page, slot).size() + SLOT_BYTES
}

fn bytes_of(page: &Page, slots: Range<usize>) -> usize {
    slots.map(|slot| bytes_at(page, slot)).sum()
}

/// How many of the records in `slots`, taken in that order, take `bytes` of a page.
fn records_of(page: &Page, slots: impl Iterator<Item = usize>, bytes: usize) -> usize {
    let mut sum = 0;
    let taken = slots.take_while(|slot| {
        sum += bytes_at(page, *slot);
        sum <= bytes
    });
    taken.count()
}
