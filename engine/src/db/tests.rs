//! A tree against a sorted map: hostile keys, small frames, reopening from the devices.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::println;

use super::{Options, RangeEntry, Tree};
use crate::device::{BlobStore, LogDevice, MemoryBlobStore, MemoryLog};
use crate::geometry::Geometry;
use crate::random::{Random, repeats};

fn some_key(random: &mut Random) -> Vec<u8> {
    match random.below(10) {
        0 => alloc::vec![b'a'; random.below(3000)],
        1 => {
            let mut key = alloc::vec![b'x'; 1500];
            key.extend_from_slice(&random.below(40).to_be_bytes());
            key
        }
        2 => alloc::vec![random.below(256) as u8; random.below(4)],
        3 => alloc::format!("dir/{}/", "sub/".repeat(random.below(40))).into(),
        _ => {
            let (a, b) = (random.below(4), random.below(500));
            alloc::format!("bucket-{a:02}/path/sub/file-{b:07}.bin").into()
        }
    }
}

fn some_value(random: &mut Random) -> Vec<u8> {
    let len = match random.below(12) {
        0 => random.below(9000),
        1 => random.below(1100),
        _ => random.below(120),
    };
    alloc::vec![random.below(256) as u8; len]
}

fn compare(tree: &Tree, model: &BTreeMap<Vec<u8>, Vec<u8>>) {
    let mut want = model.iter();
    for entry in tree.range() {
        let RangeEntry::Key { key, value, .. } = entry.unwrap() else { panic!("roll-up") };
        let (k, v) = want.next().expect("no more records than the model has");
        assert_eq!((&key, &value), (k, v));
    }
    assert!(want.next().is_none());
    assert_eq!(tree.stats().unwrap().records, model.len() as u64);
}

fn run(seed: u64, rounds: usize, frame: u32, logged: bool) {
    let mut random = Random::new(seed);
    let blobs: Arc<dyn BlobStore> =
        Arc::new(MemoryBlobStore::new(Geometry::new(frame).unwrap(), [7; 16]));
    let log: Option<Arc<dyn LogDevice>> =
        if logged { Some(Arc::new(MemoryLog::new())) } else { None };
    let options = Options { cache_bytes: 300_000, log_budget: 200_000, ..Options::default() };
    let open = || Tree::open_with_devices(blobs.clone(), log.clone(), options.clone()).unwrap();
    let mut tree = open();
    let mut model = BTreeMap::new();
    for round in 0..rounds {
        match random.below(100) {
            0..=54 => {
                let (key, value) = (some_key(&mut random), some_value(&mut random));
                tree.put(&key, &value).unwrap();
                model.insert(key, value);
            }
            55..=79 => {
                let key = match random.below(2) {
                    0 => some_key(&mut random),
                    _ => model
                        .range(some_key(&mut random)..)
                        .next()
                        .map_or(Vec::new(), |(k, _)| k.clone()),
                };
                assert_eq!(tree.delete(&key).unwrap(), model.remove(&key).is_some());
            }
            80..=89 => {
                let key = some_key(&mut random);
                assert_eq!(tree.get(&key).unwrap().as_ref(), model.get(&key));
            }
            90..=93 => {
                let ops: Vec<_> = (0..random.below(30))
                    .map(|_| (some_key(&mut random), some_value(&mut random)))
                    .collect();
                tree.atomic(|batch| {
                    for (at, (key, value)) in ops.iter().enumerate() {
                        if at % 4 == 3 { batch.delete(key) } else { batch.put(key, value) }
                    }
                })
                .unwrap();
                for (at, (key, value)) in ops.into_iter().enumerate() {
                    if at % 4 == 3 {
                        model.remove(&key);
                    } else {
                        model.insert(key, value);
                    }
                }
            }
            94..=96 => drop(tree.maintain(16).unwrap()),
            97 => tree.checkpoint().unwrap(),
            98 if random.below(4) == 0 => tree.compact().unwrap(),
            99 if logged => {
                drop(tree);
                blobs.discard().unwrap();
                tree = open();
            }
            _ => compare(&tree, &model),
        }
        if round % 500 == 0 {
            compare(&tree, &model);
            let report = tree.verify().unwrap();
            assert!(report.is_clean(), "seed {seed} round {round}: {:?}", report.damage);
        }
    }
    compare(&tree, &model);
    let report = tree.verify().unwrap();
    assert!(report.is_clean(), "seed {seed}: {:?}", report.damage);
    for key in model.keys() {
        assert!(tree.delete(key).unwrap());
    }
    tree.checkpoint().unwrap();
    let report = tree.verify().unwrap();
    assert!(report.is_clean() && report.records == 0, "emptied: {:?}", report.damage);
    println!("seed {seed}: {:?}", tree.stats().unwrap());
}

#[test]
fn small_frames_with_a_log_agree_with_the_model() {
    for seed in 0..repeats(6, 1) as u64 {
        run(seed, repeats(4000, 100), 16 * 1024, true);
    }
}

#[test]
fn large_frames_without_a_log_agree_with_the_model() {
    run(100, repeats(6000, 100), 512 * 1024, false);
}
