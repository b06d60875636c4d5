//! Reading a tree: lookups beside `get`, and scans.

use alloc::vec::Vec;

use super::lookup;
use super::outcome::PrefixCount;
use super::scan::{KeyRangeBuilder, RangeBuilder};
use super::tree::{Record, Tree};
use crate::error::Result;
use crate::ids::RecordVersion;

/// A record and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixRecord {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// The version.
    pub version: RecordVersion,
}

impl Tree {
    /// The version of `key`, without its value.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"key", b"value")?;
    /// let version = tree.get_record(b"key")?.map(|record| record.version);
    /// assert_eq!(tree.get_version(b"key")?, version);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::get`].
    pub fn get_version(&self, key: &[u8]) -> Result<Option<RecordVersion>> {
        lookup::version(self, key)
    }

    /// Whether there is a record under `key`.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"key", b"value")?;
    /// assert!(tree.contains_key(b"key")? && !tree.contains_key(b"ke")?);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::get`].
    pub fn contains_key(&self, key: &[u8]) -> Result<bool> {
        Ok(self.get_version(key)?.is_some())
    }

    /// Calls `read` with the value of `key`, if there is one, and passes on what it returns.
    ///
    /// The value is lent from a copy; one of up to about a thousand bytes is copied without an
    /// allocation. No lock is held meanwhile: `read` may call back into the tree.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"size", &7_u32.to_le_bytes())?;
    /// let first = tree.get_with(b"size", |value| value.first().copied())?;
    /// assert_eq!(first, Some(Some(7)));
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::get`].
    pub fn get_with<R>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        lookup::with(self, key, read)
    }

    /// Puts the value of `key` into `out`, whose memory is used again. `false`, and `out` is
    /// empty, if there is none; `out` is empty after an error too.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put_many(&[(b"a", b"1"), (b"b", b"2")])?;
    /// let mut value = Vec::new();
    /// for key in [b"a", b"b"] {
    ///     assert!(tree.get_into(key, &mut value)? && value.len() == 1);
    /// }
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::get`].
    pub fn get_into(&self, key: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        lookup::into(self, key, out)
    }

    /// The values of several keys, in the order of `keys`, all in one state: of what was written
    /// together they show all or nothing.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"a", b"1")?;
    /// assert_eq!(tree.get_many(&[b"a", b"b"])?, [Some(b"1".to_vec()), None]);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` for more than [`MAX_GET_MANY_KEYS`](crate::limits::MAX_GET_MANY_KEYS)
    /// keys; else those of [`Tree::get`].
    pub fn get_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Vec<u8>>>> {
        lookup::many(self, keys, usize::MAX, |value, _| value.into())
    }

    /// The records of several keys, in the order of `keys`, all in one state: all of them, or
    /// those of the first keys until their values have `max_bytes`, so that an answer is bounded.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put_many(&[(b"a", b"12345"), (b"b", b"67890")])?;
    /// let found = tree.get_many_records(&["a", "none", "b"], 1 << 20)?;
    /// assert!(found[1].is_none() && found[2].is_some());
    /// assert_eq!(tree.get_many_records(&[b"a", b"b"], 4)?.len(), 1, "the first has enough");
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::get_many`].
    pub fn get_many_records<K: AsRef<[u8]>>(
        &self,
        keys: &[K],
        max_bytes: usize,
    ) -> Result<Vec<Option<Record>>> {
        lookup::many(self, keys, max_bytes, |value, version| Record {
            value: value.into(),
            version,
        })
    }

    /// The record with the longest key that `query` starts with, `query` itself included. The
    /// empty key is a candidate for every query.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// for route in ["", "10.", "10.1.", "10.2."] {
    ///     tree.put(route.as_bytes(), b"gateway")?;
    /// }
    /// for (address, route) in [("10.1.7.9", "10.1."), ("10.3.0.1", "10."), ("192.168", "")] {
    ///     let found = tree.longest_prefix_record(address.as_bytes())?;
    ///     assert_eq!(found.map(|found| found.key).as_deref(), Some(route.as_bytes()));
    /// }
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::get`].
    pub fn longest_prefix_record(&self, query: &[u8]) -> Result<Option<PrefixRecord>> {
        lookup::longest_prefix(self, query)
    }

    /// Whether no key starts with `prefix`. A key equal to it does.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"dir/file", b"")?;
    /// assert!(!tree.is_prefix_empty(b"dir/")? && tree.is_prefix_empty(b"other/")?);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::get`].
    pub fn is_prefix_empty(&self, prefix: &[u8]) -> Result<bool> {
        lookup::is_prefix_empty(self, prefix)
    }

    /// How many keys start with `prefix`: all of them if `limit` is 0, else at most `limit`, and
    /// whether that is all.
    ///
    /// Records are not read: whole frames and pages are counted as what they say they hold. The
    /// count is of one state. Others write during one over more than
    /// [`MAX_COUNT_FRAMES`](crate::limits::MAX_COUNT_FRAMES) frames (some five million records in
    /// frames of the default size), which counts a snapshot; if so much changes meanwhile that
    /// the snapshot cannot be kept, it begins anew, and they wait.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// for key in ["a/1", "a/2", "a/3", "b"] {
    ///     tree.put(key.as_bytes(), b"")?;
    /// }
    /// assert_eq!(tree.prefix_count(b"a/", 0)?.count, 3);
    /// assert!(!tree.prefix_count(b"a/", 2)?.exact);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::get`].
    pub fn prefix_count(&self, prefix: &[u8], limit: usize) -> Result<PrefixCount> {
        lookup::prefix_count(self, prefix, limit)
    }

    /// A scan of all records.
    ///
    /// ```
    /// use holt_engine::db::{RangeEntry, Tree};
    ///
    /// let tree = Tree::memory()?;
    /// for key in ["log/1", "log/2", "log/3", "note"] {
    ///     tree.put(key.as_bytes(), b"text")?;
    /// }
    /// let newest_first = tree.range().prefix(b"log/").reverse().start_after(b"log/3");
    /// let mut keys = Vec::new();
    /// for entry in newest_first {
    ///     if let RangeEntry::Key { key, .. } = entry? {
    ///         keys.push(key);
    ///     }
    /// }
    /// assert_eq!(keys, [b"log/2", b"log/1"]);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    pub fn range(&self) -> RangeBuilder {
        self.scan(&[])
    }

    /// A scan of the records whose keys start with `prefix`.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put_many(&[(b"a", b""), (b"dir/1", b""), (b"dir/2", b"")])?;
    /// assert_eq!(tree.scan(b"dir/").into_iter().count(), 2);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    pub fn scan(&self, prefix: &[u8]) -> RangeBuilder {
        RangeBuilder::over(self.clone(), prefix)
    }

    /// A scan of all keys.
    ///
    /// ```
    /// use holt_engine::db::{KeyRangeEntryRef, Tree};
    ///
    /// let tree = Tree::memory()?;
    /// for key in ["a/x", "a/y", "b", "c/z"] {
    ///     tree.put(key.as_bytes(), b"")?;
    /// }
    /// let mut level = Vec::new();
    /// let outcome = tree.range_keys().delimiter(b'/').visit_with_outcome(2, |entry| {
    ///     if let KeyRangeEntryRef::Key { key, .. } | KeyRangeEntryRef::CommonPrefix(key) = entry {
    ///         level.push(key.to_vec());
    ///     }
    ///     Ok(())
    /// })?;
    /// assert_eq!(level, [&b"a/"[..], b"b"]);
    /// assert!(outcome.more);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    pub fn range_keys(&self) -> KeyRangeBuilder {
        self.scan_keys(&[])
    }

    /// A scan of the keys that start with `prefix`.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// use holt_engine::db::KeyRangeEntry;
    ///
    /// tree.put_many(&[(b"a", b""), (b"dir/1", b"")])?;
    /// let first = tree.scan_keys(b"dir/").into_iter().next().transpose()?;
    /// assert!(matches!(first, Some(KeyRangeEntry::Key { key, .. }) if key == b"dir/1"));
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    pub fn scan_keys(&self, prefix: &[u8]) -> KeyRangeBuilder {
        KeyRangeBuilder::over(self.clone(), prefix)
    }
}
