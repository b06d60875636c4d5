//! The three seams to the outside, and what implements them without an operating system.
//!
//! Owns: [`PositionedIo`] (a disk), [`BlobStore`] (frames and extents by id), [`LogDevice`] (the
//! log's bytes). Never does: know what the bytes mean. Devices do not know each other.

pub mod blob;
mod buffer;
pub mod conformance;
pub mod io;
pub mod log;
pub mod memory;
pub mod packed;
pub mod poison;
pub mod positioned_log;
mod rules;
#[cfg(test)]
mod tests;

pub(crate) use buffer::PageBuffer;

pub use blob::{BlobEntry, BlobOp, BlobStore, PageAt, StoreUsage};
pub use io::PositionedIo;
pub use log::{LogBounds, LogDevice};
pub use memory::{MemoryBlobStore, MemoryIo, MemoryLog};
pub use packed::{Access, Opened, PackedStore};
pub use poison::Poison;
pub use positioned_log::{LogContent, PositionedLog};
