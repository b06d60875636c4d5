//! Images of whole stores: out of one, into another, or not at all.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{CheckpointImage, DB, Options, RangeEntry, Tree};
use crate::device::{BlobStore, LogDevice, MemoryBlobStore, MemoryLog};
use crate::error::Error;
use crate::geometry::Geometry;
use crate::limits::{MIN_CACHE_BYTES, MIN_FRAME_BYTES};

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
