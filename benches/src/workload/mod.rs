//! Records by number: keys, values and orders, made on the fly from a seed.
//!
//! Owns: what a record looks like and in which order records come. Never does: keeping records
//! beyond the chunk at hand, so that an engine's memory is its own.
//! Invariant: everything follows from the seed and the record's number alone; of `real`, from
//! the list of paths that the run made at its start.

mod chunk;
mod fs;
mod kv;
mod objstore;
mod order;
mod real;
mod zipf;

use std::path::Path;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::Result;

pub use chunk::Chunk;
pub use objstore::ObjStore;
pub use order::{Sequence, mix};
pub use zipf::Zipf;

/// Ends what a sibling's name begins with; no workload has it in a key.
const SIBLING: u8 = 1;

/// Which records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Flat hashed keys without directories, values of 100 bytes.
    Kv,
    /// Object names under buckets, values of 65 bytes of JSON.
    Objstore,
    /// Deep source trees under homes, values of 64 bytes as `stat` fills them.
    Fs,
    /// The paths of this machine's `/usr` and of its installed crates.
    Real,
}

impl Family {
    /// Its name in tables and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kv => "kv",
            Self::Objstore => "objstore",
            Self::Fs => "fs",
            Self::Real => "real",
        }
    }

    /// Makes what the workload needs in `dir`, once a run.
    pub fn prepare(self, records: u64, dir: &Path) -> Result<()> {
        match self {
            Self::Real => real::write(records, dir),
            _ => Ok(()),
        }
    }

    /// The workload, over what was prepared in `dir`.
    pub fn open(self, records: u64, seed: u64, dir: &Path) -> Result<Box<dyn Workload>> {
        Ok(match self {
            Self::Kv => Box::new(kv::Kv::new(records, seed)),
            Self::Objstore => Box::new(ObjStore::new(records, seed)),
            Self::Fs => Box::new(fs::Homes::new(seed)),
            Self::Real => Box::new(real::Real::open(seed, dir)?),
        })
    }
}

/// A family of records.
pub trait Workload {
    /// Appends the key of record `index`. Keys ascend with the index.
    fn key(&self, index: u64, out: &mut Vec<u8>);

    /// Appends a key that no record has, next to that of record `index`.
    fn absent_key(&self, index: u64, out: &mut Vec<u8>) {
        self.key(index, out);
        if let Some(last) = out.last_mut() {
            *last = b'z';
        }
    }

    /// Appends a key of the same directory that no record has, another one for each `number`.
    fn sibling(&self, index: u64, number: u64, out: &mut Vec<u8>) {
        self.key(index, out);
        out.push(SIBLING);
        out.extend_from_slice(format!("{number:08x}").as_bytes());
    }

    /// Appends the value of record `index` as written for the `generation`th time. Its length
    /// does not depend on the generation.
    fn value(&self, index: u64, generation: u32, out: &mut Vec<u8>);

    /// Length of the directory part of a key, the delimiter included.
    fn directory(&self, key: &[u8]) -> usize {
        key.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1)
    }

    /// Length of the level above the directory of a key; 0 if there is none.
    fn level(&self, key: &[u8]) -> usize {
        let directory = self.directory(key);
        self.directory(&key[..directory.saturating_sub(1)])
    }

    /// Whether keys have directories at all.
    fn has_directories(&self) -> bool {
        true
    }
}

/// Bytes of a record, on average over a sample.
pub fn mean_record(workload: &dyn Workload, records: u64) -> u64 {
    const SAMPLE: u64 = 1_000;
    let (step, mut bytes, mut seen) = (records.div_ceil(SAMPLE).max(1), Vec::new(), 0);
    for index in (0..records).step_by(step as usize) {
        workload.key(index, &mut bytes);
        workload.value(index, 0, &mut bytes);
        seen += 1;
    }
    (bytes.len() as u64).div_ceil(seen.max(1))
}

/// Appends a number in so many decimal digits.
fn decimal(mut number: u64, digits: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + digits, b'0');
    for byte in out[start..].iter_mut().rev() {
        *byte = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Appends 64 bytes as `stat` fills them: mode, owner, links, size, times, inode.
fn stat(seed: u64, index: u64, generation: u32, out: &mut Vec<u8>) {
    let word = mix(seed ^ (u64::from(generation) << 40), index);
    let modified = 1_700_000_000 + word % 100_000_000;
    let mode = 0o100_644 + (1000 << 32);
    for field in [mode, 1000, 1, word >> 44, modified, modified + word % 1000, index, word] {
        out.extend_from_slice(&field.to_le_bytes());
    }
}
