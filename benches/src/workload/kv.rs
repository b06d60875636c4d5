//! Workload `kv`: flat keys as the usual key-value benches have them.
//!
//! A key is `user` and sixteen hexadecimal digits, 20 bytes, spread evenly over the numbers like
//! the hash that such benches take, yet ascending with the record; a value is 100 bytes of text.
//! There are no directories.

use super::{Workload, mix};

const VALUE_BYTES: usize = 100;

/// The workload.
pub struct Kv {
    seed: u64,
    /// Between two keys, on average.
    stride: u64,
}

impl Kv {
    /// Room for `records` records.
    pub fn new(records: u64, seed: u64) -> Self {
        Self { seed, stride: u64::MAX / records.max(1) }
    }
}

impl Workload for Kv {
    fn key(&self, index: u64, out: &mut Vec<u8>) {
        let number = index * self.stride + mix(self.seed, index) % self.stride;
        out.extend_from_slice(format!("user{number:016x}").as_bytes());
    }

    fn value(&self, index: u64, generation: u32, out: &mut Vec<u8>) {
        let end = out.len() + VALUE_BYTES;
        let mut word = mix(self.seed ^ (u64::from(generation) << 40), index);
        while out.len() < end {
            word = mix(word, 1);
            out.extend_from_slice(format!("{word:016x}").as_bytes());
        }
        out.truncate(end);
    }

    fn directory(&self, _: &[u8]) -> usize {
        0
    }

    fn has_directories(&self) -> bool {
        false
    }
}
