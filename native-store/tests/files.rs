//! Files against the devices' contracts, and directories in every state.

use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use holt_engine::device::{
    Access, BlobOp, BlobStore, LogDevice, Opened, PackedStore, PageAt, PositionedIo, PositionedLog,
    conformance,
};
use holt_engine::error::{CorruptionClass, Error, IoErrorKind};
use holt_engine::geometry::Geometry;
use holt_engine::ids::BlobId;
use holt_engine::limits::PAGE_BYTES;
use holt_native_store::{BLOBS_FILE, FileIo, FileMode, FileOptions, FileStore, IoChoice, LOG_FILE};

/// A directory on a real file system: /tmp may be memory, which has no direct I/O.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory")
}

fn file(path: &Path, direct: bool) -> FileIo {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let io = FileIo::new(Arc::new(file.expect("open")), path.display().to_string());
    if direct { io.direct() } else { io }
}

fn quick(mode: FileMode) -> FileOptions {
    FileOptions { mode, lock_wait: Duration::from_millis(30), ..FileOptions::default() }
}

#[test]
fn files_keep_the_contract_plain_and_direct() {
    for direct in [false, true] {
        let dir = directory();
        let path = dir.path().join("io");
        let reopen = |io: FileIo| {
            drop(io);
            file(&path, direct)
        };
        conformance::positioned_io(|| file(&path, direct), reopen);
        println!("direct {direct}: {:?}", file(&path, direct).choice());
    }
}

#[test]
fn the_packed_store_keeps_its_contract_on_files() {
    for direct in [false, true] {
        let dir = directory();
        let path = dir.path().join(BLOBS_FILE);
        let make = || PackedStore::create(file(&path, direct), Geometry::default(), [1; 16]);
        let reopen = |old: PackedStore<FileIo>| {
            drop(old);
            match PackedStore::open(file(&path, direct), Access::ReadWrite).expect("open") {
                Opened::Store(store) => store,
                Opened::Blank(_) => panic!("blank"),
            }
        };
        conformance::blob_store(|| make().expect("create"), reopen);
    }
}

#[test]
fn the_log_keeps_its_contract_on_files() {
    let dir = directory();
    let path = dir.path().join(LOG_FILE);
    let open = || PositionedLog::open(file(&path, false), [2; 16], Access::ReadWrite);
    let reopen = |old: PositionedLog<FileIo>| {
        drop(old);
        open().expect("open")
    };
    conformance::log_device(|| open().expect("open"), reopen);
}

/// Appends go by two ways, as syncs come; the bytes are those of one file.
#[test]
fn appends_are_in_the_file_whichever_way_they_went() {
    let dir = directory();
    let path = dir.path().join("appended");
    let io = file(&path, false).appending();
    let (mut at, mut expected) = (0, Vec::new());
    for step in 0..4000_u32 {
        let bytes = vec![step as u8; 1 + (step as usize * 37) % 500];
        io.write_at(at, &bytes).expect("appends");
        at += bytes.len() as u64;
        expected.extend(bytes);
        // Every append, every third, none.
        if step.is_multiple_of([1, 3, u32::MAX][step as usize / 500 % 3]) {
            io.sync().expect("syncs");
        }
    }
    let mut read = vec![0; expected.len()];
    io.read_at(0, &mut read).expect("reads");
    assert!(read == expected, "through the object");
    drop(io);
    assert!(fs::read(&path).expect("reads") == expected, "closed, without the room ahead");
}

fn fill(store: &FileStore) {
    let mut tickets = vec![];
    store.blobs.stage(&vec![7; 2 * PAGE_BYTES], &mut tickets).expect("stage");
    let pages = (0..).zip(tickets).map(|(page, ticket)| PageAt { page, ticket }).collect();
    let op = BlobOp::Put { blob: BlobId::frame(0), meta: vec![1], pages, dropped: vec![] };
    store.blobs.publish(&[op], b"root").expect("publish");
    store.log.append(0, b"record").expect("append");
    store.log.sync().expect("sync");
}

fn snapshot(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .expect("list")
        .map(|entry| {
            let entry = entry.expect("entry");
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).expect("read"))
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_store_is_created_once_and_found_again() {
    let dir = directory();
    let path = dir.path().join("deep/er");
    let store = FileStore::open(&path, &quick(FileMode::OpenOrCreate)).expect("create");
    assert!(store.created());
    println!("blobs.dat: {:?}", store.io_choice());
    fill(&store);
    let id = store.blobs.store_id();
    drop(store);
    for mode in [FileMode::OpenOrCreate, FileMode::Open, FileMode::ReadOnly] {
        let store = FileStore::open(&path, &quick(mode)).expect("open");
        assert!(!store.created());
        assert_eq!(store.blobs.store_id(), id);
        assert_eq!(store.blobs.root().expect("root"), b"root");
        assert_eq!(store.log.bounds().expect("bounds").end, 6);
    }
    let before = snapshot(&path);
    let plain = FileOptions { direct: false, ..quick(FileMode::ReadOnly) };
    let store = FileStore::open(&path, &plain).expect("open");
    assert_eq!(store.io_choice(), IoChoice::Buffered);
    store.blobs.audit(&mut |damage| panic!("{damage}"), &mut |_, _| {}).expect("audit");
    assert_eq!(store.log.append(6, b"x"), Err(Error::ReadOnly));
    assert_eq!(snapshot(&path), before, "reading changed a file");
}

#[test]
fn one_writer_or_many_readers() {
    let dir = directory();
    let open = |mode| FileStore::open(dir.path(), &quick(mode));
    let writer = open(FileMode::OpenOrCreate).expect("create");
    for mode in [FileMode::Open, FileMode::OpenOrCreate, FileMode::ReadOnly] {
        assert!(matches!(open(mode), Err(Error::Locked { .. })), "{mode:?} beside a writer");
    }
    // Either device alone keeps the lock.
    let log = writer.log.clone();
    drop(writer);
    assert!(matches!(open(FileMode::Open), Err(Error::Locked { .. })));
    drop(log);
    let blobs = open(FileMode::Open).expect("open").blobs;
    assert!(matches!(open(FileMode::Open), Err(Error::Locked { .. })));
    drop(blobs);
    let readers = [open(FileMode::ReadOnly).expect("one"), open(FileMode::ReadOnly).expect("two")];
    assert!(matches!(open(FileMode::Open), Err(Error::Locked { .. })));
    drop(readers);
    // A waiting opener gets in as soon as the lock is free.
    let held = open(FileMode::Open).expect("open");
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let patient =
                FileOptions { lock_wait: Duration::from_secs(20), ..quick(FileMode::Open) };
            FileStore::open(dir.path(), &patient).map(drop)
        });
        std::thread::sleep(Duration::from_millis(50));
        drop(held);
        waiting.join().expect("join")
    });
    assert_eq!(waiting, Ok(()));
}

#[test]
fn halves_of_a_store_are_damage_and_stay_as_they_are() {
    type Harm = fn(&Path);
    let harms: [(&str, CorruptionClass, Harm); 6] = [
        ("no blobs", CorruptionClass::Superblock, |dir| {
            fs::remove_file(dir.join(BLOBS_FILE)).expect("remove");
        }),
        ("empty blobs", CorruptionClass::Superblock, |dir| {
            drop(File::create(dir.join(BLOBS_FILE)).expect("empty"));
        }),
        ("no log", CorruptionClass::Log, |dir| {
            fs::remove_file(dir.join(LOG_FILE)).expect("remove");
        }),
        ("empty log", CorruptionClass::Log, |dir| {
            drop(File::create(dir.join(LOG_FILE)).expect("empty"));
        }),
        ("short blobs", CorruptionClass::Manifest, |dir| {
            let file = OpenOptions::new().write(true).open(dir.join(BLOBS_FILE));
            file.expect("open").set_len(9_000).expect("cut");
        }),
        ("zeroed superblocks, magic kept", CorruptionClass::Superblock, |dir| {
            let path = dir.join(BLOBS_FILE);
            let mut bytes = fs::read(&path).expect("read");
            bytes[20..4096].fill(0);
            bytes[4096 + 20..8192].fill(0);
            fs::write(&path, bytes).expect("write");
        }),
    ];
    for (what, class, harm) in harms {
        let dir = directory();
        fill(&FileStore::open(dir.path(), &quick(FileMode::OpenOrCreate)).expect("create"));
        harm(dir.path());
        let before = snapshot(dir.path());
        for mode in [FileMode::Open, FileMode::OpenOrCreate, FileMode::ReadOnly] {
            match FileStore::open(dir.path(), &quick(mode)) {
                Err(Error::Corrupt(damage)) => assert_eq!(damage.class, class, "{what}: {damage}"),
                other => panic!("{what}, {mode:?}: {:?}", other.err()),
            }
            assert_eq!(snapshot(dir.path()), before, "{what}, {mode:?}: a file was changed");
        }
    }
}

#[test]
fn foreign_files_are_refused_and_kept() {
    for name in [BLOBS_FILE, LOG_FILE] {
        let dir = directory();
        fs::write(dir.path().join(name), b"someone's notes".repeat(1000)).expect("write");
        let before = snapshot(dir.path());
        for mode in [FileMode::Open, FileMode::OpenOrCreate, FileMode::ReadOnly] {
            let refused = FileStore::open(dir.path(), &quick(mode));
            assert!(matches!(refused, Err(Error::NotAStore { .. })), "{name} {mode:?}");
            assert_eq!(snapshot(dir.path()), before);
        }
    }
    // The log of another store.
    let (one, two) = (directory(), directory());
    fill(&FileStore::open(one.path(), &quick(FileMode::OpenOrCreate)).expect("create"));
    fill(&FileStore::open(two.path(), &quick(FileMode::OpenOrCreate)).expect("create"));
    fs::copy(one.path().join(LOG_FILE), two.path().join(LOG_FILE)).expect("copy");
    let refused = FileStore::open(two.path(), &quick(FileMode::Open));
    assert!(matches!(refused, Err(Error::NotAStore { .. })));
}

#[test]
fn missing_stores_are_typed_and_other_files_are_left_alone() {
    let dir = directory();
    fs::write(dir.path().join("README"), b"hello").expect("write");
    for path in [dir.path().to_path_buf(), dir.path().join("nowhere")] {
        for mode in [FileMode::Open, FileMode::ReadOnly] {
            let missing = FileStore::open(&path, &quick(mode));
            assert!(matches!(missing, Err(Error::NoStore { .. })), "{path:?} {mode:?}");
        }
        assert!(!path.join(BLOBS_FILE).exists(), "nothing may be created");
    }
    let file_in_the_way = FileStore::open(dir.path().join("README"), &quick(FileMode::Open));
    let Err(Error::BlobStoreIo(error)) = file_in_the_way else { panic!("a file is no directory") };
    assert_eq!(error.kind, IoErrorKind::NotFound);
    // Creations cut short: done again.
    for blank in [0, 4096, 8192] {
        fs::write(dir.path().join(BLOBS_FILE), vec![0; blank]).expect("write");
        let missing = FileStore::open(dir.path(), &quick(FileMode::Open));
        assert!(matches!(missing, Err(Error::NoStore { .. })));
    }
    let store = FileStore::open(dir.path(), &quick(FileMode::OpenOrCreate)).expect("create");
    assert!(store.created());
    drop(store);
    fs::remove_file(dir.path().join(BLOBS_FILE)).expect("remove");
    let store = FileStore::open(dir.path(), &quick(FileMode::OpenOrCreate)).expect("create again");
    fill(&store);
    assert_eq!(fs::read(dir.path().join("README")).expect("read"), b"hello");
}

#[test]
fn space_is_given_back() {
    let dir = directory();
    let store = FileStore::open(dir.path(), &quick(FileMode::OpenOrCreate)).expect("create");
    for round in 0..8u32 {
        let mut tickets = vec![];
        store.blobs.stage(&vec![round as u8; 256 * PAGE_BYTES], &mut tickets).expect("stage");
        let pages = (0..).zip(tickets).map(|(page, ticket)| PageAt { page, ticket }).collect();
        let op = BlobOp::Put { blob: BlobId::extent(0), meta: vec![], pages, dropped: vec![] };
        store.blobs.publish(&[op], b"r").expect("publish");
    }
    store.blobs.publish(&[], b"r").expect("quiet");
    let usage = store.blobs.usage().expect("usage");
    assert!(usage.allocated_bytes < (256 + 64) * PAGE_BYTES as u64, "{usage:?}");
    // The log, once reset, is a header.
    store.log.append(0, &vec![1; 1 << 20]).expect("append");
    store.log.reset(1 << 20).expect("reset");
    let allocated = store.log.allocated().expect("allocated");
    assert!(allocated <= 3 * 4096, "{allocated} bytes of log");
}
