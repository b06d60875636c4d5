//! Orders without a table: a seeded permutation of `0..n` computed one element at a time.

use crate::cli::Order;

/// Stirs 64 bits; every bit of the answer depends on every bit of the question.
pub fn mix(seed: u64, value: u64) -> u64 {
    let mut word = seed.wrapping_mul(0xd6e8_feb8_6659_fd93).wrapping_add(value);
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// The order in which records are loaded.
#[derive(Clone, Copy, Debug)]
pub struct Sequence {
    records: u64,
    seed: u64,
    order: Order,
    half_bits: u32,
}

impl Sequence {
    /// An order over `records` records.
    pub fn new(records: u64, seed: u64, order: Order) -> Self {
        let bits = 64 - records.saturating_sub(1).leading_zeros();
        Self { records, seed, order, half_bits: bits.div_ceil(2).max(1) }
    }

    /// The record that comes at `position`, which is below the number of records.
    pub fn at(&self, position: u64) -> u64 {
        match self.order {
            Order::Ascending => position,
            Order::Random => {
                // A Feistel network permutes a power of four; walking its cycle until it lands
                // inside the range permutes the range. Fewer than four steps on average.
                let mut word = self.network(position);
                while word >= self.records {
                    word = self.network(word);
                }
                word
            }
        }
    }

    fn network(&self, word: u64) -> u64 {
        let mask = (1_u64 << self.half_bits) - 1;
        let (mut left, mut right) = (word >> self.half_bits, word & mask);
        for round in 0..4 {
            let stirred = mix(self.seed ^ (round << 56), right) & mask;
            (left, right) = (right, left ^ stirred);
        }
        (left << self.half_bits) | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_comes_once() {
        for records in [1_u64, 2, 3, 7, 64, 1000, 4097] {
            let sequence = Sequence::new(records, 9, Order::Random);
            let mut seen: Vec<u64> = (0..records).map(|at| sequence.at(at)).collect();
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..records));
        }
    }
}
