//! Snapshots of the engine linked in.
//!
//! Owns: the snapshots of a store, in one place, so that they end with its last handle and their
//! number is bounded. What callers hold only names one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use holt_engine::db::{DBView, PrefixCount, PrefixRecord, Record, View};
use holt_engine::error::{Error, Result};
use holt_engine::ids::{Lsn, RecordVersion};
use holt_wire::changes::check_key;
use holt_wire::scan;

use super::limit;
use crate::api::{
    CLOSED, MAX_SNAPSHOTS, OPEN_SNAPSHOTS, Page, Reads, ScanRequest, Snapshot, longest_key_of,
};

/// The open snapshots of a store.
#[derive(Default)]
pub(super) struct Snapshots {
    open: Mutex<Numbered<Taken>>,
}

/// A snapshot: of one tree, or of all trees of a database.
#[derive(Clone)]
enum Taken {
    One(View),
    All(DBView),
}

/// Things by number; no number is used twice.
pub(super) struct Numbered<T> {
    things: BTreeMap<u64, T>,
    next: u64,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { things: BTreeMap::new(), next: 0 }
    }
}

impl<T> Numbered<T> {
    /// Adds what `make` gives, if there are fewer than `most`.
    pub(super) fn add(
        &mut self,
        most: usize,
        what: &'static str,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<u64> {
        if self.things.len() >= most {
            return Err(Error::QuotaExceeded { what, limit: most as u64 });
        }
        let thing = make()?;
        let number = self.next;
        self.next += 1;
        self.things.insert(number, thing);
        Ok(number)
    }

    pub(super) fn get(&mut self, number: u64) -> Result<&mut T> {
        self.things.get_mut(&number).ok_or(CLOSED)
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<T> {
        self.things.remove(&number)
    }
}

/// A panic elsewhere left a table whole: each change of it is one call.
pub(super) fn lock<T>(table: &Mutex<T>) -> MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Snapshots {
    /// Takes a snapshot, if one more may be open.
    ///
    /// # Errors
    /// `QuotaExceeded`, and those of `take`.
    pub(super) fn take(
        self: &Arc<Self>,
        take: impl FnOnce() -> Result<View>,
    ) -> Result<Box<dyn Snapshot + Send>> {
        let (mut scope, mut lsn, mut epoch) = (Vec::new(), 0, 0);
        let number = self.add(|| {
            let view = take()?;
            (scope, lsn, epoch) = (view.scope().into(), view.lsn(), view.epoch());
            Ok(Taken::One(view))
        })?;
        Ok(Box::new(NativeSnapshot { of: Arc::downgrade(self), number, scope, lsn, epoch }))
    }

    /// The same of all trees of a database: its number, and its position.
    ///
    /// # Errors
    /// `QuotaExceeded`, and those of `take`.
    pub(super) fn take_all(&self, take: impl FnOnce() -> Result<DBView>) -> Result<(u64, Lsn)> {
        let mut lsn = 0;
        let number = self.add(|| {
            let views = take()?;
            lsn = views.lsn();
            Ok(Taken::All(views))
        })?;
        Ok((number, lsn))
    }

    /// A snapshot of all trees.
    ///
    /// # Errors
    /// `Expired`.
    pub(super) fn all(&self, number: u64) -> Result<DBView> {
        match lock(&self.open).get(number)? {
            Taken::All(views) => Ok(views.clone()),
            Taken::One(_) => Err(CLOSED),
        }
    }

    /// Closes a snapshot.
    pub(super) fn give_back(&self, number: u64) {
        // Taken out under the lock, dropped after it.
        let gone = lock(&self.open).remove(number);
        drop(gone);
    }

    fn add(&self, take: impl FnOnce() -> Result<Taken>) -> Result<u64> {
        lock(&self.open).add(MAX_SNAPSHOTS, OPEN_SNAPSHOTS, take)
    }
}

/// Names one of the snapshots of a store.
struct NativeSnapshot {
    of: Weak<Snapshots>,
    number: u64,
    scope: Vec<u8>,
    lsn: Lsn,
    epoch: u64,
}

impl NativeSnapshot {
    fn read<T>(&self, read: impl FnOnce(&View) -> Result<T>) -> Result<T> {
        let of = self.of.upgrade().ok_or(CLOSED)?;
        let taken = lock(&of.open).get(self.number)?.clone();
        match taken {
            Taken::One(view) => read(&view),
            Taken::All(_) => Err(CLOSED),
        }
    }
}

impl Drop for NativeSnapshot {
    fn drop(&mut self) {
        if let Some(of) = self.of.upgrade() {
            of.give_back(self.number);
        }
    }
}

impl Reads for NativeSnapshot {
    fn get(&mut self, key: &[u8]) -> Result<Option<Record>> {
        check_key(key)?;
        self.read(|snapshot| snapshot.get_record(key))
    }

    fn get_version(&mut self, key: &[u8]) -> Result<Option<RecordVersion>> {
        check_key(key)?;
        self.read(|snapshot| snapshot.get_version(key))
    }

    fn longest_prefix(&mut self, query: &[u8]) -> Result<Option<PrefixRecord>> {
        self.read(|snapshot| snapshot.longest_prefix_record(longest_key_of(query)))
    }

    fn is_prefix_empty(&mut self, prefix: &[u8]) -> Result<bool> {
        check_key(prefix)?;
        self.read(|snapshot| snapshot.is_prefix_empty(prefix))
    }

    fn prefix_count(&mut self, prefix: &[u8], most: u64) -> Result<PrefixCount> {
        check_key(prefix)?;
        self.read(|snapshot| snapshot.prefix_count(prefix, limit(most)))
    }

    fn scan(&mut self, request: &ScanRequest) -> Result<Page> {
        self.read(|snapshot| scan::read_view(snapshot, request))
    }
}

impl Snapshot for NativeSnapshot {
    fn scope(&self) -> &[u8] {
        &self.scope
    }

    fn lsn(&self) -> Lsn {
        self.lsn
    }

    fn epoch(&self) -> u64 {
        self.epoch
    }
}
