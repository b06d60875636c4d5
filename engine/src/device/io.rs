//! A disk: bytes at positions.

use crate::error::IoError;
use crate::sync::MaybeSync;

/// Positioned input and output on one file-like object.
///
/// Contract, checked by the conformance suite:
/// 1. `read_at` fills the whole buffer or fails with `UnexpectedEof`; it never returns short.
/// 2. `write_at` writes all of the buffer, extending the object if needed; bytes skipped over
///    read as zero.
/// 3. After `sync` returns `Ok`, everything written before it survives loss of power.
/// 4. Without `sync`, any part of what was written, by sector, may survive or not.
/// 5. After a failed `write_at`, `write_durable`, `sync`, `set_len` or `punch` the state of unsynced bytes is
///    unknown, and the object refuses further writes with `Poisoned` until it is opened anew.
///    (Implementations may leave that to the `Poison` wrapper.)
/// 6. Offsets and lengths need no alignment; an implementation that needs it bounces.
pub trait PositionedIo: MaybeSync {
    /// Length, in bytes.
    fn size(&self) -> Result<u64, IoError>;

    /// Fills `buf` from `offset`.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError>;

    /// Writes `bytes` at `offset`.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError>;

    /// Writes several places, in any order or at once; as good as one `write_at` for each.
    fn write_many(&self, parts: &[(u64, &[u8])]) -> Result<(), IoError> {
        parts.iter().try_for_each(|(offset, bytes)| self.write_at(*offset, bytes))
    }

    /// Reads several places, in any order or at once; as good as one `read_at` for each.
    fn read_many(&self, parts: &mut [(u64, &mut [u8])]) -> Result<(), IoError> {
        parts.iter_mut().try_for_each(|(offset, buf)| self.read_at(*offset, buf))
    }

    /// Writes `bytes` at `offset` and makes them durable, which other writes that were not synced
    /// need not become: much that waits to be written, and is of no more use, stays unwritten.
    fn write_durable(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        self.write_at(offset, bytes)?;
        self.sync()
    }

    /// Makes all earlier writes durable.
    fn sync(&self) -> Result<(), IoError>;

    /// Cuts or extends (with zeros) to `len` bytes.
    fn set_len(&self, len: u64) -> Result<(), IoError>;

    /// Gives the space of a range back where that is possible. What the range reads as
    /// afterwards is not defined (zeros or the old bytes); the length does not change.
    fn punch(&self, offset: u64, len: u64) -> Result<(), IoError>;

    /// Bytes of space in use (allocated blocks); the length where that is not known.
    fn allocated(&self) -> Result<u64, IoError> {
        self.size()
    }
}
