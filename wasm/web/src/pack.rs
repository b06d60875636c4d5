//! The packed forms: a page of scan entries on the way out, a batch on the way in.
//!
//! A page of `n` entries, little-endian, eight-byte aligned from its start:
//! `n` versions (u64), `n` key lengths (u32), `n` value lengths (u32), then for each entry its
//! key and its value, then the key to continue after. A roll-up has [`ROLL_UP`] for its value
//! length and version 0.
//!
//! A batch: for each operation its kind (u8: 0 delete, 1 put), key length and value length (u32
//! each, little-endian), then the key and the value.

use holt_engine::db::{KeyRangeEntry, RangeEntry};
use holt_engine::error::Error;
use holt_engine::limits::{MAX_BATCH_OPS, MAX_RECORD_BYTES};

/// The value length that marks a roll-up.
pub const ROLL_UP: u32 = u32::MAX;

const OP_HEADER_BYTES: usize = 9;

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
pub fn page<E: Entry>(entries: &[E], next: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), Error> {
    let unknown =
        || Error::InvalidArgument { what: "scan", why: "unknown kind of entry; rebuild holt-web" };
    let mut bytes = entries.len() * 16 + next.map_or(0, <[u8]>::len);
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
    out.extend_from_slice(next.unwrap_or_default());
    Ok(())
}

/// One operation of a packed batch.
#[derive(Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// Writes a record.
    Put(&'a [u8], &'a [u8]),
    /// Deletes a record.
    Delete(&'a [u8]),
}

/// Reads a packed batch.
///
/// # Errors
/// `BatchTooLarge` and `WalRecordTooLarge` over the limits, `InvalidArgument` if the bytes are
/// not a batch.
pub fn batch(mut bytes: &[u8]) -> Result<Vec<Op<'_>>, Error> {
    if bytes.len() > MAX_RECORD_BYTES {
        return Err(Error::WalRecordTooLarge { bytes: bytes.len(), maximum: MAX_RECORD_BYTES });
    }
    let mut ops = Vec::new();
    while !bytes.is_empty() {
        let (op, rest) = operation(bytes)
            .ok_or(Error::InvalidArgument { what: "batch", why: "not in the packed form" })?;
        if ops.len() == MAX_BATCH_OPS {
            return Err(Error::BatchTooLarge { len: ops.len() + 1 });
        }
        ops.push(op);
        bytes = rest;
    }
    Ok(ops)
}

fn operation(bytes: &[u8]) -> Option<(Op<'_>, &[u8])> {
    let (header, rest) = bytes.split_at_checked(OP_HEADER_BYTES)?;
    let word = |at: usize| -> Option<usize> {
        let bytes = header.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let (key, rest) = rest.split_at_checked(word(1)?)?;
    let (value, rest) = rest.split_at_checked(word(5)?)?;
    match header.first()? {
        0 if value.is_empty() => Some((Op::Delete(key), rest)),
        1 => Some((Op::Put(key, value), rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holt_engine::ids::RecordVersion;

    #[test]
    fn a_page_has_versions_lengths_bytes_and_the_next_key() {
        let entries = [
            RangeEntry::Key {
                key: b"a".to_vec(),
                value: b"xy".to_vec(),
                version: RecordVersion::from_raw(258),
            },
            RangeEntry::CommonPrefix(b"b/".to_vec()),
        ];
        let mut out = vec![9; 3];
        page(&entries, Some(b"b/"), &mut out).expect("known entries");
        let mut expected = Vec::new();
        expected.extend_from_slice(&258u64.to_le_bytes());
        expected.extend_from_slice(&0u64.to_le_bytes());
        for word in [1, 2, 2, ROLL_UP] {
            expected.extend_from_slice(&u32::to_le_bytes(word));
        }
        expected.extend_from_slice(b"axyb/b/");
        assert_eq!(out, expected);
    }

    #[test]
    fn a_batch_reads_back() {
        let bytes = [&[1, 1, 0, 0, 0, 2, 0, 0, 0][..], b"kvw", &[0; 9]].concat();
        assert_eq!(batch(&bytes), Ok(vec![Op::Put(b"k", b"vw"), Op::Delete(b"")]));
    }

    #[test]
    fn every_cut_of_a_batch_is_refused_or_shorter() {
        let bytes = [&[1, 1, 0, 0, 0, 2, 0, 0, 0][..], b"kvw", &[0; 9]].concat();
        for cut in 0..bytes.len() {
            match batch(&bytes[..cut]) {
                Ok(ops) => assert!(cut == 0 && ops.is_empty() || cut == 12 && ops.len() == 1),
                Err(error) => assert!(matches!(error, Error::InvalidArgument { .. })),
            }
        }
        assert!(batch(&[2, 0, 0, 0, 0, 0, 0, 0, 0]).is_err());
        assert!(batch(&[1, 255, 255, 255, 255, 255, 255, 255, 255]).is_err());
    }

    #[test]
    fn limits_hold() {
        let many = vec![0; OP_HEADER_BYTES * (MAX_BATCH_OPS + 1)];
        assert_eq!(batch(&many), Err(Error::BatchTooLarge { len: MAX_BATCH_OPS + 1 }));
        let large = vec![0; MAX_RECORD_BYTES + 1];
        assert!(matches!(batch(&large), Err(Error::WalRecordTooLarge { .. })));
    }
}
