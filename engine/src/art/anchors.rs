//! A list of anchors taken out of an index, to be edited and built again.
//!
//! Owns: the bytes of at most [`MAX_ANCHORS`] anchors, back to back.
//! Never does: keep them in order by itself; [`super::build`] refuses a list out of order.

use alloc::vec::Vec;

use super::Refused;
use crate::limits::{MAX_ANCHOR_BYTES, MAX_ANCHORS};

/// Anchors by ordinal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnchorList {
    bytes: Vec<u8>,
    /// Where each anchor ends in `bytes`.
    ends: Vec<usize>,
}

impl AnchorList {
    /// An empty list.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), ends: Vec::new() }
    }

    /// An empty list with room for `count` anchors of usual length.
    pub fn with_capacity(count: usize) -> Self {
        const USUAL: usize = 32;
        Self { bytes: Vec::with_capacity(count * USUAL), ends: Vec::with_capacity(count) }
    }

    /// Anchors in the list.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether the list has no anchors.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn start(&self, ordinal: usize) -> usize {
        if ordinal == 0 { 0 } else { self.ends[ordinal - 1] }
    }

    /// The anchor at `ordinal`.
    pub fn get(&self, ordinal: usize) -> Option<&[u8]> {
        let end = *self.ends.get(ordinal)?;
        self.bytes.get(self.start(ordinal)..end)
    }

    /// Adds `anchor` before the one at `ordinal` (at the end if `ordinal == len`). Returns false,
    /// and changes nothing, when the list is full, the anchor too long or `ordinal` past the end.
    pub fn insert(&mut self, ordinal: usize, anchor: &[u8]) -> bool {
        let full = self.len() >= MAX_ANCHORS || anchor.len() > MAX_ANCHOR_BYTES;
        if full || ordinal > self.len() {
            return false;
        }
        let start = self.start(ordinal);
        self.bytes.splice(start..start, anchor.iter().copied());
        self.ends.insert(ordinal, start);
        for end in &mut self.ends[ordinal..] {
            *end += anchor.len();
        }
        true
    }

    /// Adds `anchor` at the end, as [`Self::insert`] does.
    pub fn push(&mut self, anchor: &[u8]) -> bool {
        if self.len() >= MAX_ANCHORS || anchor.len() > MAX_ANCHOR_BYTES {
            return false;
        }
        self.bytes.extend_from_slice(anchor);
        self.ends.push(self.bytes.len());
        true
    }

    /// Takes the anchor at `ordinal` out. Returns false when there is none.
    pub fn remove(&mut self, ordinal: usize) -> bool {
        let Some(&end) = self.ends.get(ordinal) else { return false };
        let start = self.start(ordinal);
        self.bytes.drain(start..end);
        self.ends.remove(ordinal);
        for later in &mut self.ends[ordinal..] {
            *later -= end - start;
        }
        true
    }

    /// The anchors in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> + '_ {
        (0..self.len()).map(|ordinal| &self.bytes[self.start(ordinal)..self.ends[ordinal]])
    }

    /// The anchors as [`super::build`] wants them.
    pub fn slices(&self) -> Vec<&[u8]> {
        self.iter().collect()
    }
}

/// Whether these are anchors: at least one, not too many, none too long, the first empty,
/// strictly ascending.
pub(super) fn well_formed(anchors: &[&[u8]]) -> bool {
    (1..=MAX_ANCHORS).contains(&anchors.len())
        && anchors[0].is_empty()
        && anchors.iter().all(|anchor| anchor.len() <= MAX_ANCHOR_BYTES)
        && anchors.is_sorted_by(|a, b| a < b)
}

/// A way to build an index; see [`super::build`].
pub(super) type Build = fn(&[&[u8]], &mut [u8]) -> Result<usize, Refused>;

/// All anchors of `index`, got one by one with `anchor`.
pub(super) fn collect(
    index: &[u8],
    count: usize,
    anchor: fn(&[u8], usize, &mut Vec<u8>) -> bool,
) -> Result<AnchorList, &'static str> {
    if !(1..=MAX_ANCHORS).contains(&count) {
        return Err("the number of anchors is out of range");
    }
    let mut list = AnchorList::new();
    let mut bytes = Vec::new();
    for ordinal in 0..count {
        if !anchor(index, ordinal, &mut bytes) {
            return Err("an anchor is missing or reaches past the end");
        }
        if !list.push(&bytes) {
            return Err("an anchor is too long");
        }
    }
    Ok(list)
}

/// Whether `index` starts with what `build` writes for the anchors read from it. An index is a
/// pure function of its anchors, so nothing else about it is left to check.
pub(super) fn rebuilds(index: &[u8], list: &AnchorList, build: Build) -> Result<(), &'static str> {
    let slices = list.slices();
    if !well_formed(&slices) {
        return Err("the anchors are out of order, or the first is not empty");
    }
    let mut again = alloc::vec![0; index.len().min(usize::from(u16::MAX))];
    let len = build(&slices, &mut again).map_err(|_| "the index is cut short")?;
    if index.get(..len) != again.get(..len) {
        return Err("the index is not the one its anchors give");
    }
    Ok(())
}
