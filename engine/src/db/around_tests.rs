//! What comes in beside a page that a lookup misses, as a user notices it: how often the device is
//! asked.

use alloc::format;
use alloc::vec::Vec;

use super::kit_tests::{Devices, Faulty, assert_clean};
use super::{Options, Tree};
use crate::limits::{MAX_FRAME_BYTES, READ_AROUND_SHARE, SMALL_STORE_BYTES};
use crate::random::Random;

/// A store of large frames of so many records, closed.
fn filled(records: u32, cache_bytes: u64) -> Devices {
    let mut devices = Devices::new();
    devices.blobs = Faulty::new(MAX_FRAME_BYTES);
    devices.options = Options { cache_bytes, log_budget: 1 << 40, ..Options::default() };
    let tree = devices.tree();
    for at in 0..records {
        tree.put(&key(at), &[7; 64]).unwrap();
    }
    tree.checkpoint().unwrap();
    devices.blobs.lay_together();
    devices
}

fn key(at: u32) -> Vec<u8> {
    format!("dir/{at:06}").into_bytes()
}

/// Calls of the device and pages read by `act`.
fn cost(devices: &Devices, act: impl FnOnce()) -> (u64, u64) {
    let before = (devices.blobs.read_calls(), devices.blobs.reads());
    act();
    (devices.blobs.read_calls() - before.0, devices.blobs.reads() - before.1)
}

fn lookups(tree: &Tree, records: u32, count: usize, random: &mut Random) {
    for _ in 0..count {
        let at = random.below(records as usize) as u32;
        assert_eq!(tree.get(&key(at)).unwrap().as_deref(), Some(&[7; 64][..]));
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_small_store_comes_in_a_frame_at_a_time() {
    const RECORDS: u32 = 20_000;
    let devices = filled(RECORDS, 64 << 20);
    let tree = devices.tree();
    let frames = tree.stats().unwrap().frames;
    assert!(frames > 2, "{frames} frames");
    let (calls, _) = cost(&devices, || lookups(&tree, RECORDS, 5000, &mut Random::new(1)));
    assert!(calls <= frames, "{calls} reads for {frames} frames");
    assert_clean(tree.verify(), "afterwards");
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_frame_that_is_asked_for_page_by_page_comes_in_as_a_whole() {
    const RECORDS: u32 = 100_000;
    let devices = filled(RECORDS, 64 << 20);
    let tree = devices.tree();
    let stats = tree.stats().unwrap();
    assert!(stats.frames * u64::from(MAX_FRAME_BYTES) > SMALL_STORE_BYTES, "it is no small store");
    let mut random = Random::new(2);
    let few = cost(&devices, || lookups(&tree, RECORDS, 30, &mut random));
    assert_eq!(few.0, few.1, "a lookup reads what it needs");
    let (calls, pages) = cost(&devices, || lookups(&tree, RECORDS, 20_000, &mut random));
    assert!(pages > 1000, "{pages} pages");
    let most = pages / READ_AROUND_SHARE as u64 + 3 * stats.frames;
    assert!(calls < most, "{calls} reads of {pages} pages");
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn where_there_is_no_room_a_page_comes_alone() {
    const RECORDS: u32 = 20_000;
    let devices = filled(RECORDS, 1 << 20);
    let tree = devices.tree();
    let mut random = Random::new(3);
    lookups(&tree, RECORDS, 1000, &mut random);
    let (calls, pages) = cost(&devices, || lookups(&tree, RECORDS, 1000, &mut random));
    assert!(pages > 100, "{pages} pages: the store fits its cache");
    assert_eq!(calls, pages, "of pages that then leave again unread");
}
