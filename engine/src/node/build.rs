//! Building pages from records in order: for splits, merges and repacking.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::page::{HEADER_BYTES, LINE_BYTES, LINE_SLOTS, MAX_LINES, Page, PageKind};
use super::record::{LongKey, RECORD_HEADER, REFERENCE_BYTES, Record, Value};
use crate::limits::{LONG_KEY_HEAD_BYTES, PAGE_BYTES};

/// A record taken off its page: its key is absolute (of a long key, a head of it).
#[derive(Clone, Debug)]
pub struct Owned {
    /// The whole key, or the head of a long one.
    pub key: Vec<u8>,
    /// The rest of a long key.
    pub long: Option<LongKey>,
    /// Its version.
    pub version: u64,
    /// The value's bytes, if they are on the page.
    pub inline: Vec<u8>,
    /// The value's extent and length, if they are not.
    pub extent: Option<(u64, u32)>,
}

impl Owned {
    /// Takes the record in `slot` off `page`, whose frame strips `frame_prefix`.
    pub fn take(page: &Page, slot: usize, frame_prefix: &[u8]) -> Self {
        let record = Record::read(page, slot);
        let mut key =
            Vec::with_capacity(frame_prefix.len() + page.prefix_len() + record.suffix.len());
        key.extend_from_slice(frame_prefix);
        key.extend_from_slice(page.prefix());
        key.extend_from_slice(record.suffix);
        let (inline, extent) = match record.value {
            Value::Inline(bytes) => (bytes.into(), None),
            Value::Extent { extent, len } => (Vec::new(), Some((extent, len))),
        };
        Self { key, long: record.long, version: record.version, inline, extent }
    }

    /// The record as it lies on a page under prefixes of `stripped` bytes together.
    pub fn record(&self, stripped: usize) -> Record<'_> {
        let mut suffix = self.key.get(stripped..).unwrap_or(&[]);
        if self.long.is_some() {
            suffix = &suffix[..suffix.len().min(LONG_KEY_HEAD_BYTES)];
        }
        let value = match self.extent {
            Some((extent, len)) => Value::Extent { extent, len },
            None => Value::Inline(&self.inline),
        };
        Record { version: self.version, suffix, long: self.long, value }
    }

    /// Bytes the record takes under prefixes of `stripped` bytes together.
    pub fn size(&self, stripped: usize) -> usize {
        let (mut suffix, mut long) = (self.key.len().saturating_sub(stripped), 0);
        if self.long.is_some() {
            (suffix, long) = (suffix.min(LONG_KEY_HEAD_BYTES), REFERENCE_BYTES);
        }
        let value = if self.extent.is_some() { REFERENCE_BYTES } else { self.inline.len() };
        (RECORD_HEADER + suffix + long + value).next_multiple_of(8)
    }
}

/// Bytes a page needs for `count` records of `heap` bytes together and a prefix.
pub fn page_bytes(count: usize, heap: usize, prefix: usize) -> usize {
    let lines = count.div_ceil(LINE_SLOTS).max(1);
    HEADER_BYTES + lines * LINE_BYTES + heap + prefix.next_multiple_of(8)
}

/// Fills one page with records that come in order.
pub struct PageBuilder {
    page: Box<Page>,
    stripped: usize,
}

impl PageBuilder {
    /// A page of `frame` under this page prefix; `frame_prefix` is the length of the frame's.
    pub fn new(
        kind: PageKind,
        level: u8,
        frame: u32,
        number: u8,
        frame_prefix: usize,
        prefix: &[u8],
    ) -> Self {
        let mut page = Page::new(kind, level, frame, number);
        page.format(prefix);
        Self { page, stripped: frame_prefix + prefix.len() }
    }

    /// Appends a record; `false` if it does not fit.
    pub fn push(&mut self, record: &Owned) -> bool {
        let slot = self.page.count();
        self.page.insert(slot, &record.record(self.stripped))
    }

    /// The page.
    pub fn finish(mut self) -> Box<Page> {
        self.page.set_run(0, 0);
        self.page
    }
}

/// Whether `count` records of `heap` bytes together fit on one page under `prefix` bytes.
pub fn page_holds(count: usize, heap: usize, prefix: usize) -> bool {
    count <= MAX_LINES * LINE_SLOTS && page_bytes(count, heap, prefix) <= PAGE_BYTES
}
