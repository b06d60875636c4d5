//! Seeded scripts of hostile shape.
//!
//! Owns: key shapes, sizes around every limit, mixes of operations. Never does: run a script or
//! draw on anything but the seed (real paths are handed in by the caller). Invariant: equal
//! configurations give equal scripts.

use std::collections::BTreeSet;
use std::path::Path;

use holt_engine::limits::{
    MAX_FRAME_PREFIX_BYTES, MAX_INLINE_KEY_BYTES, MAX_INLINE_RECORD_BYTES, MAX_KEY_BYTES,
    MAX_PAGE_PREFIX_BYTES, MAX_SCAN_BYTES, MAX_VALUE_BYTES, PAGE_BYTES,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::script::{Bytes, Change, Op, Scan, Script};

/// The generator all of the kit draws from.
pub type Rand = ChaCha8Rng;

/// The generator for `seed`.
pub fn rand_of(seed: u64) -> Rand {
    ChaCha8Rng::seed_from_u64(seed)
}

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

fn shuffle<T>(items: &mut [T], rng: &mut Rand) {
    for at in (1..items.len()).rev() {
        items.swap(at, rng.random_range(0..=at));
    }
}

/// What a script is made from.
#[derive(Clone, Debug)]
pub struct Config {
    /// Decides everything that is not said here.
    pub seed: u64,
    /// What keys look like.
    pub shape: Shape,
    /// Distinct keys.
    pub keys: usize,
    /// Operations, the first pass over the keys included.
    pub ops: usize,
    /// Longest ordinary value; sizes around the limits come on top of it.
    pub value_bytes: usize,
    /// Real paths, for [`Shape::Paths`].
    pub paths: Vec<Vec<u8>>,
    /// Whether stores may be closed and opened.
    pub reopen: bool,
    /// Whether scans that leave values out are bounded by bytes as well.
    pub key_bytes: bool,
}

/// The script of a configuration: the keys once, then a mix of operations whose weights are
/// drawn from the seed (some are left out altogether), then a full scan.
pub fn script(config: &Config) -> Script {
    let mut rng = rand_of(config.seed);
    let keys = keys(config.shape, &mut rng, config.keys, &config.paths);
    let mut maker = Maker { config, keys, rng, ops: Vec::new(), large: 0 };
    let weights = maker.weights();
    for at in 0..maker.keys.len().min(config.ops) {
        let key = maker.keys[at].clone();
        let value = maker.value(&key);
        maker.ops.push(Op::Put { key: key.into(), value });
        if at % 97 == 96 {
            maker.upkeep();
        }
    }
    while maker.ops.len() < config.ops {
        maker.step(&weights);
    }
    maker.ops.push(Op::Scan(Scan {
        max_entries: usize::MAX >> 12,
        max_bytes: usize::MAX >> 12,
        ..Scan::default()
    }));
    Script { ops: maker.ops }
}

/// Kinds of steps, in the order of the weights.
const STEPS: usize = 7;

struct Maker<'a> {
    config: &'a Config,
    keys: Vec<Vec<u8>>,
    rng: Rand,
    ops: Vec<Op>,
    /// Bytes of values beyond the ordinary ones so far.
    large: usize,
}

impl Maker<'_> {
    /// How often each step is taken; the swarm leaves out some of the writes for a whole script.
    fn weights(&mut self) -> [u32; STEPS] {
        let rng = &mut self.rng;
        let mut some =
            |most: u32| if rng.random_ratio(1, 5) { 0 } else { rng.random_range(1..=most) };
        [30, some(30), some(12), some(10), 20, 14, 4]
    }

    fn step(&mut self, weights: &[u32; STEPS]) {
        let mut ticket = self.rng.random_range(0..weights.iter().sum::<u32>());
        let mut kind = 0;
        while ticket >= weights[kind] {
            ticket -= weights[kind];
            kind += 1;
        }
        match kind {
            0 => {
                let key = self.key();
                let value = self.value(&key);
                self.ops.push(Op::Put { key: key.into(), value });
            }
            1 => self.deletes(),
            2 => {
                let force = self.rng.random_ratio(1, 2);
                let op = Op::Rename { src: self.key().into(), dst: self.key().into(), force };
                self.ops.push(op);
            }
            3 => self.batch(),
            4 => {
                let key = self.key().into();
                self.ops.push(Op::Get { key });
            }
            5 => self.scan(),
            _ => self.upkeep(),
        }
    }

    /// A key of the script, or now and then one near it.
    fn key(&mut self) -> Vec<u8> {
        if self.keys.is_empty() {
            return Vec::new();
        }
        let mut key = self.keys[self.rng.random_range(0..self.keys.len())].clone();
        match self.rng.random_range(0..16) {
            0 => drop(key.pop()),
            1 if key.len() < MAX_KEY_BYTES => key.push(self.rng.random()),
            _ => {}
        }
        key
    }

    fn value(&mut self, key: &[u8]) -> Bytes {
        const LARGE_BYTES: usize = 3 << 20;
        if self.config.shape == Shape::Objects {
            let n = key.iter().fold(0_u64, |sum, &b| sum.wrapping_mul(31) + u64::from(b));
            return object_value(n % 10_000_000).into();
        }
        let sizes = value_sizes();
        let limits = self.config.shape == Shape::Limits;
        let edge = self.rng.random_ratio(1, if limits { 2 } else { 40 });
        let mut len = match edge {
            true => sizes[self.rng.random_range(0..sizes.len())],
            false => self.rng.random_range(0..=self.config.value_bytes),
        };
        if len > PAGE_BYTES {
            if self.large + len > LARGE_BYTES {
                len = self.config.value_bytes;
            } else {
                self.large += len;
            }
        }
        value_of(len, self.rng.random()).into()
    }

    /// One delete, or a run of neighbours so that pages and frames run thin.
    fn deletes(&mut self) {
        if !self.rng.random_ratio(1, 6) {
            let key = self.key().into();
            self.ops.push(Op::Delete { key });
            return;
        }
        let mut sorted = self.keys.clone();
        sorted.sort();
        let from = self.rng.random_range(0..sorted.len().max(1));
        let most = (sorted.len() / 3).max(1);
        let run = self.rng.random_range(1..=most);
        let doomed = sorted.into_iter().skip(from).take(run);
        self.ops.extend(doomed.map(|key| Op::Delete { key: key.into() }));
    }

    fn batch(&mut self) {
        let changes = (0..self.rng.random_range(0..12))
            .map(|_| {
                let key = self.key();
                match self.rng.random_ratio(1, 4) {
                    true => Change::Delete { key: key.into() },
                    false => Change::Put { value: self.value(&key), key: key.into() },
                }
            })
            .collect();
        self.ops.push(Op::Batch { changes });
    }

    fn scan(&mut self) {
        let prefix = if self.rng.random_ratio(1, 3) { Vec::new() } else { self.key() };
        let cut = self.rng.random_range(0..=prefix.len());
        let start_after = self.rng.random_ratio(1, 3).then(|| self.key().into());
        let delimiter = match self.rng.random_range(0..4) {
            0 => None,
            1 => Some(self.rng.random()),
            2 => Some(0),
            _ => Some(b'/'),
        };
        let keys_only = self.rng.random_ratio(1, 3);
        let narrow = self.rng.random_range(0..16);
        let whole = !self.config.key_bytes && (keys_only || delimiter.is_some());
        self.ops.push(Op::Scan(Scan {
            prefix: prefix[..cut].into(),
            start_after,
            delimiter,
            keys_only,
            max_entries: self.rng.random_range(1..80),
            max_bytes: if whole { MAX_SCAN_BYTES } else { 1 << narrow },
        }));
    }

    fn upkeep(&mut self) {
        let op = match self.rng.random_range(0..12) {
            0..3 => Op::Checkpoint,
            3 => Op::Compact,
            4..7 => Op::Maintain { budget: self.rng.random_range(1..40) },
            7 => Op::Sync,
            8 => Op::Verify,
            _ if self.config.reopen => Op::Reopen,
            _ => Op::Checkpoint,
        };
        self.ops.push(op);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_scripts_and_no_key_over_the_limit() {
        let paths = vec![b"/usr/bin/env".to_vec(), b"/usr/lib".to_vec()];
        for shape in Shape::ALL {
            let config = Config {
                seed: 7,
                shape,
                keys: 300,
                ops: 500,
                value_bytes: 50,
                paths: paths.clone(),
                reopen: true,
                key_bytes: true,
            };
            let made = script(&config);
            assert_eq!(made, script(&config));
            assert_ne!(made, script(&Config { seed: 8, ..config }), "{shape:?}");
            for op in &made.ops {
                if let Op::Put { key, value } = op {
                    assert!(key.0.len() <= MAX_KEY_BYTES && value.0.len() <= MAX_VALUE_BYTES);
                }
            }
        }
    }

    #[test]
    fn object_records_are_of_the_size_the_benches_promise() {
        assert!((55..=75).contains(&object_value(1_234_567).len()));
        assert_eq!(object_key(7).len(), object_key(9_999_999).len());
    }
}
