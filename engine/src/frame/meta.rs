//! What the manifest keeps of a frame beside its pages.

use alloc::vec::Vec;

use crate::codec::bytes::{Reader, Write};
use crate::ids::{Lsn, TreeId};

/// A frame's metadata: opaque to the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameMeta {
    /// Which tree the frame belongs to.
    pub tree: TreeId,
    /// Its level; 0 holds records.
    pub level: u8,
    /// Live records (level 0) or crossings (above).
    pub live: u32,
    /// Log position of its last change.
    pub lsn: Lsn,
}

impl FrameMeta {
    /// The bytes kept in the manifest.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(17);
        out.put_u32(self.tree);
        out.put_u8(self.level);
        out.put_u32(self.live);
        out.put_u64(self.lsn);
        out
    }

    /// Reads what [`FrameMeta::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let meta = Self {
            tree: reader.u32()?,
            level: reader.u8()?,
            live: reader.u32()?,
            lsn: reader.u64()?,
        };
        (reader.remaining() == 0).then_some(meta)
    }
}
