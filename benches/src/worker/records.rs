//! What a store should hold, as far as it follows from the seed and from the steps so far.
//!
//! Owns: which records are loaded, with which values, and what lists of them must answer.
//! Never does: asking an engine.

use crate::Result;
use crate::engine::{DELIMITER, Setup};
use crate::limits::{LEVEL_ENTRIES, LIST_ENTRIES};
use crate::workload::{Chunk, Sequence, Workload, mix};

/// The records of a store.
pub struct Records {
    pub workload: Box<dyn Workload>,
    pub sequence: Sequence,
    pub loaded: u64,
    pub payload: u64,
    seed: u64,
    total: u64,
    generation: u32,
    /// Whether other records than those of the workload are in the store.
    pub strangers: bool,
}

impl Records {
    /// None yet.
    pub fn new(setup: &Setup) -> Result<Self> {
        Ok(Self {
            workload: setup.workload.open(setup.records, setup.seed, &setup.lists)?,
            sequence: Sequence::new(setup.records, setup.seed, setup.order),
            loaded: 0,
            payload: 0,
            seed: setup.seed,
            total: setup.records,
            generation: 0,
            strangers: false,
        })
    }

    /// Whether exactly the records of the workload are in the store.
    pub fn whole(&self) -> bool {
        self.loaded == self.total && !self.strangers
    }

    /// A number for the values of the next step that overwrites.
    pub fn next_generation(&mut self) -> u32 {
        self.generation += 1;
        self.generation
    }

    /// A word by chance: of a kind of operation, in a round, with a number.
    pub fn chance(&self, kind: u64, round: u32, number: u64) -> u64 {
        mix(self.seed ^ (kind << 48) ^ (u64::from(round) << 32), number)
    }

    /// A record that is loaded, by chance.
    pub fn pick(&self, kind: u64, round: u32, number: u64) -> u64 {
        self.sequence.at(self.chance(kind, round, number) % self.loaded.max(1))
    }

    /// A record that is loaded; another one for each number below the number of records.
    pub fn distinct(&self, round: u32, number: u64) -> u64 {
        let start = mix(self.seed, u64::from(round)) % self.loaded.max(1);
        let scattered = Sequence::new(self.loaded, self.seed ^ 0x5eed, crate::cli::Order::Random);
        self.sequence.at(scattered.at((start + number) % self.loaded.max(1)))
    }

    /// Adds a record to a chunk.
    pub fn push(&self, index: u64, generation: u32, chunk: &mut Chunk) {
        let workload = &self.workload;
        chunk.push(|out| workload.key(index, out), |out| workload.value(index, generation, out));
    }

    /// The key of a record, in memory of its own.
    pub fn key(&self, index: u64) -> Vec<u8> {
        let mut key = Vec::with_capacity(64);
        self.workload.key(index, &mut key);
        key
    }

    /// Length of a record's values, in every generation.
    pub fn value_len(&self, index: u64) -> usize {
        let mut value = Vec::with_capacity(128);
        self.workload.value(index, 0, &mut value);
        value.len()
    }

    /// Whether this is a value that the record was ever written with.
    pub fn wrote(&self, index: u64, got: &[u8]) -> bool {
        let mut want = Vec::with_capacity(128);
        (0..=self.generation).any(|generation| {
            want.clear();
            self.workload.value(index, generation, &mut want);
            want == got
        })
    }

    /// The first record from `from` on, and below `end`, whose key does not start with `prefix`.
    fn leaves(&self, prefix: &[u8], from: u64, end: u64) -> u64 {
        let (mut low, mut high, mut key) = (from, end, Vec::new());
        while low < high {
            let middle = low + (high - low) / 2;
            key.clear();
            self.workload.key(middle, &mut key);
            if key.starts_with(prefix) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// How many records a list of a hundred after this one must return.
    pub fn listed_after(&self, index: u64) -> u64 {
        let key = self.key(index);
        let prefix = &key[..self.workload.directory(&key)];
        let end = self.total.min(index + 1 + LIST_ENTRIES as u64);
        self.leaves(prefix, index + 1, end) - index - 1
    }

    /// The entries that a level after the directory of this record must return.
    pub fn level_after(&self, index: u64) -> Vec<Vec<u8>> {
        let key = self.key(index);
        let level = self.workload.level(&key);
        let directory = self.workload.directory(&key);
        let mut entries = Vec::new();
        let mut next = self.leaves(&key[..directory], index + 1, self.total);
        while next < self.total && entries.len() < LEVEL_ENTRIES {
            let mut entry = self.key(next);
            if !entry.starts_with(&key[..level]) {
                break;
            }
            next += 1;
            if let Some(at) = entry[level..].iter().position(|&byte| byte == DELIMITER) {
                entry.truncate(level + at + 1);
                next = self.leaves(&entry, next, self.total);
            }
            entries.push(entry);
        }
        entries
    }
}
