//! One file as a [`PositionedIo`].
//!
//! Owns: exact transfers (short counts and interrupts are resumed), alignment for direct I/O,
//! the meaning of the system's errors. Never does: retry a failure, or cache.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use holt_engine::device::PositionedIo;
use holt_engine::error::{Error, IoError, IoErrorKind};

use crate::aligned::{Pool, is_aligned};
use crate::batch::{Batches, Turn};
use crate::io_kind::Io;
use crate::limits::{
    BOUNCE_BYTES, MAX_DIRECT_ALIGN, MIN_RING_BATCH, MIN_TOGETHER, PUNCH_BYTES, TOGETHER,
};
use crate::sys::{self, DirectAlign};
use crate::uring::Ring;
use crate::window::Window;

/// How a file is read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoChoice {
    /// Through the system's cache.
    Buffered,
    /// Past it, with positions and lengths aligned to this many bytes.
    Direct {
        /// The alignment, as the system asks for it.
        align: usize,
    },
}

/// The ring that batches go through.
#[derive(Debug)]
struct RingUse {
    ring: Batches,
    /// Fewer transfers than this go by positioned calls.
    fewest: usize,
    /// A batch waits for the one before it, rather than going by positioned calls.
    waits: bool,
}

/// A file, positioned and exact.
#[derive(Debug)]
pub struct FileIo {
    file: Arc<File>,
    name: String,
    direct: Option<DirectAlign>,
    buffers: Pool,
    /// Serialises writes that must read what surrounds them first.
    unaligned: Mutex<()>,
    no_punch: AtomicBool,
    window: Option<Mutex<Window>>,
    ring: Option<RingUse>,
    /// A file that must stay open, and so locked, for as long as this one is.
    _locked: Option<Arc<File>>,
}

impl FileIo {
    /// Positioned I/O on `file`, called `name` in errors, through the system's cache.
    pub fn new(file: Arc<File>, name: impl Into<String>) -> Self {
        Self {
            file,
            name: name.into(),
            direct: None,
            buffers: Pool::default(),
            unaligned: Mutex::new(()),
            no_punch: AtomicBool::new(false),
            window: None,
            ring: None,
            _locked: None,
        }
    }

    /// Keeps `other` open for as long as this object lives.
    pub fn keeping(mut self, other: Arc<File>) -> Self {
        self._locked = Some(other);
        self
    }

    /// Appends through a mapped window of its end where that is possible.
    pub fn appending(mut self) -> Self {
        self.window = Some(Mutex::new(Window::new(self.file.clone())));
        self
    }

    fn window(&self) -> Option<MutexGuard<'_, Window>> {
        let window = self.window.as_ref()?;
        Some(window.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    fn write_buffered(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if let Some(mut window) = self.window()
            && window.append(offset, bytes)?
        {
            return Ok(());
        }
        self.file.write_all_at(bytes, offset)
    }

    /// Bypasses the system's cache if the file system grants it; see [`FileIo::choice`].
    pub fn direct(mut self) -> Self {
        self.direct = grant_direct(&self.file);
        self
    }

    /// Batches go through io_uring as `io` says; to be called after [`FileIo::direct`].
    ///
    /// # Errors
    /// `InvalidArgument` if it must be io_uring and the kernel does not grant it.
    pub fn through(self, io: Io) -> Result<Self, Error> {
        Ok(match io.ring(Ring::new)? {
            Some(ring) => self.with_ring(ring, io),
            None => self,
        })
    }

    pub(crate) fn with_ring(mut self, ring: Ring, io: Io) -> Self {
        let ring = Batches::new(ring);
        self.ring = match io {
            Io::Uring => Some(RingUse { ring, fewest: 1, waits: true }),
            Io::Auto if self.direct.is_some() => {
                Some(RingUse { ring, fewest: MIN_RING_BATCH, waits: false })
            }
            Io::Auto | Io::Positioned => None,
        };
        self
    }

    /// By which calls batches are made: `Uring` or `Positioned`, never `Auto`.
    pub const fn io(&self) -> Io {
        match self.ring {
            Some(_) => Io::Uring,
            None => Io::Positioned,
        }
    }

    /// How this file is read and written.
    pub fn choice(&self) -> IoChoice {
        match self.direct {
            None => IoChoice::Buffered,
            Some(align) => IoChoice::Direct { align: align.offset },
        }
    }

    fn error(&self, call: &str, error: &io::Error) -> IoError {
        io_error(&format!("{call} {}", self.name), error)
    }

    fn error_at(&self, call: &str, offset: u64, error: &io::Error) -> IoError {
        io_error(&format!("{call} {} at {offset}", self.name), error)
    }

    /// The ring, if a batch of so many transfers is to go through it.
    fn turn(&self, transfers: usize) -> Option<Turn<'_>> {
        let using = self.ring.as_ref().filter(|using| transfers >= using.fewest)?;
        using.ring.turn(&self.file, self.unit(), using.waits)
    }

    /// What positions and lengths of transfers must be multiples of.
    fn unit(&self) -> usize {
        self.direct.map_or(1, |align| align.offset)
    }

    fn is_whole(&self, offset: u64, bytes: &[u8]) -> bool {
        offset.is_multiple_of(self.unit() as u64) && bytes.len().is_multiple_of(self.unit())
    }

    /// Writes parts through the ring, and those that share a unit with others after them.
    fn write_batch(&self, mut turn: Turn<'_>, parts: &[(u64, &[u8])]) -> Result<(), IoError> {
        let is_whole = |part: &(u64, &[u8])| self.is_whole(part.0, part.1);
        let (whole, shared): (Vec<_>, Vec<_>) = parts.iter().copied().partition(is_whole);
        let done = turn.write(&whole);
        drop(turn);
        done.map_err(|(part, error)| self.error_at("write", whole[part].0, &error))?;
        shared.iter().try_for_each(|(offset, bytes)| self.write_at(*offset, bytes))
    }

    fn read_aligned(&self, align: DirectAlign, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let unit = align.offset;
        let whole = offset.is_multiple_of(unit as u64) && buf.len().is_multiple_of(unit);
        if whole && is_aligned(buf, align.memory) {
            return read_exact(&self.file, offset, buf);
        }
        let mut done = 0;
        while done < buf.len() {
            let at = offset.checked_add(done as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
            let skip = (at % unit as u64) as usize;
            let want = (buf.len() - done).min(BOUNCE_BYTES - unit);
            let span = (skip + want).next_multiple_of(unit);
            self.buffers.with(|bounce| {
                let got = read_up_to(&self.file, at - skip as u64, &mut bounce[..span])?;
                if got < skip + want {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
                }
                buf[done..done + want].copy_from_slice(&bounce[skip..skip + want]);
                Ok(())
            })?;
            done += want;
        }
        Ok(())
    }

    fn write_aligned(&self, align: DirectAlign, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let unit = align.offset;
        let whole = offset.is_multiple_of(unit as u64) && bytes.len().is_multiple_of(unit);
        if whole && is_aligned(bytes, align.memory) {
            return self.file.write_all_at(bytes, offset);
        }
        if whole {
            let mut at = offset;
            for part in bytes.chunks(BOUNCE_BYTES) {
                self.buffers.with(|bounce| {
                    bounce[..part.len()].copy_from_slice(part);
                    self.file.write_all_at(&bounce[..part.len()], at)
                })?;
                at += part.len() as u64;
            }
            return Ok(());
        }
        self.write_around(unit, offset, bytes)
    }

    /// Writes bytes that share a unit with others: reads the unit, changes it, writes it.
    fn write_around(&self, unit: usize, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let _alone = self.unaligned.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let end = offset.checked_add(bytes.len() as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        let size = self.file.metadata()?.len().max(end);
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let skip = (at % unit as u64) as usize;
            let want = (bytes.len() - done).min(BOUNCE_BYTES - unit);
            let span = (skip + want).next_multiple_of(unit);
            self.buffers.with(|bounce| {
                let start = at - skip as u64;
                let got = read_up_to(&self.file, start, &mut bounce[..span])?;
                bounce[got..span].fill(0);
                bounce[skip..skip + want].copy_from_slice(&bytes[done..done + want]);
                self.file.write_all_at(&bounce[..span], start)
            })?;
            done += want;
        }
        match self.file.metadata()?.len() > size {
            true => self.file.set_len(size),
            false => Ok(()),
        }
    }
}

/// Fills as much of `buf` as the file has; interrupts and short counts are resumed.
pub(crate) fn read_up_to(file: &File, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        let Some(at) = offset.checked_add(done as u64).filter(|at| i64::try_from(*at).is_ok())
        else {
            break;
        };
        match file.read_at(&mut buf[done..], at) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A direct read resumed inside the last unit is not aligned: that was the end.
            Err(error) if done > 0 && error.raw_os_error() == Some(libc::EINVAL) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

fn read_exact(file: &File, offset: u64, buf: &mut [u8]) -> io::Result<()> {
    match read_up_to(file, offset, buf)? == buf.len() {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Turns direct I/O on if the file system has it in a form that pages of 4 KiB fit.
fn grant_direct(file: &File) -> Option<DirectAlign> {
    let fallback = DirectAlign { memory: MAX_DIRECT_ALIGN, offset: MAX_DIRECT_ALIGN };
    let known = sys::direct_align(file);
    let tells = known.is_ok();
    let align = known.unwrap_or(Some(fallback))?;
    let fits = |unit: usize| unit.is_power_of_two() && unit <= MAX_DIRECT_ALIGN;
    if !fits(align.memory) || !fits(align.offset) || sys::set_direct(file, true).is_err() {
        return None;
    }
    if tells {
        return Some(align);
    }
    // Some file systems take the flag and refuse the transfer.
    let probe = Pool::default().with(|buffer| read_up_to(file, 0, &mut buffer[..MAX_DIRECT_ALIGN]));
    if probe.is_err() {
        // Left on, the flag would make every transfer fail; if it stays, so does the file.
        sys::set_direct(file, false).ok()?;
        return None;
    }
    Some(align)
}

/// The engine's error for one of the system's.
pub(crate) fn io_error(call: &str, error: &io::Error) -> IoError {
    let kind = match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR) => IoErrorKind::NotFound,
        Some(libc::EACCES | libc::EPERM) => IoErrorKind::PermissionDenied,
        Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG) => IoErrorKind::NoSpace,
        Some(libc::EROFS) => IoErrorKind::ReadOnlyFilesystem,
        Some(_) => IoErrorKind::Device,
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof => IoErrorKind::UnexpectedEof,
            io::ErrorKind::FileTooLarge => IoErrorKind::NoSpace,
            _ => IoErrorKind::Device,
        },
    };
    IoError::new(kind, call, error.to_string())
}

impl PositionedIo for FileIo {
    fn size(&self) -> Result<u64, IoError> {
        match self.file.metadata() {
            Ok(found) => Ok(found.len()),
            Err(error) => Err(self.error("stat", &error)),
        }
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        let done = match self.direct {
            None => read_exact(&self.file, offset, buf),
            Some(align) => self.read_aligned(align, offset, buf),
        };
        done.map_err(|error| self.error_at("read", offset, &error))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let done = match self.direct {
            None => self.write_buffered(offset, bytes),
            Some(align) => self.write_aligned(align, offset, bytes),
        };
        done.map_err(|error| self.error_at("write", offset, &error))
    }

    fn write_many(&self, parts: &[(u64, &[u8])]) -> Result<(), IoError> {
        if self.window.is_none()
            && let Some(turn) = self.turn(parts.len())
        {
            return self.write_batch(turn, parts);
        }
        if self.direct.is_none() || parts.len() < MIN_TOGETHER {
            return parts.iter().try_for_each(|(offset, bytes)| self.write_at(*offset, bytes));
        }
        // Past the cache, each write takes a device's round trip: several at once share it.
        std::thread::scope(|scope| {
            let share = parts.len().div_ceil(TOGETHER);
            let workers: Vec<_> = parts
                .chunks(share)
                .map(|parts| {
                    scope.spawn(|| {
                        parts.iter().try_for_each(|(offset, bytes)| self.write_at(*offset, bytes))
                    })
                })
                .collect();
            join_all(workers)
        })
    }

    fn read_many(&self, parts: &mut [(u64, &mut [u8])]) -> Result<(), IoError> {
        if let Some(mut turn) = self.turn(parts.len()) {
            let done = turn.read(parts);
            return done.map_err(|(part, error)| self.error_at("read", parts[part].0, &error));
        }
        let read = |parts: &mut [(u64, &mut [u8])]| {
            parts.iter_mut().try_for_each(|(offset, buf)| self.read_at(*offset, buf))
        };
        if self.direct.is_none() || parts.len() < MIN_TOGETHER {
            return read(parts);
        }
        std::thread::scope(|scope| {
            let share = parts.len().div_ceil(TOGETHER);
            let workers: Vec<_> =
                parts.chunks_mut(share).map(|parts| scope.spawn(|| read(parts))).collect();
            join_all(workers)
        })
    }

    fn write_durable(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        let written = match self.direct {
            None => sys::write_durable(&self.file, offset, bytes),
            Some(_) => Err(io::ErrorKind::Unsupported.into()),
        };
        match written {
            Err(error) if is_unsupported(&error) => {
                self.write_at(offset, bytes)?;
                self.sync()
            }
            written => written.map_err(|error| self.error_at("write and sync", offset, &error)),
        }
    }

    fn sync(&self) -> Result<(), IoError> {
        if let Some(mut window) = self.window() {
            window.synced();
        }
        self.file.sync_data().map_err(|error| self.error("sync", &error))
    }

    fn set_len(&self, len: u64) -> Result<(), IoError> {
        if let Some(mut window) = self.window() {
            window.cut(len);
        }
        self.file.set_len(len).map_err(|error| self.error("set length of", &error))
    }

    fn punch(&self, offset: u64, len: u64) -> Result<(), IoError> {
        if len == 0 || self.no_punch.load(Ordering::Relaxed) {
            return Ok(());
        }
        let end = offset.saturating_add(len);
        let punched = (offset..end)
            .step_by(PUNCH_BYTES as usize)
            .try_for_each(|start| sys::punch(&self.file, start, PUNCH_BYTES.min(end - start)));
        match punched {
            Ok(()) => Ok(()),
            Err(error) if is_unsupported(&error) => {
                self.no_punch.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(self.error("punch", &error)),
        }
    }

    fn allocated(&self) -> Result<u64, IoError> {
        match self.file.metadata() {
            // The system counts in units of 512 bytes, whatever the block size.
            Ok(found) => Ok(found.blocks() * 512),
            Err(error) => Err(self.error("stat", &error)),
        }
    }
}

type Worker<'scope> = std::thread::ScopedJoinHandle<'scope, Result<(), IoError>>;

fn join_all(workers: Vec<Worker<'_>>) -> Result<(), IoError> {
    let mut result = Ok(());
    for worker in workers {
        let done = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        result = result.and(done);
    }
    result
}

fn is_unsupported(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::ENODEV))
}
