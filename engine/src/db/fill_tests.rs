//! How full pages are after loads as programs make them: what a store takes on the disk, and how
//! far a scan must read.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use alloc::{format, vec};

use super::kit_tests::{Devices, Faulty, assert_clean};
use super::{Options, RangeEntry, Tree};
use crate::device::BlobStore;
use crate::limits::{MAX_FRAME_BYTES, PAGE_BYTES};
use crate::random::Random;

const FILES: u64 = 30_000;
const VALUE: [u8; 64] = [7; 64];

/// Loads files of directories of so many, which come in the order of `place`.
fn loaded(per: u64, place: impl Fn(u64) -> u64) -> (Devices, Tree, u32, f64) {
    let directories = (0..FILES / per).map(place);
    filled(directories.flat_map(|directory| (0..per).map(move |file| key(directory, file))))
}

/// Loads files of directories of so many in any order.
fn mixed(per: u64) -> (Devices, Tree, u32, f64) {
    let mut random = Random::new(per);
    let mut order: Vec<u64> = (0..FILES).collect();
    for at in (1..order.len()).rev() {
        order.swap(at, random.below(at + 1));
    }
    filled(order.into_iter().map(|at| key(at / per, at % per)))
}

/// Loads these keys; returns the tree, how full its leaf pages are, in thousandths, and pages of
/// the store over the payload.
fn filled(keys: impl Iterator<Item = Vec<u8>>) -> (Devices, Tree, u32, f64) {
    let mut devices = Devices::new();
    devices.blobs = Faulty::new(MAX_FRAME_BYTES);
    devices.options = Options { cache_bytes: 64 << 20, log_budget: 1 << 40, ..Options::default() };
    let tree = devices.tree();
    let mut payload = 0;
    for key in keys {
        payload += key.len() + VALUE.len();
        tree.put(&key, &VALUE).unwrap();
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
        assert!(fill > 740, "directories of {per}: pages are {fill} thousandths full");
        assert!(ratio < 1.25, "directories of {per}: {ratio} bytes a byte");
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

/// Full pages give records to their neighbours before they are divided.
#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn keys_in_any_order_leave_pages_full() {
    for (per, most) in [(20, 1.35), (64, 1.25), (256, 1.15)] {
        let (_devices, tree, fill, ratio) = mixed(per);
        assert!(fill > 730, "directories of {per}: pages are {fill} thousandths full");
        assert!(ratio < most, "directories of {per}: {ratio} bytes a byte");
        assert!(tree.stats().unwrap().page_balances > 500);
        assert_clean(tree.verify(), "afterwards");
    }
}

/// With what makes that hard: keys too long for a page, of which pages have a part only, values
/// that leave no room for their neighbours, and a snapshot of what was before.
#[test]
fn records_that_move_to_a_neighbour_stay_what_they_are() {
    let rounds = if cfg!(miri) { 60 } else { 12_000 };
    let mut devices = Devices::new();
    devices.options = Options { cache_bytes: 64 << 20, log_budget: 1 << 40, ..Options::default() };
    let tree = devices.tree();
    let mut random = Random::new(7);
    let mut model = BTreeMap::new();
    let mut before = None;
    for round in 0..rounds {
        let number = random.below(4_000);
        let key = match number % 7 {
            0 => format!("dir/{}/{number:05}", "long".repeat(300)),
            1 => format!("dir/{:02}/{}{number:05}", number % 10, "half".repeat(number % 60)),
            _ => format!("dir/{:02}/{number:05}", number % 10),
        };
        let value = vec![round as u8; random.below(12) * random.below(90)];
        tree.put(key.as_bytes(), &value).unwrap();
        model.insert(key.into_bytes(), value);
        if round == rounds / 2 {
            before = Some((tree.snapshot(b"").unwrap(), model.clone()));
        }
    }
    let record = |entry| match entry {
        Ok(RangeEntry::Key { key, value, .. }) => (key, value),
        other => panic!("{other:?}"),
    };
    assert!(tree.range().into_iter().map(record).eq(model));
    let (snapshot, model) = before.unwrap();
    assert!(snapshot.range().into_iter().map(record).eq(model));
    assert!(cfg!(miri) || tree.stats().unwrap().page_balances > 100);
    assert_clean(tree.verify(), "afterwards");
}
