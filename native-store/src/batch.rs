//! Several transfers by one call of an io_uring.
//!
//! Owns: how parts of any size become operations on the ring's memory, and what their results
//! mean: short ones are resumed, those to try again are done by positioned calls. Never does:
//! return before every operation has ended, or write bytes that share a unit with others.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard};

use crate::file::read_up_to;
use crate::limits::{MAX_DIRECT_ALIGN, RING_BYTES, RING_OPS, RING_PIECE_BYTES};
use crate::uring::{Op, Ring};

/// A failure, and the number of the part that it is about.
pub type Failed = (usize, io::Error);

/// The ring of a store.
#[derive(Debug)]
pub struct Batches {
    ring: Mutex<Ring>,
}

/// The ring, for one batch.
pub struct Turn<'a> {
    ring: MutexGuard<'a, Ring>,
    file: &'a File,
    /// What positions and lengths of operations are multiples of.
    unit: usize,
}

/// A stretch of a part, on its way through the ring's memory.
#[derive(Clone, Copy, Debug)]
struct Piece {
    part: usize,
    /// Where it begins in the part.
    from: usize,
    /// Bytes of the part.
    len: usize,
    /// Bytes of the file before them in the same unit, which are read with them.
    skip: usize,
    /// Where it begins in the file, `skip` included.
    offset: u64,
    /// Where it begins in the ring's memory, `skip` included.
    at: usize,
    /// Bytes to transfer, and how many of them have been.
    span: usize,
    done: usize,
}

impl Piece {
    fn op(&self, write: bool) -> Op {
        Op {
            write,
            offset: self.offset + self.done as u64,
            at: self.at + self.done,
            len: self.span - self.done,
        }
    }
}

impl Batches {
    /// Batches through this ring.
    pub const fn new(ring: Ring) -> Self {
        Self { ring: Mutex::new(ring) }
    }

    /// The ring for transfers of `file` in multiples of `unit` bytes, a power of two of at most
    /// [`MAX_DIRECT_ALIGN`]. `None` if another batch is under way and `wait` is not wanted, or if
    /// the ring has failed.
    pub fn turn<'a>(&'a self, file: &'a File, unit: usize, wait: bool) -> Option<Turn<'a>> {
        use std::sync::TryLockError::{Poisoned, WouldBlock};
        let ring = match self.ring.try_lock() {
            Ok(ring) => ring,
            Err(Poisoned(poisoned)) => poisoned.into_inner(),
            Err(WouldBlock) if !wait => return None,
            Err(WouldBlock) => self.ring.lock().unwrap_or_else(|poisoned| poisoned.into_inner()),
        };
        ring.is_usable().then_some(Turn { ring, file, unit })
    }
}

impl Turn<'_> {
    /// Fills all parts.
    ///
    /// # Errors
    /// That of the first part, in order of the round that met one: `UnexpectedEof` where the
    /// file ends before it, otherwise the system's.
    pub fn read(&mut self, parts: &mut [(u64, &mut [u8])]) -> Result<(), Failed> {
        let mut next = (0, 0);
        loop {
            let lens = parts.iter().map(|(offset, buf)| (*offset, buf.len()));
            let pieces = plan(lens, &mut next, self.unit);
            let mut pieces = pieces.map_err(|part| (part, io::ErrorKind::UnexpectedEof.into()))?;
            if pieces.is_empty() {
                return Ok(());
            }
            self.run(&mut pieces, false)?;
            let memory = self.ring.memory().map_err(|error| (pieces[0].part, error))?;
            for piece in &pieces {
                if piece.done < piece.skip + piece.len {
                    return Err((piece.part, io::ErrorKind::UnexpectedEof.into()));
                }
                let found = &memory[piece.at + piece.skip..][..piece.len];
                parts[piece.part].1[piece.from..][..piece.len].copy_from_slice(found);
            }
        }
    }

    /// Writes all parts. Their positions and lengths must be multiples of the unit.
    ///
    /// # Errors
    /// As for [`Turn::read`]; parts that are not named may be written or not.
    pub fn write(&mut self, parts: &[(u64, &[u8])]) -> Result<(), Failed> {
        let mut next = (0, 0);
        loop {
            let lens = parts.iter().map(|(offset, bytes)| (*offset, bytes.len()));
            let pieces = plan(lens, &mut next, self.unit);
            let mut pieces = pieces.map_err(|part| (part, io::ErrorKind::FileTooLarge.into()))?;
            if pieces.is_empty() {
                return Ok(());
            }
            let memory = self.ring.memory().map_err(|error| (pieces[0].part, error))?;
            for piece in &pieces {
                if piece.skip > 0 || piece.span > piece.len {
                    return Err((piece.part, io::ErrorKind::InvalidInput.into()));
                }
                let bytes = &parts[piece.part].1[piece.from..][..piece.len];
                memory[piece.at..][..piece.len].copy_from_slice(bytes);
            }
            self.run(&mut pieces, true)?;
        }
    }

    /// Transfers all pieces: in full, or when reading up to the end of the file. Returns only
    /// when none is under way any more.
    fn run(&mut self, pieces: &mut [Piece], write: bool) -> Result<(), Failed> {
        let mut left: Vec<usize> = (0..pieces.len()).collect();
        while !left.is_empty() {
            let ops: Vec<Op> = left.iter().map(|number| pieces[*number].op(write)).collect();
            let mut results = vec![0; ops.len()];
            let ran = self.ring.run(self.file, &ops, &mut results);
            ran.map_err(|error| (pieces[left[0]].part, error))?;
            let mut short = Vec::new();
            for (number, result) in left.into_iter().zip(results) {
                let piece = &mut pieces[number];
                if self.settle(piece, result, write).map_err(|error| (piece.part, error))? {
                    short.push(number);
                }
            }
            left = short;
        }
        Ok(())
    }

    /// Takes the result of a piece's operation; whether the piece needs another one.
    fn settle(&mut self, piece: &mut Piece, result: i32, write: bool) -> io::Result<bool> {
        match usize::try_from(result) {
            Ok(0) if write => return Err(io::ErrorKind::WriteZero.into()),
            Ok(0) => return Ok(false),
            Ok(count) => piece.done = piece.span.min(piece.done + count),
            Err(_) if is_transient(-result) => self.positioned(piece, write)?,
            // A direct read resumed inside the last unit is not aligned: that was the end.
            Err(_) if !write && piece.done > 0 && -result == libc::EINVAL => return Ok(false),
            Err(_) => return Err(io::Error::from_raw_os_error(-result)),
        }
        Ok(piece.done < piece.span)
    }

    /// Does the rest of a piece by positioned calls, which wait as long as it takes.
    fn positioned(&mut self, piece: &mut Piece, write: bool) -> io::Result<()> {
        let op = piece.op(write);
        let memory = &mut self.ring.memory()?[op.at..][..op.len];
        match write {
            true => self.file.write_all_at(memory, op.offset)?,
            false => {
                let got = read_up_to(self.file, op.offset, memory)?;
                // Less than asked for is the end of the file; `read` tells whether that is early.
                piece.span = piece.done + got;
            }
        }
        piece.done = piece.span;
        Ok(())
    }
}

/// Whether an operation ended without having been tried in earnest.
fn is_transient(number: i32) -> bool {
    matches!(number, libc::EAGAIN | libc::EINTR | libc::ECANCELED)
}

/// The next pieces of parts, from `next` (a part and a position in it) on: as many as the ring
/// takes at once.
///
/// # Errors
/// The number of the part that reaches beyond what the system can number.
fn plan(
    parts: impl Iterator<Item = (u64, usize)>,
    next: &mut (usize, usize),
    unit: usize,
) -> Result<Vec<Piece>, usize> {
    let mut pieces = Vec::new();
    let mut at = 0;
    for (part, (offset, len)) in parts.enumerate().skip(next.0) {
        while next.1 < len {
            let start = offset.checked_add(next.1 as u64);
            let start = start.filter(|start| *start <= MAX_POSITION);
            let start = start.ok_or(part)?;
            let skip = (start % unit as u64) as usize;
            let take = (len - next.1).min(RING_PIECE_BYTES - skip);
            let span = (skip + take).next_multiple_of(unit);
            let room = span.next_multiple_of(MAX_DIRECT_ALIGN);
            if pieces.len() == RING_OPS || at + room > RING_BYTES {
                return Ok(pieces);
            }
            pieces.push(Piece {
                part,
                from: next.1,
                len: take,
                skip,
                offset: start - skip as u64,
                at,
                span,
                done: 0,
            });
            at += room;
            next.1 += take;
        }
        *next = (part + 1, 0);
    }
    Ok(pieces)
}

/// Last position at which an operation of a ring may begin and still end within what the system
/// can number.
const MAX_POSITION: u64 = i64::MAX as u64 - (RING_PIECE_BYTES + MAX_DIRECT_ALIGN) as u64;
