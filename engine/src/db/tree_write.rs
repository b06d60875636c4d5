//! Changing one tree: single operations and batches.
//!
//! Owns: nothing. Never does: more than lock, ask the core and translate.

use alloc::vec::Vec;

use super::batch::AtomicBatch;
use super::stats::VacuumStats;
use super::tree::Tree;
use crate::error::{Error, Result};
use crate::ids::RecordVersion;
use crate::txn::{Expect, Request};

/// What became of one entry of [`Tree::put_many_if_absent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum PutOutcome {
    /// It was written.
    Created,
    /// There was a record under the key already, which stays as it is.
    AlreadyExists,
}

impl Tree {
    /// Writes a record, replacing any under the same key.
    ///
    /// # Errors
    /// `KeyTooLong`, `ValueTooLong`, `ReadOnly`, `TreeDropped`, `Poisoned` after an earlier
    /// failure, and failures of the devices. After an error the write may or may not be found on
    /// reopening; after one of the first four it is not.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.shared.core.write().put(self.tree, key, value)
    }

    /// Writes a record and returns the value that was under the key.
    ///
    /// # Errors
    /// Those of [`Tree::put`].
    pub fn insert(&self, key: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>> {
        self.shared.core.write().insert(self.tree, key, value)
    }

    /// Writes a record unless there is one under the key; whether it did.
    ///
    /// # Errors
    /// Those of [`Tree::put`].
    pub fn put_if_absent(&self, key: &[u8], value: &[u8]) -> Result<bool> {
        self.shared.core.write().put_when(self.tree, key, value, Expect::Absent)
    }

    /// Replaces a record if it is there in this version; whether it did.
    ///
    /// # Errors
    /// Those of [`Tree::put`].
    pub fn compare_and_put(
        &self,
        key: &[u8],
        expected: RecordVersion,
        value: &[u8],
    ) -> Result<bool> {
        self.shared.core.write().put_when(self.tree, key, value, Expect::Version(expected))
    }

    /// Deletes a record; `false` if there was none.
    ///
    /// # Errors
    /// Those of [`Tree::put`].
    pub fn delete(&self, key: &[u8]) -> Result<bool> {
        self.shared.core.write().delete_when(self.tree, key, Expect::Anything)
    }

    /// Deletes a record and returns its value.
    ///
    /// # Errors
    /// Those of [`Tree::put`].
    pub fn remove(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.shared.core.write().remove(self.tree, key)
    }

    /// Deletes a record if it is there in this version; whether it did.
    ///
    /// # Errors
    /// Those of [`Tree::put`].
    pub fn delete_if_version(&self, key: &[u8], expected: RecordVersion) -> Result<bool> {
        self.shared.core.write().delete_when(self.tree, key, Expect::Version(expected))
    }

    /// Writes records together, as one log record. Of several under one key the last one stays.
    ///
    /// # Errors
    /// Those of [`Tree::atomic`].
    pub fn put_many(&self, entries: &[(&[u8], &[u8])]) -> Result<()> {
        let tree = self.tree;
        let put = |&(key, value)| Request::Put { tree, key, value, when: Expect::Anything };
        let requests: Vec<Request<'_>> = entries.iter().map(put).collect();
        self.apply(&requests).map(drop)
    }

    /// Writes those of the records under whose keys there is none, together, as one log record.
    /// Of several under one key the first one is written.
    ///
    /// # Errors
    /// Those of [`Tree::atomic`].
    pub fn put_many_if_absent(&self, entries: &[(&[u8], &[u8])]) -> Result<Vec<PutOutcome>> {
        let tree = self.tree;
        let put = |&(key, value)| Request::PutNew { tree, key, value };
        let requests: Vec<Request<'_>> = entries.iter().map(put).collect();
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let report = self.shared.core.write().batch(&requests)?.unwrap_or_default();
        let outcome = |created| match created {
            true => PutOutcome::Created,
            false => PutOutcome::AlreadyExists,
        };
        Ok(report.created.into_iter().map(outcome).collect())
    }

    /// Moves a record, with a new version. `src == dst` changes nothing.
    ///
    /// # Errors
    /// `NotFound` if `src` is not there, `DstExists` if `dst` is and `force` is not given, both
    /// before any change; else those of [`Tree::put`].
    pub fn rename(&self, src: &[u8], dst: &[u8], force: bool) -> Result<()> {
        self.apply(&[Request::Rename { tree: self.tree, src, dst, force }]).map(drop)
    }

    /// Moves every record whose key starts with `src` to where it starts with `dst`, and returns
    /// how many. Versions stay. With `force` what lies under `dst` is replaced. If nothing lies
    /// under `src`, nothing changes, not even under `dst`, and the answer is 0.
    ///
    /// # Errors
    /// `InvalidArgument` if one prefix starts with the other, `KeyTooLong` if a key would grow
    /// past the limit, `DstExists` if a key is under `dst` and `force` is not given, all before
    /// any change; else those of [`Tree::put`].
    pub fn rename_prefix(&self, src: &[u8], dst: &[u8], force: bool) -> Result<u64> {
        self.apply(&[Request::RenamePrefix { tree: self.tree, src, dst, force }])
    }

    /// Deletes every record whose key starts with `prefix` and returns how many.
    ///
    /// # Errors
    /// Those of [`Tree::put`].
    pub fn delete_prefix(&self, prefix: &[u8]) -> Result<u64> {
        self.apply(&[Request::DeletePrefix { tree: self.tree, prefix }])
    }

    /// Applies operations without conditions; returns how many records moved or went.
    fn apply(&self, requests: &[Request<'_>]) -> Result<u64> {
        if requests.is_empty() {
            return Ok(0);
        }
        let report = self.shared.core.write().batch(requests)?;
        Ok(report.unwrap_or_default().moved)
    }

    /// Applies a batch as one log record: all of it, or nothing. Operations apply in order, and
    /// each sees the effects of those before it. `false` if a guard did not hold: then nothing
    /// is applied and nothing logged. Readers see all or nothing.
    ///
    /// # Errors
    /// `NotFound`, `DstExists` and the other errors of [`Tree::rename`] and
    /// [`Tree::rename_prefix`] for these operations, with nothing applied. The limits of a
    /// batch: `BatchTooLarge`, `BatchTooWide`, `TooManyPrefixOps`, `WalRecordTooLarge`. Else
    /// those of [`Tree::put`].
    pub fn atomic(&self, fill: impl FnOnce(&mut AtomicBatch)) -> Result<bool> {
        let mut batch = AtomicBatch::default();
        fill(&mut batch);
        if batch.is_empty() {
            return Ok(true);
        }
        let report = self.shared.core.write().batch(&batch.requests(self.tree))?;
        Ok(report.is_some())
    }

    /// The same, with an error for a guard that did not hold.
    ///
    /// # Errors
    /// `GuardFailed`, and those of [`Tree::atomic`].
    pub fn txn(&self, fill: impl FnOnce(&mut AtomicBatch)) -> Result<()> {
        match self.atomic(fill)? {
            true => Ok(()),
            false => Err(Error::GuardFailed),
        }
    }

    /// Removes what the store holds and nothing leads to, checkpoints, and lets the store give
    /// free space back. Returns how many frames and extents it removed: 0 unless a tree was
    /// dropped that was damaged. Reads the whole store.
    ///
    /// # Errors
    /// `GcRequiresStandaloneTree` on a tree of a [`DB`](crate::db::DB). `Corrupt` if the store
    /// is damaged: what leads where is not certain then. Else those of [`Tree::checkpoint`].
    pub fn gc(&self) -> Result<usize> {
        self.check_standalone()?;
        self.shared.core.write().gc()
    }

    /// [`Tree::gc`], and repacks every tree so that the store becomes as small as it can.
    ///
    /// # Errors
    /// Those of [`Tree::gc`].
    pub fn vacuum(&self) -> Result<VacuumStats> {
        self.check_standalone()?;
        self.shared.core.write().vacuum()
    }

    fn check_standalone(&self) -> Result<()> {
        match self.standalone {
            true => Ok(()),
            false => Err(Error::GcRequiresStandaloneTree),
        }
    }
}
