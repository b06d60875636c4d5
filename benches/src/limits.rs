//! Every bound of the benches, by name.
//!
//! Owns: the numbers. Never does: anything else.

/// Records generated, then timed, at a time. Small enough that the buffer stays in the second
/// level cache, large enough that reading the clock costs nothing.
pub const CHUNK_RECORDS: usize = 512;

/// Records of one transaction where an engine loads in transactions.
pub const LOAD_BATCH_RECORDS: usize = 1_000;

/// Entries of one list.
pub const LIST_ENTRIES: usize = 100;

/// Operations of one round of point reads and writes, unless told otherwise.
pub const ROUND_OPS: u64 = 200_000;

/// Lists in one round: each touches a hundred records.
pub const ROUND_LISTS: u64 = 10_000;

/// Records read back in full and compared after the reopening.
pub const VERIFY_RECORDS: u64 = 20_000;

/// A peer may take this many times ours before a cell is cut off.
pub const CAP_RATIO: f64 = 20.0;

/// No cell is cut off before it has run this long, in seconds.
pub const CAP_FLOOR_SECONDS: f64 = 5.0;

/// A step that takes longer than this ends its engine, in seconds.
pub const STEP_LIMIT_SECONDS: u64 = 1_800;

/// Most records of a run: file numbers have eight digits at most.
pub const MAX_RECORDS: u64 = 99_999_999;

/// Cache of an engine that keeps its pages itself, over the payload, when none is asked for.
pub const ROOMY_CACHE_RATIO: u64 = 4;

/// The same for `holt` 0.9.2, whose frames a random load leaves nearly empty.
#[cfg(feature = "holt092")]
pub const ROOMY_PEER_CACHE_RATIO: u64 = 24;

/// Smallest cache when none is asked for, in bytes.
pub const ROOMY_CACHE_FLOOR: u64 = 256 << 20;

/// Address space LMDB maps, over the payload. It is address space, not memory.
#[cfg(feature = "lmdb")]
pub const MAP_RATIO: u64 = 16;

/// Least address space LMDB maps, in bytes.
#[cfg(feature = "lmdb")]
pub const MAP_FLOOR: u64 = 4 << 30;
