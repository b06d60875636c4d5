//! A script's operations as calls of a tree in this process.
//!
//! Owns: how an operation that needs no more than a tree becomes a call of [`Tree`], and a change
//! a part of a batch. Never does: hold anything between two operations.

use holt_engine::db::{AtomicBatch, DBAtomicBatch, PutOutcome, Tree, VerifyReport};
use holt_engine::error::{Error, Result};
use holt_engine::ids::RecordVersion;

use super::not_here;
use super::reads::read_tree;
use crate::model::Outcome;
use crate::script::{Bytes, Change, Expect, Op};

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
        Op::Read(read) => read_tree(tree, read)?,
        Op::GetWith { key } => Outcome::Value(tree.get_with(&key.0, <[u8]>::to_vec)?),
        Op::GetInto { key } => {
            // What the buffer held before must not show.
            let mut buffer = b"old".to_vec();
            let found = tree.get_into(&key.0, &mut buffer)?;
            match (found, buffer.is_empty()) {
                (false, false) => Outcome::Failed("a buffer without a value is not empty".into()),
                _ => Outcome::Value(found.then_some(buffer)),
            }
        }
        Op::ContainsKey { key } => Outcome::Yes(tree.contains_key(&key.0)?),
        Op::GetMany { keys } => {
            let keys: Vec<&[u8]> = keys.iter().map(|key| key.0.as_slice()).collect();
            Outcome::Values(tree.get_many(&keys)?)
        }
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

pub(super) fn done(result: Result<()>) -> Result<Outcome> {
    result.map(|()| Outcome::Done)
}

/// A sound store has nothing that nothing leads to.
pub(super) fn collected(count: usize) -> Outcome {
    match count {
        0 => Outcome::Done,
        some => Outcome::Failed(format!("{some} blobs had no owner")),
    }
}

pub(super) fn verified(report: &VerifyReport) -> Outcome {
    match report.damage.first() {
        None => Outcome::Done,
        Some(first) => {
            Outcome::Failed(format!("{} pieces of damage: {first}", report.damage.len()))
        }
    }
}

pub(super) fn pairs(records: &[(Bytes, Bytes)]) -> Vec<(&[u8], &[u8])> {
    records.iter().map(|(key, value)| (key.0.as_slice(), value.0.as_slice())).collect()
}

pub(super) fn version(expect: Expect) -> RecordVersion {
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
fn fill(batch: &mut AtomicBatch, change: &Change) {
    fill!(batch, change);
}

pub(super) fn fill_db(batch: &mut DBAtomicBatch, tree: &str, change: &Change) {
    fill!(batch, change, tree);
}
