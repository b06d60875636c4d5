//! The snapshots that a plugin holds: handles of the store's own, closed when the plugin drops
//! them or its run ends.

use holt_engine::error::Result;
use holt_engine::ids::RecordVersion;
use holt_wire::changes::check_key;
use holt_wire::page as packed_page;
use wasmtime::component::Resource;

use super::bindings::holt::metadata::store as wit;
use super::serve::{Answer, Served};
use super::work::Work;
use crate::api::Snapshot;
use crate::sandbox::{
    count_to_wit, entry_to_wit, error_to_wit, page_to_wit, scan_from_wit, versioned,
    wit_types as types,
};

/// A snapshot that the plugin holds open.
pub struct OpenSnapshot(pub(super) Box<dyn Snapshot + Send>);

type Handle = Resource<OpenSnapshot>;

impl Served {
    fn look<T>(
        &mut self,
        snapshot: &Handle,
        look: impl FnOnce(&mut dyn Snapshot) -> Result<T>,
    ) -> Answer<T> {
        self.look_paid(snapshot, |snapshot, _| look(snapshot))
    }

    /// The same for a call that pays for what the host does beyond the usual.
    fn look_paid<T>(
        &mut self,
        snapshot: &Handle,
        look: impl FnOnce(&mut dyn Snapshot, &mut Work) -> Result<T>,
    ) -> Answer<T> {
        self.count()?;
        let OpenSnapshot(snapshot) = self.open.get_mut(snapshot)?;
        Ok(look(&mut **snapshot, &mut self.work).map_err(error_to_wit))
    }
}

impl wit::HostSnapshot for Served {
    fn get(&mut self, snapshot: Handle, key: Vec<u8>) -> Answer<Option<types::Versioned>> {
        self.look(&snapshot, |snapshot| {
            check_key(&key)?;
            Ok(snapshot.get(&key)?.map(versioned))
        })
    }

    fn get_version(&mut self, snapshot: Handle, key: Vec<u8>) -> Answer<Option<u64>> {
        self.look(&snapshot, |snapshot| {
            check_key(&key)?;
            Ok(snapshot.get_version(&key)?.map(RecordVersion::as_u64))
        })
    }

    fn scan(&mut self, snapshot: Handle, request: types::ScanRequest) -> Answer<types::Page> {
        self.look(&snapshot, |snapshot| page_to_wit(snapshot.scan(&scan_from_wit(request))?))
    }

    fn scan_packed(&mut self, snapshot: Handle, request: types::ScanRequest) -> Answer<Vec<u8>> {
        self.look(&snapshot, |snapshot| {
            packed_page::encode(&snapshot.scan(&scan_from_wit(request))?)
        })
    }

    fn longest_prefix(&mut self, snapshot: Handle, query: Vec<u8>) -> Answer<Option<types::Entry>> {
        self.look(&snapshot, |snapshot| Ok(snapshot.longest_prefix(&query)?.map(entry_to_wit)))
    }

    fn is_prefix_empty(&mut self, snapshot: Handle, prefix: Vec<u8>) -> Answer<bool> {
        self.look(&snapshot, |snapshot| {
            check_key(&prefix)?;
            snapshot.is_prefix_empty(&prefix)
        })
    }

    fn prefix_count(
        &mut self,
        snapshot: Handle,
        prefix: Vec<u8>,
        limit: u64,
    ) -> Answer<types::PrefixCount> {
        self.look_paid(&snapshot, |snapshot, work| {
            check_key(&prefix)?;
            work.count(limit, |limit| snapshot.prefix_count(&prefix, limit)).map(count_to_wit)
        })
    }

    fn scope(&mut self, snapshot: Handle) -> wasmtime::Result<Vec<u8>> {
        self.count()?;
        Ok(self.open.get(&snapshot)?.0.scope().to_vec())
    }

    fn lsn(&mut self, snapshot: Handle) -> wasmtime::Result<u64> {
        self.count()?;
        Ok(self.open.get(&snapshot)?.0.lsn())
    }

    fn epoch(&mut self, snapshot: Handle) -> wasmtime::Result<u64> {
        self.count()?;
        Ok(self.open.get(&snapshot)?.0.epoch())
    }

    fn drop(&mut self, snapshot: Handle) -> wasmtime::Result<()> {
        self.open.delete(snapshot)?;
        self.open_snapshots = self.open_snapshots.saturating_sub(1);
        Ok(())
    }
}
