//! Settings arrive where they are used, and every way to open a tree obeys them.

use std::collections::BTreeSet;
use std::path::Path;

use crate::*;

fn fresh() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

/// Every setting that differs from its default.
fn unusual(builder: TreeBuilder) -> TreeBuilder {
    builder
        .buffer_pool_size(7)
        .durability(Durability::Wal { sync: true })
        .checkpoint(CheckpointConfig::disabled())
        .log_budget(3 << 20)
        .snapshot_bytes(5 << 20)
        .feed_retention(2 << 20)
}

fn is_unusual(options: &Options) {
    let expected = Options {
        cache_bytes: 7 << 19,
        sync: true,
        log_budget: 3 << 20,
        auto_checkpoint: false,
        read_only: false,
        snapshot_bytes: 5 << 20,
        feed_retention: 2 << 20,
        publish_writes: false,
        memory_hint: MemoryHint::default(),
        kept_up: false,
        start_keeper: StartKeeper::default(),
    };
    assert_eq!(*options, expected);
    assert!(options.memory_hint.0.is_some() || cfg!(not(unix)), "memory is prepared");
}

#[test]
fn settings_arrive_however_the_store_is_opened() {
    let store = || std::sync::Arc::new(MemoryBlobStore::new(Geometry::default(), [1; 16]));
    let log = || std::sync::Arc::new(MemoryLog::new());
    let dir = fresh();
    let new = || unusual(TreeBuilder::new(dir.path()));
    is_unusual(new().open().expect("opens").config());
    is_unusual(new().open_db().expect("opens").config());
    is_unusual(new().memory().open().expect("opens").config());
    is_unusual(new().memory().open_db().expect("opens").config());
    is_unusual(new().open_with_blob_store(store()).expect("opens").config());
    is_unusual(new().open_with_devices(store(), log()).expect("opens").config());
    is_unusual(new().open_db_with_devices(store(), log()).expect("opens").config());
}

#[test]
fn the_defaults_are_those_of_the_engine_and_a_thread_keeps_the_store_up() {
    let defaults = Options { kept_up: true, ..Options::default() };
    let configured = Tree::open(TreeConfig::memory()).expect("opens");
    assert_eq!(*configured.config(), defaults);
    let built = TreeBuilder::new("").memory().open().expect("opens");
    assert_eq!(*built.config(), defaults);
    assert!(!Durability::default().wal_sync());
}

#[test]
fn the_last_word_on_the_cache_counts() {
    let bytes = |builder: TreeBuilder| builder.open().expect("opens").config().cache_bytes;
    let new = || TreeBuilder::new("").memory();
    assert_eq!(bytes(new().buffer_pool_size(64).cache_bytes(20 << 20)), 20 << 20);
    assert_eq!(bytes(new().cache_bytes(20 << 20).buffer_pool_size(64)), 32 << 20);
    // More than any machine has: as much as there is, not what is left after an overflow.
    assert_eq!(bytes(new().buffer_pool_size(usize::MAX)), u64::MAX);
}

#[test]
fn a_config_tells_what_it_opens() {
    let (file, memory) = (TreeConfig::new("store"), TreeConfig::memory());
    assert!(memory.is_memory() && !file.is_memory());
    assert_eq!(file.wal_path().as_deref(), Some(Path::new("store/journal.wal")));
    assert_eq!(memory.wal_path(), None);
    assert!(!file.is_read_only() && file.read_only().is_read_only());
}

#[test]
fn a_tree_in_memory_cannot_be_for_reading_only() {
    let refused = |result: Result<()>| {
        assert!(
            matches!(result, Err(Error::InvalidArgument { what: "access mode", .. })),
            "{result:?}"
        );
    };
    refused(TreeBuilder::new("").memory().read_only().open().map(drop));
    refused(TreeBuilder::new("").memory().read_only().open_db().map(drop));
    refused(Tree::open(TreeConfig::memory().read_only()).map(drop));
}

#[test]
fn readers_share_a_store_and_create_none() {
    let dir = fresh();
    let path = dir.path().join("store");
    let missing = TreeBuilder::new(&path).read_only().open().map(drop);
    assert!(matches!(missing, Err(Error::NoStore { .. })), "{missing:?}");
    assert!(!path.exists());
    let tree = TreeBuilder::new(&path).open().expect("is created");
    tree.put(b"key", b"value").expect("is taken");
    drop(tree);
    let first = Tree::open(TreeConfig::new(&path).read_only()).expect("opens");
    let second = TreeBuilder::new(&path).read_only().open_db().expect("opens beside it");
    assert_eq!(first.get(b"key").expect("reads").as_deref(), Some(&b"value"[..]));
    assert_eq!(first.delete(b"key").map(drop), Err(Error::ReadOnly));
    assert_eq!(second.create_tree("name").map(drop), Err(Error::ReadOnly));
}

/// A store in files and one in memory take the shape that was asked for: with frames of 16 KiB
/// the same records need more of them.
#[test]
fn a_new_store_has_the_shape_that_was_asked_for() {
    let small = Geometry::new(16 << 10).expect("is a shape");
    let dir = fresh();
    let mut frames = BTreeSet::new();
    for (name, builder) in [
        ("file", TreeBuilder::new(dir.path().join("store"))),
        ("memory", TreeBuilder::new("").memory()),
    ] {
        let tree = builder.geometry(small).open().expect("opens");
        for number in 0..2000_u32 {
            tree.put(&number.to_be_bytes(), &[7; 40]).expect("is taken");
        }
        let stats = tree.stats().expect("counts");
        assert!(stats.levels > 1, "{name}: {stats:?}");
        frames.insert(stats.frames);
    }
    assert_eq!(frames.len(), 1, "the same shape, the same frames: {frames:?}");
    // An existing store keeps its own.
    let tree = TreeBuilder::new(dir.path().join("store")).open().expect("opens");
    assert!(tree.stats().expect("counts").frames == *frames.first().expect("was counted"));
}

/// Linux tells how a file was opened.
#[cfg(target_os = "linux")]
#[test]
fn the_system_is_bypassed_only_if_that_is_wanted() {
    let dir = fresh();
    let is_direct = |wanted: bool| {
        let path = dir.path().join(format!("{wanted}"));
        let _tree = TreeBuilder::new(&path).direct_io(wanted).open().expect("opens");
        let blobs = path.join("blobs.dat").canonicalize().expect("is there");
        let mut open = Vec::new();
        for entry in std::fs::read_dir("/proc/self/fd").expect("is Linux") {
            let fd = entry.expect("is Linux").file_name().into_string().expect("a number");
            // Other tests open and close files meanwhile.
            if std::fs::read_link(format!("/proc/self/fd/{fd}")).ok().as_ref() != Some(&blobs) {
                continue;
            }
            let told = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).expect("is open");
            let flags = told.lines().find_map(|line| line.strip_prefix("flags:"));
            let flags = u32::from_str_radix(flags.expect("has flags").trim(), 8);
            open.push(flags.expect("are octal") & DIRECT != 0);
        }
        assert!(!open.is_empty(), "the blobs are open");
        open.contains(&true)
    };
    assert!(!is_direct(false));
    // Whether `true` helps is the file system's to say; asking for it must not fail.
    is_direct(true);
}

/// `O_DIRECT` in the flags of an open file.
#[cfg(all(target_os = "linux", any(target_arch = "aarch64", target_arch = "arm")))]
const DIRECT: u32 = 0o200_000;
#[cfg(all(target_os = "linux", not(any(target_arch = "aarch64", target_arch = "arm"))))]
const DIRECT: u32 = 0o40_000;
