//! Manifest records: framing, and the changes inside them.
//!
//! Owns: their bytes. Never does: I/O. A publish is a **unit**: change records, then a root
//! record, then a commit record, padded with zeros to a whole page. Every record's checksum
//! continues the one before it, through units too, so records of an abandoned unit can never
//! complete a later one. Decoders are total: any bytes give a value or `None`.

use alloc::vec::Vec;

use super::layout::FIRST_PAGE;
use super::table::{Entry, PageRef};
use crate::codec::bytes::{Reader, Write, varint_len};
use crate::codec::checksum::{CRC32, crc32};
use crate::ids::{BlobId, StoreId};
use crate::limits::{MAX_BLOB_PAGES, MAX_MANIFEST_RECORD_BYTES, MAX_META_BYTES};

/// Bytes before a record's payload.
pub const HEADER_BYTES: usize = 32;
const MAGIC: u32 = u32::from_le_bytes(*b"hmr1");
const PUT: u8 = 1;
const DELETE: u8 = 2;

/// What a record carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Changes of blobs.
    Changes,
    /// The root record.
    Root,
    /// The end of a publish: counts of blobs and pages.
    Commit,
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::Changes => 1,
            Self::Root => 2,
            Self::Commit => 3,
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Changes),
            2 => Some(Self::Root),
            3 => Some(Self::Commit),
            _ => None,
        }
    }
}

/// Where in the chain a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Which publish it belongs to.
    pub commit: u64,
    /// Which record of that publish it is.
    pub index: u32,
    /// Checksum of the record before it.
    pub chain: u32,
}

/// The checksum that the first record of a region continues.
pub fn first_chain(store_id: &StoreId, sequence: u64) -> u32 {
    crc32(crc32(0, store_id), &sequence.to_le_bytes())
}

/// Appends a record and returns its checksum.
pub fn put_record(out: &mut Vec<u8>, link: Link, kind: Kind, payload: &[u8]) -> u32 {
    let start = out.len();
    out.put_u32(MAGIC);
    out.put_u32(payload.len() as u32);
    out.put_u8(kind.byte());
    out.put_u8(CRC32);
    out.put_u16(0);
    out.put_u32(link.index);
    out.put_u64(link.commit);
    out.put_u32(0);
    let crc = crc32(crc32(link.chain, &out[start..]), payload);
    out.put_u32(crc);
    out.extend_from_slice(payload);
    crc
}

/// A record's header.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// What the record carries.
    pub kind: Kind,
    /// Bytes of its payload.
    pub len: usize,
    /// Its checksum.
    pub crc: u32,
    commit: u64,
    index: u32,
}

impl Header {
    /// The header in these bytes, if there is one; its checksum is not checked yet.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u32()? != MAGIC {
            return None;
        }
        let len = reader.u32()? as usize;
        let kind = Kind::from_byte(reader.u8()?)?;
        if len > MAX_MANIFEST_RECORD_BYTES || reader.u8()? != CRC32 || reader.u16()? != 0 {
            return None;
        }
        let index = reader.u32()?;
        let commit = reader.u64()?;
        if reader.u32()? != 0 {
            return None;
        }
        Some(Self { kind, len, crc: reader.u32()?, commit, index })
    }

    /// Whether the record is the one that belongs here and is whole.
    pub fn is_at(&self, link: Link, bytes: &[u8; HEADER_BYTES], payload: &[u8]) -> bool {
        self.commit == link.commit
            && self.index == link.index
            && crc32(crc32(link.chain, &bytes[..HEADER_BYTES - 4]), payload) == self.crc
    }
}

/// One change, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeRecord<'a> {
    /// New metadata and pages; pages not named stay.
    Put {
        /// Which blob.
        blob: BlobId,
        /// Its metadata.
        meta: &'a [u8],
        /// Pages dropped, ascending.
        dropped: Vec<u32>,
        /// Pages set, ascending.
        set: Vec<PageRef>,
    },
    /// The blob is gone.
    Delete(BlobId),
}

/// Small for frames and extents alike: the top bit moves to the bottom.
const fn short_id(blob: BlobId) -> u64 {
    blob.0.rotate_left(1)
}

fn put_head(out: &mut Vec<u8>, blob: BlobId, meta: &[u8], dropped: &[u32]) {
    out.put_u8(PUT);
    out.put_varint(short_id(blob));
    out.put_string(meta);
    out.put_varint(dropped.len() as u64);
    for page in dropped {
        out.put_u8(*page as u8);
    }
}

/// Appends a change of a blob.
pub fn put_change(out: &mut Vec<u8>, blob: BlobId, meta: &[u8], dropped: &[u32], set: &[PageRef]) {
    put_head(out, blob, meta, dropped);
    for run in runs(set) {
        out.put_varint(run.len() as u64);
        out.put_u8(run[0].page as u8);
        out.put_u32(run[0].place);
        for at in run {
            out.put_u32(at.crc);
        }
    }
    out.put_varint(0);
}

/// Appends the removal of a blob.
pub fn put_delete(out: &mut Vec<u8>, blob: BlobId) {
    out.put_u8(DELETE);
    out.put_varint(short_id(blob));
}

/// Bytes of [`put_change`] for a whole entry.
pub fn entry_len(blob: BlobId, entry: &Entry) -> usize {
    let head = 1 + varint_len(short_id(blob)) + varint_len(entry.meta.len() as u64);
    let pages: usize =
        runs(&entry.pages).map(|run| varint_len(run.len() as u64) + 5 + 4 * run.len()).sum();
    head + entry.meta.len() + 1 + pages + 1
}

/// Splits pages into runs that are consecutive both in the blob and on disk.
fn runs(pages: &[PageRef]) -> impl Iterator<Item = &[PageRef]> {
    pages.chunk_by(|a, b| a.page + 1 == b.page && a.place.checked_add(1) == Some(b.place))
}

/// The next change of a record's payload; `None` if the bytes are no change.
pub fn next_change<'a>(reader: &mut Reader<'a>) -> Option<ChangeRecord<'a>> {
    let tag = reader.u8()?;
    let blob = BlobId(reader.varint()?.rotate_right(1));
    match tag {
        DELETE => Some(ChangeRecord::Delete(blob)),
        PUT => {
            let meta = reader.string(MAX_META_BYTES)?;
            let dropped = next_dropped(reader)?;
            let set = next_pages(reader)?;
            Some(ChangeRecord::Put { blob, meta, dropped, set })
        }
        _ => None,
    }
}

fn next_dropped(reader: &mut Reader<'_>) -> Option<Vec<u32>> {
    let count = usize::try_from(reader.varint()?).ok()?;
    if count > MAX_BLOB_PAGES {
        return None;
    }
    let dropped: Vec<u32> = reader.bytes(count)?.iter().copied().map(u32::from).collect();
    dropped.is_sorted_by(|a, b| a < b).then_some(dropped)
}

fn next_pages(reader: &mut Reader<'_>) -> Option<Vec<PageRef>> {
    let mut set: Vec<PageRef> = Vec::new();
    loop {
        let len = usize::try_from(reader.varint()?).ok()?;
        if len == 0 {
            return Some(set);
        }
        let page = u32::from(reader.u8()?);
        let place = reader.u32()?;
        let fits = page as usize + len <= MAX_BLOB_PAGES
            && u64::from(place) + len as u64 <= u64::from(u32::MAX);
        let ascends = set.last().is_none_or(|last| last.page < page);
        if len > MAX_BLOB_PAGES || !fits || !ascends || place < FIRST_PAGE {
            return None;
        }
        for step in 0..len as u32 {
            set.push(PageRef { page: page + step, place: place + step, crc: reader.u32()? });
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn changes_come_back_and_their_length_is_known() {
        let set: Vec<PageRef> = [(0, 10), (1, 11), (2, 30), (255, 31)]
            .map(|(page, place)| PageRef { page, place, crc: place * 7 })
            .to_vec();
        let blob = BlobId::extent(77);
        let mut out = Vec::new();
        put_change(&mut out, blob, b"meta", &[3, 200], &set);
        put_delete(&mut out, BlobId::frame(5));
        let mut reader = Reader::new(&out);
        let expected =
            ChangeRecord::Put { blob, meta: b"meta", dropped: vec![3, 200], set: set.clone() };
        assert_eq!(next_change(&mut reader), Some(expected));
        assert_eq!(next_change(&mut reader), Some(ChangeRecord::Delete(BlobId::frame(5))));
        assert_eq!(reader.remaining(), 0);

        let entry = Entry { meta: (*b"meta").into(), pages: set.into() };
        let mut out = Vec::new();
        put_change(&mut out, blob, &entry.meta, &[], &entry.pages);
        assert_eq!(out.len(), entry_len(blob, &entry));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_decode_or_are_refused(bytes in proptest::collection::vec(0u8.., 0..600)) {
            let mut reader = Reader::new(&bytes);
            while reader.remaining() > 0 && next_change(&mut reader).is_some() {}
            if let Some(header) = bytes.first_chunk() {
                let _ = Header::decode(header);
            }
        }
    }
}
