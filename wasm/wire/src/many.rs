//! Reading several records at a time, packed: the keys asked for, and the records found.

use holt_engine::db::{Record, Tree};
use holt_engine::error::{Error, Result};
use holt_engine::ids::RecordVersion;

use crate::bytes::{Reader, malformed, put_framed};
use crate::changes::{check_key, check_value};
use crate::limits::{MAX_GET_MANY, MAX_GET_MANY_BYTES, MAX_PACKED_KEYS_BYTES};

const NONE: u8 = 0;
const SOME: u8 = 1;

const TOO_MANY: Error = Error::InvalidArgument { what: "keys", why: "65536 at most; split them" };
const TOO_LARGE: Error = Error::InvalidArgument { what: "keys", why: "16 MiB at most; split them" };

/// Checks keys that are to be read together.
///
/// # Errors
/// `InvalidArgument` for too many or too large ones, `KeyTooLong`.
pub fn check_keys<B: AsRef<[u8]>>(keys: &[B]) -> Result<()> {
    if keys.len() > MAX_GET_MANY {
        return Err(TOO_MANY);
    }
    let mut bytes = 0;
    for key in keys {
        check_key(key.as_ref())?;
        bytes += 4 + key.as_ref().len();
        if bytes > MAX_PACKED_KEYS_BYTES {
            return Err(TOO_LARGE);
        }
    }
    Ok(())
}

/// The records of the first keys: of all, or until the bytes of one answer are reached.
///
/// # Errors
/// Those of [`check_keys`] and of the tree.
pub fn read<B: AsRef<[u8]>>(tree: &Tree, keys: &[B]) -> Result<Vec<Option<Record>>> {
    check_keys(keys)?;
    tree.get_many_records(keys, MAX_GET_MANY_BYTES)
}

/// Packs keys.
///
/// # Errors
/// Those of [`check_keys`].
pub fn encode_keys<B: AsRef<[u8]>>(keys: &[B]) -> Result<Vec<u8>> {
    check_keys(keys)?;
    let mut out = Vec::with_capacity(keys.iter().map(|key| 4 + key.as_ref().len()).sum());
    keys.iter().try_for_each(|key| put_framed(&mut out, key.as_ref()))?;
    Ok(out)
}

/// Reads packed keys.
///
/// # Errors
/// `InvalidArgument` for bytes of another form; those of [`check_keys`].
pub fn decode_keys(packed: &[u8]) -> Result<Vec<&[u8]>> {
    if packed.len() > MAX_PACKED_KEYS_BYTES {
        return Err(TOO_LARGE);
    }
    let (mut reader, mut keys) = (Reader::new(packed), Vec::new());
    while !reader.is_empty() {
        if keys.len() == MAX_GET_MANY {
            return Err(TOO_MANY);
        }
        let key = reader.framed()?;
        check_key(key)?;
        keys.push(key);
    }
    Ok(keys)
}

/// Packs records as they were found.
///
/// # Errors
/// None for records that a store can hold.
pub fn encode_found(found: &[Option<Record>]) -> Result<Vec<u8>> {
    let bytes = |record: &Option<Record>| record.as_ref().map_or(1, |found| 13 + found.value.len());
    let mut out = Vec::with_capacity(found.iter().map(bytes).sum());
    for record in found {
        match record {
            None => out.push(NONE),
            Some(record) => {
                out.push(SOME);
                out.extend_from_slice(&record.version.as_u64().to_le_bytes());
                put_framed(&mut out, &record.value)?;
            }
        }
    }
    Ok(out)
}

/// Reads packed records; `asked` is how many keys there were.
///
/// # Errors
/// `InvalidArgument` for bytes of another form, for more records than were asked for, and for an
/// answer that ended without need.
pub fn decode_found(packed: &[u8], asked: usize) -> Result<Vec<Option<Record>>> {
    let (mut reader, mut found, mut bytes) = (Reader::new(packed), Vec::new(), 0);
    while !reader.is_empty() {
        if found.len() == asked {
            return Err(malformed("more records than were asked for"));
        }
        found.push(match reader.u8()? {
            NONE => None,
            SOME => {
                let version = RecordVersion::from_raw(reader.u64()?);
                let value = reader.framed()?;
                check_value(value)?;
                bytes += value.len();
                Some(Record { value: value.into(), version })
            }
            _ => return Err(malformed("record of an unknown kind")),
        });
    }
    match found.len() == asked || bytes >= MAX_GET_MANY_BYTES {
        true => Ok(found),
        false => Err(malformed("fewer records than were asked for")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value: &[u8]) -> Option<Record> {
        Some(Record { value: value.into(), version: RecordVersion::from_raw(7) })
    }

    #[test]
    fn keys_and_records_read_back_as_packed() {
        let keys = [&b"a"[..], b"", b"b/c"];
        let packed = encode_keys(&keys).unwrap();
        assert_eq!(decode_keys(&packed).unwrap(), keys);
        assert!(decode_keys(&packed[..packed.len() - 1]).is_err());
        let found = [record(b""), None, record(b"value")];
        let packed = encode_found(&found).unwrap();
        assert_eq!(decode_found(&packed, 3).unwrap(), found);
        assert!(decode_found(&packed, 2).is_err(), "more than asked for");
        assert!(decode_found(&packed, 4).is_err(), "an early end without need");
    }

    #[test]
    fn every_changed_byte_reads_as_something_or_is_refused() {
        let packed = encode_found(&[record(b"ab"), None]).unwrap();
        for at in 0..packed.len() {
            for value in 0..=u8::MAX {
                let mut wrong = packed.clone();
                wrong[at] = value;
                let _ = decode_found(&wrong, 2);
                let _ = decode_found(&wrong[..at], 2);
                let _ = decode_keys(&wrong);
            }
        }
    }

    #[test]
    fn an_answer_ends_once_it_is_large_and_never_before() {
        let keys = vec![b"k"; 20];
        let large = vec![1; 1 << 20];
        let tree = Tree::memory().unwrap();
        tree.put(b"k", &large).unwrap();
        let found = read(&tree, &keys).unwrap();
        assert_eq!(found.len(), MAX_GET_MANY_BYTES >> 20);
        let packed = encode_found(&found).unwrap();
        assert_eq!(decode_found(&packed, keys.len()).unwrap(), found);
        assert_eq!(read(&tree, &[b"x"; 20]).unwrap().len(), keys.len());
    }

    #[test]
    fn too_many_and_too_large_keys_are_refused() {
        let many = vec![b""; MAX_GET_MANY + 1];
        assert_eq!(check_keys(&many), Err(TOO_MANY));
        assert_eq!(decode_keys(&vec![0; 4 * (MAX_GET_MANY + 1)]), Err(TOO_MANY));
        let long = vec![0; holt_engine::limits::MAX_KEY_BYTES];
        assert_eq!(check_keys(&vec![&long; 300]), Err(TOO_LARGE));
        assert_eq!(decode_keys(&vec![0; MAX_PACKED_KEYS_BYTES + 1]), Err(TOO_LARGE));
    }
}
