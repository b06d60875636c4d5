//! The devices' contracts, executable.
//!
//! Owns: one function a trait, each running every numbered clause that can be seen from outside;
//! they panic with the number of the clause that is broken. Never does: simulate loss of power;
//! that is the simulated disk's work. Whoever writes a device runs these against it.

mod blob;
mod io;
mod log;

use alloc::vec;
use alloc::vec::Vec;

pub use self::blob::{blob_store, blob_store_poisons};
pub use self::io::{positioned_io, positioned_io_poisons};
pub use self::log::{log_device, log_device_poisons};

use super::io::PositionedIo;
use crate::error::{IoError, IoErrorKind};
use crate::limits::PAGE_BYTES;
use crate::sync::Mutex;

/// Bytes that depend on `seed`, no two pages of them alike.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = vec![0; len];
    for part in out.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        part.copy_from_slice(&state.to_le_bytes()[..part.len()]);
    }
    out
}

fn page(seed: u64) -> Vec<u8> {
    noise(seed, PAGE_BYTES)
}

/// A medium whose changes can be made to fail.
#[derive(Debug)]
pub struct Failing<Io> {
    io: Io,
    left: Mutex<Option<u64>>,
    kind: IoErrorKind,
}

impl<Io> Failing<Io> {
    /// Lets everything through until [`Failing::fail_after`] is called; then fails with `kind`.
    pub const fn new(io: Io, kind: IoErrorKind) -> Self {
        Self { io, left: Mutex::new(None), kind }
    }

    /// Lets `changes` more changes through, fails the one after them, then works again.
    pub fn fail_after(&self, changes: u64) {
        *self.left.lock() = Some(changes);
    }

    /// Lets everything through again.
    pub fn heal(&self) {
        *self.left.lock() = None;
    }

    /// The medium below.
    pub const fn inner(&self) -> &Io {
        &self.io
    }

    fn pass(&self, call: &str) -> Result<(), IoError> {
        let mut left = self.left.lock();
        match *left {
            Some(0) => {
                *left = None;
                Err(IoError::new(self.kind, call, "made to fail"))
            }
            Some(count) => {
                *left = Some(count - 1);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl<Io: PositionedIo> PositionedIo for Failing<Io> {
    fn size(&self) -> Result<u64, IoError> {
        self.io.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        self.io.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        self.pass("write")?;
        self.io.write_at(offset, bytes)
    }

    fn sync(&self) -> Result<(), IoError> {
        self.pass("sync")?;
        self.io.sync()
    }

    fn set_len(&self, len: u64) -> Result<(), IoError> {
        self.pass("set length")?;
        self.io.set_len(len)
    }

    fn punch(&self, offset: u64, len: u64) -> Result<(), IoError> {
        self.pass("punch")?;
        self.io.punch(offset, len)
    }

    fn allocated(&self) -> Result<u64, IoError> {
        self.io.allocated()
    }
}

impl<Io: PositionedIo + ?Sized> PositionedIo for alloc::sync::Arc<Io> {
    fn size(&self) -> Result<u64, IoError> {
        (**self).size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        (**self).read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        (**self).write_at(offset, bytes)
    }

    fn write_many(&self, parts: &[(u64, &[u8])]) -> Result<(), IoError> {
        (**self).write_many(parts)
    }

    fn read_many(&self, parts: &mut [(u64, &mut [u8])]) -> Result<(), IoError> {
        (**self).read_many(parts)
    }

    fn write_durable(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        (**self).write_durable(offset, bytes)
    }

    fn sync(&self) -> Result<(), IoError> {
        (**self).sync()
    }

    fn set_len(&self, len: u64) -> Result<(), IoError> {
        (**self).set_len(len)
    }

    fn punch(&self, offset: u64, len: u64) -> Result<(), IoError> {
        (**self).punch(offset, len)
    }

    fn allocated(&self) -> Result<u64, IoError> {
        (**self).allocated()
    }
}
