//! Moves and removals of prefixes beside checkpoints: what is published is the state at the cut.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::core::Core;
use super::options::Options;
use super::verify;
use crate::checkpoint::Running;
use crate::device::{BlobStore, MemoryBlobStore};
use crate::geometry::Geometry;
use crate::ids::STANDALONE_TREE as TREE;
use crate::limits::{MIN_CACHE_BYTES, MIN_FRAME_BYTES};
use crate::random::Random;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn open(blobs: &Arc<dyn BlobStore>, read_only: bool) -> Core {
    let options = Options {
        cache_bytes: MIN_CACHE_BYTES,
        auto_checkpoint: false,
        read_only,
        ..Options::default()
    };
    Core::open(Arc::clone(blobs), None, options).unwrap()
}

fn contents(core: &mut Core) -> Model {
    let mut found = Model::new();
    let mut cursor = core.forest.with(|f| f.reader().seek(TREE, &[], false)).unwrap();
    let mut key = Vec::new();
    loop {
        let value = core.forest.with(|forest| {
            let reader = forest.reader();
            let Some(entry) = reader.entry(&mut cursor)? else { return Ok(None) };
            entry.key(&forest.cache, &mut key)?;
            reader.value(entry.record.value).map(|value| Some(value.to_vec()))
        });
        let Some(value) = value.unwrap() else { return found };
        found.insert(key.clone(), value);
        cursor.move_to(cursor.slot() + 1);
        core.forest.cache.trim().unwrap();
    }
}

fn sound(core: &mut Core, model: &Model) {
    let report = verify::run(core, &mut |_, _| {}).unwrap();
    assert!(report.is_clean(), "{:?}", report.damage);
    assert!(contents(core) == *model, "other records than the model's");
}

fn dir(random: &mut Random) -> Vec<u8> {
    match random.below(8) {
        0 => alloc::vec![b'p'; 300 + random.below(300)],
        1 => [b"long/".as_slice(), &alloc::vec![b'q'; 1000]].concat(),
        _ => alloc::format!("dir-{}/", random.below(6)).into(),
    }
}

fn relocate(core: &mut Core, model: &mut Model, random: &mut Random) {
    let (src, dst) = (dir(random), dir(random));
    let under = |model: &Model, prefix: &[u8]| -> Model {
        let keys = model.iter().filter(|(key, _)| key.starts_with(prefix));
        keys.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let moving = under(model, &src);
    if src.starts_with(&dst) || dst.starts_with(&src) || random.below(6) == 0 {
        assert_eq!(core.forest.remove_prefix(TREE, &src).unwrap(), moving.len() as u64);
        model.retain(|key, _| !moving.contains_key(key));
        return;
    }
    let replaced = under(model, &dst).len() as u64;
    assert_eq!(core.forest.remove_prefix(TREE, &dst).unwrap(), replaced);
    model.retain(|key, _| !key.starts_with(&dst));
    let moved = core.forest.move_prefix(TREE, &src, TREE, &dst).unwrap();
    assert_eq!(moved, moving.len() as u64);
    for (key, value) in moving {
        model.remove(&key);
        model.insert([&dst, &key[src.len()..]].concat(), value);
    }
}

fn script(seed: u64) {
    let mut random = Random::new(seed);
    let geometry = Geometry::new(MIN_FRAME_BYTES).unwrap();
    let blobs: Arc<dyn BlobStore> = Arc::new(MemoryBlobStore::new(geometry, [5; 16]));
    let mut core = open(&blobs, false);
    let mut model = Model::new();
    let mut cut: Option<(Running, Model)> = None;
    for _ in 0..1500 {
        match (random.below(30), &mut cut) {
            (0, _) => relocate(&mut core, &mut model, &mut random),
            (1, None) => {
                let clock = core.limit();
                let running = Running::begin(&mut core.forest, None, clock).unwrap();
                cut = Some((running, model.clone()));
            }
            (1..=3, Some((running, _))) => {
                running.step(&mut core.forest, 1 + random.below(40)).unwrap();
            }
            (4, Some(_)) if random.below(3) == 0 => {
                if let Some((mut running, then)) = cut.take() {
                    running.publish(&mut core.forest).unwrap();
                    running.published(&mut core.forest);
                    sound(&mut open(&blobs, true), &then);
                    sound(&mut core, &model);
                }
            }
            (5, None) => {
                core.checkpoint().unwrap();
                core = open(&blobs, false);
                sound(&mut core, &model);
            }
            (6..=9, _) => {
                let from = dir(&mut random);
                if let Some((key, _)) = model.range(from..).next() {
                    let key = key.clone();
                    assert!(core.delete_when(TREE, &key, crate::txn::Expect::Anything).unwrap());
                    model.remove(&key);
                }
            }
            _ => {
                let mut key = dir(&mut random);
                key.extend(alloc::format!("file-{:03}", random.below(300)).into_bytes());
                let len = if random.below(12) == 0 { 2000 } else { random.below(200) };
                let value = alloc::vec![random.below(256) as u8; len];
                core.put(TREE, &key, &value).unwrap();
                model.insert(key, value);
            }
        }
        core.forest.cache.trim().unwrap();
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_checkpoint_publishes_its_cut_whatever_moves_meanwhile() {
    let seeds = std::env::var("HOLT_MOVE_SEEDS").ok().and_then(|n| n.parse().ok());
    for seed in 1..=seeds.unwrap_or(8u64) {
        std::println!("seed {seed}");
        script(seed);
    }
}
