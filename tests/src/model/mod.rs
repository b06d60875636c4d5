//! What every home must answer: the public semantics over a `BTreeMap`.
//!
//! Owns: [`Model`], [`Outcome`], [`VersionOracle`]. Never does: share code with the engine (only
//! limits and error types), so that a mistake there is not repeated here. Invariant: a failed
//! operation changes nothing.

mod apply;
mod oracle;
mod outcome;
mod records;
mod scan;
#[cfg(test)]
mod tests;
mod trees;

use holt_engine::error::Error;

pub use oracle::{NEVER, VersionOracle};
pub use outcome::{Entry, Outcome};
pub use records::{Fault, Record, Records};

use crate::script::{Op, SLOTS};
use records::Log;
use trees::Trees;

/// A failure as one comparable word with its figures.
pub fn code(error: &Error) -> String {
    match error {
        Error::KeyTooLong { len } => format!("key-too-long {len}"),
        Error::ValueTooLong { len } => format!("value-too-long {len}"),
        Error::BatchTooLarge { len } => format!("batch-too-large {len}"),
        Error::WalRecordTooLarge { .. } => "record-too-large".into(),
        Error::NotFound => "not-found".into(),
        Error::DstExists => "destination-exists".into(),
        Error::InvalidArgument { .. } => "invalid-argument".into(),
        Error::OutsideViewScope { .. } => "outside-view-scope".into(),
        Error::GuardFailed => "guard-failed".into(),
        Error::TreeNotFound { .. } => "tree-not-found".into(),
        Error::TreeExists { .. } => "tree-exists".into(),
        Error::InvalidTreeName { .. } => "invalid-tree-name".into(),
        Error::TreeDropped => "tree-dropped".into(),
        Error::Atomic { source, .. } => code(source),
        other => format!("other: {other}"),
    }
}

/// A snapshot: its prefix, and the records as they were.
type Slot = Option<(Vec<u8>, Records)>;

/// A store: the tree of the script, named trees, and snapshots.
#[derive(Clone, Debug, Default)]
pub struct Model {
    records: Records,
    trees: Trees,
    slots: [Slot; SLOTS],
    log: Log,
}

impl Model {
    /// All records, in order.
    pub fn dump(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.records.iter().map(|(key, record)| (key.as_slice(), record.value.as_slice()))
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The record of `key`.
    pub fn get(&self, key: &[u8]) -> Option<&Record> {
        self.records.get(key)
    }

    /// Name and records of each named tree.
    pub fn trees(&self) -> impl Iterator<Item = (&str, &Records)> {
        self.trees.iter()
    }

    /// The keys of the tree that the last operation changed, in order, each with what it held
    /// just before that change. A key may be there more than once.
    pub fn changed(&self) -> &[(Vec<u8>, Option<Record>)] {
        &self.log.before
    }

    /// Runs one operation, whose conditions are resolved; those that keep the contents answer
    /// [`Outcome::Done`].
    pub fn run(&mut self, op: &Op) -> Outcome {
        self.log.before.clear();
        let done = match op {
            Op::Snapshot { slot, prefix } => {
                self.slots[*slot] = Some((prefix.0.clone(), self.records.clone()));
                Ok(Outcome::Done)
            }
            Op::InSnapshot { slot, read } => match &self.slots[*slot] {
                Some((scope, records)) => records.read(read, scope),
                None => Err(Fault::new("no-snapshot")),
            },
            Op::DropSnapshot { slot } => match self.slots[*slot].take() {
                Some(_) => Ok(Outcome::Done),
                None => Err(Fault::new("no-snapshot")),
            },
            Op::View { prefix, read } => self.records.read(read, &prefix.0),
            Op::Reopen => {
                self.slots = Default::default();
                self.trees.close();
                Ok(Outcome::Done)
            }
            Op::Checkpoint
            | Op::Compact
            | Op::Maintain { .. }
            | Op::Sync
            | Op::Gc
            | Op::Vacuum
            | Op::Verify => Ok(Outcome::Done),
            other => self.in_trees(other),
        };
        done.unwrap_or_else(|fault| match fault {
            Fault::Guard => Outcome::Yes(false),
            Fault::Error(words) => Outcome::Failed(words),
        })
    }

    fn in_trees(&mut self, op: &Op) -> Result<Outcome, Fault> {
        if let Some(done) = self.records.run(op, &mut self.log) {
            return done;
        }
        let mut log = Log { writes: self.log.writes, before: Vec::new() };
        let done = self.trees.run(op, &mut log);
        self.log.writes = log.writes;
        done.unwrap_or_else(|| unreachable!("{op:?} is of one of the kinds above"))
    }
}
