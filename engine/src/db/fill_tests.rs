//! How full pages are after loads as programs make them: what a store takes on the disk, and how
//! far a scan must read.

use alloc::format;
use alloc::vec::Vec;

use super::kit_tests::{Devices, Faulty, assert_clean};
use super::{Options, Tree};
use crate::device::BlobStore;
use crate::limits::{MAX_FRAME_BYTES, PAGE_BYTES};

const FILES: u64 = 30_000;
const VALUE: [u8; 64] = [7; 64];

/// Loads files of directories of so many, which come in the order of `place`; returns the tree,
/// how full its leaf pages are, in thousandths, and pages of the store over the payload.
fn loaded(per: u64, place: impl Fn(u64) -> u64) -> (Devices, Tree, u32, f64) {
    let mut devices = Devices::new();
    devices.blobs = Faulty::new(MAX_FRAME_BYTES);
    devices.options = Options { cache_bytes: 64 << 20, log_budget: 1 << 40, ..Options::default() };
    let tree = devices.tree();
    let mut payload = 0;
    for directory in 0..FILES / per {
        let directory = place(directory);
        for file in 0..per {
            let key = key(directory, file);
            payload += key.len() + VALUE.len();
            tree.put(&key, &VALUE).unwrap();
        }
    }
    tree.checkpoint().unwrap();
    let fill = tree.verify().unwrap().fill_per_mille;
    let pages = devices.blobs.usage().unwrap().pages;
    let ratio = (pages * PAGE_BYTES as u64) as f64 / payload as f64;
    (devices, tree, fill, ratio)
}

fn key(directory: u64, file: u64) -> Vec<u8> {
    let (user, project) = (directory / 50, directory / 10 % 5);
    format!("/home/u{user:05}/projects/p{project}/src/mod_{:02}/file_{file:04}.rs", directory % 10)
        .into_bytes()
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn an_ascending_load_leaves_pages_full() {
    for per in [64, 256, 1000] {
        let (_devices, tree, fill, ratio) = loaded(per, |directory| directory);
        assert!(fill > 800, "directories of {per}: pages are {fill} thousandths full");
        assert!(ratio < 1.0, "directories of {per}: {ratio} bytes a byte");
        assert_clean(tree.verify(), "afterwards");
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn directories_that_come_in_any_order_leave_pages_full_too() {
    for per in [64, 256, 1000] {
        let directories = FILES / per;
        let (_devices, tree, fill, ratio) = loaded(per, |at| at * 7919 % directories);
        assert!(fill > 600, "directories of {per}: pages are {fill} thousandths full");
        assert!(ratio < 1.5, "directories of {per}: {ratio} bytes a byte");
        assert_clean(tree.verify(), "afterwards");
    }
}

/// A load that ends where it is, in many places, leaves pages behind that wait for the rest of it.
#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn pages_that_wait_for_a_load_that_ended_are_few() {
    let (devices, tree, ..) = loaded(1000, |directory| directory);
    let before = devices.blobs.usage().unwrap().pages;
    for directory in 0..FILES / 1000 {
        for file in 1000..1020 {
            tree.put(&key(directory, file), &VALUE).unwrap();
        }
    }
    tree.checkpoint().unwrap();
    let grown = devices.blobs.usage().unwrap().pages - before;
    assert!(grown <= 3 * (FILES / 1000), "{grown} pages for {} directories", FILES / 1000);
    // Others come there, and nothing is lost on the way.
    for directory in 0..FILES / 1000 {
        for file in 1020..1400 {
            tree.put(&key(directory, file), &VALUE).unwrap();
        }
    }
    tree.checkpoint().unwrap();
    assert!(tree.verify().unwrap().fill_per_mille > 700);
    assert_eq!(tree.range().into_iter().count() as u64, FILES / 1000 * 1400);
}
