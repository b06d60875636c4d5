//! Homes in this process: a tree over any pair of devices.
//!
//! Owns: how a script's operation becomes a call of [`Tree`], and the snapshots that a script
//! holds. Never does: know which devices lie below; the caller hands in how to open.

use holt_engine::db::{
    AtomicBatch, KeyRangeEntry, RangeEntry, ScanPage, Snapshot, Tree, TreeStats, View,
};
use holt_engine::error::Result;

use super::{Home, not_here};
use crate::model::{Entry, Outcome, code};
use crate::script::{Change, How, Kind, Op, Read, SLOTS, Scan, Start};

/// What a tree in this process has.
const SUPPORTED: &[Kind] = &[
    Kind::Get,
    Kind::GetRecord,
    Kind::Put,
    Kind::Delete,
    Kind::Rename,
    Kind::Page,
    Kind::Iterate,
    Kind::ScanRecords,
    Kind::ScanKeys,
    Kind::StartAfter,
    Kind::Delimiter,
    Kind::Atomic,
    Kind::BatchPut,
    Kind::BatchDelete,
    Kind::View,
    Kind::Snapshot,
    Kind::SnapshotDrop,
    Kind::ViewGet,
    Kind::Checkpoint,
    Kind::Compact,
    Kind::Maintain,
    Kind::Sync,
    Kind::Verify,
    Kind::Reopen,
];

type Open = Box<dyn FnMut() -> Result<Tree>>;

/// A tree and the way to open it again.
pub struct TreeHome {
    name: String,
    tree: Option<Tree>,
    /// `None` for a tree that lives and dies in memory.
    open: Option<Open>,
    slots: [Option<Snapshot>; SLOTS],
}

impl TreeHome {
    /// Opens a tree for the first time. `open` must give the same store each time.
    pub fn new(name: &str, open: impl FnMut() -> Result<Tree> + 'static) -> Result<Self, String> {
        let open: Option<Open> = Some(Box::new(open));
        let mut home = Self { name: name.into(), tree: None, open, slots: Default::default() };
        home.reopen()?;
        Ok(home)
    }

    /// A tree that cannot be opened again.
    pub fn lasting(name: &str, tree: Tree) -> Self {
        Self { name: name.into(), tree: Some(tree), open: None, slots: Default::default() }
    }

    /// The open tree.
    pub fn tree(&self) -> &Tree {
        self.tree.as_ref().expect("a home holds its tree between calls")
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
            other => run_on_tree(self.tree(), other)?,
        })
    }
}

impl Home for TreeHome {
    fn name(&self) -> &str {
        &self.name
    }

    fn supports(&self) -> Vec<Kind> {
        let lasting = self.open.is_none();
        SUPPORTED.iter().copied().filter(|kind| !lasting || *kind != Kind::Reopen).collect()
    }

    fn run(&mut self, op: &Op) -> Outcome {
        self.try_run(op).unwrap_or_else(|error| Outcome::Failed(code(&error)))
    }

    fn reopen(&mut self) -> Result<(), String> {
        let open = self.open.as_mut().ok_or("a tree that lives in memory ends with its handle")?;
        // The old handles must be gone first: one writer at a time.
        self.slots = Default::default();
        self.tree = None;
        self.tree = Some(open().map_err(|error| format!("reopening failed: {error}"))?);
        Ok(())
    }

    fn stats(&mut self) -> Option<TreeStats> {
        self.tree().stats().ok()
    }
}

/// Runs one operation that needs no more than a tree.
///
/// # Errors
/// Those of the engine.
pub fn run_on_tree(tree: &Tree, op: &Op) -> Result<Outcome> {
    Ok(match op {
        Op::Read(read) => run_read(tree, read)?,
        Op::Put { key, value } => done(tree.put(&key.0, &value.0))?,
        Op::Delete { key } => Outcome::Yes(tree.delete(&key.0)?),
        Op::Rename { src, dst, force } => done(tree.rename(&src.0, &dst.0, *force))?,
        Op::Batch { changes, txn: false } => {
            Outcome::Yes(tree.atomic(|batch| changes.iter().for_each(|c| fill(batch, c)))?)
        }
        Op::Checkpoint => done(tree.checkpoint())?,
        Op::Compact => done(tree.compact())?,
        Op::Maintain { budget } => done(tree.maintain(*budget).map(drop))?,
        Op::Sync => done(tree.sync())?,
        Op::Verify => {
            let report = tree.verify()?;
            match report.damage.first() {
                None => Outcome::Done,
                Some(first) => {
                    Outcome::Failed(format!("{} pieces of damage: {first}", report.damage.len()))
                }
            }
        }
        other => not_here(other),
    })
}

fn done(result: Result<()>) -> Result<Outcome> {
    result.map(|()| Outcome::Done)
}

/// Adds a change to a batch.
pub fn fill(batch: &mut AtomicBatch, change: &Change) {
    match change {
        Change::Put { key, value } => batch.put(&key.0, &value.0),
        Change::Delete { key } => batch.delete(&key.0),
        other => unreachable!("this home does not have {}", other.kind().name()),
    }
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
