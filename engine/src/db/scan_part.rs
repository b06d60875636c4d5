//! The entries of one part of a scan, copied out of the pages into one buffer.
//!
//! Owns: the copies. A part is filled while the tree is locked and read when it is not.

use alloc::vec::Vec;

use crate::node::record::Plain;
use crate::sync::Spares;

/// Where an entry lies in the buffer.
#[derive(Clone, Copy)]
struct Found {
    at: usize,
    key_len: u32,
    value_len: u32,
    /// `None` for a roll-up.
    version: Option<u64>,
}

/// One entry, borrowed from the part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lent<'a> {
    /// The key, or the roll-up.
    pub key: &'a [u8],
    /// The value; empty if values were not asked for.
    pub value: &'a [u8],
    /// The version, or `None` for a roll-up.
    pub version: Option<u64>,
}

/// Entries in the order in which they were found.
#[derive(Default)]
pub(super) struct Part {
    bytes: Vec<u8>,
    found: Vec<Found>,
}

/// Parts and stems of scans that ended, kept for the memory they have.
#[derive(Default)]
pub struct Buffers(Spares<(Part, Vec<u8>)>);

impl Buffers {
    /// A part and a stem, with memory if some were kept.
    pub(super) fn take(&self) -> (Part, Vec<u8>) {
        self.0.take().unwrap_or_default()
    }

    /// Keeps a part and a stem, unless the part has no memory or too much.
    pub(super) fn give(&self, mut part: Part, stem: Vec<u8>) {
        part.bytes.clear();
        part.found.clear();
        let kept = part.bytes.capacity() + part.found.capacity() * size_of::<Found>();
        if (1..=MOST_KEPT_BYTES).contains(&kept) {
            self.0.give((part, stem));
        }
    }
}

/// More than this is not kept for the next scan, in bytes.
const MOST_KEPT_BYTES: usize = 64 * 1024;
/// Room made at once for entries of usual length.
const USUAL_ENTRY_BYTES: usize = 128;
/// Entries for which room is made at once.
const FIRST_ENTRIES: usize = 128;

impl Part {
    /// Forgets all entries and makes room for the first of `entries` new ones.
    pub fn begin(&mut self, entries: usize) {
        self.bytes.clear();
        self.found.clear();
        let first = entries.min(FIRST_ENTRIES);
        self.found.reserve(first);
        self.bytes.reserve(first * USUAL_ENTRY_BYTES);
    }

    /// Entries.
    #[inline]
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Bytes of keys, roll-ups and values.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a record whose key comes in two pieces.
    #[inline]
    pub fn push(&mut self, key: [&[u8]; 2], value: &[u8], version: u64) {
        let at = self.bytes.len();
        let key_len = key[0].len() + key[1].len();
        self.bytes.reserve(key_len + value.len());
        self.bytes.extend_from_slice(key[0]);
        self.bytes.extend_from_slice(key[1]);
        self.bytes.extend_from_slice(value);
        let (key_len, value_len) = (key_len as u32, value.len() as u32);
        self.found.push(Found { at, key_len, value_len, version: Some(version) });
    }

    /// Adds a record behind its stem.
    #[inline]
    pub fn push_plain(&mut self, stem: &[u8], plain: Plain<'_>, values: bool) {
        let at = self.bytes.len();
        let taken = if values { plain.body.len() } else { plain.suffix_len };
        self.bytes.extend_from_slice(stem);
        self.bytes.extend_from_slice(&plain.body[..taken]);
        let key_len = (stem.len() + plain.suffix_len) as u32;
        let value_len = (taken - plain.suffix_len) as u32;
        self.found.push(Found { at, key_len, value_len, version: Some(plain.version) });
    }

    /// Adds a roll-up: the first `len` bytes of a key in two pieces.
    pub fn push_rollup(&mut self, key: [&[u8]; 2], len: usize) {
        let at = self.bytes.len();
        let first = key[0].len().min(len);
        self.bytes.extend_from_slice(&key[0][..first]);
        self.bytes.extend_from_slice(&key[1][..len - first]);
        self.found.push(Found { at, key_len: len as u32, value_len: 0, version: None });
    }

    /// The entry at `index`.
    #[inline]
    pub fn get(&self, index: usize) -> Option<Lent<'_>> {
        let found = self.found.get(index)?;
        let (key, rest) = self.bytes.get(found.at..)?.split_at_checked(found.key_len as usize)?;
        let value = rest.get(..found.value_len as usize)?;
        Some(Lent { key, value, version: found.version })
    }

    /// The last entry.
    pub fn last(&self) -> Option<Lent<'_>> {
        self.get(self.len().checked_sub(1)?)
    }

    /// All entries.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Lent<'_>> {
        let empty = Lent { key: &[], value: &[], version: None };
        (0..self.len()).map(move |index| self.get(index).unwrap_or(empty))
    }
}
