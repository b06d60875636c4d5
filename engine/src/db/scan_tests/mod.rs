//! Scans and lookups against a sorted map: the trees, keys and the model they share.
//!
//! Frames are of the smallest size, so that some hundred records span many frames on several
//! levels.

mod listings;
mod lookups;
mod moving;
mod parts;
mod tokens;

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{KeyRangeBuilder, KeyRangeEntry, Options, RangeBuilder, RangeEntry, Tree};
use crate::device::{BlobStore, MemoryBlobStore};
use crate::geometry::Geometry;
use crate::limits::{MIN_CACHE_BYTES, MIN_FRAME_BYTES};
pub(super) use crate::random::Random;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// What scans get wrong, drawn.
pub(super) trait Awkward {
    /// Bytes that bounds and separators get wrong.
    fn nasty(&mut self, most: usize) -> Vec<u8>;
    /// A key, at times long, at times near others.
    fn key(&mut self) -> Vec<u8>;
    /// A value, at times long.
    fn value(&mut self) -> Vec<u8>;
    /// A string near the keys of the model: one of them, a part, or an extension.
    fn near(&mut self, keys: &[Vec<u8>]) -> Vec<u8>;
}

impl Awkward for Random {
    fn nasty(&mut self, most: usize) -> Vec<u8> {
        let bytes = [0, 1, b'/', b'0', b'a', b'b', 0xfe, 0xff];
        (0..self.below(most + 1)).map(|_| *self.pick(&bytes)).collect()
    }

    fn key(&mut self) -> Vec<u8> {
        match self.below(12) {
            0 => self.nasty(4),
            1 => self.nasty(14),
            2 => alloc::vec![0xff; self.below(6)],
            3 => alloc::vec![b'a'; self.below(90)],
            4 => b"b/".repeat(self.below(60)),
            5 => [alloc::vec![0xff; self.below(40)], self.nasty(3)].concat(),
            // Long ones that differ before, at and behind what a page keeps of them.
            6 => [alloc::vec![b'l'; 1015 + self.below(20)], self.nasty(6)].concat(),
            7 => [b"l/".repeat(600 + self.below(3)), self.nasty(5)].concat(),
            8 => [self.nasty(2), alloc::vec![b'm'; 1200 + self.below(3)]].concat(),
            _ => {
                let (bucket, dir, file) = (self.below(3), self.below(12), self.below(300));
                alloc::format!("bucket-{bucket}/{dir:02}/file-{file:04}").into()
            }
        }
    }

    fn value(&mut self) -> Vec<u8> {
        let len = match self.below(20) {
            0 => 1100 + self.below(3000),
            1 => self.below(1000),
            _ => self.below(100),
        };
        alloc::vec![self.below(256) as u8; len]
    }

    fn near(&mut self, keys: &[Vec<u8>]) -> Vec<u8> {
        let mut near = self.pick(keys).clone();
        match self.below(6) {
            0 | 1 => near.truncate(self.below(near.len() + 1)),
            2 => near.extend(self.nasty(3)),
            3 => {
                // Up to a delimiter: what a listing calls a roll-up.
                let ends: Vec<usize> = near
                    .iter()
                    .enumerate()
                    .filter(|(_, b)| **b == b'/')
                    .map(|(at, _)| at)
                    .collect();
                let end = if ends.is_empty() { 0 } else { *self.pick(&ends) + 1 };
                near.truncate(end);
            }
            4 => {
                if let Some(last) = near.last_mut() {
                    *last = last.wrapping_add(*self.pick(&[1, 255]));
                }
            }
            _ => {}
        }
        near
    }
}

fn store() -> Arc<dyn BlobStore> {
    Arc::new(MemoryBlobStore::new(Geometry::new(MIN_FRAME_BYTES).unwrap(), [7; 16]))
}

fn open(blobs: &Arc<dyn BlobStore>, cache_bytes: u64) -> Tree {
    let options = Options { cache_bytes, ..Options::default() };
    Tree::open_with_devices(Arc::clone(blobs), None, options).unwrap()
}

/// A tree of `records` records, on several levels, with a few pages emptied again; in memory, or
/// on a store that most of it must be read from.
pub(super) fn grown(random: &mut Random, records: usize, cold: bool) -> (Tree, Model) {
    let blobs = store();
    let tree = open(&blobs, 64 << 20);
    let mut model = Model::new();
    while model.len() < records {
        let (key, value) = (random.key(), random.value());
        tree.put(&key, &value).unwrap();
        model.insert(key, value);
    }
    let from = random.near(&keys_of(&model));
    let gone: Vec<Vec<u8>> =
        model.range(from..).take(records / 10).map(|(key, _)| key.clone()).collect();
    for key in gone {
        assert!(tree.delete(&key).unwrap());
        model.remove(&key);
    }
    assert!(tree.stats().unwrap().levels > 1, "one frame holds everything");
    if !cold {
        return (tree, model);
    }
    tree.checkpoint().unwrap();
    drop(tree);
    (open(&blobs, MIN_CACHE_BYTES), model)
}

pub(super) fn keys_of(model: &Model) -> Vec<Vec<u8>> {
    model.keys().cloned().collect()
}

/// What a scan may return.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Record(Vec<u8>, Vec<u8>),
    RollUp(Vec<u8>),
}

impl Item {
    fn bytes(&self) -> &[u8] {
        let (Self::Record(bytes, _) | Self::RollUp(bytes)) = self;
        bytes
    }

    /// The item as a scan of keys returns it.
    fn without_value(self) -> Self {
        match self {
            Self::Record(key, _) => Self::Record(key, Vec::new()),
            rollup @ Self::RollUp(_) => rollup,
        }
    }
}

impl From<RangeEntry> for Item {
    fn from(entry: RangeEntry) -> Self {
        match entry {
            RangeEntry::Key { key, value, .. } => Self::Record(key, value),
            RangeEntry::CommonPrefix(prefix) => Self::RollUp(prefix),
        }
    }
}

impl From<KeyRangeEntry> for Item {
    fn from(entry: KeyRangeEntry) -> Self {
        match entry {
            KeyRangeEntry::Key { key, .. } => Self::Record(key, Vec::new()),
            KeyRangeEntry::CommonPrefix(prefix) => Self::RollUp(prefix),
        }
    }
}

/// What a scan is asked for.
#[derive(Clone, Debug, Default)]
struct Ask {
    prefix: Vec<u8>,
    /// Where it starts, and whether that is included.
    start: Option<(Vec<u8>, bool)>,
    end: Option<Vec<u8>>,
    reverse: bool,
    delimiter: Option<u8>,
}

impl Ask {
    fn random(random: &mut Random, keys: &[Vec<u8>]) -> Self {
        let mut ask = Self::default();
        if !random.one_in(3) {
            ask.prefix = random.near(keys);
            if random.one_in(2) {
                ask.prefix.truncate(3);
            }
        }
        let mut bound = || match random.below(4) {
            0 => Some([ask.prefix.as_slice(), &random.nasty(3)].concat()),
            1 | 2 => Some(random.near(keys)),
            _ => None,
        };
        let (start, end) = (bound(), bound());
        ask.start = start.map(|key| (key, random.one_in(2)));
        ask.end = end.filter(|_| random.one_in(2));
        ask.reverse = random.one_in(2);
        ask.delimiter = match random.below(5) {
            0 => Some(*random.pick(&[0, b'a', 0xff, b'-'])),
            1 | 2 => Some(b'/'),
            _ => None,
        };
        ask
    }

    fn records(&self, tree: &Tree) -> RangeBuilder {
        let mut scan = tree.range().prefix(&self.prefix);
        if let Some((key, inclusive)) = &self.start {
            scan = if *inclusive { scan.start_at(key) } else { scan.start_after(key) };
        }
        if let Some(end) = &self.end {
            scan = scan.end_before(end);
        }
        if let Some(delimiter) = self.delimiter {
            scan = scan.delimiter(delimiter);
        }
        if self.reverse { scan.reverse() } else { scan }
    }

    fn keys(&self, tree: &Tree) -> KeyRangeBuilder {
        let mut scan = tree.scan_keys(&self.prefix);
        if let Some(delimiter) = self.delimiter {
            scan = scan.delimiter(delimiter);
        }
        if self.reverse {
            scan = scan.reverse();
        }
        if let Some(end) = &self.end {
            scan = scan.end_before(end);
        }
        match &self.start {
            Some((key, true)) => scan.start_at(key),
            Some((key, false)) => scan.start_after(key),
            None => scan,
        }
    }

    /// What the rules say: all entries in order, cut at the bounds by their own bytes.
    fn expected(&self, model: &Model) -> Vec<Item> {
        let mut items: Vec<Item> = Vec::new();
        for (key, value) in model.range(self.prefix.clone()..) {
            let Some(rest) = key.strip_prefix(self.prefix.as_slice()) else { break };
            let cut = self.delimiter.and_then(|d| rest.iter().position(|byte| *byte == d));
            let item = match cut {
                Some(at) => Item::RollUp(key[..self.prefix.len() + at + 1].into()),
                None => Item::Record(key.clone(), value.clone()),
            };
            if items.last() != Some(&item) {
                items.push(item);
            }
        }
        assert!(items.is_sorted_by(|a, b| a.bytes() < b.bytes()), "entries have one order");
        if self.reverse {
            items.reverse();
        }
        // Whether `left` comes before `right` in the direction of the scan.
        let before = |left: &[u8], right: &[u8]| match self.reverse {
            false => left < right,
            true => left > right,
        };
        items.retain(|item| {
            let starts = self.start.as_ref().is_none_or(|(key, inclusive)| {
                before(key, item.bytes()) || *inclusive && key == item.bytes()
            });
            starts && self.end.as_ref().is_none_or(|end| before(item.bytes(), end))
        });
        items
    }
}

fn items<E: Into<Item>>(entries: impl IntoIterator<Item = crate::error::Result<E>>) -> Vec<Item> {
    entries.into_iter().map(|entry| entry.unwrap().into()).collect()
}
