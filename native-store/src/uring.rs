//! One io_uring with the memory that its transfers use.
//!
//! Owns: the `unsafe` of io_uring, and the rule that makes it sound: the kernel reads and writes
//! only memory of the ring's own, which nobody else touches while an operation is under way, and
//! which is never freed if one might be. Never does: retry or judge a transfer; `batch` does.

use std::fs::File;
use std::io;

use crate::limits::{RING_BYTES, RING_OPS};

/// One transfer between a file and the ring's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    /// Writes to the file rather than reading from it.
    pub write: bool,
    /// Position in the file.
    pub offset: u64,
    /// Position in the ring's memory.
    pub at: usize,
    /// Bytes.
    pub len: usize,
}

impl Op {
    /// Whether the ring's memory has the range and the file can have it.
    fn is_possible(&self) -> bool {
        let end = self.offset.checked_add(self.len as u64);
        self.at.checked_add(self.len).is_some_and(|end| end <= RING_BYTES)
            && end.is_some_and(|end| i64::try_from(end).is_ok())
    }
}

#[cfg(target_os = "linux")]
mod imp {
    use std::alloc::{Layout, alloc_zeroed, dealloc};
    use std::os::fd::AsRawFd;
    use std::ptr::NonNull;

    use io_uring::{IoUring, opcode, squeue, types};

    use super::*;
    use crate::limits::{MAX_DIRECT_ALIGN, RING_BUSY_TRIES};

    const LAYOUT: Layout = match Layout::from_size_align(RING_BYTES, MAX_DIRECT_ALIGN) {
        Ok(layout) => layout,
        Err(_) => panic!("the ring's memory has a possible size and alignment"),
    };

    pub struct Ring {
        ring: IoUring,
        memory: NonNull<u8>,
        /// Operations given to the kernel, or about to be, that are not known to have ended.
        under_way: usize,
    }

    // SAFETY: `memory` belongs to this value alone and is not bound to a thread; no operation is
    // under way outside `run`, which keeps the value borrowed.
    unsafe impl Send for Ring {}

    fn build() -> io::Result<IoUring> {
        let entries = RING_OPS as u32;
        let made = IoUring::builder().dontfork().setup_coop_taskrun().build(entries);
        match made {
            // Kernels before 5.19 do not know the flag.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                IoUring::builder().dontfork().build(entries)
            }
            made => made,
        }
    }

    impl Ring {
        pub fn new() -> io::Result<Self> {
            let ring = build()?;
            // SAFETY: the layout has a size.
            let memory = unsafe { alloc_zeroed(LAYOUT) };
            let memory = NonNull::new(memory).ok_or(io::ErrorKind::OutOfMemory)?;
            let mut new = Self { ring, memory, under_way: 0 };
            let buffer = libc::iovec { iov_base: memory.as_ptr().cast(), iov_len: RING_BYTES };
            // SAFETY: the memory outlives the registration, which ends with `new.ring`: `drop`
            // frees it after that or, if the kernel may still use it, never.
            unsafe { new.ring.submitter().register_buffers(&[buffer]) }?;
            // The kernel may grant a ring and refuse its use.
            let mut result = [0];
            new.submit(&[opcode::Nop::new().build()], &mut result)?;
            match result {
                [0] => Ok(new),
                [error] => Err(io::Error::from_raw_os_error(-error)),
            }
        }

        pub const fn is_usable(&self) -> bool {
            self.under_way == 0
        }

        pub fn memory(&mut self) -> io::Result<&mut [u8]> {
            if !self.is_usable() {
                return Err(broken());
            }
            // SAFETY: `RING_BYTES` initialised bytes, ours alone (`&mut`), and no operation of
            // the kernel's is under way that could touch them.
            Ok(unsafe { std::slice::from_raw_parts_mut(self.memory.as_ptr(), RING_BYTES) })
        }

        pub fn run(&mut self, file: &File, ops: &[Op], results: &mut [i32]) -> io::Result<()> {
            let fd = types::Fd(file.as_raw_fd());
            let entry = |op: &Op| {
                // SAFETY: `Op::is_possible` was checked: the range lies in the memory.
                let at = unsafe { self.memory.as_ptr().add(op.at) };
                let len = op.len as u32;
                match op.write {
                    true => opcode::WriteFixed::new(fd, at, len, 0).offset(op.offset).build(),
                    false => opcode::ReadFixed::new(fd, at, len, 0).offset(op.offset).build(),
                }
            };
            let entries: Vec<_> = ops.iter().map(entry).collect();
            self.submit(&entries, results)
        }

        /// Gives entries to the kernel and waits for all of them.
        fn submit(&mut self, entries: &[squeue::Entry], results: &mut [i32]) -> io::Result<()> {
            if !self.is_usable() {
                return Err(broken());
            }
            for (number, entry) in (0..).zip(entries) {
                let entry = entry.clone().user_data(number);
                self.under_way += 1;
                // SAFETY: the entry refers to the ring's memory and an open file, or to nothing.
                // The memory is not touched before the entry's completion was seen, and never
                // freed without it (`drop`); the file is borrowed until `submit` returns, and if
                // it returns before the kernel took the entry, the ring submits no more.
                unsafe { self.ring.submission().push(&entry) }.map_err(|_| broken())?;
            }
            let mut tries = 0;
            while self.under_way > 0 {
                match self.ring.submit_and_wait(self.under_way) {
                    Ok(_) => tries = 0,
                    Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
                    Err(error) if is_busy(&error) && tries < RING_BUSY_TRIES => {
                        tries += 1;
                        std::thread::yield_now();
                    }
                    Err(error) => return Err(error),
                }
                for done in self.ring.completion() {
                    let slot = usize::try_from(done.user_data()).ok();
                    if let Some(slot) = slot.and_then(|number| results.get_mut(number)) {
                        *slot = done.result();
                    }
                    self.under_way = self.under_way.saturating_sub(1);
                }
            }
            Ok(())
        }
    }

    impl Drop for Ring {
        fn drop(&mut self) {
            if self.under_way == 0 {
                // SAFETY: allocated with this layout, and freed once. No operation is under way,
                // so that the kernel has no more use for it; that its pages stay registered
                // until the ring is closed, right after this, changes none of their bytes.
                unsafe { dealloc(self.memory.as_ptr(), LAYOUT) };
            }
        }
    }

    fn is_busy(error: &io::Error) -> bool {
        matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EBUSY))
    }

    fn broken() -> io::Error {
        io::Error::other("an earlier operation of the io_uring never ended; open the store again")
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn memory_that_the_kernel_may_still_use_is_given_to_nobody() {
            let Ok(mut ring) = Ring::new() else { return eprintln!("no io_uring: not tested") };
            assert!(ring.is_usable() && ring.memory().is_ok());
            ring.under_way = 1;
            assert!(!ring.is_usable() && ring.memory().is_err());
            let file = tempfile::tempfile().expect("a file");
            let op = Op { write: false, offset: 0, at: 0, len: 1 };
            assert!(ring.run(&file, &[op], &mut [0]).is_err());
            let memory = ring.memory;
            drop(ring);
            // SAFETY: allocated with this layout; no operation was really under way, and `drop`
            // did not free it (or this is a second time, which the allocator reports).
            unsafe { dealloc(memory.as_ptr(), LAYOUT) };
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use super::*;

    /// No ring exists here.
    pub enum Ring {}

    impl Ring {
        pub fn new() -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub const fn is_usable(&self) -> bool {
            match *self {}
        }

        pub fn memory(&mut self) -> io::Result<&mut [u8]> {
            match *self {}
        }

        pub fn run(&mut self, _file: &File, _ops: &[Op], _results: &mut [i32]) -> io::Result<()> {
            match *self {}
        }
    }
}

/// A ring and its memory, of [`RING_BYTES`], registered with the kernel.
pub struct Ring(imp::Ring);

impl Ring {
    /// Asks the kernel for a ring, and makes sure that it can be used.
    ///
    /// # Errors
    /// What the kernel says: `ENOSYS` if it has none, `EPERM` if it grants none, `ENOMEM` if no
    /// memory may be registered.
    pub fn new() -> io::Result<Self> {
        imp::Ring::new().map(Self)
    }

    /// Whether every operation so far has ended, as it does unless the ring itself failed.
    pub const fn is_usable(&self) -> bool {
        self.0.is_usable()
    }

    /// The memory. Between calls of [`Ring::run`] it is the caller's.
    ///
    /// # Errors
    /// If an operation never ended: the memory is the kernel's for ever then.
    pub fn memory(&mut self) -> io::Result<&mut [u8]> {
        self.0.memory()
    }

    /// Starts all of `ops`, at most [`RING_OPS`], at once and waits until each has ended;
    /// `results` gets the bytes transferred, or the negative number of the error, of each.
    ///
    /// # Errors
    /// If the ring itself fails. It is of no more use then.
    pub fn run(&mut self, file: &File, ops: &[Op], results: &mut [i32]) -> io::Result<()> {
        let fits = ops.len() <= RING_OPS && ops.len() == results.len();
        if !fits || !ops.iter().all(Op::is_possible) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.0.run(file, ops, results)
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").finish_non_exhaustive()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn each_operation_has_its_own_result() {
        let Ok(mut ring) = Ring::new() else { return eprintln!("no io_uring: not tested") };
        let file = tempfile::tempfile().expect("a file");
        ring.memory().expect("ours")[..6].copy_from_slice(b"abcdef");
        let write = |offset, at| Op { write: true, offset, at, len: 3 };
        let mut results = [0; 2];
        ring.run(&file, &[write(0, 3), write(3, 0)], &mut results).expect("runs");
        assert_eq!(results, [3, 3]);
        let read = |offset, at, len| Op { write: false, offset, at, len };
        let mut results = [9; 3];
        ring.run(&file, &[read(0, 100, 6), read(4, 200, 6), read(6, 300, 6)], &mut results)
            .expect("runs");
        assert_eq!(results, [6, 2, 0], "in full, short, at the end");
        let memory = ring.memory().expect("ours");
        assert_eq!((&memory[100..106], &memory[200..202]), (&b"defabc"[..], &b"bc"[..]));

        let null = File::open("/dev/null").expect("opens");
        let mut results = [0; 2];
        ring.run(&null, &[write(0, 0), read(0, 0, 3)], &mut results).expect("runs");
        assert_eq!(results, [-libc::EBADF, 0], "a failure hinders no other operation");
    }

    #[test]
    fn what_the_ring_cannot_do_is_refused_before_it_begins() {
        let Ok(mut ring) = Ring::new() else { return eprintln!("no io_uring: not tested") };
        let file = tempfile::tempfile().expect("a file");
        let good = Op { write: true, offset: 0, at: 0, len: 1 };
        let impossible = [
            Op { at: RING_BYTES, ..good },
            Op { at: usize::MAX, ..good },
            Op { len: RING_BYTES + 1, ..good },
            // To the kernel, -1 is "where the file stands".
            Op { offset: u64::MAX, ..good },
            Op { offset: i64::MAX as u64, ..good },
        ];
        for op in impossible {
            let refused = ring.run(&file, &[good, op], &mut [0; 2]).map_err(|error| error.kind());
            assert_eq!(refused, Err(io::ErrorKind::InvalidInput), "{op:?}");
        }
        assert!(ring.run(&file, &[good; RING_OPS + 1], &mut [0; RING_OPS + 1]).is_err());
        assert!(ring.run(&file, &[good], &mut []).is_err());
        assert_eq!(file.metadata().expect("size").len(), 0, "nothing was written");
        assert!(ring.is_usable());
        ring.run(&file, &[good; RING_OPS], &mut [0; RING_OPS]).expect("runs");
    }
}
