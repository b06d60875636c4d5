//! Runs plugins: components of the world `plugin`, over any store.
//!
//! Owns: loading a plugin, its limits, the store it imports. Never does: give it anything else; a
//! plugin has no files, no network, no clock and no environment, and one that asks for them is
//! not loaded.
//!
//! Invariants: every list and number of the plugin is checked before the store sees it; it can
//! hold a bounded number of handles; what stops it stops neither the host nor the store.

mod bindings;
mod convert;
mod serve;
mod snapshot;
#[cfg(test)]
mod tests;
mod work;

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use holt_engine::error::{Error, Result};
use wasmtime::component::{Component, HasSelf, Linker};

use crate::api::Store;
use crate::sandbox::{
    DEFAULT_CALL_FUEL, DEFAULT_MEMORY_BYTES, MAX_CROSSING_BYTES, MemoryLimit, SandboxConfig,
    engine_config, setup_error, stop_cause,
};
use bindings::{Plugin as World, PluginPre as WorldPre};
use serve::Served;

/// Calls that one run may make to its store, unless told otherwise.
pub const DEFAULT_STORE_CALLS: u64 = 100_000_000;

/// Trees that a plugin may hold open at a time.
pub const MAX_OPEN_TREES: usize = 64;

/// Snapshots that a plugin may hold open at a time.
pub const MAX_OPEN_SNAPSHOTS: usize = 16;

/// Bytes of all arguments of one run.
pub const MAX_ARGUMENT_BYTES: usize = 1 << 20;

/// Bytes kept of the text a run ends with.
pub const MAX_OUTCOME_BYTES: usize = 64 << 10;

/// Largest plugin, in bytes.
pub const MAX_PLUGIN_BYTES: usize = 64 << 20;

/// A store that several users share; each call locks it for its own length.
pub type SharedStore = Arc<Mutex<dyn Store + Send>>;

/// What a plugin may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginConfig {
    /// Linear memory, in bytes.
    pub memory_bytes: u64,
    /// Fuel for one run: about one unit an instruction. As much again pays for what the host does
    /// in calls that are not bounded by what they carry (`verify`, upkeep, counts, moves and
    /// deletions by prefix, `sync`), some 20 000 units for each page it goes over; a call that
    /// cannot be paid for is refused with `quota-exceeded`.
    pub fuel: u64,
    /// Calls to the store in one run.
    pub store_calls: u64,
    /// Whether its writes are refused with `read-only`.
    pub read_only: bool,
    /// A directory for compiled code; see `SandboxConfig::compile_cache`.
    pub compile_cache: Option<PathBuf>,
}

impl Default for PluginConfig {
    fn default() -> Self {
        Self {
            memory_bytes: DEFAULT_MEMORY_BYTES,
            fuel: 10 * DEFAULT_CALL_FUEL,
            store_calls: DEFAULT_STORE_CALLS,
            read_only: false,
            compile_cache: None,
        }
    }
}

/// How a run ended, and what it used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginRun {
    /// What the plugin said: its result, or why it failed. Cut at [`MAX_OUTCOME_BYTES`].
    pub outcome: Result<String, String>,
    /// Fuel it burnt itself, without the store's.
    pub fuel: u64,
    /// Calls it made to the store.
    pub store_calls: u64,
    /// Bytes of linear memory it took.
    pub memory_bytes: u64,
}

/// What a plugin's store in wasmtime carries.
struct PluginState {
    served: Served,
    memory: MemoryLimit,
}

/// A plugin, compiled and ready to run any number of times.
#[derive(Clone)]
pub struct Plugin {
    engine: wasmtime::Engine,
    world: WorldPre<PluginState>,
    config: PluginConfig,
}

impl Plugin {
    /// Loads a plugin: a component, or a core module for `wasm32-unknown-unknown` as cargo makes
    /// it from a crate that uses wit-bindgen (it is then made a component here).
    ///
    /// # Errors
    /// `InvalidArgument` if it is over [`MAX_PLUGIN_BYTES`]; `BlobStoreIo` if it is no plugin, or
    /// imports anything but `holt:metadata/store` and its types.
    pub fn load(wasm: &[u8], config: PluginConfig) -> Result<Self> {
        if wasm.len() > MAX_PLUGIN_BYTES {
            return Err(Error::InvalidArgument { what: "plugin", why: "must be at most 64 MiB" });
        }
        let compile_cache = config.compile_cache.clone();
        let settings = engine_config(&SandboxConfig { compile_cache, ..Default::default() })?;
        let engine = wasmtime::Engine::new(&settings).map_err(setup_error)?;
        let component = Component::from_binary(&engine, &componentise(wasm)?);
        let component = component.map_err(setup_error)?;
        let mut linker = Linker::new(&engine);
        World::add_to_linker::<_, HasSelf<Served>>(&mut linker, |state: &mut PluginState| {
            &mut state.served
        })
        .map_err(setup_error)?;
        let instance = linker.instantiate_pre(&component).map_err(setup_error)?;
        let world = WorldPre::new(instance).map_err(setup_error)?;
        Ok(Self { engine, world, config })
    }

    /// Runs the plugin once over `store`, in a fresh instance.
    ///
    /// # Errors
    /// `Interrupted` if a limit or a fault stopped it; its outcome is unknown if it had changed
    /// records by then (each change by itself was applied wholly or not at all).
    pub fn run(&self, store: SharedStore, args: &[String]) -> Result<PluginRun> {
        let bytes: usize = args.iter().map(String::len).sum();
        if bytes.saturating_add(args.len()) > MAX_ARGUMENT_BYTES {
            let why = "must have at most 1 MiB together";
            return Err(Error::InvalidArgument { what: "arguments of the plugin", why });
        }
        let config = &self.config;
        let served = Served::new(store, config.store_calls, config.fuel, config.read_only);
        let memory = MemoryLimit::new(config.memory_bytes);
        let mut state = wasmtime::Store::new(&self.engine, PluginState { served, memory });
        state.limiter(|state| &mut state.memory);
        state.set_hostcall_fuel(MAX_CROSSING_BYTES);
        state.set_fuel(config.fuel).map_err(setup_error)?;
        let outcome =
            self.world.instantiate(&mut state).and_then(|world| world.call_run(&mut state, args));
        let left = state.get_fuel().unwrap_or(0);
        let state = state.data();
        match outcome {
            Ok(said) => Ok(PluginRun {
                outcome: said.map(|text| cut(&text)).map_err(|text| cut(&text)),
                fuel: config.fuel.saturating_sub(left),
                store_calls: state.served.calls(),
                memory_bytes: state.memory.held,
            }),
            Err(error) => Err(Error::Interrupted {
                call: "plugin".into(),
                cause: stop_cause(&error, config.fuel, &state.memory),
                outcome_unknown: state.served.wrote(),
            }),
        }
    }
}

/// A component as it is; a core module made one.
fn componentise(wasm: &[u8]) -> Result<Cow<'_, [u8]>> {
    // The version field tells them apart: a component's second half is 1.
    let is_module = wasm.get(4..8) == Some(&[1, 0, 0, 0]);
    if !is_module {
        return Ok(Cow::Borrowed(wasm));
    }
    let encoded = wit_component::ComponentEncoder::default()
        .validate(true)
        .module(wasm)
        .and_then(|encoder| encoder.encode());
    encoded.map(Cow::Owned).map_err(|error| {
        setup_error(wasmtime::Error::msg(format!("the module is no plugin: {error:#}")))
    })
}

/// A text of the plugin, cut, without control characters other than line ends and tabs.
fn cut(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MAX_OUTCOME_BYTES));
    for char in text.chars() {
        let odd = char.is_control() && !matches!(char, '\n' | '\t');
        let char = if odd { '\u{fffd}' } else { char };
        if out.len() + char.len_utf8() > MAX_OUTCOME_BYTES {
            break;
        }
        out.push(char);
    }
    out
}
