//! The end of a file that only grows, mapped: appending costs a copy instead of a system call.
//!
//! Owns: where the mapping is, and how far bytes were written. Never does: report a failed
//! write late. Space is reserved before it is mapped, and only where the file system keeps its
//! word (otherwise a full disk would show as a signal); a write that does not fit the pattern
//! goes the plain way. The file reaches beyond what was written, by zeros, until it is closed.

use std::fs::File;
use std::io;
use std::sync::Arc;

use crate::limits::{MAX_WINDOW_BYTES, MIN_WINDOW_BYTES};
use crate::sys::{self, Mapping};

/// The mapped end of a file.
#[derive(Debug)]
pub struct Window {
    file: Arc<File>,
    mapping: Option<Mapping>,
    /// Where the mapping starts in the file.
    base: u64,
    len: u64,
    /// Highest position written to: what follows is zeros.
    end: u64,
    /// Whether the file was made longer than what was written.
    ahead: bool,
    /// Appends since the last sync.
    since_sync: u32,
    /// How many there were before it, since the one before.
    before_sync: u32,
    /// Whether the system refused: everything goes the plain way from then on.
    off: bool,
}

impl Window {
    /// A window on the end of `file`.
    pub fn new(file: Arc<File>) -> Self {
        let size = file.metadata().map(|found| found.len());
        let off = size.is_err() || !sys::keeps_reservations(&file);
        let end = size.unwrap_or(0);
        Self {
            file,
            mapping: None,
            base: 0,
            len: 0,
            end,
            ahead: false,
            since_sync: 0,
            before_sync: u32::MAX,
            off,
        }
    }

    /// Writes through the window if the bytes continue the file; whether it did. Where every
    /// append is synced it does not: the first write to a page after a sync traps, which takes
    /// longer than a call.
    ///
    /// # Errors
    /// If there is no space for them.
    pub fn append(&mut self, offset: u64, bytes: &[u8]) -> io::Result<bool> {
        let continues = offset == self.end;
        self.end = self.end.max(offset.saturating_add(bytes.len() as u64));
        self.since_sync = self.since_sync.saturating_add(1);
        if self.off || !continues || bytes.len() as u64 > MAX_WINDOW_BYTES / 4 {
            return Ok(false);
        }
        if self.end > self.base + self.len {
            self.advance(offset)?;
        }
        if self.since_sync == 1 && self.before_sync <= 1 {
            return Ok(false);
        }
        let at = (offset - self.base) as usize;
        Ok(self.mapping.as_mut().is_some_and(|mapping| mapping.write(at, bytes)))
    }

    /// Maps the part of the file from `offset` on.
    fn advance(&mut self, offset: u64) -> io::Result<()> {
        const PAGE: u64 = 64 * 1024;
        let base = offset / PAGE * PAGE;
        let grown = (2 * self.len).max(self.end - base).next_multiple_of(PAGE);
        let len = grown.clamp(MIN_WINDOW_BYTES, MAX_WINDOW_BYTES);
        self.unmap();
        match sys::reserve(&self.file, base, len) {
            Ok(()) => {}
            Err(error) if is_unsupported(&error) => {
                self.off = true;
                return Ok(());
            }
            // Little space is left, perhaps enough for these bytes: the plain way tells.
            Err(_) => return Ok(()),
        }
        self.ahead = true;
        match Mapping::new(&self.file, base, len as usize) {
            Ok(mapping) => (self.mapping, self.base, self.len) = (Some(mapping), base, len),
            Err(_) => self.off = true,
        }
        Ok(())
    }

    /// To be called when the file is synced.
    pub fn synced(&mut self) {
        (self.before_sync, self.since_sync) = (self.since_sync, 0);
    }

    fn unmap(&mut self) {
        self.mapping = None;
        (self.base, self.len) = (0, 0);
    }

    /// To be called before the file is cut to `len`.
    pub fn cut(&mut self, len: u64) {
        self.unmap();
        (self.end, self.ahead) = (len, false);
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.unmap();
        if self.ahead {
            // Only neatness: zeros after the last record mean nothing.
            let _ = self.file.set_len(self.end);
        }
    }
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL))
}
