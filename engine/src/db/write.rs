//! Changing records: single operations and batches, in the order of the write protocol.
//!
//! Owns: the order limits, conditions, log record, change. Never does: checkpoint, or decide
//! which tree a handle means.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::core::Core;
use crate::error::{Error, Result};
use crate::forest::Place;
use crate::ids::{Lsn, TreeId};
use crate::log::OpRef;
use crate::txn::{Expect, Pending, Request, check_limits, check_requests};

/// What a batch that was applied did, beyond being applied.
#[derive(Default)]
pub(super) struct Report {
    /// Records that operations on prefixes moved or deleted.
    pub moved: u64,
    /// For each [`Request::PutNew`], whether it wrote its record.
    pub created: Vec<bool>,
}

/// A batch that failed.
pub(super) struct Failed {
    /// Why.
    pub error: Error,
    /// Whether it may be found when the store is opened again.
    pub unknown: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, unknown: false }
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

impl Core {
    /// Writes one record.
    pub fn put(&mut self, tree: TreeId, key: &[u8], value: &[u8]) -> Result<()> {
        check_limits(key, value)?;
        self.ready()?;
        let place = self.forest.with(|forest| forest.place(tree, key))?;
        self.write_at(tree, place, key, value)
    }

    /// Writes one record and returns the value it replaces.
    pub fn insert(&mut self, tree: TreeId, key: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>> {
        check_limits(key, value)?;
        self.ready()?;
        let place = self.forest.with(|forest| forest.place(tree, key))?;
        let previous = self.value_at(place)?;
        self.write_at(tree, place, key, value)?;
        Ok(previous)
    }

    /// Writes one record if a condition holds; whether it did.
    pub fn put_when(
        &mut self,
        tree: TreeId,
        key: &[u8],
        value: &[u8],
        when: Expect,
    ) -> Result<bool> {
        check_limits(key, value)?;
        let place = self.place_if(tree, key, |found| when.holds(found))?;
        let Some(place) = place else { return Ok(false) };
        self.write_at(tree, place, key, value)?;
        Ok(true)
    }

    /// Removes one record if it is there and a condition holds; whether it did.
    pub fn delete_when(&mut self, tree: TreeId, key: &[u8], when: Expect) -> Result<bool> {
        check_limits(key, &[])?;
        let place = self.place_if(tree, key, |found| found.is_some() && when.holds(found))?;
        let Some(place) = place else { return Ok(false) };
        self.erase_at(tree, place, key)?;
        Ok(true)
    }

    /// Removes one record and returns its value.
    pub fn remove(&mut self, tree: TreeId, key: &[u8]) -> Result<Option<Vec<u8>>> {
        check_limits(key, &[])?;
        let place = self.place_if(tree, key, |found| found.is_some())?;
        let Some(place) = place else { return Ok(None) };
        let value = self.value_at(place)?;
        self.erase_at(tree, place, key)?;
        Ok(value)
    }

    /// The place of a key, if the version found there, or that there is none, is as wanted. If
    /// it is not, nothing is written: not even what makes a store ready for its first write.
    fn place_if(
        &mut self,
        tree: TreeId,
        key: &[u8],
        wanted: impl Fn(Option<u64>) -> bool,
    ) -> Result<Option<Place>> {
        self.check_writable()?;
        let place = self.forest.with(|forest| forest.place(tree, key))?;
        if !wanted(self.forest.with(|forest| forest.version(place))?) {
            self.after_read();
            return Ok(None);
        }
        match self.ready()? {
            true => self.forest.with(|forest| forest.place(tree, key)).map(Some),
            false => Ok(Some(place)),
        }
    }

    fn value_at(&mut self, place: Place) -> Result<Option<Vec<u8>>> {
        match place.exact {
            true => {
                self.forest.with(|forest| forest.value_at(place).map(|value| Some(value.into())))
            }
            false => Ok(None),
        }
    }

    /// The short way of a batch of one put.
    fn write_at(&mut self, tree: TreeId, place: Place, key: &[u8], value: &[u8]) -> Result<()> {
        self.check_journal()?;
        let place = self.forest.make_room(tree, key, value.len(), place)?;
        let lsn = self.append(&[OpRef::Put { tree, key, value }])?;
        self.forest.cache.set_lsn(lsn);
        let written = self.forest.settle(|forest| forest.write(tree, place, key, value, lsn));
        let remains = self.guard(written)?;
        self.forest.give_back(remains);
        self.note(lsn, &[OpRef::Put { tree, key, value }])?;
        self.after_write(key.len() + value.len())
    }

    /// The short way of a batch of one deletion; the place is exact.
    fn erase_at(&mut self, tree: TreeId, place: Place, key: &[u8]) -> Result<()> {
        self.check_journal()?;
        let lsn = self.append(&[OpRef::Delete { tree, key }])?;
        self.forest.cache.set_lsn(lsn);
        let erased = self.forest.settle(|forest| forest.erase(tree, place));
        let remains = self.guard(erased)?;
        self.forest.give_back(remains);
        let shrunk = self.forest.shrink(tree, key);
        self.guard(shrunk)?;
        self.note(lsn, &[OpRef::Delete { tree, key }])?;
        self.after_write(key.len())
    }

    /// Applies operations together or not at all, as one log record. `None` if a condition did
    /// not hold.
    pub fn batch(&mut self, requests: &[Request<'_>]) -> Result<Option<Report>, Failed> {
        let bytes = check_requests(requests)?;
        self.check_journal()?;
        self.ready()?;
        let prepared = match self.log_mut() {
            Some(log) => log.prepare(bytes),
            // Without a log the limits of a log record hold all the same.
            None => Ok(self.clock()),
        };
        let lsn = prepared.map_err(|error| self.judge(error))?;
        let mut pending = match Pending::run(&mut self.forest, requests, lsn) {
            Ok(Some(pending)) => pending,
            stopped => {
                // Pages may bear the position by now, and no page is as new as the clock.
                self.skip();
                self.after_read();
                return match stopped {
                    Err(error @ Error::Poisoned { .. }) => {
                        self.tear();
                        Err(self.judge(error).into())
                    }
                    Err(error) => Err(error.into()),
                    Ok(_) => Ok(None),
                };
            }
        };
        let created = core::mem::take(&mut pending.created);
        let report = Report { moved: pending.moved, created };
        let bytes = self.finish(lsn, pending)?;
        if bytes == 0 {
            // As above: what is compacted next bears the position that nothing was logged at.
            self.skip();
            self.after_read();
            return Ok(Some(report));
        }
        match self.after_write(bytes) {
            Ok(()) => Ok(Some(report)),
            Err(error) => Err(Failed { error, unknown: true }),
        }
    }

    /// Logs what a batch did and makes it final, or takes it back. Returns the bytes logged.
    fn finish(&mut self, lsn: Lsn, pending: Pending<'_>) -> Result<usize, Failed> {
        let ops = pending.ops();
        if ops.is_empty() {
            return Ok(0);
        }
        let bytes = crate::log::encoded_len(&ops);
        if let Err(error) = self.append(&ops) {
            drop(ops);
            let undone = pending.undo(&mut self.forest);
            if undone.is_err() {
                self.tear();
            }
            // How much of the record reached the device is not known, whatever became of the rest.
            let error = self.guard(undone).err().unwrap_or(error);
            return Err(Failed { error, unknown: true });
        }
        let noted = self.note(lsn, &ops);
        drop(ops);
        noted.map_err(|error| Failed { error, unknown: true })?;
        // The batch is in the log and in force; a failure to give back what it replaced shows on
        // the next write.
        let committed = pending.commit(&mut self.forest);
        let _ = self.guard(committed);
        Ok(bytes)
    }

    /// Counts a commit and notes it in the change feed. It is in the log: if that fails, the next
    /// opening makes it good.
    fn note(&mut self, lsn: Lsn, ops: &[OpRef<'_>]) -> Result<()> {
        self.counters.payload += ops.iter().map(OpRef::payload).sum::<u64>();
        let noted = self.feed.note(&mut self.forest, lsn, ops);
        self.guard(noted)
    }

    /// Notes a failure of the log that is not about the operations themselves.
    pub(super) fn judge(&mut self, error: Error) -> Error {
        if matches!(error, Error::BlobStoreIo(_) | Error::Poisoned { .. }) {
            self.give_up(error.to_string());
        }
        error
    }

    fn append(&mut self, ops: &[OpRef<'_>]) -> Result<Lsn> {
        match self.log_mut() {
            Some(log) => match log.append_ops(ops) {
                Ok(lsn) => Ok(lsn),
                Err(error) => Err(self.judge(error)),
            },
            None => self.tick(ops.len() as u64),
        }
    }
}
