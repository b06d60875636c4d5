//! Batches with guards against a sorted map: what applies, what does not, and what replay makes
//! of the log.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use std::println;

use super::kit_tests::{Devices, Files, Random, assert_clean, dump};
use super::{AtomicBatch, PutOutcome, Snapshot, Tree};
use crate::error::Error;
use crate::ids::{RecordVersion, STANDALONE_TREE};
use crate::limits::{MAX_KEY_BYTES, MAX_RECORD_BYTES, MAX_VALUE_BYTES, SMALL_PREFIX_RECORDS};
use crate::log::{OpRef, encoded_len};

type Bytes = Vec<u8>;

/// Values and versions by key.
type Model = BTreeMap<Bytes, (Bytes, u64)>;

#[derive(Clone, Debug)]
enum Op {
    Put(Bytes, Bytes),
    PutIfAbsent(Bytes, Bytes),
    CompareAndPut(Bytes, u64, Bytes),
    Delete(Bytes),
    DeleteIfVersion(Bytes, u64),
    AssertVersion(Bytes, u64),
    AssertAbsent(Bytes),
    AssertPrefixEmpty(Bytes),
    Rename(Bytes, Bytes, bool),
    RenamePrefix(Bytes, Bytes, bool),
    DeletePrefix(Bytes),
}

/// The version that a batch gives its operation `index`, before the position is known.
const PENDING: u64 = 1 << 60;

fn under(model: &Model, prefix: &[u8]) -> Vec<Bytes> {
    let from = model.range(prefix.to_vec()..).map(|(key, _)| key.clone());
    from.take_while(|key| key.starts_with(prefix)).collect()
}

/// Applies one operation as the documentation says; `logged` counts what takes a version.
fn apply(model: &mut Model, op: &Op, logged: &mut u64) -> Result<bool, Error> {
    let version = |model: &Model, key: &Bytes| model.get(key).map(|(_, version)| *version);
    let mut put = |model: &mut Model, key: &Bytes, value: &Bytes| {
        model.insert(key.clone(), (value.clone(), PENDING + *logged));
        *logged += 1;
        Ok(true)
    };
    match op {
        Op::Put(key, value) => put(model, key, value),
        Op::PutIfAbsent(key, _) if model.contains_key(key) => Ok(false),
        Op::PutIfAbsent(key, value) => put(model, key, value),
        Op::CompareAndPut(key, expected, _) if version(model, key) != Some(*expected) => Ok(false),
        Op::CompareAndPut(key, _, value) => put(model, key, value),
        Op::Delete(key) => {
            *logged += u64::from(model.remove(key).is_some());
            Ok(true)
        }
        Op::DeleteIfVersion(key, expected) if version(model, key) != Some(*expected) => Ok(false),
        Op::DeleteIfVersion(key, _) => {
            model.remove(key);
            *logged += 1;
            Ok(true)
        }
        Op::AssertVersion(key, expected) => Ok(version(model, key) == Some(*expected)),
        Op::AssertAbsent(key) => Ok(!model.contains_key(key)),
        Op::AssertPrefixEmpty(prefix) => Ok(under(model, prefix).is_empty()),
        Op::Rename(src, dst, force) => {
            let Some((value, _)) = model.get(src).cloned() else { return Err(Error::NotFound) };
            if src == dst {
                return Ok(true);
            }
            if model.contains_key(dst) && !force {
                return Err(Error::DstExists);
            }
            model.remove(src);
            *logged += 1;
            model.insert(dst.clone(), (value, PENDING + *logged));
            *logged += 1;
            Ok(true)
        }
        Op::RenamePrefix(src, dst, force) => rename_prefix(model, (src, dst), *force, logged),
        Op::DeletePrefix(prefix) => {
            let gone = under(model, prefix);
            gone.iter().for_each(|key| drop(model.remove(key)));
            *logged += u64::from(!gone.is_empty());
            Ok(true)
        }
    }
}

fn rename_prefix(
    model: &mut Model,
    (src, dst): (&Bytes, &Bytes),
    force: bool,
    logged: &mut u64,
) -> Result<bool, Error> {
    let moving = under(model, src);
    if moving.is_empty() {
        return Ok(true);
    }
    let there = under(model, dst);
    if !there.is_empty() && !force {
        return Err(Error::DstExists);
    }
    there.iter().for_each(|key| drop(model.remove(key)));
    for key in moving {
        let record = model.remove(&key).unwrap();
        model.insert([dst.as_slice(), &key[src.len()..]].concat(), record);
    }
    *logged += 1;
    Ok(true)
}

/// Tells a batch of the engine what the model was told.
fn fill(batch: &mut AtomicBatch, ops: &[Op]) {
    let version = RecordVersion::from_raw;
    for op in ops {
        match op {
            Op::Put(key, value) => batch.put(key, value),
            Op::PutIfAbsent(key, value) => batch.put_if_absent(key, value),
            Op::CompareAndPut(key, v, value) => batch.compare_and_put(key, version(*v), value),
            Op::Delete(key) => batch.delete(key),
            Op::DeleteIfVersion(key, v) => batch.delete_if_version(key, version(*v)),
            Op::AssertVersion(key, v) => batch.assert_version(key, version(*v)),
            Op::AssertAbsent(key) => batch.assert_absent(key),
            Op::AssertPrefixEmpty(prefix) => batch.assert_prefix_empty(prefix),
            Op::Rename(src, dst, force) => batch.rename(src, dst, *force),
            Op::RenamePrefix(src, dst, force) => batch.rename_prefix(src, dst, *force),
            Op::DeletePrefix(prefix) => batch.delete_prefix(prefix),
        }
    }
}

fn is_nested(op: &Op) -> bool {
    matches!(op, Op::RenamePrefix(src, dst, _) if src.starts_with(dst) || dst.starts_with(src))
}

/// An operation that more often than not can be made.
fn random_op(random: &mut Random, model: &Model) -> Op {
    let present = |random: &mut Random| {
        let from = random.key();
        model.range(from..).next().map_or_else(Vec::new, |(key, _)| key.clone())
    };
    let key = match random.below(3) {
        0 => present(random),
        _ => random.key(),
    };
    let version = |random: &mut Random, key: &Bytes| match (random.below(8), model.get(key)) {
        (1.., Some((_, version))) => *version,
        _ => 12_345,
    };
    match random.below(40) {
        0..=11 => Op::Put(key, random.value()),
        12..=15 => Op::PutIfAbsent(random.key(), random.value()),
        16..=18 => {
            let key = present(random);
            Op::CompareAndPut(key.clone(), version(random, &key), random.value())
        }
        19..=23 => Op::Delete(key),
        24..=25 => {
            let key = present(random);
            Op::DeleteIfVersion(key.clone(), version(random, &key))
        }
        26..=27 => {
            let key = present(random);
            Op::AssertVersion(key.clone(), version(random, &key))
        }
        28..=29 => Op::AssertAbsent(random.key()),
        30 => Op::AssertPrefixEmpty([random.dir().as_slice(), b"none"].concat()),
        31..=33 => Op::Rename(present(random), key, random.below(4) > 0),
        34..=37 => {
            let mut dst = random.dir();
            if random.below(3) == 0 {
                dst.extend_from_slice(b"moved-here/");
            }
            Op::RenamePrefix(random.dir(), dst, random.below(3) > 0)
        }
        _ => Op::DeletePrefix(match random.below(3) {
            0 => random.dir(),
            _ => [random.dir().as_slice(), b"file-00"].concat(),
        }),
    }
}

/// Puts the position of the batch in place of [`PENDING`], and checks that it is the same for
/// all its records and above every version given out before.
fn settle_versions(model: &mut Model, tree: &Tree, newest: &mut u64) {
    let mut base = None;
    let mut top = *newest;
    for (key, (_, version)) in model.iter_mut().filter(|(_, (_, version))| *version >= PENDING) {
        let found = tree.get_record(key).unwrap().expect("what was put is there");
        let found = found.version.as_u64();
        let here = found - (*version - PENDING);
        assert_eq!(*base.get_or_insert(here), here, "one batch, one position");
        assert!(here > *newest, "versions ascend");
        *version = found;
        top = top.max(found);
    }
    *newest = top;
}

fn contents(model: &Model) -> Vec<(Bytes, Bytes, u64)> {
    let flat =
        |(key, (value, version)): (&Bytes, &(Bytes, u64))| (key.clone(), value.clone(), *version);
    model.iter().map(flat).collect()
}

#[derive(Debug, Default)]
struct Seen {
    applied: usize,
    guarded: usize,
    refused: usize,
    reopened: usize,
    levels: u32,
}

/// One batch, on both; the model changes only if the batch is applied.
fn round(random: &mut Random, tree: &Tree, model: &mut Model, newest: &mut u64, seen: &mut Seen) {
    let ops: Vec<Op> = (0..1 + random.below(12)).map(|_| random_op(random, model)).collect();
    let nested = ops.iter().any(is_nested);
    let before = tree.stats().unwrap().last_lsn;
    let (mut after, mut logged) = (model.clone(), 0);
    let mut expected = Ok(true);
    for op in ops.iter().filter(|_| !nested) {
        expected = apply(&mut after, op, &mut logged);
        if expected != Ok(true) {
            break;
        }
    }
    let got = tree.atomic(|batch| fill(batch, &ops));
    if nested {
        assert!(matches!(got, Err(Error::InvalidArgument { .. })), "{got:?} for {ops:?}");
        seen.refused += 1;
    } else {
        assert_eq!(got, expected, "{ops:?}");
    }
    match got {
        Ok(true) => {
            *model = after;
            settle_versions(model, tree, newest);
            seen.applied += 1;
            assert_eq!(tree.stats().unwrap().last_lsn == before, logged == 0, "{ops:?}");
            return;
        }
        Ok(false) => seen.guarded += 1,
        Err(_) => seen.refused += 1,
    }
    assert_eq!(tree.stats().unwrap().last_lsn, before, "nothing is logged");
}

/// Keeps the store at a few thousand records: prefix operations take many at once.
fn refill(random: &mut Random, tree: &Tree, model: &mut Model, newest: &mut u64) {
    if model.len() > 2000 {
        return;
    }
    let entries: Vec<(Bytes, Bytes)> = (0..700).map(|_| (random.key(), random.value())).collect();
    let lent: Vec<(&[u8], &[u8])> =
        entries.iter().map(|(key, value)| (key.as_slice(), value.as_slice())).collect();
    tree.put_many(&lent).unwrap();
    for (at, (key, value)) in entries.iter().enumerate() {
        model.insert(key.clone(), (value.clone(), PENDING + at as u64));
    }
    settle_versions(model, tree, newest);
}

/// A snapshot still holds what the model held when it was taken.
fn check_held(held: Option<(Snapshot, Model)>) {
    let Some((snapshot, model)) = held else { return };
    for (key, (value, version)) in &model {
        let found = snapshot.get_record(key).unwrap().expect("a snapshot loses nothing");
        assert!(found.value == *value && found.version.as_u64() == *version);
    }
}

fn run(seed: u64, rounds: usize) {
    let mut random = Random::new(seed);
    let devices = Devices::new();
    let mut tree = devices.tree();
    let mut model = Model::new();
    let (mut newest, mut seen) = (0, Seen::default());
    let mut held = None;
    for at in 0..rounds {
        refill(&mut random, &tree, &mut model, &mut newest);
        if at % 40 == 0 {
            check_held(held.replace((tree.snapshot(b"").unwrap(), model.clone())));
        }
        round(&mut random, &tree, &mut model, &mut newest, &mut seen);
        seen.levels = seen.levels.max(tree.stats().unwrap().levels);
        match random.below(60) {
            0 => tree.checkpoint().unwrap(),
            1 => drop(tree.maintain(32).unwrap()),
            2 | 3 => {
                check_held(held.take());
                drop(tree);
                tree = devices.tree();
                seen.reopened += 1;
                assert_eq!(dump(&tree), contents(&model), "seed {seed}: replay, round {at}");
                // The first write after opening writes to the log beside what it logs.
                tree.put(b"first", b"").unwrap();
                newest = tree.get_record(b"first").unwrap().unwrap().version.as_u64();
                model.insert(b"first".into(), (Vec::new(), newest));
            }
            4 => assert_eq!(dump(&tree), contents(&model), "seed {seed}: round {at}"),
            _ => {}
        }
        if at % 100 == 0 {
            assert_clean(tree.verify(), "round");
        }
    }
    check_held(held.take());
    drop(tree);
    let tree = devices.tree();
    assert_eq!(dump(&tree), contents(&model), "seed {seed}: at the end");
    assert_eq!(tree.stats().unwrap().records, model.len() as u64);
    assert_clean(tree.verify(), "at the end");
    println!("seed {seed}: {seen:?}, {} records", model.len());
    assert!(seen.applied > rounds / 8 && seen.guarded > 10 && seen.refused > 10);
    assert!(seen.reopened > 5 && seen.levels > 1);
}

#[test]
fn random_batches_agree_with_the_model_and_with_replay() {
    for seed in 1..=6 {
        run(seed, 700);
    }
}

#[test]
fn guards_see_what_came_before_them_in_the_batch() {
    let tree = Tree::memory().unwrap();
    let applied = tree.atomic(|batch| {
        batch.assert_absent(b"a");
        batch.assert_prefix_empty(b"d/");
        batch.put_if_absent(b"a", b"1");
        batch.put(b"d/x", b"2");
        batch.rename(b"a", b"b", false);
        batch.assert_absent(b"a");
        batch.rename_prefix(b"d/", b"e/", false);
        batch.assert_prefix_empty(b"d/");
        batch.delete_prefix(b"e/");
        batch.assert_prefix_empty(b"e/");
    });
    assert_eq!(applied, Ok(true));
    assert_eq!(tree.get(b"b").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(tree.stats().unwrap().records, 1);
    let refused = tree.atomic(|batch| {
        batch.put(b"c", b"");
        batch.assert_absent(b"c");
    });
    assert_eq!(refused, Ok(false));
    assert_eq!(tree.txn(|batch| batch.assert_absent(b"b")), Err(Error::GuardFailed));
    assert_eq!(tree.get(b"c").unwrap(), None);
}

#[test]
fn one_operation_at_a_time_answers_as_documented() {
    let tree = Devices::new().tree();
    assert_eq!(tree.insert(b"k", b"1").unwrap(), None);
    assert_eq!(tree.insert(b"k", b"2").unwrap().as_deref(), Some(&b"1"[..]));
    let second = tree.get_record(b"k").unwrap().unwrap().version;
    let before = tree.stats().unwrap().last_lsn;
    assert!(!tree.put_if_absent(b"k", b"3").unwrap());
    assert!(!tree.compare_and_put(b"absent", second, b"3").unwrap());
    assert!(!tree.delete_if_version(b"absent", second).unwrap());
    assert!(!tree.delete(b"absent").unwrap());
    assert_eq!(tree.remove(b"absent").unwrap(), None);
    assert_eq!(tree.stats().unwrap().last_lsn, before, "lost races log nothing");
    assert!(tree.compare_and_put(b"k", second, b"3").unwrap());
    assert!(!tree.compare_and_put(b"k", second, b"4").unwrap());
    assert!(!tree.delete_if_version(b"k", second).unwrap());
    let third = tree.get_record(b"k").unwrap().unwrap().version;
    assert!(tree.delete_if_version(b"k", third).unwrap());
    assert!(tree.put_if_absent(b"k", b"5").unwrap());
    let long = alloc::vec![9; 5000];
    tree.put(b"k", &long).unwrap();
    assert_eq!(tree.remove(b"k").unwrap(), Some(long));
    assert_clean(tree.verify(), "after single operations");
}

#[test]
fn many_puts_take_one_log_record() {
    let devices = Devices::new();
    let tree = devices.tree();
    tree.put(b"b", b"old").unwrap();
    let before = tree.stats().unwrap().log_records;
    let entries: [(&[u8], &[u8]); 4] = [(b"a", b"1"), (b"b", b"2"), (b"c", b"3"), (b"a", b"4")];
    let outcomes = tree.put_many_if_absent(&entries).unwrap();
    let (made, there) = (PutOutcome::Created, PutOutcome::AlreadyExists);
    assert_eq!(outcomes, [made, there, made, there]);
    assert_eq!(tree.stats().unwrap().log_records, before + 1);
    assert_eq!(tree.put_many_if_absent(&entries).unwrap(), [there; 4]);
    assert_eq!(tree.stats().unwrap().log_records, before + 1, "nothing was to be done");
    tree.put_many(&entries).unwrap();
    assert_eq!(tree.stats().unwrap().log_records, before + 2);
    assert_eq!(tree.put_many_if_absent(&[]).unwrap(), []);
    tree.put_many(&[]).unwrap();
    let expected = [("a", "4"), ("b", "2"), ("c", "3")];
    let check = |tree: &Tree| {
        for (key, value) in expected {
            assert_eq!(tree.get(key.as_bytes()).unwrap().as_deref(), Some(value.as_bytes()));
        }
    };
    check(&tree);
    drop(tree);
    check(&devices.tree());
}

#[test]
fn prefixes_move_and_go_with_their_counts_and_keep_versions() {
    let devices = Devices::new();
    let tree = devices.tree();
    // More than go one by one, and some of every form.
    let many = SMALL_PREFIX_RECORDS + 300;
    let key = |dir: &str, at: usize| match at % 50 {
        0 => alloc::format!("{dir}/{}{at:05}", "long".repeat(300)).into_bytes(),
        _ => alloc::format!("{dir}/{at:05}").into_bytes(),
    };
    let value = |at: usize| alloc::vec![at as u8; if at.is_multiple_of(7) { 3000 } else { 40 }];
    for at in 0..many {
        tree.put(&key("src", at), &value(at)).unwrap();
        tree.put(&key("dst", at + 7), b"in the way").unwrap();
    }
    tree.put(b"dst", b"no key of dst/").unwrap();
    let versions: Vec<u64> = (0..many)
        .map(|at| tree.get_record(&key("src", at)).unwrap().unwrap().version.as_u64())
        .collect();
    let before = dump(&tree);
    assert_eq!(tree.rename_prefix(b"src/", b"dst/", false), Err(Error::DstExists));
    assert_eq!(tree.rename_prefix(b"none/", b"dst/", true), Ok(0), "nothing to put in its place");
    assert_eq!(dump(&tree), before);
    let records = tree.stats().unwrap().log_records;
    assert_eq!(tree.rename_prefix(b"src/", b"dst/", true), Ok(many as u64));
    assert_eq!(tree.stats().unwrap().log_records, records + 1);
    let check = |tree: &Tree| {
        #[allow(clippy::needless_range_loop, reason = "the number is part of the key too")]
        for at in 0..many {
            let found = tree.get_record(&key("dst", at)).unwrap().unwrap();
            assert!(found.value == value(at) && found.version.as_u64() == versions[at]);
        }
        assert_eq!(tree.stats().unwrap().records, many as u64 + 1);
        assert_clean(tree.verify(), "moved");
    };
    check(&tree);
    drop(tree);
    let tree = devices.tree();
    check(&tree);
    assert_eq!(tree.delete_prefix(b"dst/"), Ok(many as u64));
    assert_eq!(tree.delete_prefix(b"dst/"), Ok(0));
    assert_eq!(dump(&tree).len(), 1);
    assert_clean(tree.verify(), "deleted");
    tree.checkpoint().unwrap();
    drop(tree);
    assert_eq!(dump(&devices.tree()).len(), 1);
}

#[test]
fn keys_do_not_grow_past_their_limit_in_a_move() {
    let tree = Devices::new().tree();
    let fits =
        |prefix: &[u8], len: usize| [prefix, &alloc::vec![b'x'; len - prefix.len()]].concat();
    tree.put(&fits(b"a/", MAX_KEY_BYTES - 1), b"1").unwrap();
    tree.put(b"a/short", b"2").unwrap();
    let before = dump(&tree);
    let error = Error::KeyTooLong { len: MAX_KEY_BYTES + 1 };
    assert_eq!(tree.rename_prefix(b"a/", b"abc/", true), Err(error.clone()));
    let batched = tree.atomic(|batch| {
        batch.put(b"z", b"");
        batch.rename_prefix(b"a/", b"abc/", true);
    });
    assert_eq!(batched, Err(error));
    assert_eq!(dump(&tree), before);
    assert_eq!(tree.rename_prefix(b"a/", b"bc/", true), Ok(2));
    assert!(tree.get(&fits(b"bc/", MAX_KEY_BYTES)).unwrap().is_some());
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn values_that_renames_log_count_for_the_size_of_the_record() {
    let tree = Devices::new().tree();
    let value = alloc::vec![7; MAX_VALUE_BYTES];
    for at in 0..17u8 {
        tree.put(&[b'a', at], &value).unwrap();
    }
    let before = dump(&tree);
    let moved = |count: u8| {
        tree.atomic(|batch| (0..count).for_each(|at| batch.rename(&[b'a', at], &[b'b', at], false)))
    };
    assert!(matches!(moved(17), Err(Error::WalRecordTooLarge { .. })));
    assert_eq!(dump(&tree), before);
    assert_eq!(moved(15), Ok(true));
    assert_clean(tree.verify(), "moved");
}

#[test]
fn a_guard_that_fails_leaves_no_trace_without_a_log_either() {
    let tree = Tree::memory().unwrap();
    tree.put(b"a", b"1").unwrap();
    for _ in 0..100 {
        let refused = tree.atomic(|batch| {
            batch.put(b"a", b"2");
            batch.put(b"new", b"3");
            batch.assert_absent(b"a");
        });
        assert_eq!(refused, Ok(false));
        assert_eq!(tree.atomic(|batch| batch.delete(b"not there")), Ok(true));
    }
    assert!(tree.last_lsn() < 10_000, "positions are not wasted");
    assert_clean(tree.verify(), "after failed guards");
    assert_eq!(dump(&tree).len(), 1);
}

/// A batch that is one byte too long for a log record is refused at once, and nothing else is.
#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn the_size_of_a_record_is_known_before_anything_happens() {
    let tree = Devices::new().tree();
    tree.put(b"before", b"1").unwrap();
    let keys: Vec<[u8; 2]> = (0..300u16).map(u16::to_be_bytes).collect();
    let mut value = alloc::vec![7; MAX_RECORD_BYTES / keys.len() - 8];
    // The last value fills the record to the byte.
    let record = |value: &[u8], last: &[u8]| {
        let put = |key, value| OpRef::Put { tree: STANDALONE_TREE, key, value };
        let mut ops: Vec<OpRef<'_>> = keys.iter().map(|key| put(&key[..], value)).collect();
        ops.push(put(b"last", last));
        encoded_len(&ops)
    };
    let mut last = Vec::new();
    while record(&value, &last) > MAX_RECORD_BYTES {
        value.pop();
    }
    while record(&value, &last) <= MAX_RECORD_BYTES {
        last.push(7);
    }
    let write = |last: &[u8]| {
        tree.atomic(|batch| {
            keys.iter().for_each(|key| batch.put(key, &value));
            batch.put(b"last", last);
        })
    };
    let refused = write(&last);
    assert!(matches!(refused, Err(Error::WalRecordTooLarge { .. })), "{refused:?}");
    assert_eq!(dump(&tree).len(), 1);
    assert_eq!(write(&last[1..]), Ok(true));
    assert_eq!(dump(&tree).len(), keys.len() + 2);
}
