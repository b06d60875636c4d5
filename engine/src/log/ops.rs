//! The operations of a record: one format for a single write and for a batch.
//!
//! Owns: their encoding. Never does: apply them. A list is a count, then for each operation a
//! tag, the tree, the key and for a put the value; all numbers and lengths are varints.

use alloc::vec::Vec;

use super::record::{HEADER_BYTES, RECORD_ALIGN};
use crate::codec::bytes::{Reader, Write, varint_len};
use crate::error::{Error, Result};
use crate::ids::TreeId;
use crate::limits::{MAX_BATCH_OPS, MAX_KEY_BYTES, MAX_RECORD_BYTES, MAX_VALUE_BYTES};

const PUT: u8 = 1;
const DELETE: u8 = 2;

/// One operation, borrowed from the caller or from a log record.
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
}

impl OpRef<'_> {
    /// Encoded bytes. Computed in 64 bits: a batch may name one long value many times.
    fn encoded_len(&self) -> u64 {
        let string = |bytes: &[u8]| (varint_len(bytes.len() as u64) + bytes.len()) as u64;
        let head = |tree: TreeId, key: &[u8]| 1 + varint_len(tree.into()) as u64 + string(key);
        match *self {
            Self::Put { tree, key, value } => head(tree, key) + string(value),
            Self::Delete { tree, key } => head(tree, key),
        }
    }

    fn check(&self) -> Result<()> {
        let (key, value) = match *self {
            Self::Put { key, value, .. } => (key, value),
            Self::Delete { key, .. } => (key, &[][..]),
        };
        if key.len() > MAX_KEY_BYTES {
            return Err(Error::KeyTooLong { len: key.len() });
        }
        if value.len() > MAX_VALUE_BYTES {
            return Err(Error::ValueTooLong { len: value.len() });
        }
        Ok(())
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Put { tree, key, value } => {
                out.put_u8(PUT);
                out.put_varint(tree.into());
                out.put_string(key);
                out.put_string(value);
            }
            Self::Delete { tree, key } => {
                out.put_u8(DELETE);
                out.put_varint(tree.into());
                out.put_string(key);
            }
        }
    }
}

/// Bytes of the log record that would hold `ops`, header and padding included.
pub fn encoded_len(ops: &[OpRef<'_>]) -> usize {
    let body: u64 = ops.iter().map(OpRef::encoded_len).sum();
    let total = HEADER_BYTES as u64 + varint_len(ops.len() as u64) as u64 + body;
    usize::try_from(total.next_multiple_of(RECORD_ALIGN as u64)).unwrap_or(usize::MAX)
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
    assert!(bytes > ops.len(), "an operation takes at least three bytes");
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
    let tree = TreeId::try_from(reader.varint()?).ok()?;
    let key = reader.string(MAX_KEY_BYTES)?;
    match tag {
        PUT => Some(OpRef::Put { tree, key, value: reader.string(MAX_VALUE_BYTES)? }),
        DELETE => Some(OpRef::Delete { tree, key }),
        _ => None,
    }
}
