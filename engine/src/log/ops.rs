//! The operations of a record: one format for a single write and for a batch.
//!
//! Owns: their encoding. Never does: apply them. A list is a count, then for each operation a
//! tag, the tree and up to two strings; all numbers and lengths are varints.

use alloc::vec::Vec;

use super::record::{HEADER_BYTES, RECORD_ALIGN};
use crate::codec::bytes::{Reader, Write, varint_len};
use crate::error::{Error, Result};
use crate::ids::{TreeId, is_hidden};
use crate::limits::{MAX_BATCH_OPS, MAX_KEY_BYTES, MAX_RECORD_BYTES, MAX_VALUE_BYTES};

const PUT: u8 = 1;
const DELETE: u8 = 2;
const RENAME_PREFIX: u8 = 3;
const DELETE_PREFIX: u8 = 4;
const CREATE_TREE: u8 = 5;
const DROP_TREE: u8 = 6;

/// One operation, borrowed from the caller or from a log record. None of them has a condition:
/// what is logged happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpRef<'a> {
    /// Writes a record, replacing any under the same key.
    Put {
        /// The tree.
        tree: TreeId,
        /// The key.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
    },
    /// Deletes a record; one that is not there is fine.
    Delete {
        /// The tree.
        tree: TreeId,
        /// The key.
        key: &'a [u8],
    },
    /// Removes every record under `dst`, then moves every record under `src` to there. Versions
    /// stay. Neither prefix starts with the other.
    RenamePrefix {
        /// The tree.
        tree: TreeId,
        /// What the keys start with.
        src: &'a [u8],
        /// What they start with afterwards.
        dst: &'a [u8],
    },
    /// Deletes every record whose key starts with a prefix; none is fine.
    DeletePrefix {
        /// The tree.
        tree: TreeId,
        /// The prefix.
        prefix: &'a [u8],
    },
    /// Creates an empty tree.
    CreateTree {
        /// The tree, which does not exist.
        tree: TreeId,
    },
    /// Removes a tree and all its records.
    DropTree {
        /// The tree, which exists.
        tree: TreeId,
    },
}

/// Whether one of two prefixes starts with the other: a rename between them has no meaning.
pub fn overlap(src: &[u8], dst: &[u8]) -> bool {
    src.starts_with(dst) || dst.starts_with(src)
}

impl<'a> OpRef<'a> {
    /// The tree it changes.
    pub const fn tree(&self) -> TreeId {
        match *self {
            Self::Put { tree, .. }
            | Self::Delete { tree, .. }
            | Self::RenamePrefix { tree, .. }
            | Self::DeletePrefix { tree, .. }
            | Self::CreateTree { tree }
            | Self::DropTree { tree } => tree,
        }
    }

    /// Its tag and its strings.
    const fn fields(&self) -> (u8, Option<&'a [u8]>, Option<&'a [u8]>) {
        match *self {
            Self::Put { key, value, .. } => (PUT, Some(key), Some(value)),
            Self::Delete { key, .. } => (DELETE, Some(key), None),
            Self::RenamePrefix { src, dst, .. } => (RENAME_PREFIX, Some(src), Some(dst)),
            Self::DeletePrefix { prefix, .. } => (DELETE_PREFIX, Some(prefix), None),
            Self::CreateTree { .. } => (CREATE_TREE, None, None),
            Self::DropTree { .. } => (DROP_TREE, None, None),
        }
    }

    /// Bytes of its keys, prefixes and value.
    pub fn payload(&self) -> u64 {
        let (_, first, second) = self.fields();
        first.map_or(0, <[u8]>::len) as u64 + second.map_or(0, <[u8]>::len) as u64
    }

    /// Encoded bytes. Computed in 64 bits: a batch may name one long value many times.
    pub fn encoded_len(&self) -> u64 {
        let string = |bytes: &[u8]| (varint_len(bytes.len() as u64) + bytes.len()) as u64;
        let (_, first, second) = self.fields();
        let strings = first.map_or(0, string) + second.map_or(0, string);
        1 + varint_len(self.tree().into()) as u64 + strings
    }

    fn check(&self) -> Result<()> {
        let too_long = |key: &[u8]| key.len() > MAX_KEY_BYTES;
        let (_, first, _) = self.fields();
        if let Some(key) = first.filter(|key| too_long(key)) {
            return Err(Error::KeyTooLong { len: key.len() });
        }
        match *self {
            Self::Put { value, .. } if value.len() > MAX_VALUE_BYTES => {
                return Err(Error::ValueTooLong { len: value.len() });
            }
            Self::RenamePrefix { dst, .. } if too_long(dst) => {
                return Err(Error::KeyTooLong { len: dst.len() });
            }
            Self::RenamePrefix { src, dst, .. } if overlap(src, dst) => {
                let why = "must not start with one another";
                return Err(Error::InvalidArgument { what: "prefixes", why });
            }
            _ => {}
        }
        match is_hidden(self.tree()) {
            true => Err(Error::InvalidArgument { what: "tree", why: "is never logged" }),
            false => Ok(()),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let (tag, first, second) = self.fields();
        out.put_u8(tag);
        out.put_varint(self.tree().into());
        for string in first.into_iter().chain(second) {
            out.put_string(string);
        }
    }
}

/// Bytes of a log record of `count` operations that take `body` bytes together, header and
/// padding included.
pub fn record_len(count: usize, body: u64) -> usize {
    let total = HEADER_BYTES as u64 + varint_len(count as u64) as u64 + body;
    usize::try_from(total.next_multiple_of(RECORD_ALIGN as u64)).unwrap_or(usize::MAX)
}

/// Bytes of the log record that would hold `ops`, header and padding included.
pub fn encoded_len(ops: &[OpRef<'_>]) -> usize {
    record_len(ops.len(), ops.iter().map(OpRef::encoded_len).sum())
}

/// Checks all limits of a record that would hold `ops`; returns its length.
pub fn check_ops(ops: &[OpRef<'_>]) -> Result<usize> {
    if ops.is_empty() {
        return Err(Error::InvalidArgument { what: "batch", why: "must hold an operation" });
    }
    if ops.len() > MAX_BATCH_OPS {
        return Err(Error::BatchTooLarge { len: ops.len() });
    }
    for op in ops {
        op.check()?;
    }
    let bytes = encoded_len(ops);
    if bytes > MAX_RECORD_BYTES {
        return Err(Error::WalRecordTooLarge { bytes, maximum: MAX_RECORD_BYTES });
    }
    // Versions are position plus index, so that they stay inside the record's own positions.
    assert!(bytes > ops.len(), "an operation takes at least two bytes");
    Ok(bytes)
}

/// Appends a list of operations in the format of the log.
pub fn encode_list(ops: &[OpRef<'_>], out: &mut Vec<u8>) {
    out.put_varint(ops.len() as u64);
    for op in ops {
        op.encode(out);
    }
}

/// A checked list of operations in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpsView<'a> {
    count: usize,
    bytes: &'a [u8],
}

impl<'a> OpsView<'a> {
    /// Reads a list from the front of `reader` and checks all of it; `None` if it is not one.
    pub(super) fn decode(reader: &mut Reader<'a>) -> Option<Self> {
        let count = usize::try_from(reader.varint()?).ok()?;
        if count == 0 || count > MAX_BATCH_OPS {
            return None;
        }
        let mut rest = reader.clone();
        for _ in 0..count {
            decode_op(&mut rest)?;
        }
        let bytes = reader.bytes(reader.remaining() - rest.remaining())?;
        Some(Self { count, bytes })
    }

    /// Reads what [`encode_list`] wrote; `None` for any other bytes.
    pub fn decode_list(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        Self::decode(&mut reader).filter(|_| reader.remaining() == 0)
    }

    /// How many operations; never 0.
    #[expect(clippy::len_without_is_empty, reason = "a record never holds an empty list")]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// The operations, in order.
    pub const fn iter(&self) -> OpsIter<'a> {
        OpsIter { reader: Reader::new(self.bytes) }
    }
}

impl<'a> IntoIterator for OpsView<'a> {
    type Item = OpRef<'a>;
    type IntoIter = OpsIter<'a>;

    fn into_iter(self) -> OpsIter<'a> {
        self.iter()
    }
}

/// Iterates the operations of a record.
#[derive(Clone, Debug)]
pub struct OpsIter<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for OpsIter<'a> {
    type Item = OpRef<'a>;

    fn next(&mut self) -> Option<OpRef<'a>> {
        decode_op(&mut self.reader)
    }
}

fn decode_op<'a>(reader: &mut Reader<'a>) -> Option<OpRef<'a>> {
    let tag = reader.u8()?;
    let tree = TreeId::try_from(reader.varint()?).ok().filter(|tree| !is_hidden(*tree))?;
    let mut key = || reader.string(MAX_KEY_BYTES);
    match tag {
        PUT => Some(OpRef::Put { tree, key: key()?, value: reader.string(MAX_VALUE_BYTES)? }),
        DELETE => Some(OpRef::Delete { tree, key: key()? }),
        RENAME_PREFIX => {
            let (src, dst) = (key()?, key()?);
            (!overlap(src, dst)).then_some(OpRef::RenamePrefix { tree, src, dst })
        }
        DELETE_PREFIX => Some(OpRef::DeletePrefix { tree, prefix: key()? }),
        CREATE_TREE => Some(OpRef::CreateTree { tree }),
        DROP_TREE => Some(OpRef::DropTree { tree }),
        _ => None,
    }
}
