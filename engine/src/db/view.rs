//! Reading a tree as it was at one moment: views and snapshots.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Deref;

use super::lookup;
use super::outcome::PrefixCount;
use super::scan::{KeyRangeBuilder, RangeBuilder};
use super::snapshot::Moment;
use super::tree::Record;
use super::tree_read::PrefixRecord;
use crate::error::{Error, Result};
use crate::ids::{Lsn, RecordVersion, TreeId};
use crate::node::Record as Stored;

/// A tree as it was at one moment, under one prefix. Cheap to clone; what is derived from it
/// may outlive it and keeps the moment.
///
/// ```
/// let tree = holt_engine::db::Tree::memory()?;
/// tree.put_many(&[(b"a/1", b"x"), (b"a/2", b"y"), (b"b", b"z")])?;
/// let view = tree.view(b"a/", |view| Ok(view.clone()))?;
/// tree.delete_prefix(b"")?;
/// assert_eq!(view.get(b"a/1")?.as_deref(), Some(&b"x"[..]));
/// assert_eq!(view.get_many(&[b"a/1", b"a/2"])?.len(), 2);
/// assert_eq!(view.prefix_count(b"a/", 0)?.count, 2);
/// assert_eq!(view.scan(b"a/")?.into_iter().count(), 2);
/// assert!(view.get(b"b").is_err()); // outside its scope
/// # Ok::<(), holt_engine::error::Error>(())
/// ```
#[derive(Clone)]
pub struct View {
    pub(super) moment: Arc<Moment>,
    pub(super) tree: TreeId,
    scope: Vec<u8>,
}

impl View {
    pub(super) fn new(moment: Arc<Moment>, tree: TreeId, scope: &[u8]) -> Self {
        Self { moment, tree, scope: scope.into() }
    }

    /// The prefix the view was made for; empty for a whole tree.
    pub fn scope(&self) -> &[u8] {
        &self.scope
    }

    /// The number of its moment: later ones of the same opening have higher ones.
    pub fn epoch(&self) -> u64 {
        self.moment.epoch()
    }

    /// Every change below this position of the log is in the view, and no other.
    pub fn lsn(&self) -> Lsn {
        self.moment.lsn()
    }

    pub(super) fn check_scope(&self, key: &[u8]) -> Result<()> {
        match key.starts_with(&self.scope) {
            true => Ok(()),
            false => Err(Error::OutsideViewScope {
                requested_len: key.len(),
                scope_len: self.scope.len(),
            }),
        }
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// `OutsideViewScope`; `Expired` if the view needed more than snapshots may keep; `Corrupt`
    /// and failures of the device.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.check_scope(key)?;
        self.moment.look(|reader| {
            let Some((page, slot)) = reader.find(self.tree, key)? else { return Ok(None) };
            Ok(Some(reader.value(Stored::read(page, slot).value)?.into()))
        })
    }

    /// The value of `key` and its version.
    ///
    /// # Errors
    /// Those of [`View::get`].
    pub fn get_record(&self, key: &[u8]) -> Result<Option<Record>> {
        self.check_scope(key)?;
        self.moment.look(|reader| {
            let Some((page, slot)) = reader.find(self.tree, key)? else { return Ok(None) };
            let stored = Stored::read(page, slot);
            let version = RecordVersion::from_raw(stored.version);
            Ok(Some(Record { value: reader.value(stored.value)?.into(), version }))
        })
    }

    /// The version of `key`.
    ///
    /// # Errors
    /// Those of [`View::get`].
    pub fn get_version(&self, key: &[u8]) -> Result<Option<RecordVersion>> {
        self.check_scope(key)?;
        self.moment.look(|reader| {
            let found = reader.find(self.tree, key)?;
            Ok(found.map(|(page, slot)| RecordVersion::from_raw(Stored::read(page, slot).version)))
        })
    }

    /// The record with the longest key in the view's scope that `query` starts with.
    ///
    /// # Errors
    /// Those of [`View::get`].
    pub fn longest_prefix_record(&self, query: &[u8]) -> Result<Option<PrefixRecord>> {
        self.check_scope(query)?;
        let found = lookup::longest_prefix(self, query)?;
        Ok(found.filter(|record| record.key.starts_with(&self.scope)))
    }

    /// Whether no key starts with `prefix`, which lies in the view's scope.
    ///
    /// # Errors
    /// Those of [`View::get`].
    pub fn is_prefix_empty(&self, prefix: &[u8]) -> Result<bool> {
        self.check_scope(prefix)?;
        lookup::is_prefix_empty(self, prefix)
    }

    /// How many keys start with `prefix`, which lies in the view's scope: all of them if `limit`
    /// is 0, else at most `limit`, and whether that is all.
    ///
    /// # Errors
    /// Those of [`View::get`].
    pub fn prefix_count(&self, prefix: &[u8], limit: usize) -> Result<PrefixCount> {
        self.check_scope(prefix)?;
        lookup::prefix_count(self, prefix, limit)
    }

    /// The values of several keys, in the order of `keys`.
    ///
    /// # Errors
    /// Those of [`View::get`], and `InvalidArgument` for too many keys.
    pub fn get_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Vec<u8>>>> {
        keys.iter().try_for_each(|key| self.check_scope(key.as_ref()))?;
        lookup::many(self, keys, usize::MAX, |value, _| value.into())
    }

    /// A scan of the view's records. The scan may outlive the view and keeps its moment.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"a", b"1")?;
    /// let scan = tree.view(b"", |view| Ok(view.range()))?;
    /// tree.put(b"b", b"2")?;
    /// assert_eq!(scan.into_iter().count(), 1);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    pub fn range(&self) -> RangeBuilder<Self> {
        RangeBuilder::over(self.clone(), &self.scope)
    }

    /// A scan of the view's keys.
    pub fn range_keys(&self) -> KeyRangeBuilder<Self> {
        KeyRangeBuilder::over(self.clone(), &self.scope)
    }

    /// A scan of the records under `prefix`, which lies in the view's scope.
    ///
    /// # Errors
    /// `OutsideViewScope`.
    pub fn scan(&self, prefix: &[u8]) -> Result<RangeBuilder<Self>> {
        self.check_scope(prefix)?;
        Ok(RangeBuilder::over(self.clone(), prefix))
    }

    /// A scan of the keys under `prefix`, which lies in the view's scope.
    ///
    /// # Errors
    /// `OutsideViewScope`.
    pub fn scan_keys(&self, prefix: &[u8]) -> Result<KeyRangeBuilder<Self>> {
        self.check_scope(prefix)?;
        Ok(KeyRangeBuilder::over(self.clone(), prefix))
    }
}

/// A [`View`] that is held on to: for as long as it lives, the store keeps what changes replace.
///
/// ```
/// let tree = holt_engine::db::Tree::memory()?;
/// tree.put(b"key", b"old")?;
/// let snapshot = tree.snapshot(b"")?;
/// tree.put(b"key", b"new")?;
/// assert_eq!(snapshot.get(b"key")?.as_deref(), Some(&b"old"[..]));
/// let later = tree.snapshot(b"")?;
/// assert!(later.epoch() > snapshot.epoch() && later.lsn() > snapshot.lsn());
/// snapshot.retire();
/// # Ok::<(), holt_engine::error::Error>(())
/// ```
#[derive(Clone)]
pub struct Snapshot {
    view: View,
}

impl Snapshot {
    pub(super) fn new(view: View) -> Self {
        Self { view }
    }

    /// The snapshot as a view.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Lets go of the snapshot, as dropping it does. What it kept is given back once no clone
    /// and nothing derived from it is left.
    pub fn retire(self) {}
}

impl Deref for Snapshot {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}
