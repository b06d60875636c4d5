//! Homes in this process: a tree over any pair of devices.
//!
//! Owns: how a script's operation becomes a call of [`Tree`]. Never does: know which devices
//! lie below; the caller hands in how to open.

use holt_engine::db::{AtomicBatch, KeyRangeEntry, RangeEntry, ScanPage, Tree, TreeStats};
use holt_engine::error::Result;

use super::Home;
use crate::model::{Entry, Outcome, code};
use crate::script::{Bytes, Change, Op, Scan};

type Open = Box<dyn FnMut() -> Result<Tree>>;

/// A tree and the way to open it again.
pub struct TreeHome {
    name: String,
    tree: Option<Tree>,
    /// `None` for a tree that lives and dies in memory.
    open: Option<Open>,
}

impl TreeHome {
    /// Opens a tree for the first time. `open` must give the same store each time.
    pub fn new(name: &str, open: impl FnMut() -> Result<Tree> + 'static) -> Result<Self, String> {
        let mut home = Self { name: name.into(), tree: None, open: Some(Box::new(open)) };
        home.reopen()?;
        Ok(home)
    }

    /// A tree that cannot be opened again: reopening keeps it as it is.
    pub fn lasting(name: &str, tree: Tree) -> Self {
        Self { name: name.into(), tree: Some(tree), open: None }
    }

    /// The open tree.
    pub fn tree(&self) -> &Tree {
        self.tree.as_ref().expect("a home holds its tree between calls")
    }
}

impl Home for TreeHome {
    fn name(&self) -> &str {
        &self.name
    }

    fn run(&mut self, op: &Op) -> Outcome {
        run_on_tree(self.tree(), op)
    }

    fn reopen(&mut self) -> Result<(), String> {
        let Some(open) = &mut self.open else { return Ok(()) };
        // The old handle must be gone first: one writer at a time.
        self.tree = None;
        self.tree = Some(open().map_err(|error| format!("reopening failed: {error}"))?);
        Ok(())
    }

    fn stats(&mut self) -> Option<TreeStats> {
        self.tree().stats().ok()
    }
}

/// Runs one operation on a tree; failures become outcomes.
pub fn run_on_tree(tree: &Tree, op: &Op) -> Outcome {
    let outcome = match op {
        Op::Put { key, value } => tree.put(&key.0, &value.0).map(|()| Outcome::Done),
        Op::Get { key } => tree.get_record(&key.0).map(|record| {
            Outcome::Record(record.map(|record| (record.value, Some(record.version.as_u64()))))
        }),
        Op::Delete { key } => tree.delete(&key.0).map(Outcome::Deleted),
        Op::Rename { src, dst, force } => {
            tree.rename(&src.0, &dst.0, *force).map(|()| Outcome::Done)
        }
        Op::Batch { changes } => {
            tree.atomic(|batch| fill(batch, changes)).map(|applied| match applied {
                true => Outcome::Done,
                false => Outcome::Failed("a batch without guards was not applied".into()),
            })
        }
        Op::Scan(scan) => run_scan(tree, scan),
        Op::Checkpoint => tree.checkpoint().map(|()| Outcome::Done),
        Op::Compact => tree.compact().map(|()| Outcome::Done),
        Op::Maintain { budget } => tree.maintain(*budget).map(|_| Outcome::Done),
        Op::Sync => tree.sync().map(|()| Outcome::Done),
        Op::Reopen => Ok(Outcome::Failed("a tree cannot reopen itself".into())),
        Op::Verify => tree.verify().map(|report| match report.damage.first() {
            None => Outcome::Done,
            Some(first) => {
                Outcome::Failed(format!("{} pieces of damage: {first}", report.damage.len()))
            }
        }),
    };
    outcome.unwrap_or_else(|error| Outcome::Failed(code(&error)))
}

fn fill(batch: &mut AtomicBatch, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Put { key, value } => batch.put(&key.0, &value.0),
            Change::Delete { key } => batch.delete(&key.0),
        }
    }
}

fn run_scan(tree: &Tree, scan: &Scan) -> Result<Outcome> {
    let (entries, next) = match scan.keys_only {
        true => {
            let mut range = tree.scan_keys(&scan.prefix.0);
            if let Some(Bytes(after)) = &scan.start_after {
                range = range.start_after(after);
            }
            if let Some(delimiter) = scan.delimiter {
                range = range.delimiter(delimiter);
            }
            let ScanPage { entries, next } = range.page(scan.max_entries, scan.max_bytes)?;
            (entries.into_iter().map(key_entry).collect(), next)
        }
        false => {
            let mut range = tree.scan(&scan.prefix.0);
            if let Some(Bytes(after)) = &scan.start_after {
                range = range.start_after(after);
            }
            if let Some(delimiter) = scan.delimiter {
                range = range.delimiter(delimiter);
            }
            let ScanPage { entries, next } = range.page(scan.max_entries, scan.max_bytes)?;
            (entries.into_iter().map(record_entry).collect(), next)
        }
    };
    Ok(Outcome::Page(entries, next))
}

/// A record entry as the model has it.
pub(super) fn record_entry(entry: RangeEntry) -> Entry {
    match entry {
        RangeEntry::Key { key, value, version } => {
            Entry::Key { key, value, version: Some(version.as_u64()) }
        }
        RangeEntry::CommonPrefix(prefix) => Entry::Prefix(prefix),
        other => unreachable!("a kind of entry the kit does not know: {other:?}"),
    }
}

fn key_entry(entry: KeyRangeEntry) -> Entry {
    match entry {
        KeyRangeEntry::Key { key, version } => {
            Entry::Key { key, value: Vec::new(), version: Some(version.as_u64()) }
        }
        KeyRangeEntry::CommonPrefix(prefix) => Entry::Prefix(prefix),
        other => unreachable!("a kind of entry the kit does not know: {other:?}"),
    }
}
