//! Exported snapshots, and how many there may be.
//!
//! Invariant: at most `MAX_SNAPSHOTS` are open in an instance, whoever took them.

use core::sync::atomic::{AtomicUsize, Ordering};

use holt_engine::db::{DB, DBView, View};
use holt_engine::error::{Error, Result};
use holt_engine::ids::RecordVersion;
use holt_wire::limits::MAX_SNAPSHOTS;
use holt_wire::{page as packed_page, scan};

use crate::bindings::exports::holt::metadata::{database, store as exported};
use crate::bindings::holt::metadata::types as wit;
use crate::convert::{
    count_to_wit, entry_to_wit, error_to_wit, page_to_wit, scan_from_wit, versioned,
};
use crate::tree::limit;

/// Things of one kind that are open.
pub(crate) struct Counter {
    open: AtomicUsize,
    most: usize,
    what: &'static str,
}

impl Counter {
    pub(crate) const fn new(most: usize, what: &'static str) -> Self {
        Self { open: AtomicUsize::new(0), most, what }
    }

    /// One more of them.
    ///
    /// # Errors
    /// `QuotaExceeded` if there are as many as there may be.
    pub(crate) fn take(&'static self) -> Result<Held> {
        let open = self.open.load(Ordering::Relaxed);
        if open >= self.most {
            return Err(Error::QuotaExceeded { what: self.what, limit: self.most as u64 });
        }
        self.open.store(open + 1, Ordering::Relaxed);
        Ok(Held(self))
    }
}

/// One thing that is open; dropping it makes room for another.
pub(crate) struct Held(&'static Counter);

impl Drop for Held {
    fn drop(&mut self) {
        let open = self.0.open.load(Ordering::Relaxed);
        self.0.open.store(open.saturating_sub(1), Ordering::Relaxed);
    }
}

/// The snapshots of this instance, those of databases too.
pub(crate) static SNAPSHOTS: Counter = Counter::new(MAX_SNAPSHOTS, "open snapshots");

/// The snapshot behind a handle.
pub(crate) struct OpenSnapshot {
    view: View,
    _held: Held,
}

impl OpenSnapshot {
    /// Takes a snapshot, if one more may be open.
    pub(crate) fn take(take: impl FnOnce() -> Result<View>) -> Result<Self> {
        let held = SNAPSHOTS.take()?;
        Ok(Self { view: take()?, _held: held })
    }

    fn read_page(&self, request: wit::ScanRequest) -> Result<scan::Page> {
        scan::read_view(&self.view, &scan_from_wit(request))
    }
}

impl exported::GuestSnapshot for OpenSnapshot {
    fn get(&self, key: Vec<u8>) -> Result<Option<wit::Versioned>, wit::Error> {
        let record = self.view.get_record(&key).map_err(error_to_wit)?;
        Ok(record.map(versioned))
    }

    fn get_version(&self, key: Vec<u8>) -> Result<Option<u64>, wit::Error> {
        let version = self.view.get_version(&key).map_err(error_to_wit)?;
        Ok(version.map(RecordVersion::as_u64))
    }

    fn scan(&self, request: wit::ScanRequest) -> Result<wit::Page, wit::Error> {
        self.read_page(request).and_then(page_to_wit).map_err(error_to_wit)
    }

    fn scan_packed(&self, request: wit::ScanRequest) -> Result<Vec<u8>, wit::Error> {
        let page = self.read_page(request);
        page.and_then(|page| packed_page::encode(&page)).map_err(error_to_wit)
    }

    fn longest_prefix(&self, query: Vec<u8>) -> Result<Option<wit::Entry>, wit::Error> {
        let found = self.view.longest_prefix_record(&query).map_err(error_to_wit)?;
        Ok(found.map(entry_to_wit))
    }

    fn is_prefix_empty(&self, prefix: Vec<u8>) -> Result<bool, wit::Error> {
        self.view.is_prefix_empty(&prefix).map_err(error_to_wit)
    }

    fn prefix_count(&self, prefix: Vec<u8>, most: u64) -> Result<wit::PrefixCount, wit::Error> {
        self.view.prefix_count(&prefix, limit(most)).map(count_to_wit).map_err(error_to_wit)
    }

    fn scope(&self) -> Vec<u8> {
        self.view.scope().to_vec()
    }

    fn lsn(&self) -> u64 {
        self.view.lsn()
    }

    fn epoch(&self) -> u64 {
        self.view.epoch()
    }
}

/// All trees of a database behind a handle.
pub(crate) struct OpenDatabaseSnapshot {
    views: DBView,
    _held: Held,
}

impl OpenDatabaseSnapshot {
    /// Takes a snapshot, if one more may be open.
    pub(crate) fn take(db: &DB) -> Result<Self> {
        let held = SNAPSHOTS.take()?;
        Ok(Self { views: db.snapshot()?, _held: held })
    }

    fn of_tree(&self, name: &str) -> Result<View> {
        let view = self.views.tree(name).cloned();
        view.ok_or_else(|| Error::TreeNotFound { name: name.into() })
    }
}

impl database::GuestDatabaseSnapshot for OpenDatabaseSnapshot {
    fn list_trees(&self) -> Result<Vec<String>, wit::Error> {
        Ok(self.views.names().map(String::from).collect())
    }

    fn tree(&self, name: String) -> Result<exported::Snapshot, wit::Error> {
        let held = OpenSnapshot::take(|| self.of_tree(&name)).map_err(error_to_wit)?;
        Ok(exported::Snapshot::new(held))
    }

    fn lsn(&self) -> u64 {
        self.views.lsn()
    }
}
