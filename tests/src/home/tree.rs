//! Homes in this process: a tree over any pair of devices.
//!
//! Owns: how a script's operation becomes a call of [`Tree`], and the snapshots that a script
//! holds. Never does: know which devices lie below; the caller hands in how to open.

use std::collections::BTreeMap;

use holt_engine::db::{
    AtomicBatch, DB, DBAtomicBatch, KeyRangeEntry, PutOutcome, RangeEntry, ScanPage, Snapshot,
    Tree, TreeStats, VerifyReport, View,
};
use holt_engine::error::{Error, Result};
use holt_engine::ids::RecordVersion;

use super::{Home, not_here};
use crate::model::{Entry, Outcome, code};
use crate::script::{Bytes, Change, Expect, How, Kind, Op, Read, SLOTS, Scan, Start};

/// What a tree in this process has.
const TREE: &[Kind] = &[
    Kind::Get,
    Kind::GetRecord,
    Kind::Put,
    Kind::Insert,
    Kind::Delete,
    Kind::Remove,
    Kind::PutIfAbsent,
    Kind::PutMany,
    Kind::PutManyIfAbsent,
    Kind::CompareAndPut,
    Kind::DeleteIfVersion,
    Kind::Rename,
    Kind::RenamePrefix,
    Kind::DeletePrefix,
    Kind::Page,
    Kind::Iterate,
    Kind::ScanRecords,
    Kind::ScanKeys,
    Kind::StartAfter,
    Kind::Delimiter,
    Kind::Atomic,
    Kind::Txn,
    Kind::BatchPut,
    Kind::BatchDelete,
    Kind::BatchPutIfAbsent,
    Kind::BatchCompareAndPut,
    Kind::BatchDeleteIfVersion,
    Kind::AssertVersion,
    Kind::AssertAbsent,
    Kind::AssertPrefixEmpty,
    Kind::BatchRename,
    Kind::BatchRenamePrefix,
    Kind::BatchDeletePrefix,
    Kind::View,
    Kind::Snapshot,
    Kind::SnapshotDrop,
    Kind::ViewGet,
    Kind::Checkpoint,
    Kind::Compact,
    Kind::Maintain,
    Kind::Sync,
    Kind::Gc,
    Kind::Vacuum,
    Kind::Verify,
];

/// What a database has beside it.
const NAMED_TREES: &[Kind] = &[
    Kind::CreateTree,
    Kind::OpenTree,
    Kind::OpenOrCreateTree,
    Kind::DropTree,
    Kind::ListTrees,
    Kind::InTree,
    Kind::AcrossTrees,
];

/// An open store: a tree, which is the one that scripts are about, or a database with it.
pub struct Opened {
    tree: Tree,
    db: Option<DB>,
}

impl From<Tree> for Opened {
    fn from(tree: Tree) -> Self {
        Self { tree, db: None }
    }
}

impl From<DB> for Opened {
    fn from(db: DB) -> Self {
        Self { tree: db.unnamed_tree(), db: Some(db) }
    }
}

type Open = Box<dyn FnMut() -> Result<Opened>>;

/// A store in this process and the way to open it again.
pub struct TreeHome {
    name: String,
    opened: Option<Opened>,
    /// `None` for a store that lives and dies in memory.
    open: Option<Open>,
    /// Whether the store is a database.
    is_db: bool,
    slots: [Option<Snapshot>; SLOTS],
    handles: BTreeMap<String, Tree>,
}

impl TreeHome {
    fn closed(name: &str) -> Self {
        Self {
            name: name.into(),
            opened: None,
            open: None,
            is_db: false,
            slots: Default::default(),
            handles: BTreeMap::new(),
        }
    }

    /// Opens a store for the first time. `open` must give the same store each time.
    pub fn new<T: Into<Opened>>(
        name: &str,
        mut open: impl FnMut() -> Result<T> + 'static,
    ) -> Result<Self, String> {
        let mut home = Self::closed(name);
        home.open = Some(Box::new(move || open().map(Into::into)));
        home.reopen()?;
        Ok(home)
    }

    /// A store that cannot be opened again.
    pub fn lasting(name: &str, opened: impl Into<Opened>) -> Self {
        let opened = opened.into();
        Self { is_db: opened.db.is_some(), opened: Some(opened), ..Self::closed(name) }
    }

    /// The tree that scripts are about.
    pub fn tree(&self) -> &Tree {
        &self.opened().tree
    }

    fn opened(&self) -> &Opened {
        self.opened.as_ref().expect("a home holds its store between calls")
    }

    /// Closes the store.
    pub fn close(&mut self) {
        self.slots = Default::default();
        self.handles.clear();
        self.opened = None;
    }

    fn try_run(&mut self, op: &Op) -> Result<Outcome> {
        Ok(match op {
            Op::Snapshot { slot, prefix } => {
                self.slots[*slot] = Some(self.tree().snapshot(&prefix.0)?);
                Outcome::Done
            }
            Op::InSnapshot { slot, read } => match &self.slots[*slot] {
                Some(snapshot) => run_on_view(snapshot, read)?,
                None => Outcome::Failed("no-snapshot".into()),
            },
            Op::DropSnapshot { slot } => match self.slots[*slot].take() {
                Some(snapshot) => {
                    snapshot.retire();
                    Outcome::Done
                }
                None => Outcome::Failed("no-snapshot".into()),
            },
            Op::View { prefix, read } => {
                self.tree().view(&prefix.0, |view| run_on_view(view, read))?
            }
            other => match self.opened().db.clone() {
                Some(db) => self.run_on_db(&db, other)?,
                None => run_on_tree(self.tree(), other)?,
            },
        })
    }

    fn run_on_db(&mut self, db: &DB, op: &Op) -> Result<Outcome> {
        let (name, handle) = match op {
            Op::CreateTree { name } => (name, db.create_tree(name)?),
            Op::OpenTree { name } => (name, db.open_tree(name)?),
            Op::OpenOrCreateTree { name } => (name, db.open_or_create_tree(name)?),
            Op::InTree { tree, run } => {
                let handle = match self.handles.get(tree) {
                    Some(handle) => handle.clone(),
                    None => db.open_tree(tree)?,
                };
                let outcome = run_on_tree(&handle, run);
                self.handles.insert(tree.clone(), handle);
                return outcome;
            }
            Op::DropTree { name } => return done(db.drop_tree(name)),
            Op::ListTrees => return Ok(Outcome::Names(db.list_trees()?)),
            Op::AcrossTrees { changes } => {
                let fill = |batch: &mut DBAtomicBatch| {
                    changes.iter().for_each(|(tree, change)| fill_db(batch, tree, change));
                };
                return Ok(Outcome::Yes(db.atomic(fill)?));
            }
            Op::Checkpoint => return done(db.checkpoint()),
            Op::Compact => return done(db.compact()),
            Op::Maintain { budget } => return done(db.maintain(*budget).map(drop)),
            Op::Sync => return done(db.sync()),
            Op::Gc => return Ok(collected(db.gc()?)),
            Op::Vacuum => return done(db.vacuum().map(drop)),
            Op::Verify => return Ok(verified(&db.verify()?)),
            other => return run_on_tree(self.tree(), other),
        };
        self.handles.insert(name.clone(), handle);
        Ok(Outcome::Done)
    }
}

impl Home for TreeHome {
    fn name(&self) -> &str {
        &self.name
    }

    fn supports(&self) -> Vec<Kind> {
        let mut kinds = TREE.to_vec();
        kinds.extend(self.open.is_some().then_some(Kind::Reopen));
        if self.is_db {
            kinds.extend(NAMED_TREES);
        }
        kinds
    }

    fn run(&mut self, op: &Op) -> Outcome {
        self.try_run(op).unwrap_or_else(|error| Outcome::Failed(code(&error)))
    }

    fn reopen(&mut self) -> Result<(), String> {
        // The old handles must be gone first: one writer at a time.
        self.close();
        let open = self.open.as_mut().ok_or("a store that lives in memory ends with its handle")?;
        let opened = open().map_err(|error| format!("reopening failed: {error}"))?;
        self.is_db = opened.db.is_some();
        self.opened = Some(opened);
        Ok(())
    }

    fn stats(&mut self) -> Option<TreeStats> {
        self.tree().stats().ok()
    }
}

/// Whether an error is an answer to what was asked, and not a failure of the store.
pub fn is_answer(error: &Error) -> bool {
    matches!(
        error,
        Error::NotFound
            | Error::DstExists
            | Error::GuardFailed
            | Error::KeyTooLong { .. }
            | Error::InvalidArgument { .. }
    )
}

/// Runs one operation that needs no more than a tree.
///
/// # Errors
/// Those of the engine.
pub fn run_on_tree(tree: &Tree, op: &Op) -> Result<Outcome> {
    Ok(match op {
        Op::Read(read) => run_read(tree, read)?,
        Op::Put { key, value } => done(tree.put(&key.0, &value.0))?,
        Op::Insert { key, value } => Outcome::Value(tree.insert(&key.0, &value.0)?),
        Op::Delete { key } => Outcome::Yes(tree.delete(&key.0)?),
        Op::Remove { key } => Outcome::Value(tree.remove(&key.0)?),
        Op::PutIfAbsent { key, value } => Outcome::Yes(tree.put_if_absent(&key.0, &value.0)?),
        Op::PutMany { records } => done(tree.put_many(&pairs(records)))?,
        Op::PutManyIfAbsent { records } => {
            let outcomes = tree.put_many_if_absent(&pairs(records))?;
            Outcome::Each(outcomes.iter().map(|one| *one == PutOutcome::Created).collect())
        }
        Op::CompareAndPut { key, expect, value } => {
            Outcome::Yes(tree.compare_and_put(&key.0, version(*expect), &value.0)?)
        }
        Op::DeleteIfVersion { key, expect } => {
            Outcome::Yes(tree.delete_if_version(&key.0, version(*expect))?)
        }
        Op::Rename { src, dst, force } => done(tree.rename(&src.0, &dst.0, *force))?,
        Op::RenamePrefix { src, dst, force } => {
            Outcome::Moved(tree.rename_prefix(&src.0, &dst.0, *force)?)
        }
        Op::DeletePrefix { prefix } => Outcome::Moved(tree.delete_prefix(&prefix.0)?),
        Op::Batch { changes, txn } => {
            let fill = |batch: &mut AtomicBatch| changes.iter().for_each(|c| fill(batch, c));
            match txn {
                true => done(tree.txn(fill))?,
                false => Outcome::Yes(tree.atomic(fill)?),
            }
        }
        Op::Checkpoint => done(tree.checkpoint())?,
        Op::Compact => done(tree.compact())?,
        Op::Maintain { budget } => done(tree.maintain(*budget).map(drop))?,
        Op::Sync => done(tree.sync())?,
        Op::Gc => collected(tree.gc()?),
        Op::Vacuum => done(tree.vacuum().map(drop))?,
        Op::Verify => verified(&tree.verify()?),
        other => not_here(other),
    })
}

fn done(result: Result<()>) -> Result<Outcome> {
    result.map(|()| Outcome::Done)
}

/// A sound store has nothing that nothing leads to.
fn collected(count: usize) -> Outcome {
    match count {
        0 => Outcome::Done,
        some => Outcome::Failed(format!("{some} blobs had no owner")),
    }
}

fn verified(report: &VerifyReport) -> Outcome {
    match report.damage.first() {
        None => Outcome::Done,
        Some(first) => {
            Outcome::Failed(format!("{} pieces of damage: {first}", report.damage.len()))
        }
    }
}

fn pairs(records: &[(Bytes, Bytes)]) -> Vec<(&[u8], &[u8])> {
    records.iter().map(|(key, value)| (key.0.as_slice(), value.0.as_slice())).collect()
}

fn version(expect: Expect) -> RecordVersion {
    match expect {
        Expect::Exactly(version) => RecordVersion::from_raw(version),
        named => unreachable!("{named:?} is resolved before a home sees it"),
    }
}

macro_rules! fill {
    ($batch:expr, $change:expr $(, $tree:expr)?) => {
        match $change {
            Change::Put { key, value } => $batch.put($($tree,)? &key.0, &value.0),
            Change::PutIfAbsent { key, value } => {
                $batch.put_if_absent($($tree,)? &key.0, &value.0);
            }
            Change::CompareAndPut { key, expect, value } => {
                $batch.compare_and_put($($tree,)? &key.0, version(*expect), &value.0);
            }
            Change::Delete { key } => $batch.delete($($tree,)? &key.0),
            Change::DeleteIfVersion { key, expect } => {
                $batch.delete_if_version($($tree,)? &key.0, version(*expect));
            }
            Change::AssertVersion { key, expect } => {
                $batch.assert_version($($tree,)? &key.0, version(*expect));
            }
            Change::AssertAbsent { key } => $batch.assert_absent($($tree,)? &key.0),
            Change::AssertPrefixEmpty { prefix } => {
                $batch.assert_prefix_empty($($tree,)? &prefix.0);
            }
            Change::Rename { src, dst, force } => {
                $batch.rename($($tree,)? &src.0, &dst.0, *force);
            }
            Change::RenamePrefix { src, dst, force } => {
                $batch.rename_prefix($($tree,)? &src.0, &dst.0, *force);
            }
            Change::DeletePrefix { prefix } => $batch.delete_prefix($($tree,)? &prefix.0),
        }
    };
}

/// Adds a change, whose version is resolved, to a batch.
pub fn fill(batch: &mut AtomicBatch, change: &Change) {
    fill!(batch, change);
}

fn fill_db(batch: &mut DBAtomicBatch, tree: &str, change: &Change) {
    fill!(batch, change, tree);
}

fn run_read(tree: &Tree, read: &Read) -> Result<Outcome> {
    Ok(match read {
        Read::Get { key } => Outcome::Value(tree.get(&key.0)?),
        Read::GetRecord { key } => {
            let record = tree.get_record(&key.0)?;
            Outcome::Record(record.map(|record| (record.value, record.version.as_u64())))
        }
        Read::Scan(scan) => run_scan(tree, scan)?,
        other => Outcome::Failed(format!("this home does not have {}", other.kind().name())),
    })
}

fn run_on_view(view: &View, read: &Read) -> Result<Outcome> {
    Ok(match read {
        Read::Get { key } => Outcome::Value(view.get(&key.0)?),
        Read::GetRecord { key } => {
            let record = view.get_record(&key.0)?;
            Outcome::Record(record.map(|record| (record.value, record.version.as_u64())))
        }
        Read::GetVersion { key } => {
            Outcome::Version(view.get_version(&key.0)?.map(|version| version.as_u64()))
        }
        other => Outcome::Failed(format!("this home does not have {}", other.view_kind().name())),
    })
}

macro_rules! take {
    ($range:expr, $scan:expr, $entry:expr) => {{
        let mut range = $range;
        if let Start::After(key) = &$scan.start {
            range = range.start_after(&key.0);
        }
        if let Some(delimiter) = $scan.delimiter {
            range = range.delimiter(delimiter);
        }
        match $scan.how {
            How::Page { max_entries, max_bytes } => {
                let ScanPage { entries, next } = range.page(max_entries, max_bytes)?;
                (entries.into_iter().map($entry).collect(), next)
            }
            How::Iterate { most } => {
                let entries = range.into_iter().take(most).map(|entry| entry.map($entry));
                (entries.collect::<Result<Vec<Entry>>>()?, None)
            }
            other => return Ok(Outcome::Failed(format!("this home has no {other:?}"))),
        }
    }};
}

fn run_scan(tree: &Tree, scan: &Scan) -> Result<Outcome> {
    let (entries, next) = match scan.keys_only {
        true => take!(tree.scan_keys(&scan.prefix.0), scan, key_entry),
        false => take!(tree.scan(&scan.prefix.0), scan, record_entry),
    };
    Ok(Outcome::Page(entries, next))
}

/// A record entry as the model has it.
pub(super) fn record_entry(entry: RangeEntry) -> Entry {
    match entry {
        RangeEntry::Key { key, value, version } => {
            Entry::Key { key, value, version: version.as_u64() }
        }
        RangeEntry::CommonPrefix(prefix) => Entry::Prefix(prefix),
        other => unreachable!("a kind of entry the kit does not know: {other:?}"),
    }
}

fn key_entry(entry: KeyRangeEntry) -> Entry {
    match entry {
        KeyRangeEntry::Key { key, version } => {
            Entry::Key { key, value: Vec::new(), version: version.as_u64() }
        }
        KeyRangeEntry::CommonPrefix(prefix) => Entry::Prefix(prefix),
        other => unreachable!("a kind of entry the kit does not know: {other:?}"),
    }
}
