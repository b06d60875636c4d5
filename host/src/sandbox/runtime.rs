//! What sandboxed stores of one program share: wasmtime's engine and the compiled component.

use std::sync::Arc;

use holt_engine::db::Options;
use holt_engine::device::{BlobStore, LogDevice};
use holt_engine::error::{Error, IoError, IoErrorKind, Result};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{
    Cache, CacheConfig, Config, InstanceAllocationStrategy, PoolingAllocationConfig,
    ResourceLimiter, Trap,
};

use super::bindings::{Engine as World, EnginePre as WorldPre};
use super::config::{MAX_STACK_BYTES, MAX_TABLE_ELEMENTS, MIN_MEMORY_BYTES, SandboxConfig};
use super::database::SandboxDatabase;
use super::devices::{Devices, Stopped};
use super::store::SandboxStore;

/// The engine as a component, built by the build script from `wasm/component`. It imports
/// `blob-store`, `log` and their types, exports `store` and `database`, and nothing else.
pub const ENGINE_COMPONENT: &[u8] = include_bytes!(env!("HOLT_ENGINE_COMPONENT"));

/// What a guest's store in wasmtime carries.
pub(crate) struct HostState {
    pub(super) devices: Devices,
    pub(super) memory: MemoryLimit,
}

/// The compiled engine, ready to serve any number of stores. Cheap to clone; clones share all.
#[derive(Clone)]
pub struct Sandbox {
    pub(super) engine: wasmtime::Engine,
    pub(super) world: WorldPre<HostState>,
    pub(super) config: Arc<SandboxConfig>,
}

impl Sandbox {
    /// Compiles the embedded engine, or loads it from the cache of compiled code.
    ///
    /// # Errors
    /// `InvalidArgument` for settings out of range; `BlobStoreIo` if wasmtime cannot run here or
    /// the cache directory cannot be used.
    pub fn new(config: SandboxConfig) -> Result<Self> {
        Self::with_component(config, ENGINE_COMPONENT)
    }

    /// The same with another component of the world `engine`, for instance another build of it.
    ///
    /// # Errors
    /// As [`Sandbox::new`]; also if the component imports anything but the two devices.
    pub fn with_component(config: SandboxConfig, component: &[u8]) -> Result<Self> {
        if config.memory_bytes < MIN_MEMORY_BYTES {
            return Err(Error::InvalidArgument {
                what: "memory of the sandbox",
                why: "must be at least 4 MiB",
            });
        }
        let engine = start_engine(&config)?;
        let component = Component::from_binary(&engine, component).map_err(setup_error)?;
        let mut linker = Linker::new(&engine);
        World::add_to_linker::<_, HasSelf<Devices>>(&mut linker, |state: &mut HostState| {
            &mut state.devices
        })
        .map_err(setup_error)?;
        let instance = linker.instantiate_pre(&component).map_err(setup_error)?;
        let world = WorldPre::new(instance).map_err(setup_error)?;
        Ok(Self { engine, world, config: Arc::new(config) })
    }

    /// The same compiled engine with other fuel for ordinary calls.
    pub fn with_call_fuel(&self, call_fuel: u64) -> Self {
        let config = SandboxConfig { call_fuel, ..SandboxConfig::clone(&self.config) };
        Self { config: Arc::new(config), ..self.clone() }
    }

    /// Opens a store on its devices in an instance of its own.
    ///
    /// # Errors
    /// What opening it natively returns; `Interrupted` if a limit stopped it.
    pub fn open(
        &self,
        blobs: Arc<dyn BlobStore>,
        log: Arc<dyn LogDevice>,
        options: Options,
    ) -> Result<SandboxStore> {
        SandboxStore::start(self.clone(), blobs, log, options)
    }

    /// Opens a store of named trees on its devices in an instance of its own.
    ///
    /// # Errors
    /// Those of [`Sandbox::open`].
    pub fn open_database(
        &self,
        blobs: Arc<dyn BlobStore>,
        log: Arc<dyn LogDevice>,
        options: Options,
    ) -> Result<SandboxDatabase> {
        SandboxDatabase::start(self.clone(), blobs, log, options)
    }
}

/// wasmtime's settings, for engines and plugins alike.
pub(crate) fn engine_config(config: &SandboxConfig) -> Result<Config> {
    let mut settings = Config::new();
    settings
        // Calls are synchronous; bookkeeping for others costs several times the call itself.
        .concurrency_support(false)
        .consume_fuel(true)
        .max_wasm_stack(MAX_STACK_BYTES)
        .memory_init_cow(true);
    if let Some(directory) = &config.compile_cache {
        let mut cache = CacheConfig::new();
        cache.with_directory(directory);
        settings.cache(Some(Cache::new(cache).map_err(setup_error)?));
    }
    Ok(settings)
}

fn start_engine(config: &SandboxConfig) -> Result<wasmtime::Engine> {
    let mut settings = engine_config(config)?;
    let Some(instances) = config.pooled_instances.filter(|instances| *instances > 0) else {
        return wasmtime::Engine::new(&settings).map_err(setup_error);
    };
    let mut pool = PoolingAllocationConfig::default();
    // A component is several core instances: the module and the shims around it.
    let core_instances = instances.saturating_mul(8);
    pool.total_component_instances(instances)
        .total_core_instances(core_instances)
        .total_memories(instances)
        .total_tables(instances.saturating_mul(4))
        .max_memory_size(usize::try_from(config.memory_bytes).unwrap_or(usize::MAX))
        .table_elements(MAX_TABLE_ELEMENTS);
    settings.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    wasmtime::Engine::new(&settings).or_else(|_| {
        // So much address space cannot be had here: go on without the pool.
        wasmtime::Engine::new(&engine_config(config)?).map_err(setup_error)
    })
}

/// The error for a sandbox that could not be set up.
pub(crate) fn setup_error(error: wasmtime::Error) -> Error {
    IoError::new(IoErrorKind::Device, "start of the sandbox", format!("{error:#}")).into()
}

/// Why a guest was stopped, in words.
pub(crate) fn stop_cause(error: &wasmtime::Error, fuel: u64, memory: &MemoryLimit) -> String {
    if let Some(stopped) = error.downcast_ref::<Stopped>() {
        return stopped.to_string();
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => format!("it used up its fuel of {fuel} units"),
        Some(Trap::StackOverflow) => "it used up its stack".to_owned(),
        Some(_) if memory.denied => {
            format!("it used up its memory of {} bytes", memory.limit)
        }
        Some(trap) => format!("a fault of the guest: {trap}"),
        None => holt_wire::text::bounded(&format!("{:#}", error.root_cause())),
    }
}

/// Bounds what an instance allocates, and remembers how much it has.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    limit: u64,
    /// Bytes of linear memory.
    pub(crate) held: u64,
    /// Whether a request was refused.
    denied: bool,
}

impl MemoryLimit {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, held: 0, denied: false }
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current) as u64;
        let within = maximum.is_none_or(|maximum| desired <= maximum);
        if !within || self.held.saturating_add(more) > self.limit {
            self.denied = true;
            return Ok(false);
        }
        self.held += more;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        16
    }

    fn tables(&self) -> usize {
        8
    }

    fn memories(&self) -> usize {
        4
    }
}
