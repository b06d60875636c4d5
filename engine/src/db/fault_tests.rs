//! Devices that fail in the middle of a batch: nothing of it is seen, or the store says that it
//! takes no more; what is found on reopening is all of it or nothing.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::kit_tests::{Devices, Files, Random, assert_clean, dump};
use super::{AtomicBatch, DB, Tree};
use crate::device::{BlobStore, LogDevice};
use crate::error::{AtomicErrorKind, CorruptionClass, Error};
use crate::log::{Log, LogState, OpRef};

type Records = Vec<(Vec<u8>, Vec<u8>, u64)>;

/// A store on several levels, published, with nothing in memory.
fn cold() -> (Devices, Tree) {
    let mut devices = Devices::new();
    devices.options.auto_checkpoint = false;
    let tree = devices.tree();
    let mut random = Random::new(77);
    for _ in 0..2500 {
        tree.put(&random.key(), &random.value()).unwrap();
    }
    for at in 0..900u32 {
        tree.put(alloc::format!("big/{at:06}").as_bytes(), &[at as u8; 60]).unwrap();
    }
    tree.checkpoint().unwrap();
    drop(tree);
    // The first write makes the store ready; what it reads is not what is tested.
    let tree = devices.tree();
    tree.put(b"ready", b"").unwrap();
    assert!(tree.stats().unwrap().levels > 1);
    (devices, tree)
}

/// Batches that read much and change much, of every kind.
fn fills() -> [fn(&mut AtomicBatch); 5] {
    [
        |batch| {
            for at in 0..40u32 {
                batch.put(alloc::format!("d{}/new-{at}", at % 6).as_bytes(), &[1; 1500]);
                batch.delete(alloc::format!("d{}/e{}/file-{:05}", at % 6, at % 5, at).as_bytes());
            }
        },
        |batch| {
            batch.rename_prefix(b"d1/", b"other/", true);
            batch.put(b"other/x", b"y");
            batch.rename_prefix(b"other/", b"d2/", true);
        },
        |batch| {
            batch.put(b"big/000100", b"changed");
            batch.delete_prefix(b"big/");
            batch.put(b"big/new", b"1");
            batch.rename_prefix(b"d0/", b"big/", true);
        },
        |batch| {
            batch.delete_prefix(b"d3/");
            batch.delete_prefix(b"d4/e1/");
            batch.rename(b"big/000001", b"d5/e0/file-00001", true);
        },
        |batch| {
            batch.delete_prefix(b"");
            batch.put(b"all that is left", b"");
        },
    ]
}

/// What the store holds before and after a batch that nothing disturbs.
fn undisturbed(fill: fn(&mut AtomicBatch)) -> (Records, Records) {
    let (_devices, tree) = cold();
    let before = dump(&tree);
    assert_eq!(tree.atomic(fill), Ok(true));
    (before, dump(&tree))
}

fn without_versions(records: &Records) -> Vec<(&[u8], &[u8])> {
    records.iter().map(|(key, value, _)| (key.as_slice(), value.as_slice())).collect()
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_read_that_fails_in_a_batch_leaves_nothing_of_it() {
    for (number, fill) in fills().into_iter().enumerate() {
        let (before, after) = undisturbed(fill);
        let (mut failed, mut at) = (0, 0);
        loop {
            let (devices, tree) = cold();
            devices.blobs.fail_after(at);
            let applied = tree.atomic(fill);
            devices.blobs.heal();
            let lsn = tree.stats().unwrap().last_lsn;
            match applied {
                Ok(applied) => {
                    assert!(applied && dump(&tree) == after, "batch {number}, read {at}");
                    break;
                }
                Err(Error::BlobStoreIo(_)) => {
                    assert!(dump(&tree) == before, "batch {number}, read {at}");
                    assert_clean(tree.verify(), "undone");
                    // Nothing was logged, and the store goes on.
                    assert_eq!(tree.stats().unwrap().last_lsn, lsn);
                    assert_eq!(tree.atomic(fill), Ok(true), "batch {number}, read {at}");
                    assert!(without_versions(&dump(&tree)) == without_versions(&after));
                }
                Err(Error::Poisoned { .. }) => {
                    // Undoing failed, or removing what the batch replaced: reopening decides.
                    assert!(matches!(tree.put(b"k", b"v"), Err(Error::Poisoned { .. })));
                    drop(tree);
                    assert!(dump(&devices.tree()) == before, "batch {number}, read {at}");
                }
                Err(other) => panic!("batch {number}, read {at}: {other}"),
            }
            failed += 1;
            at += 1 + at / 9;
        }
        assert!(failed > 5, "batch {number} read next to nothing");
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_log_that_fails_leaves_all_or_nothing() {
    for sync in [false, true] {
        for (number, fill) in fills().into_iter().enumerate() {
            for at in 0..3 {
                let (mut devices, tree) = cold();
                drop(tree);
                devices.options.sync = sync;
                let tree = devices.tree();
                tree.put(b"ready", b"again").unwrap();
                let before = dump(&tree);
                devices.log.fail_after(at);
                let applied = tree.atomic(fill);
                let what = alloc::format!("sync {sync}, batch {number}, call {at}: {applied:?}");
                let live = dump(&tree);
                let undone = at == 0;
                match (undone, sync && at == 1) {
                    (true, _) => assert!(applied.is_err() && live == before, "{what}"),
                    // Logged and applied, but not known to be durable.
                    (_, true) => assert!(applied.is_err() && live != before, "{what}"),
                    _ => assert!(applied == Ok(true) && live != before, "{what}"),
                }
                if applied.is_err() {
                    assert!(matches!(tree.put(b"k", b"v"), Err(Error::Poisoned { .. })), "{what}");
                }
                drop(tree);
                let tree = devices.tree();
                assert!(dump(&tree) == live, "{what}");
                assert_clean(tree.verify(), &what);
            }
        }
    }
}

#[test]
fn a_database_says_whether_a_batch_may_have_been_applied() {
    let kind = |outcome: Result<bool, Error>| match outcome {
        Err(Error::Atomic { kind, .. }) => Some(kind),
        Err(other) => panic!("not an error of a batch: {other}"),
        Ok(_) => None,
    };
    let open = |sync: bool| -> (Devices, DB) {
        let mut devices = Devices::new();
        devices.options.sync = sync;
        let db = devices.db();
        db.create_tree("t").unwrap().put(b"a", b"1").unwrap();
        (devices, db)
    };
    let (not, unknown) =
        (Some(AtomicErrorKind::DefinitelyNotApplied), Some(AtomicErrorKind::OutcomeUnknown));
    let (devices, db) = open(true);
    assert_eq!(kind(db.atomic(|batch| batch.rename("t", b"b", b"c", false))), not);
    assert_eq!(kind(db.atomic(|batch| batch.put("u", b"b", b"c"))), not);
    assert_eq!(kind(db.atomic(|batch| batch.put("t", &[0; 70_000], b"c"))), not);
    devices.log.fail_after(1);
    assert_eq!(kind(db.atomic(|batch| batch.put("t", b"k", b"v"))), unknown, "not synced");
    assert_eq!(kind(db.atomic(|batch| batch.put("t", b"k", b"v"))), not, "refused");
    let (devices, db) = open(false);
    devices.log.fail_after(0);
    assert_eq!(kind(db.atomic(|batch| batch.put("t", b"k", b"v"))), unknown, "half written");
    assert_eq!(db.open_tree("t").unwrap().get(b"k").unwrap(), None, "and undone meanwhile");
}

#[test]
fn creating_and_dropping_trees_is_all_or_nothing() {
    for at in 0..2 {
        for drops in [false, true] {
            let mut devices = Devices::new();
            devices.options.sync = true;
            let db = devices.db();
            let tree = db.create_tree("old").unwrap();
            for at in 0..500u32 {
                tree.put(&at.to_be_bytes(), &[3; 200]).unwrap();
            }
            devices.log.fail_after(at);
            let outcome = match drops {
                true => db.drop_tree("old").err(),
                false => db.create_tree("new").err(),
            };
            assert!(matches!(outcome, Some(Error::BlobStoreIo(_))), "{outcome:?}");
            let live = db.list_trees().unwrap();
            assert_eq!(live.contains(&"old".into()), !drops || at == 0);
            assert_eq!(live.contains(&"new".into()), !drops && at == 1);
            drop((db, tree));
            let db = devices.db();
            assert_eq!(db.list_trees().unwrap(), live);
            if let Ok(tree) = db.open_tree("old") {
                assert_eq!(dump(&tree).len(), 500);
            }
            assert_clean(db.verify(), "reopened");
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn an_iterator_whose_read_fails_ends_with_the_error() {
    let (devices, tree) = cold();
    let all = dump(&tree);
    let mut failures = 0;
    for after in (0..60).step_by(7) {
        drop(tree.compact());
        devices.blobs.fail_after(after);
        let mut iterator = tree.range().into_iter();
        let (mut seen, mut failed) = (0, false);
        for entry in iterator.by_ref() {
            assert!(!failed, "something came after the error");
            match entry {
                Ok(crate::db::RangeEntry::Key { key, .. }) => assert_eq!(key, all[seen].0),
                Ok(other) => panic!("no record: {other:?}"),
                Err(error) => {
                    assert!(matches!(error, Error::BlobStoreIo(_)), "{error}");
                    failed = true;
                }
            }
            seen += 1;
        }
        assert!((0..3).all(|_| iterator.next().is_none()));
        failures += usize::from(failed);
        devices.blobs.heal();
        assert_eq!(dump(&tree), all, "the failure passed and so did its effect");
    }
    assert!(failures > 3, "too few reads failed: {failures}");
}

#[test]
fn a_log_record_that_cannot_be_applied_is_damage_at_its_position() {
    let put = OpRef::Put { tree: 9, key: b"k", value: b"v" };
    let cases = [
        (put, "changes a tree that does not exist (tree 9)"),
        (OpRef::DropTree { tree: 9 }, "changes a tree that does not exist (tree 9)"),
        (OpRef::DropTree { tree: 0 }, "drops the tree of the store (tree 0)"),
        (OpRef::CreateTree { tree: 0 }, "creates a tree that exists (tree 0)"),
    ];
    for (op, why) in cases {
        let devices = Devices::new();
        let log: Arc<dyn LogDevice> = devices.log.clone();
        let id = devices.blobs.store_id();
        let (mut written, _) =
            Log::open(log.clone(), id, LogState::default(), &mut |_| Ok(())).unwrap();
        written.begin_epoch().unwrap();
        let good = OpRef::Put { tree: 0, key: b"good", value: b"" };
        written.append_ops(&[good]).unwrap();
        let at = written.append_ops(&[op]).unwrap();
        let before = log.bounds().unwrap();
        let options = devices.options.clone();
        let Err(Error::Corrupt(damage)) =
            Tree::open_with_devices(devices.blobs.clone(), Some(log.clone()), options)
        else {
            panic!("{why}: was opened")
        };
        assert_eq!((damage.class, damage.page), (CorruptionClass::Log, Some(at)));
        assert!(damage.detail.contains(why), "{damage}");
        assert_eq!(log.bounds().unwrap(), before, "nothing changed");
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_batch_that_may_be_in_the_log_is_not_said_to_be_undone_if_undoing_it_fails() {
    let mut stuck = 0;
    for at in 0..400 {
        let mut devices = Devices::new();
        devices.options.auto_checkpoint = false;
        let db = devices.db();
        let tree = db.create_tree("t").unwrap();
        let mut random = Random::new(7);
        for _ in 0..1500 {
            tree.put(&random.key(), &random.value()).unwrap();
        }
        db.checkpoint().unwrap();
        drop((tree, db));
        let db = devices.db();
        let tree = db.open_tree("t").unwrap();
        tree.put(b"ready", b"").unwrap();
        devices.log.fail_after(0);
        devices.blobs.fail_after(at);
        let failed = db.atomic(|batch| {
            batch.delete_prefix("t", b"d0/");
            batch.rename_prefix("t", b"d1/", b"d0/", true);
            batch.delete_prefix("t", b"d3/");
        });
        devices.blobs.heal();
        let Err(Error::Atomic { kind, .. }) = failed else { panic!("{failed:?}") };
        let Err(Error::Poisoned { cause }) = tree.put(b"k", b"v") else { continue };
        let torn = matches!(tree.get(b"k"), Err(Error::Poisoned { .. }));
        if cause.contains("append log") {
            assert_eq!(kind, AtomicErrorKind::OutcomeUnknown, "read {at}, torn: {torn}");
            stuck += u32::from(torn);
            if !torn {
                break;
            }
        }
    }
    assert!(stuck > 0, "undoing never failed");
}
