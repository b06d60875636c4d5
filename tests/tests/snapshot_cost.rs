//! What a snapshot costs and that it is given back: held across 100 000 overwrites it keeps its
//! own state, and when it is gone and a checkpoint ran, disk and memory are as before.
//!
//! The only test of its process: it counts what the process has allocated.

use std::alloc::System;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use holt::{Tree, TreeBuilder};
use holt_engine::db::RangeEntry;
use holt_tests::workload::{Rand, rand_of};
use rand::Rng;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// The system's, counted.
#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const RECORDS: u64 = 60_000;
const OVERWRITES: u64 = 100_000;
const VALUE_BYTES: usize = 120;
/// Memory for pages: less than the store has.
const CACHE_BYTES: u64 = 4 << 20;
/// Most that disk and memory may differ, in percent.
const PERCENT: u64 = 5;

fn key(number: u64) -> Vec<u8> {
    // Multiplied, so that the order of keys is not that of numbers.
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("bucket/{:02x}/{spread:016x}", spread >> 56).into_bytes()
}

fn value(rng: &mut Rand) -> Vec<u8> {
    let mut value = vec![0; VALUE_BYTES];
    rng.fill(&mut value[..]);
    value
}

/// Bytes that the store's files take on the disk.
fn disk(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).expect("the store").flatten();
    files.map(|file| file.metadata().expect("a file").blocks() * 512).sum()
}

/// Bytes of memory that are allocated.
fn memory() -> u64 {
    let stats = COUNTED.stats();
    (stats.bytes_allocated - stats.bytes_deallocated) as u64
}

/// Bytes of memory that the system gave this process; for information: what the allocator does
/// not give back is its own affair.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("linux");
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("a figure");
    let kib = line.split_whitespace().nth(1).expect("a number");
    kib.parse::<u64>().expect("a number") * 1024
}

fn overwrite(tree: &Tree, rng: &mut Rand, times: u64) {
    for _ in 0..times {
        tree.put(&key(rng.random_range(0..RECORDS)), &value(rng)).expect("puts");
    }
}

/// A checksum over everything that is read of a state, in order.
fn digest(entries: impl Iterator<Item = holt::Result<RangeEntry>>) -> (u64, u64) {
    let (mut state, mut count) = (0xcbf2_9ce4_8422_2325_u64, 0);
    for entry in entries {
        let RangeEntry::Key { key, value, version } = entry.expect("reads") else {
            panic!("nothing is rolled up");
        };
        for byte in key.iter().chain(&value).chain(&version.as_u64().to_le_bytes()) {
            state = (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        count += 1;
    }
    (state, count)
}

fn close(what: &str, before: u64, after: u64) {
    println!("{what}: {before} bytes before, {after} after");
    assert!(after <= before + before * PERCENT / 100, "{what} was not given back");
}

#[test]
fn a_snapshot_keeps_its_state_over_many_overwrites_and_gives_its_space_back() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let tree =
        TreeBuilder::new(folder.path()).cache_bytes(CACHE_BYTES).open().expect("a new store");
    let mut rng = rand_of(0x534e_4150);
    for number in 0..RECORDS {
        tree.put(&key(number), &value(&mut rng)).expect("puts");
    }
    // The same writes once without a snapshot, so that only what it costs is compared.
    overwrite(&tree, &mut rng, OVERWRITES);
    tree.checkpoint().expect("publishes");
    let (disk_before, memory_before) = (disk(folder.path()), memory());
    let resident_before = resident();

    let snapshot = tree.snapshot(b"").expect("takes one");
    let before = digest(snapshot.range().into_iter());
    assert_eq!(before.1, RECORDS);
    overwrite(&tree, &mut rng, OVERWRITES / 2);
    tree.checkpoint().expect("publishes");
    assert_eq!(digest(snapshot.range().into_iter()), before, "half way");
    overwrite(&tree, &mut rng, OVERWRITES / 2);
    let (disk_held, held) = (disk(folder.path()), memory());
    println!("held: {disk_held} bytes of disk, {held} allocated, {} resident", resident());
    assert_eq!(digest(snapshot.range().into_iter()), before, "at the end");
    assert_ne!(digest(tree.range().into_iter()), before, "the tree has gone on");
    assert!(disk_held > disk_before * 2, "what the snapshot needs is on the disk");

    drop(snapshot);
    tree.checkpoint().expect("publishes");
    close("disk", disk_before, disk(folder.path()));
    close("memory", memory_before, memory());
    println!("resident: {resident_before} bytes before, {} after", resident());
    let report = tree.verify().expect("verifies");
    assert!(report.is_clean() && report.records == RECORDS, "{:?}", report.damage);
}
