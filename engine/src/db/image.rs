//! Checkpoint images: all records of a store as one stream of bytes.
//!
//! Owns: the format, writing and reading it in bounded memory. Never does: touch a store.
//!
//! An image is a header and blocks. The header: `holt.img`, then two `u32`, the format version
//! and the checksum algorithm. A block: a `u8` kind, a `u32` length, the content, and a `u32` CRC of
//! all three; numbers are little-endian. Kinds: *tree* (a name, whose records follow), *records*
//! (each a key, a version and a value; keys ascend through a tree), *end* (three `u64`: trees,
//! records, highest version). Strings have a varint length. Any bytes read as an image or as an
//! error; an image that was cut off has no end.

use alloc::vec::Vec;

use crate::codec::bytes::{Reader, Write};
use crate::codec::checksum::{CRC32, crc32};
use crate::error::{Error, Result};
use crate::limits::{
    IMAGE_BLOCK_BYTES, IMAGE_READ_BYTES, MAX_IMAGE_BLOCK_BYTES, MAX_KEY_BYTES, MAX_TREE_NAME_BYTES,
    MAX_VALUE_BYTES,
};

const MAGIC: [u8; 8] = *b"holt.img";
const FORMAT: u32 = 1;
const HEADER_BYTES: usize = 16;
const BLOCK_HEAD_BYTES: usize = 5;
const CRC_BYTES: usize = 4;

const TREE: u8 = 1;
const RECORDS: u8 = 2;
const END: u8 = 3;

/// What an image holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ImageSummary {
    /// Trees.
    pub trees: u64,
    /// Records of all trees.
    pub records: u64,
    /// The highest version of a record.
    pub max_version: u64,
}

const fn damage(why: &'static str) -> Error {
    Error::InvalidImage { why }
}

/// Writes an image, block by block, into a buffer that is taken from time to time.
pub(super) struct ImageWriter {
    out: Vec<u8>,
    block: Vec<u8>,
    summary: ImageSummary,
}

impl ImageWriter {
    pub fn begin() -> Self {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(&MAGIC);
        out.put_u32(FORMAT);
        out.put_u32(u32::from(CRC32));
        Self { out, block: Vec::new(), summary: ImageSummary::default() }
    }

    /// What was written and not taken yet. Its reader clears what it takes.
    pub fn written(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// The records that follow are of this tree.
    pub fn tree(&mut self, name: &str) {
        self.flush();
        let mut content = Vec::new();
        content.put_string(name.as_bytes());
        self.summary.trees += 1;
        self.put(TREE, &content);
    }

    pub fn record(&mut self, key: &[u8], version: u64, value: &[u8]) {
        if self.block.len() + key.len() + value.len() > IMAGE_BLOCK_BYTES {
            self.flush();
        }
        self.block.put_string(key);
        self.block.put_u64(version);
        self.block.put_string(value);
        self.summary.records += 1;
        self.summary.max_version = self.summary.max_version.max(version);
    }

    /// Nothing may be written after it.
    pub fn end(&mut self) -> ImageSummary {
        self.flush();
        let mut content = Vec::with_capacity(24);
        content.put_u64(self.summary.trees);
        content.put_u64(self.summary.records);
        content.put_u64(self.summary.max_version);
        self.put(END, &content);
        self.summary
    }

    fn flush(&mut self) {
        if self.block.is_empty() {
            return;
        }
        let mut block = core::mem::take(&mut self.block);
        self.put(RECORDS, &block);
        block.clear();
        self.block = block;
    }

    fn put(&mut self, kind: u8, content: &[u8]) {
        let start = self.out.len();
        self.out.put_u8(kind);
        self.out.put_u32(content.len() as u32);
        self.out.extend_from_slice(content);
        let crc = crc32(0, &self.out[start..]);
        self.out.put_u32(crc);
    }
}

/// What takes an image in while it is read.
pub(super) trait ImageTarget {
    /// A tree begins.
    fn tree(&mut self, name: &str) -> Result<()>;
    /// A record of it; keys ascend.
    fn record(&mut self, key: &[u8], version: u64, value: &[u8]) -> Result<()>;
}

/// Takes an image in and keeps nothing.
pub(super) struct Nowhere;

impl ImageTarget for Nowhere {
    fn tree(&mut self, _name: &str) -> Result<()> {
        Ok(())
    }

    fn record(&mut self, _key: &[u8], _version: u64, _value: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// Reads an image from a source that fills as much of a buffer as it can, nothing at its end.
pub(super) fn read(
    source: &mut dyn FnMut(&mut [u8]) -> Result<usize>,
    target: &mut dyn ImageTarget,
) -> Result<ImageSummary> {
    let mut reader = ImageReader::default();
    let mut buf = alloc::vec![0; IMAGE_READ_BYTES];
    loop {
        let count = source(&mut buf)?.min(buf.len());
        if count == 0 {
            return reader.end();
        }
        reader.take(&buf[..count], target)?;
    }
}

/// Reads an image that comes in parts of any size. It holds at most one block.
#[derive(Default)]
pub(super) struct ImageReader {
    /// Bytes of what is not whole yet: the header or a block.
    part: Vec<u8>,
    begun: bool,
    ended: bool,
    state: State,
}

impl ImageReader {
    /// Takes the next bytes in and hands what is whole to `target`.
    pub fn take(&mut self, bytes: &[u8], target: &mut dyn ImageTarget) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.ended {
                return Err(damage("bytes after the end"));
            }
            let needed = self.needed()?;
            let (now, later) = rest.split_at(rest.len().min(needed - self.part.len()));
            self.part.extend_from_slice(now);
            rest = later;
            if self.part.len() == self.needed()? {
                let part = core::mem::take(&mut self.part);
                self.whole(&part, target)?;
                self.part = part;
                self.part.clear();
            }
        }
        Ok(())
    }

    /// Bytes of the header or block at hand, as far as they are known: more than are there, or as
    /// many if it is whole.
    fn needed(&self) -> Result<usize> {
        if !self.begun {
            return Ok(HEADER_BYTES);
        }
        let Some(len) = self.part.get(1..BLOCK_HEAD_BYTES) else { return Ok(BLOCK_HEAD_BYTES) };
        let len = Reader::new(len).u32().unwrap_or(u32::MAX) as usize;
        match len <= MAX_IMAGE_BLOCK_BYTES {
            true => Ok(BLOCK_HEAD_BYTES + len + CRC_BYTES),
            false => Err(damage("a block of impossible length")),
        }
    }

    /// Takes in the header, or a block.
    fn whole(&mut self, part: &[u8], target: &mut dyn ImageTarget) -> Result<()> {
        let mut fields = Reader::new(part);
        if !self.begun {
            self.begun = true;
            if fields.bytes(8) != Some(&MAGIC) {
                return Err(damage("it does not begin as an image does"));
            }
            return match (fields.u32(), fields.u32()) {
                (Some(FORMAT), Some(crc)) if crc == u32::from(CRC32) => Ok(()),
                (Some(found), _) if found > FORMAT => {
                    Err(Error::UnsupportedFormat { found, supported: FORMAT })
                }
                _ => Err(damage("unknown format or checksum algorithm")),
            };
        }
        let bad = || damage("the checksum of a block does not match");
        let (block, crc) = part.split_last_chunk::<CRC_BYTES>().ok_or_else(bad)?;
        let (head, content) = block.split_at_checked(BLOCK_HEAD_BYTES).ok_or_else(bad)?;
        if u32::from_le_bytes(*crc) != crc32(0, block) {
            return Err(bad());
        }
        self.ended = self.state.block(head[0], content, target)?;
        Ok(())
    }

    /// The image must be whole.
    pub fn end(self) -> Result<ImageSummary> {
        match self.ended {
            true => Ok(self.state.summary),
            false => Err(damage("it is cut off")),
        }
    }
}

/// How far reading an image is.
#[derive(Default)]
struct State {
    summary: ImageSummary,
    in_tree: bool,
    last_key: Option<Vec<u8>>,
}

impl State {
    /// Takes one block in; whether it was the end.
    fn block(&mut self, kind: u8, block: &[u8], target: &mut dyn ImageTarget) -> Result<bool> {
        let mut fields = Reader::new(block);
        match kind {
            TREE => {
                let name = fields.string(MAX_TREE_NAME_BYTES).filter(|_| fields.remaining() == 0);
                let name = name.and_then(|name| core::str::from_utf8(name).ok());
                let name = name.ok_or_else(|| damage("a tree without a name"))?;
                self.summary.trees += 1;
                (self.in_tree, self.last_key) = (true, None);
                target.tree(name)?;
            }
            RECORDS if self.in_tree => {
                while fields.remaining() > 0 {
                    self.record(&mut fields, target)?;
                }
            }
            END => {
                let found = (fields.u64(), fields.u64(), fields.u64(), fields.remaining());
                let ImageSummary { trees, records, max_version } = self.summary;
                return match found == (Some(trees), Some(records), Some(max_version), 0) {
                    true => Ok(true),
                    false => Err(damage("its end does not count what it holds")),
                };
            }
            _ => return Err(damage("a block of an unknown kind or out of place")),
        }
        Ok(false)
    }

    fn record(&mut self, fields: &mut Reader<'_>, target: &mut dyn ImageTarget) -> Result<()> {
        let bad = || damage("a record cannot be read");
        let key = fields.string(MAX_KEY_BYTES).ok_or_else(bad)?;
        let version = fields.u64().ok_or_else(bad)?;
        let value = fields.string(MAX_VALUE_BYTES).ok_or_else(bad)?;
        if self.last_key.as_deref().is_some_and(|last| last >= key) {
            return Err(damage("its keys do not ascend"));
        }
        let last = self.last_key.get_or_insert_default();
        last.clear();
        last.extend_from_slice(key);
        self.summary.records += 1;
        self.summary.max_version = self.summary.max_version.max(version);
        target.record(key, version, value)
    }
}

/// A checkpoint image in memory.
///
/// ```
/// let db = holt_engine::db::DB::memory()?;
/// use holt_engine::db::CheckpointImage;
///
/// let bytes = db.export_checkpoint()?.into_bytes();
/// assert!(CheckpointImage::from_bytes(bytes.clone()).validate().is_ok());
/// let cut = CheckpointImage::from_bytes(bytes[..bytes.len() - 1].to_vec());
/// assert!(cut.validate().is_err());
/// # Ok::<(), holt_engine::error::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointImage {
    bytes: Vec<u8>,
}

impl CheckpointImage {
    /// Bytes that came from [`CheckpointImage::as_bytes`]; [`CheckpointImage::validate`] says
    /// whether they did.
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// The image's bytes, to keep or to send.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The image's bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Checks the whole image: form, checksums, order, counts.
    ///
    /// # Errors
    /// `InvalidImage`; `UnsupportedFormat` for an image of a later version.
    pub fn validate(&self) -> Result<ImageSummary> {
        read(&mut slice_source(&self.bytes), &mut Nowhere)
    }
}

/// A source that reads from bytes in memory.
pub(super) fn slice_source(bytes: &[u8]) -> impl FnMut(&mut [u8]) -> Result<usize> + '_ {
    let mut rest = bytes;
    move |buf| {
        let count = buf.len().min(rest.len());
        let (now, later) = rest.split_at(count);
        buf[..count].copy_from_slice(now);
        rest = later;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> CheckpointImage {
        let mut writer = ImageWriter::begin();
        writer.tree("first");
        for at in 0..50u8 {
            writer.record(&[at], u64::from(at) * 8, &alloc::vec![at; 3000 * usize::from(at)]);
        }
        writer.tree("empty");
        writer.tree("last");
        writer.record(b"", 7, b"");
        let summary = writer.end();
        assert_eq!(summary, ImageSummary { trees: 3, records: 51, max_version: 49 * 8 });
        CheckpointImage::from_bytes(core::mem::take(writer.written()))
    }

    #[test]
    fn a_written_image_is_valid_and_says_what_it_holds() {
        let summary = sample().validate().unwrap();
        assert_eq!(summary, ImageSummary { trees: 3, records: 51, max_version: 49 * 8 });
    }

    #[test]
    fn a_block_is_full_before_it_is_over_its_size() {
        for (over, blocks) in [(0, 0), (1, 1)] {
            let mut writer = ImageWriter::begin();
            writer.tree("tree");
            writer.record(&[0; 1000], 8, &[1; 2000]);
            let left = IMAGE_BLOCK_BYTES - writer.block.len();
            let begun = writer.written().len();
            writer.record(&alloc::vec![1; left - 40_000 + over], 16, &[2; 40_000]);
            assert_eq!(usize::from(writer.written().len() > begun), blocks, "{over} bytes over");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "too long for Miri")]
    fn every_flip_cut_and_tail_is_noticed() {
        let bytes = sample().into_bytes();
        for at in (0..bytes.len()).step_by(997).chain(0..200).chain(bytes.len() - 60..bytes.len()) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            assert!(CheckpointImage::from_bytes(flipped).validate().is_err(), "flip at {at}");
            assert!(
                CheckpointImage::from_bytes(bytes[..at].into()).validate().is_err(),
                "cut at {at}"
            );
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(CheckpointImage::from_bytes(longer).validate().is_err());
    }
}
