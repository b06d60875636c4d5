//! Opening: each setting has the effect that its name promises.

use std::path::Path;
use std::sync::Arc;

use holt_native_store::{FileMode, FileOptions};

use super::{contents, directory, files, key};
use crate::{
    AccessMode, CheckpointConfig, DB, Durability, Error, Geometry, Io, MemoryBlobStore, Storage,
    Tree, TreeBuilder, TreeConfig, limits,
};

const FRAME: u64 = limits::MAX_FRAME_BYTES as u64;

#[test]
fn a_pool_of_so_many_frames_is_all_the_memory_that_pages_take() {
    let dir = directory();
    let builder = TreeBuilder::new(dir.path()).cache_bytes(1 << 30).buffer_pool_size(2);
    let tree = builder.open().expect("opens");
    assert_eq!(tree.config().cache_bytes, 2 * FRAME, "the last of both settings counts");
    for at in 0..30_000 {
        tree.put(&key(at), &[at as u8; 100]).expect("puts");
        assert!(at % 1000 > 0 || tree.stats().expect("tells").cache_bytes <= 2 * FRAME);
    }
    tree.checkpoint().expect("publishes");
    for at in (0..30_000).step_by(7) {
        assert_eq!(tree.get(&key(at)).expect("reads"), Some(vec![at as u8; 100]));
    }
    let stats = tree.stats().expect("tells");
    assert!(stats.store.pages * 4096 > 6 * FRAME, "the tree is larger than its memory");
    assert!(stats.cache_bytes <= 2 * FRAME && stats.evictions > 0, "{stats:?}");
}

#[test]
fn a_store_open_for_reading_is_read_and_never_changed() {
    let dir = directory();
    let tree = Tree::open(TreeConfig::new(dir.path())).expect("creates");
    tree.put(b"published", b"1").expect("puts");
    tree.checkpoint().expect("publishes");
    tree.put(b"in the log", b"2").expect("puts");
    let expected = contents(&tree);
    drop(tree);
    let before = files(dir.path());

    let read = || TreeBuilder::new(dir.path()).read_only().open().expect("opens for reading");
    let (one, other) = (read(), read());
    assert_eq!((contents(&one), contents(&other)), (expected.clone(), expected), "readers share");
    assert!(one.config().read_only);
    let refused: Vec<Result<(), Error>> = vec![
        one.put(b"k", b"v"),
        one.put_many(&[(b"k", b"v")]),
        one.put_if_absent(b"k", b"v").map(drop),
        one.delete(b"published").map(drop),
        one.delete_prefix(b"").map(drop),
        one.rename(b"published", b"k", false),
        one.rename_prefix(b"in", b"out", false).map(drop),
        one.atomic(|batch| batch.put(b"k", b"v")).map(drop),
        one.checkpoint(),
        one.compact(),
        one.gc().map(drop),
        one.vacuum().map(drop),
        one.maintain(1).map(drop),
        one.sync(),
    ];
    assert!(refused.iter().all(|result| *result == Err(Error::ReadOnly)), "{refused:?}");
    assert_eq!(one.snapshot(b"").expect("of readers too").get(b"published"), Ok(Some(b"1".into())));
    drop((one, other));
    assert_eq!(files(dir.path()), before, "no byte changed");

    let none = dir.path().join("none");
    let missing = TreeBuilder::new(&none).read_only().open().err();
    assert!(matches!(missing, Some(Error::NoStore { .. })), "{missing:?}");
    assert!(!none.exists());
    let memory = Tree::open(TreeConfig::memory().read_only()).err();
    assert!(matches!(memory, Some(Error::InvalidArgument { .. })), "{memory:?}");
}

#[test]
fn checkpoints_start_by_themselves_or_when_asked_for() {
    let budget = limits::MIN_LOG_BUDGET;
    for checkpoint in [CheckpointConfig::enabled(), CheckpointConfig::disabled()] {
        let dir = directory();
        let builder = TreeBuilder::new(dir.path()).log_budget(budget).checkpoint(checkpoint);
        let tree = builder.clone().open().expect("opens");
        for at in 0..2000 {
            tree.put(&key(at), &[1; 200]).expect("puts");
        }
        let stats = tree.stats().expect("tells");
        assert_eq!(stats.checkpoints > 0, checkpoint.enabled, "{stats:?}");
        assert_eq!(stats.log_bytes <= 2 * budget, checkpoint.enabled, "{stats:?}");
        drop(tree);
        let tree = builder.open().expect("opens again");
        let replayed = tree.stats().expect("tells").replayed_records;
        assert_eq!(replayed == 2000, !checkpoint.enabled, "{replayed}");
        assert_eq!(contents(&tree).len(), 2000);
        tree.checkpoint().expect("publishes");
        assert_eq!(tree.stats().expect("tells").log_bytes, 0);
    }
}

#[test]
fn files_are_accessed_in_the_way_asked_for_or_not_at_all() {
    let dir = directory();
    let open = |io| TreeBuilder::new(dir.path().join("store")).io(io).open();
    let mut ways = vec![Io::Auto, Io::Positioned, Io::default()];
    match open(Io::Uring) {
        Ok(tree) => {
            assert!(contents(&tree).is_empty());
            ways.push(Io::Uring);
        }
        Err(refused) => {
            // The kernel's choice. Then nothing was created, and the error tells what to do.
            let says = refused.to_string();
            assert!(matches!(refused, Error::InvalidArgument { .. }), "{says}");
            assert!(says.contains("io_uring") && says.contains("Io::Auto"), "{says}");
            assert!(!dir.path().join("store").exists());
        }
    }
    for (at, io) in ways.into_iter().enumerate() {
        let tree = open(io).expect("opens");
        assert_eq!(contents(&tree).len(), at, "the same store in every way");
        tree.put(&[at as u8], b"value").expect("puts");
        tree.checkpoint().expect("publishes");
    }
}

#[test]
fn what_the_builder_is_told_of_files_reaches_them() {
    let builder = TreeBuilder::new("store").io(Io::Positioned).direct_io(false);
    let files = builder.geometry(Geometry::new(64 << 10).expect("fits")).read_only().file_options();
    let told = FileOptions {
        mode: FileMode::ReadOnly,
        geometry: Geometry::new(64 << 10).expect("fits"),
        direct: false,
        io: Io::Positioned,
        ..FileOptions::default()
    };
    assert_eq!(files, told);
    let defaults = FileOptions { mode: FileMode::OpenOrCreate, ..FileOptions::default() };
    assert_eq!(TreeBuilder::new("store").file_options(), defaults);
}

#[test]
fn a_store_of_ones_own_keeps_what_was_published() {
    let store = Arc::new(MemoryBlobStore::new(Geometry::default(), [1; 16]));
    let open = |builder: TreeBuilder| builder.open_with_blob_store(store.clone()).expect("opens");
    let tree = open(TreeBuilder::new(""));
    tree.put(b"published", b"").expect("puts");
    tree.checkpoint().expect("publishes");
    tree.put(b"not published", b"").expect("puts");
    assert_eq!(tree.stats().expect("tells").log_records, 0, "there is no log");
    drop(tree);

    let mut config = TreeConfig::memory();
    config.memory_flush_on_write = true;
    let tree = open(config.into());
    assert_eq!(contents(&tree), [(b"published".to_vec(), vec![])]);
    tree.put(b"put", b"").expect("puts");
    assert!(tree.delete(b"published").expect("deletes"));
    tree.txn(|batch| batch.rename(b"put", b"moved", false)).expect("applies");
    drop(tree);
    let tree = open(TreeBuilder::new(""));
    assert_eq!(contents(&tree), [(b"moved".to_vec(), vec![])], "each write was published");
    assert!(tree.verify().expect("reads").is_clean());
}

#[test]
fn settings_are_one_value_with_public_fields() {
    let mut config = TreeConfig::new("/var/lib/holt");
    assert!(!config.is_memory() && !config.is_read_only() && !config.memory_flush_on_write);
    assert_eq!(config.storage, Storage::File { dir: "/var/lib/holt".into() });
    assert_eq!(config.access_mode, AccessMode::ReadWrite);
    assert_eq!(config.durability, Durability::Wal { sync: false });
    assert_eq!(config.wal_path().as_deref(), Some(Path::new("/var/lib/holt/journal.wal")));
    assert!(config.clone().read_only().is_read_only());
    assert_eq!(TreeConfig::memory().wal_path(), None);
    assert_eq!(*TreeBuilder::new("").memory().config(), TreeConfig::memory(), "both ways alike");

    let dir = directory();
    config.storage = Storage::File { dir: dir.path().into() };
    config.buffer_pool_size = 4;
    config.durability = Durability::Wal { sync: true };
    config.checkpoint = CheckpointConfig::disabled();
    config.geometry = Geometry::new(limits::MIN_FRAME_BYTES).expect("is a frame size");
    let tree = Tree::open(config.clone()).expect("opens");
    tree.put(b"key", b"value").expect("puts");
    let stats = tree.stats().expect("tells");
    assert!(stats.log_syncs > 0 && tree.config().cache_bytes == 4 * FRAME, "{stats:?}");
    assert!(config.wal_path().is_some_and(|path| path.exists()));
    drop(tree);
    assert_eq!(contents(&DB::open(config).expect("opens").unnamed_tree()).len(), 1);
}

#[test]
fn storage_says_where_and_access_mode_what_may_be_done() {
    let dir = directory();
    let mut config = TreeConfig::memory();
    assert!(config.is_memory());
    Tree::open(config.clone()).expect("opens").put(b"key", b"lost").expect("puts");
    config.storage = Storage::File { dir: dir.path().into() };
    let tree = Tree::open(config.clone()).expect("opens");
    assert_eq!(contents(&tree), [], "what was in memory went with it");
    tree.put(b"key", b"kept").expect("puts");
    drop(tree);
    config.access_mode = AccessMode::ReadOnly;
    let tree = Tree::open(config.clone()).expect("opens");
    assert_eq!(tree.get(b"key"), Ok(Some(b"kept".into())));
    assert_eq!(tree.put(b"key", b"new"), Err(Error::ReadOnly));
    drop(tree);
    config.access_mode = AccessMode::ReadWrite;
    Tree::open(config).expect("opens").put(b"key", b"new").expect("puts");
}

#[test]
fn a_handle_tells_the_settings_it_was_opened_with() {
    let builder = TreeBuilder::new("")
        .memory()
        .cache_bytes(3 << 20)
        .durability(Durability::Wal { sync: true })
        .checkpoint(CheckpointConfig::disabled())
        .log_budget(5 << 20)
        .snapshot_bytes(7 << 20)
        .feed_retention(9 << 20);
    let db = builder.clone().open_db().expect("opens");
    let named = db.create_tree("named").expect("creates");
    let tree = builder.open().expect("opens");
    for config in [tree.config(), db.config(), named.config()] {
        assert_eq!((config.cache_bytes, config.log_budget), (3 << 20, 5 << 20));
        assert_eq!((config.snapshot_bytes, config.feed_retention), (7 << 20, 9 << 20));
        assert!(config.sync && !config.auto_checkpoint && !config.read_only);
    }
}
