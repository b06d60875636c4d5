//! Reads a manifest region back.
//!
//! Owns: the decision where a manifest ends and whether that end is damage. Never does: write.
//! A region is a chain of units. The first must be whole: it was durable before the superblock
//! named it. The chain ends at the first unit that is not whole; that is damage if the mark says
//! that a later publish was durable.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::layout::{Mark, Superblock, offset};
use super::record::{ChangeRecord, HEADER_BYTES, Header, Kind, Link, first_chain, next_change};
use super::table::{Entry, Table};
use crate::codec::bytes::Reader;
use crate::device::io::PositionedIo;
use crate::error::{Corruption, CorruptionClass, Error, Result};
use crate::limits::{MANIFEST_CHUNK_BYTES, MAX_MANIFEST_RECORD_BYTES, PAGE_BYTES};

/// A manifest, read.
#[derive(Debug)]
pub struct Replayed {
    /// The published state.
    pub table: Table,
    /// The last publish found.
    pub commit: u64,
    /// Where in the region that publish begins.
    pub last_unit: u64,
    /// Bytes of the region up to the end of that publish.
    pub used_bytes: u64,
    /// What the next record's checksum continues.
    pub chain: u32,
}

/// Reads the manifest that `block` names.
///
/// # Errors
/// `Corrupt` (class `Manifest`) if it is damaged; the device's failures.
pub fn replay(io: &impl PositionedIo, block: &Superblock, mark: Option<Mark>) -> Result<Replayed> {
    let mut out = Replayed {
        table: Table::default(),
        commit: block.commit,
        last_unit: 0,
        used_bytes: 0,
        chain: first_chain(&block.store_id, block.sequence),
    };
    if block.region.pages == 0 {
        return Ok(out);
    }
    let file = io.size()?;
    let base = offset(block.region.first);
    let len = file.saturating_sub(base).min(block.region.bytes());
    let mut region = Region { io, base, len, buffer: Vec::new(), at: 0 };
    let mut next = block.commit;
    while let Some(unit) = scan(&mut region, &out, next)? {
        apply(&mut region, &mut out, next, unit)?;
        next = match next.checked_add(1) {
            Some(next) => next,
            None => return Err(damage(out.used_bytes, "publish numbers are used up")),
        };
        if out.used_bytes >= len {
            break;
        }
    }
    check_end(&out, block, mark, next)?;
    Ok(out)
}

fn check_end(out: &Replayed, block: &Superblock, mark: Option<Mark>, next: u64) -> Result<()> {
    if next == block.commit {
        return Err(damage(0, "the state it begins with is not whole"));
    }
    if out.used_bytes < block.snapshot_bytes {
        return Err(damage(out.used_bytes, "the state it begins with is too short"));
    }
    let Some(mark) = mark else { return Ok(()) };
    if mark.sequence > block.sequence {
        let why = "a later superblock was durable; both slots are older";
        return Err(Corruption::new(CorruptionClass::Superblock, why).into());
    }
    if mark.sequence == block.sequence && mark.commit > out.commit {
        let why = format!("ends at publish {}, but {} was durable", out.commit, mark.commit);
        return Err(damage(out.used_bytes, why));
    }
    Ok(())
}

fn damage(at: u64, why: impl Into<String>) -> Error {
    let mut found = Corruption::new(CorruptionClass::Manifest, why);
    found.page = Some(at);
    found.into()
}

struct Region<'a, Io> {
    io: &'a Io,
    base: u64,
    len: u64,
    buffer: Vec<u8>,
    at: u64,
}

impl<Io: PositionedIo> Region<'_, Io> {
    /// `count` bytes at `at`; `None` past the end of the region or of the file.
    fn bytes(&mut self, at: u64, count: usize) -> Result<Option<&[u8]>> {
        if at > self.len || count as u64 > self.len - at {
            return Ok(None);
        }
        let held = at >= self.at && at + count as u64 <= self.at + self.buffer.len() as u64;
        if !held {
            let page = PAGE_BYTES as u64;
            let start = at / page * page;
            let want = MANIFEST_CHUNK_BYTES + MAX_MANIFEST_RECORD_BYTES;
            let want = (self.len - start).min(want as u64);
            self.buffer = vec![0; want as usize];
            self.at = start;
            self.io.read_at(self.base + start, &mut self.buffer)?;
        }
        let from = (at - self.at) as usize;
        Ok(self.buffer.get(from..from + count))
    }
}

/// The end of a whole unit.
struct Unit {
    end: u64,
    chain: u32,
}

/// Checks the unit that begins where `from` ends, without applying it; `None` if it is not
/// whole.
fn scan<Io: PositionedIo>(
    region: &mut Region<'_, Io>,
    from: &Replayed,
    commit: u64,
) -> Result<Option<Unit>> {
    let mut at = from.used_bytes;
    let mut link = Link { commit, index: 0, chain: from.chain };
    loop {
        let Some((header, payload)) = record(region, at)? else { return Ok(None) };
        let (head, header) = header;
        if !header.is_at(link, &head, payload) {
            return Ok(None);
        }
        at += (HEADER_BYTES + header.len) as u64;
        if header.kind == Kind::Commit {
            let end = at.next_multiple_of(PAGE_BYTES as u64);
            return Ok((end <= region.len).then_some(Unit { end, chain: header.crc }));
        }
        let Some(index) = link.index.checked_add(1) else { return Ok(None) };
        link = Link { commit, index, chain: header.crc };
    }
}

type Found<'a> = (([u8; HEADER_BYTES], Header), &'a [u8]);

fn record<'a, Io: PositionedIo>(
    region: &'a mut Region<'_, Io>,
    at: u64,
) -> Result<Option<Found<'a>>> {
    let Some(head) = region.bytes(at, HEADER_BYTES)? else { return Ok(None) };
    let Some(head) = head.first_chunk::<HEADER_BYTES>().copied() else { return Ok(None) };
    let Some(header) = Header::decode(&head) else { return Ok(None) };
    let payload = region.bytes(at + HEADER_BYTES as u64, header.len)?;
    Ok(payload.map(|payload| ((head, header), payload)))
}

/// Applies a unit that [`scan`] found whole.
fn apply<Io: PositionedIo>(
    region: &mut Region<'_, Io>,
    out: &mut Replayed,
    commit: u64,
    unit: Unit,
) -> Result<()> {
    let mut at = out.used_bytes;
    loop {
        let Some(((_, header), payload)) = record(region, at)? else {
            return Err(damage(at, "a record changed while it was read"));
        };
        match header.kind {
            Kind::Changes => apply_changes(&mut out.table, payload)
                .ok_or_else(|| damage(at, "a change record cannot be understood"))?,
            Kind::Root => out.table.set_root(payload),
            Kind::Commit => {
                check_counts(&out.table, payload)
                    .ok_or_else(|| damage(at, "counts of blobs and pages differ"))?;
                out.last_unit = out.used_bytes;
                out.used_bytes = unit.end;
                out.chain = unit.chain;
                out.commit = commit;
                return Ok(());
            }
        }
        at += (HEADER_BYTES + header.len) as u64;
    }
}

fn apply_changes(table: &mut Table, payload: &[u8]) -> Option<()> {
    let mut reader = Reader::new(payload);
    let mut freed = Vec::new();
    while reader.remaining() > 0 {
        match next_change(&mut reader)? {
            ChangeRecord::Delete(blob) => table.set(blob, None),
            ChangeRecord::Put { blob, meta, dropped, set } => {
                let entry = Entry::changed(table.get(blob), meta, &dropped, &set, &mut freed);
                freed.clear();
                table.set(blob, Some(entry));
            }
        }
    }
    Some(())
}

fn check_counts(table: &Table, payload: &[u8]) -> Option<()> {
    let mut reader = Reader::new(payload);
    let same = reader.u64()? == table.blobs() && reader.u64()? == table.pages();
    (same && reader.remaining() == 0).then_some(())
}
