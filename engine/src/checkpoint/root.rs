//! The root record: what the engine keeps with each published state.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::codec::bytes::{Reader, Write};
use crate::error::{Corruption, CorruptionClass, Result};
use crate::forest::{Forest, Root};
use crate::ids::{TreeId, is_hidden};
use crate::limits::{MAX_FRAMES, MAX_LEVELS, MAX_ROOTS};
use crate::log::LogState;

/// Version of the root record and of the pages it leads to.
pub const ROOT_FORMAT: u8 = 1;

/// Everything a published state says beside its blobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RootRecord {
    /// The log at the cut.
    pub log: LogState,
    /// Number of the next frame.
    pub next_frame: u32,
    /// Number of the next extent.
    pub next_extent: u64,
    /// Roots by tree.
    pub trees: BTreeMap<TreeId, Root>,
}

impl RootRecord {
    /// The record of a forest as it is now; the log's part is left empty.
    pub fn of(forest: &Forest) -> Self {
        let (next_frame, next_extent) = forest.cache.next_ids();
        let trees = (*forest.roots).clone();
        Self { log: LogState::default(), next_frame, next_extent, trees }
    }

    /// The bytes that are published.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.trees.len() * 32);
        out.put_u8(ROOT_FORMAT);
        self.log.encode(&mut out);
        out.put_u32(self.next_frame);
        out.put_u64(self.next_extent);
        out.put_varint(self.trees.len() as u64);
        for (tree, root) in &self.trees {
            out.put_varint(u64::from(*tree));
            out.put_u32(root.frame);
            out.put_u8(root.level);
            out.put_varint(root.records);
            out.put_varint(root.frames);
        }
        out
    }

    /// Reads a published root record; an empty one is that of a new store.
    ///
    /// # Errors
    /// `UnsupportedFormat` for a later version, `Corrupt` of class root for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let damage = || Corruption::new(CorruptionClass::Root, "the root record cannot be read");
        let mut reader = Reader::new(bytes);
        let format = reader.u8().ok_or_else(damage)?;
        if format != ROOT_FORMAT {
            let (found, supported) = (u32::from(format), u32::from(ROOT_FORMAT));
            return Err(crate::error::Error::UnsupportedFormat { found, supported });
        }
        let log = LogState::decode(&mut reader)?;
        let mut record = Self { log, ..Self::default() };
        record.fill(&mut reader).ok_or_else(damage)?;
        Ok(record)
    }

    fn fill(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.next_frame = reader.u32().filter(|&next| next <= MAX_FRAMES)?;
        self.next_extent = reader.u64().filter(|next| next >> 63 == 0)?;
        let count = reader.varint().filter(|&count| count <= MAX_ROOTS as u64)?;
        for _ in 0..count {
            let tree = TreeId::try_from(reader.varint()?).ok().filter(|tree| !is_hidden(*tree))?;
            let frame = reader.u32().filter(|&frame| frame < self.next_frame)?;
            let level = reader.u8().filter(|&level| level < MAX_LEVELS)?;
            let root = Root { frame, level, records: reader.varint()?, frames: reader.varint()? };
            if self.trees.insert(tree, root).is_some() {
                return None;
            }
        }
        (reader.remaining() == 0).then_some(())
    }
}
