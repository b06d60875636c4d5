//! How long snapshots and images live, and how many there may be: as long as their handle, their
//! store and the engine that holds them, and up to a limit with a name.

mod support;

use holt_engine::error::Error;
use holt_host::api::{Database, MAX_IMAGES, MAX_SNAPSHOTS, Reads, ScanRequest, Store};
use holt_host::sandbox::{Sandbox, SandboxConfig};
use support::{devices, sandbox};

/// A store in each home, with one record.
fn stores() -> [Box<dyn Store + Send>; 2] {
    let mut stores: [Box<dyn Store + Send>; 2] =
        [Box::new(devices().native()), Box::new(devices().sandboxed())];
    for store in &mut stores {
        store.put(b"key", b"old").expect("puts");
    }
    stores
}

/// A database in each home, with one tree.
fn databases() -> [Box<dyn Database>; 2] {
    let mut databases: [Box<dyn Database>; 2] =
        [Box::new(devices().native_database()), Box::new(devices().sandboxed_database(sandbox()))];
    for db in &mut databases {
        db.create_tree("tree").expect("creates").put(b"key", b"old").expect("puts");
    }
    databases
}

fn too_many<T>(result: Result<T, Error>, limit: usize) -> bool {
    matches!(result, Err(Error::QuotaExceeded { limit: found, .. }) if found == limit as u64)
}

fn expired<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Expired { .. }))
}

fn everything() -> ScanRequest {
    ScanRequest { max_entries: 10, max_bytes: 1 << 20, ..ScanRequest::default() }
}

#[test]
fn there_are_only_so_many_and_a_dropped_one_makes_room() {
    for mut store in stores() {
        let mut held: Vec<_> =
            (0..MAX_SNAPSHOTS).map(|_| store.snapshot(b"").expect("is within the limit")).collect();
        assert!(too_many(store.snapshot(b""), MAX_SNAPSHOTS));
        store.put(b"key", b"new").expect("writers go on");
        assert_eq!(held[0].get(b"key").expect("reads").expect("is there").value, b"old");
        held.pop();
        held.push(store.snapshot(b"").expect("one more fits"));
        assert!(too_many(store.snapshot(b""), MAX_SNAPSHOTS));
        drop(held);
        assert!(store.snapshot(b"").is_ok());
    }
}

#[test]
fn trees_and_all_trees_of_a_database_count_together() {
    for mut db in databases() {
        let mut tree = db.open_tree("tree").expect("opens");
        let mut all = db.snapshot().expect("takes one");
        let mut held = vec![all.tree("tree").expect("is in it"), tree.snapshot(b"").expect("fits")];
        while held.len() + 1 < MAX_SNAPSHOTS {
            held.push(all.tree("tree").expect("is in it"));
        }
        assert!(too_many(all.tree("tree"), MAX_SNAPSHOTS));
        assert!(too_many(tree.snapshot(b""), MAX_SNAPSHOTS));
        assert!(too_many(db.snapshot(), MAX_SNAPSHOTS));
        drop(all);
        assert!(tree.snapshot(b"").is_ok());
        drop(held);
        assert!(db.snapshot().is_ok());
    }
}

#[test]
fn there_are_only_so_many_images_at_a_time() {
    for mut db in databases() {
        let held: Vec<_> =
            (0..MAX_IMAGES).map(|_| db.export_image().expect("is within the limit")).collect();
        assert!(too_many(db.export_image(), MAX_IMAGES));
        assert!(too_many(db.install_image(), MAX_IMAGES));
        drop(held);
        let install = db.install_image().expect("there is room");
        assert!(db.install_image().is_err(), "one at a time");
        assert!(matches!(db.create_tree("x"), Err(Error::InvalidArgument { .. })));
        drop(install);
        db.create_tree("x").expect("writes go on once it is dropped");
    }
}

/// The owner's end closes what it gave out, so that the store can be opened by someone else.
#[test]
fn a_snapshot_ends_with_its_store() {
    for mut store in stores() {
        let mut snapshot = store.snapshot(b"k").expect("takes one");
        let (lsn, scope) = (snapshot.lsn(), snapshot.scope().to_vec());
        drop(store);
        assert!(expired(snapshot.get(b"key")));
        assert!(expired(snapshot.get_version(b"key")));
        assert!(expired(snapshot.scan(&ScanRequest { prefix: b"k".to_vec(), ..everything() })));
        assert!(expired(snapshot.longest_prefix(b"key")));
        assert!(expired(snapshot.is_prefix_empty(b"k")));
        assert!(expired(snapshot.prefix_count(b"k", 0)));
        assert_eq!((snapshot.lsn(), snapshot.scope().to_vec()), (lsn, scope));
    }
}

#[test]
fn trees_keep_their_database_and_nothing_else_does() {
    for mut db in databases() {
        let mut tree = db.open_tree("tree").expect("opens");
        let (mut all, mut image) =
            (db.snapshot().expect("takes one"), db.export_image().expect("begins"));
        let mut one = all.tree("tree").expect("is in it");
        drop(db);
        assert!(tree.get(b"key").expect("reads").is_some());
        assert!(one.get(b"key").expect("the tree keeps its store").is_some());
        drop(tree);
        assert!(expired(one.get(b"key")));
        assert!(expired(all.list_trees()));
        assert!(expired(all.tree("tree")));
        assert!(expired(image.next_chunk()));
    }
}

/// A sandbox whose ordinary calls have this much fuel.
fn tight(call_fuel: u64) -> Sandbox {
    Sandbox::new(SandboxConfig { call_fuel, ..SandboxConfig::default() }).expect("compiles")
}

#[test]
fn what_a_stopped_engine_held_is_expired_and_the_store_goes_on() {
    let pair = devices();
    pair.native().put(b"key", b"old").expect("puts");
    let mut store = pair.sandboxed_by(&tight(3_000_000)).expect("opens");
    let mut snapshot = store.snapshot(b"").expect("takes one");
    assert!(snapshot.get(b"key").expect("reads").is_some());
    // More than the fuel allows: a batch of very many changes.
    let many: Vec<_> = (0..60_000u32)
        .map(|at| holt_host::api::Change::Put { key: at.to_be_bytes().to_vec(), value: vec![] })
        .collect();
    assert!(matches!(store.commit(&many), Err(Error::Interrupted { .. })));
    assert!(expired(snapshot.get(b"key")), "before the next instance starts");
    assert_eq!(store.get(b"key").expect("reads").expect("is there").value, b"old");
    assert_eq!(store.restarts(), 1);
    assert!(expired(snapshot.get(b"key")), "and after it has");
    assert!(expired(snapshot.scan(&everything())));
    // Those that are gone count no more, and dropping one harms no one of the new instance.
    let mut held: Vec<_> =
        (0..MAX_SNAPSHOTS).map(|_| store.snapshot(b"").expect("all fit")).collect();
    drop(snapshot);
    assert!(too_many(store.snapshot(b""), MAX_SNAPSHOTS));
    assert!(held[0].get(b"key").expect("reads").is_some());
}

#[test]
fn calls_on_snapshots_have_the_limits_of_any_call() {
    let pair = devices();
    let mut filled = pair.native();
    for number in 0..3000u32 {
        filled.put(&number.to_be_bytes(), &[3; 200]).expect("puts");
    }
    // Or opening would replay the log, and all of it would be in memory.
    filled.checkpoint().expect("publishes");
    drop(filled);
    let mut store = pair.sandboxed_by(&tight(1_000_000)).expect("opens");
    let mut snapshot = store.snapshot(b"").expect("takes one");
    let all = ScanRequest { max_entries: 3000, max_bytes: 1 << 20, ..ScanRequest::default() };
    let error = snapshot.scan(&all).expect_err("has too little fuel");
    assert!(matches!(&error, Error::Interrupted { outcome_unknown: false, .. }), "{error:?}");
    assert!(error.to_string().contains("fuel"), "{error}");
    assert!(expired(snapshot.scan(&everything())));
    let config = SandboxConfig { call_device_calls: 0, ..SandboxConfig::default() };
    let mut store = pair.sandboxed_by(&Sandbox::new(config).expect("compiles")).expect("opens");
    let mut snapshot = store.snapshot(b"").expect("needs no device");
    let error = snapshot.scan(&all).expect_err("may not read the device");
    assert!(error.to_string().contains("device calls"), "{error}");
    assert!(expired(snapshot.get(b"key")));
}

#[test]
fn named_trees_are_found_again_after_an_interruption() {
    let pair = devices();
    let mut db = pair.sandboxed_database(&tight(3_000_000));
    let (mut kept, mut gone) =
        (db.create_tree("kept").expect("creates"), db.create_tree("gone").expect("creates"));
    kept.put(b"key", b"1").expect("puts");
    gone.put(b"key", b"2").expect("puts");
    let many: Vec<_> = (0..60_000u32)
        .map(|at| {
            let (key, value) = (at.to_be_bytes().to_vec(), vec![]);
            ("kept", holt_host::api::Change::Put { key, value })
        })
        .collect();
    let Err(Error::Atomic { source, .. }) = db.commit(&many) else { panic!("has no such fuel") };
    assert!(matches!(*source, Error::Interrupted { .. }), "{source:?}");
    assert_eq!(kept.get(b"key").expect("reads").expect("is there").value, b"1");
    db.drop_tree("gone").expect("drops");
    let mut new = db.create_tree("gone").expect("creates again");
    new.put(b"key", b"3").expect("puts");
    assert!(matches!(gone.get(b"key"), Err(Error::TreeDropped)));
    drop(db.commit(&many));
    assert!(matches!(gone.get(b"key"), Err(Error::TreeDropped)), "it is not the new one");
    assert_eq!(new.get(b"key").expect("reads").expect("is there").value, b"3");
    assert_eq!(db.restarts(), 2);
}

/// What is taken back may be larger than the cache: that is not the business of the next call.
#[test]
fn an_image_that_is_given_up_harms_nothing_else_however_large_it_is() {
    let from = devices();
    let mut source = from.native_database();
    let mut tree = source.create_tree("large").expect("creates");
    for number in 0..20_000u32 {
        tree.put(&number.to_be_bytes(), &[5; 600]).expect("puts");
    }
    let image = source.db().export_checkpoint().expect("exports").into_bytes();
    let pair = devices();
    let mut own = pair.native_database();
    own.create_tree("own").expect("creates").put(b"key", b"value").expect("puts");
    drop(own);
    // Ordinary calls get nothing that is not in memory.
    let config = SandboxConfig { call_device_calls: 0, ..SandboxConfig::default() };
    let mut db = pair.sandboxed_database(&Sandbox::new(config).expect("compiles"));
    let mut moment = db.snapshot().expect("needs no device");
    let mut install = db.install_image().expect("begins");
    install.push(&image[..image.len() - 1]).expect("takes it in");
    drop(install);
    assert_eq!(db.restarts(), 0, "the engine was stopped");
    assert_eq!(moment.list_trees().expect("lives on"), ["own"]);
    assert_eq!(db.list_trees().expect("lists"), ["own"]);
    assert!(db.verify().expect("checks").is_clean());
    db.checkpoint().expect("writes go on");
    drop((moment, db));
    let mut own = pair.native_database().open_tree("own").expect("opens");
    assert_eq!(own.get(b"key").expect("reads").expect("is there").value, b"value");
}

/// An installation is stopped at every stride of its fuel: all of the image is there, or nothing.
#[test]
fn an_image_stopped_anywhere_is_there_wholly_or_not_at_all() {
    let from = devices();
    let mut source = from.native_database();
    let mut tree = source.create_tree("tree").expect("creates");
    for number in 0..300u32 {
        tree.put(&number.to_be_bytes(), &[5; 100]).expect("puts");
    }
    let image = source.db().export_checkpoint().expect("exports").into_bytes();
    let (mut stopped, mut whole) = (0, 0);
    for step in 1..40 {
        let config = SandboxConfig { long_call_fuel: step * 400_000, ..SandboxConfig::default() };
        let pair = devices();
        let opened = Sandbox::new(config).expect("compiles");
        let blobs = std::sync::Arc::clone(&pair.blobs);
        let log = std::sync::Arc::clone(&pair.log);
        let Ok(mut db) = opened.open_database(blobs, log, support::options()) else { continue };
        let outcome = db
            .install_image()
            .and_then(|mut install| install.push(&image).and_then(|()| install.finish()));
        drop(db);
        let mut native = pair.native_database();
        let trees = native.list_trees().expect("lists");
        assert!(native.verify().expect("checks").is_clean());
        match outcome {
            Ok(summary) => {
                assert_eq!((summary.records, trees.len()), (300, 1));
                whole += 1;
            }
            Err(Error::Interrupted { outcome_unknown, .. }) => {
                assert!(trees.is_empty() || outcome_unknown);
                stopped += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
        if let Ok(mut tree) = native.open_tree("tree") {
            assert_eq!(tree.prefix_count(b"", 0).expect("counts").count, 300);
        }
        if whole > 1 {
            break;
        }
    }
    println!("stopped {stopped} times, whole {whole} times");
    assert!(stopped > 0 && whole > 0);
}
