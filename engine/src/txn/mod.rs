//! Applying operations: alone, as a batch that is undone if it fails, and on replay.
//!
//! Owns: the order log record, change, and giving back what was replaced. Invariant: a batch
//! that returns an error has changed nothing that a reader can see.

use alloc::string::ToString;
use alloc::vec::Vec;

use crate::error::{Error, Result};
use crate::forest::{Forest, Previous};
use crate::ids::{Lsn, TreeId};
use crate::limits::{MAX_KEY_BYTES, MAX_VALUE_BYTES};
use crate::log::OpRef;

/// Checks a key and a value against their limits.
pub fn check_limits(key: &[u8], value: &[u8]) -> Result<()> {
    if key.len() > MAX_KEY_BYTES {
        return Err(Error::KeyTooLong { len: key.len() });
    }
    if value.len() > MAX_VALUE_BYTES {
        return Err(Error::ValueTooLong { len: value.len() });
    }
    Ok(())
}

/// What one operation of a batch did.
enum Done<'a> {
    Wrote { tree: TreeId, key: &'a [u8], previous: Option<Previous> },
    Erased { tree: TreeId, key: &'a [u8], previous: Previous },
}

/// Operations applied and not yet certain.
#[derive(Default)]
pub struct Applied<'a> {
    done: Vec<Done<'a>>,
}

impl<'a> Applied<'a> {
    /// Applies `ops` in order under the record at `lsn`. On error, what was applied is undone.
    ///
    /// # Errors
    /// What stopped an operation; `Poisoned` if what was applied could not be undone.
    pub fn apply(forest: &mut Forest, ops: &[OpRef<'a>], lsn: Lsn) -> Result<Self> {
        forest.cache.set_lsn(lsn);
        let mut applied = Self::default();
        for (index, op) in ops.iter().enumerate() {
            if let Err(error) = applied.one(forest, op, lsn + index as u64) {
                let stuck = |stuck: Error| Error::Poisoned { cause: stuck.to_string() };
                return Err(applied.undo(forest).map_or_else(stuck, |()| error));
            }
        }
        Ok(applied)
    }

    fn one(&mut self, forest: &mut Forest, op: &OpRef<'a>, version: u64) -> Result<()> {
        match *op {
            OpRef::Put { tree, key, value } => {
                let place = forest.make_place(tree, key, value.len())?;
                let previous = forest.settle(|f| f.write(tree, place, key, value, version))?;
                self.done.push(Done::Wrote { tree, key, previous });
            }
            OpRef::Delete { tree, key } => {
                let place = forest.with(|forest| forest.place(tree, key))?;
                if place.exact {
                    let previous = forest.settle(|forest| forest.erase(tree, place, key))?;
                    self.done.push(Done::Erased { tree, key, previous });
                }
            }
        }
        Ok(())
    }

    /// Takes everything back, newest first.
    pub fn undo(self, forest: &mut Forest) -> Result<()> {
        for done in self.done.into_iter().rev() {
            match done {
                Done::Wrote { tree, key, previous } => forest.undo_write(tree, key, previous)?,
                Done::Erased { tree, key, previous } => forest.undo_erase(tree, key, previous)?,
            }
        }
        Ok(())
    }

    /// The operations are certain: gives back what they replaced, and lets thin pages join.
    pub fn commit(self, forest: &mut Forest) -> Result<()> {
        for done in &self.done {
            match done {
                Done::Wrote { previous: Some(previous), .. } => forest.forget(previous, true),
                Done::Wrote { previous: None, .. } => {}
                Done::Erased { previous, .. } => forest.forget(previous, false),
            }
        }
        for done in &self.done {
            if let Done::Erased { tree, key, .. } = done {
                forest.shrink(*tree, key)?;
            }
        }
        Ok(())
    }
}
