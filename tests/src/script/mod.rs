//! A script: operations as data, so that a failure can be stored, shrunk and run again.
//!
//! Owns: [`Op`] and its JSON form (one operation a line). Never does: run anything. Invariant: a
//! script read back from its JSON lines is equal to the one written.

mod bytes;
mod change;
mod kind;
mod scan;
mod shrink;

use serde::{Deserialize, Serialize};

pub use bytes::{Bytes, hex, show, unhex};
pub use change::{Change, Expect};
pub use kind::Kind;
pub use scan::{How, Read, Scan, Start};

/// Places for snapshots that a script can hold at a time.
pub const SLOTS: usize = 3;

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
#[allow(missing_docs, reason = "fields and kinds are named as what they are")]
pub enum Op {
    /// A read of the tree.
    Read(Read),
    /// Reads a value through a callback.
    GetWith { key: Bytes },
    /// Reads a value into a buffer.
    GetInto { key: Bytes },
    /// Whether there is a record.
    ContainsKey { key: Bytes },
    /// Reads several values.
    GetMany { keys: Vec<Bytes> },

    /// Writes a record.
    Put { key: Bytes, value: Bytes },
    /// Writes a record; answers the value it replaces.
    Insert { key: Bytes, value: Bytes },
    /// Deletes a record.
    Delete { key: Bytes },
    /// Deletes a record; answers its value.
    Remove { key: Bytes },
    /// Writes a record where there is none.
    PutIfAbsent { key: Bytes, value: Bytes },
    /// Writes records together.
    PutMany { records: Vec<(Bytes, Bytes)> },
    /// Writes those that are not there, together.
    PutManyIfAbsent { records: Vec<(Bytes, Bytes)> },
    /// Replaces a record of this version.
    CompareAndPut { key: Bytes, expect: Expect, value: Bytes },
    /// Deletes a record of this version.
    DeleteIfVersion { key: Bytes, expect: Expect },
    /// Moves a record; `force` lets it replace another.
    Rename { src: Bytes, dst: Bytes, force: bool },
    /// Moves all records under a prefix; `force` lets them replace what is under the other.
    RenamePrefix { src: Bytes, dst: Bytes, force: bool },
    /// Deletes all records under a prefix.
    DeletePrefix { prefix: Bytes },

    /// Changes that apply together; as a transaction a failed condition is an error.
    Batch { changes: Vec<Change>, txn: bool },

    /// Takes a snapshot into a slot and drops the one that was there.
    Snapshot { slot: usize, prefix: Bytes },
    /// A read of a snapshot.
    InSnapshot { slot: usize, read: Read },
    /// Drops a snapshot.
    DropSnapshot { slot: usize },
    /// A read of a view that is taken for it.
    View { prefix: Bytes, read: Read },

    /// Creates a named tree and keeps its handle.
    CreateTree { name: String },
    /// Opens a named tree and keeps its handle.
    OpenTree { name: String },
    /// Opens or creates a named tree and keeps its handle.
    OpenOrCreateTree { name: String },
    /// Drops a named tree; its handle stays.
    DropTree { name: String },
    /// The names of the trees.
    ListTrees,
    /// A read or a write through the handle of a named tree, which is opened if there is none.
    InTree { tree: String, run: Box<Op> },
    /// Changes of several named trees that apply together.
    AcrossTrees { changes: Vec<(String, Change)> },

    /// Makes all of it part of the published state.
    Checkpoint,
    /// Repacks.
    Compact,
    /// Bounded maintenance, in pages.
    Maintain { budget: usize },
    /// Makes all of it durable.
    Sync,
    /// Gives back what nothing refers to.
    Gc,
    /// Gives back free space.
    Vacuum,
    /// Closes and opens the store; snapshots and handles of trees end.
    Reopen,
    /// Checks the whole store; damage is a failed outcome.
    Verify,
}

impl Op {
    /// What a call counts as.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Read(read) => read.kind(),
            Self::GetWith { .. } => Kind::GetWith,
            Self::GetInto { .. } => Kind::GetInto,
            Self::ContainsKey { .. } => Kind::ContainsKey,
            Self::GetMany { .. } => Kind::GetMany,
            Self::Put { .. } => Kind::Put,
            Self::Insert { .. } => Kind::Insert,
            Self::Delete { .. } => Kind::Delete,
            Self::Remove { .. } => Kind::Remove,
            Self::PutIfAbsent { .. } => Kind::PutIfAbsent,
            Self::PutMany { .. } => Kind::PutMany,
            Self::PutManyIfAbsent { .. } => Kind::PutManyIfAbsent,
            Self::CompareAndPut { .. } => Kind::CompareAndPut,
            Self::DeleteIfVersion { .. } => Kind::DeleteIfVersion,
            Self::Rename { .. } => Kind::Rename,
            Self::RenamePrefix { .. } => Kind::RenamePrefix,
            Self::DeletePrefix { .. } => Kind::DeletePrefix,
            Self::Batch { txn: false, .. } => Kind::Atomic,
            Self::Batch { txn: true, .. } => Kind::Txn,
            Self::Snapshot { .. } => Kind::Snapshot,
            Self::InSnapshot { read, .. } => read.view_kind(),
            Self::DropSnapshot { .. } => Kind::SnapshotDrop,
            Self::View { .. } => Kind::View,
            Self::CreateTree { .. } => Kind::CreateTree,
            Self::OpenTree { .. } => Kind::OpenTree,
            Self::OpenOrCreateTree { .. } => Kind::OpenOrCreateTree,
            Self::DropTree { .. } => Kind::DropTree,
            Self::ListTrees => Kind::ListTrees,
            Self::InTree { .. } => Kind::InTree,
            Self::AcrossTrees { .. } => Kind::AcrossTrees,
            Self::Checkpoint => Kind::Checkpoint,
            Self::Compact => Kind::Compact,
            Self::Maintain { .. } => Kind::Maintain,
            Self::Sync => Kind::Sync,
            Self::Gc => Kind::Gc,
            Self::Vacuum => Kind::Vacuum,
            Self::Reopen => Kind::Reopen,
            Self::Verify => Kind::Verify,
        }
    }

    /// What else it needs, operations of a batch included, each as often as it is there.
    pub fn parts(&self) -> Vec<Kind> {
        match self {
            Self::Read(read) => read.parts(),
            Self::InSnapshot { read, .. } => read.parts_in_view(),
            Self::View { read, .. } => [vec![read.view_kind()], read.parts_in_view()].concat(),
            Self::Batch { changes, .. } => changes.iter().map(Change::kind).collect(),
            Self::InTree { run, .. } => [vec![run.kind()], run.parts()].concat(),
            Self::AcrossTrees { changes } => {
                changes.iter().map(|(_, change)| change.kind()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The same with what a home without some kinds can do of it, if anything: a batch loses
    /// operations, anything else is there as a whole or not.
    pub fn only(mut self, has: impl Fn(Kind) -> bool + Copy) -> Option<Self> {
        match &mut self {
            Self::Batch { changes, .. } => changes.retain(|change| has(change.kind())),
            Self::AcrossTrees { changes } => changes.retain(|(_, change)| has(change.kind())),
            _ => {}
        }
        let of_snapshot = matches!(self, Self::InSnapshot { .. } | Self::DropSnapshot { .. });
        let has_all = has(self.kind()) && self.parts().into_iter().all(has);
        (has_all && (has(Kind::Snapshot) || !of_snapshot)).then_some(self)
    }

    /// Whether it may change what a reader sees.
    pub fn is_write(&self) -> bool {
        match self {
            Self::Put { .. }
            | Self::Insert { .. }
            | Self::Delete { .. }
            | Self::Remove { .. }
            | Self::PutIfAbsent { .. }
            | Self::PutMany { .. }
            | Self::PutManyIfAbsent { .. }
            | Self::CompareAndPut { .. }
            | Self::DeleteIfVersion { .. }
            | Self::Rename { .. }
            | Self::RenamePrefix { .. }
            | Self::DeletePrefix { .. }
            | Self::Batch { .. }
            | Self::CreateTree { .. }
            | Self::OpenOrCreateTree { .. }
            | Self::DropTree { .. }
            | Self::AcrossTrees { .. } => true,
            Self::InTree { run, .. } => run.is_write(),
            _ => false,
        }
    }

    /// Whether it names a version.
    pub fn expects(&self) -> bool {
        match self {
            Self::CompareAndPut { .. } | Self::DeleteIfVersion { .. } => true,
            Self::Batch { changes, .. } => changes.iter().any(Change::expects),
            Self::AcrossTrees { changes } => changes.iter().any(|(_, change)| change.expects()),
            Self::InTree { run, .. } => run.expects(),
            _ => false,
        }
    }

    /// The same with each version it names replaced; `find` gets the named tree (empty for the
    /// tree of the script), the key and what is asked for.
    pub fn with_expects(&self, find: &mut dyn FnMut(&str, &[u8], Expect) -> Expect) -> Self {
        let mut op = self.clone();
        let mut set = |tree: &str, (key, expect): (&Bytes, &mut Expect)| {
            *expect = find(tree, &key.0, *expect);
        };
        match &mut op {
            Self::CompareAndPut { key, expect, .. } | Self::DeleteIfVersion { key, expect } => {
                set("", (key, expect));
            }
            Self::Batch { changes, .. } => {
                changes.iter_mut().filter_map(Change::expect_mut).for_each(|found| set("", found));
            }
            Self::AcrossTrees { changes } => {
                for (tree, change) in changes {
                    if let Some(found) = change.expect_mut() {
                        set(tree, found);
                    }
                }
            }
            Self::InTree { tree, run } => {
                **run = run.with_expects(&mut |_, key, expect| find(tree, key, expect));
            }
            _ => {}
        }
        op
    }

    /// Reads a record.
    pub fn get_record(key: &[u8]) -> Self {
        Self::Read(Read::GetRecord { key: key.into() })
    }

    /// A batch that is not a transaction.
    pub fn atomic(changes: Vec<Change>) -> Self {
        Self::Batch { changes, txn: false }
    }
}

/// Operations in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// The operations.
    pub ops: Vec<Op>,
}

impl Script {
    /// What of it a home can do that has only these kinds.
    pub fn only(self, kinds: &[Kind]) -> Self {
        let has = |kind: Kind| kinds.contains(&kind);
        Self { ops: self.ops.into_iter().filter_map(|op| op.only(has)).collect() }
    }

    /// One JSON object a line.
    pub fn to_json_lines(&self) -> String {
        let line = |op: &Op| serde_json::to_string(op).expect("operations are plain data") + "\n";
        self.ops.iter().map(line).collect()
    }

    /// What [`Script::to_json_lines`] wrote; empty lines are skipped.
    pub fn from_json_lines(text: &str) -> Result<Self, String> {
        let ops = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(at, line)| {
                serde_json::from_str(line).map_err(|error| format!("line {}: {error}", at + 1))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { ops })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Script {
        let put = |n: u8| Op::Put { key: vec![n].into(), value: vec![n; 9].into() };
        let mut ops: Vec<Op> = (0..=255).map(put).collect();
        let start = Start::After(Bytes::default());
        let scan = Scan { start, end_before: Some(b"z".into()), reverse: true, ..Scan::default() };
        ops.push(Op::Read(Read::Scan(scan.clone())));
        ops.push(Op::View { prefix: b"p".into(), read: Read::Scan(scan) });
        ops.push(Op::atomic(vec![
            Change::Delete { key: b"t:x".into() },
            Change::AssertVersion { key: b"k".into(), expect: Expect::Exactly(u64::MAX) },
        ]));
        let tree = "names".to_owned();
        let run = Box::new(Op::DeleteIfVersion { key: b"k".into(), expect: Expect::Seen });
        ops.push(Op::InTree { tree: tree.clone(), run });
        ops.push(Op::AcrossTrees { changes: vec![(tree, Change::Delete { key: b"k".into() })] });
        ops.push(Op::Reopen);
        Script { ops }
    }

    #[test]
    fn json_lines_read_back_equal() {
        let script = sample();
        assert_eq!(Script::from_json_lines(&script.to_json_lines()), Ok(script));
        assert!(Script::from_json_lines("{\"op\":\"delete\",\"key\":\"zz\"}").is_err());
        assert!(Script::from_json_lines("{\"op\":\"delete\",\"key\":\"x:0\"}").is_err());
    }

    #[test]
    fn shrinking_keeps_what_fails_and_little_else() {
        let needle =
            |op: &Op| matches!(op, Op::Put { key, value } if key.0 == [77] && value.0.len() > 2);
        let shrunk = sample().shrink(500, |script| script.ops.iter().any(needle));
        assert_eq!(shrunk.ops.len(), 1);
        assert!(matches!(&shrunk.ops[0], Op::Put { value, .. } if value.0.len() == 4));
    }

    #[test]
    fn a_home_without_an_operation_gets_the_rest_of_the_script() {
        let plain = [Kind::Put, Kind::Atomic, Kind::BatchDelete, Kind::View, Kind::ViewScan];
        let kept = sample().only(&plain);
        assert_eq!(kept.ops.len(), 257, "256 puts and what is left of the batch");
        assert!(matches!(&kept.ops[256], Op::Batch { changes, .. } if changes.len() == 1));
        let scan = [Kind::Iterate, Kind::ScanRecords];
        let bounds = [&scan[..], &[Kind::StartAfter, Kind::EndBefore, Kind::Reverse]].concat();
        let kept = sample().only(&[&plain[..], &bounds].concat());
        assert!(matches!(&kept.ops[256], Op::Read(_)), "with its bounds the scan is there");
        assert!(matches!(&kept.ops[257], Op::View { .. }), "and the view");
        assert_eq!(sample().only(Kind::ALL), sample());
    }

    #[test]
    fn every_version_an_operation_names_is_replaced() {
        let expecting: Vec<Op> = sample().ops.into_iter().filter(Op::expects).collect();
        assert_eq!(expecting.len(), 2);
        let mut asked = Vec::new();
        for op in &expecting {
            let replaced = op.with_expects(&mut |tree, key, expect| {
                asked.push((tree.to_owned(), key.to_vec(), expect));
                Expect::Never
            });
            assert!(replaced != *op && replaced.expects());
        }
        let wanted = [("", Expect::Exactly(u64::MAX)), ("names", Expect::Seen)];
        let wanted = wanted.map(|(tree, expect)| (tree.to_owned(), b"k".to_vec(), expect));
        assert_eq!(asked, wanted);
    }
}
