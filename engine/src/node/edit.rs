//! Changing one page: insert, replace, remove, compact.

use alloc::vec::Vec;
use core::ops::Range;

use super::page::{HEADER_BYTES, LINE_BYTES, LINE_SLOTS, MAX_LINES, Page};
use super::record::Record;
use super::search::fingerprint;
use crate::limits::{LONG_KEY_HEAD_BYTES, PAGE_BYTES};

/// Some of a page's records, as they lie under another prefix.
pub struct Part<'a> {
    /// The page.
    pub page: &'a Page,
    /// Which of its records.
    pub slots: Range<usize>,
    /// Bytes that the other prefix is longer by.
    pub strip: usize,
    /// What the other prefix leaves to the records, if it is shorter.
    pub add: &'a [u8],
}

impl<'a> Part<'a> {
    /// Records of `page` as they lie under `prefix`, which all of them share.
    pub fn new(page: &'a Page, slots: Range<usize>, prefix: &[u8]) -> Self {
        let strip = prefix.len().saturating_sub(page.prefix_len());
        let add = page.prefix().get(prefix.len()..).unwrap_or(&[]);
        Self { page, slots, strip, add }
    }

    fn is_as_it_is(&self) -> bool {
        self.strip == 0 && self.add.is_empty()
    }

    /// The record in `slot`, whose suffix may be put together in `suffix`.
    fn record<'s>(&'s self, slot: usize, suffix: &'s mut Vec<u8>) -> Record<'s> {
        let record = Record::read(self.page, slot).stripped(self.strip);
        if self.add.is_empty() {
            return record;
        }
        suffix.clear();
        suffix.extend_from_slice(self.add);
        suffix.extend_from_slice(record.suffix);
        if record.long.is_some() {
            suffix.truncate(LONG_KEY_HEAD_BYTES);
        }
        Record { suffix, ..record }
    }
}

impl Page {
    /// Makes an empty page of records with this prefix (relative to the frame's) out of one
    /// that has nothing but its identity.
    pub fn format(&mut self, prefix: &[u8]) {
        debug_assert!(self.bytes()[16..].iter().all(|byte| *byte == 0));
        let at = (PAGE_BYTES - prefix.len()) & !7;
        self.bytes_mut()[at..at + prefix.len()].copy_from_slice(prefix);
        self.set_prefix_place(at, prefix.len());
        self.set_heap_top(at);
        self.set_lines(1);
    }

    /// Whether one more record of `size` bytes fits, after compaction if need be.
    pub fn fits(&self, size: usize) -> bool {
        let line = if self.count() == self.lines() * LINE_SLOTS { LINE_BYTES } else { 0 };
        if line > 0 && self.lines() == MAX_LINES {
            return false;
        }
        self.free() >= size + line
    }

    /// Inserts a record before `slot`; `false` (and nothing changed) if it does not fit.
    pub fn insert(&mut self, slot: usize, record: &Record<'_>) -> bool {
        let size = record.size();
        if !self.fits(size) {
            return false;
        }
        let count = self.count();
        if count == self.lines() * LINE_SLOTS {
            self.add_line();
        }
        if self.heap_top() - self.arrays_end() < size {
            self.compact_heap();
        }
        let at = self.heap_top() - size;
        record.write(self, at);
        self.set_heap_top(at);
        let mark = fingerprint(record.suffix, record.long.map(|long| long.len));
        let marks = HEADER_BYTES + slot;
        let offsets = self.offsets_at();
        let bytes = self.bytes_mut();
        bytes.copy_within(marks..HEADER_BYTES + count, marks + 1);
        bytes[marks] = mark;
        bytes.copy_within(offsets + 2 * slot..offsets + 2 * count, offsets + 2 * slot + 2);
        self.set_offset(slot, at);
        self.set_count(count + 1);
        self.set_run(self.run_at(slot) + 1, slot + 1);
        true
    }

    /// Fills an empty page with records of others, one part behind the other; `false` if they do
    /// not fit.
    pub fn fill_from(&mut self, parts: &[Part<'_>]) -> bool {
        let count: usize = parts.iter().map(|part| part.slots.len()).sum();
        let lines = count.div_ceil(LINE_SLOTS).max(1);
        if lines > MAX_LINES {
            return false;
        }
        self.set_lines(lines);
        let end = self.arrays_end();
        let mut top = self.heap_top();
        let mut at = 0;
        let mut suffix = Vec::new();
        for part in parts {
            let from = part.page;
            for slot in part.slots.clone() {
                let record = part.record(slot, &mut suffix);
                let size = record.size();
                if top < end + size {
                    return false;
                }
                top -= size;
                let mark = if part.is_as_it_is() {
                    let old = from.offset(slot);
                    self.bytes_mut()[top..top + size]
                        .copy_from_slice(&from.bytes()[old..old + size]);
                    from.bytes()[HEADER_BYTES + slot]
                } else {
                    record.write(self, top);
                    fingerprint(record.suffix, record.long.map(|long| long.len))
                };
                self.bytes_mut()[HEADER_BYTES + at] = mark;
                self.set_offset(at, top);
                at += 1;
            }
        }
        self.set_heap_top(top);
        self.set_count(count);
        true
    }

    /// Replaces the record in `slot` by one with the same key; `false` (and nothing changed)
    /// if it does not fit.
    pub fn replace(&mut self, slot: usize, record: &Record<'_>) -> bool {
        let old = Record::read(self, slot).size();
        let size = record.size();
        if size == old {
            let at = self.offset(slot);
            record.write(self, at);
            return true;
        }
        if self.free() + old < size {
            return false;
        }
        self.set_dead(self.dead() + old);
        if self.heap_top() - self.arrays_end() < size {
            self.compact_heap_without(Some(slot));
        }
        let at = self.heap_top() - size;
        record.write(self, at);
        self.set_heap_top(at);
        self.set_offset(slot, at);
        true
    }

    /// Removes the record in `slot`.
    pub fn remove(&mut self, slot: usize) {
        let count = self.count();
        let size = Record::read(self, slot).size();
        let at = self.offset(slot);
        if at == self.heap_top() {
            self.set_heap_top(at + size);
        } else {
            self.set_dead(self.dead() + size);
        }
        let offsets = self.offsets_at();
        let bytes = self.bytes_mut();
        bytes.copy_within(HEADER_BYTES + slot + 1..HEADER_BYTES + count, HEADER_BYTES + slot);
        bytes[HEADER_BYTES + count - 1] = 0;
        bytes.copy_within(offsets + 2 * slot + 2..offsets + 2 * count, offsets + 2 * slot);
        self.set_offset(count - 1, 0);
        self.set_count(count - 1);
        self.set_run(0, 0);
    }

    /// Strips `by` more bytes of the page's prefix: the frame's prefix grew by them.
    pub fn shorten_prefix(&mut self, by: usize) {
        let (at, len) = (self.prefix_at(), self.prefix_len());
        debug_assert!(by <= len);
        self.set_prefix_place(at + by, len - by);
    }

    fn add_line(&mut self) {
        if self.heap_top() - self.arrays_end() < LINE_BYTES {
            self.compact_heap();
        }
        let (from, count) = (self.offsets_at(), self.count());
        self.set_lines(self.lines() + 1);
        let to = self.offsets_at();
        let bytes = self.bytes_mut();
        bytes.copy_within(from..from + 2 * count, to);
        bytes[from..to].fill(0);
        let end = self.arrays_end();
        self.bytes_mut()[to + 2 * count..end].fill(0);
    }

    fn compact_heap(&mut self) {
        self.compact_heap_without(None);
    }

    /// Moves all live records (but the one in slot `gone`) to the end of the page, in key
    /// order from the end, so that equal contents give equal bytes.
    fn compact_heap_without(&mut self, gone: Option<usize>) {
        let old = self.clone();
        let prefix: Vec<u8> = old.prefix().into();
        let mut top = (PAGE_BYTES - prefix.len()) & !7;
        self.bytes_mut()[old.arrays_end()..].fill(0);
        self.bytes_mut()[top..top + prefix.len()].copy_from_slice(&prefix);
        self.set_prefix_place(top, prefix.len());
        for slot in 0..old.count() {
            if gone == Some(slot) {
                continue;
            }
            let from = old.offset(slot);
            let size = Record::read(&old, slot).size();
            top -= size;
            self.bytes_mut()[top..top + size].copy_from_slice(&old.bytes()[from..from + size]);
            self.set_offset(slot, top);
        }
        self.set_heap_top(top);
        self.set_dead(0);
    }
}
