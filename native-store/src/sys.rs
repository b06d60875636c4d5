//! The system calls that the standard library does not offer.
//!
//! Owns: every `unsafe` of this crate but those of `uring`. Never does: decide anything; each function is one call.
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

    pub fn write_durable(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            let Ok(offset) = libc::off_t::try_from(offset + done as u64) else {
                return Err(io::ErrorKind::FileTooLarge.into());
            };
            let part =
                libc::iovec { iov_base: rest.as_ptr().cast_mut().cast(), iov_len: rest.len() };
            // SAFETY: the descriptor is open for as long as `file` is borrowed; the one part is
            // memory that `bytes` borrows, which the call only reads.
            let written = unsafe {
                libc::pwritev2(file.as_raw_fd(), &raw const part, 1, offset, libc::RWF_DSYNC)
            };
            done += match usize::try_from(written) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(_) => match io::Error::last_os_error() {
                    error if error.kind() == io::ErrorKind::Interrupted => 0,
                    error => return Err(error),
                },
            };
        }
        Ok(())
    }

    pub fn prefer_large_pages(start: usize, len: usize) {
        const LARGE: usize = 2 << 20;
        let from = start.next_multiple_of(LARGE);
        let to = start.saturating_add(len) / LARGE * LARGE;
        if from < to {
            let start = std::ptr::without_provenance_mut(from);
            // SAFETY: the advice changes how the kernel backs the range, never what it holds; for
            // a range that is not mapped it fails, which is as good.
            unsafe { libc::madvise(start, to - from, libc::MADV_HUGEPAGE) };
        }
    }

    pub fn reserve(file: &File, offset: u64, len: u64) -> io::Result<()> {
        let (Ok(offset), Ok(len)) = (offset.try_into(), len.try_into()) else {
            return Err(io::ErrorKind::FileTooLarge.into());
        };
        // SAFETY: the descriptor is open for as long as `file` is borrowed; no memory is passed.
        check(unsafe { libc::fallocate(file.as_raw_fd(), 0, offset, len) }).map(drop)
    }

    pub fn keeps_reservations(file: &File) -> bool {
        const EXT4: i64 = 0xEF53;
        const XFS: i64 = 0x5846_5342;
        const TMPFS: i64 = 0x0102_1994;
        // SAFETY: `statfs` is plain numbers, for which all zeros is a value.
        let mut found: libc::statfs = unsafe { std::mem::zeroed() };
        // SAFETY: the descriptor is open, and `found` is a whole `statfs` that the call may write.
        let done = check(unsafe { libc::fstatfs(file.as_raw_fd(), &raw mut found) });
        #[allow(clippy::unnecessary_cast)] // Its type differs between systems.
        let kind = found.f_type as i64;
        done.is_ok() && [EXT4, XFS, TMPFS].contains(&kind)
    }

    /// Bytes of a file that are mapped, shared with the file, until this is dropped.
    #[derive(Debug)]
    pub struct Mapping {
        start: std::ptr::NonNull<u8>,
        len: usize,
        /// Up to here its pages were asked for.
        ready: usize,
    }

    // SAFETY: the mapping belongs to this value alone and is not bound to a thread.
    unsafe impl Send for Mapping {}

    impl Mapping {
        pub fn new(file: &File, offset: u64, len: usize) -> io::Result<Self> {
            let offset = offset.try_into().map_err(|_| io::ErrorKind::FileTooLarge)?;
            let (access, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
            // SAFETY: a new mapping at an address of the system's choice touches no memory of
            // ours; the descriptor is open for as long as `file` is borrowed.
            let start = unsafe {
                libc::mmap(std::ptr::null_mut(), len, access, shared, file.as_raw_fd(), offset)
            };
            if start == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            let start = std::ptr::NonNull::new(start.cast()).ok_or(io::ErrorKind::Other)?;
            Ok(Self { start, len, ready: 0 })
        }

        pub fn write(&mut self, at: usize, bytes: &[u8]) -> bool {
            if at.checked_add(bytes.len()).is_none_or(|end| end > self.len) {
                return false;
            }
            if at + bytes.len() > self.ready {
                self.get_ready(at, at + bytes.len());
            }
            // SAFETY: the range lies in the mapping, which is writable, ours alone (`&mut`) and
            // overlaps no Rust object; its pages are reserved blocks of a file that only the
            // holder of the store's lock cuts, and it unmaps first.
            unsafe {
                let to = self.start.as_ptr().add(at);
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
            }
            true
        }

        /// Asks for the pages of a range, and for some after it, by one call: at the first write
        /// to each the kernel would be called as well.
        fn get_ready(&mut self, at: usize, end: usize) {
            const TOGETHER: usize = 128 << 10;
            const PAGE: usize = 4096;
            let from = at.max(self.ready) / PAGE * PAGE;
            self.ready = end.next_multiple_of(TOGETHER).min(self.len);
            // SAFETY: the range lies in the mapping; the call writes nothing to it. Where it
            // fails, the writes themselves bring the pages in.
            unsafe {
                let start = self.start.as_ptr().add(from).cast();
                libc::madvise(start, self.ready - from, libc::MADV_POPULATE_WRITE);
            }
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            // SAFETY: the range is the one `mmap` gave, and nothing refers to it any more.
            unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
        }
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

    pub fn write_durable(_file: &File, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn prefer_large_pages(_start: usize, _len: usize) {}

    pub fn reserve(_file: &File, _offset: u64, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn keeps_reservations(_file: &File) -> bool {
        false
    }

    /// No mapping exists here.
    #[derive(Debug)]
    pub enum Mapping {}

    impl Mapping {
        pub fn new(_file: &File, _offset: u64, _len: usize) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub fn write(&mut self, _at: usize, _bytes: &[u8]) -> bool {
            match *self {}
        }
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

/// Writes bytes and makes them durable, and no others of the file.
///
/// # Errors
/// `Unsupported`, or what the system says for it, where there is no such call.
pub fn write_durable(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    imp::write_durable(file, offset, bytes)
}

/// Asks the system to back whole large pages of the memory from `start` on by large pages.
pub fn prefer_large_pages(start: usize, len: usize) {
    imp::prefer_large_pages(start, len);
}

/// Gives a range of the file blocks of its own; the file reaches at least to its end.
pub fn reserve(file: &File, offset: u64, len: u64) -> io::Result<()> {
    imp::reserve(file, offset, len)
}

/// Whether a range that was reserved can be written without running out of space: known of few
/// file systems, and not of those that write every block to a new place.
pub fn keeps_reservations(file: &File) -> bool {
    imp::keeps_reservations(file)
}

/// A part of a file, mapped.
#[derive(Debug)]
pub struct Mapping(imp::Mapping);

impl Mapping {
    /// Maps `len` bytes of a file from `offset`, a multiple of the system's page. They must be
    /// reserved, and stay part of the file for as long as this lives.
    pub fn new(file: &File, offset: u64, len: usize) -> io::Result<Self> {
        imp::Mapping::new(file, offset, len).map(Self)
    }

    /// Copies bytes to `at`; false, and nothing changed, if they do not lie in the mapping.
    pub fn write(&mut self, at: usize, bytes: &[u8]) -> bool {
        self.0.write(at, bytes)
    }
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
