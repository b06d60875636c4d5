//! Full validation of a page of records: total on any bytes.

use super::page::{HEADER_BYTES, LINE_BYTES, LINE_SLOTS, MAX_LINES, Page};
use super::record::Record;
use super::search::fingerprint;
use crate::error::CorruptionClass;
use crate::limits::{MAX_INLINE_RECORD_BYTES, MAX_PAGE_PREFIX_BYTES, PAGE_BYTES};

/// Why a page is not sound.
pub type Fault = (CorruptionClass, &'static str);

/// Most bytes of a record: a short key of any length with a value that does not move.
const MAX_RECORD_SIZE: usize = MAX_INLINE_RECORD_BYTES + 32;

/// Checks that every offset and length lies inside the page and no two records overlap, so
/// that the other functions of this module never leave it.
pub fn layout(page: &Page) -> Result<(), Fault> {
    let fail = |why| Err((CorruptionClass::PageLayout, why));
    if !(1..=MAX_LINES).contains(&page.lines()) {
        return fail("impossible number of lines");
    }
    if page.count() > page.lines() * LINE_SLOTS {
        return fail("more records than slots");
    }
    let (arrays, heap) = (HEADER_BYTES + page.lines() * LINE_BYTES, page.heap_top());
    if heap < arrays || heap > PAGE_BYTES || !heap.is_multiple_of(8) {
        return fail("heap outside the page");
    }
    let prefix_end = page.prefix_at() + page.prefix_len();
    if page.prefix_at() < heap || prefix_end > PAGE_BYTES {
        return fail("prefix outside the heap");
    }
    if page.prefix_len() > MAX_PAGE_PREFIX_BYTES {
        return fail("prefix longer than any can be");
    }
    // One bit for each eight bytes of the page: records are aligned, so overlap shows here.
    let mut taken = [0u64; PAGE_BYTES / 8 / 64];
    let mut live = 0;
    for word in page.prefix_at() / 8..prefix_end.div_ceil(8) {
        taken[word / 64] |= 1 << (word % 64);
    }
    for slot in 0..page.count() {
        let at = page.offset(slot);
        if at < heap || !at.is_multiple_of(8) {
            return fail("record outside the heap");
        }
        let Some(size) = Record::size_at(page, at) else {
            return fail("record runs off the page");
        };
        if size > MAX_RECORD_SIZE {
            return fail("record larger than any can be");
        }
        if !Record::flags_are_sound(page, at) {
            return fail("record with impossible flags");
        }
        for word in at / 8..(at + size) / 8 {
            if taken[word / 64] & 1 << (word % 64) != 0 {
                return fail("records overlap");
            }
            taken[word / 64] |= 1 << (word % 64);
        }
        live += size;
    }
    let prefix_room = (page.prefix_len() + MAX_PAGE_PREFIX_BYTES).next_multiple_of(8);
    let slack = PAGE_BYTES - heap - live.min(PAGE_BYTES - heap);
    // What is dead must be free to use beside the prefix, or compaction would run out of room.
    let kept = page.dead() + page.prefix_len().next_multiple_of(8);
    if kept > slack || live > PAGE_BYTES - heap || slack - page.dead() > prefix_room {
        return fail("heap bytes do not add up");
    }
    Ok(())
}

/// Checks, after [`layout`], that records are in order and fingerprints match, as far as that
/// shows without loading long keys.
pub fn order(page: &Page) -> Result<(), Fault> {
    for slot in 0..page.count() {
        let record = Record::read(page, slot);
        let mark = fingerprint(record.suffix, record.long.map(|long| long.len));
        if page.bytes()[HEADER_BYTES + slot] != mark {
            return Err((CorruptionClass::Fingerprint, "fingerprint differs from its key"));
        }
        if slot == 0 {
            continue;
        }
        let before = Record::read(page, slot - 1);
        let sure = before.long.is_none() && record.long.is_none();
        let bad = match sure {
            true => before.suffix >= record.suffix,
            false => {
                let common = before.suffix.len().min(record.suffix.len());
                before.suffix[..common] > record.suffix[..common]
            }
        };
        if bad {
            return Err((CorruptionClass::Order, "records are out of order"));
        }
    }
    Ok(())
}
