//! The system calls that the standard library does not offer.
//!
//! Owns: every `unsafe` of this crate. Never does: decide anything; each function is one call.
//! Where a system lacks a call, its function says so instead.

use std::fs::File;
use std::io;

/// What direct I/O on a file asks for, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectAlign {
    /// Alignment of memory.
    pub memory: usize,
    /// Alignment of positions and lengths.
    pub offset: usize,
}

#[cfg(target_os = "linux")]
mod imp {
    use std::os::fd::AsRawFd;

    use super::*;

    fn check(result: libc::c_int) -> io::Result<libc::c_int> {
        match result {
            -1 => Err(io::Error::last_os_error()),
            value => Ok(value),
        }
    }

    pub fn punch(file: &File, offset: u64, len: u64) -> io::Result<()> {
        let (Ok(offset), Ok(len)) = (offset.try_into(), len.try_into()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        // SAFETY: the descriptor is open for as long as `file` is borrowed; no memory is passed.
        check(unsafe { libc::fallocate(file.as_raw_fd(), mode, offset, len) }).map(drop)
    }

    pub fn set_direct(file: &File, on: bool) -> io::Result<()> {
        // SAFETY: the descriptor is open for as long as `file` is borrowed; no memory is passed.
        let flags = check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) })?;
        let flags = if on { flags | libc::O_DIRECT } else { flags & !libc::O_DIRECT };
        // SAFETY: as above.
        check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, flags) }).map(drop)
    }

    pub fn direct_align(file: &File) -> io::Result<Option<DirectAlign>> {
        // SAFETY: `statx` is plain numbers, for which all zeros is a value.
        let mut found: libc::statx = unsafe { std::mem::zeroed() };
        // SAFETY: the descriptor is open, the path is a C string that lives for ever, and
        // `found` is a whole `statx` that the call may write.
        check(unsafe {
            libc::statx(
                file.as_raw_fd(),
                c"".as_ptr(),
                libc::AT_EMPTY_PATH,
                libc::STATX_DIOALIGN,
                &raw mut found,
            )
        })?;
        if found.stx_mask & libc::STATX_DIOALIGN == 0 {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let memory = found.stx_dio_mem_align as usize;
        let offset = found.stx_dio_offset_align as usize;
        Ok((memory > 0 && offset > 0).then_some(DirectAlign { memory, offset }))
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use super::*;

    pub fn punch(_file: &File, _offset: u64, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn set_direct(_file: &File, _on: bool) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn direct_align(_file: &File) -> io::Result<Option<DirectAlign>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Gives the space of a range back; the length of the file stays.
pub fn punch(file: &File, offset: u64, len: u64) -> io::Result<()> {
    imp::punch(file, offset, len)
}

/// Makes reads and writes of this handle bypass the system's cache, or not.
pub fn set_direct(file: &File, on: bool) -> io::Result<()> {
    imp::set_direct(file, on)
}

/// What direct I/O on this file asks for; `None` if the file system says it has none.
///
/// # Errors
/// `Unsupported` if the system cannot tell.
pub fn direct_align(file: &File) -> io::Result<Option<DirectAlign>> {
    imp::direct_align(file)
}
