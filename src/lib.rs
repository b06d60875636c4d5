//! holt: a metadata engine for path-shaped keys.
//!
//! Records under keys that are any bytes, in order; lists one level of a hierarchy without
//! walking what lies below it; survives the death of the process or loss of power, as asked for.
//!
//! ```
//! use holt::{RangeEntry, TreeBuilder};
//!
//! # fn main() -> holt::Result<()> {
//! let tree = TreeBuilder::new("").memory().open()?;
//! for key in ["etc/hosts", "usr/bin/env", "usr/lib/libc.so", "vmlinuz"] {
//!     tree.put(key.as_bytes(), b"")?;
//! }
//! let mut level = Vec::new();
//! for entry in tree.range().delimiter(b'/') {
//!     match entry? {
//!         RangeEntry::CommonPrefix(prefix) => level.push(prefix),
//!         RangeEntry::Key { key, .. } => level.push(key),
//!         _ => {}
//!     }
//! }
//! assert_eq!(level, [&b"etc/"[..], b"usr/", b"vmlinuz"]);
//! # Ok(())
//! # }
//! ```
//!
//! This crate is the face: it opens trees on files and re-exports what their users need. The
//! engine itself, which needs no operating system, is `holt-engine`; files are
//! `holt-native-store`.

mod builder;
mod config;
mod keeper;
#[cfg(feature = "metrics")]
pub mod metrics;

pub use builder::{Directory, TreeBuilder};
pub use config::{AccessMode, CheckpointConfig, Durability, Storage, TreeConfig};

pub use holt_engine::db::*;
pub use holt_engine::device::{
    Access, BlobEntry, BlobOp, BlobStore, LogBounds, LogContent, LogDevice, MemoryBlobStore,
    MemoryIo, MemoryLog, Opened, PackedStore, PageAt, PositionedIo, PositionedLog, StoreUsage,
    conformance,
};
pub use holt_engine::error::*;
pub use holt_engine::geometry::Geometry;
pub use holt_engine::ids::{BlobId, Lsn, RecordVersion, StoreId, Ticket, TreeId};
pub use holt_engine::keys::{KeyPathBuf, KeyPathError, KeyPrefixBuf};
pub use holt_engine::limits::{self, MAX_JOURNAL_RECORD_BYTES};
pub use holt_native_store::{
    AlignedBlobBuf, FileIo, FileMode, FileOptions, FileStore, ImageStreams, Io, IoChoice,
};

/// The store of blobs in a file.
pub type FileBlobStore = PackedStore<FileIo>;

/// The identity of a blob, under the name that stores of one's own used before.
pub type BlobGuid = BlobId;

/// The figures of a store of blobs.
pub type StoreStats = StoreUsage;

#[cfg(test)]
mod tests;

/// The README's Rust, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
