//! The three seams to the outside, and what implements them without an operating system.
//!
//! Owns: [`PositionedIo`] (a disk), [`BlobStore`] (frames and extents by id), [`LogDevice`] (the
//! log's bytes). Never does: know what the bytes mean. Devices do not know each other.

pub mod blob;
pub mod io;
pub mod log;
pub mod memory;
mod rules;

pub use blob::{BlobEntry, BlobOp, BlobStore, PageAt, StoreUsage};
pub use io::PositionedIo;
pub use log::{LogBounds, LogDevice};
pub use memory::{MemoryBlobStore, MemoryIo, MemoryLog};
