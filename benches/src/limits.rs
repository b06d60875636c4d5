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

/// Entries of one level.
pub const LEVEL_ENTRIES: usize = 8;

/// Bytes of one page of a list across the boundary: far more than a hundred records take.
#[cfg(feature = "sandbox")]
pub const LIST_PAGE_BYTES: usize = 1 << 20;

/// Most cache of the engine in the sandbox: with as much again it fits a memory of four gibibytes.
#[cfg(feature = "sandbox")]
pub const SANDBOX_CACHE_BYTES: u64 = 1 << 30;

/// Exponent of skewed reads, as YCSB has it.
pub const ZIPF_EXPONENT: f64 = 0.99;

/// Reads with cold caches in one round: each may wait for the device.
pub const COLD_GETS: u64 = 500;

/// Walks in one round are of everything, but no more than this many records.
pub const COLD_SCAN_RECORDS: u64 = 2_000_000;

/// Overwrites between two checkpoints: one of so many records,
pub const OVERWRITE_SHARE: u64 = 200;

/// at least so many,
pub const OVERWRITES_LEAST: u64 = 1_000;

/// and at most.
pub const OVERWRITES_MOST: u64 = 100_000;

/// Records of the small directory that is moved.
pub const SMALL_DIRECTORY: u64 = 256;

/// Records of the large one; it is left out where the store itself is smaller.
pub const LARGE_DIRECTORY: u64 = 100_000;

/// Moves of the small directory in one round, and of the large one.
pub const SMALL_MOVES: u64 = 20;

/// Moves of the large directory in one round.
pub const LARGE_MOVES: u64 = 2;

/// Durable overwrites of one writer in one round.
pub const DURABLE_PUTS: u64 = 400;

/// Writers that commit durably beside each other,
pub const DURABLE_WRITERS: u64 = 16;

/// and what each of them writes in one round.
pub const DURABLE_EACH: u64 = 250;

/// Most operations of one thread in one round: they are made before the clock starts.
pub const THREAD_OPS: u64 = 100_000;

/// Untimed reads before each round of point operations and lists: engines take turns, and what
/// one had in the processor's caches is gone when its turn comes again. Of a store that fits
/// there they bring most back; of a larger one nothing that would matter.
pub const RETURN_READS: u64 = 20_000;

/// Their keys are those of a round that never comes.
pub const RETURN_ROUND: u32 = 1 << 30;

/// Dependent loads in one round of the pointer chase.
pub const CHASE_LOADS: u64 = 500_000;

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
