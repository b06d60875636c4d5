//! One store served by a sandboxed engine.
//!
//! Invariant: an instance in which anything trapped is dropped before the call returns, with all
//! it had staged; the store itself is what its devices hold, so the next call finds everything
//! that was acknowledged.

use std::sync::Arc;
use std::sync::mpsc;

use holt_engine::db::{Options, RangeEntry, Record, ScanPage, TreeStats, VerifyReport};
use holt_engine::device::{BlobStore, LogDevice};
use holt_engine::error::{Error, Result};
use holt_engine::ids::RecordVersion;
use holt_wire::changes::{self, ChangeRef};
use holt_wire::limits::MAX_PACKED_BATCH_BYTES;
use holt_wire::page;
use wasmtime::component::ResourceAny;

use super::bindings::Engine as World;
use super::bindings::exports::holt::metadata::store as guest;
use super::bindings::holt::metadata::types;
use super::config::{MAX_CROSSING_BYTES, SandboxConfig};
use super::convert::{error_from_wit, report_from_wit, stats_from_wit};
use super::devices::{DeviceUse, Devices, Progress};
use super::runtime::{HostState, MemoryLimit, Sandbox, setup_error, stop_cause};
use crate::api::{Change, SandboxUsage, ScanRequest, Store};
use crate::native::scan_bounds;

/// How far ahead of its reader a check may report.
const PROGRESS_QUEUE: usize = 64;

/// A running instance and the tree it has open.
struct Running {
    store: wasmtime::Store<HostState>,
    world: World,
    tree: ResourceAny,
}

/// How much a call may use, and whether it changes records.
#[derive(Clone, Copy)]
enum Kind {
    Read,
    Write,
    /// May walk the whole store; changes no record.
    Long,
}

/// A store served by the engine inside the sandbox.
pub struct SandboxStore {
    sandbox: Sandbox,
    blobs: Arc<dyn BlobStore>,
    log: Arc<dyn LogDevice>,
    options: Options,
    running: Option<Running>,
    /// An instance died and what it had staged is not yet forgotten.
    stale_stages: bool,
    fuel: u64,
    used: DeviceUse,
    restarts: u64,
}

/// What a call of the guest returns: a trap, or an error of the engine, or a value.
type Reply<T> = wasmtime::Result<Result<T, types::Error>>;

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
        let mut store = Self {
            sandbox,
            blobs,
            log,
            options,
            running: None,
            stale_stages: false,
            fuel: 0,
            used: DeviceUse::default(),
            restarts: 0,
        };
        store.ensure_running()?;
        Ok(store)
    }

    /// What the guest did with its devices.
    pub fn device_use(&self) -> DeviceUse {
        self.running.as_ref().map_or(self.used, |running| running.store.data().devices.used)
    }

    /// How often an instance was stopped and the store opened in a fresh one.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Does up to `budget` pages of maintenance; `true` if there is more to do.
    ///
    /// # Errors
    /// Those of the engine; `Interrupted` if a limit stopped it.
    pub fn maintain(&mut self, budget: u32) -> Result<bool> {
        self.call("maintain", Kind::Long, |run| {
            guest_tree(&run.world).call_maintain(&mut run.store, run.tree, budget)
        })
    }

    /// The records of several keys, in the order asked for; the list ends early once 8 MiB of
    /// values are reached.
    ///
    /// # Errors
    /// Those of the engine; `Interrupted` if a limit stopped it.
    pub fn get_many(&mut self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>> {
        let found = self.call("get-many", Kind::Read, |run| {
            guest_tree(&run.world).call_get_many(&mut run.store, run.tree, keys)
        })?;
        Ok(found.into_iter().map(|record| record.map(record_of)).collect())
    }

    /// A part of a scan in the packed form that `wit/store.wit` documents, and as it crossed the
    /// boundary: for callers that hand it on without looking into it.
    ///
    /// # Errors
    /// Those of the engine; `Interrupted` if a limit stopped it.
    pub fn scan_packed(&mut self, request: &ScanRequest) -> Result<Vec<u8>> {
        let (max_entries, max_bytes) = scan_bounds(request)?;
        let request = types::ScanRequest {
            prefix: request.prefix.clone(),
            start_after: request.start_after.clone(),
            delimiter: request.delimiter,
            keys_only: request.keys_only,
            max_entries: max_entries as u32,
            max_bytes: max_bytes as u32,
            resume: None,
        };
        self.call("scan", Kind::Read, |run| {
            guest_tree(&run.world).call_scan_packed(&mut run.store, run.tree, &request)
        })
    }

    /// Starts an instance and opens the tree in it, unless one runs.
    fn ensure_running(&mut self) -> Result<()> {
        if self.running.is_some() {
            return Ok(());
        }
        if self.stale_stages {
            self.blobs.discard()?;
            self.stale_stages = false;
        }
        let config = Arc::clone(&self.sandbox.config);
        let quotas = config.quotas;
        let mut devices =
            Devices::new(Arc::clone(&self.blobs), Arc::clone(&self.log), quotas, self.used);
        devices.calls_left = u64::MAX;
        let memory = MemoryLimit::new(config.memory_bytes);
        let mut store = wasmtime::Store::new(&self.sandbox.engine, HostState { devices, memory });
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(MAX_CROSSING_BYTES);
        store.set_fuel(config.long_call_fuel).map_err(setup_error)?;
        let opened = self.open_tree(&mut store);
        self.settle_fuel(&store, config.long_call_fuel);
        self.used = store.data().devices.used;
        match opened {
            Ok(Ok((world, tree))) => {
                self.running = Some(Running { store, world, tree });
                Ok(())
            }
            Ok(Err(error)) => Err(error_from_wit(error)),
            Err(error) => {
                self.stale_stages = true;
                let cause = stop_cause(&error, config.long_call_fuel, &store.data().memory);
                Err(Error::Interrupted { call: "open".into(), cause, outcome_unknown: false })
            }
        }
    }

    fn open_tree(&self, store: &mut wasmtime::Store<HostState>) -> Reply<(World, ResourceAny)> {
        let world = self.sandbox.world.instantiate(&mut *store)?;
        let options = guest::Options {
            cache_bytes: self.options.cache_bytes.min(self.sandbox.config.memory_bytes / 2),
            sync: self.options.sync,
            log_budget: self.options.log_budget,
            auto_checkpoint: self.options.auto_checkpoint,
            read_only: self.options.read_only,
        };
        let tree = world.holt_metadata_store().call_open(store, options)?;
        Ok(tree.map(|tree| (world, tree)))
    }

    fn settle_fuel(&mut self, store: &wasmtime::Store<HostState>, given: u64) {
        let left = store.get_fuel().unwrap_or(0);
        self.fuel = self.fuel.saturating_add(given.saturating_sub(left));
    }

    /// Makes one call of the guest, in a fresh instance if the last one was stopped.
    fn call<T>(
        &mut self,
        name: &'static str,
        kind: Kind,
        act: impl FnOnce(&mut Running) -> Reply<T>,
    ) -> Result<T> {
        self.ensure_running()?;
        let Some(mut running) = self.running.take() else {
            return Err(Error::Poisoned { cause: "the sandbox did not start".into() });
        };
        let config = &self.sandbox.config;
        let (fuel, device_calls) = match kind {
            Kind::Long => (config.long_call_fuel, u64::MAX),
            Kind::Read | Kind::Write => (config.call_fuel, config.call_device_calls),
        };
        running.store.set_fuel(fuel).map_err(setup_error)?;
        let before = running.store.data().devices.used;
        running.store.data_mut().devices.calls_left = device_calls;
        let reply = act(&mut running);
        self.settle_fuel(&running.store, fuel);
        self.used = running.store.data().devices.used;
        match reply {
            Ok(outcome) => {
                self.running = Some(running);
                outcome.map_err(error_from_wit)
            }
            Err(error) => {
                let cause = stop_cause(&error, fuel, &running.store.data().memory);
                self.stale_stages = true;
                self.restarts += 1;
                // A change takes effect by its log record only: without an append in this call
                // there is none to be found on reopening.
                let outcome_unknown =
                    matches!(kind, Kind::Write) && self.used.appends > before.appends;
                Err(Error::Interrupted { call: name.into(), cause, outcome_unknown })
            }
        }
    }

    /// The check itself, on a thread of its own so that this one can report how far it is.
    fn verify_reporting(
        &mut self,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<guest::VerifyReport> {
        let (send, receive) = mpsc::sync_channel(PROGRESS_QUEUE);
        std::thread::scope(|scope| {
            let check = scope.spawn(|| {
                self.call("verify", Kind::Long, move |run| {
                    run.store.data_mut().devices.progress = Some(Progress::new(send));
                    let reply = guest_tree(&run.world).call_verify(&mut run.store, run.tree);
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

fn guest_tree(world: &World) -> guest::GuestTree<'_> {
    world.holt_metadata_store().tree()
}

fn record_of(versioned: types::Versioned) -> Record {
    Record { value: versioned.value, version: RecordVersion::from_raw(versioned.version) }
}

impl Store for SandboxStore {
    fn get(&mut self, key: &[u8]) -> Result<Option<Record>> {
        let found = self.call("get", Kind::Read, |run| {
            guest_tree(&run.world).call_get(&mut run.store, run.tree, key)
        })?;
        Ok(found.map(record_of))
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        check_lengths(key, value)?;
        self.call("put", Kind::Write, |run| {
            guest_tree(&run.world).call_put(&mut run.store, run.tree, key, value)
        })
    }

    fn delete(&mut self, key: &[u8]) -> Result<bool> {
        check_lengths(key, &[])?;
        self.call("delete", Kind::Write, |run| {
            guest_tree(&run.world).call_delete(&mut run.store, run.tree, key)
        })
    }

    fn rename(&mut self, src: &[u8], dst: &[u8], force: bool) -> Result<()> {
        check_lengths(src, &[])?;
        check_lengths(dst, &[])?;
        self.call("rename", Kind::Write, |run| {
            guest_tree(&run.world).call_rename(&mut run.store, run.tree, src, dst, force)
        })
    }

    fn commit(&mut self, changes: &[Change]) -> Result<()> {
        let mut packed = Vec::new();
        for change in changes {
            changes::push(
                &mut packed,
                match change {
                    Change::Put { key, value } => ChangeRef::Put { key, value },
                    Change::Delete { key } => ChangeRef::Delete { key },
                },
            )?;
            if packed.len() > MAX_PACKED_BATCH_BYTES {
                let (bytes, maximum) = (packed.len(), holt_engine::limits::MAX_RECORD_BYTES);
                return Err(Error::WalRecordTooLarge { bytes, maximum });
            }
        }
        self.call("commit", Kind::Write, |run| {
            guest_tree(&run.world).call_commit_packed(&mut run.store, run.tree, &packed)
        })
    }

    fn scan(&mut self, request: &ScanRequest) -> Result<ScanPage<RangeEntry>> {
        page::decode(&self.scan_packed(request)?)
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.call("checkpoint", Kind::Long, |run| {
            guest_tree(&run.world).call_checkpoint(&mut run.store, run.tree)
        })
    }

    fn compact(&mut self) -> Result<()> {
        self.call("compact", Kind::Long, |run| {
            guest_tree(&run.world).call_compact(&mut run.store, run.tree)
        })
    }

    fn sync(&mut self) -> Result<()> {
        self.call("sync", Kind::Long, |run| {
            guest_tree(&run.world).call_sync(&mut run.store, run.tree)
        })
    }

    fn verify(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<VerifyReport> {
        self.verify_reporting(progress).map(report_from_wit)
    }

    fn stats(&mut self) -> Result<TreeStats> {
        let stats = self.call("stats", Kind::Read, |run| {
            guest_tree(&run.world).call_stats(&mut run.store, run.tree)
        })?;
        Ok(stats_from_wit(stats))
    }

    fn sandbox_usage(&self) -> SandboxUsage {
        let memory = self.running.as_ref().map_or(0, |running| running.store.data().memory.held);
        let device_calls = self.device_use().calls;
        SandboxUsage { fuel: self.fuel, device_calls, memory_bytes: memory }
    }
}

/// What the guest would refuse too, before it crosses the boundary.
fn check_lengths(key: &[u8], value: &[u8]) -> Result<()> {
    use holt_engine::limits::{MAX_KEY_BYTES, MAX_VALUE_BYTES};
    if key.len() > MAX_KEY_BYTES {
        return Err(Error::KeyTooLong { len: key.len() });
    }
    if value.len() > MAX_VALUE_BYTES {
        return Err(Error::ValueTooLong { len: value.len() });
    }
    Ok(())
}

impl Drop for SandboxStore {
    /// Lets the guest close its tree in good order and forgets what it had staged; no record
    /// depends on either.
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let fuel = self.sandbox.config.call_fuel;
            running.store.data_mut().devices.calls_left = self.sandbox.config.call_device_calls;
            if running.store.set_fuel(fuel).is_ok() {
                let _ = running.tree.resource_drop(&mut running.store);
            }
        }
        let _ = self.blobs.discard();
    }
}
