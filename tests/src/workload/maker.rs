//! Makes the operations of a script, step by step.
//!
//! Owns: the keys as far as the script knows them, which snapshots are taken. Never does: know
//! what a home will answer; it leads up to conditions that hold by reading first.

use holt_engine::limits::{MAX_KEY_BYTES, PAGE_BYTES};
use rand::Rng;

use super::mix::{self, Step};
use super::prefixes::Directories;
use super::shapes::{Shape, keys, object_value, value_of, value_sizes};
use super::{Config, Rand, rand_of};
use crate::script::{Bytes, Change, Expect, Op, Read, SLOTS, Scan, Script};

/// A script in the making.
pub(super) struct Maker<'a> {
    config: &'a Config,
    /// The keys of the script; they move when a prefix does.
    pub keys: Vec<Vec<u8>>,
    pub directories: Directories,
    pub rng: Rand,
    pub ops: Vec<Op>,
    /// Bytes of values beyond the ordinary ones so far.
    large: usize,
    /// Prefixes of the snapshots taken.
    pub slots: [Option<Vec<u8>>; SLOTS],
}

impl<'a> Maker<'a> {
    pub fn new(config: &'a Config) -> Self {
        let mut rng = rand_of(config.seed);
        let keys = keys(config.shape, &mut rng, config.keys, &config.paths);
        let directories = Directories::new(&keys);
        Self {
            config,
            keys,
            directories,
            rng,
            ops: Vec::new(),
            large: 0,
            slots: Default::default(),
        }
    }

    pub fn script(mut self) -> Script {
        let weights = mix::weights(&mut self.rng);
        self.first_pass();
        while self.ops.len() < self.config.ops {
            let step = mix::draw(&mut self.rng, &weights);
            self.step(step);
        }
        self.ops.push(Op::Read(Read::Scan(Scan::default())));
        Script { ops: self.ops }
    }

    /// Writes each key once, in the order of the shape: some alone, most in batches.
    fn first_pass(&mut self) {
        let mut at = 0;
        while at < self.keys.len() && self.ops.len() < self.config.ops {
            let most = if self.rng.random_ratio(1, 3) { 1 } else { 32 };
            let run = self.rng.random_range(1..=most).min(self.keys.len() - at);
            let keys = self.keys[at..at + run].to_vec();
            self.put_all(&keys);
            at += run;
            if self.rng.random_ratio(1, 40) {
                self.upkeep();
            }
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Get => self.read(|key| Read::Get { key }),
            Step::GetRecord => self.read(|key| Read::GetRecord { key }),
            Step::GetVersion => self.read(|key| Read::GetVersion { key }),
            Step::GetWith => self.with_key(|key| Op::GetWith { key }),
            Step::GetInto => self.with_key(|key| Op::GetInto { key }),
            Step::ContainsKey => self.with_key(|key| Op::ContainsKey { key }),
            Step::GetMany => {
                let count = self.rng.random_range(0..20);
                let keys = (0..count).map(|_| self.key().into()).collect();
                self.ops.push(Op::GetMany { keys });
            }
            Step::LongestPrefix | Step::IsPrefixEmpty | Step::PrefixCount => {
                let read = self.prefix_read(step, &[]);
                self.ops.push(Op::Read(read));
            }
            Step::Page | Step::Tokens | Step::Iterate | Step::Visit => {
                let scan = self.scan(step, &[]);
                self.ops.push(Op::Read(Read::Scan(scan)));
            }
            Step::Atomic => self.batch(false),
            Step::Txn => self.batch(true),
            Step::Snapshot
            | Step::DropSnapshot
            | Step::ViewGet
            | Step::ViewLongestPrefix
            | Step::ViewScan
            | Step::ViewPrefix
            | Step::View => self.views(step),
            Step::CreateTree
            | Step::OpenTree
            | Step::OpenOrCreateTree
            | Step::DropTree
            | Step::ListTrees
            | Step::InTree
            | Step::AcrossTrees => self.trees(step),
            Step::Maintain => {
                let budget = self.rng.random_range(1..40);
                self.ops.push(Op::Maintain { budget });
            }
            Step::Checkpoint => self.ops.push(Op::Checkpoint),
            Step::Compact => self.ops.push(Op::Compact),
            Step::Sync => self.ops.push(Op::Sync),
            Step::Gc => self.ops.push(Op::Gc),
            Step::Vacuum => self.ops.push(Op::Vacuum),
            Step::Verify => self.ops.push(Op::Verify),
            Step::Reopen => self.reopen(),
            write => self.write(write),
        }
    }

    /// A key of the script, or now and then one near it.
    pub fn key(&mut self) -> Vec<u8> {
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

    /// A key that is very likely not there.
    pub fn odd_key(&mut self) -> Vec<u8> {
        let mut key = self.key();
        key.truncate(MAX_KEY_BYTES - 4);
        key.extend(self.rng.random::<[u8; 4]>());
        key
    }

    /// A key that starts with `scope`, or now and then one that does not.
    pub fn key_in(&mut self, scope: &[u8]) -> Vec<u8> {
        if self.rng.random_ratio(1, 12) {
            return self.key();
        }
        match self.directories.key_under(&mut self.rng, scope) {
            Some(key) => key.to_vec(),
            None => self.key(),
        }
    }

    /// A prefix that starts with `scope`, or now and then one that does not.
    pub fn prefix_in(&mut self, scope: &[u8]) -> Vec<u8> {
        if scope.is_empty() || self.rng.random_ratio(1, 12) {
            return self.directories.any(&mut self.rng);
        }
        let key = self.key_in(scope);
        let cut = self.rng.random_range(scope.len().min(key.len())..=key.len());
        key[..cut].to_vec()
    }

    pub fn value(&mut self, key: &[u8]) -> Bytes {
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

    /// A version to ask for: mostly that of the record, which is read for it.
    pub fn expect(&mut self, key: &[u8], likely: bool) -> Expect {
        if likely {
            let key = key.into();
            self.ops.push(Op::Read(match self.rng.random_ratio(1, 3) {
                true => Read::GetRecord { key },
                false => Read::GetVersion { key },
            }));
            return Expect::Seen;
        }
        match self.rng.random_range(0..4) {
            0 => Expect::Never,
            1 => Expect::Stale,
            _ => Expect::Seen,
        }
    }

    pub fn put_all(&mut self, keys: &[Vec<u8>]) {
        let mut put =
            |key: &Vec<u8>| Change::Put { value: self.value(key), key: key.clone().into() };
        let mut changes: Vec<_> = keys.iter().map(&mut put).collect();
        match changes.pop() {
            Some(Change::Put { key, value }) if changes.is_empty() => {
                self.ops.push(Op::Put { key, value });
            }
            last => {
                changes.extend(last);
                self.ops.push(Op::atomic(changes));
            }
        }
    }

    fn with_key(&mut self, op: impl Fn(Bytes) -> Op) {
        let key = self.key().into();
        self.ops.push(op(key));
    }

    fn read(&mut self, read: impl Fn(Bytes) -> Read) {
        self.with_key(|key| Op::Read(read(key)));
    }

    fn upkeep(&mut self) {
        let op = match self.rng.random_range(0..4) {
            0 => Op::Compact,
            1 => Op::Sync,
            2 => return self.reopen(),
            _ => Op::Checkpoint,
        };
        self.ops.push(op);
    }

    pub fn reopen(&mut self) {
        self.slots = Default::default();
        self.ops.push(Op::Reopen);
    }
}
