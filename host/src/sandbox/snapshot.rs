//! Snapshots taken inside the sandbox.
//!
//! Invariant: one of an instance that was stopped, or whose store was closed, answers `Expired`.

use holt_engine::db::{PrefixCount, PrefixRecord, Record};
use holt_engine::error::Result;
use holt_engine::ids::{Lsn, RecordVersion};
use holt_wire::changes::check_key;
use holt_wire::page;
use wasmtime::component::ResourceAny;

use super::instance::{Given, Handle, Instance, Kind, Shared, snapshots};
use super::store::{count_of, entry_of, record_of, request_of};
use crate::api::{Page, Reads, ScanRequest, Snapshot, longest_key_of};

/// A snapshot that the guest holds.
pub(super) struct SandboxSnapshot {
    handle: Handle,
    scope: Vec<u8>,
    lsn: Lsn,
    epoch: u64,
}

impl SandboxSnapshot {
    /// Takes a snapshot by a call of the guest, if one more may be open.
    pub(super) fn take(
        shared: &Shared,
        scope: &[u8],
        ask: impl FnOnce(&mut Instance) -> Result<ResourceAny>,
    ) -> Result<Box<dyn Snapshot + Send>> {
        let handle = Handle::ask(shared, Given::Snapshot, ask)?;
        let (lsn, epoch) = handle.call("snapshot", Kind::Read, |run, snapshot| {
            let lsn = snapshots(&run.world).call_lsn(&mut run.store, snapshot)?;
            Ok(Ok((lsn, snapshots(&run.world).call_epoch(&mut run.store, snapshot)?)))
        })?;
        Ok(Box::new(Self { handle, scope: scope.into(), lsn, epoch }))
    }
}

impl Reads for SandboxSnapshot {
    fn get(&mut self, key: &[u8]) -> Result<Option<Record>> {
        check_key(key)?;
        let found = self.handle.call("get", Kind::Read, |run, snapshot| {
            snapshots(&run.world).call_get(&mut run.store, snapshot, key)
        })?;
        Ok(found.map(record_of))
    }

    fn get_version(&mut self, key: &[u8]) -> Result<Option<RecordVersion>> {
        check_key(key)?;
        let found = self.handle.call("get-version", Kind::Read, |run, snapshot| {
            snapshots(&run.world).call_get_version(&mut run.store, snapshot, key)
        })?;
        Ok(found.map(RecordVersion::from_raw))
    }

    fn longest_prefix(&mut self, query: &[u8]) -> Result<Option<PrefixRecord>> {
        let query = longest_key_of(query);
        let found = self.handle.call("longest-prefix", Kind::Read, |run, snapshot| {
            snapshots(&run.world).call_longest_prefix(&mut run.store, snapshot, query)
        })?;
        found.map(entry_of).transpose()
    }

    fn is_prefix_empty(&mut self, prefix: &[u8]) -> Result<bool> {
        check_key(prefix)?;
        self.handle.call("is-prefix-empty", Kind::Read, |run, snapshot| {
            snapshots(&run.world).call_is_prefix_empty(&mut run.store, snapshot, prefix)
        })
    }

    fn prefix_count(&mut self, prefix: &[u8], limit: u64) -> Result<PrefixCount> {
        check_key(prefix)?;
        let count = self.handle.call("prefix-count", Kind::Read, |run, snapshot| {
            snapshots(&run.world).call_prefix_count(&mut run.store, snapshot, prefix, limit)
        })?;
        Ok(count_of(count))
    }

    fn scan(&mut self, request: &ScanRequest) -> Result<Page> {
        let request = request_of(request)?;
        let packed = self.handle.call("scan", Kind::Read, |run, snapshot| {
            snapshots(&run.world).call_scan_packed(&mut run.store, snapshot, &request)
        })?;
        page::decode(&packed)
    }
}

impl Snapshot for SandboxSnapshot {
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
