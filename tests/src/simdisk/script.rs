//! Short random scripts for crash tests, and what may be found after a crash.
//!
//! Owns: scripts from a seed, and [`History`]: the state after each operation as one number.
//! Never does: run a store. Invariant: a script names its seed only; the same seed gives the
//! same script for ever.

use std::collections::BTreeMap;

use rand::Rng;

use crate::model::Model;
use crate::script::{Change, Op, Script};
use crate::workload::{Rand, rand_of, value_of};

/// Distinct keys of a crash script.
const KEYS: usize = 64;

/// The key of this number: some share long prefixes, some are prefixes of others.
pub fn key(number: usize) -> Vec<u8> {
    let number = number % KEYS;
    match number % 4 {
        0 => format!("dir/{:02}/file", number / 4),
        1 => format!("dir/{:02}", number / 4),
        2 => format!("a long shared prefix that fences and anchors must carry/{number:02}"),
        _ => format!("{number:02}"),
    }
    .into_bytes()
}

/// A batch that fills a store with `records` records of a few hundred bytes.
pub fn preload(seed: u64, records: usize) -> Op {
    preload_sized(seed, records, 100..900)
}

/// The same with values of these sizes, in bytes.
pub fn preload_sized(seed: u64, records: usize, sizes: std::ops::Range<usize>) -> Op {
    let mut rng = rand_of(seed);
    let put = |number: usize| {
        let len = rng.random_range(sizes.clone());
        Change::Put { key: key(number * 7).into(), value: value_of(len, number as u64).into() }
    };
    Op::atomic((0..records).map(put).collect())
}

/// A script of `ops` operations; which kinds it has is drawn first.
pub fn script(seed: u64, ops: usize) -> Script {
    const KINDS: [u32; 16] = [24, 8, 12, 10, 8, 6, 8, 5, 4, 3, 5, 6, 5, 4, 5, 4];
    let mut rng = rand_of(seed);
    let mut weights = KINDS;
    for weight in &mut weights[1..] {
        if rng.random_ratio(1, 4) {
            *weight = 0;
        }
    }
    let mut list = Vec::with_capacity(ops);
    for at in 0..ops {
        let kind = draw(&mut rng, &weights);
        let any = |rng: &mut Rand| key(rng.random_range(0..KEYS));
        let small = |rng: &mut Rand| value_of(rng.random_range(0..700), seed ^ at as u64).into();
        list.push(match kind {
            0 => Op::Put { key: any(&mut rng).into(), value: small(&mut rng) },
            1 => {
                let value = value_of(rng.random_range(900..9000), seed ^ at as u64).into();
                Op::Put { key: any(&mut rng).into(), value }
            }
            2 => Op::Delete { key: any(&mut rng).into() },
            3 => {
                let (src, dst) = (any(&mut rng).into(), any(&mut rng).into());
                Op::Rename { src, dst, force: rng.random_ratio(1, 2) }
            }
            4 => batch(&mut rng, seed ^ at as u64),
            5 => thin(&mut rng),
            6 => Op::Sync,
            7 => Op::Checkpoint,
            8 => Op::Maintain { budget: rng.random_range(1..8) },
            9 => Op::Compact,
            10 => Op::RenamePrefix {
                src: folder(&mut rng).into(),
                dst: folder(&mut rng).into(),
                force: rng.random_ratio(2, 3),
            },
            11 => Op::DeletePrefix { prefix: folder(&mut rng).into() },
            12 => guarded(&mut rng, seed ^ at as u64),
            13 => {
                let records = (0..rng.random_range(2..9))
                    .map(|n| (any(&mut rng).into(), value_of(n * 90, seed ^ at as u64).into()));
                Op::PutMany { records: records.collect() }
            }
            14 => Op::Remove { key: any(&mut rng).into() },
            _ => Op::Reopen,
        });
    }
    Script { ops: list }
}

/// An index, each with the chance of its weight.
fn draw(rng: &mut Rand, weights: &[u32]) -> usize {
    let mut ticket = rng.random_range(0..weights.iter().sum::<u32>());
    for (index, weight) in weights.iter().enumerate() {
        match ticket.checked_sub(*weight) {
            None => return index,
            Some(rest) => ticket = rest,
        }
    }
    0
}

/// Puts and deletes that apply together.
fn batch(rng: &mut Rand, seed: u64) -> Op {
    let changes = (0..rng.random_range(1..9)).map(|at| {
        let key = key(rng.random_range(0..KEYS)).into();
        match rng.random_ratio(2, 3) {
            true => {
                let value = value_of(rng.random_range(0..1500), seed ^ (at << 32)).into();
                Change::Put { key, value }
            }
            false => Change::Delete { key },
        }
    });
    Op::atomic(changes.collect())
}

/// A prefix of some keys, of one, or of none.
fn folder(rng: &mut Rand) -> Vec<u8> {
    const FOLDERS: [&str; 5] = ["dir/", "dir/0", "a long shared prefix", "moved/", "4"];
    match rng.random_range(0..FOLDERS.len() + 2) {
        at if at < FOLDERS.len() => FOLDERS[at].into(),
        at if at == FOLDERS.len() => key(rng.random_range(0..KEYS)),
        _ => format!("moved/{}/", rng.random_range(0..4)).into_bytes(),
    }
}

/// A batch with conditions, which applies whole or not at all.
fn guarded(rng: &mut Rand, seed: u64) -> Op {
    let Op::Batch { mut changes, .. } = batch(rng, seed) else {
        unreachable!("a batch is a batch");
    };
    let at = rng.random_range(0..=changes.len());
    let key = key(rng.random_range(0..KEYS)).into();
    changes.insert(
        at,
        match rng.random_range(0..5) {
            0 => Change::AssertAbsent { key },
            1 => Change::AssertPrefixEmpty { prefix: folder(rng).into() },
            2 => Change::PutIfAbsent { key, value: value_of(300, seed).into() },
            3 => Change::DeletePrefix { prefix: folder(rng).into() },
            _ => Change::RenamePrefix {
                src: folder(rng).into(),
                dst: folder(rng).into(),
                force: rng.random_ratio(1, 2),
            },
        },
    );
    Op::Batch { changes, txn: rng.random_ratio(1, 2) }
}

/// Deletes most records at once, so that pages and frames merge.
fn thin(rng: &mut Rand) -> Op {
    let from = rng.random_range(0..KEYS);
    let keys = (from..from + KEYS * 2 / 3).map(|number| Change::Delete { key: key(number).into() });
    Op::atomic(keys.collect())
}

/// The contents of a store as one number; the order of records does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(u64);

impl Digest {
    /// Takes a record in, or out again.
    pub fn toggle(&mut self, key: &[u8], value: &[u8]) {
        let word = |seed: u64, bytes: &[u8]| {
            let start = (seed ^ bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            bytes.chunks(8).fold(start, |hash, chunk| {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                (hash.rotate_left(29) ^ u64::from_le_bytes(word))
                    .wrapping_mul(0xff51_afd7_ed55_8ccd)
            })
        };
        let hash = word(word(1, key), value);
        self.0 ^= hash ^ (hash >> 32);
    }
}

/// The states a store went through, one after each operation.
#[derive(Clone, Debug, Default)]
pub struct History {
    model: Model,
    now: Digest,
    states: Vec<Digest>,
}

impl History {
    /// Starts with no records and no operations.
    pub fn new() -> Self {
        Self { states: vec![Digest::default()], ..Self::default() }
    }

    /// Forgets the operations so far; the present state becomes the first.
    pub fn restart(&mut self) {
        self.states = vec![self.now];
    }

    /// Operations since the start.
    pub fn len(&self) -> usize {
        self.states.len() - 1
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keys and values there are now, in order.
    pub fn records(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.model.dump()
    }

    /// The state now.
    pub fn now(&self) -> Digest {
        self.now
    }

    /// The states after `from` to `to` operations.
    pub fn between(&self, from: usize, to: usize) -> &[Digest] {
        &self.states[from..=to]
    }

    /// Applies an operation that succeeded (or was to fail the way the engine must).
    pub fn apply(&mut self, op: &Op) {
        self.model.run(op);
        let mut changed = BTreeMap::new();
        for (key, before) in self.model.changed() {
            // What a key held before the operation is what it held before its first change.
            changed.entry(key).or_insert(before.as_ref());
        }
        for (key, before) in changed {
            for record in before.into_iter().chain(self.model.get(key)) {
                self.now.toggle(key, &record.value);
            }
        }
        self.states.push(self.now);
    }
}
