//! A window of bounded size that moves over the log's bytes.
//!
//! Owns: the read buffer. Never does: judge what it reads. Invariants: holds no more than
//! `LOG_READ_BYTES` or one record, whichever is larger; one device call carries at most
//! `MAX_TRANSFER_BYTES`.

use alloc::vec::Vec;

use crate::device::LogDevice;
use crate::error::Result;
use crate::ids::Lsn;
use crate::limits::{LOG_READ_BYTES, MAX_TRANSFER_BYTES};

pub(super) struct Window<'d> {
    device: &'d dyn LogDevice,
    /// Position after the last byte of the log.
    end: Lsn,
    /// Position of the first byte wanted.
    at: Lsn,
    buffer: Vec<u8>,
    /// Bytes of the buffer before `at`.
    skip: usize,
}

impl<'d> Window<'d> {
    pub fn new(device: &'d dyn LogDevice, at: Lsn, end: Lsn) -> Self {
        Self { device, end, at, buffer: Vec::new(), skip: 0 }
    }

    /// Position of the first byte wanted.
    pub const fn at(&self) -> Lsn {
        self.at
    }

    /// Bytes of the log from there.
    pub const fn remaining(&self) -> u64 {
        self.end.saturating_sub(self.at)
    }

    /// Moves on by `count` bytes.
    pub fn advance(&mut self, count: usize) {
        self.at = self.at.saturating_add(count as u64);
        self.skip = self.skip.saturating_add(count).min(self.buffer.len());
    }

    /// The bytes at [`Window::at`], at least `want` of them unless the log has fewer.
    pub fn bytes(&mut self, want: usize) -> Result<&[u8]> {
        if self.buffer.len() - self.skip < want {
            self.fill(want)?;
        }
        Ok(self.buffer.get(self.skip..).unwrap_or_default())
    }

    fn fill(&mut self, want: usize) -> Result<()> {
        self.buffer.drain(..self.skip);
        self.skip = 0;
        let target = self.remaining().min(want.max(LOG_READ_BYTES) as u64) as usize;
        if self.buffer.capacity() > target.max(LOG_READ_BYTES) {
            self.buffer.shrink_to(target.max(LOG_READ_BYTES));
        }
        while self.buffer.len() < target {
            let have = self.buffer.len();
            let next = target.min(have + MAX_TRANSFER_BYTES);
            self.buffer.resize(next, 0);
            let free = self.buffer.get_mut(have..).unwrap_or_default();
            let read = self.device.read(self.at + have as u64, free);
            self.buffer.truncate(have + read.as_ref().map_or(0, |read| (*read).min(next - have)));
            if read? == 0 {
                break;
            }
        }
        Ok(())
    }
}
