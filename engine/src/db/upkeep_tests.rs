//! What a store does beside its answers: checks that tell how far they are, maintenance that
//! ends, checkpoints that no single write pays for.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::kit_tests::{Devices, dump};
use super::{Progress, Tree, Upkeep};
use crate::device::BlobStore;

#[test]
fn a_check_tells_how_far_it_is() {
    let devices = Devices::new();
    let tree = devices.tree();
    for at in 0..3000u32 {
        tree.put(&at.to_be_bytes(), &[7; 100]).unwrap();
    }
    tree.checkpoint().unwrap();
    let mut told: Vec<(u64, u64)> = Vec::new();
    let report = tree.verify_with(&mut |done, total| told.push((done, total))).unwrap();
    assert!(report.is_clean());
    assert!(told.is_sorted_by_key(|(done, _)| done), "it never goes back: {told:?}");
    assert!(told.iter().all(|(done, total)| done <= total), "{told:?}");
    let total = 2 * devices.blobs.usage().unwrap().pages;
    assert_eq!(told.last(), Some(&(total, total)));
    assert!(told.len() > 4, "{told:?}");
    // Each page is checked by itself and as a part of its tree.
    assert_eq!(report.pages * 2, total);
    assert_eq!((report.records, report.payload_bytes), (3000, 3000 * 104));
    assert!((600..=1000).contains(&report.fill_per_mille), "{report:?}");
    for at in (0..3000u32).filter(|at| at % 3 > 0) {
        tree.delete(&at.to_be_bytes()).unwrap();
    }
    let thinner = tree.verify().unwrap().fill_per_mille;
    assert!((200..report.fill_per_mille).contains(&thinner), "{thinner}");
}

#[test]
fn maintenance_ends_and_leaves_everything() {
    let mut devices = Devices::new();
    devices.options.auto_checkpoint = false;
    let tree = devices.tree();
    for at in 0..4000u32 {
        tree.put(&at.to_be_bytes(), &[7; 100]).unwrap();
    }
    for at in (0..4000u32).filter(|at| at % 8 > 0) {
        tree.delete(&at.to_be_bytes()).unwrap();
    }
    let (before, sparse) = (dump(&tree), tree.stats().unwrap());
    let rounds = (1..10_000).find(|_| !tree.maintain(16).unwrap());
    assert!(rounds.is_some_and(|rounds| rounds > 2), "{rounds:?} rounds");
    let stats = tree.stats().unwrap();
    assert!(stats.checkpoints > sparse.checkpoints, "the log was over its budget");
    assert_eq!(dump(&tree), before);
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn no_single_write_pays_for_a_checkpoint() {
    let mut devices = Devices::new();
    devices.options.cache_bytes = 64 << 20;
    devices.options.log_budget = 2 << 20;
    let tree = devices.tree();
    const RECORDS: u32 = 8000;
    for at in 0..RECORDS {
        tree.put(&at.to_be_bytes(), &[7; 900]).unwrap();
    }
    tree.checkpoint().unwrap();
    let before = tree.stats().unwrap();
    let start = devices.blobs.staged();
    let (mut staged, mut most) = (start, 0);
    for at in 0..RECORDS {
        // One of each page, then the next of each.
        let key = at * 4 % RECORDS + at * 4 / RECORDS;
        tree.put(&key.to_be_bytes(), &[8; 900]).unwrap();
        let now = devices.blobs.staged();
        most = most.max(now - staged);
        staged = now;
    }
    let checkpoints = tree.stats().unwrap().checkpoints - before.checkpoints;
    assert!(checkpoints > 1);
    let each = (staged - start) / checkpoints;
    assert!(each > 1000 && most < each / 3, "one write wrote {most} pages of some {each}");
}

#[test]
fn maintenance_of_a_store_just_opened_stages_no_more_than_asked_for() {
    let mut devices = Devices::new();
    devices.options.auto_checkpoint = false;
    let tree = devices.tree();
    for at in 0..4000u32 {
        tree.put(&at.to_be_bytes(), &[7; 100]).unwrap();
    }
    let before = dump(&tree);
    drop(tree);
    let tree = devices.tree();
    let (mut staged, mut rounds) = (devices.blobs.staged(), 0);
    while tree.stats().unwrap().checkpoints == 0 {
        assert!(tree.maintain(16).unwrap() || tree.stats().unwrap().checkpoints > 0);
        let now = devices.blobs.staged();
        assert!(now - staged <= 16, "{} pages in one call", now - staged);
        (staged, rounds) = (now, rounds + 1);
    }
    assert!(rounds > 5, "{rounds} rounds");
    // A checkpoint that is half way when the first write comes ends with it.
    tree.put(b"after", b"").unwrap();
    assert_eq!(dump(&tree).len(), before.len() + 1);
    drop(tree);
    let tree = devices.tree();
    assert!(tree.maintain(16).unwrap());
    tree.delete(b"after").unwrap();
    assert!(dump(&tree) == before);
}

#[test]
fn a_checkpoint_asked_for_has_the_store_give_free_space_back_until_little_is_left() {
    let devices = Devices::new();
    let tree = devices.tree();
    for at in 0..500u32 {
        tree.put(&at.to_be_bytes(), &[7; 100]).unwrap();
    }
    devices.blobs.loosen(1 << 30);
    tree.checkpoint().unwrap();
    let usage = devices.blobs.usage().unwrap();
    assert!(usage.free_bytes <= usage.allocated_bytes / 32, "{usage:?}");
    assert!(usage.free_bytes > usage.allocated_bytes / 100, "and no longer: {usage:?}");
}

/// A store whose frames removals left thin.
fn thinned() -> (Devices, Tree) {
    let mut devices = Devices::new();
    devices.options.kept_up = true;
    devices.options.log_budget = 64 << 20;
    let tree = devices.tree();
    for at in 0..6000u32 {
        tree.put(&at.to_be_bytes(), &[7; 100]).unwrap();
    }
    // A third of a page is too much for it to join a neighbour with the removal.
    for at in (0..6000u32).filter(|at| at % 3 > 0) {
        tree.delete(&at.to_be_bytes()).unwrap();
    }
    (devices, tree)
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn frames_that_removals_left_thin_are_repacked_beside_others() {
    let (devices, tree) = thinned();
    let (held, thin) = (dump(&tree), tree.verify().unwrap().fill_per_mille);
    assert!(thin < 500, "{thin}");
    let upkeep = Upkeep::new(Arc::clone(&tree.shared.store));
    let snapshot = tree.snapshot(b"").unwrap();
    assert_eq!(upkeep.checkpoint(64), Ok(Progress::Nothing), "a snapshot needs the pages");
    drop(snapshot);
    for at in (0..6000u32).filter(|at| at % 60 == 0) {
        tree.delete(&at.to_be_bytes()).unwrap();
        tree.put(&at.to_be_bytes(), &[7; 100]).unwrap();
    }
    let turns = (0..10_000).find(|_| upkeep.checkpoint(64) == Ok(Progress::Nothing));
    assert!(turns.is_some_and(|turns| turns > 10), "{turns:?} frames");
    let full = tree.verify().unwrap().fill_per_mille;
    assert!(full > 650, "{full} after {thin}");
    let same = |(key, value, _): &(Vec<u8>, Vec<u8>, u64)| (key.clone(), value.clone());
    assert!(dump(&tree).iter().map(same).eq(held.iter().map(same)));
    drop(tree);
    assert!(dump(&devices.tree()).iter().map(same).eq(held.iter().map(same)), "and reopened");
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_thin_frame_that_cannot_be_read_keeps_nobody_from_writing() {
    let (devices, tree) = thinned();
    let (held, reads) = (dump(&tree), devices.blobs.reads());
    devices.blobs.fail_after(0);
    let upkeep = Upkeep::new(Arc::clone(&tree.shared.store));
    let mut turns = (0..10_000).map(|_| upkeep.checkpoint(64));
    assert!(turns.any(|turn| turn.unwrap() == Progress::Nothing));
    devices.blobs.heal();
    assert_eq!(dump(&tree), held);
    assert!(devices.blobs.reads() > reads, "some of it was not in memory");
    tree.put(b"key", b"value").unwrap();
    tree.checkpoint().unwrap();
    assert!(tree.verify().unwrap().is_clean());
}
