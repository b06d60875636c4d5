//! The log's bytes, at positions that only grow.

use crate::error::Result;
use crate::ids::Lsn;
use crate::sync::MaybeSync;

/// The positions a log device holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogBounds {
    /// Position of the first byte kept.
    pub start: Lsn,
    /// Position after the last byte kept.
    pub end: Lsn,
}

/// An endless byte string of which a window is kept.
///
/// Contract, checked by the conformance suite:
/// 1. `append` writes at `end`, nowhere else; when it returns `Ok` the bytes survive the death
///    of the process (not loss of power).
/// 2. After `sync` returns `Ok`, everything appended before it survives loss of power.
/// 3. After loss of power, bytes that were not synced may read as anything, and `end` may be
///    anything between the synced end and the appended end. The engine's records say what is
///    valid.
/// 4. `truncate` and `reset` may be undone by loss of power until the next `sync`; positions
///    of surviving bytes never change.
/// 5. After a failed `append`, `sync`, `truncate` or `reset` all of these fail with `Poisoned`
///    until the device is opened anew.
pub trait LogDevice: MaybeSync {
    /// The positions held now. An empty log has `start == end`.
    fn bounds(&self) -> Result<LogBounds>;

    /// Appends bytes at position `at`, which must be `end`.
    fn append(&self, at: Lsn, bytes: &[u8]) -> Result<()>;

    /// Reads from `at` into `buf`, up to `end`; returns how many bytes.
    fn read(&self, at: Lsn, buf: &mut [u8]) -> Result<usize>;

    /// Makes everything appended durable.
    fn sync(&self) -> Result<()>;

    /// Bytes before `before` may be given back. Called beside `append` and `sync`, never beside
    /// `reset`.
    fn truncate(&self, before: Lsn) -> Result<()>;

    /// Empties the log; the next append is at `at`, which is not below the old `end`.
    fn reset(&self, at: Lsn) -> Result<()>;

    /// Bytes allocated on the device.
    fn allocated(&self) -> Result<u64>;
}
