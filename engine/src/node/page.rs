//! The bytes of a page and its header fields.

use alloc::boxed::Box;
use core::ops::Range;

use crate::ids::Lsn;
use crate::limits::PAGE_BYTES;

/// What a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageKind {
    /// Records of the tree.
    Leaf,
    /// Crossings to child frames: low fence to frame number.
    Branch,
    /// The head of a frame (page 0).
    Head,
}

impl PageKind {
    const fn code(self) -> u8 {
        match self {
            Self::Leaf => 1,
            Self::Branch => 2,
            Self::Head => 3,
        }
    }

    /// The kind with this code.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Leaf),
            2 => Some(Self::Branch),
            3 => Some(Self::Head),
            _ => None,
        }
    }
}

/// Bytes of the header every page starts with.
pub const HEADER_BYTES: usize = 64;
/// Slots of one line: fingerprints come in lines of one cache line.
pub const LINE_SLOTS: usize = 64;
/// Most lines of a page.
pub const MAX_LINES: usize = 4;
/// Bytes one line takes: a fingerprint and an offset a slot.
pub const LINE_BYTES: usize = LINE_SLOTS * 3;

const AT_KIND: usize = 0;
const AT_LEVEL: usize = 1;
const AT_NUMBER: usize = 2;
const AT_FRAME: usize = 4;
const AT_LSN: usize = 8;
const AT_COUNT: usize = 16;
const AT_LINES: usize = 18;
const AT_HEAP: usize = 20;
const AT_DEAD: usize = 22;
const AT_PREFIX: usize = 24;
const AT_PREFIX_LEN: usize = 26;
const AT_RUN: usize = 28;

const _: () = {
    assert!(AT_LSN.is_multiple_of(8));
    assert!(AT_RUN + 2 <= HEADER_BYTES);
    assert!(HEADER_BYTES + MAX_LINES * LINE_BYTES < PAGE_BYTES);
};

/// One page of 4 KiB, on whole cache lines.
#[derive(Clone)]
#[repr(C, align(64))]
pub struct Page([u8; PAGE_BYTES]);

impl Page {
    /// A page of zeros: of no kind yet.
    pub const fn blank() -> Self {
        Self([0; PAGE_BYTES])
    }

    /// A page of zeros with its identity set.
    pub fn new(kind: PageKind, level: u8, frame: u32, number: u8) -> Box<Self> {
        let mut page = Box::new(Self::blank());
        page.0[AT_KIND] = kind.code();
        page.0[AT_LEVEL] = level;
        page.set_u16(AT_NUMBER, u16::from(number));
        page.set_u32(AT_FRAME, frame);
        page
    }

    /// Whether the first byte names a kind of page: asked of bytes read from a store.
    pub fn has_kind(&self) -> bool {
        PageKind::from_code(self.0[AT_KIND]).is_some()
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8; PAGE_BYTES] {
        &self.0
    }

    /// All bytes, to change.
    pub fn bytes_mut(&mut self) -> &mut [u8; PAGE_BYTES] {
        &mut self.0
    }

    /// A little-endian field.
    #[inline]
    pub fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }

    /// A little-endian field.
    #[inline]
    pub fn u32(&self, at: usize) -> u32 {
        let mut raw = [0; 4];
        raw.copy_from_slice(&self.0[at..at + 4]);
        u32::from_le_bytes(raw)
    }

    /// A little-endian field.
    #[inline]
    pub fn u64(&self, at: usize) -> u64 {
        let mut raw = [0; 8];
        raw.copy_from_slice(&self.0[at..at + 8]);
        u64::from_le_bytes(raw)
    }

    /// Sets a little-endian field.
    #[inline]
    pub fn set_u16(&mut self, at: usize, value: u16) {
        self.0[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }

    /// Sets a little-endian field.
    pub fn set_u32(&mut self, at: usize, value: u32) {
        self.0[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// Sets a little-endian field.
    pub fn set_u64(&mut self, at: usize, value: u64) {
        self.0[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    /// What the page holds.
    pub fn kind(&self) -> PageKind {
        PageKind::from_code(self.0[AT_KIND]).unwrap_or(PageKind::Head)
    }

    /// Level of the page's frame; 0 holds leaves.
    pub fn level(&self) -> u8 {
        self.0[AT_LEVEL]
    }

    /// Number of the page in its frame.
    pub fn number(&self) -> u16 {
        self.u16(AT_NUMBER)
    }

    /// Number of the page's frame.
    pub fn frame(&self) -> u32 {
        self.u32(AT_FRAME)
    }

    /// Gives the page to another place.
    pub fn set_identity(&mut self, frame: u32, number: u8) {
        self.set_u32(AT_FRAME, frame);
        self.set_u16(AT_NUMBER, u16::from(number));
    }

    /// Log position of the last change.
    pub fn lsn(&self) -> Lsn {
        self.u64(AT_LSN)
    }

    /// Stamps the page with the change at `lsn`.
    pub fn set_lsn(&mut self, lsn: Lsn) {
        self.set_u64(AT_LSN, lsn);
    }

    /// Records on the page.
    #[inline]
    pub fn count(&self) -> usize {
        usize::from(self.u16(AT_COUNT))
    }

    pub(super) fn set_count(&mut self, count: usize) {
        self.set_u16(AT_COUNT, count as u16);
    }

    /// Lines of fingerprints.
    #[inline]
    pub fn lines(&self) -> usize {
        usize::from(self.u16(AT_LINES))
    }

    pub(super) fn set_lines(&mut self, lines: usize) {
        self.set_u16(AT_LINES, lines as u16);
    }

    /// Lowest byte of the heap in use.
    pub fn heap_top(&self) -> usize {
        usize::from(self.u16(AT_HEAP))
    }

    pub(super) fn set_heap_top(&mut self, at: usize) {
        self.set_u16(AT_HEAP, at as u16);
    }

    /// Bytes of the heap that nothing refers to.
    pub fn dead(&self) -> usize {
        usize::from(self.u16(AT_DEAD))
    }

    pub(super) fn set_dead(&mut self, dead: usize) {
        self.set_u16(AT_DEAD, dead as u16);
    }

    /// How many insertions in a row came each just behind the one before, if `slot` is behind the
    /// last: tells loads in the order of keys.
    pub fn run_at(&self, slot: usize) -> usize {
        let [len, behind] = self.u16(AT_RUN).to_le_bytes();
        if usize::from(behind) == slot { usize::from(len) } else { 0 }
    }

    /// Has a run of so many insertions, 0 for none, end before `slot`.
    pub(super) fn set_run(&mut self, len: usize, slot: usize) {
        let byte = |number: usize| number.min(u8::MAX.into()) as u8;
        self.set_u16(AT_RUN, u16::from_le_bytes([byte(len), byte(slot)]));
    }

    /// Goes on with the run of another page, if it ends among the records of `slots`, which are
    /// all that this one has.
    pub fn take_run(&mut self, from: &Self, slots: &Range<usize>) {
        let [len, behind] = from.u16(AT_RUN).to_le_bytes().map(usize::from);
        if slots.start <= behind && behind <= slots.end {
            self.set_run(len, behind - slots.start);
        }
    }

    pub(super) fn prefix_at(&self) -> usize {
        usize::from(self.u16(AT_PREFIX))
    }

    /// Length of the prefix that the page strips after the frame's.
    #[inline]
    pub fn prefix_len(&self) -> usize {
        usize::from(self.u16(AT_PREFIX_LEN))
    }

    /// The prefix that the page strips after the frame's.
    #[inline]
    pub fn prefix(&self) -> &[u8] {
        let at = self.prefix_at();
        &self.0[at..at + self.prefix_len()]
    }

    pub(super) fn set_prefix_place(&mut self, at: usize, len: usize) {
        self.set_u16(AT_PREFIX, at as u16);
        self.set_u16(AT_PREFIX_LEN, len as u16);
    }

    /// The fingerprint of each record.
    pub fn fingerprints(&self) -> &[u8] {
        &self.0[HEADER_BYTES..HEADER_BYTES + self.count()]
    }

    /// The same in whole lines; what is behind the last record's is of no record.
    #[inline]
    pub(super) fn print_lines(&self) -> &[[u8; LINE_SLOTS]] {
        self.0[HEADER_BYTES..self.offsets_at()].as_chunks().0
    }

    /// Where the offsets start.
    #[inline]
    pub(super) fn offsets_at(&self) -> usize {
        HEADER_BYTES + self.lines() * LINE_SLOTS
    }

    /// Where the arrays end and the free space starts.
    pub(super) fn arrays_end(&self) -> usize {
        HEADER_BYTES + self.lines() * LINE_BYTES
    }

    /// Where the record in `slot` starts.
    #[inline]
    pub(super) fn offset(&self, slot: usize) -> usize {
        usize::from(self.u16(self.offsets_at() + 2 * slot))
    }

    pub(super) fn set_offset(&mut self, slot: usize, offset: usize) {
        self.set_u16(self.offsets_at() + 2 * slot, offset as u16);
    }

    /// Bytes in use: header, arrays, prefix and live records.
    pub fn used(&self) -> usize {
        PAGE_BYTES - self.free()
    }

    /// Bytes that compaction could make contiguous.
    pub fn free(&self) -> usize {
        self.heap_top() - self.arrays_end() + self.dead()
    }
}
