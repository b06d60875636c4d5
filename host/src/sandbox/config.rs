//! What a sandboxed engine may use.

use std::path::PathBuf;

/// Memory a guest may have, unless told otherwise, in bytes.
pub const DEFAULT_MEMORY_BYTES: u64 = 256 << 20;

/// Least memory that a guest can work with, in bytes.
pub const MIN_MEMORY_BYTES: u64 = 4 << 20;

/// Fuel for one ordinary call: some ten seconds of computing. One unit is about one instruction.
pub const DEFAULT_CALL_FUEL: u64 = 20_000_000_000;

/// Fuel for one call that may walk the whole store: open, checkpoint, compact, verify.
pub const DEFAULT_LONG_CALL_FUEL: u64 = 1_000 * DEFAULT_CALL_FUEL;

/// Device calls within one ordinary call. An ordinary call needs a few dozen, more if it has to
/// do a share of maintenance.
pub const DEFAULT_CALL_DEVICE_CALLS: u64 = 10_000_000;

/// Bytes that one call between guest and host may carry to the host: the largest scan page, its
/// framing and its last entry.
pub const MAX_CROSSING_BYTES: usize = 24 << 20;

/// Elements of all tables of an instance; the guest needs one per function called by pointer.
pub const MAX_TABLE_ELEMENTS: usize = 20_000;

/// Bytes of stack for the guest's calls.
pub const MAX_STACK_BYTES: usize = 512 << 10;

/// Pages a guest may have staged and not published, unless told otherwise: 8 GiB.
pub const DEFAULT_STAGED_PAGES: u64 = 2 << 20;

/// How much of the devices a guest may fill. `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Pages of 4 KiB, published and staged together.
    pub pages: Option<u64>,
    /// Pages staged and not published. The host remembers each, so this is never unlimited.
    pub staged_pages: u64,
    /// Published blobs.
    pub blobs: Option<u64>,
    /// Bytes held by the log.
    pub log_bytes: Option<u64>,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { pages: None, staged_pages: DEFAULT_STAGED_PAGES, blobs: None, log_bytes: None }
    }
}

/// What a sandboxed engine may use, and how it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxConfig {
    /// Linear memory, in bytes. The engine's cache gets at most half of it.
    pub memory_bytes: u64,
    /// Fuel for one ordinary call.
    pub call_fuel: u64,
    /// Fuel for one call that may walk the whole store.
    pub long_call_fuel: u64,
    /// Device calls within one ordinary call; calls that may walk the store are not limited.
    pub call_device_calls: u64,
    /// How much of the devices it may fill.
    pub quotas: Quotas,
    /// A directory for compiled code, so that the next start takes milliseconds. Whoever can
    /// write there can run code as this process. `None` compiles at each start.
    pub compile_cache: Option<PathBuf>,
    /// Reserve room for this many instances ahead, so that starting one takes microseconds: for
    /// programs that serve many stores. Falls back to one by one where that much address space
    /// cannot be had.
    pub pooled_instances: Option<u32>,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            memory_bytes: DEFAULT_MEMORY_BYTES,
            call_fuel: DEFAULT_CALL_FUEL,
            long_call_fuel: DEFAULT_LONG_CALL_FUEL,
            call_device_calls: DEFAULT_CALL_DEVICE_CALLS,
            quotas: Quotas::default(),
            compile_cache: None,
            pooled_instances: None,
        }
    }
}
