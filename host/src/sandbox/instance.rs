//! One store's instance of the sandboxed engine, and the handles that it gave out.
//!
//! Invariants: an instance in which anything trapped is dropped before the call returns, with all
//! it had staged; the store itself is what its devices hold, so the next call finds everything
//! that was acknowledged. What an instance gave out ends with it: handles know the number of
//! theirs, and one of an earlier instance never reaches a later one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use holt_engine::db::Options;
use holt_engine::device::{BlobStore, LogDevice};
use holt_engine::error::{Error, Result};
use wasmtime::component::ResourceAny;

use super::bindings::Engine as World;
use super::bindings::exports::holt::metadata::{database, store as guest};
use super::bindings::holt::metadata::types;
use super::config::MAX_CROSSING_BYTES;
use super::convert::error_from_wit;
use super::devices::{DeviceUse, Devices};
use super::runtime::{HostState, MemoryLimit, Sandbox, setup_error, stop_cause};
use crate::api::{CLOSED, SandboxUsage};

/// A running instance and what it has open.
pub(super) struct Running {
    pub(super) store: wasmtime::Store<HostState>,
    pub(super) world: World,
    /// The tree, or the database.
    pub(super) root: ResourceAny,
}

/// The guest's calls on trees.
pub(super) fn trees(world: &World) -> guest::GuestTree<'_> {
    world.holt_metadata_store().tree()
}

/// The guest's calls on snapshots.
pub(super) fn snapshots(world: &World) -> guest::GuestSnapshot<'_> {
    world.holt_metadata_store().snapshot()
}

/// The guest's calls on databases.
pub(super) fn databases(world: &World) -> database::GuestDatabase<'_> {
    world.holt_metadata_database().database()
}

/// The guest's calls on snapshots of databases.
pub(super) fn database_snapshots(world: &World) -> database::GuestDatabaseSnapshot<'_> {
    world.holt_metadata_database().database_snapshot()
}

/// The guest's calls on images on their way out.
pub(super) fn exports(world: &World) -> database::GuestImageExport<'_> {
    world.holt_metadata_database().image_export()
}

/// The guest's calls on images on their way in.
pub(super) fn installs(world: &World) -> database::GuestImageInstall<'_> {
    world.holt_metadata_database().image_install()
}

/// How much a call may use, and whether it changes records.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Read,
    Write,
    /// May walk the whole store; changes no record.
    Long,
    /// May walk the whole store and changes records.
    LongWrite,
}

/// What an instance opens the store as.
#[derive(Clone, Copy)]
pub(super) enum Opened {
    Tree,
    Database,
}

/// What a call of the guest returns: a trap, or an error of the engine, or a value.
pub(super) type Reply<T> = wasmtime::Result<Result<T, types::Error>>;

/// An instance, shared by the handles that keep it.
pub(super) type Shared = Arc<Mutex<Instance>>;

/// What holds an instance.
pub(super) struct Instance {
    sandbox: Sandbox,
    blobs: Arc<dyn BlobStore>,
    log: Arc<dyn LogDevice>,
    options: Options,
    opened: Opened,
    running: Option<Running>,
    /// Which instance runs or ran last.
    number: u64,
    /// An instance died and what it had staged is not yet forgotten.
    stale_stages: bool,
    fuel: u64,
    used: DeviceUse,
    restarts: u64,
    /// What this instance gave out and did not get back, by kind.
    given: [usize; GIVEN_KINDS],
    /// Of each named tree that was opened: whether it was dropped since.
    dropped: BTreeMap<String, Arc<AtomicBool>>,
}

/// A panic of another user while it held the lock left no call half done: an instance that was
/// being called was taken out for that time and is gone.
pub(super) fn lock(instance: &Mutex<Instance>) -> MutexGuard<'_, Instance> {
    instance.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Instance {
    /// Starts an instance and opens the store in it.
    pub(super) fn start(
        sandbox: Sandbox,
        blobs: Arc<dyn BlobStore>,
        log: Arc<dyn LogDevice>,
        options: Options,
        opened: Opened,
    ) -> Result<Shared> {
        let mut instance = Self {
            sandbox,
            blobs,
            log,
            options,
            opened,
            running: None,
            number: 0,
            stale_stages: false,
            fuel: 0,
            used: DeviceUse::default(),
            restarts: 0,
            given: [0; GIVEN_KINDS],
            dropped: BTreeMap::new(),
        };
        instance.ensure_running()?;
        Ok(Arc::new(Mutex::new(instance)))
    }

    /// What the guest did with its devices.
    pub(super) fn device_use(&self) -> DeviceUse {
        self.running.as_ref().map_or(self.used, |running| running.store.data().devices.used)
    }

    pub(super) fn restarts(&self) -> u64 {
        self.restarts
    }

    pub(super) fn usage(&self) -> SandboxUsage {
        let memory = self.running.as_ref().map_or(0, |running| running.store.data().memory.held);
        let device_calls = self.device_use().calls;
        SandboxUsage { fuel: self.fuel, device_calls, memory_bytes: memory }
    }

    /// Starts an instance and opens the store in it, unless one runs; returns its number and what
    /// it has open.
    pub(super) fn ensure_running(&mut self) -> Result<(u64, ResourceAny)> {
        if let Some(running) = &self.running {
            return Ok((self.number, running.root));
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
        let opened = self.open(&mut store);
        self.settle_fuel(&store, config.long_call_fuel);
        self.used = store.data().devices.used;
        match opened {
            Ok(Ok((world, root))) => {
                self.number += 1;
                self.given = [0; GIVEN_KINDS];
                self.running = Some(Running { store, world, root });
                Ok((self.number, root))
            }
            Ok(Err(error)) => {
                self.stale_stages = true;
                Err(error_from_wit(error))
            }
            Err(error) => {
                self.stale_stages = true;
                let cause = stop_cause(&error, config.long_call_fuel, &store.data().memory);
                Err(Error::Interrupted { call: "open".into(), cause, outcome_unknown: false })
            }
        }
    }

    fn open(&self, store: &mut wasmtime::Store<HostState>) -> Reply<(World, ResourceAny)> {
        let world = self.sandbox.world.instantiate(&mut *store)?;
        let options = guest::Options {
            cache_bytes: self.options.cache_bytes.min(self.sandbox.config.memory_bytes / 2),
            sync: self.options.sync,
            log_budget: self.options.log_budget,
            auto_checkpoint: self.options.auto_checkpoint,
            read_only: self.options.read_only,
            snapshot_bytes: self.options.snapshot_bytes,
            feed_retention: self.options.feed_retention,
        };
        let root = match self.opened {
            Opened::Tree => world.holt_metadata_store().call_open(store, options)?,
            Opened::Database => world.holt_metadata_database().call_open(store, options)?,
        };
        Ok(root.map(|root| (world, root)))
    }

    fn settle_fuel(&mut self, store: &wasmtime::Store<HostState>, given: u64) {
        let left = store.get_fuel().unwrap_or(0);
        self.fuel = self.fuel.saturating_add(given.saturating_sub(left));
    }

    /// Makes one call of the guest, in a fresh instance if the last one was stopped.
    pub(super) fn call<T>(
        &mut self,
        name: &'static str,
        kind: Kind,
        act: impl FnOnce(&mut Running) -> Reply<T>,
    ) -> Result<T> {
        self.run(name, kind, act)?.map_err(error_from_wit)
    }

    /// The same for calls whose failures are of another type; an error is that of a call which
    /// was stopped.
    pub(super) fn run<R>(
        &mut self,
        name: &'static str,
        kind: Kind,
        act: impl FnOnce(&mut Running) -> wasmtime::Result<R>,
    ) -> Result<R> {
        self.ensure_running()?;
        let Some(mut running) = self.running.take() else {
            return Err(Error::Poisoned { cause: "the sandbox did not start".into() });
        };
        let config = &self.sandbox.config;
        let (fuel, device_calls) = match kind {
            Kind::Long | Kind::LongWrite => (config.long_call_fuel, u64::MAX),
            Kind::Read | Kind::Write => (config.call_fuel, config.call_device_calls),
        };
        let before = running.store.data().devices.used;
        running.store.data_mut().devices.calls_left = device_calls;
        // A guest that cannot be given fuel is stopped as one that used it up.
        let reply = running.store.set_fuel(fuel).and_then(|()| act(&mut running));
        self.settle_fuel(&running.store, fuel);
        self.used = running.store.data().devices.used;
        match reply {
            Ok(outcome) => {
                self.running = Some(running);
                Ok(outcome)
            }
            Err(error) => {
                let cause = stop_cause(&error, fuel, &running.store.data().memory);
                self.stale_stages = true;
                self.restarts += 1;
                // A change takes effect by its log record, or by a publish if it is as large as
                // an image: without either in this call there is nothing to be found on
                // reopening.
                let outcome_unknown = match kind {
                    Kind::Read | Kind::Long => false,
                    Kind::Write => self.used.appends > before.appends,
                    Kind::LongWrite => {
                        (self.used.appends, self.used.publishes)
                            != (before.appends, before.publishes)
                    }
                };
                Err(Error::Interrupted { call: name.into(), cause, outcome_unknown })
            }
        }
    }

    /// Whether a tree of this name is dropped from now on is what the handle returned will say.
    pub(super) fn tree_opened(&mut self, name: &str) -> Arc<AtomicBool> {
        match self.dropped.get(name) {
            Some(flag) => Arc::clone(flag),
            None => Arc::clone(self.dropped.entry(name.into()).or_default()),
        }
    }

    /// Every handle of the tree says so from now on.
    pub(super) fn tree_dropped(&mut self, name: &str) {
        if let Some(flag) = self.dropped.remove(name) {
            flag.store(true, Ordering::Relaxed);
        }
    }

    /// Lets the guest drop what it gave out, if it is the one that did.
    pub(super) fn give_back(&mut self, number: u64, resource: ResourceAny, kind: Kind) {
        if self.running.is_some() && self.number == number {
            // A guest that fails at that is stopped; what it gave out is gone all the same.
            let _ = self.run("drop", kind, |run| resource.resource_drop(&mut run.store));
        }
    }
}

impl Drop for Instance {
    /// Lets the guest close its store in good order and forgets what it had staged; no record
    /// depends on either.
    fn drop(&mut self) {
        if let Some(root) = self.running.as_ref().map(|running| running.root) {
            self.give_back(self.number, root, Kind::Read);
        }
        let _ = self.blobs.discard();
    }
}

/// Kinds of what is given out in bounded number.
#[derive(Clone, Copy)]
pub(super) enum Given {
    Snapshot,
    Image,
}

const GIVEN_KINDS: usize = 2;

impl Given {
    /// What dropping one may use: an image on its way in is given up with all it brought.
    const fn dropping(self) -> Kind {
        match self {
            Self::Snapshot => Kind::Read,
            Self::Image => Kind::Long,
        }
    }

    const fn most(self) -> (usize, &'static str) {
        match self {
            Self::Snapshot => (crate::api::MAX_SNAPSHOTS, crate::api::OPEN_SNAPSHOTS),
            Self::Image => (crate::api::MAX_IMAGES, crate::api::OPEN_IMAGES),
        }
    }
}

/// A snapshot or image that an instance gave out. Dropping it gives it back. It does not keep the
/// instance: it ends with the last handle of its store.
pub(super) struct Handle {
    instance: Weak<Mutex<Instance>>,
    number: u64,
    resource: ResourceAny,
    given: Given,
}

impl Handle {
    /// Asks the guest for one, if one more may be out.
    ///
    /// # Errors
    /// `QuotaExceeded`, and those of the call.
    pub(super) fn ask(
        shared: &Shared,
        given: Given,
        ask: impl FnOnce(&mut Instance) -> Result<ResourceAny>,
    ) -> Result<Self> {
        let mut instance = lock(shared);
        instance.ensure_running()?;
        let (most, what) = given.most();
        if instance.given[given as usize] >= most {
            return Err(Error::QuotaExceeded { what, limit: most as u64 });
        }
        let resource = ask(&mut instance)?;
        instance.given[given as usize] += 1;
        let number = instance.number;
        Ok(Self { instance: Arc::downgrade(shared), number, resource, given })
    }

    /// The instance that it is of, if any handle of its store is left.
    ///
    /// # Errors
    /// `Expired`.
    pub(super) fn shared(&self) -> Result<Shared> {
        self.instance.upgrade().ok_or(CLOSED)
    }

    /// What names it in the guest, if that is the one that gave it out.
    ///
    /// # Errors
    /// `Expired`.
    pub(super) fn resource_in(&self, instance: &Instance) -> Result<ResourceAny> {
        match instance.running.is_some() && instance.number == self.number {
            true => Ok(self.resource),
            false => Err(CLOSED),
        }
    }

    /// Makes one call of the guest that gave it out.
    ///
    /// # Errors
    /// `Expired` if that guest is gone, else those of the call.
    pub(super) fn call<T>(
        &self,
        name: &'static str,
        kind: Kind,
        act: impl FnOnce(&mut Running, ResourceAny) -> Reply<T>,
    ) -> Result<T> {
        let shared = self.shared()?;
        let mut instance = lock(&shared);
        let resource = self.resource_in(&instance)?;
        instance.call(name, kind, |run| act(run, resource))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let Some(shared) = self.instance.upgrade() else { return };
        let mut instance = lock(&shared);
        if instance.number == self.number {
            let given = &mut instance.given[self.given as usize];
            *given = given.saturating_sub(1);
        }
        instance.give_back(self.number, self.resource, self.given.dropping());
    }
}
