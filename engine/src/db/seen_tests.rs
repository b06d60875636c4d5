//! Records that were looked up before, so that the way to them is guessed, and that then went
//! elsewhere: a guess is never believed without a look.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::kit_tests::{Devices, assert_clean};
use super::{DB, Tree};
use crate::random::repeats;

const RECORDS: u32 = repeats(4000, 60) as u32;

fn key(prefix: &str, number: u32) -> String {
    format!("{prefix}/part-{:02}/record-{:06}", number % 7, number.wrapping_mul(2_654_435_761) >> 8)
}

/// Looks every record up, twice: the second time all of them are guessed.
fn look(tree: &Tree, prefix: &str, value: impl Fn(u32) -> Option<Vec<u8>>) {
    for round in 0..2 {
        for number in 0..RECORDS {
            let key = key(prefix, number);
            let found = tree.get(key.as_bytes()).expect("is read");
            assert_eq!(found, value(number), "{key} in round {round}");
        }
    }
}

fn fill(tree: &Tree, prefix: &str) {
    for number in 0..RECORDS {
        tree.put(key(prefix, number).as_bytes(), &number.to_le_bytes()).expect("is written");
    }
}

fn as_written(number: u32) -> Option<Vec<u8>> {
    Some(number.to_le_bytes().into())
}

#[test]
fn records_are_found_wherever_they_went() {
    let tree = Tree::memory().expect("opens");
    fill(&tree, "a");
    look(&tree, "a", as_written);
    // Pages divide under them.
    fill(&tree, "b");
    look(&tree, "a", as_written);
    // Single ones are overwritten in place, made longer than their page can hold, and removed.
    let long = |number: u32| alloc::vec![number as u8; 200 + (number % 5) as usize * 150];
    for number in 0..RECORDS {
        let key = key("a", number);
        match number % 3 {
            0 => tree.put(key.as_bytes(), &[7]).expect("is written"),
            1 => tree.put(key.as_bytes(), &long(number)).expect("is written"),
            _ => assert!(tree.delete(key.as_bytes()).expect("is removed")),
        }
    }
    let changed = |number: u32| match number % 3 {
        0 => Some([7].into()),
        1 => Some(long(number)),
        _ => None,
    };
    look(&tree, "a", changed);
    // All of them move, by frames, and others take their names.
    tree.rename_prefix(b"a/", b"c/", false).expect("is moved");
    look(&tree, "c", changed);
    look(&tree, "a", |_| None);
    tree.rename_prefix(b"b/", b"a/", false).expect("is moved");
    look(&tree, "a", as_written);
    look(&tree, "b", |_| None);
    tree.delete_prefix(b"c/").expect("is removed");
    look(&tree, "c", |_| None);
    look(&tree, "a", as_written);
}

#[test]
fn trees_do_not_share_records_and_a_dropped_one_has_none() {
    let database = DB::memory().expect("opens");
    let first = database.create_tree("first").expect("is made");
    let second = database.create_tree("second").expect("is made");
    fill(&first, "a");
    look(&first, "a", as_written);
    look(&second, "a", |_| None);
    fill(&second, "a");
    look(&second, "a", as_written);
    database.drop_tree("first").expect("is dropped");
    for number in 0..RECORDS {
        assert!(first.get(key("a", number).as_bytes()).is_err(), "its tree is gone");
        assert!(first.put(key("a", number).as_bytes(), b"").is_err(), "its tree is gone");
    }
    look(&second, "a", as_written);
}

#[test]
fn records_whose_pages_left_memory_are_found_again() {
    let devices = Devices::hungry();
    let tree = devices.tree();
    // More than the cache holds.
    let (records, len) = (repeats(3000, 300) as u32, 900);
    let value = |number: u32, generation: u32| alloc::vec![(number ^ generation) as u8; len];
    let look = |generation: &dyn Fn(u32) -> u32| {
        for number in 0..records {
            let key = key("a", number);
            // Again at once: the page is in memory then, and the way to it is guessed.
            for _ in 0..2 {
                let found = tree.get(key.as_bytes()).expect("is read");
                assert!(found == Some(value(number, generation(number))), "{key}");
            }
        }
    };
    for number in 0..records {
        tree.put(key("a", number).as_bytes(), &value(number, 0)).expect("is written");
    }
    look(&|_| 0);
    for number in (0..records).step_by(3) {
        tree.put(key("a", number).as_bytes(), &value(number, 1)).expect("is written");
    }
    let changed = |number: u32| u32::from(number.is_multiple_of(3));
    look(&changed);
    tree.checkpoint().expect("is published");
    look(&changed);
    let stats = tree.stats().expect("is open");
    assert!(stats.evictions > 0, "everything stayed in memory");
    assert_clean(tree.verify(), "at the end");
}
