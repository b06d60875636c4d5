//! The engine's limits, with few of what there are many of.

pub use holt_engine::limits::PAGE_BYTES;

/// Pages of a chunk of the slab.
pub const SLAB_CHUNK_PAGES: usize = 2;
/// Changes that a lane notes.
pub const MAX_NOTED: usize = 4;
