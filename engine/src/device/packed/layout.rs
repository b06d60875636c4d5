//! The fixed pages at the start of a packed store: two superblock slots and the mark.
//!
//! Owns: their bytes. Never does: I/O. Each has all its fields in one 512-byte sector, so a torn
//! write leaves the old sector or the new one; each has a page to itself, so that no write
//! touches the other slot.
//!
//! A superblock says where the manifest is. The mark says how far the manifest had got when it
//! was last known durable: a manifest that ends before it is damaged, not torn.

use alloc::vec::Vec;

use crate::codec::bytes::{Reader, Write};
use crate::codec::checksum::{CRC32, crc32};
use crate::geometry::Geometry;
use crate::ids::StoreId;
use crate::limits::PAGE_BYTES;

/// First bytes of a superblock.
pub const MAGIC: [u8; 8] = *b"holt.blb";
/// First bytes of the mark.
const MARK_MAGIC: [u8; 8] = *b"holtmark";
/// The only format so far.
pub const FORMAT: u32 = 1;
/// Bytes that hold all fields of a slot, and its checksum at the end.
pub const SECTOR_BYTES: usize = 512;
/// Page of the mark; the slots are pages 0 and 1.
pub const MARK_PAGE: u32 = 2;
/// First page that the allocator gives out.
pub const FIRST_PAGE: u32 = 3;
/// Bytes of both slots: all there is of a store that was just created.
pub const SLOTS_BYTES: usize = 2 * PAGE_BYTES;

const BODY_BYTES: usize = SECTOR_BYTES - 4;

/// Position of a page in the file.
pub const fn offset(page: u32) -> u64 {
    page as u64 * PAGE_BYTES as u64
}

/// Consecutive pages of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// First page.
    pub first: u32,
    /// How many.
    pub pages: u32,
}

impl Run {
    /// The page after the last.
    pub const fn end(self) -> u64 {
        self.first as u64 + self.pages as u64
    }

    /// Bytes of the run.
    pub const fn bytes(self) -> u64 {
        self.pages as u64 * PAGE_BYTES as u64
    }
}

/// What a superblock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// Counts superblocks; the larger one is the current one. Also the epoch of its region.
    pub sequence: u64,
    /// The store's identity.
    pub store_id: StoreId,
    /// Its shape.
    pub geometry: Geometry,
    /// The region that holds the manifest; no pages before the first publish.
    pub region: Run,
    /// The other region, kept for the next rewrite; may have no pages.
    pub spare: Run,
    /// The publish that the region begins with.
    pub commit: u64,
    /// Bytes of that publish in the region.
    pub snapshot_bytes: u64,
}

/// What a slot was found to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Zeros.
    Blank,
    /// Something else than a superblock.
    Foreign,
    /// A superblock whose checksum or fields are wrong.
    Damaged(&'static str),
    /// A superblock of a later format.
    Newer(u32),
    /// A superblock.
    Valid(Superblock),
}

fn sealed(mut body: Vec<u8>) -> Vec<u8> {
    body.resize(BODY_BYTES, 0);
    let crc = crc32(0, &body);
    body.put_u32(crc);
    body.resize(PAGE_BYTES, 0);
    body
}

/// The body of a sector whose checksum is right.
fn unsealed(page: &[u8]) -> Option<&[u8]> {
    let (body, rest) = page.split_at_checked(BODY_BYTES)?;
    let crc = Reader::new(rest).u32()?;
    (crc32(0, body) == crc).then_some(body)
}

impl Superblock {
    /// The page that holds this superblock.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(PAGE_BYTES);
        out.extend_from_slice(&MAGIC);
        out.put_u32(FORMAT);
        out.put_u32(u32::from(CRC32));
        out.put_u64(self.sequence);
        out.extend_from_slice(&self.store_id);
        out.put_u32(PAGE_BYTES as u32);
        out.put_u32(self.geometry.frame_bytes());
        for run in [self.region, self.spare] {
            out.put_u32(run.first);
            out.put_u32(run.pages);
        }
        out.put_u64(self.commit);
        out.put_u64(self.snapshot_bytes);
        sealed(out)
    }

    fn decode(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        reader.bytes(MAGIC.len() + 4)?;
        if reader.u32()? != u32::from(CRC32) {
            return None;
        }
        let sequence = reader.u64()?;
        let store_id = reader.bytes(16)?.try_into().ok()?;
        if reader.u32()? != PAGE_BYTES as u32 {
            return None;
        }
        let geometry = Geometry::new(reader.u32()?).ok()?;
        let region = Run { first: reader.u32()?, pages: reader.u32()? };
        let spare = Run { first: reader.u32()?, pages: reader.u32()? };
        let commit = reader.u64()?;
        let snapshot_bytes = reader.u64()?;
        let block = Self { sequence, store_id, geometry, region, spare, commit, snapshot_bytes };
        block.is_possible().then_some(block)
    }

    fn is_possible(&self) -> bool {
        let placed = |run: Run| {
            run.pages == 0 || (run.first >= FIRST_PAGE && run.end() <= u64::from(u32::MAX))
        };
        placed(self.region)
            && placed(self.spare)
            && self.snapshot_bytes <= self.region.bytes()
            && self.snapshot_bytes.is_multiple_of(PAGE_BYTES as u64)
            && (self.region.pages == 0) == (self.snapshot_bytes == 0)
    }
}

/// Says what the bytes of a slot are; a short file gives fewer than a page.
pub fn read_slot(page: &[u8]) -> Slot {
    if page.iter().all(|byte| *byte == 0) {
        return Slot::Blank;
    }
    if !page.starts_with(&MAGIC) {
        return Slot::Foreign;
    }
    let format = Reader::new(&page[MAGIC.len()..]).u32().unwrap_or(0);
    match unsealed(page) {
        None => Slot::Damaged("its checksum is wrong"),
        Some(_) if format > FORMAT => Slot::Newer(format),
        Some(body) => match (format, Superblock::decode(body)) {
            (FORMAT, Some(block)) => Slot::Valid(block),
            _ => Slot::Damaged("its fields are impossible"),
        },
    }
}

/// How far the manifest was last known to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Sequence of the superblock in force.
    pub sequence: u64,
    /// The last durable publish.
    pub commit: u64,
}

impl Mark {
    /// The page that holds this mark.
    pub fn encode(self, store_id: &StoreId) -> Vec<u8> {
        let mut out = Vec::with_capacity(PAGE_BYTES);
        out.extend_from_slice(&MARK_MAGIC);
        out.extend_from_slice(store_id);
        out.put_u64(self.sequence);
        out.put_u64(self.commit);
        sealed(out)
    }

    /// The mark in a page, if there is a valid one of this store.
    pub fn decode(page: &[u8], store_id: &StoreId) -> Option<Self> {
        let mut reader = Reader::new(unsealed(page)?);
        let ours = reader.bytes(8)? == MARK_MAGIC && reader.bytes(16)? == store_id;
        ours.then_some(())?;
        Some(Self { sequence: reader.u64()?, commit: reader.u64()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> Superblock {
        Superblock {
            sequence: 7,
            store_id: [9; 16],
            geometry: Geometry::default(),
            region: Run { first: 3, pages: 16 },
            spare: Run::default(),
            commit: 4,
            snapshot_bytes: 8192,
        }
    }

    #[test]
    fn slots_come_back_and_every_flip_in_the_sector_is_seen() {
        let page = block().encode();
        assert_eq!(read_slot(&page), Slot::Valid(block()));
        for bit in 0..SECTOR_BYTES * 8 {
            let mut page = page.clone();
            page[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(read_slot(&page), Slot::Damaged(_) | Slot::Foreign), "bit {bit}");
        }
        for len in 0..SECTOR_BYTES {
            assert!(!matches!(read_slot(&page[..len]), Slot::Valid(_)));
        }
    }

    #[test]
    fn a_later_format_is_told_apart() {
        let mut body = block().encode();
        body.truncate(BODY_BYTES);
        body[8] = 2;
        assert_eq!(read_slot(&sealed(body)), Slot::Newer(2));
    }

    #[test]
    fn marks_come_back_for_their_store_only() {
        let mark = Mark { sequence: 3, commit: 9 };
        let page = mark.encode(&[1; 16]);
        assert_eq!(Mark::decode(&page, &[1; 16]), Some(mark));
        assert_eq!(Mark::decode(&page, &[2; 16]), None);
        assert_eq!(Mark::decode(&[0; PAGE_BYTES], &[0; 16]), None);
    }
}
