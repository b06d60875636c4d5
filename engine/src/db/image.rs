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
    IMAGE_BLOCK_BYTES, MAX_IMAGE_BLOCK_BYTES, MAX_KEY_BYTES, MAX_TREE_NAME_BYTES, MAX_VALUE_BYTES,
};

const MAGIC: [u8; 8] = *b"holt.img";
const FORMAT: u32 = 1;
const HEADER_BYTES: usize = 16;
const BLOCK_HEAD_BYTES: usize = 5;

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

/// Writes an image to a sink, block by block.
pub(super) struct ImageWriter<'s> {
    sink: &'s mut dyn FnMut(&[u8]) -> Result<()>,
    block: Vec<u8>,
    summary: ImageSummary,
}

impl<'s> ImageWriter<'s> {
    pub fn begin(sink: &'s mut dyn FnMut(&[u8]) -> Result<()>) -> Result<Self> {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(&MAGIC);
        header.put_u32(FORMAT);
        header.put_u32(u32::from(CRC32));
        sink(&header)?;
        Ok(Self { sink, block: Vec::new(), summary: ImageSummary::default() })
    }

    /// The records that follow are of this tree.
    pub fn tree(&mut self, name: &str) -> Result<()> {
        self.flush()?;
        let mut content = Vec::new();
        content.put_string(name.as_bytes());
        self.summary.trees += 1;
        self.put(TREE, &content)
    }

    pub fn record(&mut self, key: &[u8], version: u64, value: &[u8]) -> Result<()> {
        if self.block.len() + key.len() + value.len() > IMAGE_BLOCK_BYTES {
            self.flush()?;
        }
        self.block.put_string(key);
        self.block.put_u64(version);
        self.block.put_string(value);
        self.summary.records += 1;
        self.summary.max_version = self.summary.max_version.max(version);
        Ok(())
    }

    pub fn end(mut self) -> Result<ImageSummary> {
        self.flush()?;
        let mut content = Vec::with_capacity(24);
        content.put_u64(self.summary.trees);
        content.put_u64(self.summary.records);
        content.put_u64(self.summary.max_version);
        self.put(END, &content)?;
        Ok(self.summary)
    }

    fn flush(&mut self) -> Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let mut block = core::mem::take(&mut self.block);
        self.put(RECORDS, &block)?;
        block.clear();
        self.block = block;
        Ok(())
    }

    fn put(&mut self, kind: u8, content: &[u8]) -> Result<()> {
        let mut head = Vec::with_capacity(BLOCK_HEAD_BYTES);
        head.put_u8(kind);
        head.put_u32(content.len() as u32);
        let crc = crc32(crc32(0, &head), content);
        (self.sink)(&head)?;
        (self.sink)(content)?;
        (self.sink)(&crc.to_le_bytes())
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
struct Nowhere;

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
    let mut header = [0; HEADER_BYTES];
    fill(source, &mut header)?;
    let mut fields = Reader::new(&header);
    if fields.bytes(8) != Some(&MAGIC) {
        return Err(damage("it does not begin as an image does"));
    }
    match (fields.u32(), fields.u32()) {
        (Some(FORMAT), Some(crc)) if crc == u32::from(CRC32) => {}
        (Some(found), _) if found > FORMAT => {
            return Err(Error::UnsupportedFormat { found, supported: FORMAT });
        }
        _ => return Err(damage("unknown format or checksum algorithm")),
    }
    let mut state = State::default();
    let mut block = Vec::new();
    loop {
        let kind = read_block(source, &mut block)?;
        if state.block(kind, &block, target)? {
            let mut more = [0];
            return match source(&mut more)? {
                0 => Ok(state.summary),
                _ => Err(damage("bytes after the end")),
            };
        }
    }
}

fn fill(source: &mut dyn FnMut(&mut [u8]) -> Result<usize>, buf: &mut [u8]) -> Result<()> {
    let mut done = 0;
    while done < buf.len() {
        match source(&mut buf[done..])? {
            0 => return Err(damage("it is cut off")),
            count => done += count.min(buf.len() - done),
        }
    }
    Ok(())
}

fn read_block(
    source: &mut dyn FnMut(&mut [u8]) -> Result<usize>,
    block: &mut Vec<u8>,
) -> Result<u8> {
    let mut head = [0; BLOCK_HEAD_BYTES];
    fill(source, &mut head)?;
    let mut fields = Reader::new(&head);
    let (Some(kind), Some(len)) = (fields.u8(), fields.u32()) else {
        return Err(damage("a block without a head"));
    };
    if len as usize > MAX_IMAGE_BLOCK_BYTES {
        return Err(damage("a block of impossible length"));
    }
    block.clear();
    block.resize(len as usize, 0);
    fill(source, block)?;
    let mut crc = [0; 4];
    fill(source, &mut crc)?;
    match u32::from_le_bytes(crc) == crc32(crc32(0, &head), block) {
        true => Ok(kind),
        false => Err(damage("the checksum of a block does not match")),
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
        let mut bytes = Vec::new();
        let mut sink = |part: &[u8]| {
            bytes.extend_from_slice(part);
            Ok(())
        };
        let mut writer = ImageWriter::begin(&mut sink).unwrap();
        writer.tree("first").unwrap();
        for at in 0..50u8 {
            writer
                .record(&[at], u64::from(at) * 8, &alloc::vec![at; 3000 * usize::from(at)])
                .unwrap();
        }
        writer.tree("empty").unwrap();
        writer.tree("last").unwrap();
        writer.record(b"", 7, b"").unwrap();
        let summary = writer.end().unwrap();
        assert_eq!(summary, ImageSummary { trees: 3, records: 51, max_version: 49 * 8 });
        CheckpointImage::from_bytes(bytes)
    }

    #[test]
    fn a_written_image_is_valid_and_says_what_it_holds() {
        let summary = sample().validate().unwrap();
        assert_eq!(summary, ImageSummary { trees: 3, records: 51, max_version: 49 * 8 });
    }

    #[test]
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
