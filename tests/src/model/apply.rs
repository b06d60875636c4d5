//! Operations on one tree.

use super::outcome::Outcome;
use super::records::{Fault, Log, Records, check};
use crate::script::{Bytes, Change, Op};

impl Records {
    /// Runs an operation on one tree; `None` for one that is about something else.
    pub fn run(&mut self, op: &Op, log: &mut Log) -> Option<Result<Outcome, Fault>> {
        let value = |records: &Self, key: &Bytes| {
            Outcome::Value(records.get(&key.0).map(|record| record.value.clone()))
        };
        Some(match op {
            Op::Read(read) => self.read(read, &[]),
            Op::GetWith { key } | Op::GetInto { key } => Ok(value(self, key)),
            Op::ContainsKey { key } => Ok(Outcome::Yes(self.get(&key.0).is_some())),
            Op::GetMany { keys } => {
                let found = |key: &Bytes| self.get(&key.0).map(|record| record.value.clone());
                Ok(Outcome::Values(keys.iter().map(found).collect()))
            }
            Op::Batch { changes, txn } => match self.batch(changes, log) {
                Err(Fault::Guard) if *txn => Err(Fault::new("guard-failed")),
                Err(Fault::Guard) => Ok(Outcome::Yes(false)),
                Err(fault) => Err(fault),
                Ok(_) if *txn => Ok(Outcome::Done),
                Ok(_) => Ok(Outcome::Yes(true)),
            },
            Op::PutManyIfAbsent { records } => self.put_many_if_absent(records, log),
            Op::PutMany { records } => {
                let put = |(key, value): &(Bytes, Bytes)| Change::Put {
                    key: key.clone(),
                    value: value.clone(),
                };
                let changes: Vec<Change> = records.iter().map(put).collect();
                self.batch(&changes, log).map(|_| Outcome::Done)
            }
            single => self.single(single, log)?,
        })
    }

    /// Runs an operation that is one change, and answers in its own way.
    fn single(&mut self, op: &Op, log: &mut Log) -> Option<Result<Outcome, Fault>> {
        let change = change_of(op)?;
        let before = match op {
            Op::Insert { key, .. } | Op::Delete { key } | Op::Remove { key } => {
                self.get(&key.0).map(|record| record.value.clone())
            }
            _ => None,
        };
        let outcome = match self.batch(&[change], log) {
            Err(Fault::Guard) => return Some(Ok(Outcome::Yes(false))),
            Err(fault) => return Some(Err(fault)),
            Ok(count) => match op {
                Op::Insert { .. } | Op::Remove { .. } => Outcome::Value(before),
                Op::Delete { .. } => Outcome::Yes(before.is_some()),
                Op::RenamePrefix { .. } | Op::DeletePrefix { .. } => Outcome::Moved(count),
                Op::Put { .. } | Op::Rename { .. } => Outcome::Done,
                _ => Outcome::Yes(true),
            },
        };
        Some(Ok(outcome))
    }

    /// Makes all changes or none; answers the records that operations on prefixes were about.
    ///
    /// # Errors
    /// Limits, then the first change that cannot be made.
    fn batch(&mut self, changes: &[Change], log: &mut Log) -> Result<u64, Fault> {
        check(changes.iter())?;
        let from = log.before.len();
        let mut count = 0;
        for change in changes {
            match self.change(change, log) {
                Ok(some) => count += some,
                Err(fault) => {
                    self.undo(log, from);
                    return Err(fault);
                }
            }
        }
        Ok(count)
    }

    /// Of two records with one key the first is written, if there was none.
    fn put_many_if_absent(
        &mut self,
        records: &[(Bytes, Bytes)],
        log: &mut Log,
    ) -> Result<Outcome, Fault> {
        let put = |(key, value): &(Bytes, Bytes)| Change::PutIfAbsent {
            key: key.clone(),
            value: value.clone(),
        };
        let changes: Vec<Change> = records.iter().map(put).collect();
        check(changes.iter())?;
        let each = changes.iter().map(|change| self.change(change, log).is_ok());
        Ok(Outcome::Each(each.collect()))
    }
}

/// The change that an operation is.
fn change_of(op: &Op) -> Option<Change> {
    Some(match op.clone() {
        Op::Put { key, value } | Op::Insert { key, value } => Change::Put { key, value },
        Op::PutIfAbsent { key, value } => Change::PutIfAbsent { key, value },
        Op::CompareAndPut { key, expect, value } => Change::CompareAndPut { key, expect, value },
        Op::Delete { key } | Op::Remove { key } => Change::Delete { key },
        Op::DeleteIfVersion { key, expect } => Change::DeleteIfVersion { key, expect },
        Op::Rename { src, dst, force } => Change::Rename { src, dst, force },
        Op::RenamePrefix { src, dst, force } => Change::RenamePrefix { src, dst, force },
        Op::DeletePrefix { prefix } => Change::DeletePrefix { prefix },
        _ => return None,
    })
}
