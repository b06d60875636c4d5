//! Changing one tree: single operations and batches.
//!
//! Owns: nothing. Never does: more than lock, ask the core and translate.

use alloc::vec::Vec;

use super::batch::AtomicBatch;
use super::beside::Single;
use super::stats::VacuumStats;
use super::tree::Tree;
use crate::error::{Error, Result};
use crate::forest::Change;
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
    fn change(&self, key: &[u8], change: Change<'_>, when: Expect) -> Result<bool> {
        self.shared.change(Single { tree: self.tree, key, change, when })
    }

    /// Writes a record, replacing any under the same key.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"etc/hosts", b"127.0.0.1")?;
    /// tree.put(b"etc/hosts", b"::1")?;
    /// assert_eq!(tree.get(b"etc/hosts")?.as_deref(), Some(&b"::1"[..]));
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `KeyTooLong`, `ValueTooLong`, `ReadOnly`, `TreeDropped`, `Poisoned` after an earlier
    /// failure, and failures of the devices. After an error the write may or may not be found on
    /// reopening; after one of the first four it is not.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.change(key, Change::Put(value), Expect::Anything).map(|_| ())
    }

    /// Writes a record and returns the value that was under the key.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// assert_eq!(tree.insert(b"key", b"1")?, None);
    /// assert_eq!(tree.insert(b"key", b"2")?.as_deref(), Some(&b"1"[..]));
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::put`].
    pub fn insert(&self, key: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>> {
        self.shared.commit_one(|core| core.insert(self.tree, key, value))
    }

    /// Writes a record unless there is one under the key; whether it did.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// assert!(tree.put_if_absent(b"lock", b"me")?);
    /// assert!(!tree.put_if_absent(b"lock", b"you")?);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::put`].
    pub fn put_if_absent(&self, key: &[u8], value: &[u8]) -> Result<bool> {
        self.change(key, Change::Put(value), Expect::Absent)
    }

    /// Replaces a record if it is there in this version; whether it did.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"counter", &[1])?;
    /// let read = tree.get_record(b"counter")?.expect("is there");
    /// assert!(tree.compare_and_put(b"counter", read.version, &[read.value[0] + 1])?);
    /// assert!(!tree.compare_and_put(b"counter", read.version, &[9])?); // someone was faster
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::put`].
    pub fn compare_and_put(
        &self,
        key: &[u8],
        expected: RecordVersion,
        value: &[u8],
    ) -> Result<bool> {
        self.change(key, Change::Put(value), Expect::Version(expected))
    }

    /// Deletes a record; `false` if there was none.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"key", b"value")?;
    /// assert!(tree.delete(b"key")?);
    /// assert!(!tree.delete(b"key")?);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::put`].
    pub fn delete(&self, key: &[u8]) -> Result<bool> {
        self.change(key, Change::Delete, Expect::Anything)
    }

    /// Deletes a record and returns its value.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"key", b"value")?;
    /// assert_eq!(tree.remove(b"key")?.as_deref(), Some(&b"value"[..]));
    /// assert_eq!(tree.remove(b"key")?, None);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::put`].
    pub fn remove(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.shared.commit_one(|core| core.remove(self.tree, key))
    }

    /// Deletes a record if it is there in this version; whether it did.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"key", b"1")?;
    /// let seen = tree.get_version(b"key")?.expect("is there");
    /// tree.put(b"key", b"2")?;
    /// assert!(!tree.delete_if_version(b"key", seen)?);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::put`].
    pub fn delete_if_version(&self, key: &[u8], expected: RecordVersion) -> Result<bool> {
        self.change(key, Change::Delete, Expect::Version(expected))
    }

    /// Writes records together, as one log record. Of several under one key the last one stays.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put_many(&[(b"a", b"1"), (b"b", b"2")])?;
    /// assert_eq!(tree.prefix_count(b"", 0)?.count, 2);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
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
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// use holt_engine::db::PutOutcome::{AlreadyExists, Created};
    ///
    /// tree.put(b"a", b"old")?;
    /// let outcomes = tree.put_many_if_absent(&[(b"a", b"new"), (b"b", b"new")])?;
    /// assert_eq!(outcomes, [AlreadyExists, Created]);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::atomic`].
    pub fn put_many_if_absent(&self, entries: &[(&[u8], &[u8])]) -> Result<Vec<PutOutcome>> {
        let tree = self.tree;
        let put = |&(key, value)| Request::PutNew { tree, key, value };
        let requests: Vec<Request<'_>> = entries.iter().map(put).collect();
        if requests.is_empty() {
            return self.check_exists().map(|()| Vec::new());
        }
        let report = self.shared.commit_batch(|core| core.batch(&requests))?.unwrap_or_default();
        let outcome = |created| match created {
            true => PutOutcome::Created,
            false => PutOutcome::AlreadyExists,
        };
        Ok(report.created.into_iter().map(outcome).collect())
    }

    /// Moves a record, with a new version. `src == dst` changes nothing.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// use holt_engine::error::Error;
    ///
    /// tree.put(b"draft", b"text")?;
    /// tree.put(b"final", b"older text")?;
    /// assert_eq!(tree.rename(b"draft", b"final", false), Err(Error::DstExists));
    /// tree.rename(b"draft", b"final", true)?;
    /// assert_eq!(tree.get(b"final")?.as_deref(), Some(&b"text"[..]));
    /// assert_eq!(tree.rename(b"draft", b"final", true), Err(Error::NotFound));
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
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
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put_many(&[(b"inbox/1", b""), (b"inbox/2", b""), (b"sent/1", b"")])?;
    /// assert_eq!(tree.rename_prefix(b"inbox/", b"archive/", false)?, 2);
    /// assert!(tree.contains_key(b"archive/2")?);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
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
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put_many(&[(b"tmp/1", b""), (b"tmp/2", b""), (b"usr", b"")])?;
    /// assert_eq!(tree.delete_prefix(b"tmp/")?, 2);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::put`].
    pub fn delete_prefix(&self, prefix: &[u8]) -> Result<u64> {
        self.apply(&[Request::DeletePrefix { tree: self.tree, prefix }])
    }

    /// Applies operations without conditions; returns how many records moved or went.
    fn apply(&self, requests: &[Request<'_>]) -> Result<u64> {
        if requests.is_empty() {
            return self.check_exists().map(|()| 0);
        }
        let report = self.shared.commit_batch(|core| core.batch(requests))?;
        Ok(report.unwrap_or_default().moved)
    }

    /// Applies a batch as one log record: all of it, or nothing. Operations apply in order, and
    /// each sees the effects of those before it. `false` if a guard did not hold: then nothing
    /// is applied and nothing logged. Readers see all or nothing.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"from", b"10")?;
    /// let applied = tree.atomic(|batch| {
    ///     batch.assert_absent(b"to");
    ///     batch.rename(b"from", b"to", false);
    ///     batch.put(b"moved", b"yes");
    /// })?;
    /// assert!(applied);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
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
            return self.check_exists().map(|()| true);
        }
        let report = self.shared.commit_batch(|core| core.batch(&batch.requests(self.tree)))?;
        Ok(report.is_some())
    }

    /// The same, with an error for a guard that did not hold.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// let first = tree.txn(|batch| batch.put_if_absent(b"id", b"1"));
    /// assert!(first.is_ok());
    /// let second = tree.txn(|batch| batch.put_if_absent(b"id", b"2"));
    /// assert_eq!(second, Err(holt_engine::error::Error::GuardFailed));
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
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
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// assert_eq!(tree.gc()?, 0);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `GcRequiresStandaloneTree` on a tree of a [`DB`](crate::db::DB). `Corrupt` if the store
    /// is damaged: what leads where is not certain then. Else those of [`Tree::checkpoint`].
    pub fn gc(&self) -> Result<usize> {
        self.check_standalone()?;
        self.shared.settled().gc()
    }

    /// [`Tree::gc`], and repacks every tree so that the store becomes as small as it can.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// for number in 0..10_000_u32 {
    ///     tree.put(&number.to_be_bytes(), b"value")?;
    /// }
    /// tree.checkpoint()?;
    /// tree.delete_prefix(b"")?;
    /// let given_back = tree.vacuum()?;
    /// assert!(given_back.bytes_after < given_back.bytes_before);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::gc`].
    pub fn vacuum(&self) -> Result<VacuumStats> {
        self.check_standalone()?;
        self.shared.settled().vacuum()
    }

    /// For what changes nothing and so does not look for its tree.
    fn check_exists(&self) -> Result<()> {
        match self.shared.core.read().forest.roots.contains_key(&self.tree) {
            true => Ok(()),
            false => Err(Error::TreeDropped),
        }
    }

    fn check_standalone(&self) -> Result<()> {
        match self.standalone {
            true => Ok(()),
            false => Err(Error::GcRequiresStandaloneTree),
        }
    }
}
