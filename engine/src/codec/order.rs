//! Byte strings side by side: how much they share, and which comes first.
//!
//! Owns: the one place that knows what a comparison costs on each target. Natively the
//! comparison of slices is a routine of the C library and the fastest there is; in wasm it goes
//! byte by byte, and words are eight times cheaper.

use core::cmp::Ordering;

const WORD: usize = size_of::<u64>();

/// Length of the longest common prefix.
#[inline]
pub fn common_len(left: &[u8], right: &[u8]) -> usize {
    let mut len = 0;
    let (lefts, rights) = (left.chunks_exact(WORD), right.chunks_exact(WORD));
    for (left, right) in lefts.zip(rights) {
        let differing = word(left) ^ word(right);
        if differing != 0 {
            return len + (differing.trailing_zeros() / 8) as usize;
        }
        len += WORD;
    }
    len + left[len..].iter().zip(&right[len..]).take_while(|(a, b)| a == b).count()
}

#[inline]
fn word(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
}

/// Whether the first string starts with the second: most are of a few words, which a call would
/// cost more than.
#[inline]
pub fn starts_with(whole: &[u8], start: &[u8]) -> bool {
    whole.get(..start.len()).is_some_and(|front| equal(front, start))
}

/// Whether two strings are the same.
#[inline]
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let (lefts, rights) = (left.as_chunks::<WORD>().0, right.as_chunks::<WORD>().0);
    if let (Some(left), Some(right)) = (left.last_chunk::<WORD>(), right.last_chunk::<WORD>()) {
        // The last word may overlap the one before.
        let differ = |(left, right): (&[u8; WORD], &[u8; WORD])| left != right;
        return left == right && !lefts.iter().zip(rights).any(differ);
    }
    left.iter().zip(right).all(|(left, right)| left == right)
}

/// The first eight bytes as a number, the first the most significant, zeros behind a shorter
/// string: strings whose heads differ are in the order of their heads.
#[inline]
pub fn head(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<WORD>() {
        Some(first) => u64::from_be_bytes(*first),
        None => match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
            // The two may overlap.
            (Some(first), Some(last)) => {
                let last = u64::from(u32::from_be_bytes(*last)) << (8 * (WORD - bytes.len()));
                u64::from(u32::from_be_bytes(*first)) << 32 | last
            }
            _ => {
                let spelled = bytes.iter().fold(0, |head, &byte| head << 8 | u64::from(byte));
                spelled.checked_shl(8 * (WORD - bytes.len()) as u32).unwrap_or(0)
            }
        },
    }
}

/// The bits of a head that come from a string of so many bytes.
#[inline]
pub const fn leading_bytes(len: usize) -> u64 {
    match len {
        0 => 0,
        WORD.. => u64::MAX,
        _ => u64::MAX << (8 * (WORD - len)),
    }
}

/// Which comes first.
#[inline]
pub fn compare(left: &[u8], right: &[u8]) -> Ordering {
    if cfg!(target_family = "wasm") { behind(left, right, 0).0 } else { left.cmp(right) }
}

/// Which comes first if both share `settled` bytes, and how many they share.
#[inline]
fn behind(left: &[u8], right: &[u8], settled: usize) -> (Ordering, usize) {
    let settled = settled.min(left.len()).min(right.len());
    let common = settled + common_len(&left[settled..], &right[settled..]);
    (left.get(common).cmp(&right.get(common)), common)
}

/// A bisection for one key among sorted ones. What the key shares with the nearest below and
/// the nearest above it, all between share too, so no byte of that is looked at again: long
/// keys that differ in their last bytes cost one pass and not one at each step (Manber and
/// Myers, "Suffix arrays", 1993).
#[derive(Clone, Copy, Debug)]
pub struct Bisection<'a> {
    key: &'a [u8],
    below: usize,
    above: usize,
}

impl<'a> Bisection<'a> {
    /// Before the first step.
    pub const fn new(key: &'a [u8]) -> Self {
        Self { key, below: 0, above: 0 }
    }

    /// How the key compares with `other`, which lies between the nearest asked before.
    pub fn compare(&mut self, other: &[u8]) -> Ordering {
        let (order, common) = behind(self.key, other, self.below.min(self.above));
        match order {
            Ordering::Greater => self.below = common,
            Ordering::Less => self.above = common,
            Ordering::Equal => {}
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::random::repeats;

    fn samples() -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        for len in 0..20 {
            keys.push([7u8].repeat(len));
            for at in 0..len {
                for byte in [0, 6, 8, 0x80, 0xff] {
                    let mut key = [7u8].repeat(len);
                    key[at] = byte;
                    keys.push(key);
                }
            }
        }
        keys.sort();
        keys.dedup();
        keys
    }

    #[test]
    fn words_compare_as_bytes_do() {
        let keys = samples();
        for left in keys.iter().step_by(repeats(1, 50)) {
            for right in keys.iter().step_by(repeats(1, 10)) {
                let common = left.iter().zip(right).take_while(|(a, b)| a == b).count();
                assert_eq!(common_len(left, right), common);
                assert_eq!(behind(left, right, 0), (left.cmp(right), common));
                assert_eq!(behind(left, right, common), (left.cmp(right), common));
                assert_eq!(compare(left, right), left.cmp(right));
                let heads = head(left).cmp(&head(right));
                assert!(heads.is_eq() || heads == left.cmp(right));
                assert_eq!(head(left) & leading_bytes(left.len()), head(left));
            }
        }
    }

    #[test]
    fn a_bisection_finds_what_a_plain_one_finds() {
        let keys = samples();
        for key in keys.iter().step_by(repeats(1, 50)) {
            for other in [key.clone(), [key.as_slice(), &[0]].concat(), [key, &[0xff][..]].concat()]
            {
                let mut bisection = Bisection::new(&other);
                let found = keys.binary_search_by(|at| bisection.compare(at).reverse());
                assert_eq!(found, keys.binary_search(&other));
            }
        }
    }
}
