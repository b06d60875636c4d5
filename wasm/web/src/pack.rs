//! The packed forms: a page of scan entries on the way out, a batch on the way in.
//!
//! A page of `n` entries, little-endian, eight-byte aligned from its start:
//! `n` versions (u64), `n` key lengths (u32), `n` value lengths (u32), then for each entry its
//! key and its value, then the page token. A roll-up has [`ROLL_UP`] for its value length and
//! version 0.
//!
//! A batch: for each operation its kind (u8, see [`kind`]), the number of its tree (u16, 0 for a
//! batch of one tree), two lengths (u32 each) and a version (u64, 0 if the kind has none),
//! little-endian, then the bytes of the two lengths: key and value, source and destination, or
//! a prefix. Names of trees: for each its length (u32) and its bytes; parts of trees: for each its
//! name and its prefix, both in that form.

use holt_engine::db::{AtomicBatch, DBAtomicBatch, KeyRangeEntry, RangeEntry};
use holt_engine::error::Error;
use holt_engine::ids::RecordVersion;
use holt_engine::limits::{MAX_BATCH_OPS, MAX_TREES};

/// The value length that marks a roll-up.
pub const ROLL_UP: u32 = u32::MAX;

/// Bytes of an operation beside its two pieces.
pub const OP_HEADER_BYTES: usize = 19;
/// Bytes of a name beside itself.
pub const NAME_HEADER_BYTES: usize = 4;

/// The error of input that JavaScript did not pack as it must.
pub const NOT_PACKED: Error =
    Error::InvalidArgument { what: "batch", why: "not in the packed form" };

/// Kinds of operations.
mod kind {
    pub const DELETE: u8 = 0;
    pub const PUT: u8 = 1;
    pub const PUT_IF_ABSENT: u8 = 2;
    pub const COMPARE_AND_PUT: u8 = 3;
    pub const DELETE_IF_VERSION: u8 = 4;
    pub const ASSERT_VERSION: u8 = 5;
    pub const ASSERT_ABSENT: u8 = 6;
    pub const ASSERT_PREFIX_EMPTY: u8 = 7;
    pub const RENAME: u8 = 8;
    pub const RENAME_FORCED: u8 = 9;
    pub const RENAME_PREFIX: u8 = 10;
    pub const RENAME_PREFIX_FORCED: u8 = 11;
    pub const DELETE_PREFIX: u8 = 12;
}

/// The version, key and value of an entry; no value for a roll-up.
type Parts<'a> = (u64, &'a [u8], Option<&'a [u8]>);

/// One entry of a page, of either kind of scan.
pub trait Entry {
    /// The parts; `None` for an entry of a kind this crate does not know.
    fn parts(&self) -> Option<Parts<'_>>;
}

impl Entry for RangeEntry {
    fn parts(&self) -> Option<Parts<'_>> {
        match self {
            Self::Key { key, value, version } => Some((version.as_u64(), key, Some(value))),
            Self::CommonPrefix(prefix) => Some((0, prefix, None)),
            _ => None,
        }
    }
}

impl Entry for KeyRangeEntry {
    fn parts(&self) -> Option<Parts<'_>> {
        match self {
            Self::Key { key, version } => Some((version.as_u64(), key, Some(&[]))),
            Self::CommonPrefix(prefix) => Some((0, prefix, None)),
            _ => None,
        }
    }
}

/// Writes a page into `out`, replacing what was there.
///
/// # Errors
/// `InvalidArgument` if the engine returned a kind of entry this crate does not know.
pub fn page<E: Entry>(entries: &[E], token: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), Error> {
    let unknown =
        || Error::InvalidArgument { what: "scan", why: "unknown kind of entry; rebuild holt-web" };
    let mut bytes = entries.len() * 16 + token.map_or(0, <[u8]>::len);
    for entry in entries {
        let (_, key, value) = entry.parts().ok_or_else(unknown)?;
        bytes += key.len() + value.map_or(0, <[u8]>::len);
    }
    out.clear();
    out.reserve(bytes);
    for (version, ..) in entries.iter().filter_map(Entry::parts) {
        out.extend_from_slice(&version.to_le_bytes());
    }
    for (_, key, _) in entries.iter().filter_map(Entry::parts) {
        out.extend_from_slice(&(key.len() as u32).to_le_bytes());
    }
    for (.., value) in entries.iter().filter_map(Entry::parts) {
        let length = value.map_or(ROLL_UP, |value| value.len() as u32);
        out.extend_from_slice(&length.to_le_bytes());
    }
    for (_, key, value) in entries.iter().filter_map(Entry::parts) {
        out.extend_from_slice(key);
        out.extend_from_slice(value.unwrap_or_default());
    }
    out.extend_from_slice(token.unwrap_or_default());
    Ok(())
}

/// One operation of a packed batch.
#[derive(Debug, PartialEq, Eq)]
pub struct Op<'a> {
    kind: u8,
    /// Key, source or prefix.
    first: &'a [u8],
    /// Value or destination.
    second: &'a [u8],
    version: RecordVersion,
}

macro_rules! add {
    ($op:ident, $batch:ident $(, $tree:ident)?) => {{
        let Op { kind, first, second, version } = *$op;
        match kind {
            kind::DELETE => $batch.delete($($tree,)? first),
            kind::PUT => $batch.put($($tree,)? first, second),
            kind::PUT_IF_ABSENT => $batch.put_if_absent($($tree,)? first, second),
            kind::COMPARE_AND_PUT => $batch.compare_and_put($($tree,)? first, version, second),
            kind::DELETE_IF_VERSION => $batch.delete_if_version($($tree,)? first, version),
            kind::ASSERT_VERSION => $batch.assert_version($($tree,)? first, version),
            kind::ASSERT_ABSENT => $batch.assert_absent($($tree,)? first),
            kind::ASSERT_PREFIX_EMPTY => $batch.assert_prefix_empty($($tree,)? first),
            kind::RENAME => $batch.rename($($tree,)? first, second, false),
            kind::RENAME_FORCED => $batch.rename($($tree,)? first, second, true),
            kind::RENAME_PREFIX => $batch.rename_prefix($($tree,)? first, second, false),
            kind::RENAME_PREFIX_FORCED => $batch.rename_prefix($($tree,)? first, second, true),
            // The last of the kinds that `operation` lets through.
            _ => $batch.delete_prefix($($tree,)? first),
        }
    }};
}

impl Op<'_> {
    /// Adds the operation to a batch of one tree.
    pub fn add_to(&self, batch: &mut AtomicBatch) {
        add!(self, batch);
    }

    /// Adds the operation to a batch of several trees, for the tree of this name.
    pub fn add_to_tree(&self, batch: &mut DBAtomicBatch, tree: &str) {
        add!(self, batch, tree);
    }
}

/// Reads a packed batch: each operation with the number of its tree.
///
/// # Errors
/// `BatchTooLarge` over the limit, `InvalidArgument` if the bytes are not a batch.
pub fn batch(mut bytes: &[u8]) -> Result<Vec<(u16, Op<'_>)>, Error> {
    let mut ops = Vec::new();
    while !bytes.is_empty() {
        let (op, rest) = operation(bytes).ok_or(NOT_PACKED)?;
        if ops.len() == MAX_BATCH_OPS {
            return Err(Error::BatchTooLarge { len: ops.len() + 1 });
        }
        ops.push(op);
        bytes = rest;
    }
    Ok(ops)
}

/// A key and a value.
type Pair<'a> = (&'a [u8], &'a [u8]);

/// Reads a packed batch of puts: keys and values.
///
/// # Errors
/// Those of [`batch`].
pub fn records(bytes: &[u8]) -> Result<Vec<Pair<'_>>, Error> {
    batch(bytes)?
        .into_iter()
        .map(|(_, op)| (op.kind == kind::PUT).then_some((op.first, op.second)).ok_or(NOT_PACKED))
        .collect()
}

/// Reads packed names of trees.
///
/// # Errors
/// `InvalidArgument` if the bytes are not names, or too many.
pub fn names(mut bytes: &[u8]) -> Result<Vec<&str>, Error> {
    let mut names = Vec::new();
    while !bytes.is_empty() {
        let (name, rest) = name(bytes).filter(|_| names.len() < MAX_TREES).ok_or(NOT_PACKED)?;
        names.push(name);
        bytes = rest;
    }
    Ok(names)
}

/// Reads packed parts of trees: names and prefixes.
///
/// # Errors
/// `InvalidArgument` if the bytes are not names and prefixes, or too many.
pub fn scopes(mut bytes: &[u8]) -> Result<Vec<(&str, &[u8])>, Error> {
    let mut scopes = Vec::new();
    while !bytes.is_empty() {
        let scope = name(bytes).and_then(|(name, rest)| Some((name, framed(rest)?)));
        let (name, (prefix, rest)) =
            scope.filter(|_| scopes.len() < MAX_TREES).ok_or(NOT_PACKED)?;
        scopes.push((name, prefix));
        bytes = rest;
    }
    Ok(scopes)
}

fn framed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<NAME_HEADER_BYTES>()?;
    rest.split_at_checked(u32::from_le_bytes(*len) as usize)
}

fn name(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (name, rest) = framed(bytes)?;
    Some((core::str::from_utf8(name).ok()?, rest))
}

fn operation(bytes: &[u8]) -> Option<((u16, Op<'_>), &[u8])> {
    let (&[kind], rest) = bytes.split_first_chunk()?;
    let (tree, rest) = rest.split_first_chunk()?;
    let (first_len, rest) = rest.split_first_chunk()?;
    let (second_len, rest) = rest.split_first_chunk()?;
    let (version, rest) = rest.split_first_chunk()?;
    let (first, rest) = rest.split_at_checked(u32::from_le_bytes(*first_len) as usize)?;
    let (second, rest) = rest.split_at_checked(u32::from_le_bytes(*second_len) as usize)?;
    let version = RecordVersion::from_raw(u64::from_le_bytes(*version));
    let op = Op { kind, first, second, version };
    (kind <= kind::DELETE_PREFIX).then_some(((u16::from_le_bytes(*tree), op), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_versions_lengths_bytes_and_the_token() {
        let entries = [
            RangeEntry::Key {
                key: b"a".to_vec(),
                value: b"xy".to_vec(),
                version: RecordVersion::from_raw(258),
            },
            RangeEntry::CommonPrefix(b"b/".to_vec()),
        ];
        let mut out = vec![9; 3];
        page(&entries, Some(b"token"), &mut out).expect("known entries");
        let mut expected = Vec::new();
        expected.extend_from_slice(&258u64.to_le_bytes());
        expected.extend_from_slice(&0u64.to_le_bytes());
        for word in [1, 2, 2, ROLL_UP] {
            expected.extend_from_slice(&u32::to_le_bytes(word));
        }
        expected.extend_from_slice(b"axyb/token");
        assert_eq!(out, expected);
    }

    /// A packed operation.
    fn packed(kind: u8, tree: u16, first: &[u8], second: &[u8], version: u64) -> Vec<u8> {
        let mut out = vec![kind];
        out.extend_from_slice(&tree.to_le_bytes());
        out.extend_from_slice(&(first.len() as u32).to_le_bytes());
        out.extend_from_slice(&(second.len() as u32).to_le_bytes());
        out.extend_from_slice(&version.to_le_bytes());
        assert_eq!(out.len(), OP_HEADER_BYTES);
        [&out, first, second].concat()
    }

    fn op<'a>(kind: u8, first: &'a [u8], second: &'a [u8], version: u64) -> Op<'a> {
        Op { kind, first, second, version: RecordVersion::from_raw(version) }
    }

    #[test]
    fn a_batch_reads_back() {
        let bytes = [
            packed(kind::PUT, 0, b"k", b"vw", 0),
            packed(kind::COMPARE_AND_PUT, 513, b"", b"v", 77),
        ]
        .concat();
        let expected = vec![(0, op(1, b"k", b"vw", 0)), (513, op(3, b"", b"v", 77))];
        assert_eq!(batch(&bytes), Ok(expected));
        assert_eq!(records(&bytes), Err(NOT_PACKED));
        let (key, value) = (&b"k"[..], &b"vw"[..]);
        assert_eq!(records(&packed(kind::PUT, 0, key, value, 0)), Ok(vec![(key, value)]));
    }

    #[test]
    fn every_cut_of_a_batch_is_refused_or_shorter() {
        let first = packed(kind::PUT, 0, b"k", b"vw", 0);
        let bytes = [first.clone(), packed(kind::DELETE, 0, b"", b"", 0)].concat();
        for cut in 0..bytes.len() {
            match batch(&bytes[..cut]) {
                Ok(ops) => assert!(cut == 0 && ops.is_empty() || cut == 22 && ops.len() == 1),
                Err(error) => assert_eq!(error, NOT_PACKED),
            }
        }
        assert_eq!(batch(&packed(kind::DELETE_PREFIX + 1, 0, b"", b"", 0)), Err(NOT_PACKED));
        assert_eq!(batch(&[[0; 3].as_slice(), &[255; 16]].concat()), Err(NOT_PACKED));
    }

    #[test]
    fn names_read_back_and_are_bounded() {
        let bytes = [&2_u32.to_le_bytes()[..], "é".as_bytes(), &[0; 4]].concat();
        assert_eq!(names(&bytes), Ok(vec!["é", ""]));
        assert_eq!(names(&bytes[..5]), Err(NOT_PACKED));
        assert_eq!(names(&[1, 0, 0, 0, 0xff]), Err(NOT_PACKED), "not UTF-8");
        assert_eq!(names(&vec![0; 4 * (MAX_TREES + 1)]), Err(NOT_PACKED));
    }

    #[test]
    fn scopes_read_back_and_are_bounded() {
        let bytes = [&[1, 0, 0, 0, b't'][..], &[2, 0, 0, 0, 0xff, 0], &[0; 8]].concat();
        assert_eq!(scopes(&bytes), Ok(vec![("t", &[0xff, 0][..]), ("", &[])]));
        assert_eq!(scopes(&bytes[..15]), Err(NOT_PACKED), "a name without a prefix");
        assert_eq!(scopes(&vec![0; 8 * (MAX_TREES + 1)]), Err(NOT_PACKED));
    }

    #[test]
    fn limits_hold() {
        let many = vec![0; OP_HEADER_BYTES * (MAX_BATCH_OPS + 1)];
        assert_eq!(batch(&many), Err(Error::BatchTooLarge { len: MAX_BATCH_OPS + 1 }));
    }
}
