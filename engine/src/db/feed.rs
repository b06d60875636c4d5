//! The change feed: what was committed, in order, kept for followers.
//!
//! Owns: a tree of its own with one entry for each log record. Never does: log; entries are made
//! when a record is applied, live and on replay alike, so that the feed always ends where the
//! state does and lives through checkpoints and reopenings.
//!
//! An entry's key is the record's position (8 bytes, big-endian) and the number of the part (2
//! bytes). The value of the first part begins with two varints, the bytes of all entries before
//! it and how many parts there are; then, over all parts, the operations as the log has them.
//! The first entry says from where on the feed is complete.

use alloc::vec::Vec;

use crate::codec::bytes::{Reader as Fields, Write};
use crate::error::{Corruption, CorruptionClass, Error, Result};
use crate::forest::{Forest, Pages, Reader};
use crate::ids::{FEED_TREE, FIRST_SYSTEM_TREE, Lsn, RecordVersion, TreeId};
use crate::limits::{FEED_PART_BYTES, MAX_FEED_TRIM};
use crate::log::{Log, OpRef, OpsView, encode_list};
use crate::node::{Miss, Record as Stored};

/// One change within a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeEvent {
    /// A record was written.
    Put {
        /// The tree.
        tree: TreeId,
        /// Its key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
        /// Its version.
        version: RecordVersion,
    },
    /// A record was deleted.
    Delete {
        /// The tree.
        tree: TreeId,
        /// Its key.
        key: Vec<u8>,
    },
    /// Every record under `src` was moved under `dst`, replacing what was there.
    RenamePrefix {
        /// The tree.
        tree: TreeId,
        /// What the keys started with.
        src: Vec<u8>,
        /// What they start with now.
        dst: Vec<u8>,
    },
    /// Every record under a prefix was deleted.
    DeletePrefix {
        /// The tree.
        tree: TreeId,
        /// The prefix.
        prefix: Vec<u8>,
    },
    /// A tree was created.
    CreateTree {
        /// The tree.
        tree: TreeId,
    },
    /// A tree was dropped, with all its records.
    DropTree {
        /// The tree.
        tree: TreeId,
    },
}

impl ChangeEvent {
    /// The tree that changed.
    pub fn tree(&self) -> TreeId {
        match self {
            Self::Put { tree, .. }
            | Self::Delete { tree, .. }
            | Self::RenamePrefix { tree, .. }
            | Self::DeletePrefix { tree, .. }
            | Self::CreateTree { tree }
            | Self::DropTree { tree } => *tree,
        }
    }
}

/// One commit: a single write, or a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its position; later commits have higher ones.
    pub lsn: Lsn,
    /// What it changed, in the order in which it took effect.
    pub events: Vec<ChangeEvent>,
}

/// A part of the feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangePage {
    /// Commits, in order. None at all, with `more`, if those read so far were of other trees.
    pub changes: Vec<Change>,
    /// Where to go on: pass it to the next call.
    pub next: Lsn,
    /// Whether there are more commits already.
    pub more: bool,
}

/// Keeps the feed of an open store.
#[derive(Debug, Default)]
pub(super) struct Feed {
    /// Bytes of entries to keep; 0 for no feed.
    retention: u64,
    /// Commits from here on are noted if they were not before: the published cut at opening.
    floor: Lsn,
    /// Bytes of all entries ever, and of those before the first one kept; once known.
    known: Option<(u64, u64)>,
    buffer: Vec<u8>,
}

/// What an entry counts for beside its operations.
const ENTRY_BYTES: usize = 24;

fn entry_key(lsn: Lsn, part: u16) -> [u8; 10] {
    let mut key = [0; 10];
    key[..8].copy_from_slice(&lsn.to_be_bytes());
    key[8..].copy_from_slice(&part.to_be_bytes());
    key
}

fn position(key: &[u8]) -> Option<(Lsn, u16)> {
    let (lsn, part) = key.split_first_chunk::<8>()?;
    Some((Lsn::from_be_bytes(*lsn), u16::from_be_bytes(part.try_into().ok()?)))
}

fn damage() -> Error {
    Corruption::new(CorruptionClass::Root, "an entry of the change feed cannot be read").into()
}

const BROKEN: Miss = Miss::Broken { frame: 0, why: "an entry of the change feed cannot be read" };

/// An entry as it is found: position, bytes before it, its parts' number and the first part.
struct Entry<'a> {
    lsn: Lsn,
    before: u64,
    parts: u16,
    ops: &'a [u8],
}

/// The first entry at `lsn` or after it.
fn entry_from<'a, P: Pages>(reader: Reader<'a, P>, lsn: Lsn) -> Result<Option<Entry<'a>>, Miss> {
    let mut cursor = reader.seek(FEED_TREE, &entry_key(lsn, 0), false)?;
    let Some(found) = reader.entry(&mut cursor)? else { return Ok(None) };
    let mut key = Vec::with_capacity(10);
    found.key(reader.pages, &mut key)?;
    let (lsn, _) = position(&key).filter(|(_, part)| *part == 0).ok_or(BROKEN)?;
    let mut fields = Fields::new(reader.value(found.record.value)?);
    let before = fields.varint().ok_or(BROKEN)?;
    let parts = fields.varint().and_then(|parts| u16::try_from(parts).ok()).ok_or(BROKEN)?;
    let ops = fields.bytes(fields.remaining()).ok_or(BROKEN)?;
    Ok(Some(Entry { lsn, before, parts, ops }))
}

/// The position of the last entry.
fn last_position<P: Pages>(reader: Reader<'_, P>) -> Result<Option<Lsn>, Miss> {
    let mut cursor = reader.seek_end(FEED_TREE)?;
    // The last page may wait for what comes next.
    let Some(leaf) = reader.previous_page(&mut cursor)? else { return Ok(None) };
    let mut key = Vec::with_capacity(10);
    leaf.stem(&mut key);
    key.extend_from_slice(leaf.record(cursor.slot() - 1).suffix);
    Ok(position(&key).map(|(lsn, _)| lsn))
}

impl Feed {
    /// The feed of a store whose published state ends at `floor`.
    pub fn new(retention: u64, floor: Lsn) -> Self {
        Self { retention, floor, ..Self::default() }
    }

    /// Whether commits are to be noted, or what was noted before is of no more use.
    pub fn concerns(&self, forest: &Forest) -> bool {
        self.retention > 0 || forest.roots.contains_key(&FEED_TREE)
    }

    /// Notes a commit that is applied.
    pub fn note(&mut self, forest: &mut Forest, lsn: Lsn, ops: &[OpRef<'_>]) -> Result<()> {
        let exists = forest.roots.contains_key(&FEED_TREE);
        if self.retention == 0 {
            // What it missed can never be added: what it has is of no more use.
            return if exists { forest.remove_tree(FEED_TREE).map(drop) } else { Ok(()) };
        }
        let (total, dropped) = match (self.known, exists) {
            (Some(known), _) => known,
            (None, true) => Self::measure(forest)?,
            (None, false) => {
                forest.create_tree(FEED_TREE)?;
                // An entry without operations: from here on nothing is missing.
                (Self::write(forest, self.floor, 0, &[])?, 0)
            }
        };
        let mut ops_bytes = core::mem::take(&mut self.buffer);
        ops_bytes.clear();
        encode_list(ops, &mut ops_bytes);
        let total = Self::write(forest, lsn, total, &ops_bytes)?;
        self.buffer = ops_bytes;
        self.buffer.shrink_to(FEED_PART_BYTES);
        let dropped = self.trim(forest, total, dropped)?;
        self.known = Some((total, dropped));
        Ok(())
    }

    /// Writes the entry of a commit; returns the bytes of all entries with it.
    fn write(forest: &mut Forest, lsn: Lsn, before: u64, ops: &[u8]) -> Result<u64> {
        let parts = ops.len().div_ceil(FEED_PART_BYTES).max(1);
        let mut value = Vec::new();
        value.put_varint(before);
        value.put_varint(parts as u64);
        for part in 0..parts {
            let end = ops.len().min((part + 1) * FEED_PART_BYTES);
            value.extend_from_slice(&ops[part * FEED_PART_BYTES..end]);
            let key = entry_key(lsn, part as u16);
            let place = forest.make_place(FEED_TREE, &key, value.len())?;
            let written = forest.settle(|f| f.write(FEED_TREE, place, &key, &value, lsn))?;
            forest.give_back(written);
            value.clear();
        }
        Ok(before + (ops.len() + ENTRY_BYTES) as u64)
    }

    /// Finds out how much the feed holds.
    fn measure(forest: &mut Forest) -> Result<(u64, u64)> {
        let first =
            forest.with(|forest| Ok(entry_from(forest.reader(), 0)?.map(|entry| entry.before)))?;
        let Some(dropped) = first else { return Ok((0, 0)) };
        // The last entry's own bytes are not worth a walk: the sum is for trimming only.
        let last = forest.with(|forest| last_position(forest.reader()))?;
        let lsn = last.ok_or_else(damage)?;
        let total = forest.with(|forest| {
            let entry = entry_from(forest.reader(), lsn)?;
            Ok(entry.map_or(0, |entry| entry.before + (entry.ops.len() + ENTRY_BYTES) as u64))
        })?;
        Ok((total, dropped))
    }

    /// Removes the oldest entries beyond the retention; the newest always stays. Returns the
    /// bytes of all that are gone.
    fn trim(&self, forest: &mut Forest, total: u64, dropped: u64) -> Result<u64> {
        let mut dropped = dropped;
        for _ in 0..MAX_FEED_TRIM {
            if total - dropped.min(total) <= self.retention {
                break;
            }
            let found = forest.with(|forest| {
                let reader = forest.reader();
                let Some(first) = entry_from(reader, 0)? else { return Ok(None) };
                let next = entry_from(reader, first.lsn + 1)?.map(|next| next.before);
                Ok(next.map(|next| (first.lsn, first.parts, next)))
            })?;
            let Some((lsn, parts, next)) = found else { break };
            for part in 0..parts {
                let key = entry_key(lsn, part);
                let place = forest.with(|forest| forest.place(FEED_TREE, &key))?;
                if place.exact {
                    let remains = forest.settle(|forest| forest.erase(FEED_TREE, place))?;
                    forest.give_back(remains);
                    forest.shrink(FEED_TREE, &key)?;
                }
            }
            dropped = next;
        }
        Ok(dropped)
    }
}

/// A part of the feed being read, able to go on after a miss.
pub(super) struct FeedRun {
    /// Only changes of this tree, if given.
    tree: Option<TreeId>,
    from: Lsn,
    at: Lsn,
    max_changes: usize,
    max_bytes: usize,
    bytes: usize,
    page: ChangePage,
    started: bool,
    /// Calls so far: the first may see an older state than the later ones.
    calls: u32,
}

impl FeedRun {
    pub fn new(tree: Option<TreeId>, from: Lsn, max_changes: usize, max_bytes: usize) -> Self {
        let page = ChangePage { next: from, ..ChangePage::default() };
        Self {
            tree,
            from,
            at: from,
            max_changes,
            max_bytes,
            bytes: 0,
            page,
            started: false,
            calls: 0,
        }
    }

    /// Goes on until a bound is reached or the feed ends; `false` if the feed does not reach
    /// back to where it was to begin. After a miss, call it again.
    pub fn advance<P: Pages>(&mut self, reader: Reader<'_, P>) -> Result<bool, Miss> {
        if self.calls == 1 {
            // What it was to go on with may have been trimmed meanwhile.
            *self = Self::new(self.tree, self.from, self.max_changes, self.max_bytes);
            self.calls = 1;
        }
        self.calls = (self.calls + 1).min(2);
        if !self.started {
            let first = entry_from(reader, 0)?;
            if first.is_none_or(|first| first.lsn > self.from) {
                return Ok(false);
            }
            self.started = true;
        }
        while let Some(entry) = entry_from(reader, self.at)? {
            if self.page.changes.len() >= self.max_changes || self.bytes >= self.max_bytes {
                self.page.more = true;
                break;
            }
            let (lsn, parts) = (entry.lsn, entry.parts);
            let mut ops: Vec<u8> = entry.ops.into();
            for part in 1..parts {
                let (page, slot) = reader.find(FEED_TREE, &entry_key(lsn, part))?.ok_or(BROKEN)?;
                ops.extend_from_slice(reader.value(Stored::read(page, slot).value)?);
            }
            let events: Vec<ChangeEvent> = match ops.is_empty() {
                true => Vec::new(),
                false => {
                    let list = OpsView::decode_list(&ops).ok_or(BROKEN)?.iter();
                    (0..).zip(list).filter_map(|(at, op)| self.event(lsn, at, op)).collect()
                }
            };
            self.at = lsn + 1;
            self.page.next = self.at;
            // What is passed over was read too, and the store held meanwhile.
            self.bytes += ops.len() + ENTRY_BYTES;
            if !events.is_empty() {
                self.page.changes.push(Change { lsn, events });
            }
        }
        Ok(true)
    }

    /// What an operation was, unless it is of another tree or the engine's own.
    fn event(&self, lsn: Lsn, at: usize, op: OpRef<'_>) -> Option<ChangeEvent> {
        let event = match op {
            OpRef::Put { tree, key, value } => ChangeEvent::Put {
                tree,
                key: key.into(),
                value: value.into(),
                version: Log::version(lsn, at),
            },
            OpRef::Delete { tree, key } => ChangeEvent::Delete { tree, key: key.into() },
            OpRef::RenamePrefix { tree, src, dst } => {
                ChangeEvent::RenamePrefix { tree, src: src.into(), dst: dst.into() }
            }
            OpRef::DeletePrefix { tree, prefix } => {
                ChangeEvent::DeletePrefix { tree, prefix: prefix.into() }
            }
            OpRef::CreateTree { tree } => ChangeEvent::CreateTree { tree },
            OpRef::DropTree { tree } => ChangeEvent::DropTree { tree },
        };
        let wanted = self.tree.is_none_or(|tree| tree == event.tree());
        (wanted && event.tree() < FIRST_SYSTEM_TREE).then_some(event)
    }

    pub fn finish(self) -> ChangePage {
        self.page
    }
}
