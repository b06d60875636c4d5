//! A hash of byte strings for tables in memory: it is never stored, and need not be the same on
//! two machines.
//!
//! Owns: the one function. The method is that of wyhash (Wang Yi, 2019): sixteen bytes at a time
//! are multiplied to a product of 128 bits, whose halves are joined. Who chooses keys that share
//! a hash makes lookups of them as slow as without the table, or a little slower: it is for who
//! uses the table to bound what is tried.

const SEEDS: [u64; 2] = [0xA076_1D64_78BD_642F, 0xE703_7ED1_A0B4_28DB];

#[inline]
fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    product as u64 ^ (product >> 64) as u64
}

#[inline]
fn word(bytes: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*bytes)
}

#[inline]
fn half(bytes: &[u8; 4]) -> u64 {
    u64::from(u32::from_le_bytes(*bytes))
}

/// The hash of `bytes` under `seed`.
#[inline]
pub fn of(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = fold(seed ^ SEEDS[0], bytes.len() as u64 ^ SEEDS[1]);
    let (chunks, _) = bytes.as_chunks::<16>();
    for chunk in chunks {
        let (pair, _) = chunk.as_chunks::<8>();
        state = fold(word(&pair[0]) ^ state, word(&pair[1]) ^ SEEDS[1]);
    }
    // The last bytes, which may overlap those before, so that they cost no loop.
    let (low, high) = if let (Some(first), Some(last)) =
        (bytes.first_chunk::<8>(), bytes.last_chunk())
    {
        match bytes.last_chunk::<16>() {
            Some(both) => {
                let (pair, _) = both.as_chunks::<8>();
                (word(&pair[0]), word(&pair[1]))
            }
            None => (word(first), word(last)),
        }
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (half(first), half(last))
    } else {
        let byte = |at: usize| bytes.get(at).map_or(0, |&byte| u64::from(byte));
        (byte(0) | byte(1) << 8 | byte(2) << 16, 0)
    };
    fold(low ^ state, high ^ SEEDS[1])
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    use super::*;
    use crate::random::repeats;

    #[test]
    fn lengths_seeds_and_single_bits_matter() {
        let mut seen = BTreeSet::new();
        const LONGEST: usize = repeats(100, 20);
        let zeros = [0; LONGEST];
        for len in 0..=LONGEST {
            for seed in [0, 1] {
                assert!(seen.insert(of(seed, &zeros[..len])), "{len} zeros, seed {seed}");
            }
            for bit in 0..8 * len {
                let mut bytes: Vec<u8> = zeros[..len].into();
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(seen.insert(of(0, &bytes)), "bit {bit} of {len} bytes");
            }
        }
    }
}
