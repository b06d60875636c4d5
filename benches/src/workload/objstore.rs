//! Workload `objstore`: object names under buckets, with a line of JSON each.
//!
//! A key is `bucket-NN/path-NNNNN/sub-NNNNN/file-NNNNNNN.bin`, 47 bytes (48 from ten million
//! records on): 256 files a directory, 32 directories a path, 64 buckets. A value is 65 bytes.

use std::io::Write;

use super::{Workload, decimal, mix};

const FILES_PER_SUB: u64 = 256;
const SUBS_PER_PATH: u64 = 32;
const BUCKETS: u64 = 64;
const SEVEN_DIGITS: u64 = 10_000_000;

/// The workload.
pub struct ObjStore {
    seed: u64,
    paths_per_bucket: u64,
    digits: usize,
}

impl ObjStore {
    /// Room for `records` records.
    pub fn new(records: u64, seed: u64) -> Self {
        let paths = records.div_ceil(FILES_PER_SUB * SUBS_PER_PATH);
        Self {
            seed,
            paths_per_bucket: paths.div_ceil(BUCKETS).max(1),
            digits: if records > SEVEN_DIGITS { 8 } else { 7 },
        }
    }
}

impl Workload for ObjStore {
    fn key(&self, index: u64, out: &mut Vec<u8>) {
        let sub = index / FILES_PER_SUB;
        let path = sub / SUBS_PER_PATH;
        out.extend_from_slice(b"bucket-");
        decimal(path / self.paths_per_bucket, 2, out);
        out.extend_from_slice(b"/path-");
        decimal(path, 5, out);
        out.extend_from_slice(b"/sub-");
        decimal(sub % SUBS_PER_PATH, 5, out);
        out.extend_from_slice(b"/file-");
        decimal(index, self.digits, out);
        out.extend_from_slice(b".bin");
    }

    fn value(&self, index: u64, generation: u32, out: &mut Vec<u8>) {
        let word = mix(self.seed ^ (u64::from(generation) << 40), index);
        let size = 10_000_000 + word % 90_000_000;
        let modified = 1_700_000_000 + (word >> 32) % 100_000_000;
        // Writing into a vector does not fail.
        let _ = write!(out, r#"{{"size":{size},"etag":"{word:016x}","modified":{modified}}}"#);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_ascend_and_sizes_hold() {
        let workload = ObjStore::new(300_000, 3);
        let (mut last, mut key, mut value) = (Vec::new(), Vec::new(), Vec::new());
        for index in (0..300_000).step_by(37) {
            key.clear();
            value.clear();
            workload.key(index, &mut key);
            workload.value(index, index as u32 % 5, &mut value);
            assert!(last < key);
            assert_eq!((key.len(), value.len()), (47, 65), "{}", String::from_utf8_lossy(&value));
            std::mem::swap(&mut last, &mut key);
        }
    }
}
