//! What the manifest keeps of a frame beside its pages.

use alloc::vec::Vec;

use crate::codec::bytes::{Reader, Write};
use crate::ids::{Lsn, TreeId};
use crate::limits::{MAX_INLINE_KEY_BYTES, MAX_INLINE_RECORD_BYTES};
use crate::node::record::{RECORD_HEADER, REFERENCE_BYTES};
use crate::node::{Record, Value};

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
    /// Which forms its records have (level 0).
    pub forms: Forms,
}

const LONG_KEYS: u8 = 1;
const EXTENTS: u8 = 2;

impl FrameMeta {
    /// The bytes kept in the manifest.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(20);
        out.put_u32(self.tree);
        out.put_u8(self.level);
        out.put_u32(self.live);
        out.put_u64(self.lsn);
        out.put_u16(self.forms.reach);
        let long_keys = u8::from(self.forms.long_keys) * LONG_KEYS;
        out.put_u8(long_keys + u8::from(self.forms.extents) * EXTENTS);
        out
    }

    /// Reads what [`FrameMeta::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let (tree, level) = (reader.u32()?, reader.u8()?);
        let (live, lsn, reach) = (reader.u32()?, reader.u64()?, reader.u16()?);
        let flags = reader.u8().filter(|flags| flags & !(LONG_KEYS | EXTENTS) == 0)?;
        let forms =
            Forms { reach, long_keys: flags & LONG_KEYS != 0, extents: flags & EXTENTS != 0 };
        (reader.remaining() == 0).then_some(Self { tree, level, live, lsn, forms })
    }
}

/// Which forms the records of a leaf frame have, so that the frame can be moved to other keys,
/// or dropped, without reading its pages. It may say more than is there, never less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forms {
    /// Records of short keys keep their form while their keys grow by no more bytes than this
    /// is below [`MAX_INLINE_KEY_BYTES`].
    pub reach: u16,
    /// There are records of long keys.
    pub long_keys: bool,
    /// There are values in extents.
    pub extents: bool,
}

impl Forms {
    /// The form of one record, whose whole key has `key_len` bytes.
    pub fn of(record: &Record<'_>, key_len: usize) -> Self {
        let (inline, extents) = match record.value {
            Value::Inline(bytes) => (bytes.len(), false),
            Value::Extent { .. } => (0, true),
        };
        if record.long.is_some() {
            return Self { reach: 0, long_keys: true, extents };
        }
        // A key of the greatest length leaves a record this much room for a value.
        const BESIDE: usize = MAX_INLINE_RECORD_BYTES - RECORD_HEADER - MAX_INLINE_KEY_BYTES;
        let value = if inline > REFERENCE_BYTES { inline - BESIDE } else { 0 };
        let reach = (key_len + value).min(usize::from(u16::MAX)) as u16;
        Self { reach, long_keys: false, extents }
    }

    /// The forms of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            reach: self.reach.max(other.reach),
            long_keys: self.long_keys || other.long_keys,
            extents: self.extents || other.extents,
        }
    }

    /// Whether everything that `other` says is said here.
    pub fn cover(self, other: Self) -> bool {
        self.and(other) == self
    }

    /// The forms once all keys, which start with `from` bytes to be replaced, start with `to`
    /// bytes instead; `None` if some record may not keep its form.
    pub fn moved(self, from: usize, to: usize) -> Option<Self> {
        let reach = (usize::from(self.reach) + to).saturating_sub(from);
        let fits = !self.long_keys && (to <= from || reach <= MAX_INLINE_KEY_BYTES);
        fits.then_some(Self { reach: reach.min(usize::from(u16::MAX)) as u16, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::LongKey;
    use crate::node::record::{is_long, value_moves};

    #[test]
    fn forms_tell_exactly_how_far_a_key_may_grow() {
        for value_len in [0, 12, 13, 100, 900, 1014, 1027] {
            let value = alloc::vec![0; value_len];
            for key_len in [0, 1, 10, 500, 1000, 1024] {
                if value_moves(key_len, value_len) {
                    continue;
                }
                let record =
                    Record { version: 0, suffix: &[], long: None, value: Value::Inline(&value) };
                let forms = Forms::of(&record, key_len);
                for growth in [1, 3, 13, 100, 924, 1013, 1023, 1024] {
                    let grown = key_len + growth;
                    let stays = !is_long(grown) && !value_moves(grown, value_len);
                    assert_eq!(forms.moved(7, 7 + growth).is_some(), stays, "{key_len} {growth}");
                }
                assert!(forms.moved(900, 3).is_some());
            }
        }
        let long = Some(LongKey { extent: 1, len: 2000 });
        let record = Record { version: 0, suffix: &[], long, value: Value::Inline(&[]) };
        assert_eq!(Forms::of(&record, 2000).moved(3, 3), None);
    }

    #[test]
    fn metadata_comes_back_and_nothing_else_does() {
        let forms = Forms { reach: 1024, long_keys: true, extents: false };
        let meta = FrameMeta { tree: 7, level: 2, live: 9, lsn: 1 << 40, forms };
        let mut bytes = meta.encode();
        assert_eq!(FrameMeta::decode(&bytes), Some(meta));
        assert_eq!(FrameMeta::decode(&bytes[..19]), None);
        bytes[19] = 4;
        assert_eq!(FrameMeta::decode(&bytes), None);
    }
}
