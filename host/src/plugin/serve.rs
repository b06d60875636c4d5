//! The store that a plugin imports, served by any `api::Store`.

use std::sync::{MutexGuard, PoisonError};

use holt_engine::db::PutOutcome;
use holt_engine::error::{Error, Result};
use holt_engine::ids::RecordVersion;
use holt_engine::limits::MAX_BATCH_OPS;
use holt_wire::changes::{self, check_key, check_value};
use holt_wire::{feed, many, page as packed_page};
use wasmtime::component::{Resource, ResourceTable};

use super::bindings::holt::metadata::store as wit;
use super::convert::{report_to_wit, stats_to_wit, vacuum_to_wit};
use super::snapshot::OpenSnapshot;
use super::work::Work;
use super::{MAX_OPEN_SNAPSHOTS, MAX_OPEN_TREES, SharedStore};
use crate::api::{Change, Store};
use crate::sandbox::{
    Stopped, changes_from_wit, count_to_wit, entry_to_wit, error_to_wit, feed_to_wit, page_to_wit,
    scan_from_wit, versioned, wit_types as types,
};

/// A tree that the plugin holds open.
pub struct OpenTree {
    read_only: bool,
}

/// One run's view of the store. What it has open is closed with it.
pub(super) struct Served {
    store: SharedStore,
    pub(super) open: ResourceTable,
    open_trees: usize,
    pub(super) open_snapshots: usize,
    read_only: bool,
    calls: u64,
    calls_left: u64,
    pub(super) work: Work,
    wrote: bool,
}

pub(super) type Answer<T> = wasmtime::Result<Result<T, types::Error>>;
type Handle = Resource<OpenTree>;
type Records = Vec<(Vec<u8>, Vec<u8>)>;

impl Served {
    /// What a run sees that may make this many calls, for which the host does work for this much
    /// fuel.
    pub(super) fn new(store: SharedStore, calls: u64, fuel: u64, read_only: bool) -> Self {
        Self {
            store,
            open: ResourceTable::new(),
            open_trees: 0,
            open_snapshots: 0,
            read_only,
            calls: 0,
            calls_left: calls,
            work: Work::new(fuel),
            wrote: false,
        }
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    pub(super) fn wrote(&self) -> bool {
        self.wrote
    }

    pub(super) fn count(&mut self) -> wasmtime::Result<()> {
        self.calls += 1;
        let Some(left) = self.calls_left.checked_sub(1) else {
            let why = "it used up its calls to the store (store_calls)";
            return Err(wasmtime::Error::new(Stopped(why.to_owned())));
        };
        self.calls_left = left;
        Ok(())
    }

    /// A call, which pays out of the run's purse for what the host does beyond the usual.
    fn call<T>(
        &mut self,
        tree: &Handle,
        writes: bool,
        act: impl FnOnce(&mut dyn Store, &mut Work) -> Result<T>,
    ) -> Answer<T> {
        self.count()?;
        if self.open.get(tree)?.read_only && writes {
            return Ok(Err(types::Error::ReadOnly));
        }
        self.wrote |= writes;
        Ok(act(&mut *lock(&self.store), &mut self.work).map_err(error_to_wit))
    }

    /// A call that changes nothing.
    fn read<T>(
        &mut self,
        tree: &Handle,
        act: impl FnOnce(&mut dyn Store) -> Result<T>,
    ) -> Answer<T> {
        self.call(tree, false, |store, _| act(store))
    }

    /// A call that changes something.
    fn write<T>(
        &mut self,
        tree: &Handle,
        act: impl FnOnce(&mut dyn Store) -> Result<T>,
    ) -> Answer<T> {
        self.call(tree, true, |store, _| act(store))
    }

    /// A call that goes over all of the store and leaves it as it is, better kept.
    fn upkeep<T>(
        &mut self,
        tree: &Handle,
        act: impl FnOnce(&mut dyn Store) -> Result<T>,
    ) -> Answer<T> {
        self.call(tree, true, |store, work| {
            work.upkeep(&store.stats()?)?;
            act(store)
        })
    }
}

/// A panic of another user while it held the lock left no call half done in memory that matters:
/// the store answers for itself.
fn lock(store: &SharedStore) -> MutexGuard<'_, dyn Store + Send + 'static> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

fn check_record(key: &[u8], value: &[u8]) -> Result<()> {
    check_key(key)?;
    check_value(value)
}

/// Records of the plugin, lent to the store.
fn lent(records: &Records) -> Result<Vec<(&[u8], &[u8])>> {
    if records.len() > MAX_BATCH_OPS {
        return Err(Error::BatchTooLarge { len: records.len() });
    }
    let lend = |(key, value): &'_ (Vec<u8>, Vec<u8>)| check_record(key, value);
    records.iter().try_for_each(lend)?;
    Ok(records.iter().map(|(key, value)| (key.as_slice(), value.as_slice())).collect())
}

fn unpacked(packed: &[u8]) -> Result<Vec<Change>> {
    let mut list = Vec::new();
    changes::for_each(packed, |change| list.push(change.to_owned()))?;
    Ok(list)
}

impl types::Host for Served {}

impl wit::Host for Served {
    /// Sizes, durability, snapshots and the feed are the host's business; `read-only` is
    /// honoured.
    fn open(&mut self, options: wit::Options) -> Answer<Handle> {
        self.count()?;
        if self.open_trees >= MAX_OPEN_TREES {
            let limit = MAX_OPEN_TREES as u64;
            return Ok(Err(error_to_wit(Error::QuotaExceeded { what: "open trees", limit })));
        }
        let read_only = self.read_only || options.read_only;
        let handle = self.open.push(OpenTree { read_only })?;
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
        self.read(&tree, |store| {
            many::check_keys(&keys)?;
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            let found = store.get_many(&keys)?;
            Ok(found.into_iter().map(|record| record.map(versioned)).collect())
        })
    }

    fn get_many_packed(&mut self, tree: Handle, keys: Vec<u8>) -> Answer<Vec<u8>> {
        self.read(&tree, |store| many::encode_found(&store.get_many(&many::decode_keys(&keys)?)?))
    }

    fn get_version(&mut self, tree: Handle, key: Vec<u8>) -> Answer<Option<u64>> {
        self.read(&tree, |store| {
            check_key(&key)?;
            Ok(store.get_version(&key)?.map(RecordVersion::as_u64))
        })
    }

    fn contains_key(&mut self, tree: Handle, key: Vec<u8>) -> Answer<bool> {
        self.read(&tree, |store| {
            check_key(&key)?;
            store.contains_key(&key)
        })
    }

    fn longest_prefix(&mut self, tree: Handle, query: Vec<u8>) -> Answer<Option<types::Entry>> {
        self.read(&tree, |store| Ok(store.longest_prefix(&query)?.map(entry_to_wit)))
    }

    fn is_prefix_empty(&mut self, tree: Handle, prefix: Vec<u8>) -> Answer<bool> {
        self.read(&tree, |store| {
            check_key(&prefix)?;
            store.is_prefix_empty(&prefix)
        })
    }

    fn prefix_count(
        &mut self,
        tree: Handle,
        prefix: Vec<u8>,
        limit: u64,
    ) -> Answer<types::PrefixCount> {
        self.call(&tree, false, |store, work| {
            check_key(&prefix)?;
            work.count(limit, |limit| store.prefix_count(&prefix, limit)).map(count_to_wit)
        })
    }

    fn put(&mut self, tree: Handle, key: Vec<u8>, value: Vec<u8>) -> Answer<()> {
        self.write(&tree, |store| {
            check_record(&key, &value)?;
            store.put(&key, &value)
        })
    }

    fn insert(&mut self, tree: Handle, key: Vec<u8>, value: Vec<u8>) -> Answer<Option<Vec<u8>>> {
        self.write(&tree, |store| {
            check_record(&key, &value)?;
            store.insert(&key, &value)
        })
    }

    fn put_if_absent(&mut self, tree: Handle, key: Vec<u8>, value: Vec<u8>) -> Answer<bool> {
        self.write(&tree, |store| {
            check_record(&key, &value)?;
            store.put_if_absent(&key, &value)
        })
    }

    fn put_many(&mut self, tree: Handle, records: Records) -> Answer<()> {
        self.write(&tree, |store| store.put_many(&lent(&records)?))
    }

    fn put_many_if_absent(&mut self, tree: Handle, records: Records) -> Answer<Vec<bool>> {
        self.write(&tree, |store| {
            let outcomes = store.put_many_if_absent(&lent(&records)?)?;
            Ok(outcomes.into_iter().map(|outcome| outcome == PutOutcome::Created).collect())
        })
    }

    fn compare_and_put(
        &mut self,
        tree: Handle,
        key: Vec<u8>,
        expected: u64,
        value: Vec<u8>,
    ) -> Answer<bool> {
        self.write(&tree, |store| {
            check_record(&key, &value)?;
            store.compare_and_put(&key, RecordVersion::from_raw(expected), &value)
        })
    }

    fn delete(&mut self, tree: Handle, key: Vec<u8>) -> Answer<bool> {
        self.write(&tree, |store| {
            check_key(&key)?;
            store.delete(&key)
        })
    }

    fn remove(&mut self, tree: Handle, key: Vec<u8>) -> Answer<Option<Vec<u8>>> {
        self.write(&tree, |store| {
            check_key(&key)?;
            store.remove(&key)
        })
    }

    fn delete_if_version(&mut self, tree: Handle, key: Vec<u8>, expected: u64) -> Answer<bool> {
        self.write(&tree, |store| {
            check_key(&key)?;
            store.delete_if_version(&key, RecordVersion::from_raw(expected))
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

    fn rename_prefix(
        &mut self,
        tree: Handle,
        source: Vec<u8>,
        destination: Vec<u8>,
        force: bool,
    ) -> Answer<u64> {
        self.call(&tree, true, |store, work| {
            check_key(&source)?;
            check_key(&destination)?;
            work.change(|| store.rename_prefix(&source, &destination, force))
        })
    }

    fn delete_prefix(&mut self, tree: Handle, prefix: Vec<u8>) -> Answer<u64> {
        self.call(&tree, true, |store, work| {
            check_key(&prefix)?;
            work.change(|| store.delete_prefix(&prefix))
        })
    }

    fn commit(&mut self, tree: Handle, list: Vec<types::Change>) -> Answer<bool> {
        self.write(&tree, |store| store.commit(&changes_from_wit(list)?))
    }

    fn commit_packed(&mut self, tree: Handle, packed: Vec<u8>) -> Answer<bool> {
        self.write(&tree, |store| store.commit(&unpacked(&packed)?))
    }

    fn scan(&mut self, tree: Handle, request: types::ScanRequest) -> Answer<types::Page> {
        self.read(&tree, |store| page_to_wit(store.scan(&scan_from_wit(request))?))
    }

    fn scan_packed(&mut self, tree: Handle, request: types::ScanRequest) -> Answer<Vec<u8>> {
        self.read(&tree, |store| packed_page::encode(&store.scan(&scan_from_wit(request))?))
    }

    fn snapshot(&mut self, tree: Handle, prefix: Vec<u8>) -> Answer<Resource<OpenSnapshot>> {
        let room = self.open_snapshots < MAX_OPEN_SNAPSHOTS;
        let taken = self.read(&tree, |store| {
            check_key(&prefix)?;
            if !room {
                let limit = MAX_OPEN_SNAPSHOTS as u64;
                return Err(Error::QuotaExceeded { what: crate::api::OPEN_SNAPSHOTS, limit });
            }
            store.snapshot(&prefix)
        })?;
        let snapshot = match taken {
            Ok(snapshot) => snapshot,
            Err(error) => return Ok(Err(error)),
        };
        let handle = self.open.push(OpenSnapshot(snapshot))?;
        self.open_snapshots += 1;
        Ok(Ok(handle))
    }

    fn changes_since(&mut self, tree: Handle, start: u64) -> Answer<types::ChangePage> {
        self.read(&tree, |store| store.changes_since(start).map(feed_to_wit))
    }

    fn changes_since_packed(&mut self, tree: Handle, start: u64) -> Answer<Vec<u8>> {
        self.read(&tree, |store| feed::encode(&store.changes_since(start)?))
    }

    fn last_lsn(&mut self, tree: Handle) -> Answer<u64> {
        self.read(&tree, |store| store.last_lsn())
    }

    fn checkpoint(&mut self, tree: Handle) -> Answer<()> {
        self.call(&tree, true, |store, work| {
            work.sync()?;
            store.checkpoint()
        })
    }

    fn compact(&mut self, tree: Handle) -> Answer<()> {
        self.upkeep(&tree, |store| store.compact())
    }

    fn gc(&mut self, tree: Handle) -> Answer<u64> {
        self.upkeep(&tree, |store| store.gc())
    }

    fn vacuum(&mut self, tree: Handle) -> Answer<wit::VacuumStats> {
        self.upkeep(&tree, |store| store.vacuum().map(vacuum_to_wit))
    }

    /// The host maintains its store itself: there is never more for a plugin to do.
    fn maintain(&mut self, tree: Handle, _budget: u32) -> Answer<bool> {
        self.read(&tree, |_| Ok(false))
    }

    fn sync(&mut self, tree: Handle) -> Answer<()> {
        self.call(&tree, true, |store, work| {
            work.sync()?;
            store.sync()
        })
    }

    fn verify(&mut self, tree: Handle) -> Answer<wit::VerifyReport> {
        self.call(&tree, false, |store, work| {
            work.check(&store.stats()?)?;
            store.verify(&mut |_, _| {}).map(report_to_wit)
        })
    }

    fn stats(&mut self, tree: Handle) -> Answer<wit::Stats> {
        self.read(&tree, |store| store.stats().map(stats_to_wit))
    }

    fn drop(&mut self, tree: Handle) -> wasmtime::Result<()> {
        self.open.delete(tree)?;
        self.open_trees = self.open_trees.saturating_sub(1);
        Ok(())
    }
}
