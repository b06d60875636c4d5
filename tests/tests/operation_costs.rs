//! What single operations cost in things that can be counted on any machine, so that a change
//! which makes them dearer is seen without a clock: allocations, and bytes of log. The record is
//! `costs.toml` beside this; what becomes cheaper is written there, what becomes dearer fails.
//!
//! The only test of its process: it counts what the process allocates.

use std::alloc::System;
use std::collections::BTreeMap;

use holt::{KeyRangeEntryRef, RangeEntryRef, Tree, TreeBuilder};
use holt_tests::report::figure;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// The system's, counted.
#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const RECORDS: u32 = 20_000;
/// Records of a directory.
const EACH: u32 = 256;
/// Operations that are counted.
const OPERATIONS: u32 = 2000;
const LISTS: u32 = 200;
const LIST: usize = 100;
const LEVEL: usize = 8;

fn key(number: u32) -> Vec<u8> {
    let directory = number / EACH;
    format!("bucket-01/path-{:05}/sub-{directory:05}/file-{number:07}.bin", directory / 32).into()
}

fn value(number: u32) -> Vec<u8> {
    format!(r#"{{"size":{:>10},"etag":"{number:032x}"}}"#, number % 1_000_003).into()
}

/// A number that follows no order.
fn spread(number: u32) -> u32 {
    number.wrapping_mul(2_654_435_761) % RECORDS
}

/// Allocations of `work`, for `times` times that it did something.
fn allocations(times: u32, work: impl FnOnce()) -> f64 {
    let before = COUNTED.stats();
    work();
    let after = COUNTED.stats();
    let made =
        (after.allocations - before.allocations) + (after.reallocations - before.reallocations);
    made as f64 / f64::from(times)
}

fn log_bytes(tree: &Tree) -> u64 {
    tree.stats().expect("is open").last_lsn
}

/// What each operation costs, by name.
fn costs(tree: &Tree) -> BTreeMap<String, f64> {
    let keys: Vec<_> = (0..OPERATIONS).map(|at| key(spread(at))).collect();
    let values: Vec<_> = (0..OPERATIONS).map(|at| value(spread(at))).collect();
    let absent: Vec<_> = keys.iter().map(|key| [&key[..], b"x"].concat()).collect();
    let mut costs = BTreeMap::new();
    let mut note = |name: &str, cost: f64| {
        assert!(costs.insert(name.to_owned(), cost).is_none(), "{name} is measured twice");
    };
    let mut out = Vec::with_capacity(256);
    let gets = |out: &mut Vec<u8>| {
        keys.iter().for_each(|key| assert!(tree.get_into(key, out).expect("is read")));
    };
    // Once before anything is counted, for what is made at the first use.
    gets(&mut out);
    note("allocations of a get", allocations(OPERATIONS, || gets(&mut out)));
    let misses = || {
        absent.iter().for_each(|key| assert!(!tree.contains_key(key).expect("is read")));
    };
    note("allocations of a miss", allocations(OPERATIONS, misses));
    let puts = || {
        let records = keys.iter().zip(&values);
        records.for_each(|(key, value)| tree.put(key, value).expect("is written"));
    };
    puts();
    let before = log_bytes(tree);
    note("allocations of an overwrite", allocations(OPERATIONS, puts));
    let logged = log_bytes(tree) - before;
    note("log bytes of an overwrite", logged as f64 / f64::from(OPERATIONS));
    let lists = || {
        for key in keys.iter().step_by((OPERATIONS / LISTS) as usize) {
            let directory = &key[..key.len() - "file-0000000.bin".len()];
            let mut bytes = 0;
            let scan = tree.scan(directory).start_after(&directory[..directory.len() - 1]);
            let visit = |entry: RangeEntryRef<'_>| {
                if let RangeEntryRef::Key { key, value, .. } = entry {
                    bytes += key.len() + value.len();
                }
                Ok(())
            };
            scan.visit(LIST, visit).expect("is read");
            assert!(bytes > 0);
        }
    };
    lists();
    note("allocations of a list of 100", allocations(LISTS, lists));
    let levels = || {
        for _ in 0..LISTS {
            let mut rollups = 0;
            let scan = tree.scan_keys(b"bucket-01/path-00001/").delimiter(b'/');
            let visit = |entry: KeyRangeEntryRef<'_>| {
                rollups += usize::from(matches!(entry, KeyRangeEntryRef::CommonPrefix(_)));
                Ok(())
            };
            scan.visit(LEVEL, visit).expect("is read");
            assert_eq!(rollups, LEVEL);
        }
    };
    levels();
    note("allocations of a level of 8", allocations(LISTS, levels));
    costs
}

#[test]
fn no_operation_costs_more_than_the_record_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let tree = TreeBuilder::new(folder.path()).open().expect("opens");
    for number in 0..RECORDS {
        let number = spread(number);
        tree.put(&key(number), &value(number)).expect("is written");
    }
    tree.checkpoint().expect("is published");
    let found = costs(&tree);
    let record: BTreeMap<String, f64> =
        toml::from_str(include_str!("costs.toml")).expect("the record is TOML");
    let mut dearer = Vec::new();
    for (name, cost) in &found {
        println!("{name}: {cost:.3}");
        match record.get(name) {
            Some(most) if cost <= most => {}
            Some(most) => dearer.push(format!("{name}: {cost:.3} instead of {most}")),
            None => dearer.push(format!("{name}: {cost:.3}, which costs.toml does not have")),
        }
    }
    figure("operations whose costs are counted", found.len() as u64);
    assert_eq!(record.len(), found.len(), "costs.toml has what is not measured");
    assert!(dearer.is_empty(), "dearer than before: {}", dearer.join("; "));
}
