//! Snapshots against copies of a model, under structure changes, eviction and checkpoints.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::kit_tests::Devices;
use super::snapshot::Moment;
use super::{Options, RangeEntry, Snapshot, Tree};
use crate::device::{MemoryBlobStore, MemoryLog};
use crate::error::Error;
use crate::geometry::Geometry;
use crate::limits::{MIN_CACHE_BYTES, MIN_FRAME_BYTES, MIN_LOG_BUDGET, READ_GROWTH_BYTES};
use crate::node::Miss;
use crate::random::{Random, repeats};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn open(options: Options) -> Tree {
    let geometry = Geometry::new(MIN_FRAME_BYTES).unwrap();
    let blobs = Arc::new(MemoryBlobStore::new(geometry, [7; 16]));
    let log = Arc::new(MemoryLog::default());
    Tree::open_with_devices(blobs, Some(log), options).unwrap()
}

fn tight() -> Options {
    Options { cache_bytes: MIN_CACHE_BYTES, log_budget: MIN_LOG_BUDGET, ..Options::default() }
}

fn contents(snapshot: &Snapshot) -> Result<Model, Error> {
    snapshot
        .range()
        .into_iter()
        .map(|entry| match entry? {
            RangeEntry::Key { key, value, .. } => Ok((key, value)),
            RangeEntry::CommonPrefix(_) => unreachable!("no delimiter was asked for"),
        })
        .collect()
}

fn key(dice: &mut Random) -> Vec<u8> {
    let mut key: Vec<u8> = alloc::format!("dir{}/f{:04}", dice.below(4), dice.below(400)).into();
    if dice.below(40) == 0 {
        // Long keys live in extents.
        key.resize(1030 + dice.below(60), b'x');
    }
    key
}

fn value(dice: &mut Random) -> Vec<u8> {
    let len = match dice.below(30) {
        0 => 2000 + dice.below(6000),
        _ => dice.below(120),
    };
    let byte = dice.below(256) as u8;
    alloc::vec![byte; len]
}

fn change(tree: &Tree, model: &mut Model, dice: &mut Random) {
    if dice.below(200) == 0 {
        let (src, dst) = (dice.below(4), dice.below(4));
        let src: Vec<u8> = alloc::format!("dir{src}/").into();
        if dice.below(3) == 0 {
            tree.delete_prefix(&src).unwrap();
            model.retain(|key, _| !key.starts_with(&src));
        } else {
            let dst: Vec<u8> = alloc::format!("dir{}/moved{dst}/", dst + 4).into();
            tree.rename_prefix(&src, &dst, true).unwrap();
            model.retain(|key, _| !key.starts_with(&dst));
            let moved: Model = model.extract_if(.., |key, _| key.starts_with(&src)).collect();
            for (key, value) in moved {
                model.insert([&dst[..], &key[src.len()..]].concat(), value);
            }
        }
    }
    match dice.below(10) {
        0..=5 => {
            let (key, value) = (key(dice), value(dice));
            tree.put(&key, &value).unwrap();
            model.insert(key, value);
        }
        6..=8 => {
            let key = key(dice);
            assert_eq!(tree.delete(&key).unwrap(), model.remove(&key).is_some());
        }
        _ => {
            let ops: Vec<(Vec<u8>, Vec<u8>)> =
                (0..dice.below(20)).map(|_| (key(dice), value(dice))).collect();
            tree.atomic(|batch| ops.iter().for_each(|(key, value)| batch.put(key, value))).unwrap();
            model.extend(ops);
        }
    }
}

#[test]
fn every_snapshot_stays_as_it_was() {
    for seed in 1..=repeats(6, 1) as u64 {
        let mut dice = Random::new(seed);
        let tree = open(tight());
        let mut model = Model::new();
        let mut held: Vec<(Snapshot, Model)> = Vec::new();
        for step in 0..repeats(4000, 60) {
            change(&tree, &mut model, &mut dice);
            match dice.below(100) {
                0..=2 => held.push((tree.snapshot(b"").unwrap(), model.clone())),
                3..=5 if !held.is_empty() => {
                    held.swap_remove(dice.below(held.len()));
                }
                6 => tree.checkpoint().unwrap(),
                7 if dice.below(10) == 0 => tree.compact().unwrap(),
                8 if !held.is_empty() => {
                    let (snapshot, was) = &held[dice.below(held.len())];
                    assert_eq!(contents(snapshot).unwrap(), *was, "seed {seed}, step {step}");
                }
                9 if !held.is_empty() => {
                    let (snapshot, was) = &held[dice.below(held.len())];
                    for _ in 0..20 {
                        let key = key(&mut dice);
                        assert_eq!(snapshot.get(&key).unwrap().as_ref(), was.get(&key));
                    }
                }
                _ => {}
            }
        }
        for (snapshot, was) in &held {
            assert_eq!(contents(snapshot).unwrap(), *was, "seed {seed}, at the end");
        }
        assert_eq!(contents(&tree.snapshot(b"").unwrap()).unwrap(), model);
        held.clear();
        tree.checkpoint().unwrap();
        let usage = tree.shared.core.read().forest.cache.history_usage();
        assert_eq!((usage.snapshots, usage.memory_bytes, usage.staged_bytes), (0, 0, 0));
        assert_eq!(usage.expired, 0);
        assert!(tree.verify().unwrap().is_clean());
    }
}

#[test]
fn a_snapshot_reads_on_while_everything_else_is_rewritten_and_gives_its_space_back() {
    let tree = open(Options { cache_bytes: 1 << 20, ..tight() });
    let mut model = Model::new();
    for at in 0..3000u32 {
        let key: Vec<u8> = alloc::format!("k/{at:06}").into();
        tree.put(&key, &[1; 60]).unwrap();
        model.insert(key, alloc::vec![1; 60]);
    }
    tree.checkpoint().unwrap();
    let before = tree.stats().unwrap();
    let snapshot = tree.snapshot(b"").unwrap();
    for round in 0..5u8 {
        for key in model.keys() {
            tree.put(key, &[2 + round; 60]).unwrap();
        }
    }
    assert_eq!(contents(&snapshot).unwrap(), model);
    let usage = tree.shared.core.read().forest.cache.history_usage();
    assert!(usage.staged_bytes > 0, "a part of the images was written out: {usage:?}");
    snapshot.retire();
    tree.checkpoint().unwrap();
    let after = tree.stats().unwrap();
    let usage = tree.shared.core.read().forest.cache.history_usage();
    assert_eq!((usage.memory_bytes, usage.staged_bytes), (0, 0));
    let near = |a: u64, b: u64| a <= b + b / 20;
    assert!(near(after.store.allocated_bytes, before.store.allocated_bytes));
    assert!(near(after.cache_bytes, before.cache_bytes.max(1 << 20)));
}

#[test]
fn the_oldest_snapshot_expires_when_images_outgrow_their_limit() {
    let tree = open(Options { snapshot_bytes: 200 << 10, ..tight() });
    for at in 0..6000u32 {
        tree.put(alloc::format!("k/{at:06}").as_bytes(), &[1; 60]).unwrap();
    }
    let old = tree.snapshot(b"").unwrap();
    for at in 0..6000u32 {
        tree.put(alloc::format!("k/{at:06}").as_bytes(), &[2; 60]).unwrap();
    }
    let new = tree.snapshot(b"").unwrap();
    assert!(matches!(old.get(b"k/000000"), Err(Error::Expired { .. })));
    assert!(matches!(contents(&old), Err(Error::Expired { .. })));
    assert_eq!(new.get(b"k/000000").unwrap(), Some(alloc::vec![2; 60]));
    assert_eq!(tree.get(b"k/000000").unwrap(), Some(alloc::vec![2; 60]));
}

#[test]
fn a_view_keeps_to_its_scope_and_outlives_its_callback() {
    let tree = open(tight());
    tree.put(b"a/1", b"one").unwrap();
    tree.put(b"b/1", b"two").unwrap();
    let kept = tree
        .view(b"a/", |view| {
            assert_eq!(view.scope(), b"a/");
            let outside = Error::OutsideViewScope { requested_len: 3, scope_len: 2 };
            assert_eq!(view.get(b"b/1"), Err(outside));
            // No lock is held: a callback may write.
            tree.put(b"a/1", b"changed")?;
            assert_eq!(view.get(b"a/1")?.as_deref(), Some(&b"one"[..]));
            Ok(view.clone())
        })
        .unwrap();
    assert_eq!(kept.get_record(b"a/1").unwrap().unwrap().value, b"one");
    assert!(
        kept.get_version(b"a/1").unwrap()
            < tree.snapshot(b"").unwrap().get_version(b"a/1").unwrap()
    );
}

#[test]
fn without_numbers_left_there_are_no_more_snapshots_and_all_else_goes_on() {
    let devices = super::kit_tests::Devices::new();
    let db = devices.db();
    let tree = db.create_tree("t").unwrap();
    tree.put(b"a", b"1").unwrap();
    db.shared.core.write().forest.cache.skip_epochs(u64::MAX - 1);
    let last = tree.snapshot(b"").unwrap();
    assert_eq!(last.epoch(), u64::MAX);
    let none = Error::SnapshotEpochExhausted;
    assert_eq!(tree.snapshot(b"").err(), Some(none.clone()));
    assert_eq!(tree.view(b"", |_| Ok(())), Err(none.clone()));
    assert_eq!(db.snapshot().err(), Some(none.clone()));
    assert_eq!(db.view(&[("t", b"")], |_| Ok(())), Err(none.clone()));
    assert_eq!(db.export_checkpoint().err(), Some(none));

    tree.put(b"a", b"2").unwrap();
    tree.checkpoint().unwrap();
    assert_eq!(last.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(tree.get(b"a").unwrap().as_deref(), Some(&b"2"[..]));
    drop((last, tree, db));
    // What the error advises helps.
    let tree = devices.db().open_tree("t").unwrap();
    assert_eq!(tree.snapshot(b"").unwrap().get(b"a").unwrap().as_deref(), Some(&b"2"[..]));
}

#[test]
fn a_store_that_takes_no_more_pages_costs_a_snapshot_nothing_that_it_kept() {
    for after in 0..4 {
        let mut devices = super::kit_tests::Devices::new();
        devices.options = Options { cache_bytes: MIN_CACHE_BYTES, ..Options::default() };
        let tree = devices.tree();
        let mut model = Model::new();
        for at in 0..400u32 {
            let key: Vec<u8> = alloc::format!("k/{at:06}").into();
            // One value in ten lies in an extent.
            let len = if at % 10 == 0 { 5000 } else { 60 };
            tree.put(&key, &alloc::vec![1; len]).unwrap();
            model.insert(key, alloc::vec![1; len]);
        }
        tree.checkpoint().unwrap();
        let snapshot = tree.snapshot(b"").unwrap();
        devices.blobs.fail_stages_after(after);
        // One operation, so that everything it replaces is to be written out at once.
        let changed = tree.atomic(|batch| model.keys().for_each(|key| batch.put(key, b"new")));
        assert_eq!(changed, Ok(true));
        assert!(matches!(tree.put(b"k", b"v"), Err(Error::Poisoned { .. })), "after {after}");
        assert_eq!(contents(&snapshot), Ok(model.clone()), "after {after}");
        drop(snapshot);
        assert_eq!(tree.get(b"k/000000").unwrap().as_deref(), Some(&b"new"[..]));
    }
}

#[test]
fn a_long_value_that_two_readers_load_is_counted_once() {
    let devices = super::kit_tests::Devices::new();
    let tree = devices.tree();
    tree.put(b"long", &[7; 50_000]).unwrap();
    tree.checkpoint().unwrap();
    drop(tree);
    let tree = devices.tree();
    let look = || {
        let core = tree.shared.core.read();
        let reader = core.forest.reader();
        let Some((page, slot)) = reader.find(tree.tree, b"long")? else { return Ok(0) };
        reader.value(crate::node::Record::read(page, slot).value).map(<[u8]>::len)
    };
    let miss = loop {
        match look() {
            Err(miss @ Miss::Extent { .. }) => break miss,
            Err(miss) => tree.shared.core.write().forest.cache.load(miss).unwrap(),
            Ok(_) => panic!("the value is in memory"),
        }
    };
    let before = tree.shared.core.read().forest.cache.used();
    for _ in 0..2 {
        tree.shared.core.write().forest.cache.load(miss).unwrap();
    }
    assert_eq!(look(), Ok(50_000));
    assert_eq!(tree.shared.core.read().forest.cache.used(), before + 50_000);
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn what_came_after_a_snapshot_and_went_costs_it_nothing() {
    let tree = open(Options { snapshot_bytes: 1 << 20, cache_bytes: 1 << 20, ..tight() });
    let mut model = Model::new();
    for at in 0..200u32 {
        let key: Vec<u8> = alloc::format!("k/{at:06}").into();
        tree.put(&key, &[1; 60]).unwrap();
        model.insert(key, alloc::vec![1; 60]);
    }
    tree.put(b"long", &[1; 100_000]).unwrap();
    model.insert(b"long".to_vec(), alloc::vec![1; 100_000]);
    let old = tree.snapshot(b"").unwrap();
    for round in 0..40u8 {
        tree.put(b"long", &[round; 100_000]).unwrap();
    }
    // A queue, which goes through many frames and holds little at a time.
    for at in 0..40_000u32 {
        tree.put(alloc::format!("q/{at:06}").as_bytes(), &[2; 60]).unwrap();
        if let Some(gone) = at.checked_sub(300) {
            assert!(tree.delete(alloc::format!("q/{gone:06}").as_bytes()).unwrap());
        }
    }
    assert_eq!(contents(&old).unwrap(), model);
    // A newer one keeps what it needs, and only as long as it is there.
    let kept = |tree: &Tree| {
        let usage = tree.shared.core.read().forest.cache.history_usage();
        usage.memory_bytes + usage.staged_bytes
    };
    let before = kept(&tree);
    let new = tree.snapshot(b"q/").unwrap();
    let held = contents(&new).unwrap();
    tree.put(b"long", b"").unwrap();
    tree.delete_prefix(b"q/").unwrap();
    assert_eq!((contents(&new).unwrap(), held.len()), (held, 300));
    assert!(kept(&tree) >= before + 100_000);
    drop(new);
    tree.put(b"x", b"y").unwrap();
    assert!(kept(&tree) < before + 100_000, "{} and then {}", before, kept(&tree));
    assert_eq!(contents(&old).unwrap(), model);
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_long_lookup_in_a_snapshot_takes_no_more_memory_than_one_in_the_tree() {
    let devices = super::kit_tests::Devices::new();
    let tree = devices.tree();
    let key = |at: u32| alloc::format!("k/{at:06}").into_bytes();
    let count = 30;
    (0..count).for_each(|at| tree.put(&key(at), &alloc::vec![at as u8; 1 << 20]).unwrap());
    tree.checkpoint().unwrap();
    drop(tree);
    let tree = devices.tree();
    let snapshot = tree.snapshot(b"").unwrap();
    let (mut peak, mut at) = (0, 0);
    let looked = snapshot.moment.look(|reader| {
        while at < count {
            peak = peak.max(reader.pages.used());
            let Some((page, slot)) = reader.find(snapshot.tree, &key(at))? else { break };
            let value = reader.value(crate::node::Record::read(page, slot).value)?;
            assert!(value.iter().all(|byte| *byte == at as u8));
            at += 1;
        }
        Ok(at)
    });
    assert_eq!(looked, Ok(count));
    assert!(peak < 300_000 + READ_GROWTH_BYTES + (3 << 20), "{peak} bytes");
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn reading_a_snapshot_does_not_bring_it_nearer_to_its_limit() {
    let limit = 1 << 20;
    let tree = open(Options { snapshot_bytes: limit, cache_bytes: 1 << 20, ..tight() });
    let mut model = Model::new();
    for at in 0..20_000u32 {
        let key: Vec<u8> = alloc::format!("k/{at:06}").into();
        tree.put(&key, &[1; 60]).unwrap();
        model.insert(key, alloc::vec![1; 60]);
    }
    let snapshot = tree.snapshot(b"").unwrap();
    for key in model.keys() {
        tree.put(key, &[2; 60]).unwrap();
        let usage = tree.shared.core.read().forest.cache.history_usage();
        if usage.memory_bytes + usage.staged_bytes > limit - limit / 16 {
            break;
        }
    }
    let usage = tree.shared.core.read().forest.cache.history_usage();
    assert!(usage.staged_bytes > limit / 2, "most of it was written out: {usage:?}");
    for _ in 0..3 {
        assert!(contents(&snapshot).unwrap() == model);
    }
}

#[test]
fn a_page_that_vanished_while_a_reader_waited_is_no_damage() {
    let tree = Tree::memory().unwrap();
    tree.put(b"key", b"value").unwrap();
    // What a reader missed before a writer moved it away: it is in no frame any more.
    let gone = Miss::Page { frame: 7, page: 3 };
    let mut missed = false;
    let mut stale = || match core::mem::replace(&mut missed, true) {
        false => Err(gone),
        true => Ok(()),
    };
    assert_eq!(tree.shared.look(|_| stale()), Ok(()));
    missed = false;
    let mut stale = || match core::mem::replace(&mut missed, true) {
        false => Err(gone),
        true => Ok(()),
    };
    let moment = Moment::take(&tree.shared, tree.tree).unwrap();
    assert_eq!(moment.look(|_| stale()), Ok(()));
}

/// A device may answer anything for what it was given to keep, a host's above all.
#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn images_that_come_back_as_something_else_are_damage() {
    for byte in [1, 2, 0x40, 0xFF] {
        let devices = Devices::hungry();
        let tree = devices.tree();
        for at in 0..3000_u32 {
            tree.put(&at.to_be_bytes(), &[1; 100]).unwrap();
        }
        tree.checkpoint().unwrap();
        let snapshot = tree.snapshot(b"").unwrap();
        for at in 0..3000_u32 {
            tree.put(&at.to_be_bytes(), &[2; 100]).unwrap();
        }
        let usage = tree.shared.core.read().forest.cache.history_usage();
        assert!(usage.staged_bytes > 0, "no image was written out: {usage:?}");
        devices.blobs.lie(byte);
        let read = snapshot.range().into_iter().try_for_each(|entry| entry.map(drop));
        assert!(matches!(read, Err(Error::Corrupt(_))), "{byte:#x}: {read:?}");
        devices.blobs.lie(0);
        assert_eq!(snapshot.range().into_iter().filter(Result::is_ok).count(), 3000);
    }
}
