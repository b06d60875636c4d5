//! The thread beside the writers.

use std::time::{Duration, Instant};

use super::{contents, directory, key};
use crate::*;
use holt_native_store::{FileOptions, FileStore};

/// A log that fills after some hundred records.
const BUDGET: u64 = limits::MIN_LOG_BUDGET;
/// More than any machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_thread_makes_checkpoints_while_nobody_writes() {
    let dir = directory();
    let builder = TreeBuilder::new(dir.path()).log_budget(BUDGET);
    let tree = builder.clone().open().expect("opens");
    // Past the part of the budget where a checkpoint is due, and not past the budget.
    let mut at = 0;
    while tree.stats().expect("tells").checkpoints == 0
        && tree.stats().expect("tells").log_bytes < BUDGET / 4 * 3
    {
        tree.put(&key(at), &[1; 200]).expect("puts");
        at += 1;
    }
    let begun = Instant::now();
    while tree.stats().expect("tells").checkpoints == 0 {
        assert!(begun.elapsed() < PATIENCE, "no checkpoint comes");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(contents(&tree).len(), at as usize);
    drop(tree);
    let tree = builder.open().expect("opens again");
    assert_eq!(contents(&tree).len(), at as usize);
    assert!(tree.stats().expect("tells").replayed_records < u64::from(at));
}

#[test]
fn a_store_is_closed_when_its_last_handle_is_dropped_whatever_the_thread_does() {
    let dir = directory();
    for round in 0..60u32 {
        let builder = TreeBuilder::new(dir.path()).log_budget(BUDGET);
        let tree = builder.open().expect("opens");
        for at in 0..40 + round {
            tree.put(&key(at), &[round as u8; 200]).expect("puts");
        }
        let snapshot = tree.snapshot(b"").expect("takes");
        drop(tree);
        assert!(snapshot.get(&key(0)).expect("reads").is_some());
        drop(snapshot);
        // Not a moment is waited for the lock.
        let at_once = FileOptions { lock_wait: Duration::ZERO, ..FileOptions::default() };
        FileStore::open(dir.path(), &at_once).expect("nobody has it");
    }
    let tree = TreeBuilder::new(dir.path()).open().expect("opens");
    assert_eq!(contents(&tree).len(), 99);
    assert!(tree.verify().expect("checks").damage.is_empty());
}

#[test]
fn without_the_thread_writers_make_the_checkpoints() {
    let dir = directory();
    let inline = CheckpointConfig::inline();
    let builder = TreeBuilder::new(dir.path()).log_budget(BUDGET).checkpoint(inline);
    let tree = builder.open().expect("opens");
    assert!(!tree.config().kept_up);
    for at in 0..2000 {
        tree.put(&key(at), &[1; 200]).expect("puts");
    }
    let stats = tree.stats().expect("tells");
    assert!(stats.checkpoints > 0 && stats.log_bytes <= BUDGET, "{stats:?}");
}
