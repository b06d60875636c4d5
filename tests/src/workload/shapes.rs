//! What keys and values look like.
//!
//! Owns: key shapes, sizes around every limit. Never does: draw on anything but the generator it
//! is handed (real paths come from the caller).

use std::collections::BTreeSet;
use std::path::Path;

use holt_engine::limits::{
    MAX_FRAME_PREFIX_BYTES, MAX_INLINE_KEY_BYTES, MAX_INLINE_RECORD_BYTES, MAX_KEY_BYTES,
    MAX_PAGE_PREFIX_BYTES, MAX_VALUE_BYTES, PAGE_BYTES,
};
use rand::Rng;

use super::{Rand, rand_of};

/// What keys look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Each key is a prefix of the next.
    Staircase,
    /// Long shared prefixes, of lengths around the engine's prefix limits and up to the key
    /// limit, with short tails.
    SharedPrefix,
    /// One and two bytes of every value, and the empty key.
    AllBytes,
    /// Runs of NUL bytes, and keys that differ in them only.
    Nul,
    /// Keys and values of every size around every limit.
    Limits,
    /// `bucket-NN/path/sub/file-NNNNNNN.bin` with small JSON values.
    Objects,
    /// Paths given by the caller.
    Paths,
    /// Random bytes of random length.
    Random,
    /// Counters, in ascending order.
    Ascending,
    /// Counters, in descending order.
    Descending,
}

impl Shape {
    /// All shapes.
    pub const ALL: [Self; 10] = [
        Self::Staircase,
        Self::SharedPrefix,
        Self::AllBytes,
        Self::Nul,
        Self::Limits,
        Self::Objects,
        Self::Paths,
        Self::Random,
        Self::Ascending,
        Self::Descending,
    ];

    /// Whether the order in which keys come matters, so that they must not be shuffled.
    fn is_ordered(self) -> bool {
        matches!(self, Self::Ascending | Self::Descending)
    }
}

/// Lengths at and around the limits that split code paths, in bytes.
pub fn key_sizes() -> Vec<usize> {
    let mut sizes = around(&[
        MAX_PAGE_PREFIX_BYTES,
        MAX_FRAME_PREFIX_BYTES,
        MAX_INLINE_KEY_BYTES,
        MAX_INLINE_RECORD_BYTES,
        PAGE_BYTES,
        MAX_KEY_BYTES,
    ]);
    sizes.extend(0..=9);
    sizes.retain(|&size| size <= MAX_KEY_BYTES);
    sizes
}

/// Lengths of values at and around the limits, in bytes.
pub fn value_sizes() -> Vec<usize> {
    let mut sizes =
        around(&[MAX_INLINE_RECORD_BYTES, PAGE_BYTES, 2 * PAGE_BYTES, 1 << 16, MAX_VALUE_BYTES]);
    sizes.extend([0, 1, 7, 8, 9, 255, 256]);
    sizes.retain(|&size| size <= MAX_VALUE_BYTES);
    sizes
}

/// Each limit with headers of up to 40 bytes taken off it, and one to both sides.
fn around(limits: &[usize]) -> Vec<usize> {
    const HEADERS: [usize; 6] = [0, 8, 16, 24, 32, 40];
    let sizes: BTreeSet<usize> = limits
        .iter()
        .flat_map(|limit| HEADERS.iter().map(move |header| limit.saturating_sub(*header)))
        .flat_map(|size| [size.saturating_sub(1), size, size + 1])
        .collect();
    sizes.into_iter().collect()
}

/// A value of `len` bytes that tells its seed.
pub fn value_of(len: usize, seed: u64) -> Vec<u8> {
    let mut value = vec![0; len];
    rand_of(seed).fill(value.as_mut_slice());
    value
}

/// Paths under `root` without following links, at most `most`, in a stable order.
///
/// Directories that cannot be read are left out.
pub fn real_paths(root: &Path, most: usize) -> Vec<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt;
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(directory) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        let mut entries: Vec<_> = entries.flatten().collect();
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            if found.len() == most {
                return found;
            }
            let path = entry.path();
            found.push(path.as_os_str().as_bytes().to_vec());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(path);
            }
        }
    }
    found
}

/// `n` distinct keys of a shape (fewer where the shape has fewer).
pub fn keys(shape: Shape, rng: &mut Rand, n: usize, paths: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = match shape {
        Shape::Staircase => staircase(rng, n),
        Shape::SharedPrefix => shared_prefixes(rng, n),
        Shape::AllBytes => all_bytes(rng, n),
        Shape::Nul => nul_runs(rng, n),
        Shape::Limits => sized(rng, n),
        Shape::Objects => (0..n).map(|_| object_key(rng.random_range(0..10_000_000))).collect(),
        Shape::Paths => {
            let from = rng.random_range(0..paths.len().max(1));
            paths.iter().cycle().skip(from).take(n.min(paths.len())).cloned().collect()
        }
        Shape::Random => (0..n)
            .map(|_| {
                let mut key = vec![0; rng.random_range(0..40)];
                rng.fill(key.as_mut_slice());
                key
            })
            .collect(),
        Shape::Ascending => (0..n).map(|i| format!("log/{i:012}").into_bytes()).collect(),
        Shape::Descending => {
            (0..n).rev().map(|i| (i as u64).to_be_bytes().to_vec()).collect::<Vec<_>>()
        }
    };
    let mut seen = BTreeSet::new();
    keys.retain(|key| seen.insert(key.clone()));
    if !shape.is_ordered() {
        shuffle(&mut keys, rng);
    }
    keys
}

fn staircase(rng: &mut Rand, n: usize) -> Vec<Vec<u8>> {
    let step: Vec<u8> = match rng.random_range(0..3) {
        0 => vec![0],
        1 => b"dir/".to_vec(),
        _ => vec![255; rng.random_range(1..60)],
    };
    let mut key = Vec::new();
    let mut keys = vec![key.clone()];
    while keys.len() < n && key.len() + step.len() <= MAX_KEY_BYTES {
        key.extend_from_slice(&step);
        keys.push(key.clone());
    }
    keys
}

fn shared_prefixes(rng: &mut Rand, n: usize) -> Vec<Vec<u8>> {
    let lengths = [
        MAX_PAGE_PREFIX_BYTES - 1,
        MAX_PAGE_PREFIX_BYTES,
        MAX_PAGE_PREFIX_BYTES + 1,
        MAX_FRAME_PREFIX_BYTES - 1,
        MAX_FRAME_PREFIX_BYTES,
        MAX_FRAME_PREFIX_BYTES + 1,
        MAX_INLINE_KEY_BYTES - 2,
        MAX_INLINE_KEY_BYTES + 1,
        MAX_KEY_BYTES - 3,
    ];
    let length = lengths[rng.random_range(0..lengths.len())];
    // Keys at the key limit are 64 KiB each: some dozens of them are enough.
    let n = if length > PAGE_BYTES { n.min(48) } else { n };
    let base = value_of(length, rng.random());
    (0..n)
        .map(|i| {
            // Mostly the whole prefix, sometimes a part of it: branches at every depth.
            let shared = if rng.random_ratio(1, 8) { rng.random_range(0..length) } else { length };
            let mut key = base[..shared].to_vec();
            key.extend_from_slice(&(i as u32).to_be_bytes()[1..]);
            key
        })
        .collect()
}

fn all_bytes(rng: &mut Rand, n: usize) -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    keys.push(Vec::new());
    while keys.len() < n {
        keys.push(vec![rng.random(), rng.random()]);
    }
    shuffle(&mut keys, rng);
    keys.truncate(n);
    keys
}

fn nul_runs(rng: &mut Rand, n: usize) -> Vec<Vec<u8>> {
    (0..n)
        .map(|_| {
            let mut key = Vec::new();
            for _ in 0..rng.random_range(0..4) {
                key.extend(std::iter::repeat_n(0, rng.random_range(0..12)));
                if rng.random_ratio(1, 2) {
                    key.push(b"a\x00\x01\xff"[rng.random_range(0..4)]);
                }
            }
            key
        })
        .collect()
}

fn sized(rng: &mut Rand, n: usize) -> Vec<Vec<u8>> {
    let sizes = key_sizes();
    (0..n)
        .map(|_| {
            // The longest keys are rare, or a script would be all of them.
            let size = loop {
                let size = sizes[rng.random_range(0..sizes.len())];
                if size <= 2 * PAGE_BYTES || rng.random_ratio(1, 12) {
                    break size;
                }
            };
            let mut key = vec![b'k'; size];
            let tail = size.min(4);
            rng.fill(&mut key[size - tail..]);
            key
        })
        .collect()
}

/// The key of object number `n`.
pub fn object_key(n: u64) -> Vec<u8> {
    let (bucket, path, sub) = (n % 16, n / 16 % 200, n / 3200 % 50);
    format!("bucket-{bucket:02}/path-{path:03}/sub-{sub:02}/file-{n:07}.bin").into_bytes()
}

/// The record of object number `n`, about 65 bytes of JSON.
pub fn object_value(n: u64) -> Vec<u8> {
    let etag = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let size = n % 1_000_000;
    format!("{{\"size\":{size},\"etag\":\"{etag:016x}\",\"mtime\":{}}}", 1_700_000_000 + n)
        .into_bytes()
}

pub(super) fn shuffle<T>(items: &mut [T], rng: &mut Rand) {
    for at in (1..items.len()).rev() {
        items.swap(at, rng.random_range(0..=at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_records_are_of_the_size_the_benches_promise() {
        assert!((55..=75).contains(&object_value(1_234_567).len()));
        assert_eq!(object_key(7).len(), object_key(9_999_999).len());
    }
}
