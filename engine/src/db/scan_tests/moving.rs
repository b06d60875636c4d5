//! Scans while others write: nothing that stays is missed, repeated or out of order.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use std::thread;

use super::{Ask, Awkward, Item, Random, grown, keys_of, open, store};
use crate::db::{MemoryHint, Options, RangeEntryRef, Tree};
use crate::limits::{MAX_SCAN_BYTES, MAX_SCAN_ENTRIES, MIN_CACHE_BYTES};
use crate::random::repeats;

/// Something between two entries of an iterator: records come, go and change, and pages and
/// frames split and merge under it.
fn disturb(
    tree: &Tree,
    stable: &BTreeSet<Vec<u8>>,
    random: &mut Random,
    ever: &mut BTreeSet<Vec<u8>>,
) {
    for _ in 0..random.below(12) {
        let key = random.key();
        if stable.contains(&key) {
            continue;
        }
        if random.one_in(3) {
            tree.delete(&key).unwrap();
        } else {
            tree.put(&key, &alloc::vec![1; random.below(400)]).unwrap();
            ever.insert(key);
        }
    }
    if random.one_in(400) {
        tree.compact().unwrap();
    }
}

fn run(seed: u64, cold: bool) {
    let mut random = Random::new(seed);
    let (tree, mut model) = grown(&mut random, 900, cold);
    for _ in 0..8 {
        // Half of what is there may go.
        let stable: BTreeSet<Vec<u8>> =
            model.keys().filter(|_| random.one_in(2)).cloned().collect();
        let mut ever: BTreeSet<Vec<u8>> = model.keys().cloned().collect();
        let ask = Ask::random(&mut random, &keys_of(&model));
        let mut kept = model.clone();
        kept.retain(|key, _| stable.contains(key));
        let wanted = ask.expected(&kept);
        let mut found: Vec<Item> = Vec::new();
        for entry in ask.records(&tree) {
            found.push(entry.unwrap().into());
            disturb(&tree, &stable, &mut random, &mut ever);
        }
        let in_order = found.windows(2).all(|two| match ask.reverse {
            false => two[0].bytes() < two[1].bytes(),
            true => two[0].bytes() > two[1].bytes(),
        });
        assert!(in_order, "{ask:?} went back");
        let missed = wanted.iter().find(|item| !found.contains(item));
        assert_eq!(missed, None, "{ask:?}");
        for item in &found {
            let known = match item {
                Item::Record(key, _) => ever.contains(key),
                Item::RollUp(prefix) => {
                    ever.range(prefix.clone()..).next().is_some_and(|key| key.starts_with(prefix))
                }
            };
            assert!(known, "{item:?} never was there");
        }
        model = tree
            .range()
            .into_iter()
            .map(|entry| Item::from(entry.unwrap()))
            .map(|item| {
                let Item::Record(key, value) = item else {
                    panic!("a roll-up without a delimiter")
                };
                (key, value)
            })
            .collect();
        if model.len() < 300 {
            return;
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn iterators_go_on_where_they_were_while_others_write() {
    for seed in 40..44 {
        run(seed, seed % 2 == 0);
    }
}

#[test]
fn iterators_go_on_beside_a_writing_thread() {
    const KEYS: usize = repeats(1500, 40);
    let tree = open(&store(), MIN_CACHE_BYTES);
    let stable = |at: usize| alloc::format!("{:04}/stable", at).into_bytes();
    for at in 0..KEYS {
        tree.put(&stable(at), &alloc::vec![7; at % 200]).unwrap();
    }
    let writer = {
        let tree = tree.clone();
        thread::spawn(move || {
            let mut random = Random::new(50);
            for _ in 0..repeats(6000, 40) {
                let key = alloc::format!("{:04}/{}", random.below(KEYS), random.below(3));
                if random.one_in(2) {
                    tree.put(key.as_bytes(), &alloc::vec![8; random.below(300)]).unwrap();
                } else {
                    tree.delete(key.as_bytes()).unwrap();
                }
            }
        })
    };
    let mut rounds = 0;
    while !writer.is_finished() || rounds < 2 {
        for reverse in [false, true] {
            let scan = if reverse { tree.range().reverse() } else { tree.range() };
            let mut next: Vec<usize> = (0..KEYS).collect();
            if !reverse {
                next.reverse();
            }
            let mut seen = 0;
            scan.visit(usize::MAX, |entry| {
                if let RangeEntryRef::Key { key, value, .. } = entry
                    && key.ends_with(b"stable")
                {
                    let at = next.pop().expect("no more than there are");
                    assert_eq!((key, value.len()), (stable(at).as_slice(), at % 200));
                    seen += 1;
                }
                Ok(())
            })
            .unwrap();
            assert_eq!(seen, KEYS);
        }
        rounds += 1;
    }
    writer.join().unwrap();
}

/// Visitors may use the tree they are called from, for writing too.
#[test]
fn visitors_may_call_back_into_the_tree() {
    let tree = Tree::memory().unwrap();
    for at in 0..1000_u32 {
        tree.put(alloc::format!("src/{at:04}").as_bytes(), &at.to_le_bytes()).unwrap();
    }
    let stats = tree.scan(b"src/").visit(usize::MAX, |entry| {
        let RangeEntryRef::Key { key, value, version } = entry else { return Ok(()) };
        assert_eq!(tree.get_version(key)?, Some(version));
        tree.put(&[b"dst", &key[3..]].concat(), value)?;
        tree.delete(key)?;
        Ok(())
    });
    assert_eq!(stats.unwrap().returned, 1000);
    assert_eq!(tree.prefix_count(b"dst/", 0).unwrap().count, 1000);
    assert_eq!(tree.is_prefix_empty(b"src/"), Ok(true));
    let doubled = tree.get_with(b"dst/0001", |value| tree.put(b"dst/0002", &value.repeat(2)));
    assert_eq!(doubled, Ok(Some(Ok(()))));
    assert_eq!(tree.get(b"dst/0002").unwrap().unwrap().len(), 8);
}

/// One call that goes over far more pages than the cache may hold does not keep them.
#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_long_listing_does_not_fill_the_memory() {
    use core::sync::atomic::{AtomicUsize, Ordering};
    static CHUNKS: AtomicUsize = AtomicUsize::new(0);
    let blobs = store();
    let tree = open(&blobs, 256 << 20);
    const DIRECTORIES: usize = 9000;
    for at in 0..DIRECTORIES {
        for file in 0..3 {
            let key = alloc::format!("{at:05}/{file}");
            tree.put(key.as_bytes(), &alloc::vec![at as u8; 950]).unwrap();
        }
    }
    tree.checkpoint().unwrap();
    drop(tree);
    let memory_hint = MemoryHint(Some(|_, _| {
        CHUNKS.fetch_add(1, Ordering::Relaxed);
    }));
    let options = Options { cache_bytes: MIN_CACHE_BYTES, memory_hint, ..Options::default() };
    let tree = Tree::open_with_devices(blobs, None, options).unwrap();
    let page = tree.range().delimiter(b'/').page(MAX_SCAN_ENTRIES, MAX_SCAN_BYTES).unwrap();
    assert_eq!((page.entries.len(), page.next), (DIRECTORIES, None));
    let pages = tree.stats().unwrap().cache_misses as usize;
    let chunk = crate::limits::SLAB_CHUNK_PAGES;
    assert!(pages > 2 * chunk, "only {pages} pages were read");
    assert_eq!(CHUNKS.load(Ordering::Relaxed), 1, "memory for {pages} pages at once");
}
