//! Refuses to write after the first failed write.
//!
//! Owns: the memory of the first failure. Never does: retry, or hinder reads. After a failed
//! write or sync nobody knows which bytes are on the medium; a later sync that succeeds says
//! nothing about them. Only opening anew, which reads what is really there, is a cure.

use alloc::format;
use alloc::string::String;
use core::sync::atomic::{AtomicBool, Ordering};

use super::io::PositionedIo;
use crate::error::{Error, IoError, IoErrorKind};
use crate::seeded::{self, Bug};
use crate::sync::Mutex;

/// A [`PositionedIo`] that refuses every change after one has failed. Reads go on.
#[derive(Debug)]
pub struct Poison<Io> {
    io: Io,
    /// Whether there is a cause.
    failed: AtomicBool,
    cause: Mutex<Option<String>>,
}

impl<Io: PositionedIo> Poison<Io> {
    /// Watches over `io`.
    pub const fn new(io: Io) -> Self {
        Self { io, failed: AtomicBool::new(false), cause: Mutex::new(None) }
    }

    /// The object below.
    pub const fn inner(&self) -> &Io {
        &self.io
    }

    /// Takes the object below out.
    pub fn into_inner(self) -> Io {
        self.io
    }

    /// What failed first, if anything has.
    pub fn cause(&self) -> Option<String> {
        self.cause.lock().clone()
    }

    /// Fails if a change failed before.
    ///
    /// # Errors
    /// [`IoErrorKind::Poisoned`] with the first failure as its detail.
    pub fn check(&self, call: &str) -> Result<(), IoError> {
        match self.failed.load(Ordering::Acquire) {
            false => Ok(()),
            true => self.refuse(call),
        }
    }

    #[cold]
    fn refuse(&self, call: &str) -> Result<(), IoError> {
        let cause = self.cause().unwrap_or_default();
        Err(IoError::new(IoErrorKind::Poisoned, call, cause))
    }

    /// Refuses all further changes, because of something the caller saw.
    pub fn poison(&self, cause: impl Into<String>) {
        self.cause.lock().get_or_insert(cause.into());
        self.failed.store(true, Ordering::Release);
    }

    fn guard(
        &self,
        call: &str,
        change: impl FnOnce(&Io) -> Result<(), IoError>,
    ) -> Result<(), IoError> {
        self.check(call)?;
        if seeded::is(Bug::ReleaseOnRollback) || seeded::is(Bug::DropWorkOnError) {
            return change(&self.io);
        }
        change(&self.io)
            .inspect_err(|error| self.poison(format!("{}: {}", error.call, error.detail)))
    }
}

impl<Io: PositionedIo> PositionedIo for Poison<Io> {
    fn size(&self) -> Result<u64, IoError> {
        self.io.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        self.io.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        self.guard("write", |io| io.write_at(offset, bytes))
    }

    fn write_many(&self, parts: &[(u64, &[u8])]) -> Result<(), IoError> {
        self.guard("write", |io| io.write_many(parts))
    }

    fn read_many(&self, parts: &mut [(u64, &mut [u8])]) -> Result<(), IoError> {
        self.io.read_many(parts)
    }

    fn write_durable(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        let write = |io: &Io| io.write_durable(offset, bytes);
        if seeded::is(Bug::RetrySync) {
            return write(&self.io).or_else(|_| write(&self.io));
        }
        self.guard("sync", write)
    }

    fn sync(&self) -> Result<(), IoError> {
        if seeded::is(Bug::RetrySync) {
            return self.io.sync().or_else(|_| self.io.sync());
        }
        self.guard("sync", |io| io.sync())
    }

    fn set_len(&self, len: u64) -> Result<(), IoError> {
        self.guard("set length", |io| io.set_len(len))
    }

    fn punch(&self, offset: u64, len: u64) -> Result<(), IoError> {
        self.guard("punch", |io| io.punch(offset, len))
    }

    fn allocated(&self) -> Result<u64, IoError> {
        self.io.allocated()
    }
}

/// The store's error for a device's: a poisoned device is a state of the store, not a failure.
pub(crate) fn lift(error: IoError) -> Error {
    match error.kind {
        IoErrorKind::Poisoned => Error::Poisoned { cause: error.detail },
        _ => Error::BlobStoreIo(error),
    }
}
