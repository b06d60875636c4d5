//! Where the keys of each page of a frame start.
//!
//! Owns: the anchors of one frame by ordinal, flat, so that taking a head apart, changing one
//! anchor and building it anew costs a handful of allocations. Never does: keep them in order.

use alloc::vec::Vec;

use super::AnchorList;
use crate::node::LongKey;

/// Where the keys of one page start, relative to the frame's prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anchor {
    /// The anchor, or its first [`ANCHOR_HEAD_BYTES`](super::head::ANCHOR_HEAD_BYTES).
    pub bytes: Vec<u8>,
    /// The whole absolute key of a longer one.
    pub long: Option<LongKey>,
}

/// All anchors of a frame, by ordinal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anchors {
    heads: AnchorList,
    /// The long ones, ascending by ordinal.
    longs: Vec<(u8, LongKey)>,
}

impl Anchors {
    /// Anchors of which none is long.
    pub fn short(heads: AnchorList) -> Self {
        Self { heads, longs: Vec::new() }
    }

    /// The anchors of a frame of one page.
    pub fn first() -> Self {
        let mut anchors = Self::default();
        anchors.push(&Anchor::default());
        anchors
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The anchor at `ordinal`, or its head; empty if there is none.
    pub fn bytes(&self, ordinal: usize) -> &[u8] {
        self.heads.get(ordinal).unwrap_or_default()
    }

    /// The whole key of the anchor at `ordinal`, if it is a long one.
    pub fn long(&self, ordinal: usize) -> Option<LongKey> {
        let found = self.longs.iter().find(|(at, _)| usize::from(*at) == ordinal);
        found.map(|(_, long)| *long)
    }

    /// The long ones with their ordinals, ascending.
    pub fn longs(&self) -> &[(u8, LongKey)] {
        &self.longs
    }

    /// The heads in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> + '_ {
        self.heads.iter()
    }

    /// Adds an anchor before the one at `ordinal`.
    pub fn insert(&mut self, ordinal: usize, anchor: &Anchor) {
        let done = self.heads.insert(ordinal, &anchor.bytes);
        debug_assert!(done, "a frame has no more pages than an index has anchors");
        for (at, _) in &mut self.longs {
            *at += u8::from(usize::from(*at) >= ordinal);
        }
        self.set_long(ordinal, anchor.long);
    }

    /// Adds an anchor at the end.
    pub fn push(&mut self, anchor: &Anchor) {
        self.push_parts(&anchor.bytes, anchor.long);
    }

    /// Adds an anchor at the end, given by its parts.
    pub fn push_parts(&mut self, bytes: &[u8], long: Option<LongKey>) {
        let at = self.len() as u8;
        let done = self.heads.push(bytes);
        debug_assert!(done, "a frame has no more pages than an index has anchors");
        self.longs.extend(long.map(|long| (at, long)));
    }

    /// Replaces the anchor at `ordinal`.
    pub fn set(&mut self, ordinal: usize, anchor: &Anchor) {
        self.heads.remove(ordinal);
        self.heads.insert(ordinal, &anchor.bytes);
        self.longs.retain(|(at, _)| usize::from(*at) != ordinal);
        self.set_long(ordinal, anchor.long);
    }

    /// Takes the anchor at `ordinal` out; gives the whole key back if it was a long one.
    pub fn remove(&mut self, ordinal: usize) -> Option<LongKey> {
        let long = self.long(ordinal);
        self.heads.remove(ordinal);
        self.longs.retain(|(at, _)| usize::from(*at) != ordinal);
        for (at, _) in &mut self.longs {
            *at -= u8::from(usize::from(*at) > ordinal);
        }
        long
    }

    fn set_long(&mut self, ordinal: usize, long: Option<LongKey>) {
        let Some(long) = long else { return };
        let place = self.longs.partition_point(|(at, _)| usize::from(*at) < ordinal);
        self.longs.insert(place, (ordinal as u8, long));
    }
}
