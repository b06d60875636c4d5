//! Moving and removing what is under a prefix, against a sorted map and the check of trees.

use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Census, Checker, Forest, Reader, Roots};
use crate::cache::Cache;
use crate::device::MemoryBlobStore;
use crate::error::Error;
use crate::geometry::Geometry;
use crate::ids::{Lsn, TreeId};
use crate::limits::{MAX_KEY_BYTES, MAX_LEVELS, MIN_FRAME_BYTES, MOVE_LEVELS};
use crate::random::{Random, repeats};

type Model = BTreeMap<Vec<u8>, (Vec<u8>, u64)>;

/// What was there at one moment.
struct Snapshot {
    epoch: u64,
    roots: Roots,
    model: BTreeMap<TreeId, Model>,
}

/// Trees and what they should hold.
struct Pair {
    forest: Forest,
    model: BTreeMap<TreeId, Model>,
    lsn: Lsn,
}

impl Pair {
    fn new(frame_bytes: u32, cache: u64, trees: u32) -> Self {
        let geometry = Geometry::new(frame_bytes).unwrap();
        let blobs = Arc::new(MemoryBlobStore::new(geometry, [3; 16]));
        let cache = Cache::new(blobs, cache, 0, 0);
        let counters = Default::default();
        let roots = Default::default();
        let mut forest = Forest { cache, roots, counters, thinned: Default::default() };
        (0..trees).for_each(|tree| forest.create_tree(tree).unwrap());
        let model = (0..trees).map(|tree| (tree, Model::new())).collect();
        Self { forest, model, lsn: 8 }
    }

    fn tick(&mut self) -> Lsn {
        self.lsn += 8;
        self.forest.cache.set_lsn(self.lsn);
        self.lsn
    }

    fn put(&mut self, tree: TreeId, key: &[u8], value: &[u8]) {
        let lsn = self.tick();
        let place = self.forest.make_place(tree, key, value.len()).unwrap();
        let remains = self.forest.settle(|f| f.write(tree, place, key, value, lsn)).unwrap();
        self.forest.give_back(remains);
        self.forest.cache.trim().unwrap();
        self.model.get_mut(&tree).unwrap().insert(key.into(), (value.into(), lsn));
    }

    fn delete(&mut self, tree: TreeId, key: &[u8]) {
        self.tick();
        let place = self.forest.with(|forest| forest.place(tree, key)).unwrap();
        let known = self.model.get_mut(&tree).unwrap().remove(key);
        assert_eq!(place.exact, known.is_some());
        if place.exact {
            let remains = self.forest.settle(|f| f.erase(tree, place)).unwrap();
            self.forest.give_back(remains);
            self.forest.shrink(tree, key).unwrap();
        }
        self.forest.cache.trim().unwrap();
    }

    fn under(&self, tree: TreeId, prefix: &[u8]) -> Model {
        let from = self.model[&tree].range(prefix.to_vec()..);
        let found = from.take_while(|(key, _)| key.starts_with(prefix));
        found.map(|(key, record)| (key.clone(), record.clone())).collect()
    }

    /// Moves in both, unless it is not allowed, which the forest must say as well.
    fn move_prefix(&mut self, from: TreeId, src: &[u8], to: TreeId, dst: &[u8]) -> Option<u64> {
        self.tick();
        if from == to && (src.starts_with(dst) || dst.starts_with(src)) {
            let refused = self.forest.move_prefix(from, src, to, dst);
            assert!(matches!(refused, Err(Error::InvalidArgument { .. })), "{refused:?}");
            return None;
        }
        if !self.under(to, dst).is_empty() {
            assert_eq!(self.forest.move_prefix(from, src, to, dst), Err(Error::DstExists));
            return None;
        }
        let moving = self.under(from, src);
        let grown = |key: &Vec<u8>| key.len() + dst.len() - src.len();
        let fits = moving.keys().all(|key| grown(key) <= MAX_KEY_BYTES);
        let by = dst.len().saturating_sub(src.len());
        assert_eq!(self.forest.keys_can_grow(from, src, by).unwrap(), fits || by == 0);
        if !fits {
            return None;
        }
        let moved = self.forest.move_prefix(from, src, to, dst).unwrap();
        assert_eq!(moved, moving.len() as u64);
        for (key, record) in moving {
            self.model.get_mut(&from).unwrap().remove(&key);
            let key = [dst, &key[src.len()..]].concat();
            assert!(self.model.get_mut(&to).unwrap().insert(key, record).is_none());
        }
        self.forest.cache.trim().unwrap();
        Some(moved)
    }

    fn remove_prefix(&mut self, tree: TreeId, prefix: &[u8]) -> u64 {
        self.tick();
        let gone = self.under(tree, prefix);
        let removed = self.forest.remove_prefix(tree, prefix).unwrap();
        assert_eq!(removed, gone.len() as u64);
        self.model.get_mut(&tree).unwrap().retain(|key, _| !gone.contains_key(key));
        self.forest.cache.trim().unwrap();
        removed
    }

    fn snapshot(&mut self) -> Snapshot {
        let epoch = self.forest.cache.take_snapshot().unwrap();
        Snapshot { epoch, roots: self.forest.roots.clone(), model: self.model.clone() }
    }

    /// Compares what a snapshot shows with what was there, and gives it back.
    fn look_back(&mut self, snapshot: &Snapshot) {
        for (&tree, model) in &snapshot.model {
            let mut key = Vec::new();
            let mut expected = model.iter();
            loop {
                let forest = &mut self.forest;
                let found = forest.with(|forest| {
                    let pages = forest.cache.past(snapshot.epoch);
                    let reader = Reader { pages: &pages, roots: &snapshot.roots };
                    let mut cursor = reader.seek(tree, &key, expected.len() < model.len())?;
                    let Some(entry) = reader.entry(&mut cursor)? else { return Ok(None) };
                    let mut found = Vec::new();
                    entry.key(&pages, &mut found)?;
                    let value = reader.value(entry.record.value)?.to_vec();
                    Ok(Some((found, (value, entry.record.version))))
                });
                let found = found.unwrap();
                let wanted = expected.next().map(|(key, record)| (key.clone(), record.clone()));
                assert!(found == wanted, "a snapshot shows something else");
                let Some((found, _)) = found else { break };
                key = found;
                self.forest.cache.trim().unwrap();
            }
        }
        self.forest.cache.retire_snapshot(snapshot.epoch);
    }

    fn cut(&mut self, tree: TreeId, key: &[u8]) {
        self.tick();
        self.forest.cut(tree, &key[..key.len().min(MAX_KEY_BYTES)]).unwrap();
        self.forest.cache.trim().unwrap();
    }

    /// The check of all trees; it must find nothing, and reach every page and extent there is.
    fn check(&mut self) -> Census {
        let mut damage = Vec::new();
        let mut found = |piece: crate::error::Corruption| damage.push(piece.to_string());
        let (census, limit) = (Census::default(), self.lsn + 1);
        let mut checker = Checker { census, found: &mut found, progress: &mut |_| {}, limit };
        let trees: Vec<TreeId> = self.forest.roots.keys().copied().collect();
        for tree in trees {
            self.forest.check(tree, &mut checker).unwrap();
        }
        let census = checker.census;
        assert_eq!(damage, Vec::<std::string::String>::new());
        // Nothing was published, so everything that is there is dirty.
        let there = census.pages + census.extents.len() as u64;
        assert_eq!(self.forest.cache.dirty_pages(), there, "pages or extents are lost");
        census
    }

    fn compare(&mut self) {
        for (&tree, model) in &self.model {
            assert_eq!(self.forest.roots[&tree].records, model.len() as u64);
            let forest = &mut self.forest;
            let mut cursor = forest.with(|f| f.reader().seek(tree, &[], false)).unwrap();
            for (key, (value, version)) in model {
                let same = forest.with(|forest| {
                    let reader = forest.reader();
                    let entry = reader.entry(&mut cursor)?.expect("a record is missing");
                    let mut found = Vec::new();
                    entry.key(&forest.cache, &mut found)?;
                    assert_eq!(short(&found), short(key));
                    let held = reader.value(entry.record.value)?;
                    Ok(found == *key && held == value && entry.record.version == *version)
                });
                assert!(same.unwrap(), "another record at {:?}", short(key));
                cursor.move_to(cursor.slot() + 1);
            }
            let end = forest.with(|f| Ok(f.reader().entry(&mut cursor)?.is_none())).unwrap();
            assert!(end, "a record too many");
            forest.cache.trim().unwrap();
        }
    }

    fn verify(&mut self) {
        self.check();
        self.compare();
    }

    /// Pages in use that were last changed at the present log position.
    fn changed_pages(&mut self) -> usize {
        let lsn = self.lsn;
        let frames = self.check().frames;
        let mut changed = 0;
        for frame in frames {
            for page in self.forest.frame_pages(frame).unwrap() {
                let at = self.forest.with(|f| Ok(f.cache.page(frame, page)?.lsn())).unwrap();
                changed += usize::from(at == lsn);
            }
        }
        changed
    }
}

/// A key that can be printed.
fn short(key: &[u8]) -> (std::string::String, usize) {
    (std::string::String::from_utf8_lossy(&key[..key.len().min(60)]).into(), key.len())
}

/// Prefixes as they are in life, and as they are meant to hurt.
fn prefix(random: &mut Random) -> Vec<u8> {
    match random.below(16) {
        0 => Vec::new(),
        1 => alloc::vec![0xff; random.below(4)],
        2 => [b"dir\xff\xff".as_slice(), &alloc::vec![0xff; random.below(3)]].concat(),
        3 => alloc::vec![random.below(256) as u8; 1 + random.below(2)],
        4 => [b"deep/".as_slice(), &alloc::vec![b'd'; 480 + random.below(80)]].concat(),
        5 => [b"wide/".as_slice(), &alloc::vec![b'w'; 200 + random.below(100)]].concat(),
        6 => alloc::vec![b'l'; 1000 + random.below(60)],
        7 => alloc::vec![b'a'; random.below(40)],
        8 => alloc::format!("a/b/{}/", random.below(3)).into(),
        9 => alloc::format!("a/b/{}", random.below(3)).into(),
        10 if random.below(4) == 0 => {
            [b"huge".as_slice(), &alloc::vec![b'h'; 64_400 + random.below(300)]].concat()
        }
        _ => alloc::format!("bucket-{:02}/", random.below(6)).into(),
    }
}

fn key(random: &mut Random) -> Vec<u8> {
    let mut key = prefix(random);
    match random.below(12) {
        0 => {}
        1 => key.extend(alloc::vec![b'a'; random.below(300)]),
        2 => key.extend(alloc::vec![b'x'; 900 + random.below(300)]),
        3 => key.extend(alloc::vec![random.below(256) as u8; random.below(4)]),
        4 => key.extend([0xff, 0xff, random.below(256) as u8]),
        5 => key.extend("sub/".repeat(random.below(30)).into_bytes()),
        _ => key.extend(alloc::format!("path/file-{:05}.bin", random.below(400)).into_bytes()),
    }
    key.truncate(MAX_KEY_BYTES);
    key
}

fn value(random: &mut Random) -> Vec<u8> {
    let len = match random.below(14) {
        0 => random.below(6000),
        1 => 900 + random.below(200),
        2 => 12 + random.below(2),
        _ => random.below(120),
    };
    alloc::vec![random.below(256) as u8; len]
}

/// A prefix under which something lies, more often than not.
fn source(pair: &Pair, tree: TreeId, random: &mut Random) -> Vec<u8> {
    if random.below(3) == 0 {
        return prefix(random);
    }
    let from = key(random);
    let mut found = match pair.model[&tree].range(from.clone()..).next() {
        Some((key, _)) => key.clone(),
        None => from,
    };
    match random.below(4) {
        0 => found.truncate(random.below(found.len() + 1)),
        1 => found.truncate(random.below(found.len().min(30) + 1)),
        _ => {
            let cut = found.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
            found.truncate(cut);
        }
    }
    found
}

fn destination(src: &[u8], random: &mut Random) -> Vec<u8> {
    let mut dst = match random.below(5) {
        // Beside the source.
        0 => src.into(),
        1 => [src, b"\xff"].concat(),
        _ => prefix(random),
    };
    if let Some(last) = dst.last_mut() {
        *last = last.wrapping_add(random.below(3) as u8).wrapping_sub(1);
    }
    if random.below(2) == 0 {
        dst.extend(alloc::format!("to-{}/", random.below(9)).into_bytes());
    }
    dst
}

fn script(seed: u64, frame_bytes: u32, rounds: usize) {
    let mut random = Random::new(seed);
    let mut pair = Pair::new(frame_bytes, 256 * 1024, 3);
    let mut moved = 0;
    let mut snapshots = Vec::new();
    for round in 0..rounds {
        let (tree, other) = (random.below(3) as u32, random.below(3) as u32);
        match random.below(40) {
            0 => {
                let prefix = source(&pair, tree, &mut random);
                pair.remove_prefix(tree, &prefix);
                pair.verify();
            }
            1..=3 => {
                let src = source(&pair, tree, &mut random);
                let dst = destination(&src, &mut random);
                for _ in 0..random.below(4) / 2 {
                    // Borders in the destination, where the source has others.
                    let under = pair.under(tree, &src);
                    let keys: Vec<_> = under.keys().collect();
                    if let Some(key) = keys.get(random.below(keys.len().max(1))) {
                        let key = [&dst, &key[src.len()..]].concat();
                        pair.cut(other, &key);
                    }
                }
                moved += pair.move_prefix(tree, &src, other, &dst).unwrap_or(0);
                pair.verify();
            }
            4..=7 => {
                let from = key(&mut random);
                let found = pair.model[&tree].range(from.clone()..).next();
                let key = found.map_or(from, |(key, _)| key.clone());
                pair.delete(tree, &key);
            }
            8 => {
                // A run of keys with one shape, so that ranges of whole frames come about.
                let prefix = source(&pair, tree, &mut random);
                for number in 0..random.below(200) {
                    let mut key = prefix.clone();
                    key.extend(alloc::format!("run-{number:04}").into_bytes());
                    if key.len() <= MAX_KEY_BYTES {
                        pair.put(tree, &key, &value(&mut random));
                    }
                }
            }
            9 => {
                // Borders where no one needs them, and frames without records.
                for _ in 0..random.below(6) {
                    let key = key(&mut random);
                    pair.cut(tree, &key);
                }
                pair.check();
            }
            11 if snapshots.len() < 3 => snapshots.push(pair.snapshot()),
            11 => pair.look_back(&snapshots.remove(random.below(3))),
            10 => {
                let from = key(&mut random);
                pair.tick();
                pair.forest.compact_at(tree, &from).unwrap();
                pair.forest.cache.trim().unwrap();
                pair.check();
            }
            _ => pair.put(tree, &key(&mut random), &value(&mut random)),
        }
        if round % 50 == 0 {
            pair.check();
        }
    }
    pair.verify();
    assert!(moved > 0, "seed {seed} moved nothing");
}

fn seeds(usual: u64) -> u64 {
    std::env::var("HOLT_MOVE_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

#[test]
fn scripts_agree_with_a_sorted_map_in_small_frames() {
    for seed in 0..seeds(repeats(12, 1) as u64) {
        std::println!("seed {seed}");
        script(seed, 16 * 1024, repeats(600, 60));
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn scripts_agree_with_a_sorted_map_in_larger_frames() {
    for seed in 1000..1000 + seeds(12) / 3 {
        std::println!("seed {seed}");
        script(seed, 64 * 1024, 1200);
    }
}

/// Many records under `dir`, and others around them.
fn library(pair: &mut Pair, tree: TreeId, dir: &str, records: usize) {
    for number in 0..records / 20 {
        pair.put(tree, alloc::format!("a/{number:06}").as_bytes(), &[1; 60]);
        pair.put(tree, alloc::format!("z/{number:06}").as_bytes(), &[2; 60]);
    }
    for number in 0..records {
        let key = alloc::format!("{dir}shelf-{:03}/book-{number:07}.txt", number % 317);
        pair.put(tree, key.as_bytes(), &[3; 100]);
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_large_directory_costs_its_frames_and_edges() {
    const RECORDS: usize = 100_000;
    let mut pair = Pair::new(512 * 1024, 1 << 20, 2);
    library(&mut pair, 0, "photos/", RECORDS);
    let before = pair.check();
    let pages = before.pages as usize;
    let frames = before.frames.len();
    assert!(pages > 30 * frames, "{pages} pages in {frames} frames");
    // Up to four frames are cut, and what is left of them is joined again.
    let edges = 6 * 128;

    let misses = pair.forest.cache.counters.misses;
    assert_eq!(pair.move_prefix(0, b"photos/", 0, b"library/pictures/"), Some(RECORDS as u64));
    let read = pair.forest.cache.counters.misses - misses;
    let changed = pair.changed_pages();
    std::println!("{pages} pages in {frames} frames: {read} read, {changed} changed");
    assert!(changed < 2 * frames + edges, "{changed} pages changed in {frames} frames");
    assert!((read as usize) < 4 * frames + edges, "{read} pages read for {frames} frames");
    pair.verify();

    assert_eq!(pair.move_prefix(0, b"library/", 1, b""), Some(RECORDS as u64));
    let changed = pair.changed_pages();
    assert!(changed < 2 * frames + edges, "{changed} pages changed in {frames} frames");
    pair.verify();

    let misses = pair.forest.cache.counters.misses;
    assert_eq!(pair.remove_prefix(1, b"pictures/shelf-1"), 31_545);
    let read = pair.forest.cache.counters.misses - misses;
    assert!((read as usize) < 4 * frames + edges, "{read} pages read for {frames} frames");
    pair.verify();
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_tree_of_several_levels_can_be_emptied_and_filled() {
    let mut pair = Pair::new(16 * 1024, 256 * 1024, 2);
    library(&mut pair, 0, "m/", 20_000);
    assert!(pair.forest.roots[&0].level >= 2, "{:?}", pair.forest.roots[&0]);
    let frames = pair.forest.roots[&0].frames;
    for dir in ["q/", "b/deeper/", "m/"] {
        let src = pair.model[&0].keys().find(|key| !key.starts_with(b"a/")).unwrap();
        let src = src[..src.iter().rposition(|&byte| byte == b's').unwrap()].to_vec();
        let src =
            src[..src.windows(5).position(|part| part == b"shelf").unwrap_or(src.len())].to_vec();
        assert_eq!(pair.move_prefix(0, &src, 0, dir.as_bytes()), Some(20_000));
        pair.verify();
    }
    assert!(pair.forest.roots[&0].frames < frames + 30, "{:?} {frames}", pair.forest.roots[&0]);
    // The whole tree into the other, and all but a few of it back.
    assert_eq!(pair.move_prefix(0, b"", 1, b"copy of "), Some(22_000));
    pair.verify();
    let empty = pair.forest.roots[&0];
    assert_eq!((empty.level, empty.records, empty.frames), (0, 0, 1));
    assert_eq!(pair.move_prefix(1, b"copy of m/shelf-", 0, b"\xff\xff"), Some(20_000));
    pair.verify();
    assert_eq!(pair.remove_prefix(0, b""), 20_000);
    let empty = pair.forest.roots[&0];
    assert_eq!((empty.level, empty.records, empty.frames), (0, 0, 1));
    pair.verify();
    assert_eq!(pair.forest.remove_tree(1), Ok(2_000));
    assert_eq!(pair.forest.remove_tree(1), Ok(0));
    pair.model.remove(&1);
    pair.verify();
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn frames_whose_heads_grow_too_large_are_halved() {
    let mut pair = Pair::new(512 * 1024, 8 << 20, 2);
    // Groups of keys that share 180 bytes within, and little with others: few anchors fill
    // page 0.
    for number in 0..6_000 {
        let mut random = Random::new(number % 300);
        let mut key = b"dir/".to_vec();
        key.extend((0..180).map(|_| b'a' + random.below(26) as u8));
        key.extend(alloc::format!("{:02}", number / 300).into_bytes());
        pair.put(0, &key, &[1; 300]);
    }
    let spills = pair.forest.counters.spills;
    let dst = alloc::vec![b'd'; 300];
    assert_eq!(pair.move_prefix(0, b"dir/", 1, &dst), Some(6_000));
    // Both ends of both ranges account for four.
    assert!(pair.forest.counters.spills > spills + 4, "no head was too large");
    pair.verify();
}

#[test]
fn at_the_limit_of_levels_nothing_is_damaged_and_what_would_go_beyond_is_refused() {
    let mut pair = Pair::new(MIN_FRAME_BYTES, 8 << 20, 1);
    (0..300).for_each(|at| pair.put(0, alloc::format!("dir/{at:05}").as_bytes(), &[1; 100]));
    let raise = |pair: &mut Pair, to: u8| {
        while pair.forest.roots[&0].level < to {
            pair.forest.settle(|forest| forest.raise_root(0)).unwrap();
        }
    };
    // As many as a move may begin with.
    raise(&mut pair, MAX_LEVELS - MOVE_LEVELS - 1);
    assert_eq!(pair.move_prefix(0, b"dir/", 0, b"moved/"), Some(300));
    pair.verify();
    raise(&mut pair, MAX_LEVELS - 1);
    pair.verify();
    let full = |result: Result<(), Error>| {
        assert!(matches!(result, Err(Error::QuotaExceeded { .. })), "{result:?}");
    };
    full(pair.forest.move_prefix(0, b"moved/", 0, b"dir/").map(drop));
    assert!(pair.forest.settle(|forest| forest.raise_root(0)).is_err());
    // Records that need no other page come and go; one that does is refused.
    pair.delete(0, b"moved/00007");
    pair.put(0, b"moved/00007", &[2; 90]);
    let mut at = 0;
    let refused = loop {
        let key = alloc::format!("moved/{at:05}+");
        match pair.forest.make_place(0, key.as_bytes(), 100) {
            Ok(_) => pair.put(0, key.as_bytes(), &[3; 100]),
            Err(error) => break error,
        }
        at += 1;
    };
    full(Err(refused));
    pair.verify();
}
