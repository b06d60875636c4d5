//! The engine inside a wasmtime sandbox.
//!
//! Owns: compiling the embedded component, its limits, the devices it sees, and what happens when
//! it is stopped. Never does: touch files itself (devices come from the caller), or let a fault
//! of the guest be more than an error of one call.
//!
//! Invariants: a guest reaches nothing but the two devices of its own store; a guest that was
//! stopped is never called again, the next call starts a fresh one from the devices.

mod bindings;
mod config;
mod convert;
mod database;
mod devices;
mod images;
mod instance;
mod runtime;
mod snapshot;
mod store;

pub use config::{
    DEFAULT_CALL_DEVICE_CALLS, DEFAULT_CALL_FUEL, DEFAULT_LONG_CALL_FUEL, DEFAULT_MEMORY_BYTES,
    DEFAULT_STAGED_PAGES, MAX_CROSSING_BYTES, MAX_STACK_BYTES, MAX_TABLE_ELEMENTS,
    MIN_MEMORY_BYTES, Quotas, SandboxConfig,
};
pub use database::SandboxDatabase;
pub use devices::DeviceUse;
pub use runtime::{ENGINE_COMPONENT, Sandbox};
pub use store::SandboxStore;

// Public because what is generated for plugins re-exports it; not part of the interface.
#[doc(hidden)]
pub use bindings::holt::metadata::types as wit_types;
pub(crate) use convert::{
    changes_from_wit, corruption_from_wit, corruption_to_wit, count_to_wit, entry_to_wit,
    error_to_wit, feed_to_wit, page_to_wit, scan_from_wit, versioned,
};
pub(crate) use devices::Stopped;
pub(crate) use runtime::{MemoryLimit, engine_config, setup_error, stop_cause};
