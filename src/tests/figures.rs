//! Statistics: each figure is what really happened.

use super::directory;
use crate::{
    CheckpointerStats, Durability, JournalStats, OpenStats, StoreStats, Tree, TreeBuilder,
    TreeConfig,
};

fn key(at: u32) -> Vec<u8> {
    format!("key-{at:08}").into_bytes()
}

#[test]
fn fill_follows_what_pages_hold() {
    let tree = Tree::open(TreeConfig::memory()).expect("opens");
    assert_eq!(tree.stats().expect("tells").fill_per_mille, 0, "no records");
    for at in 0..20_000 {
        tree.put(&key(at), &[1; 60]).expect("puts");
    }
    let full = tree.stats().expect("tells").fill_per_mille;
    for at in (0..20_000).filter(|at| at % 3 > 0) {
        tree.delete(&key(at)).expect("deletes");
    }
    let thin = tree.stats().expect("tells").fill_per_mille;
    assert!(full > 800 && full <= 1000, "an ascending load fills its pages: {full}");
    assert!(thin < full / 2 && thin > 200, "a third is left: {thin}");
    let exact = tree.verify().expect("reads").fill_per_mille;
    assert!(thin.abs_diff(exact) < 30, "the sample says what all pages do: {thin}, {exact}");
}

#[test]
fn write_amplification_is_what_was_written_for_what_was_asked() {
    let dir = directory();
    let tree = TreeBuilder::new(dir.path()).open().expect("opens");
    assert_eq!(tree.stats().expect("tells").write_amplification(), 0.0);
    let mut payload = 0;
    for at in 0..1000 {
        tree.put(&key(at), &[1; 100]).expect("puts");
        payload += key(at).len() as u64 + 100;
    }
    tree.txn(|batch| batch.delete(&key(0))).expect("applies");
    payload += key(0).len() as u64;
    let stats = tree.stats().expect("tells");
    assert_eq!(stats.written_payload_bytes, payload);
    let log = stats.write_amplification();
    assert!(stats.log_written_bytes > payload && log > 1.0 && log < 3.0, "{log}");
    tree.checkpoint().expect("publishes");
    let stats = tree.stats().expect("tells");
    assert!(stats.store.bytes_written >= 4096 * stats.checkpoint_pages, "{stats:?}");
    assert!(stats.write_amplification() > log + 1.0, "log and pages: {stats:?}");
}

#[test]
fn cold_reads_are_counted_and_warm_ones_are_not() {
    let dir = directory();
    let tree = TreeBuilder::new(dir.path()).open().expect("opens");
    for at in 0..5000 {
        tree.put(&key(at), &[1; 100]).expect("puts");
    }
    tree.checkpoint().expect("publishes");
    let stats = tree.stats().expect("tells");
    assert_eq!((stats.cold_reads, stats.lookup_restarts), (0, 0), "all was in memory");
    drop(tree);
    let tree = TreeBuilder::new(dir.path()).open().expect("opens");
    tree.get(&key(7)).expect("reads");
    let one = tree.stats().expect("tells");
    assert_eq!(one.cold_reads, 1);
    assert!(one.lookup_restarts >= 2, "page 0 and a leaf: {one:?}");
    assert!(one.store.pages_read >= one.lookup_restarts, "{one:?}");
    tree.get(&key(7)).expect("reads");
    assert_eq!(tree.stats().expect("tells").cold_reads, 1, "now it is in memory");
    let snapshot = tree.snapshot(b"").expect("is taken");
    snapshot.get(&key(4000)).expect("reads");
    assert_eq!(tree.stats().expect("tells").cold_reads, 2);
}

#[test]
fn the_parts_have_figures_of_their_own() {
    let dir = directory();
    let open = |sync| TreeBuilder::new(dir.path()).durability(Durability::Wal { sync }).open();
    let tree = open(true).expect("opens");
    assert_eq!(tree.stats().expect("tells").open(), OpenStats::default());
    for at in 0..50 {
        tree.put(&key(at), b"value").expect("puts");
    }
    let stats = tree.stats().expect("tells");
    let journal: JournalStats = stats.journal();
    assert!(journal.appends >= 50 && journal.syncs >= 50, "{journal:?}");
    assert!(journal.checkpoint_debt > 0 && journal.written_bytes >= journal.checkpoint_debt);
    assert_eq!(stats.checkpointer().rounds_succeeded, 0);
    assert!(stats.checkpointer().last_dirty_count > 0);
    drop(tree);

    // Of the last record only a part arrived.
    let tree = open(false).expect("opens");
    assert_eq!(tree.stats().expect("tells").open().wal_replay_records, 50);
    for at in 50..60 {
        tree.put(&key(at), b"value").expect("puts");
    }
    drop(tree);
    let log = dir.path().join("journal.wal");
    let bytes = std::fs::read(&log).expect("reads");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("has records");
    std::fs::write(&log, &bytes[..end - 3]).expect("writes");
    let tree = open(false).expect("opens");
    let found: OpenStats = tree.stats().expect("tells").open();
    assert!(found.wal_torn_tail && found.wal_replay_bytes > 0, "{found:?}");
    assert_eq!(found.wal_replay_records, 9, "and the others are whole");

    tree.checkpoint().expect("publishes");
    let stats = tree.stats().expect("tells");
    let made: CheckpointerStats = stats.checkpointer();
    assert!(made.rounds_succeeded > 0 && made.pages_flushed > 0, "{made:?}");
    assert_eq!((made.last_dirty_count, stats.journal().checkpoint_debt), (0, 0));
    let store: StoreStats = stats.store;
    assert!(store.pages > 0 && store.bytes_written > 0 && store.allocated_bytes > 0, "{store:?}");
    assert_eq!(tree.prefix_count(b"key-", 0).expect("counts").count, 59);
}
