//! One tree served by a sandboxed engine: the tree of a store, or a named one of a database.
//!
//! Owns: how each call crosses the boundary, and finding the tree again in a fresh instance.
//! Never does: trust what comes back beyond its type.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use holt_engine::db::{
    Options, PrefixCount, PrefixRecord, PutOutcome, Record, TreeStats, VacuumStats, VerifyReport,
};
use holt_engine::device::{BlobStore, LogDevice};
use holt_engine::error::{Error, Result};
use holt_engine::ids::{Lsn, RecordVersion};
use holt_engine::limits::{MAX_BATCH_OPS, MAX_RECORD_BYTES};
use holt_wire::changes::{ChangeRef, Packer, check_key, check_value};
use holt_wire::limits::MAX_PACKED_BATCH_BYTES;
use holt_wire::{feed, many, page};
use wasmtime::component::ResourceAny;

use super::bindings::exports::holt::metadata::store as guest;
use super::bindings::holt::metadata::types;
use super::config::SandboxConfig;
use super::convert::{report_from_wit, stats_from_wit, vacuum_from_wit};
use super::devices::{DeviceUse, Progress};
use super::instance::{Instance, Kind, Opened, Reply, Running, Shared, databases, lock, trees};
use super::runtime::Sandbox;
use super::snapshot::SandboxSnapshot;
use crate::api::{
    Change, FeedPage, Page, Reads, SandboxUsage, ScanRequest, Snapshot, Store, longest_key_of,
};

/// How far ahead of its reader a check may report.
const PROGRESS_QUEUE: usize = 64;

/// Which tree of an instance.
enum Target {
    /// The one that the instance opened.
    Root,
    /// One of its database.
    Named {
        name: String,
        /// Whether it was dropped since.
        dropped: Arc<AtomicBool>,
        /// Where it is open: the number of the instance, and the handle there.
        open: (u64, ResourceAny),
    },
}

/// A tree served by the engine inside the sandbox.
pub struct SandboxStore {
    shared: Shared,
    target: Target,
}

impl SandboxStore {
    /// Opens a store on its devices, in a sandbox of its own. A program that opens several makes
    /// one [`Sandbox`] and opens them with that: the engine is then compiled once.
    ///
    /// # Errors
    /// As [`Sandbox::new`] and [`Sandbox::open`].
    pub fn open(
        blobs: Arc<dyn BlobStore>,
        log: Arc<dyn LogDevice>,
        options: Options,
        config: SandboxConfig,
    ) -> Result<Self> {
        Sandbox::new(config)?.open(blobs, log, options)
    }

    pub(super) fn start(
        sandbox: Sandbox,
        blobs: Arc<dyn BlobStore>,
        log: Arc<dyn LogDevice>,
        options: Options,
    ) -> Result<Self> {
        let shared = Instance::start(sandbox, blobs, log, options, Opened::Tree)?;
        Ok(Self { shared, target: Target::Root })
    }

    /// The tree of this name, by a call that opens it.
    pub(super) fn named(
        shared: &Shared,
        name: &str,
        call: &'static str,
        kind: Kind,
        open: impl FnOnce(&mut Running) -> Reply<ResourceAny>,
    ) -> Result<Self> {
        let mut instance = lock(shared);
        let resource = instance.call(call, kind, open)?;
        let (number, _) = instance.ensure_running()?;
        let (name, dropped) = (name.to_owned(), instance.tree_opened(name));
        let target = Target::Named { name, dropped, open: (number, resource) };
        Ok(Self { shared: Arc::clone(shared), target })
    }

    /// What the guest did with its devices.
    pub fn device_use(&self) -> DeviceUse {
        lock(&self.shared).device_use()
    }

    /// How often an instance was stopped and the store opened in a fresh one.
    pub fn restarts(&self) -> u64 {
        lock(&self.shared).restarts()
    }

    /// A part of a scan in the packed form that `wit/store.wit` documents, and as it crossed the
    /// boundary: for callers that hand it on without looking into it.
    ///
    /// # Errors
    /// Those of the engine; `Interrupted` if a limit stopped it.
    pub fn scan_packed(&mut self, request: &ScanRequest) -> Result<Vec<u8>> {
        let request = request_of(request)?;
        self.call("scan", Kind::Read, |run, tree| {
            trees(&run.world).call_scan_packed(&mut run.store, tree, &request)
        })
    }

    fn call<T>(
        &mut self,
        name: &'static str,
        kind: Kind,
        act: impl FnOnce(&mut Running, ResourceAny) -> Reply<T>,
    ) -> Result<T> {
        let mut instance = lock(&self.shared);
        let tree = self.target.find(&mut instance)?;
        instance.call(name, kind, |run| act(run, tree))
    }

    fn commit_packed(&mut self, call: &'static str, packed: &[u8]) -> Result<bool> {
        self.call(call, Kind::Write, |run, tree| {
            trees(&run.world).call_commit_packed(&mut run.store, tree, packed)
        })
    }

    /// The check itself, on a thread of its own so that this one can report how far it is.
    fn verify_reporting(
        &mut self,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<guest::VerifyReport> {
        let (send, receive) = mpsc::sync_channel(PROGRESS_QUEUE);
        std::thread::scope(|scope| {
            let check = scope.spawn(|| {
                self.call("verify", Kind::Long, move |run, tree| {
                    run.store.data_mut().devices.progress = Some(Progress::new(send));
                    let reply = trees(&run.world).call_verify(&mut run.store, tree);
                    run.store.data_mut().devices.progress = None;
                    reply
                })
            });
            let mut last = (0, 0);
            for report in receive {
                last = report;
                progress(report.0, report.1);
            }
            progress(last.1, last.1);
            check.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Target {
    /// The tree in the running instance; it is opened there if it was open in an earlier one.
    fn find(&mut self, instance: &mut Instance) -> Result<ResourceAny> {
        let (number, root) = instance.ensure_running()?;
        let Self::Named { name, dropped, open } = self else { return Ok(root) };
        if dropped.load(Ordering::Relaxed) {
            return Err(Error::TreeDropped);
        }
        if open.0 != number {
            let found = instance.call("open-tree", Kind::Read, |run| {
                databases(&run.world).call_open_tree(&mut run.store, root, name)
            });
            // A tree that was there and is not was dropped in a call of unknown outcome.
            let found = found.map_err(|error| match error {
                Error::TreeNotFound { .. } => {
                    dropped.store(true, Ordering::Relaxed);
                    Error::TreeDropped
                }
                other => other,
            });
            *open = (number, found?);
        }
        Ok(open.1)
    }
}

impl Drop for SandboxStore {
    fn drop(&mut self) {
        if let Target::Named { open: (number, tree), .. } = self.target {
            lock(&self.shared).give_back(number, tree, Kind::Read);
        }
    }
}

pub(super) fn record_of(versioned: types::Versioned) -> Record {
    Record { value: versioned.value, version: RecordVersion::from_raw(versioned.version) }
}

pub(super) fn entry_of(entry: types::Entry) -> Result<PrefixRecord> {
    check_key(&entry.key)?;
    check_value(&entry.value)?;
    let version = RecordVersion::from_raw(entry.version);
    Ok(PrefixRecord { key: entry.key, value: entry.value, version })
}

pub(super) fn count_of(count: types::PrefixCount) -> PrefixCount {
    let mut found = PrefixCount::default();
    (found.count, found.exact) = (count.count, count.exact);
    found
}

/// A request as it crosses the boundary, checked.
pub(super) fn request_of(request: &ScanRequest) -> Result<types::ScanRequest> {
    let (max_entries, max_bytes) = request.check()?;
    Ok(types::ScanRequest {
        prefix: request.prefix.clone(),
        start_after: request.start_after.clone(),
        start_at: request.start_at.clone(),
        end_before: request.end_before.clone(),
        reverse: request.reverse,
        delimiter: request.delimiter,
        keys_only: request.keys_only,
        max_entries: max_entries as u32,
        max_bytes: max_bytes as u32,
        resume: request.resume.clone(),
    })
}

/// What the guest would refuse too, before it crosses the boundary.
fn check_record(key: &[u8], value: &[u8]) -> Result<()> {
    check_key(key)?;
    check_value(value)
}

impl Reads for SandboxStore {
    fn get(&mut self, key: &[u8]) -> Result<Option<Record>> {
        check_key(key)?;
        let found = self.call("get", Kind::Read, |run, tree| {
            trees(&run.world).call_get(&mut run.store, tree, key)
        })?;
        Ok(found.map(record_of))
    }

    fn get_version(&mut self, key: &[u8]) -> Result<Option<RecordVersion>> {
        check_key(key)?;
        let found = self.call("get-version", Kind::Read, |run, tree| {
            trees(&run.world).call_get_version(&mut run.store, tree, key)
        })?;
        Ok(found.map(RecordVersion::from_raw))
    }

    fn contains_key(&mut self, key: &[u8]) -> Result<bool> {
        check_key(key)?;
        self.call("contains-key", Kind::Read, |run, tree| {
            trees(&run.world).call_contains_key(&mut run.store, tree, key)
        })
    }

    fn longest_prefix(&mut self, query: &[u8]) -> Result<Option<PrefixRecord>> {
        let query = longest_key_of(query);
        let found = self.call("longest-prefix", Kind::Read, |run, tree| {
            trees(&run.world).call_longest_prefix(&mut run.store, tree, query)
        })?;
        found.map(entry_of).transpose()
    }

    fn is_prefix_empty(&mut self, prefix: &[u8]) -> Result<bool> {
        check_key(prefix)?;
        self.call("is-prefix-empty", Kind::Read, |run, tree| {
            trees(&run.world).call_is_prefix_empty(&mut run.store, tree, prefix)
        })
    }

    fn prefix_count(&mut self, prefix: &[u8], limit: u64) -> Result<PrefixCount> {
        check_key(prefix)?;
        let count = self.call("prefix-count", Kind::Read, |run, tree| {
            trees(&run.world).call_prefix_count(&mut run.store, tree, prefix, limit)
        })?;
        Ok(count_of(count))
    }

    fn scan(&mut self, request: &ScanRequest) -> Result<Page> {
        page::decode(&self.scan_packed(request)?)
    }
}

impl Store for SandboxStore {
    fn get_many(&mut self, keys: &[&[u8]]) -> Result<Vec<Option<Record>>> {
        let packed = many::encode_keys(keys)?;
        let found = self.call("get-many", Kind::Read, |run, tree| {
            trees(&run.world).call_get_many_packed(&mut run.store, tree, &packed)
        })?;
        many::decode_found(&found, keys.len())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        check_record(key, value)?;
        self.call("put", Kind::Write, |run, tree| {
            trees(&run.world).call_put(&mut run.store, tree, key, value)
        })
    }

    fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>> {
        check_record(key, value)?;
        self.call("insert", Kind::Write, |run, tree| {
            trees(&run.world).call_insert(&mut run.store, tree, key, value)
        })
    }

    fn put_if_absent(&mut self, key: &[u8], value: &[u8]) -> Result<bool> {
        check_record(key, value)?;
        self.call("put-if-absent", Kind::Write, |run, tree| {
            trees(&run.world).call_put_if_absent(&mut run.store, tree, key, value)
        })
    }

    fn put_many(&mut self, records: &[(&[u8], &[u8])]) -> Result<()> {
        let mut packer = Packer::with_len(records.len())?;
        for (key, value) in records {
            packer.push(ChangeRef::Put { key, value })?;
        }
        self.commit_packed("put-many", &packer.finish()).map(drop)
    }

    fn put_many_if_absent(&mut self, records: &[(&[u8], &[u8])]) -> Result<Vec<PutOutcome>> {
        if records.len() > MAX_BATCH_OPS {
            return Err(Error::BatchTooLarge { len: records.len() });
        }
        let mut bytes = 0;
        for (key, value) in records {
            check_record(key, value)?;
            bytes += key.len() + value.len();
            if bytes > MAX_PACKED_BATCH_BYTES {
                return Err(Error::WalRecordTooLarge { bytes, maximum: MAX_RECORD_BYTES });
            }
        }
        let owned: Vec<(Vec<u8>, Vec<u8>)> =
            records.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
        let written = self.call("put-many-if-absent", Kind::Write, |run, tree| {
            trees(&run.world).call_put_many_if_absent(&mut run.store, tree, &owned)
        })?;
        if written.len() != records.len() {
            let why = "the engine answered for another number of records";
            return Err(Error::InvalidArgument { what: "put-many-if-absent", why });
        }
        let outcome = |written| match written {
            true => PutOutcome::Created,
            false => PutOutcome::AlreadyExists,
        };
        Ok(written.into_iter().map(outcome).collect())
    }

    fn compare_and_put(
        &mut self,
        key: &[u8],
        expected: RecordVersion,
        value: &[u8],
    ) -> Result<bool> {
        check_record(key, value)?;
        let expected = expected.as_u64();
        self.call("compare-and-put", Kind::Write, |run, tree| {
            trees(&run.world).call_compare_and_put(&mut run.store, tree, key, expected, value)
        })
    }

    fn delete(&mut self, key: &[u8]) -> Result<bool> {
        check_key(key)?;
        self.call("delete", Kind::Write, |run, tree| {
            trees(&run.world).call_delete(&mut run.store, tree, key)
        })
    }

    fn remove(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        check_key(key)?;
        self.call("remove", Kind::Write, |run, tree| {
            trees(&run.world).call_remove(&mut run.store, tree, key)
        })
    }

    fn delete_if_version(&mut self, key: &[u8], expected: RecordVersion) -> Result<bool> {
        check_key(key)?;
        let expected = expected.as_u64();
        self.call("delete-if-version", Kind::Write, |run, tree| {
            trees(&run.world).call_delete_if_version(&mut run.store, tree, key, expected)
        })
    }

    fn rename(&mut self, src: &[u8], dst: &[u8], force: bool) -> Result<()> {
        check_key(src)?;
        check_key(dst)?;
        self.call("rename", Kind::Write, |run, tree| {
            trees(&run.world).call_rename(&mut run.store, tree, src, dst, force)
        })
    }

    fn rename_prefix(&mut self, src: &[u8], dst: &[u8], force: bool) -> Result<u64> {
        check_key(src)?;
        check_key(dst)?;
        self.call("rename-prefix", Kind::Write, |run, tree| {
            trees(&run.world).call_rename_prefix(&mut run.store, tree, src, dst, force)
        })
    }

    fn delete_prefix(&mut self, prefix: &[u8]) -> Result<u64> {
        check_key(prefix)?;
        self.call("delete-prefix", Kind::Write, |run, tree| {
            trees(&run.world).call_delete_prefix(&mut run.store, tree, prefix)
        })
    }

    fn commit(&mut self, changes: &[Change]) -> Result<bool> {
        let mut packer = Packer::with_len(changes.len())?;
        changes.iter().try_for_each(|change| packer.push(change.borrowed()))?;
        self.commit_packed("commit", &packer.finish())
    }

    fn snapshot(&mut self, prefix: &[u8]) -> Result<Box<dyn Snapshot + Send>> {
        check_key(prefix)?;
        let target = &mut self.target;
        SandboxSnapshot::take(&self.shared, prefix, |instance| {
            let tree = target.find(instance)?;
            instance.call("snapshot", Kind::Read, |run| {
                trees(&run.world).call_snapshot(&mut run.store, tree, prefix)
            })
        })
    }

    fn changes_since(&mut self, start: Lsn) -> Result<FeedPage> {
        let packed = self.call("changes-since", Kind::Read, |run, tree| {
            trees(&run.world).call_changes_since_packed(&mut run.store, tree, start)
        })?;
        feed::decode(&packed, start)
    }

    fn last_lsn(&mut self) -> Result<Lsn> {
        self.call("last-lsn", Kind::Read, |run, tree| {
            trees(&run.world).call_last_lsn(&mut run.store, tree)
        })
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.call("checkpoint", Kind::Long, |run, tree| {
            trees(&run.world).call_checkpoint(&mut run.store, tree)
        })
    }

    fn compact(&mut self) -> Result<()> {
        self.call("compact", Kind::Long, |run, tree| {
            trees(&run.world).call_compact(&mut run.store, tree)
        })
    }

    fn gc(&mut self) -> Result<u64> {
        self.call("gc", Kind::Long, |run, tree| trees(&run.world).call_gc(&mut run.store, tree))
    }

    fn vacuum(&mut self) -> Result<VacuumStats> {
        let stats = self.call("vacuum", Kind::Long, |run, tree| {
            trees(&run.world).call_vacuum(&mut run.store, tree)
        })?;
        Ok(vacuum_from_wit(stats))
    }

    fn maintain(&mut self, budget: u32) -> Result<bool> {
        self.call("maintain", Kind::Long, |run, tree| {
            trees(&run.world).call_maintain(&mut run.store, tree, budget)
        })
    }

    fn sync(&mut self) -> Result<()> {
        self.call("sync", Kind::Long, |run, tree| trees(&run.world).call_sync(&mut run.store, tree))
    }

    fn verify(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<VerifyReport> {
        self.verify_reporting(progress).map(report_from_wit)
    }

    fn stats(&mut self) -> Result<TreeStats> {
        let stats = self.call("stats", Kind::Read, |run, tree| {
            trees(&run.world).call_stats(&mut run.store, tree)
        })?;
        Ok(stats_from_wit(stats))
    }

    fn sandbox_usage(&self) -> SandboxUsage {
        lock(&self.shared).usage()
    }
}
