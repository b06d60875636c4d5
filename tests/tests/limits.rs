//! Every limit and the limit plus one, through the public interface: a typed error that tells
//! the length, and nothing changed.

use holt_engine::db::{RangeEntry, Tree};
use holt_engine::error::Error;
use holt_engine::geometry::Geometry;
use holt_engine::limits::{
    MAX_BATCH_OPS, MAX_FRAME_BYTES, MAX_KEY_BYTES, MAX_RECORD_BYTES, MAX_SCAN_ENTRIES,
    MAX_VALUE_BYTES, MIN_FRAME_BYTES, PAGE_BYTES,
};
use holt_tests::workload::{key_sizes, value_of, value_sizes};

/// A tree with a few records that no refused call may touch.
fn tree() -> Tree {
    let tree = Tree::memory().expect("a tree in memory opens");
    for key in [b"a".as_slice(), b"b", b"c"] {
        tree.put(key, b"old").expect("a small record fits");
    }
    tree
}

fn contents(tree: &Tree) -> Vec<(Vec<u8>, Vec<u8>)> {
    let record = |entry| match entry {
        Ok(RangeEntry::Key { key, value, .. }) => (key, value),
        other => panic!("a plain scan gave {other:?}"),
    };
    tree.range().into_iter().map(record).collect()
}

/// Runs `call`, which must be refused with `error`, and checks that nothing changed and that
/// the message tells what to do.
fn refused<T: std::fmt::Debug>(
    tree: &Tree,
    error: &Error,
    call: impl FnOnce(&Tree) -> Result<T, Error>,
) {
    let before = contents(tree);
    let stats = tree.stats().expect("statistics").log_records;
    match call(tree) {
        Err(got) => assert_eq!(got, *error),
        Ok(done) => panic!("expected {error}, got {done:?}"),
    }
    assert_eq!(contents(tree), before);
    assert_eq!(tree.stats().expect("statistics").log_records, stats, "{error}: logged");
    let text = error.to_string();
    assert!(text.contains(';') || text.contains(':'), "no advice in: {text}");
}

#[test]
fn keys_of_every_size_up_to_the_limit_and_none_over_it() {
    let tree = tree();
    for size in key_sizes() {
        let key = value_of(size, size as u64);
        tree.put(&key, &size.to_le_bytes()).expect("a key within the limit");
    }
    for size in key_sizes() {
        let key = value_of(size, size as u64);
        let found = tree.get(&key).expect("a key within the limit");
        assert_eq!(found.as_deref(), Some(size.to_le_bytes().as_slice()), "key of {size} bytes");
    }
    assert!(tree.verify().expect("verify runs").is_clean());
    for len in [MAX_KEY_BYTES + 1, 2 * MAX_KEY_BYTES] {
        let (long, error) = (vec![7; len], Error::KeyTooLong { len });
        refused(&tree, &error, |tree| tree.put(&long, b""));
        refused(&tree, &error, |tree| tree.rename(b"a", &long, true));
        refused(&tree, &error, |tree| {
            tree.atomic(|batch| {
                batch.put(b"new", b"new");
                batch.delete(b"a");
                batch.put(&long, b"");
            })
        });
        refused(&tree, &error, |tree| {
            tree.atomic(|batch| {
                batch.put(b"new", b"new");
                batch.delete(&long);
            })
        });
    }
}

/// A key that no record can have is either not there or refused, never a panic.
#[test]
fn reading_over_the_key_limit_is_answered() {
    let tree = tree();
    let long = vec![0xff; MAX_KEY_BYTES + 1];
    let answered = |error: Error| assert_eq!(error, Error::KeyTooLong { len: long.len() });
    match tree.get(&long) {
        Ok(found) => assert_eq!(found, None),
        Err(error) => answered(error),
    }
    match tree.delete(&long) {
        Ok(found) => assert!(!found),
        Err(error) => answered(error),
    }
    for range in [tree.scan(&long), tree.range().start_after(&long)] {
        match range.page(10, 1000) {
            Ok(page) => assert!(page.entries.is_empty()),
            Err(error) => answered(error),
        }
    }
    assert_eq!(contents(&tree).len(), 3);
}

#[test]
fn values_of_every_size_up_to_the_limit_and_none_over_it() {
    let tree = tree();
    for size in value_sizes() {
        let key = format!("value-{size}");
        tree.put(key.as_bytes(), &value_of(size, 1)).expect("a value within the limit");
    }
    for size in value_sizes() {
        let found = tree.get(format!("value-{size}").as_bytes()).expect("it reads");
        assert!(found == Some(value_of(size, 1)), "value of {size} bytes");
    }
    assert!(tree.verify().expect("verify runs").is_clean());
    for len in [MAX_VALUE_BYTES + 1, 3 * MAX_VALUE_BYTES] {
        let (long, error) = (vec![7; len], Error::ValueTooLong { len });
        refused(&tree, &error, |tree| tree.put(b"a", &long));
        refused(&tree, &error, |tree| {
            tree.atomic(|batch| {
                batch.delete(b"a");
                batch.put(b"b", &long);
            })
        });
    }
}

/// The longest key and the longest value together, each size of key with a value that brings
/// the record to the limits of a page.
#[test]
fn the_largest_record_reads_back() {
    let tree = tree();
    let key = value_of(MAX_KEY_BYTES, 5);
    let value = value_of(MAX_VALUE_BYTES, 6);
    tree.put(&key, &value).expect("within both limits");
    assert!(tree.get(&key).expect("it reads").as_ref() == Some(&value));
    for key_bytes in (0..=1100).step_by(50) {
        for total in (980..1100).chain(PAGE_BYTES - 60..PAGE_BYTES + 8) {
            let Some(value_bytes) = total.checked_sub(key_bytes) else { continue };
            let key = value_of(key_bytes, 9);
            let value = value_of(value_bytes, total as u64);
            tree.put(&key, &value).expect("within both limits");
            assert!(
                tree.get(&key).expect("it reads") == Some(value),
                "{key_bytes} + {value_bytes}"
            );
        }
    }
    assert!(tree.verify().expect("verify runs").is_clean());
}

#[test]
fn a_batch_of_the_most_operations_applies_and_one_more_does_not() {
    let tree = tree();
    let error = Error::BatchTooLarge { len: MAX_BATCH_OPS + 1 };
    refused(&tree, &error, |tree| {
        tree.atomic(|batch| {
            for number in 0..=MAX_BATCH_OPS as u32 {
                batch.put(&number.to_be_bytes(), b"new");
            }
        })
    });
    // All on one record: the number of operations is the limit here, not the pages touched.
    let applied = tree.atomic(|batch| {
        for number in 0..MAX_BATCH_OPS as u32 {
            batch.put(b"a", &number.to_be_bytes());
        }
    });
    assert_eq!(applied, Ok(true));
    let last = (MAX_BATCH_OPS as u32 - 1).to_be_bytes();
    assert_eq!(tree.get(b"a").expect("it reads").as_deref(), Some(last.as_slice()));
}

#[test]
fn a_batch_over_the_log_record_is_refused_whole() {
    let tree = tree();
    let value = value_of(MAX_VALUE_BYTES, 3);
    let fits = MAX_RECORD_BYTES / MAX_VALUE_BYTES - 1;
    let fill = |tree: &Tree, values: usize| {
        tree.atomic(|batch| {
            for number in 0..values {
                batch.put(format!("large-{number}").as_bytes(), &value);
            }
        })
    };
    let before = contents(&tree);
    match fill(&tree, fits + 1) {
        Err(Error::WalRecordTooLarge { bytes, maximum }) => {
            assert!(bytes > maximum && maximum <= MAX_RECORD_BYTES, "{bytes} over {maximum}");
        }
        other => panic!("{} MiB of values in one batch gave {other:?}", fits + 1),
    }
    assert!(contents(&tree) == before, "a refused batch changed something");
    assert_eq!(fill(&tree, fits), Ok(true));
    assert_eq!(contents(&tree).len(), before.len() + fits);
    assert!(tree.verify().expect("verify runs").is_clean());
}

#[test]
fn scan_pages_are_bounded_however_much_is_asked_for() {
    let tree = Tree::memory().expect("a tree in memory opens");
    for chunk in 0..70_u32 {
        let applied = tree.atomic(|batch| {
            for number in 0..1000_u32 {
                batch.put(&(chunk * 1000 + number).to_be_bytes(), b"");
            }
        });
        assert_eq!(applied, Ok(true));
    }
    let page = tree.range_keys().page(usize::MAX, usize::MAX).expect("a page");
    assert!(page.entries.len() <= MAX_SCAN_ENTRIES, "{} entries", page.entries.len());
    assert!(page.next.is_some());
    assert_eq!(tree.range_keys().into_iter().count(), 70_000);
}

#[test]
fn frame_sizes_outside_the_bounds_are_refused() {
    let page = PAGE_BYTES as u32;
    for good in [MIN_FRAME_BYTES, MIN_FRAME_BYTES + page, MAX_FRAME_BYTES - page, MAX_FRAME_BYTES] {
        assert_eq!(Geometry::new(good).map(Geometry::frame_bytes), Ok(good));
    }
    let bad = [0, 1, page, MIN_FRAME_BYTES - page, MIN_FRAME_BYTES + 1, MAX_FRAME_BYTES + page];
    for bad in bad.into_iter().chain([MAX_FRAME_BYTES + 1, u32::MAX]) {
        let error = Geometry::new(bad).expect_err("outside the bounds");
        assert!(matches!(error, Error::InvalidArgument { .. }), "{bad}: {error}");
    }
}
