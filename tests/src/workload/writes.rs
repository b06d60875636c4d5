//! Writes of a script: single ones, batches with conditions, operations on prefixes and on named
//! trees.

use holt_engine::limits::{MAX_KEY_BYTES, MAX_RECORD_BYTES};
use rand::Rng;

use super::maker::Maker;
use super::mix::Step;
use super::prefixes::Directories;
use crate::script::{Bytes, Change, Expect, Op, Read, Scan};

/// Names of trees that scripts use; the last ones cannot be.
const TREES: [&str; 6] = ["a", "a/b", "\u{e9}t\u{e9}", " ", "", "\0hidden"];
const GOOD_TREES: usize = 4;

/// Most neighbours that one call writes or deletes.
const LONG_RUN: usize = 120;

impl Maker<'_> {
    /// A step that writes one record or several.
    pub fn write(&mut self, step: Step) {
        let op = match step {
            Step::Put if self.rng.random_ratio(1, 12) => {
                let keys = self.directories.run(&mut self.rng, LONG_RUN).to_vec();
                return self.put_all(&keys);
            }
            Step::Delete => return self.deletes(),
            Step::Rename => {
                let (src, dst) = (self.key().into(), self.key().into());
                Op::Rename { src, dst, force: self.rng.random_ratio(1, 2) }
            }
            Step::RenamePrefix => return self.rename_prefix(),
            Step::DeletePrefix => {
                Op::DeletePrefix { prefix: self.directories.small(&mut self.rng).into() }
            }
            Step::PutMany => Op::PutMany { records: self.records() },
            Step::PutManyIfAbsent => Op::PutManyIfAbsent { records: self.records() },
            Step::CompareAndPut => {
                let (key, expect) = self.condition();
                let value = self.value(&key.0);
                Op::CompareAndPut { key, expect, value }
            }
            Step::DeleteIfVersion => {
                let (key, expect) = self.condition();
                Op::DeleteIfVersion { key, expect }
            }
            Step::Remove => Op::Remove { key: self.key().into() },
            single => {
                let odd = single == Step::PutIfAbsent && self.rng.random_ratio(1, 3);
                let key = if odd { self.odd_key() } else { self.key() };
                let value = self.value(&key);
                let key = key.into();
                match single {
                    Step::Insert => Op::Insert { key, value },
                    Step::PutIfAbsent => Op::PutIfAbsent { key, value },
                    _ => Op::Put { key, value },
                }
            }
        };
        self.ops.push(op);
    }

    fn condition(&mut self) -> (Bytes, Expect) {
        let key = self.key();
        let likely = self.rng.random_ratio(2, 3);
        let expect = self.expect(&key, likely);
        (key.into(), expect)
    }

    /// Records of one call: a run of neighbours, or any keys, some of them twice.
    fn records(&mut self) -> Vec<(Bytes, Bytes)> {
        let keys = match self.rng.random_range(0..6) {
            0..3 => self.directories.run(&mut self.rng, LONG_RUN).to_vec(),
            3 => (0..self.rng.random_range(1..4)).map(|_| self.odd_key()).collect(),
            _ => {
                let mut keys: Vec<_> =
                    (0..self.rng.random_range(0..12)).map(|_| self.key()).collect();
                keys.extend(keys.first().cloned());
                keys
            }
        };
        keys.into_iter().map(|key| (key.clone().into(), self.value(&key))).collect()
    }

    /// One delete, or a run of neighbours so that pages and frames run thin.
    fn deletes(&mut self) {
        let keys = match self.rng.random_range(0..12) {
            0 => self.directories.run(&mut self.rng, 12).to_vec(),
            1..3 => {
                let most = (self.keys.len() / 3).max(1);
                let doomed = self.directories.run(&mut self.rng, most);
                // What fits one log record; the longest keys fill it soon.
                let mut room = MAX_RECORD_BYTES / 2;
                let fitting = doomed.iter().take_while(|key| {
                    room = room.saturating_sub(key.len());
                    room > 0
                });
                let changes = fitting.map(|key| Change::Delete { key: key.clone().into() });
                let op = Op::atomic(changes.collect());
                self.ops.push(op);
                return;
            }
            _ => vec![self.key()],
        };
        self.ops.extend(keys.into_iter().map(|key| Op::Delete { key: key.into() }));
    }

    fn rename_prefix(&mut self) {
        let (src, dst, force) = self.relocation();
        self.ops.push(Op::RenamePrefix { src: src.clone().into(), dst: dst.clone().into(), force });
        self.follow(&src, &dst);
    }

    fn relocation(&mut self) -> (Vec<u8>, Vec<u8>, bool) {
        let src = self.directories.small(&mut self.rng);
        let dst = self.directories.destination(&mut self.rng, &src);
        (src, dst, self.rng.random_ratio(1, 2))
    }

    /// The keys of the script move with the records, so that later steps find them.
    fn follow(&mut self, src: &[u8], dst: &[u8]) {
        if src.starts_with(dst) || dst.starts_with(src) {
            return;
        }
        let fits = |key: &Vec<u8>| key.len() - src.len() + dst.len() <= MAX_KEY_BYTES / 2;
        let mut moved = false;
        for key in self.keys.iter_mut().filter(|key| key.starts_with(src) && fits(key)) {
            *key = [dst, &key[src.len()..]].concat();
            moved = true;
        }
        if moved {
            self.directories = Directories::new(&self.keys);
        }
    }

    /// A batch: plain, or with conditions that are likely to hold, or with any.
    pub fn batch(&mut self, txn: bool) {
        let count = self.rng.random_range(0..12);
        let changes = match self.rng.random_range(0..4) {
            0 => (0..count).map(|_| self.plain_change()).collect(),
            1 => (0..count).map(|_| self.change(false)).collect(),
            _ => (0..count).map(|_| self.change(true)).collect::<Vec<_>>(),
        };
        let moves: Vec<(Bytes, Bytes)> = changes
            .iter()
            .filter_map(|change| match change {
                Change::RenamePrefix { src, dst, .. } => Some((src.clone(), dst.clone())),
                _ => None,
            })
            .collect();
        self.ops.push(Op::Batch { changes, txn });
        moves.iter().for_each(|(src, dst)| self.follow(&src.0, &dst.0));
    }

    fn plain_change(&mut self) -> Change {
        let key = self.key();
        match self.rng.random_ratio(1, 4) {
            true => Change::Delete { key: key.into() },
            false => Change::Put { value: self.value(&key), key: key.into() },
        }
    }

    /// Any change; a `likely` one has a condition that holds more often than not.
    fn change(&mut self, likely: bool) -> Change {
        // Even likely ones fail now and then; a batch has several.
        let likely = likely && !self.rng.random_ratio(1, 24);
        let key = if likely { self.odd_key() } else { self.key() };
        match self.rng.random_range(0..20) {
            0..6 => self.plain_change(),
            6..8 => Change::PutIfAbsent { value: self.value(&key), key: key.into() },
            8..10 => {
                let (key, expect) = self.expected(likely);
                Change::CompareAndPut { value: self.value(&key.0), key, expect }
            }
            10 | 11 => {
                let (key, expect) = self.expected(likely);
                Change::DeleteIfVersion { key, expect }
            }
            12 | 13 => {
                let (key, expect) = self.expected(likely);
                Change::AssertVersion { key, expect }
            }
            14 => Change::AssertAbsent { key: key.into() },
            15 => {
                let prefix = if likely { key } else { self.directories.any(&mut self.rng) };
                Change::AssertPrefixEmpty { prefix: prefix.into() }
            }
            16 | 17 => {
                let (src, dst) = (self.key().into(), key.into());
                Change::Rename { src, dst, force: likely || self.rng.random_ratio(1, 2) }
            }
            18 => Change::DeletePrefix { prefix: self.directories.small(&mut self.rng).into() },
            _ => {
                let (src, mut dst, force) = self.relocation();
                if likely && (src.starts_with(&dst) || dst.starts_with(&src)) {
                    dst = self.odd_key();
                }
                Change::RenamePrefix { src: src.into(), dst: dst.into(), force: force || likely }
            }
        }
    }

    fn expected(&mut self, likely: bool) -> (Bytes, Expect) {
        let key = self.key();
        let expect = self.expect(&key, likely);
        (key.into(), expect)
    }

    /// A step on named trees.
    pub fn trees(&mut self, step: Step) {
        let op = match step {
            Step::CreateTree => Op::CreateTree { name: self.tree(false) },
            Step::OpenTree => Op::OpenTree { name: self.tree(true) },
            Step::OpenOrCreateTree => Op::OpenOrCreateTree { name: self.tree(false) },
            Step::DropTree => Op::DropTree { name: self.tree(true) },
            Step::ListTrees => Op::ListTrees,
            Step::AcrossTrees => {
                let count = self.rng.random_range(0..8);
                let changes = (0..count).map(|_| (self.tree(true), self.tree_change())).collect();
                Op::AcrossTrees { changes }
            }
            _ => {
                let tree = self.tree(true);
                let run = Box::new(self.in_tree());
                Op::InTree { tree, run }
            }
        };
        self.ops.push(op);
    }

    fn tree(&mut self, good: bool) -> String {
        let names = if good || !self.rng.random_ratio(1, 12) { GOOD_TREES } else { TREES.len() };
        TREES[self.rng.random_range(0..names)].to_owned()
    }

    /// A change whose conditions name versions seen in named trees, if any was.
    fn tree_change(&mut self) -> Change {
        let key = self.key();
        match self.rng.random_range(0..16) {
            0 => Change::AssertAbsent { key: self.odd_key().into() },
            1 => Change::CompareAndPut {
                value: self.value(&key),
                key: key.into(),
                expect: Expect::Seen,
            },
            2 => Change::AssertVersion { key: key.into(), expect: Expect::Stale },
            3 => Change::DeletePrefix { prefix: self.directories.small(&mut self.rng).into() },
            4 => Change::PutIfAbsent { value: self.value(&key), key: key.into() },
            _ => self.plain_change(),
        }
    }

    fn in_tree(&mut self) -> Op {
        let key = self.key();
        match self.rng.random_range(0..12) {
            0..4 => Op::Put { value: self.value(&key), key: key.into() },
            4 => Op::Delete { key: key.into() },
            5..7 => Op::get_record(&key),
            7 => {
                let expect = if self.rng.random_ratio(2, 3) { Expect::Seen } else { Expect::Stale };
                Op::DeleteIfVersion { key: key.into(), expect }
            }
            8 => Op::DeletePrefix { prefix: self.directories.small(&mut self.rng).into() },
            9 => {
                let count = self.rng.random_range(0..40);
                Op::atomic((0..count).map(|_| self.plain_change()).collect())
            }
            10 => Op::Read(Read::PrefixCount { prefix: Bytes::default(), limit: 0 }),
            _ => Op::Read(Read::Scan(Scan::default())),
        }
    }
}
