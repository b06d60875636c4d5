//! Named trees: what creating, dropping and changing them together leaves, over reopening with
//! and without a checkpoint; a catalog and trees that do not agree.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::println;

use super::kit_tests::{Devices, Files, Random, assert_clean, dump};
use super::{DB, Tree};
use crate::device::{BlobOp, BlobStore, LogDevice, MemoryLog, PageAt};
use crate::error::{AtomicErrorKind, CorruptionClass, Error};
use crate::ids::{BlobId, CATALOG_TREE, FIRST_HIDDEN_TREE};
use crate::limits::{MAX_TREE_NAME_BYTES, MAX_TREES, PAGE_BYTES};
use crate::log::{Log, LogState, OpRef};
use crate::txn::{Expect, Request};

type Bytes = Vec<u8>;
type Model = BTreeMap<String, BTreeMap<Bytes, Bytes>>;

fn compare(db: &DB, model: &Model, when: &str) {
    let names: Vec<String> = model.keys().cloned().collect();
    assert_eq!(db.list_trees().unwrap(), names, "{when}");
    for (name, records) in model {
        let tree = db.open_tree(name).unwrap();
        let found: Vec<_> = dump(&tree).into_iter().map(|(key, value, _)| (key, value)).collect();
        let wanted: Vec<_> = records.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        assert!(found == wanted, "{when}: tree {name}");
        assert_eq!(tree.stats().unwrap().records, records.len() as u64, "{when}: tree {name}");
    }
    let stats = db.stats().unwrap();
    assert_eq!(stats.open_tree_count, model.len() as u64);
    let sizes = stats.trees.iter().map(|tree| (tree.name.clone(), tree.records));
    let wanted = model.iter().map(|(name, records)| (name.clone(), records.len() as u64));
    assert!(sizes.eq(wanted), "{when}: {:?}", stats.trees);
}

fn name(random: &mut Random) -> String {
    match random.below(8) {
        0 => "ünïcode/tree".into(),
        at => alloc::format!("tree-{at}"),
    }
}

/// A batch over two trees, one of which may not exist.
fn batch(random: &mut Random, db: &DB, model: &mut Model) {
    let names = [name(random), name(random)];
    let mut after = model.clone();
    let mut ops = Vec::new();
    for _ in 0..random.below(30) {
        let at = &names[random.below(2)];
        let (key, value) = (random.key(), (random.below(4) > 0).then(|| random.value()));
        if let Some(records) = after.get_mut(at) {
            match &value {
                Some(value) => drop(records.insert(key.clone(), value.clone())),
                None => drop(records.remove(&key)),
            }
        }
        ops.push((at.clone(), key, value));
    }
    let guard = random.below(4) == 0;
    let missing = ops.iter().find(|(name, ..)| !model.contains_key(name));
    let applied = db.atomic(|batch| {
        for (tree, key, value) in &ops {
            match value {
                Some(value) => batch.put(tree, key, value),
                None => batch.delete(tree, key),
            }
        }
        if let Some((tree, key, Some(_))) = ops.last()
            && guard
        {
            batch.assert_absent(tree, key);
        }
    });
    match applied {
        Ok(true) => *model = after,
        Ok(false) => assert!(guard && missing.is_none()),
        Err(Error::Atomic { kind, source }) => {
            assert_eq!(kind, AtomicErrorKind::DefinitelyNotApplied);
            let missing = missing.expect("only an unknown tree is an error here");
            let known =
                ops.iter().any(|(name, ..)| Error::TreeNotFound { name: name.clone() } == *source);
            assert!(known, "{source} for {missing:?}");
        }
        Err(other) => panic!("an error of a batch says whether it was applied: {other}"),
    }
}

fn run(seed: u64, rounds: usize) {
    let mut random = Random::new(seed);
    let devices = Devices::new();
    let mut db = devices.db();
    let mut model = Model::new();
    let mut dropped: Vec<Tree> = Vec::new();
    let mut reopened = 0;
    for at in 0..rounds {
        let name = name(&mut random);
        match random.below(20) {
            0..=2 => match db.create_tree(&name) {
                Ok(_) => drop(model.insert(name, BTreeMap::new())),
                Err(error) => {
                    assert_eq!(error, Error::TreeExists { name: name.clone() });
                    assert!(model.contains_key(&name));
                }
            },
            3 => {
                db.open_or_create_tree(&name).unwrap();
                model.entry(name).or_default();
            }
            4 => match db.open_tree(&name) {
                Ok(tree) => {
                    db.drop_tree(&name).unwrap();
                    model.remove(&name).unwrap();
                    dropped.push(tree);
                }
                Err(error) => {
                    assert_eq!(error, Error::TreeNotFound { name: name.clone() });
                    assert_eq!(db.drop_tree(&name), Err(error));
                }
            },
            5..=15 => batch(&mut random, &db, &mut model),
            16 => {
                let Some(records) = model.get_mut(&name) else { continue };
                let prefix = random.dir();
                let count = db.open_tree(&name).unwrap().delete_prefix(&prefix).unwrap();
                let before = records.len();
                records.retain(|key, _| !key.starts_with(&prefix));
                assert_eq!(count as usize, before - records.len());
            }
            17 => match random.below(4) {
                0 => db.checkpoint().unwrap(),
                1 => db.compact().unwrap(),
                _ => drop(db.maintain(64).unwrap()),
            },
            18 if random.below(3) == 0 => {
                drop(core::mem::take(&mut dropped));
                drop(db);
                db = devices.db();
                reopened += 1;
                compare(&db, &model, "reopened");
            }
            _ => dropped.iter().for_each(gone),
        }
        if at % 200 == 0 {
            compare(&db, &model, "running");
            assert_clean(db.verify(), "running");
        }
    }
    compare(&db, &model, "at the end");
    assert_clean(db.verify(), "at the end");
    for name in db.list_trees().unwrap() {
        db.drop_tree(&name).unwrap();
    }
    db.vacuum().unwrap();
    assert_clean(db.verify(), "emptied");
    let stats = db.stats().unwrap();
    assert_eq!((stats.open_tree_count, stats.store.records), (0, 1), "the next id is left");
    println!("seed {seed}: {reopened} times reopened, {:?}", stats.store.store);
    assert!(reopened > 3);
}

/// A handle of a dropped tree answers so, whatever it is asked.
fn gone(tree: &Tree) {
    let dropped = Error::TreeDropped;
    assert_eq!(tree.get(b"k"), Err(dropped.clone()));
    assert_eq!(tree.snapshot(b"").err(), Some(dropped.clone()));
    assert_eq!(tree.atomic(|_| ()), Err(dropped.clone()));
    assert_eq!(tree.put_many(&[]), Err(dropped.clone()));
    assert_eq!(tree.put_many_if_absent(&[]), Err(dropped.clone()));
    assert_eq!(tree.view(b"", |view| view.get(b"k")), Err(dropped.clone()));
    assert_eq!(tree.put(b"k", b"v"), Err(dropped.clone()));
    assert_eq!(tree.insert(b"k", b"v"), Err(dropped.clone()));
    assert_eq!(tree.put_if_absent(b"k", b"v"), Err(dropped.clone()));
    assert_eq!(tree.delete(b"k"), Err(dropped.clone()));
    assert_eq!(tree.rename(b"k", b"l", true), Err(dropped.clone()));
    assert_eq!(tree.rename_prefix(b"k", b"l", true), Err(dropped.clone()));
    assert_eq!(tree.delete_prefix(b"k"), Err(dropped.clone()));
    assert_eq!(tree.atomic(|batch| batch.put(b"k", b"v")), Err(dropped.clone()));
    assert_eq!(tree.atomic(|batch| batch.assert_absent(b"k")), Err(dropped.clone()));
    assert_eq!(tree.range().into_iter().next(), Some(Err(dropped.clone())));
    assert_eq!(tree.compact(), Err(dropped.clone()));
    assert_eq!(tree.stats(), Err(dropped));
}

#[test]
fn named_trees_agree_with_the_model_over_reopening() {
    for seed in 1..=5 {
        run(seed, 1200);
    }
}

#[test]
fn a_new_tree_of_an_old_name_is_another_tree() {
    let devices = Devices::new();
    for checkpoint in [false, true] {
        let db = devices.db();
        let first = db.create_tree("t").unwrap();
        first.put(b"k", b"first").unwrap();
        db.drop_tree("t").unwrap();
        gone(&first);
        let second = db.create_tree("t").unwrap();
        assert_eq!(second.get(b"k").unwrap(), None);
        second.put(b"k", b"second").unwrap();
        gone(&first);
        if checkpoint {
            db.checkpoint().unwrap();
        }
        drop((db, first, second));
        let db = devices.db();
        let third = db.open_tree("t").unwrap();
        assert_eq!(third.get(b"k").unwrap().as_deref(), Some(&b"second"[..]));
        db.drop_tree("t").unwrap();
        assert_clean(db.verify(), "dropped");
    }
    // Four trees were created, so the next one has the fifth id.
    let db = devices.db();
    assert_eq!(db.create_tree("t").unwrap().tree, 5);
}

#[test]
fn a_snapshot_outlives_its_tree() {
    let devices = Devices::new();
    let db = devices.db();
    let tree = db.create_tree("t").unwrap();
    let mut random = Random::new(5);
    let mut records = BTreeMap::new();
    for _ in 0..1500 {
        let (key, value) = (random.key(), random.value());
        tree.put(&key, &value).unwrap();
        records.insert(key, value);
    }
    db.checkpoint().unwrap();
    let snapshot = tree.snapshot(b"").unwrap();
    db.drop_tree("t").unwrap();
    gone(&tree);
    db.create_tree("t").unwrap().put(b"new", b"").unwrap();
    db.checkpoint().unwrap();
    for (key, value) in &records {
        assert_eq!(snapshot.get(key).unwrap().as_ref(), Some(value));
    }
    assert_eq!(snapshot.get(b"new").unwrap(), None);
    drop(snapshot);
    db.checkpoint().unwrap();
    assert_clean(db.verify(), "let go");
}

#[test]
fn names_are_checked() {
    let db = DB::memory().unwrap();
    let longest = "x".repeat(MAX_TREE_NAME_BYTES);
    for good in ["a", "a/b", " ", "a\0", "\u{10ffff}", longest.as_str()] {
        db.create_tree(good).unwrap();
        db.open_tree(good).unwrap();
        assert_eq!(db.create_tree(good).err(), Some(Error::TreeExists { name: good.into() }));
    }
    for bad in ["", "\0", "\0next", &alloc::format!("{longest}x")] {
        let refused = |error| matches!(error, Some(Error::InvalidTreeName { .. }));
        assert!(refused(db.create_tree(bad).err()) && refused(db.open_or_create_tree(bad).err()));
        assert!(matches!(db.open_tree(bad), Err(Error::TreeNotFound { .. })));
    }
    assert_eq!(db.list_trees().unwrap().len(), 6);
    assert_clean(db.verify(), "names");
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_store_takes_as_many_trees_as_its_root_record_has_places_for() {
    let devices = Devices::new();
    let db = devices.db();
    // One without a name, and the catalog.
    for at in 0..MAX_TREES - 2 {
        db.create_tree(&alloc::format!("tree {at}")).unwrap().put(b"k", b"v").unwrap();
    }
    let limit = MAX_TREES as u64;
    let full = db.create_tree("one more").err();
    assert_eq!(full, Some(Error::QuotaExceeded { what: "trees", limit }));
    db.drop_tree("tree 7").unwrap();
    db.create_tree("one more").unwrap();
    db.checkpoint().unwrap();
    assert_clean(db.verify(), "full");
    drop(db);
    let db = devices.db();
    assert_eq!(db.list_trees().unwrap().len(), MAX_TREES - 2);
    assert_eq!(db.open_tree("tree 9").unwrap().get(b"k").unwrap().as_deref(), Some(&b"v"[..]));
}

#[test]
fn one_store_opens_as_a_tree_and_as_a_database() {
    let devices = Devices::new();
    let tree = devices.tree();
    tree.put(b"k", b"of the tree without a name").unwrap();
    drop(tree);
    let db = devices.db();
    assert_eq!(db.list_trees().unwrap(), Vec::<String>::new());
    let unnamed = db.unnamed_tree();
    assert!(unnamed.get(b"k").unwrap().is_some());
    db.create_tree("named").unwrap().put(b"k", b"named").unwrap();
    assert_eq!(unnamed.gc(), Err(Error::GcRequiresStandaloneTree));
    assert_eq!(unnamed.vacuum().err(), Some(Error::GcRequiresStandaloneTree));
    drop((db, unnamed));
    let tree = devices.tree();
    tree.put(b"l", b"more").unwrap();
    assert_eq!(dump(&tree).len(), 2);
    assert_eq!(tree.gc(), Ok(0));
    tree.vacuum().unwrap();
    assert_clean(tree.verify(), "as a tree");
    drop(tree);
    let db = devices.db();
    let named = db.open_tree("named").unwrap();
    assert_eq!(named.get(b"k").unwrap().as_deref(), Some(&b"named"[..]));
    assert_eq!(dump(&db.unnamed_tree()).len(), 2);
}

#[test]
fn a_read_only_database_creates_and_drops_nothing() {
    let mut devices = Devices::new();
    devices.db().create_tree("t").unwrap();
    devices.options.read_only = true;
    let db = devices.db();
    assert!(db.open_tree("t").is_ok() && db.open_or_create_tree("t").is_ok());
    assert_eq!(db.create_tree("u").err(), Some(Error::ReadOnly));
    assert_eq!(db.open_or_create_tree("u").err(), Some(Error::ReadOnly));
    assert_eq!(db.drop_tree("t"), Err(Error::ReadOnly));
    let refused = db.atomic(|batch| batch.put("t", b"k", b"v"));
    let source = alloc::boxed::Box::new(Error::ReadOnly);
    let kind = AtomicErrorKind::DefinitelyNotApplied;
    assert_eq!(refused, Err(Error::Atomic { kind, source }));
}

/// The classes of what a check of the database finds after `plant`.
fn planted(plant: &[Request<'_>]) -> Vec<CorruptionClass> {
    let devices = Devices::new();
    let db = devices.db();
    db.create_tree("a").unwrap().put(b"k", b"v").unwrap();
    db.create_tree("b").unwrap();
    assert_clean(db.verify(), "before");
    assert!(db.shared.core.write().batch(plant).is_ok_and(|report| report.is_some()));
    let live: Vec<_> = db.verify().unwrap().damage.into_iter().map(|piece| piece.class).collect();
    db.checkpoint().unwrap();
    drop(db);
    let tree = devices.tree();
    let after: Vec<_> =
        tree.verify().unwrap().damage.into_iter().map(|piece| piece.class).collect();
    assert_eq!(live, after, "the same after reopening");
    live
}

#[test]
fn trees_without_names_and_names_without_trees_are_damage() {
    let tree = CATALOG_TREE;
    let put = |key, value| Request::Put { tree, key, value, when: Expect::Anything };
    let lost = |count| alloc::vec![CorruptionClass::Catalog; count];
    let unnamed = Request::Delete { tree, key: b"a", when: Expect::Anything };
    assert_eq!(planted(&[unnamed]), lost(1));
    assert_eq!(planted(&[Request::CreateTree { tree: 2000 }]), lost(1));
    assert_eq!(planted(&[Request::DropTree { tree: 1 }]), lost(1));
    assert_eq!(planted(&[put(b"c", &[77, 0, 0, 0])]), lost(1), "no such tree");
    assert_eq!(planted(&[put(b"c", &[1, 0, 0, 0])]), lost(1), "two names");
    assert_eq!(planted(&[put(b"c", b"not an id")]), lost(1));
    assert_eq!(planted(&[put(b"c", &[0, 0, 0, 0])]), lost(1), "the unnamed tree");
    assert_eq!(planted(&[put(b"\0x", &[1, 0, 0, 0])]), lost(1), "a reserved name");
    assert_eq!(planted(&[put(b"\xff", &[1, 0, 0, 0])]), lost(1), "not UTF-8");
    assert_eq!(planted(&[put(b"\0", &[2, 0, 0, 0])]), lost(1), "an id would be used again");
    assert_eq!(planted(&[Request::DropTree { tree }]), lost(2), "no catalog");
    assert_eq!(planted(&[]), []);
}

#[test]
fn a_database_with_a_catalog_that_cannot_be_read_does_not_open() {
    let devices = Devices::new();
    let db = devices.db();
    db.create_tree("a").unwrap();
    let bad = Request::Put { tree: CATALOG_TREE, key: b"b", value: b"?", when: Expect::Anything };
    assert!(db.shared.core.write().batch(&[bad]).is_ok());
    drop(db);
    let (blobs, log) = (devices.blobs.clone(), devices.log.clone());
    let opened = DB::open_with_devices(blobs, Some(log), devices.options.clone());
    let class = match opened.err() {
        Some(Error::Corrupt(found)) => found.class,
        other => panic!("damage has its own error, not {other:?}"),
    };
    assert_eq!(class, CorruptionClass::Catalog);
    assert!(devices.tree().get(b"k").is_ok(), "the tree without a name is as good as before");
}

#[test]
fn what_nothing_leads_to_is_found_and_removed() {
    let devices = Devices::new();
    let tree = devices.tree();
    for at in 0..500u32 {
        tree.put(&at.to_be_bytes(), &[7; 2000]).unwrap();
    }
    tree.checkpoint().unwrap();
    let before = devices.blobs.usage().unwrap();
    let orphans = [BlobId::frame(1 << 20), BlobId::extent(1 << 40), BlobId::extent(1 << 41)];
    for blob in orphans {
        let mut tickets = Vec::new();
        devices.blobs.stage(&alloc::vec![3; PAGE_BYTES], &mut tickets).unwrap();
        let pages = alloc::vec![PageAt { page: 0, ticket: tickets[0] }];
        let put = BlobOp::Put { blob, meta: alloc::vec![0; 17], pages, dropped: Vec::new() };
        devices.blobs.publish(&[put], &devices.blobs.root().unwrap()).unwrap();
    }
    let damage = tree.verify().unwrap().damage;
    assert_eq!(damage.len(), 3);
    assert!(damage.iter().all(|piece| piece.class == CorruptionClass::Reachability));
    assert_eq!(tree.gc(), Ok(3));
    assert_clean(tree.verify(), "collected");
    assert_eq!(devices.blobs.usage().unwrap().pages, before.pages);
    assert_eq!(tree.gc(), Ok(0));
    assert_eq!(dump(&tree).len(), 500);
}

#[test]
fn vacuum_gives_back_what_deletions_freed() {
    let devices = Devices::new();
    let tree = devices.tree();
    for at in 0..4000u32 {
        tree.put(&at.to_be_bytes(), &[7; 100]).unwrap();
    }
    tree.checkpoint().unwrap();
    for at in (0..4000u32).filter(|at| at % 8 != 0) {
        tree.delete(&at.to_be_bytes()).unwrap();
    }
    let stats = tree.vacuum().unwrap();
    assert!(stats.bytes_after < stats.bytes_before / 2, "{stats:?}");
    assert!(stats.compactions + stats.merges > 0 && stats.unreachable_blobs == 0, "{stats:?}");
    assert_eq!(dump(&tree).len(), 500);
    assert_clean(tree.verify(), "vacuumed");
}

/// What opening says of a log with these operations in it.
fn replayed(ops: &[OpRef<'_>]) -> Option<Error> {
    let devices = Devices::new();
    let log: Arc<dyn LogDevice> = Arc::new(MemoryLog::new());
    let state = LogState::default();
    let (mut writer, _) = Log::open(log.clone(), [7; 16], state, &mut |_| Ok(())).unwrap();
    writer.begin_epoch().unwrap();
    writer.append_ops(ops).unwrap();
    Tree::open_with_devices(devices.blobs.clone(), Some(log), devices.options.clone()).err()
}

#[test]
fn a_log_that_contradicts_its_trees_is_damage() {
    let put = |tree| OpRef::Put { tree, key: b"k", value: b"v" };
    let (create, end) = (|tree| OpRef::CreateTree { tree }, |tree| OpRef::DropTree { tree });
    assert_eq!(replayed(&[create(3), put(3), end(3), create(3)]), None);
    let bad: [&[OpRef<'_>]; 6] = [
        &[put(3)],
        &[create(0)],
        &[create(3), create(3)],
        &[end(3)],
        &[end(0)],
        &[create(3), end(3), OpRef::DeletePrefix { tree: 3, prefix: b"" }],
    ];
    for ops in bad {
        match replayed(ops) {
            Some(Error::Corrupt(found)) => assert_eq!(found.class, CorruptionClass::Log),
            other => panic!("{ops:?} gave {other:?}"),
        }
    }
}

#[test]
fn a_hidden_tree_is_never_published() {
    let devices = Devices::new();
    let tree = devices.tree();
    tree.put(b"k", b"v").unwrap();
    tree.checkpoint().unwrap();
    let published = devices.blobs.root().unwrap();
    tree.shared.core.write().forest.create_tree(FIRST_HIDDEN_TREE).unwrap();
    assert!(matches!(tree.checkpoint(), Err(Error::Corrupt(_))));
    assert_eq!(devices.blobs.root().unwrap(), published);
    assert!(matches!(tree.put(b"k", b"v"), Err(Error::Poisoned { .. })));
}

#[test]
fn a_batch_may_delete_from_a_tree_and_then_drop_it() {
    let db = Devices::new().db();
    let tree = db.create_tree("a").unwrap();
    tree.put(b"k", b"v").unwrap();
    let requests = [
        Request::Delete { tree: tree.tree, key: b"k", when: Expect::Anything },
        Request::Delete { tree: CATALOG_TREE, key: b"a", when: Expect::Anything },
        Request::DropTree { tree: tree.tree },
    ];
    assert!(db.shared.core.write().batch(&requests).is_ok_and(|report| report.is_some()));
    gone(&tree);
    assert_eq!(db.unnamed_tree().put(b"k", b"goes on"), Ok(()));
    assert_clean(db.verify(), "dropped");
}

#[test]
fn a_name_whose_tree_is_not_there_is_damage() {
    let db = DB::memory().unwrap();
    db.create_tree("there").unwrap();
    db.shared.core.write().catalog.names.insert("not there".into(), 77);
    assert!(db.open_tree("there").is_ok());
    for opened in [db.open_tree("not there"), db.open_or_create_tree("not there")] {
        let error = opened.map(|_| ()).unwrap_err();
        assert!(
            matches!(&error, Error::Corrupt(found) if found.class == CorruptionClass::Catalog),
            "{error}"
        );
    }
}
