//! Files under holt: positioned and direct I/O, the lock, a store's directory.
//!
//! Owns: all that needs an operating system. Never does: know the bytes it moves; the packed
//! store and the log of `holt_engine` do. Every `unsafe` is in `sys` and `uring`, listed in
//! `docs/UNSAFE.md`.
#![deny(unsafe_code)]

// Only for its feature `std`, which the engine's checksums then have too.
use crc32fast as _;

mod aligned;
mod batch;
mod file;
mod io_kind;
mod lock;
mod store;
mod stream;
#[allow(unsafe_code)]
mod sys;
#[allow(unsafe_code)]
mod uring;
mod window;

pub use aligned::AlignedBlobBuf;
pub use file::{FileIo, IoChoice};
pub use io_kind::Io;
pub use store::{BLOBS_FILE, FileMode, FileOptions, FileStore, LOG_FILE, random_store_id};
pub use stream::ImageStreams;
pub use sys::prefer_large_pages;

/// Every bound of this crate, by name.
pub mod limits {
    use std::time::Duration;

    /// Largest alignment direct I/O may ask for: the engine's pages are aligned to this.
    pub const MAX_DIRECT_ALIGN: usize = 4096;

    /// Bytes of a bounce buffer, the most that one direct transfer of unaligned memory moves.
    pub const BOUNCE_BYTES: usize = 256 * 1024;

    /// Bounce buffers kept for the next transfer.
    pub const KEPT_BOUNCE_BUFFERS: usize = 8;

    /// Most direct transfers that are under way at once for one call without a ring, each by a
    /// thread.
    pub const TOGETHER: usize = 8;

    /// Fewest transfers for which threads pay: with less they cost more than the device's waits.
    pub const MIN_TOGETHER: usize = 16;

    /// Fewest transfers for which a ring pays: one alone is as fast by a positioned call.
    pub const MIN_RING_BATCH: usize = 2;

    /// Bytes of a file given back by one call: the system lets nobody write to the file meanwhile,
    /// and takes about half a second for a gibibyte.
    pub const PUNCH_BYTES: u64 = 4 << 20;

    /// Bytes of a ring's memory, through which its transfers go.
    pub const RING_BYTES: usize = 512 * 1024;

    /// Most transfers of a ring that are under way at once.
    pub const RING_OPS: usize = 64;

    /// Most bytes of one transfer of a ring.
    pub const RING_PIECE_BYTES: usize = 64 * 1024;

    /// How often in a row the kernel may be too busy to take a ring's transfers before they fail.
    pub const RING_BUSY_TRIES: usize = 100_000;

    /// Smallest mapped window on the end of a log, in bytes: the file reaches that far beyond
    /// its records while it is open.
    pub const MIN_WINDOW_BYTES: u64 = 64 * 1024;

    /// Largest mapped window on the end of a log, in bytes.
    pub const MAX_WINDOW_BYTES: u64 = 4 << 20;

    /// How long opening waits for another process to let go of a store, unless told otherwise.
    pub const DEFAULT_LOCK_WAIT: Duration = Duration::from_secs(5);

    /// How often a lock that is held elsewhere is asked for again.
    pub const LOCK_POLL: Duration = Duration::from_millis(10);
}
