//! Threads beside each other on one store: what each of them may see, and what is left when all
//! are done.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use super::kit_tests::{Devices, Random, assert_clean};
use super::{Options, Tree};
use crate::ids::RecordVersion;

/// Miri takes about a thousand times as long.
const fn rounds(natively: u32) -> u32 {
    if cfg!(miri) { natively / 400 + 3 } else { natively }
}

fn devices() -> Devices {
    let mut devices = Devices::new();
    devices.options =
        Options { cache_bytes: 4 << 20, log_budget: 1 << 20, kept_up: true, ..Options::default() };
    devices
}

/// Says so when a thread ends, however it ends: others wait for it.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn number(value: &[u8]) -> u32 {
    let uniform = value.chunks_exact(4).all(|part| part == &value[..4]);
    assert!(uniform && !value.is_empty(), "a value of two writes: {value:?}");
    u32::from_le_bytes(value[..4].try_into().unwrap())
}

/// A value that says in every part of it which write it is of, and has a length of its own.
fn value(number: u32) -> Vec<u8> {
    number.to_le_bytes().repeat(1 + (number % 23) as usize)
}

#[test]
fn nobody_sees_half_a_value_or_goes_back() {
    let devices = devices();
    let tree = devices.tree();
    let keys: Vec<Vec<u8>> = (0..4).map(|at| format!("dir/{at}").into_bytes()).collect();
    for key in &keys {
        tree.put(key, &value(0)).unwrap();
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for pair in keys.chunks(2) {
            let (tree, done) = (&tree, &done);
            scope.spawn(move || {
                let _ends = Ends(done);
                for round in 1..rounds(40_000) {
                    // The first is never behind the second.
                    tree.put(&pair[0], &value(round)).unwrap();
                    tree.put(&pair[1], &value(round)).unwrap();
                }
            });
            scope.spawn(move || {
                let (mut seen, mut last) = ([0; 2], false);
                while !last {
                    last = done.load(Ordering::Acquire);
                    let second = number(&tree.get(&pair[1]).unwrap().unwrap());
                    let first = tree.get_with(&pair[0], number).unwrap().unwrap();
                    assert!(first >= second, "{first} was written before {second}");
                    assert!(first >= seen[0] && second >= seen[1], "back behind {seen:?}");
                    seen = [first, second];
                    let both = tree.get_many(pair).unwrap();
                    let both: Vec<u32> =
                        both.iter().map(|found| number(found.as_ref().unwrap())).collect();
                    assert!(both[0] == both[1] || both[0] == both[1] + 1, "{both:?} at one time");
                }
            });
        }
    });
    assert_clean(tree.verify(), "after all");
}

#[test]
fn of_those_that_change_one_version_one_does() {
    let devices = devices();
    let tree = devices.tree();
    tree.put(b"counter", &0_u32.to_le_bytes()).unwrap();
    let (added, lost) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..rounds(10_000) {
                    let found = tree.get_record(b"counter").unwrap().unwrap();
                    let next = number(&found.value) + 1;
                    match tree.compare_and_put(b"counter", found.version, &next.to_le_bytes()) {
                        Ok(true) => added.fetch_add(1, Ordering::Relaxed),
                        Ok(false) => lost.fetch_add(1, Ordering::Relaxed),
                        Err(error) => panic!("{error}"),
                    };
                    // Everyone creates it, one of them does; everyone removes it, one of them did.
                    let key = format!("lock/{round}").into_bytes();
                    if tree.put_if_absent(&key, b"mine").unwrap() {
                        assert!(tree.get(&key).unwrap().is_some() && tree.delete(&key).unwrap());
                    }
                }
            });
        }
    });
    let counted = number(&tree.get(b"counter").unwrap().unwrap());
    assert_eq!(counted, added.into_inner());
    assert_eq!(tree.stats().unwrap().records, 1);
    drop(tree);
    let tree = devices.tree();
    assert_eq!(number(&tree.get(b"counter").unwrap().unwrap()), counted, "after reopening");
}

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// One writer's part of the store.
struct Part {
    prefix: Vec<u8>,
    model: Model,
    random: Random,
    versions: BTreeMap<Vec<u8>, RecordVersion>,
}

impl Part {
    fn new(number: u64) -> Self {
        let prefix = format!("part{number}/").into_bytes();
        let (model, versions) = (Model::new(), BTreeMap::new());
        Self { prefix, model, random: Random::new(number), versions }
    }

    fn key(&mut self, dir: usize) -> Vec<u8> {
        let name = self.random.below(300);
        [&self.prefix[..], format!("{}/{name}", ["a", "b"][dir]).as_bytes()].concat()
    }

    fn change(&mut self, tree: &Tree) {
        let key = self.key(0);
        let len = match self.random.below(40) {
            0 => 3000,
            _ => 1 + self.random.below(90),
        };
        let value = alloc::vec![self.random.below(256) as u8; len];
        match self.random.below(100) {
            0..=19 => {
                let held = self.model.remove(&key).is_some();
                assert_eq!(tree.delete(&key).unwrap(), held);
            }
            20..=29 => {
                let absent = !self.model.contains_key(&key);
                assert_eq!(tree.put_if_absent(&key, &value).unwrap(), absent);
                self.model.entry(key).or_insert(value);
            }
            30..=34 => {
                let before = tree.insert(&key, &value).unwrap();
                assert_eq!(before, self.model.insert(key, value));
            }
            35 => self.move_all(tree),
            36..=45 => {
                let found = tree.get_record(&key).unwrap();
                assert_eq!(found.as_ref().map(|found| &found.value), self.model.get(&key));
                if let Some(found) = found {
                    let last = self.versions.insert(key, found.version);
                    assert!(last.is_none_or(|last| last <= found.version), "versions grow");
                }
            }
            46..=50 => self.compare(tree),
            _ => {
                tree.put(&key, &value).unwrap();
                self.model.insert(key, value);
            }
        }
    }

    /// Everything under `a` to `b` and back.
    fn move_all(&mut self, tree: &Tree) {
        let (src, dst) = ([&self.prefix[..], b"a/"].concat(), [&self.prefix[..], b"b/"].concat());
        let moved = tree.rename_prefix(&src, &dst, true).unwrap();
        assert_eq!(moved, self.model.len() as u64);
        let there = tree.prefix_count(&dst, 0).unwrap();
        assert_eq!(there.count, self.model.len() as u64);
        tree.rename_prefix(&dst, &src, false).unwrap();
    }

    fn compare(&self, tree: &Tree) {
        let snapshot = tree.snapshot(&self.prefix).unwrap();
        for (from, what) in [
            ("the tree", contents(tree.scan(&self.prefix))),
            ("a snapshot", { contents(snapshot.scan(&self.prefix).unwrap()) }),
        ] {
            assert!(what == self.model, "{from} differs: {} records", what.len());
        }
        let count = tree.prefix_count(&self.prefix, 0).unwrap();
        assert_eq!(count.count, self.model.len() as u64);
    }
}

fn contents<S: super::source::Source>(scan: super::scan::RangeBuilder<S>) -> Model {
    scan.into_iter().map(|entry| entry.unwrap()).filter_map(key_and_value).collect()
}

fn key_and_value(entry: super::RangeEntry) -> Option<(Vec<u8>, Vec<u8>)> {
    match entry {
        super::RangeEntry::Key { key, value, .. } => Some((key, value)),
        _ => None,
    }
}

/// Writers, each with a part of its own, and as many readers.
const WRITERS: u64 = 4;

/// How long the threads go on: for `HOLT_STRESS_SECONDS`, or for so many rounds.
fn go_on(round: u32, begun: Instant) -> bool {
    match std::env::var("HOLT_STRESS_SECONDS").ok().and_then(|seconds| seconds.parse().ok()) {
        Some(seconds) => begun.elapsed().as_secs() < seconds,
        None => round < rounds(6_000),
    }
}

/// Reads what the writers are at: every value is of one write, and keys ascend.
fn read(tree: &Tree, number: u64, done: &AtomicBool) {
    let uniform = |value: &[u8]| value.iter().all(|byte| *byte == value[0]);
    let mut random = Random::new(100 + number);
    while !done.load(Ordering::Acquire) {
        let (part, dir) = (random.below(WRITERS as usize), ["a", "b"][random.below(2)]);
        let prefix = format!("part{part}/{dir}/");
        let keys: Vec<String> = (0..8).map(|_| format!("{prefix}{}", random.below(300))).collect();
        for key in &keys {
            assert!(tree.get_with(key.as_bytes(), uniform).unwrap().unwrap_or(true), "{key}");
        }
        assert!(tree.get_many(&keys).unwrap().iter().flatten().all(|value| uniform(value)));
        if random.below(8) == 0 {
            let found = contents(tree.scan(prefix.as_bytes()));
            assert!(found.values().all(|value| uniform(value)));
            let snapshot = tree.snapshot(prefix.as_bytes()).unwrap();
            let twice = [0, 1].map(|_| contents(snapshot.scan(prefix.as_bytes()).unwrap()));
            assert!(twice[0] == twice[1], "a snapshot changed");
        }
    }
}

#[test]
fn threads_with_parts_of_their_own_each_see_theirs_as_they_left_it() {
    let devices = devices();
    let tree = devices.tree();
    let (done, steps, begun) = (AtomicBool::new(false), AtomicU64::new(0), Instant::now());
    let parts: Vec<Part> = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|number| {
                let (tree, done) = (&tree, &done);
                scope.spawn(move || read(tree, number, done));
                scope.spawn(move || {
                    let mut part = Part::new(number);
                    (0..).take_while(|at| go_on(*at, begun)).for_each(|_| part.change(tree));
                    part.compare(tree);
                    part
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                let dice = steps.fetch_add(1, Ordering::Relaxed);
                tree.maintain(16).unwrap();
                match dice % 64 {
                    0 => tree.checkpoint().unwrap(),
                    1 => assert_clean(tree.verify(), "meanwhile"),
                    2 => drop(contents(tree.scan(b""))),
                    _ => thread::yield_now(),
                }
            }
        });
        let _ends = Ends(&done);
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let all: Model = parts.into_iter().flat_map(|part| part.model).collect();
    assert!(contents(tree.scan(b"")) == all);
    assert_eq!(tree.stats().unwrap().records, all.len() as u64);
    assert_clean(tree.verify(), "after all");
    tree.checkpoint().unwrap();
    drop(tree);
    let tree: Tree = devices.tree();
    assert!(contents(tree.scan(b"")) == all, "after reopening");
    assert_eq!(tree.stats().unwrap().replayed_records, 0, "it was all in the checkpoint");
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn more_threads_than_lanes_all_get_their_turn() {
    let devices = devices();
    let tree = devices.tree();
    let threads = 200;
    thread::scope(|scope| {
        for name in 0..threads {
            let tree = &tree;
            scope.spawn(move || {
                let own = format!("own/{name}").into_bytes();
                for round in 0..rounds(400) {
                    tree.put(&own, &value(round)).unwrap();
                    tree.put(b"everyone's", &value(round)).unwrap();
                    // Called back without a lock: it may come back to the same page.
                    let again = |found: &[u8]| {
                        tree.put(&own, found).unwrap();
                        number(found)
                    };
                    let seen = tree.get_with(&own, again).unwrap();
                    assert_eq!(seen, Some(round));
                    tree.get_with(b"everyone's", number).unwrap().unwrap();
                }
            });
        }
    });
    assert_eq!(tree.stats().unwrap().records, threads + 1);
    assert_clean(tree.verify(), "after all");
}
