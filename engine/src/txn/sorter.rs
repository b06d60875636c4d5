//! The order of many keys, each of which lies somewhere else in memory.
//!
//! Owns: the table it sorts. Never does: move the keys. A radix sort from the front by sixteen
//! bytes at a time (multikey quicksort: Bentley and Sedgewick, "Fast algorithms for sorting and
//! searching strings", 1997), with the prefix that all keys of a range share passed over: keys
//! that look like paths differ late, and comparing them whole reads both from their start.

use alloc::vec::Vec;

/// Bytes of a key that are compared at a time.
const HEAD_BYTES: usize = 16;

/// Sorts; keeps its memory.
#[derive(Default)]
pub struct Sorter {
    order: Vec<Entry>,
    /// Ranges to sort, and how many bytes all keys of the range share.
    ranges: Vec<(usize, usize, usize)>,
}

/// A key in its place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The bytes of the key that were looked at last, padded with zeros.
    head: u128,
    /// How many these are, one more if the key goes on, and its number: of two keys with the same
    /// head the shorter one is less, and those that are equal stay in the order of numbers.
    tail: u64,
}

const NUMBER_BITS: u32 = 56;
const REPEATED: u64 = 1 << 63;

impl Entry {
    fn new(rest: &[u8], index: usize) -> Self {
        let mut head = [0; HEAD_BYTES];
        let len = rest.len().min(HEAD_BYTES);
        head[..len].copy_from_slice(&rest[..len]);
        let counted = rest.len().min(HEAD_BYTES + 1) as u64;
        Self { head: u128::from_be_bytes(head), tail: counted << NUMBER_BITS | index as u64 }
    }

    /// The number of the key.
    pub const fn index(&self) -> usize {
        (self.tail & ((1 << NUMBER_BITS) - 1)) as usize
    }

    /// Whether the key is that of the entry before.
    pub const fn is_repeated(&self) -> bool {
        self.tail & REPEATED != 0
    }

    const fn looks_like(&self, other: &Self) -> bool {
        self.head == other.head && self.tail >> NUMBER_BITS == other.tail >> NUMBER_BITS
    }

    const fn goes_on(&self) -> bool {
        (self.tail & !REPEATED) >> NUMBER_BITS > HEAD_BYTES as u64
    }
}

impl Sorter {
    /// The numbers from 0 to `count` in the order of their keys.
    pub fn sort<'k>(&mut self, count: usize, key: impl Fn(usize) -> &'k [u8]) -> &[Entry] {
        self.order.clear();
        self.order.extend((0..count).map(|index| Entry { head: 0, tail: index as u64 }));
        self.ranges.push((0, count, 0));
        while let Some((from, to, shared)) = self.ranges.pop() {
            self.sort_range((from, to), shared, &key);
        }
        &self.order
    }

    fn sort_range<'k>(
        &mut self,
        (from, to): (usize, usize),
        shared: usize,
        key: &impl Fn(usize) -> &'k [u8],
    ) {
        let range = &mut self.order[from..to];
        let Some(first) = range.first().map(|entry| &key(entry.index())[shared..]) else { return };
        let more = range[1..].iter().fold(first.len(), |more, entry| {
            let rest = &key(entry.index())[shared..];
            match rest.starts_with(&first[..more]) {
                true => more,
                false => first.iter().zip(rest).take_while(|(a, b)| a == b).count(),
            }
        });
        let shared = shared + more;
        for entry in range.iter_mut() {
            *entry = Entry::new(&key(entry.index())[shared..], entry.index());
        }
        range.sort_unstable();
        let mut start = 0;
        for at in 1..=range.len() {
            if range.get(at).is_some_and(|entry| entry.looks_like(&range[start])) {
                continue;
            }
            match range[start].goes_on() {
                true if at - start > 1 => {
                    self.ranges.push((from + start, from + at, shared + HEAD_BYTES));
                }
                true => {}
                false => range[start + 1..at].iter_mut().for_each(|entry| entry.tail |= REPEATED),
            }
            start = at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Random, repeats};

    #[test]
    fn keys_come_in_order_and_equal_ones_in_that_of_their_numbers() {
        let mut random = Random::new(5);
        let mut sorter = Sorter::default();
        for round in 0..repeats(200, 10) {
            let longest = [1, 3, 16, 17, 40][round % 5];
            let keys: Vec<Vec<u8>> = (0..random.below(300))
                .map(|_| {
                    let mut key = alloc::vec![b'p'; [0, 15, 33][round % 3]];
                    let len = random.below(longest + 1);
                    key.extend((0..len).map(|_| [0, 0, 1, 255][random.below(4)]));
                    key
                })
                .collect();
            let mut want: Vec<(&[u8], usize)> =
                keys.iter().enumerate().map(|(index, key)| (&key[..], index)).collect();
            want.sort();
            let got = sorter.sort(keys.len(), |index| &keys[index]);
            let got: Vec<(&[u8], usize)> =
                got.iter().map(|entry| (&keys[entry.index()][..], entry.index())).collect();
            assert_eq!(got, want);
            let repeated: Vec<bool> = sorter.order.iter().map(Entry::is_repeated).collect();
            let after = want.windows(2).map(|pair| pair[0].0 == pair[1].0);
            let wanted: Vec<bool> =
                (!want.is_empty()).then_some(false).into_iter().chain(after).collect();
            assert_eq!(repeated, wanted);
        }
    }
}
