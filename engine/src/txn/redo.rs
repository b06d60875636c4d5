//! Replay: the effects of log records, once more.
//!
//! Owns: the records held back to be applied in key order. Never does: keep anything to undo them;
//! an opening that fails drops the whole state. Invariant: after an operation that is not of one
//! key, and at the end, the logical state is the one that the operations left when they were made.
//!
//! A log has its records in the order of time, which for a tree larger than the processor's caches
//! is a miss or two at every step. Writes of single keys do not depend on each other, so a few
//! megabytes of them at a time are sorted: neighbours find their page, and the way to it, where the
//! one before left them, and of several writes of a key only the last is made.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use super::pending::Pending;
use super::sorter::{Entry, Sorter};
use crate::error::{Corruption, CorruptionClass, Result};
use crate::forest::{Forest, Place};
use crate::ids::{Lsn, STANDALONE_TREE, TreeId};
use crate::limits::{MAX_ROOTS, REPLAY_BATCH_BYTES, REPLAY_CACHE_SHARE};
use crate::log::{OpRef, RecordView};

/// Memory that a write held back takes beside its key and value, at most.
const HELD_BYTES: usize = 80;

/// Writes whose bytes are fetched together.
const TOUCHED: usize = 16;
/// Bytes that a processor fetches at a time.
const CACHE_LINE: usize = 64;

/// Applies the records of a log, in the order of the log.
pub struct Redo {
    /// Keys and values held back.
    bytes: Vec<u8>,
    held: BTreeMap<TreeId, Vec<Held>>,
    sorter: Sorter,
    /// How many there are.
    count: usize,
    /// Bytes that may be held back.
    limit: usize,
}

/// A write of one key that was not made yet.
struct Held {
    /// Where its key begins; the value follows.
    at: usize,
    key: usize,
    /// Bytes of the value; `None` for a deletion.
    value: Option<usize>,
    version: u64,
}

impl Held {
    fn key<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.at..][..self.key]
    }

    fn op<'a>(&self, tree: TreeId, bytes: &'a [u8]) -> OpRef<'a> {
        let key = self.key(bytes);
        match self.value {
            Some(len) => OpRef::Put { tree, key, value: &bytes[self.at + self.key..][..len] },
            None => OpRef::Delete { tree, key },
        }
    }
}

impl Redo {
    /// With memory as befits a cache of so many bytes.
    pub fn new(cache_bytes: u64) -> Self {
        let share = usize::try_from(cache_bytes / REPLAY_CACHE_SHARE).unwrap_or(usize::MAX);
        let limit = share.min(REPLAY_BATCH_BYTES);
        Self {
            bytes: Vec::new(),
            held: BTreeMap::new(),
            sorter: Sorter::default(),
            count: 0,
            limit,
        }
    }

    /// Takes the operations of a record.
    ///
    /// # Errors
    /// `Corrupt` of class log if an operation cannot have been made in this state; damage of pages
    /// and failures of the device.
    pub fn record(&mut self, forest: &mut Forest, record: RecordView<'_>) -> Result<()> {
        for (version, op) in record.ops() {
            check(forest, &op, record.lsn)?;
            let version = version.as_u64();
            match op {
                OpRef::Put { tree, key, value } => self.hold(tree, key, Some(value), version),
                OpRef::Delete { tree, key } => self.hold(tree, key, None, version),
                _ => {
                    self.flush(forest)?;
                    forest.cache.set_lsn(record.lsn);
                    one(forest, op, version)?;
                }
            }
            if self.bytes.len() + self.count * HELD_BYTES > self.limit {
                forest.cache.set_lsn(record.lsn);
                self.flush(forest)?;
            }
        }
        forest.cache.set_lsn(record.lsn);
        Ok(())
    }

    fn hold(&mut self, tree: TreeId, key: &[u8], value: Option<&[u8]>, version: u64) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value.unwrap_or_default());
        let held = Held { at, key: key.len(), value: value.map(<[u8]>::len), version };
        self.held.entry(tree).or_default().push(held);
        self.count += 1;
    }

    /// Makes what is held back.
    ///
    /// # Errors
    /// Damage of pages and failures of the device.
    pub fn flush(&mut self, forest: &mut Forest) -> Result<()> {
        let mut sorter = core::mem::take(&mut self.sorter);
        for (&tree, held) in &mut self.held {
            let order = sorter.sort(held.len(), |index| held[index].key(&self.bytes));
            let mut near = None;
            for (at, entry) in order.iter().enumerate() {
                if at % TOUCHED == 0 {
                    touch(&order[at..order.len().min(at + TOUCHED)], held, &self.bytes);
                }
                if order.get(at + 1).is_some_and(|next| next.is_repeated()) {
                    continue;
                }
                let write = &held[entry.index()];
                match write.op(tree, &self.bytes) {
                    OpRef::Put { key, value, .. } => {
                        near = put(forest, tree, (key, value, write.version), near.take())?;
                    }
                    op => {
                        near = None;
                        one(forest, op, write.version)?;
                    }
                }
                forest.cache.trim()?;
            }
            held.clear();
        }
        self.sorter = sorter;
        self.bytes.clear();
        self.count = 0;
        Ok(())
    }
}

/// Reads a byte or two of each of the next writes. They lie far from each other, and these reads do
/// not wait for one another as those of making one write after the other would.
fn touch(next: &[Entry], held: &[Held], bytes: &[u8]) {
    let mut seen = 0;
    for entry in next {
        let write = &held[entry.index()];
        seen ^= write.key(bytes).first().unwrap_or(&0);
        seen ^= bytes.get(write.at + CACHE_LINE).unwrap_or(&0);
    }
    core::hint::black_box(seen);
}

/// Where a record was put, and its key: the next one may belong beside it.
type Near<'a> = Option<(Place, &'a [u8])>;

/// Puts a record, beside the one before if it belongs there.
fn put<'a>(
    forest: &mut Forest,
    tree: TreeId,
    (key, value, version): (&'a [u8], &[u8], u64),
    near: Near<'a>,
) -> Result<Near<'a>> {
    let beside = near.and_then(|(place, before)| forest.place_after(place, before, key).ok());
    let place = match beside.flatten() {
        Some(place) => place,
        None => forest.with(|forest| forest.place(tree, key))?,
    };
    let fits = forest.with(|forest| forest.has_room_for(place, key, value.len()))?;
    let place = match fits {
        true => place,
        false => forest.make_room(tree, key, value.len(), place)?,
    };
    let remains = forest.settle(|forest| forest.write(tree, place, key, value, version))?;
    forest.give_back(remains);
    Ok(fits.then_some((place, key)))
}

/// Checks that the tree of an operation exists, or does not, as it must.
fn check(forest: &Forest, op: &OpRef<'_>, lsn: Lsn) -> Result<()> {
    let tree = op.tree();
    let exists = forest.roots.contains_key(&tree);
    let why = match op {
        OpRef::CreateTree { .. } if exists => "creates a tree that exists",
        OpRef::CreateTree { .. } if forest.roots.len() >= MAX_ROOTS => "creates too many trees",
        OpRef::CreateTree { .. } => return Ok(()),
        _ if !exists => "changes a tree that does not exist",
        OpRef::DropTree { .. } if tree == STANDALONE_TREE => "drops the tree of the store",
        _ => return Ok(()),
    };
    let detail = format!("a record {why} (tree {tree})");
    Err(Corruption { page: Some(lsn), ..Corruption::new(CorruptionClass::Log, detail) }.into())
}

fn one(forest: &mut Forest, op: OpRef<'_>, version: u64) -> Result<()> {
    match op {
        OpRef::Put { tree, key, value } => put(forest, tree, (key, value, version), None).map(drop),
        OpRef::Delete { tree, key } => {
            let place = forest.with(|forest| forest.place(tree, key))?;
            if !place.exact {
                return Ok(());
            }
            let remains = forest.settle(|forest| forest.erase(tree, place))?;
            forest.give_back(remains);
            forest.shrink(tree, key)
        }
        OpRef::CreateTree { tree } => forest.create_tree(tree),
        // Through the same steps as when it was made, so that damage that was no obstacle then
        // is none now.
        OpRef::RenamePrefix { tree, src, dst } => {
            let mut pending = Pending::default();
            pending.rename_prefix(forest, tree, (src, dst), true)?;
            pending.commit(forest)
        }
        OpRef::DeletePrefix { tree, prefix } => {
            let mut pending = Pending::default();
            pending.displace(forest, tree, prefix)?;
            pending.commit(forest)
        }
        OpRef::DropTree { tree } => {
            let mut pending = Pending::default();
            pending.drop_tree(forest, tree)?;
            pending.commit(forest)
        }
    }
}
