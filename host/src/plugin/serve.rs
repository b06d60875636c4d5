//! The store that a plugin imports, served by any `api::Store`.

use std::sync::{MutexGuard, PoisonError};

use holt_engine::db::{RangeEntry, Record};
use holt_engine::error::{Error, Result};
use holt_engine::limits::{
    MAX_BATCH_OPS, MAX_KEY_BYTES, MAX_SCAN_BYTES, MAX_SCAN_ENTRIES, MAX_VALUE_BYTES,
};
use holt_wire::changes::{self, ChangeRef};
use holt_wire::limits::{MAX_GET_MANY, MAX_GET_MANY_BYTES, MAX_PACKED_BATCH_BYTES};
use holt_wire::page as packed_page;
use wasmtime::component::{Resource, ResourceTable};

use super::bindings::holt::metadata::store as wit;
use super::convert::{report_to_wit, stats_to_wit};
use super::{MAX_OPEN_TREES, SharedStore};
use crate::api::{Change, ScanRequest, Store};
use crate::sandbox::{Stopped, error_to_wit, wit_types as types};

/// A tree that the plugin holds open.
pub struct OpenTree {
    read_only: bool,
}

/// One run's view of the store.
pub(super) struct Served {
    store: SharedStore,
    trees: ResourceTable,
    open_trees: usize,
    read_only: bool,
    calls: u64,
    calls_left: u64,
    wrote: bool,
}

type Answer<T> = wasmtime::Result<Result<T, types::Error>>;
type Handle = Resource<OpenTree>;

impl Served {
    pub(super) fn new(store: SharedStore, calls: u64, read_only: bool) -> Self {
        let (trees, calls_left) = (ResourceTable::new(), calls);
        Self { store, trees, open_trees: 0, read_only, calls: 0, calls_left, wrote: false }
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    pub(super) fn wrote(&self) -> bool {
        self.wrote
    }

    fn count(&mut self) -> wasmtime::Result<()> {
        self.calls += 1;
        let Some(left) = self.calls_left.checked_sub(1) else {
            let why = "it used up its calls to the store (store_calls)";
            return Err(wasmtime::Error::new(Stopped(why.to_owned())));
        };
        self.calls_left = left;
        Ok(())
    }

    /// A call that changes nothing.
    fn read<T>(
        &mut self,
        tree: &Handle,
        act: impl FnOnce(&mut dyn Store) -> Result<T>,
    ) -> Answer<T> {
        self.count()?;
        self.trees.get(tree)?;
        Ok(act(&mut *lock(&self.store)).map_err(error_to_wit))
    }

    /// A call that changes something.
    fn write<T>(
        &mut self,
        tree: &Handle,
        act: impl FnOnce(&mut dyn Store) -> Result<T>,
    ) -> Answer<T> {
        self.count()?;
        if self.trees.get(tree)?.read_only {
            return Ok(Err(types::Error::ReadOnly));
        }
        self.wrote = true;
        Ok(act(&mut *lock(&self.store)).map_err(error_to_wit))
    }
}

/// A panic of another user while it held the lock left no call half done in memory that matters:
/// the store answers for itself.
fn lock(store: &SharedStore) -> MutexGuard<'_, dyn Store + Send + 'static> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

fn check_key(key: &[u8]) -> Result<()> {
    match key.len() {
        0..=MAX_KEY_BYTES => Ok(()),
        len => Err(Error::KeyTooLong { len }),
    }
}

fn check_value(value: &[u8]) -> Result<()> {
    match value.len() {
        0..=MAX_VALUE_BYTES => Ok(()),
        len => Err(Error::ValueTooLong { len }),
    }
}

fn versioned(record: Record) -> types::Versioned {
    types::Versioned { value: record.value, version: record.version.as_u64() }
}

fn scan_of(request: types::ScanRequest) -> Result<ScanRequest> {
    check_key(&request.prefix)?;
    let start_after = match &request.resume {
        Some(token) => Some(packed_page::resume_after(token)?.to_vec()),
        None => request.start_after,
    };
    check_key(start_after.as_deref().unwrap_or_default())?;
    Ok(ScanRequest {
        prefix: request.prefix,
        start_after,
        delimiter: request.delimiter,
        keys_only: request.keys_only,
        max_entries: (request.max_entries as usize).min(MAX_SCAN_ENTRIES),
        max_bytes: (request.max_bytes as usize).min(MAX_SCAN_BYTES),
    })
}

fn item_of(entry: RangeEntry) -> Result<types::Item> {
    match entry {
        RangeEntry::Key { key, value, version } => {
            Ok(types::Item::Entry(types::Entry { key, value, version: version.as_u64() }))
        }
        RangeEntry::CommonPrefix(prefix) => Ok(types::Item::CommonPrefix(prefix)),
        _ => Err(Error::InvalidArgument { what: "scan", why: "found an unknown entry" }),
    }
}

fn typed_changes(list: Vec<types::Change>) -> Result<Vec<Change>> {
    if list.len() > MAX_BATCH_OPS {
        return Err(Error::BatchTooLarge { len: list.len() });
    }
    let change = |change| match change {
        types::Change::Put((key, value)) => {
            check_key(&key)?;
            check_value(&value)?;
            Ok(Change::Put { key, value })
        }
        types::Change::Delete(key) => {
            check_key(&key)?;
            Ok(Change::Delete { key })
        }
    };
    list.into_iter().map(change).collect()
}

fn unpacked_changes(packed: &[u8]) -> Result<Vec<Change>> {
    if packed.len() > MAX_PACKED_BATCH_BYTES {
        let (bytes, maximum) = (packed.len(), MAX_PACKED_BATCH_BYTES);
        return Err(Error::WalRecordTooLarge { bytes, maximum });
    }
    let mut list = Vec::new();
    changes::for_each(packed, |change| {
        list.push(match change {
            ChangeRef::Put { key, value } => {
                Change::Put { key: key.to_vec(), value: value.to_vec() }
            }
            ChangeRef::Delete { key } => Change::Delete { key: key.to_vec() },
        });
    })?;
    for change in &list {
        match change {
            Change::Put { key, value } => check_key(key).and_then(|()| check_value(value))?,
            Change::Delete { key } => check_key(key)?,
        }
    }
    Ok(list)
}

fn get_many(store: &mut dyn Store, keys: &[Vec<u8>]) -> Result<Vec<Option<types::Versioned>>> {
    if keys.len() > MAX_GET_MANY {
        return Err(Error::InvalidArgument { what: "keys", why: "65536 at most; split them" });
    }
    let (mut found, mut bytes) = (Vec::new(), 0);
    for key in keys {
        check_key(key)?;
        let record = store.get(key)?;
        bytes += record.as_ref().map_or(0, |record| record.value.len());
        found.push(record.map(versioned));
        if bytes >= MAX_GET_MANY_BYTES {
            break;
        }
    }
    Ok(found)
}

impl types::Host for Served {}

impl wit::Host for Served {
    /// Sizes and durability are the host's business; `read-only` is honoured.
    fn open(&mut self, options: wit::Options) -> Answer<Handle> {
        self.count()?;
        if self.open_trees >= MAX_OPEN_TREES {
            let limit = MAX_OPEN_TREES as u64;
            return Ok(Err(error_to_wit(Error::QuotaExceeded { what: "open trees", limit })));
        }
        let read_only = self.read_only || options.read_only;
        let handle = self.trees.push(OpenTree { read_only })?;
        self.open_trees += 1;
        Ok(Ok(handle))
    }
}

impl wit::HostTree for Served {
    fn get(&mut self, tree: Handle, key: Vec<u8>) -> Answer<Option<types::Versioned>> {
        self.read(&tree, |store| {
            check_key(&key)?;
            Ok(store.get(&key)?.map(versioned))
        })
    }

    fn get_many(
        &mut self,
        tree: Handle,
        keys: Vec<Vec<u8>>,
    ) -> Answer<Vec<Option<types::Versioned>>> {
        self.read(&tree, |store| get_many(store, &keys))
    }

    fn put(&mut self, tree: Handle, key: Vec<u8>, value: Vec<u8>) -> Answer<()> {
        self.write(&tree, |store| {
            check_key(&key)?;
            check_value(&value)?;
            store.put(&key, &value)
        })
    }

    fn delete(&mut self, tree: Handle, key: Vec<u8>) -> Answer<bool> {
        self.write(&tree, |store| {
            check_key(&key)?;
            store.delete(&key)
        })
    }

    fn rename(
        &mut self,
        tree: Handle,
        source: Vec<u8>,
        destination: Vec<u8>,
        force: bool,
    ) -> Answer<()> {
        self.write(&tree, |store| {
            check_key(&source)?;
            check_key(&destination)?;
            store.rename(&source, &destination, force)
        })
    }

    fn commit(&mut self, tree: Handle, list: Vec<types::Change>) -> Answer<()> {
        self.write(&tree, |store| store.commit(&typed_changes(list)?))
    }

    fn commit_packed(&mut self, tree: Handle, packed: Vec<u8>) -> Answer<()> {
        self.write(&tree, |store| store.commit(&unpacked_changes(&packed)?))
    }

    fn scan(&mut self, tree: Handle, request: types::ScanRequest) -> Answer<types::Page> {
        self.read(&tree, |store| {
            let page = store.scan(&scan_of(request)?)?;
            let items = page.entries.into_iter().map(item_of).collect::<Result<_>>()?;
            Ok(types::Page { items, next: page.next.as_deref().map(packed_page::token) })
        })
    }

    fn scan_packed(&mut self, tree: Handle, request: types::ScanRequest) -> Answer<Vec<u8>> {
        self.read(&tree, |store| packed_page::encode(&store.scan(&scan_of(request)?)?))
    }

    fn checkpoint(&mut self, tree: Handle) -> Answer<()> {
        self.write(&tree, |store| store.checkpoint())
    }

    fn compact(&mut self, tree: Handle) -> Answer<()> {
        self.write(&tree, |store| store.compact())
    }

    /// The host maintains its store itself: there is never more for a plugin to do.
    fn maintain(&mut self, tree: Handle, _budget: u32) -> Answer<bool> {
        self.read(&tree, |_| Ok(false))
    }

    fn sync(&mut self, tree: Handle) -> Answer<()> {
        self.write(&tree, |store| store.sync())
    }

    fn verify(&mut self, tree: Handle) -> Answer<wit::VerifyReport> {
        self.read(&tree, |store| store.verify(&mut |_, _| {}).map(report_to_wit))
    }

    fn stats(&mut self, tree: Handle) -> Answer<wit::Stats> {
        self.read(&tree, |store| store.stats().map(stats_to_wit))
    }

    fn drop(&mut self, tree: Handle) -> wasmtime::Result<()> {
        self.trees.delete(tree)?;
        self.open_trees = self.open_trees.saturating_sub(1);
        Ok(())
    }
}
