//! One record in the heap of a page.
//!
//! Layout, at an offset that is a multiple of eight: version u64, suffix length u16, value
//! length u16, flags u8, the suffix, for a long key its extent (u64) and full length (u32), the
//! value or its extent (u64) and length (u32).

use core::ops::Range;

use super::page::Page;
use crate::codec::order;
use crate::limits::{MAX_INLINE_KEY_BYTES, MAX_INLINE_RECORD_BYTES, MAX_KEY_BYTES, PAGE_BYTES};

/// Bytes before the suffix.
pub const RECORD_HEADER: usize = 13;
/// Bytes of a reference to an extent.
pub const REFERENCE_BYTES: usize = 12;

/// Bytes that come into the processor's caches together.
const CACHE_LINE: usize = 64;

const LONG_KEY: u8 = 1;
const EXTENT_VALUE: u8 = 2;
/// All flags that have a meaning.
pub const KNOWN_FLAGS: u8 = LONG_KEY | EXTENT_VALUE;

/// A key of more than [`MAX_INLINE_KEY_BYTES`]: all of it is in an extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongKey {
    /// The extent that holds the whole key.
    pub extent: u64,
    /// Length of the whole key, in bytes.
    pub len: u32,
}

/// A value, in the page or in an extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// The bytes themselves.
    Inline(&'a [u8]),
    /// The extent that holds them, and their length.
    Extent {
        /// Which extent.
        extent: u64,
        /// Length of the value, in bytes.
        len: u32,
    },
}

impl Value<'_> {
    /// Length of the value, in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Inline(bytes) => bytes.len(),
            Self::Extent { len, .. } => *len as usize,
        }
    }

    /// Whether the value is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn stored(&self) -> usize {
        match self {
            Self::Inline(bytes) => bytes.len(),
            Self::Extent { .. } => REFERENCE_BYTES,
        }
    }
}

/// A record as it lies on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its version.
    pub version: u64,
    /// The key after the frame's and the page's prefix; of a long key only a head.
    pub suffix: &'a [u8],
    /// The rest of a long key.
    pub long: Option<LongKey>,
    /// Its value.
    pub value: Value<'a>,
}

/// Whether a key of this length is kept in an extent, wherever it is stored.
pub const fn is_long(key_len: usize) -> bool {
    key_len > MAX_INLINE_KEY_BYTES
}

/// Whether a value moves to an extent, given what stays of its key (whole key length if short).
pub const fn value_moves(key_len: usize, value_len: usize) -> bool {
    let key = if is_long(key_len) { 64 } else { key_len };
    RECORD_HEADER + key + value_len > MAX_INLINE_RECORD_BYTES && value_len > REFERENCE_BYTES
}

/// A record that refers to no extent, as it lies on its page.
#[derive(Clone, Copy)]
pub struct Plain<'a> {
    /// Its version.
    pub version: u64,
    /// Length of its suffix, in bytes.
    pub suffix_len: usize,
    /// The suffix, and the value behind it.
    pub body: &'a [u8],
}

impl Page {
    /// Reads a byte of each cache line of the records in `slots`. These reads do not wait for
    /// each other, as those of a walk over the records would behind the work on each: a page that
    /// is not in the processor's caches comes in at the speed of memory.
    pub fn touch(&self, slots: Range<usize>) {
        let mut seen = 0;
        for slot in slots {
            let at = self.offset(slot);
            // Of most records that is all.
            for line in [at, at + CACHE_LINE] {
                seen ^= self.bytes()[line % PAGE_BYTES];
            }
        }
        core::hint::black_box(seen);
    }

    /// The same for the header and the first offsets.
    pub fn touch_start(&self) {
        let mut seen = 0;
        for at in (0..4 * CACHE_LINE).step_by(CACHE_LINE) {
            seen ^= self.bytes()[at];
        }
        core::hint::black_box(seen);
    }
}

impl<'a> Record<'a> {
    /// The same record under a prefix longer by `strip` bytes.
    pub fn stripped(self, strip: usize) -> Self {
        Self { suffix: self.suffix.get(strip..).unwrap_or(&[]), ..self }
    }

    /// Bytes the record takes in the heap.
    pub fn size(&self) -> usize {
        let long = if self.long.is_some() { REFERENCE_BYTES } else { 0 };
        (RECORD_HEADER + self.suffix.len() + long + self.value.stored()).next_multiple_of(8)
    }

    /// The record in `slot` of `page`.
    // Of most records only some of this is asked for, and the rest is never read then.
    #[inline(always)]
    pub fn read(page: &'a Page, slot: usize) -> Self {
        let (header, body) = Self::cut(page, slot);
        let [v0, v1, v2, v3, v4, v5, v6, v7, s0, s1, l0, l1, flags] = *header;
        let version = u64::from_le_bytes([v0, v1, v2, v3, v4, v5, v6, v7]);
        let value_len = usize::from(u16::from_le_bytes([l0, l1]));
        let (suffix, rest) = body.split_at(usize::from(u16::from_le_bytes([s0, s1])));
        if flags & KNOWN_FLAGS == 0 {
            return Self { version, suffix, long: None, value: Value::Inline(&rest[..value_len]) };
        }
        Self::read_references(version, suffix, rest, value_len, flags)
    }

    /// The header of the record in `slot`, and what follows it.
    #[inline(always)]
    fn cut(page: &'a Page, slot: usize) -> (&'a [u8; RECORD_HEADER], &'a [u8]) {
        let record = &page.bytes()[page.offset(slot)..];
        // A page in memory was verified: its records lie within it.
        record.split_first_chunk().unwrap_or((&[0; RECORD_HEADER], &[]))
    }

    /// The head of the suffix of the record in `slot`; see [`order::head`]. `None` where it does
    /// not say enough, or is not at hand.
    #[inline(always)]
    pub fn head(page: &Page, slot: usize) -> Option<u64> {
        const BYTES: usize = RECORD_HEADER + size_of::<u64>();
        let [.., s0, s1, _, _, flags, h0, h1, h2, h3, h4, h5, h6, h7] =
            *page.bytes()[page.offset(slot)..].first_chunk::<BYTES>()?;
        let len = usize::from(u16::from_le_bytes([s0, s1]));
        // What lies behind a short one is not its own; behind that of a long key comes more.
        if len < size_of::<u64>() && flags & LONG_KEY != 0 {
            return None;
        }
        let word = u64::from_be_bytes([h0, h1, h2, h3, h4, h5, h6, h7]);
        Some(word & order::leading_bytes(len))
    }

    /// The record in `slot` as it lies there, if it refers to no extent.
    #[inline(always)]
    pub fn plain(page: &'a Page, slot: usize) -> Option<Plain<'a>> {
        let (header, body) = Self::cut(page, slot);
        let [v0, v1, v2, v3, v4, v5, v6, v7, s0, s1, l0, l1, flags] = *header;
        let suffix_len = usize::from(u16::from_le_bytes([s0, s1]));
        let value_len = usize::from(u16::from_le_bytes([l0, l1]));
        if flags & KNOWN_FLAGS != 0 {
            return None;
        }
        let version = u64::from_le_bytes([v0, v1, v2, v3, v4, v5, v6, v7]);
        Some(Plain { version, suffix_len, body: &body[..suffix_len + value_len] })
    }

    #[cold]
    fn read_references(
        version: u64,
        suffix: &'a [u8],
        rest: &'a [u8],
        value_len: usize,
        flags: u8,
    ) -> Self {
        let u32_at = |at| u32::from_le_bytes(*rest[at..].first_chunk().unwrap_or(&[0; 4]));
        let u64_at = |at| u64::from_le_bytes(*rest[at..].first_chunk().unwrap_or(&[0; 8]));
        let mut next = 0;
        let long = (flags & LONG_KEY != 0).then(|| {
            next = REFERENCE_BYTES;
            LongKey { extent: u64_at(0), len: u32_at(8) }
        });
        let value = if flags & EXTENT_VALUE != 0 {
            Value::Extent { extent: u64_at(next), len: u32_at(next + 8) }
        } else {
            Value::Inline(&rest[next..next + value_len])
        };
        Self { version, suffix, long, value }
    }

    /// Writes the record at `at`; the caller has made room for [`Record::size`] bytes.
    pub fn write(&self, page: &mut Page, at: usize) {
        let flags = u8::from(self.long.is_some()) * LONG_KEY
            + u8::from(matches!(self.value, Value::Extent { .. })) * EXTENT_VALUE;
        page.set_u64(at, self.version);
        page.set_u16(at + 8, self.suffix.len() as u16);
        page.set_u16(at + 10, self.value.stored() as u16);
        let bytes = page.bytes_mut();
        bytes[at + 12] = flags;
        let mut next = at + RECORD_HEADER;
        let mut put = |part: &[u8]| {
            bytes[next..next + part.len()].copy_from_slice(part);
            next += part.len();
        };
        put(self.suffix);
        if let Some(long) = self.long {
            put(&long.extent.to_le_bytes());
            put(&long.len.to_le_bytes());
        }
        match self.value {
            Value::Inline(value) => put(value),
            Value::Extent { extent, len } => {
                put(&extent.to_le_bytes());
                put(&len.to_le_bytes());
            }
        }
        let end = at + self.size();
        bytes[next..end].fill(0);
    }

    /// Bytes that the record at `at` takes by its header, or `None` if it runs off the page.
    pub(super) fn size_at(page: &Page, at: usize) -> Option<usize> {
        if at + RECORD_HEADER > page.bytes().len() {
            return None;
        }
        let long = usize::from(page.bytes()[at + 12] & LONG_KEY) * REFERENCE_BYTES;
        let parts = usize::from(page.u16(at + 8)) + usize::from(page.u16(at + 10));
        let size = (RECORD_HEADER + parts + long).next_multiple_of(8);
        (at + size <= page.bytes().len()).then_some(size)
    }

    /// Whether the flags at `at` are known, a value reference has its exact length and a long
    /// key a length that long keys have. The record lies within the page.
    pub(super) fn flags_are_sound(page: &Page, at: usize) -> bool {
        let flags = page.bytes()[at + 12];
        let reference = usize::from(page.u16(at + 10)) == REFERENCE_BYTES;
        let long = || {
            let len = page.u32(at + RECORD_HEADER + usize::from(page.u16(at + 8)) + 8) as usize;
            is_long(len) && len <= MAX_KEY_BYTES
        };
        flags & !KNOWN_FLAGS == 0
            && (flags & EXTENT_VALUE == 0 || reference)
            && (flags & LONG_KEY == 0 || long())
    }
}
