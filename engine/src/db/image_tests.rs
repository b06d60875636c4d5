//! Images of whole stores: out of one, into another, or not at all.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{CheckpointImage, DB, Options, RangeEntry, Tree};
use crate::device::{BlobStore, LogDevice, MemoryBlobStore, MemoryLog};
use crate::error::Error;
use crate::geometry::Geometry;
use crate::limits::{
    LSN_STRIDE, MAX_IMAGE_VERSION, MAX_LSN, MAX_TREES, MIN_CACHE_BYTES, MIN_FRAME_BYTES,
};

type Records = Vec<(Vec<u8>, Vec<u8>, u64)>;

fn devices() -> (Arc<dyn BlobStore>, Arc<dyn LogDevice>) {
    let geometry = Geometry::new(MIN_FRAME_BYTES).unwrap();
    (Arc::new(MemoryBlobStore::new(geometry, [3; 16])), Arc::new(MemoryLog::default()))
}

fn open(devices: &(Arc<dyn BlobStore>, Arc<dyn LogDevice>)) -> DB {
    let options = Options { cache_bytes: MIN_CACHE_BYTES, ..Options::default() };
    DB::open_with_devices(devices.0.clone(), Some(devices.1.clone()), options).unwrap()
}

fn records(tree: &Tree) -> Records {
    tree.range()
        .into_iter()
        .map(|entry| match entry.unwrap() {
            RangeEntry::Key { key, value, version } => (key, value, version.as_u64()),
            RangeEntry::CommonPrefix(_) => unreachable!("no delimiter was asked for"),
        })
        .collect()
}

fn filled() -> DB {
    let db = open(&devices());
    for name in ["alpha", "beta", "empty"] {
        db.create_tree(name).unwrap();
    }
    let (alpha, beta) = (db.open_tree("alpha").unwrap(), db.open_tree("beta").unwrap());
    for at in 0..1500u32 {
        let key = alloc::format!("dir{}/{at:05}", at % 7);
        alpha.put(key.as_bytes(), &alloc::vec![at as u8; (at % 90) as usize]).unwrap();
        if at % 100 == 0 {
            beta.put(&alloc::vec![b'k'; 1000 + at as usize], &alloc::vec![7; 3000]).unwrap();
        }
    }
    db.unnamed_tree().put(b"", b"no name").unwrap();
    db
}

#[test]
fn an_image_brings_every_record_with_its_version_and_lives_through_a_reopening() {
    let from = filled();
    let image = from.export_checkpoint().unwrap();
    assert_eq!(image.validate().unwrap().trees, 4);
    let devices = devices();
    let to = open(&devices);
    to.create_tree("own").unwrap().put(b"stays", b"1").unwrap();
    to.install_checkpoint(&CheckpointImage::from_bytes(image.into_bytes())).unwrap();
    let highest = records(&from.open_tree("alpha").unwrap()).iter().map(|r| r.2).max().unwrap();
    for reopened in [false, true] {
        let to = if reopened { open(&devices) } else { to.clone() };
        for name in ["alpha", "beta", "empty"] {
            let (old, new) = (from.open_tree(name).unwrap(), to.open_tree(name).unwrap());
            assert!(records(&old) == records(&new), "tree {name}");
        }
        assert_eq!(to.unnamed_tree().get(b"").unwrap().as_deref(), Some(&b"no name"[..]));
        assert_eq!(to.list_trees().unwrap(), ["alpha", "beta", "empty", "own"]);
        let own = to.open_tree("own").unwrap();
        own.put(b"later", b"2").unwrap();
        assert!(own.get_version(b"later").unwrap().unwrap().as_u64() > highest);
        assert!(to.verify().unwrap().is_clean());
    }
}

#[test]
fn an_image_that_cannot_go_in_changes_nothing() {
    let image = filled().export_checkpoint().unwrap().into_bytes();
    let to = open(&devices());
    to.create_tree("beta").unwrap().put(b"mine", b"1").unwrap();
    let taken = to.install_checkpoint(&CheckpointImage::from_bytes(image.clone()));
    assert!(matches!(taken, Err(Error::TreeExists { name }) if name == "beta"));
    // Cut off in the middle, which only shows on the way.
    let mut rest = &image[..image.len() / 2];
    let cut = to.install_checkpoint_from(&mut |buf| {
        let count = buf.len().min(rest.len());
        buf[..count].copy_from_slice(&rest[..count]);
        rest = &rest[count..];
        Ok(count)
    });
    assert!(matches!(cut, Err(Error::InvalidImage { .. } | Error::TreeExists { .. })));
    assert_eq!(to.list_trees().unwrap(), ["beta"]);
    assert_eq!(records(&to.open_tree("beta").unwrap()).len(), 1);
    assert_eq!(records(&to.unnamed_tree()).len(), 0);
    assert!(to.verify().unwrap().is_clean());
    to.create_tree("alpha").unwrap().put(b"works", b"1").unwrap();
}

/// An image of a store in parts of `len` bytes.
fn parts(db: &DB, len: usize) -> Vec<Vec<u8>> {
    let mut export = db.begin_export().unwrap();
    let mut parts = Vec::new();
    loop {
        let mut part = alloc::vec![0; len];
        match export.read(&mut part).unwrap() {
            0 => return parts,
            count => parts.push(part[..count].into()),
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn parts_of_any_size_are_the_image_and_go_in_as_it() {
    let from = filled();
    let image = from.export_checkpoint().unwrap();
    for len in [1, 9, 4096, 100_000, 10 << 20] {
        let parts = parts(&from, len);
        assert!(parts.concat() == image.as_bytes(), "parts of {len}");
        let devices = devices();
        let to = open(&devices);
        let mut install = to.begin_install().unwrap();
        for part in &parts {
            install.write(part).unwrap();
        }
        assert_eq!(to.list_trees().unwrap(), [""; 0], "nothing before it is finished");
        assert!(to.unnamed_tree().is_prefix_empty(b"").unwrap(), "nothing without a name either");
        assert_eq!(install.finish().unwrap(), image.validate().unwrap());
        drop((install, to));
        let to = open(&devices);
        let alpha = to.open_tree("alpha").unwrap();
        assert!(records(&alpha) == records(&from.open_tree("alpha").unwrap()));
        assert!(to.verify().unwrap().is_clean());
    }
}

#[test]
fn an_export_in_parts_shows_the_moment_it_began() {
    let from = filled();
    let image = from.export_checkpoint().unwrap();
    let mut export = from.begin_export().unwrap();
    let mut bytes = Vec::new();
    let mut part = [0; 5000];
    loop {
        let count = export.read(&mut part).unwrap();
        if count == 0 {
            break;
        }
        bytes.extend_from_slice(&part[..count]);
        let alpha = from.open_tree("alpha").unwrap();
        alpha.put(b"new", &part).unwrap();
        alpha.delete_prefix(b"dir3/").unwrap();
    }
    assert!(bytes == image.as_bytes());
}

#[test]
fn nothing_else_is_written_while_parts_come_in_and_all_is_as_before_without_the_last() {
    let image = filled().export_checkpoint().unwrap().into_bytes();
    let devices = devices();
    let to = open(&devices);
    let own = to.create_tree("own").unwrap();
    own.put(b"stays", b"1").unwrap();
    for end in [0, 10, image.len() / 2, image.len() - 1, image.len()] {
        let mut install = to.begin_install().unwrap();
        install.write(&image[..end]).unwrap();
        assert!(matches!(own.put(b"refused", b"2"), Err(Error::InvalidArgument { .. })));
        assert!(matches!(to.checkpoint(), Err(Error::InvalidArgument { .. })));
        assert!(matches!(to.verify(), Err(Error::InvalidArgument { .. })));
        assert!(matches!(to.create_tree("new"), Err(Error::InvalidArgument { .. })));
        assert!(to.begin_install().is_err(), "two at a time");
        assert_eq!(own.get(b"stays").unwrap().as_deref(), Some(&b"1"[..]));
        if end < image.len() && end % 2 == 0 {
            assert!(matches!(install.finish(), Err(Error::InvalidImage { .. })));
            assert!(matches!(install.write(b""), Err(Error::InvalidImage { .. })));
        }
        drop(install);
        assert_eq!(to.list_trees().unwrap(), ["own"], "ended after {end} bytes");
        assert!(to.verify().unwrap().is_clean());
        own.put(b"taken", b"3").unwrap();
        to.checkpoint().unwrap();
    }
    // A part that is refused gives the installation up at once.
    let mut install = to.begin_install().unwrap();
    let mut wrong = image.clone();
    wrong[image.len() / 2] ^= 1;
    assert!(matches!(install.write(&wrong), Err(Error::InvalidImage { .. })));
    own.put(b"taken", b"4").unwrap();
    assert!(matches!(install.finish(), Err(Error::InvalidImage { .. })));
    drop((install, own, to));
    let to = open(&devices);
    assert_eq!(records(&to.open_tree("own").unwrap()).len(), 2);
    assert!(to.verify().unwrap().is_clean());
}

#[test]
#[cfg_attr(miri, ignore = "leaks, as a process that dies does")]
fn a_crash_while_parts_come_in_leaves_what_was_published_before() {
    let image = filled().export_checkpoint().unwrap().into_bytes();
    let devices = devices();
    let to = open(&devices);
    to.create_tree("own").unwrap().put(b"stays", b"1").unwrap();
    let mut install = to.begin_install().unwrap();
    install.write(&image[..image.len() - 1]).unwrap();
    // The process dies: nothing is given up, staged pages are forgotten.
    core::mem::forget(install);
    devices.0.discard().unwrap();
    let to = open(&devices);
    assert_eq!(to.list_trees().unwrap(), ["own"]);
    assert_eq!(to.open_tree("own").unwrap().get(b"stays").unwrap().as_deref(), Some(&b"1"[..]));
    assert!(to.verify().unwrap().is_clean());
}

#[test]
fn only_an_image_of_a_later_format_is_one_for_a_later_program() {
    let bytes = filled().export_checkpoint().unwrap().into_bytes();
    let changed = |at: usize, number: u32| {
        let mut bytes = bytes.clone();
        bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        DB::memory().unwrap().install_checkpoint(&CheckpointImage::from_bytes(bytes)).unwrap_err()
    };
    let format = u32::from_le_bytes(*bytes[8..].first_chunk().unwrap());
    let later = changed(8, format + 1);
    assert_eq!(later, Error::UnsupportedFormat { found: format + 1, supported: format });
    for (at, number) in [(8, format - 1), (12, u32::MAX)] {
        let error = changed(at, number);
        assert!(matches!(error, Error::InvalidImage { .. }), "{error}");
    }
}

#[test]
fn an_image_is_hardly_larger_than_its_records() {
    let db = open(&devices());
    let tree = db.create_tree("many").unwrap();
    // More than a block of them.
    const RECORDS: usize = 20_000;
    for at in 0..RECORDS as u64 {
        tree.put(&at.to_be_bytes(), &[7; 12]).unwrap();
    }
    let image = db.export_checkpoint().unwrap();
    assert_eq!(image.validate().unwrap().records, RECORDS as u64);
    // Key, value and version, and a byte for each length.
    let payload = RECORDS * (8 + 12 + 8 + 2);
    assert!((payload..payload + 200).contains(&image.as_bytes().len()));
}

#[test]
fn the_unnamed_tree_of_an_image_goes_only_where_there_is_none() {
    let from = open(&devices());
    from.unnamed_tree().put(b"key", b"brought").unwrap();
    let image = from.export_checkpoint().unwrap();
    let to = open(&devices());
    to.unnamed_tree().put(b"key", b"own").unwrap();
    let refused = to.install_checkpoint(&image);
    assert!(matches!(refused, Err(Error::TreeExists { .. })), "{refused:?}");
    assert_eq!(to.unnamed_tree().get(b"key").unwrap().as_deref(), Some(&b"own"[..]));
    to.unnamed_tree().delete(b"key").unwrap();
    to.install_checkpoint(&image).unwrap();
    assert_eq!(to.unnamed_tree().get(b"key").unwrap().as_deref(), Some(&b"brought"[..]));

    // One without records without a name goes everywhere, as a whole and in parts.
    let named = open(&devices());
    named.create_tree("files").unwrap().put(b"key", b"named").unwrap();
    let whole = named.export_checkpoint().unwrap();
    assert_eq!(parts(&named, 100).concat(), whole.as_bytes());
    to.install_checkpoint(&whole).unwrap();
    assert_eq!(to.unnamed_tree().get(b"key").unwrap().as_deref(), Some(&b"brought"[..]));
    assert_eq!(to.open_tree("files").unwrap().get(b"key").unwrap().as_deref(), Some(&b"named"[..]));
}

/// An image of empty trees, or of one record of this version.
fn image_of(trees: usize, version: Option<u64>) -> CheckpointImage {
    let mut writer = super::image::ImageWriter::begin();
    for at in 0..trees {
        writer.tree(&alloc::format!("tree {at}"));
    }
    if let Some(version) = version {
        writer.record(b"k", version, b"v");
    }
    writer.end();
    CheckpointImage::from_bytes(core::mem::take(writer.written()))
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_store_filled_with_trees_by_an_image_opens_again() {
    let devices = devices();
    let to = open(&devices);
    let trees = MAX_TREES - 1;
    let image = image_of(trees, None);
    match to.install_checkpoint(&image) {
        Ok(_) => assert_eq!(to.list_trees().unwrap().len(), trees),
        Err(error) => assert!(matches!(error, Error::QuotaExceeded { .. }), "{error}"),
    }
    let names = to.list_trees().unwrap();
    to.checkpoint().unwrap();
    drop(to);
    let to = open(&devices);
    assert_eq!(to.list_trees().unwrap(), names);
    // What it has without a name is not one more.
    to.unnamed_tree().put(b"key", b"value").unwrap();
    let copy = open(&self::devices());
    copy.install_checkpoint(&to.export_checkpoint().unwrap()).unwrap();
    assert_eq!(copy.list_trees().unwrap(), names);
}

#[test]
fn an_image_with_versions_that_leave_no_positions_is_refused_and_the_store_goes_on() {
    for logged in [true, false] {
        let devices = devices();
        let options =
            Options { cache_bytes: MIN_CACHE_BYTES, feed_retention: 1 << 20, ..Options::default() };
        let log = logged.then(|| devices.1.clone());
        let reopen = || DB::open_with_devices(devices.0.clone(), log.clone(), options.clone());
        let to = reopen().unwrap();
        let own = to.create_tree("own").unwrap();
        own.put(b"a", b"1").unwrap();
        let from = to.last_lsn();
        let taken = to.install_checkpoint(&image_of(1, Some(MAX_LSN - 1)));
        assert!(matches!(taken, Err(Error::QuotaExceeded { .. })), "{taken:?}");
        own.put(b"b", b"2").unwrap();
        assert_eq!(to.changes_since(from).unwrap().changes.len(), 1, "the feed goes on");
        to.checkpoint().unwrap();
        drop((own, to));
        let to = reopen().unwrap();
        assert_eq!(records(&to.open_tree("own").unwrap()).len(), 2);
        assert!(to.verify().unwrap().is_clean());
    }
}

#[test]
fn who_followed_the_feed_before_an_image_came_is_told_that_it_missed_something() {
    for logged in [true, false] {
        let devices = devices();
        let options = Options { feed_retention: 1 << 20, ..Options::default() };
        let log = logged.then(|| devices.1.clone());
        let to = DB::open_with_devices(devices.0.clone(), log, options).unwrap();
        let own = to.create_tree("own").unwrap();
        for at in 0..100u8 {
            own.put(&[at], b"1").unwrap();
        }
        let from = to.last_lsn();
        to.install_checkpoint(&image_of(1, Some(9))).unwrap();
        own.put(b"later", b"2").unwrap();
        let found = to.changes_since(from);
        assert!(matches!(found, Err(Error::Expired { .. })), "logged: {logged}: {found:?}");
    }
}

/// Positions that writes need must be left, for as many openings as a store may see.
#[test]
fn a_store_that_took_an_image_can_be_written_ever_after() {
    for back in [0, 1, 8, LSN_STRIDE, 3 * LSN_STRIDE + 8, 1 << 50, MAX_LSN / 2, MAX_LSN / 2 + 1] {
        let version = MAX_LSN - 8 - back;
        for logged in [true, false] {
            let devices = devices();
            let options = Options { cache_bytes: MIN_CACHE_BYTES, ..Options::default() };
            let log = logged.then(|| devices.1.clone());
            let reopen = || DB::open_with_devices(devices.0.clone(), log.clone(), options.clone());
            let to = reopen().unwrap();
            to.create_tree("own").unwrap().put(b"a", b"1").unwrap();
            let taken = to.install_checkpoint(&image_of(1, Some(version)));
            match &taken {
                Ok(_) => {}
                Err(Error::QuotaExceeded { .. }) if version > MAX_IMAGE_VERSION => {}
                Err(error) => panic!("{back}, {logged}: {error}"),
            }
            to.open_tree("own").unwrap().put(b"b", b"2").unwrap();
            to.checkpoint().unwrap();
            drop(to);
            for round in 0..5u8 {
                let to = reopen().unwrap();
                let own = to.open_tree("own").unwrap();
                own.put(&[round], b"3").unwrap_or_else(|error| panic!("{back}, {logged}: {error}"));
                let later = own.get_version(&[round]).unwrap().unwrap().as_u64();
                assert!(taken.is_err() || later > version, "a version that could repeat");
                assert_eq!(records(&own).len(), 3 + usize::from(round));
                assert!(to.verify().unwrap().is_clean());
                to.checkpoint().unwrap();
            }
        }
    }
}

/// Beside named trees, over many frames, and again after one that failed.
#[test]
fn an_unnamed_tree_that_comes_in_shows_when_all_of_it_is_there() {
    let from = open(&devices());
    for at in 0..2000u32 {
        from.unnamed_tree().put(&at.to_be_bytes(), &[at as u8; 200]).unwrap();
    }
    from.unnamed_tree().put(&[7; 3000], &[8; 70_000]).unwrap();
    from.create_tree("named").unwrap().put(b"a", b"b").unwrap();
    let image = from.export_checkpoint().unwrap().into_bytes();
    let devices = devices();
    let to = open(&devices);
    let unnamed = to.unnamed_tree();
    let early = unnamed.snapshot(b"").unwrap();
    for end in [image.len() / 2, image.len() - 1, image.len()] {
        let mut install = to.begin_install().unwrap();
        install.write(&image[..end]).unwrap();
        assert_eq!(records(&unnamed), []);
        assert_eq!(unnamed.stats().unwrap().records, 0);
        assert_eq!(install.finish().is_ok(), end == image.len());
        assert!(to.verify().unwrap().is_clean());
    }
    assert!(records(&unnamed) == records(&from.unnamed_tree()));
    assert!(early.is_prefix_empty(b"").unwrap());
    unnamed.put(b"own", b"1").unwrap();
    drop((early, unnamed, to));
    let to = open(&devices);
    assert!(to.unnamed_tree().delete(b"own").unwrap());
    assert!(records(&to.unnamed_tree()) == records(&from.unnamed_tree()));
    assert_eq!(to.list_trees().unwrap(), ["named"]);
    assert!(to.verify().unwrap().is_clean());
    assert_eq!(to.gc().unwrap(), 0, "nothing is left of those that failed");
}
