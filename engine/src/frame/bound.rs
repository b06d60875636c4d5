//! Fences: the keys between which a frame or a page lies, and what they say about a prefix.

use alloc::vec::Vec;

use crate::codec::order::common_len;
use crate::limits::{MAX_FRAME_PREFIX_BYTES, MAX_PAGE_PREFIX_BYTES};
use crate::node::LongKey;
use crate::node::record::is_long;

/// Bytes of a long fence that are kept at hand: as many as prefixes can use.
pub const BOUND_HEAD_BYTES: usize = MAX_FRAME_PREFIX_BYTES + MAX_PAGE_PREFIX_BYTES;

/// A key that bounds a frame: whole, or a head of it and where the whole key is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// The key, or its first [`BOUND_HEAD_BYTES`].
    pub bytes: Vec<u8>,
    /// The extent of a long key.
    pub long: Option<LongKey>,
}

impl Bound {
    /// A bound at `key`; a long one needs the number of the extent that holds it.
    pub fn new(key: &[u8], extent: impl FnOnce(&[u8]) -> u64) -> Self {
        if is_long(key.len()) {
            let long = LongKey { extent: extent(key), len: key.len() as u32 };
            return Self { bytes: key[..BOUND_HEAD_BYTES].into(), long: Some(long) };
        }
        Self { bytes: key.into(), long: None }
    }

    /// Length of the whole key, in bytes.
    pub fn len(&self) -> usize {
        self.long.map_or(self.bytes.len(), |long| long.len as usize)
    }

    /// Whether the bound is the empty key: the start of all keys.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bound as [`prefix_between`] takes it.
    pub fn edge(&self) -> Edge<'_> {
        Edge { bytes: &self.bytes, whole: self.long.is_none() }
    }
}

/// What is at hand of a bounding key.
#[derive(Clone, Copy, Debug)]
pub struct Edge<'a> {
    /// Its first bytes.
    pub bytes: &'a [u8],
    /// Whether that is all of it.
    pub whole: bool,
}

/// Length of a prefix of `low` that every key in `low..high` starts with, at most `limit`.
///
/// Keys between two keys share what those share; and one byte more if `high` is the very
/// successor of that longer prefix. Without an upper bound nothing is shared.
pub fn prefix_between(low: Edge<'_>, high: Option<Edge<'_>>, limit: usize) -> usize {
    let Some(high) = high else { return 0 };
    let common = common_len(low.bytes, high.bytes);
    let successor = high.whole
        && high.bytes.len() == common + 1
        && low.bytes.get(common).is_some_and(|&byte| byte.wrapping_add(1) == high.bytes[common]);
    (common + usize::from(successor)).min(limit)
}

/// Length of the shortest prefix of `right` that is above `left`, given `left < right`.
pub fn separator_len(left: &[u8], right: &[u8]) -> usize {
    (common_len(left, right) + 1).min(right.len())
}

/// The least byte string above everything that starts with `prefix`; `None` if there is none.
pub fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xff)?;
    let mut next: Vec<u8> = prefix[..=last].into();
    next[last] += 1;
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(bytes: &[u8]) -> Edge<'_> {
        Edge { bytes, whole: true }
    }

    #[test]
    fn prefixes_cover_all_keys_between_the_bounds() {
        let between = |low: &[u8], high: &[u8]| prefix_between(edge(low), Some(edge(high)), 100);
        assert_eq!(between(b"abc", b"abd"), 3);
        assert_eq!(between(b"abc", b"abda"), 2);
        assert_eq!(between(b"ab", b"abz"), 2);
        assert_eq!(between(b"", b"b"), 0);
        assert_eq!(between(b"a\xff", b"b"), 1);
        assert_eq!(prefix_between(edge(b"abc"), None, 100), 0);
        let cut = Edge { bytes: b"abd", whole: false };
        assert_eq!(prefix_between(edge(b"abc"), Some(cut), 100), 2);
    }

    #[test]
    fn successors_end_what_starts_with_a_prefix() {
        assert_eq!(successor(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(successor(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(successor(b"\xff\xff"), None);
        assert_eq!(successor(b""), None);
    }

    #[test]
    fn separators_lie_above_left_and_at_or_below_right() {
        for (left, right, len) in [(&b"a"[..], &b"b"[..], 1), (b"ab", b"abc", 3), (b"", b"a", 1)] {
            assert_eq!(separator_len(left, right), len);
            assert!(left < &right[..len] && &right[..len] <= right);
        }
    }
}
