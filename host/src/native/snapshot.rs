//! Snapshots of the engine linked in.
//!
//! Owns: the snapshots of a store, in one place, so that they end with its last handle and their
//! number is bounded. What callers hold only names one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use holt_engine::db::{PrefixCount, PrefixRecord, Record, Snapshot as EngineSnapshot};
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
    open: Mutex<Numbered<EngineSnapshot>>,
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
        take: impl FnOnce() -> Result<EngineSnapshot>,
    ) -> Result<Box<dyn Snapshot + Send>> {
        let mut open = lock(&self.open);
        let number = open.add(MAX_SNAPSHOTS, OPEN_SNAPSHOTS, take)?;
        let snapshot = open.get(number)?;
        let (lsn, epoch) = (snapshot.lsn(), snapshot.epoch());
        let scope = snapshot.scope().to_vec();
        Ok(Box::new(NativeSnapshot { of: Arc::downgrade(self), number, scope, lsn, epoch }))
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
    fn read<T>(&self, read: impl FnOnce(&EngineSnapshot) -> Result<T>) -> Result<T> {
        let of = self.of.upgrade().ok_or(CLOSED)?;
        let snapshot = lock(&of.open).get(self.number)?.clone();
        read(&snapshot)
    }
}

impl Drop for NativeSnapshot {
    fn drop(&mut self) {
        if let Some(of) = self.of.upgrade() {
            // Taken out under the lock, dropped after it.
            let gone = lock(&of.open).remove(self.number);
            drop(gone);
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
        self.read(|snapshot| scan::read_view(snapshot.view(), request))
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
