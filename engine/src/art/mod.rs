//! The routing index of one frame: which page may hold a key.
//!
//! Owns: the encoding of the index kept in page 0, and the search for the *floor*, the greatest
//! anchor not above a key.
//! Never does: read pages, know what an ordinal stands for, or resolve anchors that agree in
//! their first [`MAX_ANCHOR_BYTES`](crate::limits::MAX_ANCHOR_BYTES) bytes.
//! Invariants: an index is a pure function of its anchors (equal anchors, equal bytes), is
//! little-endian, says its own length, and is only ever replaced as a whole. Its first anchor is
//! the empty string, so that every key has a floor. Searching allocates nothing and is total:
//! on bytes that are no index it returns some ordinal below
//! [`MAX_ANCHORS`](crate::limits::MAX_ANCHORS) after a bounded number of steps.
//!
//! Two encodings stand behind this interface and pass the same tests: [`heads`], which is used,
//! and [`radix`], which is kept as the measure of it (its page has the figures). Both strip the
//! bytes that anchors share and go down by layers; the radix tree by one byte at a time, in four
//! kinds of node, the heads by six bytes, in two.
//!
//! An index is at most 4 KiB, and its size follows the anchors' lengths: 127 anchors of random
//! bytes take 1.1 KiB, 127 separators of `/usr`, each the shortest within five records of the
//! middle of its page, at most 3 KiB; cut in the very middle they do not always fit 3.4 KiB. So
//! whoever splits a page should choose the shortest separator near the middle.

mod anchors;
mod frame_anchors;
pub mod head;
pub mod heads;
mod pen;
pub mod radix;
#[cfg(test)]
mod tests;

pub use anchors::AnchorList;
pub use frame_anchors::{Anchor, Anchors};
pub use heads::Revision;

use alloc::vec::Vec;

/// Why an index was not built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It takes more bytes than it was given; split the frame, or shorten its anchors.
    #[error("the routing index does not fit its space; split the frame or shorten its anchors")]
    NoRoom,
    /// The list breaks the rules of [`build`]: a fault of the caller.
    #[error("these are not anchors: 1 to 127 ascending strings of 255 bytes, the first empty")]
    NotAnchors,
}

/// Writes the index of `anchors` to the start of `out` and returns its length in bytes; what
/// lies after it in `out` is left in an unspecified state.
///
/// `anchors` are 1 to 127 strictly ascending strings of at most 255 bytes, the first empty.
/// A cold search costs least when `out` starts on a 64-byte boundary of its page.
pub fn build(anchors: &[&[u8]], out: &mut [u8]) -> Result<usize, Refused> {
    heads::build(anchors, out)
}

/// The ordinal of the greatest anchor `<= query`.
#[inline]
pub fn floor(index: &[u8], query: &[u8]) -> usize {
    heads::floor(index, query)
}

/// Anchors in the index; what the bytes say, so check bytes from outside with [`verify`] first.
pub fn count(index: &[u8]) -> usize {
    heads::count(index)
}

/// Puts the anchor at `ordinal` into `out`, replacing what was there. Returns false, with `out`
/// empty, when there is no such anchor.
pub fn anchor(index: &[u8], ordinal: usize, out: &mut Vec<u8>) -> bool {
    heads::anchor(index, ordinal, out)
}

/// All anchors in order, to build an index with one more or one fewer.
pub fn anchors(index: &[u8]) -> Result<AnchorList, &'static str> {
    heads::anchors(index)
}

/// How to make of `index` the one that has `anchor` at `ordinal`, where another one was or, if it
/// `comes_in`, before that. It is the one that [`build`] would write, for a fraction of the work;
/// none if the change takes more than that.
pub fn revise<'a>(
    index: &'a [u8],
    ordinal: usize,
    anchor: &'a [u8],
    comes_in: bool,
) -> Option<Revision<'a>> {
    heads::revise(index, ordinal, anchor, comes_in)
}

/// Whether the bytes are an index that [`build`] would write, byte for byte; says what is wrong
/// if not. `index` may be longer than the index in it; the rest is not looked at.
pub fn verify(index: &[u8]) -> Result<(), &'static str> {
    heads::verify(index)
}
