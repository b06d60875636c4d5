//! Lookups against the model: by key, by prefix, several at a time.

use alloc::vec::Vec;
use std::thread;

use super::{Awkward, Model, Random, grown, keys_of, open, store};
use crate::cache::Cache;
use crate::db::ahead::Ahead;
use crate::db::lookup::prefix_count;
use crate::db::scan_part::Buffers;
use crate::db::source::Source;
use crate::db::{Options, Tree, View};
use crate::error::{Error, Result};
use crate::forest::Reader;
use crate::ids::TreeId;
use crate::limits::{MAX_COUNT_FRAMES, MAX_GET_MANY_KEYS, MAX_KEY_BYTES, MIN_CACHE_BYTES};
use crate::node::Miss;

fn longest<'a>(model: &'a Model, query: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    (0..=query.len()).rev().find_map(|len| {
        model.get_key_value(&query[..len]).map(|(key, value)| (key.as_slice(), value.as_slice()))
    })
}

fn check_prefixes(tree: &Tree, model: &Model, query: &[u8], random: &mut Random) {
    let found = tree.longest_prefix_record(query).unwrap();
    let wanted = longest(model, query);
    assert_eq!(found.as_ref().map(|f| (f.key.as_slice(), f.value.as_slice())), wanted, "{query:?}");
    if let Some(found) = found {
        assert_eq!(tree.get_version(&found.key), Ok(Some(found.version)));
    }
    let all = model.range(query.to_vec()..).take_while(|(key, _)| key.starts_with(query)).count();
    assert_eq!(tree.is_prefix_empty(query), Ok(all == 0), "{query:?}");
    let exact = tree.prefix_count(query, 0).unwrap();
    assert_eq!((exact.count, exact.exact), (all as u64, true), "{query:?}");
    let limit = 1 + random.below(all + 2);
    let count = tree.prefix_count(query, limit).unwrap();
    assert_eq!((count.count, count.exact), (all.min(limit) as u64, all <= limit), "{query:?}");
}

fn check_point(tree: &Tree, model: &Model, key: &[u8], out: &mut Vec<u8>) {
    let wanted = model.get(key);
    assert_eq!(tree.get(key).unwrap().as_ref(), wanted);
    assert_eq!(tree.get_with(key, <[u8]>::to_vec).unwrap().as_ref(), wanted);
    assert_eq!(tree.get_into(key, out), Ok(wanted.is_some()));
    assert_eq!(Some(&*out).filter(|_| wanted.is_some()), wanted);
    assert!(wanted.is_some() || out.is_empty());
    assert_eq!(tree.contains_key(key), Ok(wanted.is_some()));
    let record = tree.get_record(key).unwrap();
    assert_eq!(tree.get_version(key).unwrap(), record.map(|record| record.version));
}

fn run(seed: u64, cold: bool) {
    let mut random = Random::new(seed);
    let (tree, model) = grown(&mut random, 1000, cold);
    let keys = keys_of(&model);
    let mut out = Vec::new();
    let mut matched = 0;
    for _ in 0..1500 {
        let query = random.near(&keys);
        check_prefixes(&tree, &model, &query, &mut random);
        check_point(&tree, &model, &query, &mut out);
        matched += usize::from(longest(&model, &query).is_some_and(|(key, _)| key.len() > 1));
    }
    assert!(matched > 200, "only {matched} queries with a key before them");
    for _ in 0..30 {
        let asked: Vec<Vec<u8>> = (0..random.below(80)).map(|_| random.near(&keys)).collect();
        let wanted: Vec<Option<Vec<u8>>> =
            asked.iter().map(|key| model.get(key).cloned()).collect();
        assert_eq!(tree.get_many(&asked), Ok(wanted));
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn lookups_agree_with_the_model_in_memory() {
    for seed in 20..23 {
        run(seed, false);
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn lookups_agree_with_the_model_when_read_from_a_store() {
    for seed in 30..33 {
        run(seed, true);
    }
}

/// A staircase: every key a prefix of the next, from the empty one to the longest.
#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn staircases_are_climbed_to_the_right_step() {
    let tree = open(&store(), MIN_CACHE_BYTES);
    let step = |len: usize| alloc::vec![b's'; len];
    let lens: Vec<usize> = (0..1100).step_by(3).chain((1100..9000).step_by(450)).collect();
    for &len in &lens {
        tree.put(&step(len), &len.to_le_bytes()).unwrap();
    }
    for len in (0..9200).step_by(41) {
        let below = lens.iter().copied().filter(|step| *step <= len).max().unwrap();
        for query in
            [step(len), [step(len), b"t".to_vec()].concat(), [step(len), b"\0".to_vec()].concat()]
        {
            let found = tree.longest_prefix_record(&query).unwrap().unwrap();
            assert_eq!(found.key.len(), below);
            assert_eq!(found.value, below.to_le_bytes());
        }
    }
    assert_eq!(tree.prefix_count(&step(1100), 0).unwrap().count, 18);
}

/// Every candidate before the answer ends one byte earlier than the one before it.
#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_ladder_of_near_misses_leads_down_to_the_answer() {
    let tree = open(&store(), MIN_CACHE_BYTES);
    tree.put(b"z", b"answer").unwrap();
    for len in 1..1500 {
        tree.put(&[&alloc::vec![b'z'; len], &b"y"[..]].concat(), b"miss").unwrap();
    }
    let found = tree.longest_prefix_record(&alloc::vec![b'z'; MAX_KEY_BYTES]).unwrap().unwrap();
    assert_eq!(found.value, b"answer");
    tree.delete(b"z").unwrap();
    assert_eq!(tree.longest_prefix_record(&alloc::vec![b'z'; 2000]), Ok(None));
}

#[test]
fn too_many_keys_at_a_time_are_refused() {
    let tree = Tree::memory().unwrap();
    tree.put(b"", b"x").unwrap();
    let keys = alloc::vec![b""; MAX_GET_MANY_KEYS + 1];
    assert!(matches!(tree.get_many(&keys), Err(Error::InvalidArgument { .. })));
    assert_eq!(tree.get_many(&keys[1..]).unwrap().len(), MAX_GET_MANY_KEYS);
    assert_eq!(tree.get_many::<&[u8]>(&[]), Ok(Vec::new()));
}

/// What is written together is read together, by several keys and by counting, though most of
/// it has to be read from the store between two looks.
#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn several_keys_and_counts_see_all_of_a_batch_or_none() {
    let tree = open(&store(), MIN_CACHE_BYTES);
    let name = |at: usize| alloc::format!("pair/{at:05}").into_bytes();
    for at in 0..4000 {
        tree.put(&name(at), &alloc::vec![0; 400]).unwrap();
    }
    // Before the first batch, which takes it away.
    tree.put(b"pair/z", b"").unwrap();
    let pairs: Vec<Vec<u8>> = (0..4000).step_by(500).map(name).collect();
    let writer = {
        let (tree, pairs) = (tree.clone(), pairs.clone());
        thread::spawn(move || {
            for round in 0..400_u32 {
                tree.atomic(|batch| {
                    for key in &pairs {
                        batch.put(key, &round.to_le_bytes().repeat(100));
                    }
                    // One comes at one end of the tree, and one goes at the other.
                    let (comes, goes) = if round % 2 == 0 { ("a", "z") } else { ("z", "a") };
                    batch.put(alloc::format!("pair/{comes}").as_bytes(), b"");
                    batch.delete(alloc::format!("pair/{goes}").as_bytes());
                })
                .unwrap();
            }
        })
    };
    while !writer.is_finished() {
        let values = tree.get_many(&pairs).unwrap();
        assert!(values.windows(2).all(|two| two[0] == two[1]), "torn");
        assert_eq!(tree.prefix_count(b"pair/", 0).unwrap().count, 4001);
    }
    writer.join().unwrap();
}

/// A tree in which a writer follows each look: it takes the record at one end to the other.
#[derive(Clone)]
struct Turning(Tree);

impl Turning {
    fn turn(&self) {
        let ends: [&[u8]; 2] = [b"k/", b"k/z"];
        let at_end = self.0.contains_key(ends[1]).unwrap();
        let (from, to) = if at_end { (ends[1], ends[0]) } else { (ends[0], ends[1]) };
        self.0.rename(from, to, false).unwrap();
    }
}

impl Source for Turning {
    type Pages<'a> = Cache;

    fn tree(&self) -> TreeId {
        self.0.tree
    }

    fn snapshot(&self) -> Option<u64> {
        None
    }

    fn buffers(&self) -> &Buffers {
        self.0.buffers()
    }

    fn still(&self) -> Result<View> {
        let still = self.0.still()?;
        self.turn();
        Ok(still)
    }

    fn look_anew<T>(
        &self,
        ahead: &mut Ahead,
        look: impl FnMut(Reader<'_, Cache>, bool) -> Result<T, Miss>,
    ) -> Result<T> {
        let found = self.0.look_anew(ahead, look)?;
        self.turn();
        Ok(found)
    }
}

/// With room for a snapshot, and without.
#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_count_over_many_frames_is_of_one_state() {
    const RECORDS: usize = 18_000;
    for snapshot_bytes in [1 << 30, 0] {
        let options = Options { cache_bytes: 1 << 30, snapshot_bytes, ..Options::default() };
        let tree = Tree::open_with_devices(store(), None, options).unwrap();
        for at in 0..RECORDS {
            tree.put(alloc::format!("k/{at:06}").as_bytes(), &[0; 900]).unwrap();
        }
        assert!(tree.stats().unwrap().frames > MAX_COUNT_FRAMES as u64 + 100);
        tree.put(b"k/z", b"").unwrap();
        let tree = Turning(tree);
        let expires = tree.still().unwrap().get(b"k/000000").is_err();
        assert_eq!(expires, snapshot_bytes == 0);
        for _ in 0..2 {
            let count = prefix_count(&tree, b"k/", 0).unwrap();
            assert_eq!((count.count, count.exact), (RECORDS as u64 + 1, true));
            let some = prefix_count(&tree, b"k/", RECORDS).unwrap();
            assert_eq!((some.count, some.exact), (RECORDS as u64, false));
            tree.turn();
        }
    }
}
