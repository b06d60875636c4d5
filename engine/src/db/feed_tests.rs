//! The change feed against the changes that were made.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::feed::FeedRun;
use super::{ChangeEvent, DB, Options, Tree};
use crate::device::{BlobStore, LogDevice, MemoryBlobStore, MemoryLog};
use crate::error::Error;
use crate::geometry::Geometry;
use crate::limits::{MIN_CACHE_BYTES, MIN_FRAME_BYTES, MIN_LOG_BUDGET};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

struct Devices {
    blobs: Arc<dyn BlobStore>,
    log: Arc<dyn LogDevice>,
}

impl Devices {
    fn new() -> Self {
        let geometry = Geometry::new(MIN_FRAME_BYTES).unwrap();
        Self {
            blobs: Arc::new(MemoryBlobStore::new(geometry, [9; 16])),
            log: Arc::new(MemoryLog::default()),
        }
    }

    fn open(&self, feed_retention: u64) -> Tree {
        let options = Options {
            cache_bytes: MIN_CACHE_BYTES,
            log_budget: MIN_LOG_BUDGET,
            feed_retention,
            ..Options::default()
        };
        Tree::open_with_devices(self.blobs.clone(), Some(self.log.clone()), options).unwrap()
    }
}

/// Applies everything in the feed from `from` on to `model`; returns where to go on.
fn follow(tree: &Tree, model: &mut Model, from: u64) -> Result<u64, Error> {
    let mut from = from;
    loop {
        let page = tree.changes_since(from)?;
        for change in page.changes {
            assert!(change.lsn >= from, "positions ascend");
            from = change.lsn + 1;
            for event in change.events {
                match event {
                    ChangeEvent::Put { key, value, version, .. } => {
                        assert!(version.as_u64() >= change.lsn);
                        model.insert(key, value);
                    }
                    ChangeEvent::Delete { key, .. } => {
                        model.remove(&key);
                    }
                    ChangeEvent::DeletePrefix { prefix, .. } => {
                        model.retain(|key, _| !key.starts_with(&prefix));
                    }
                    ChangeEvent::RenamePrefix { src, dst, .. } => {
                        model.retain(|key, _| !key.starts_with(&dst));
                        let moved: Model =
                            model.extract_if(.., |key, _| key.starts_with(&src)).collect();
                        for (key, value) in moved {
                            model.insert([&dst[..], &key[src.len()..]].concat(), value);
                        }
                    }
                    other => panic!("{other:?} in the feed of one tree"),
                }
            }
        }
        from = page.next;
        if !page.more {
            return Ok(from);
        }
    }
}

fn contents(tree: &Tree) -> Model {
    let mut model = Model::new();
    for entry in tree.range() {
        if let super::RangeEntry::Key { key, value, .. } = entry.unwrap() {
            model.insert(key, value);
        }
    }
    model
}

#[test]
fn a_follower_ends_where_the_tree_does_over_checkpoints_and_reopenings() {
    let devices = Devices::new();
    let mut tree = devices.open(64 << 20);
    let (mut follower, mut from) = (Model::new(), tree.last_lsn());
    let mut state = 0x1234_5678_9ABC_DEF1u64;
    let mut roll = |sides: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % sides
    };
    for step in 0..3000u32 {
        let key: Vec<u8> = alloc::format!("k{:03}", roll(300)).into();
        match roll(9) {
            8 if roll(10) == 0 => {
                let (src, dst) = (roll(10), 10 + roll(10));
                let src: Vec<u8> = alloc::format!("k{src:02}").into();
                let dst: Vec<u8> = alloc::format!("k{dst:02}").into();
                tree.rename_prefix(&src, &dst, true).unwrap();
            }
            8 if roll(10) == 0 => {
                let prefix: Vec<u8> = alloc::format!("k{:02}", roll(30)).into();
                tree.delete_prefix(&prefix).unwrap();
            }
            0..=4 => tree.put(&key, &alloc::vec![step as u8; roll(2000) as usize]).unwrap(),
            5 => drop(tree.delete(&key).unwrap()),
            6 => {
                tree.atomic(|batch| {
                    batch.put(&key, b"batch");
                    batch.delete(b"k001");
                    batch.put(b"k002", &step.to_le_bytes());
                })
                .unwrap();
            }
            _ if roll(10) == 0 => tree.checkpoint().unwrap(),
            _ if roll(20) == 0 => {
                drop(tree);
                tree = devices.open(64 << 20);
            }
            _ => from = follow(&tree, &mut follower, from).unwrap(),
        }
    }
    follow(&tree, &mut follower, from).unwrap();
    assert_eq!(follower, contents(&tree));
    assert!(tree.verify().unwrap().is_clean());
}

/// However its pages are filled when the store is closed; the last of them may be empty, waiting
/// behind the bound of what ascends.
#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_follower_goes_on_after_a_reopening_at_every_commit() {
    for values in [1, 90] {
        let devices = Devices::new();
        let (mut model, mut from) = (Model::new(), None);
        for at in 0..900_u32 {
            let tree = devices.open(1 << 20);
            let next = *from.get_or_insert(tree.last_lsn());
            tree.put(&[at as u8 % 50], &alloc::vec![at as u8; at as usize % values]).unwrap();
            from = Some(follow(&tree, &mut model, next).unwrap());
            if at % 7 == 0 {
                tree.checkpoint().unwrap();
            }
        }
        assert_eq!(model, contents(&devices.open(1 << 20)));
    }
}

#[test]
fn a_snapshot_and_the_feed_from_its_position_miss_and_repeat_nothing() {
    let devices = Devices::new();
    let tree = devices.open(1 << 20);
    for at in 0..100u8 {
        tree.put(&[at], &[1]).unwrap();
    }
    let snapshot = tree.snapshot(b"").unwrap();
    for at in 50..150u8 {
        tree.put(&[at], &[2]).unwrap();
    }
    let page = tree.changes_since(snapshot.lsn()).unwrap();
    assert_eq!(page.changes.len(), 100);
    assert!(page.changes.iter().all(|change| change.events.len() == 1));
}

#[test]
fn what_is_not_kept_is_expired_and_never_silently_skipped() {
    let devices = Devices::new();
    let tree = devices.open(20_000);
    let start = tree.last_lsn();
    for at in 0..1000u32 {
        tree.put(&at.to_be_bytes(), &[7; 60]).unwrap();
    }
    assert!(matches!(tree.changes_since(start), Err(Error::Expired { .. })));
    let recent = tree.last_lsn();
    tree.put(b"x", b"y").unwrap();
    assert_eq!(tree.changes_since(recent).unwrap().changes.len(), 1);
    // While the feed is off nothing is noted: what was before cannot be continued.
    drop(tree);
    let tree = devices.open(0);
    assert!(matches!(tree.changes_since(recent), Err(Error::InvalidArgument { .. })));
    let before = tree.last_lsn();
    tree.put(b"unseen", b"1").unwrap();
    // What is still in the log is noted when it is replayed; what is published is not.
    tree.checkpoint().unwrap();
    drop(tree);
    let tree = devices.open(20_000);
    tree.put(b"seen", b"2").unwrap();
    assert!(matches!(tree.changes_since(before), Err(Error::Expired { .. })));
    assert!(matches!(tree.changes_since(recent), Err(Error::Expired { .. })));
}

/// The position of the last change, which wrote `key`.
fn position(tree: &Tree, key: &[u8]) -> u64 {
    tree.get_version(key).unwrap().unwrap().as_u64()
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_feed_reaches_as_far_back_after_a_reopening() {
    const RETENTION: u64 = 3000;
    let reached = |tree: &Tree, positions: &[u64]| {
        positions.iter().filter(|&&from| tree.changes_since(from).is_ok()).count()
    };
    let (stays, closes) = (Devices::new(), Devices::new());
    let open = stays.open(RETENTION);
    let mut reopened = closes.open(RETENTION);
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for at in 0..300u32 {
        if at % 9 == 0 {
            drop(reopened);
            reopened = closes.open(RETENTION);
        }
        let (key, value) = (at.to_be_bytes(), alloc::vec![7; (at % 50) as usize]);
        open.put(&key, &value).unwrap();
        reopened.put(&key, &value).unwrap();
        here.push(position(&open, &key));
        there.push(position(&reopened, &key));
        assert_eq!(reached(&reopened, &there), reached(&open, &here), "after {at} writes");
    }
    let kept = reached(&open, &here);
    assert!((20..100).contains(&kept), "{kept} changes of some 70 bytes are kept");
}

#[test]
fn the_newest_change_is_always_kept() {
    let devices = Devices::new();
    let tree = devices.open(1);
    for at in 0..50u32 {
        // Now and then one of several parts.
        let len = if at % 10 == 0 { 300_000 } else { 100 };
        let key = at.to_be_bytes();
        tree.put(&key, &alloc::vec![7; len]).unwrap();
        let newest = tree.changes_since(position(&tree, &key)).map(|page| page.changes.len());
        assert_eq!(newest, Ok(1), "write {at}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_store_full_of_trees_opens_again_after_it_was_opened_with_a_feed() {
    let devices = Devices::new();
    let open = |feed_retention| {
        let options = Options { feed_retention, ..Options::default() };
        DB::open_with_devices(devices.blobs.clone(), Some(devices.log.clone()), options)
    };
    let db = open(0).unwrap();
    let full = (0..).find(|at| db.create_tree(&alloc::format!("tree {at}")).is_err());
    assert!(full.is_some_and(|full| full > 2000));
    for round in 0..2u8 {
        drop(open(1 << 20).unwrap());
        let db = open(1 << 20).unwrap();
        db.open_tree("tree 7").unwrap().put(b"k", &[round]).unwrap();
        db.checkpoint().unwrap();
    }
}

#[test]
fn what_is_trimmed_while_a_reader_waits_for_the_store_is_not_skipped() {
    let devices = Devices::new();
    let tree = devices.open(60_000);
    let put = |at: u32| tree.put(&at.to_be_bytes(), &[7; 600]).unwrap();
    (0..50).for_each(put);
    let from = tree.last_lsn();
    (50..90).for_each(put);
    tree.checkpoint().unwrap();
    drop(tree);
    let tree = devices.open(60_000);
    // The first entries are in memory, so that the first look misses half way.
    let mut first = FeedRun::new(None, from, 3, usize::MAX);
    assert!(tree.shared.look(|forest| first.advance(forest.reader())).unwrap());
    let mut run = FeedRun::new(None, from, usize::MAX, usize::MAX);
    assert!(run.advance(tree.shared.core.read().forest.reader()).is_err());
    (90..400).for_each(|at: u32| tree.put(&at.to_be_bytes(), &[7; 600]).unwrap());
    let whole = tree.shared.look(|forest| run.advance(forest.reader())).unwrap();
    assert!(!whole, "what the reader wants is gone");
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_part_of_the_feed_is_bounded_by_what_is_read_for_it() {
    let devices = Devices::new();
    let options = Options { feed_retention: 64 << 20, ..Options::default() };
    let db =
        DB::open_with_devices(devices.blobs.clone(), Some(devices.log.clone()), options).unwrap();
    let (busy, quiet) = (db.create_tree("busy").unwrap(), db.create_tree("quiet").unwrap());
    let mut from = db.last_lsn();
    for at in 0..24u8 {
        busy.put(&[at], &alloc::vec![at; 1 << 20]).unwrap();
    }
    quiet.put(b"k", b"v").unwrap();
    let (mut parts, mut found) = (0, 0);
    loop {
        let page = quiet.changes_since(from).unwrap();
        assert!(page.next > from, "every part goes on");
        (parts, found, from) = (parts + 1, found + page.changes.len(), page.next);
        if !page.more {
            break;
        }
    }
    assert_eq!(found, 1);
    assert!(parts >= 3, "24 MiB read for one call");
}

#[test]
fn a_commit_of_many_parts_comes_out_as_it_went_in() {
    let devices = Devices::new();
    let tree = devices.open(64 << 20);
    let from = tree.last_lsn();
    let value = |at: u32| [&at.to_be_bytes()[..], &[at as u8; 1000]].concat();
    let fill = |batch: &mut super::AtomicBatch| {
        for at in 0..900u32 {
            batch.put(&at.to_be_bytes(), &value(at));
        }
    };
    assert!(tree.atomic(fill).unwrap());
    let page = tree.changes_since(from).unwrap();
    let [commit] = &page.changes[..] else { panic!("{} commits", page.changes.len()) };
    assert_eq!(commit.events.len(), 900);
    for (at, event) in (0..900u32).zip(&commit.events) {
        let ChangeEvent::Put { key, value: found, .. } = event else { panic!("{event:?}") };
        assert!(key == &at.to_be_bytes() && found == &value(at), "entry {at}");
    }
}

#[test]
fn a_follower_waits_for_the_disk_only_if_writers_do() {
    let devices = Devices::new();
    let tree = devices.open(64 << 20);
    let from = tree.last_lsn();
    tree.put(b"key", b"value").unwrap();
    let before = tree.stats().unwrap().log_syncs;
    assert_eq!(tree.changes_since(from).unwrap().changes.len(), 1);
    assert_eq!(tree.stats().unwrap().log_syncs, before);
}

#[test]
fn the_feed_of_a_database_is_of_what_its_users_did() {
    let devices = Devices::new();
    let options = Options { feed_retention: 1 << 20, ..Options::default() };
    let (blobs, log) = (devices.blobs.clone(), devices.log.clone());
    let db = DB::open_with_devices(blobs, Some(log), options).unwrap();
    let from = db.last_lsn();
    let tree = db.create_tree("users").unwrap();
    tree.put(b"ann", b"1000").unwrap();
    db.drop_tree("users").unwrap();
    let page = db.changes_since(from).unwrap();
    let events: Vec<_> = page.changes.into_iter().flat_map(|commit| commit.events).collect();
    let [ChangeEvent::CreateTree { tree: created }, put, ChangeEvent::DropTree { tree: dropped }] =
        &events[..]
    else {
        panic!("{events:?}")
    };
    assert!(matches!(put, ChangeEvent::Put { key, .. } if key == b"ann"));
    assert!(created == dropped && *created == put.tree());
}
