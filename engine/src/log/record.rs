//! The format of one log record.
//!
//! Owns: header, checksum, kinds. Never does: read the device. Layout, little-endian: `u32`
//! length of the whole record (a multiple of 8), `u32` CRC-32 of store id, length and all that
//! follows the checksum, `u64` position, `u64` synced mark known when it was written, `u8` kind,
//! body, zeros up to the length. Invariant: decoding any bytes gives a record or a reason.

use alloc::vec::Vec;

use super::ops::{self, OpRef, OpsView};
use crate::codec::bytes::{Reader, Write};
use crate::codec::checksum::crc32;
use crate::ids::{Lsn, RecordVersion, StoreId};
use crate::limits::{MAX_LSN, MAX_RECORD_BYTES};
use crate::seeded::{self, Bug};

/// Bytes of a record before its body.
pub const HEADER_BYTES: usize = 25;

/// Records start and end at multiples of this many bytes.
pub const RECORD_ALIGN: usize = 8;

/// Bytes of the smallest record, and of all that the reader needs to know a record's length.
pub(super) const MIN_RECORD_BYTES: usize = HEADER_BYTES.next_multiple_of(RECORD_ALIGN);

/// Bytes of a record of kind cut.
pub(super) const CUT_BYTES: usize = MIN_RECORD_BYTES;

/// Bytes of a record of kind epoch.
pub(super) const EPOCH_BYTES: usize = (HEADER_BYTES + 8).next_multiple_of(RECORD_ALIGN);

const OPS: u8 = 1;
const CUT: u8 = 2;
const EPOCH: u8 = 3;

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// The log ends before the record does.
    Short,
    /// The length is not one that a record can have.
    Length,
    /// The checksum does not match.
    Checksum,
    /// The record was written for another position: bytes of an earlier use of the space.
    Position,
    /// Checksum and position are right, but this program would not write such a record.
    Foreign(&'static str),
}

impl Bad {
    /// The reason in words.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Short => "the log ends inside the record",
            Self::Length => "impossible length",
            Self::Checksum => "checksum does not match",
            Self::Position => "written for another position",
            Self::Foreign(why) => why,
        }
    }
}

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// Operations that take effect together.
    Ops(OpsView<'a>),
    /// A cut: every operation is wholly before or wholly after it.
    Cut,
    /// Positions below `ceiling` may be in use from here on.
    Epoch {
        /// The new ceiling.
        ceiling: Lsn,
    },
}

/// A decoded record that borrows from the buffer it was read into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// Its position.
    pub lsn: Lsn,
    /// Its length in bytes; the next record is at `lsn + bytes`.
    pub bytes: u32,
    /// Everything below was known to be durable when it was written.
    pub synced: Lsn,
    /// What it says.
    pub body: Body<'a>,
}

impl<'a> RecordView<'a> {
    /// The position after it.
    pub const fn end(&self) -> Lsn {
        self.lsn.saturating_add(self.bytes as u64)
    }

    /// Its operations with their versions; none unless it is of kind ops.
    pub fn ops(&self) -> impl Iterator<Item = (RecordVersion, OpRef<'a>)> + use<'a> {
        let lsn = self.lsn;
        let ops = match self.body {
            Body::Ops(ops) => Some(ops),
            Body::Cut | Body::Epoch { .. } => None,
        };
        let ops = ops.into_iter().flat_map(OpsView::into_iter);
        ops.enumerate().map(move |(index, op)| (version(lsn, index), op))
    }
}

/// The version of operation `index` of the record at `lsn`.
pub(super) const fn version(lsn: Lsn, index: usize) -> RecordVersion {
    RecordVersion::from_raw(lsn.saturating_add(index as u64))
}

/// The start of every checksum of a store's log: records of another store never fit.
pub(super) fn seed(store: &StoreId) -> u32 {
    crc32(0, store)
}

/// What is to be written.
pub(super) enum NewBody<'a> {
    Ops(&'a [OpRef<'a>]),
    Cut,
    Epoch { ceiling: Lsn },
}

/// Replaces the content of `out` by a record of `len` bytes for position `lsn`.
pub(super) fn encode(
    out: &mut Vec<u8>,
    seed: u32,
    (lsn, synced): (Lsn, Lsn),
    len: usize,
    body: &NewBody<'_>,
) {
    out.clear();
    out.reserve(len);
    out.put_u32(len as u32);
    out.put_u32(0);
    out.put_u64(lsn);
    out.put_u64(synced);
    match *body {
        NewBody::Ops(list) => {
            out.put_u8(OPS);
            ops::encode_list(list, out);
        }
        NewBody::Cut => out.put_u8(CUT),
        NewBody::Epoch { ceiling } => {
            out.put_u8(EPOCH);
            out.put_u64(ceiling);
        }
    }
    assert!(out.len() <= len && len - out.len() < RECORD_ALIGN, "the length was computed before");
    out.resize(len, 0);
    let crc = checksum(seed, len as u32, out.get(8..).unwrap_or_default());
    if let Some(field) = out.get_mut(4..8) {
        field.copy_from_slice(&crc.to_le_bytes());
    }
}

fn checksum(seed: u32, len: u32, rest: &[u8]) -> u32 {
    crc32(crc32(seed, &len.to_le_bytes()), rest)
}

/// The fields of a record that tell where it ends and what it proves, not yet checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peek {
    pub len: usize,
    pub crc: u32,
    pub lsn: Lsn,
    pub synced: Lsn,
}

/// Reads the start of a record: `bytes` begins at it and may end before it does.
pub(super) fn peek(bytes: &[u8]) -> Result<Peek, Bad> {
    if bytes.len() < MIN_RECORD_BYTES {
        return Err(Bad::Short);
    }
    let mut reader = Reader::new(bytes);
    let mut fields = || Some((reader.u32()?, reader.u32()?, reader.u64()?, reader.u64()?));
    let (len, crc, lsn, synced) = fields().ok_or(Bad::Short)?;
    let len = len as usize;
    let possible = (MIN_RECORD_BYTES..=MAX_RECORD_BYTES).contains(&len);
    if !possible || !len.is_multiple_of(RECORD_ALIGN) {
        return Err(Bad::Length);
    }
    Ok(Peek { len, crc, lsn, synced })
}

/// Whether the record at the start of `bytes` is whole: checksum and position.
pub(super) fn check(bytes: &[u8], at: Lsn, seed: u32) -> Result<(Peek, &[u8]), Bad> {
    let peek = peek(bytes)?;
    let record = bytes.get(..peek.len).ok_or(Bad::Short)?;
    let rest = record.get(8..).ok_or(Bad::Short)?;
    let is_right = checksum(seed, peek.len as u32, rest) == peek.crc;
    if !is_right && !seeded::is(Bug::SkipRecordChecksum) {
        return Err(Bad::Checksum);
    }
    if peek.lsn != at {
        return Err(Bad::Position);
    }
    Ok((peek, record))
}

/// The record at the start of `bytes`, which must be one for position `at`.
pub(super) fn decode(bytes: &[u8], at: Lsn, seed: u32) -> Result<RecordView<'_>, Bad> {
    let (peek, record) = check(bytes, at, seed)?;
    let end = at.checked_add(peek.len as u64).filter(|end| *end <= MAX_LSN);
    let end = end.ok_or(Bad::Foreign("position past the end of all positions"))?;
    if peek.synced > at {
        return Err(Bad::Foreign("synced mark past the record"));
    }
    let mut reader = Reader::new(record.get(HEADER_BYTES - 1..).ok_or(Bad::Short)?);
    let body = decode_body(&mut reader, end)?;
    let padding = reader.bytes(reader.remaining()).unwrap_or_default();
    if padding.len() >= RECORD_ALIGN || padding.iter().any(|byte| *byte != 0) {
        return Err(Bad::Foreign("bytes after the body"));
    }
    Ok(RecordView { lsn: at, bytes: peek.len as u32, synced: peek.synced, body })
}

fn decode_body<'a>(reader: &mut Reader<'a>, end: Lsn) -> Result<Body<'a>, Bad> {
    match reader.u8() {
        Some(OPS) => {
            OpsView::decode(reader).map(Body::Ops).ok_or(Bad::Foreign("operations do not decode"))
        }
        Some(CUT) => Ok(Body::Cut),
        Some(EPOCH) => match reader.u64() {
            Some(ceiling) if valid_ceiling(ceiling, end) => Ok(Body::Epoch { ceiling }),
            _ => Err(Bad::Foreign("impossible ceiling")),
        },
        _ => Err(Bad::Foreign("unknown kind of record")),
    }
}

const fn valid_ceiling(ceiling: Lsn, end: Lsn) -> bool {
    ceiling >= end && ceiling <= MAX_LSN && ceiling.is_multiple_of(RECORD_ALIGN as u64)
}
