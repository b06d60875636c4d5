//! The changes of a batch, packed.

use holt_engine::error::{Error, Result};
use holt_engine::limits::{MAX_BATCH_OPS, MAX_KEY_BYTES, MAX_VALUE_BYTES};

use crate::bytes::{Reader, malformed, put_framed};

const PUT: u8 = 0;
const DELETE: u8 = 1;

/// One change, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeRef<'a> {
    /// Writes a record.
    Put {
        /// Key.
        key: &'a [u8],
        /// Value.
        value: &'a [u8],
    },
    /// Deletes a record.
    Delete {
        /// Key.
        key: &'a [u8],
    },
}

/// Appends a change to packed ones.
///
/// # Errors
/// `KeyTooLong` and `ValueTooLong`; then nothing is appended.
pub fn push(out: &mut Vec<u8>, change: ChangeRef<'_>) -> Result<()> {
    let (ChangeRef::Put { key, .. } | ChangeRef::Delete { key }) = change;
    if key.len() > MAX_KEY_BYTES {
        return Err(Error::KeyTooLong { len: key.len() });
    }
    match change {
        ChangeRef::Put { key, value } => {
            if value.len() > MAX_VALUE_BYTES {
                return Err(Error::ValueTooLong { len: value.len() });
            }
            out.push(PUT);
            put_framed(out, key)?;
            put_framed(out, value)
        }
        ChangeRef::Delete { key } => {
            out.push(DELETE);
            put_framed(out, key)
        }
    }
}

/// Reads packed changes, handing each to `each`; returns how many there were.
///
/// # Errors
/// `InvalidArgument` for bytes of another form, `BatchTooLarge` beyond `MAX_BATCH_OPS`. `each`
/// may have been called before either.
pub fn for_each<'a>(packed: &'a [u8], mut each: impl FnMut(ChangeRef<'a>)) -> Result<usize> {
    let mut reader = Reader::new(packed);
    let mut count = 0;
    while !reader.is_empty() {
        count += 1;
        if count > MAX_BATCH_OPS {
            return Err(Error::BatchTooLarge { len: count });
        }
        each(match reader.u8()? {
            PUT => ChangeRef::Put { key: reader.framed()?, value: reader.framed()? },
            DELETE => ChangeRef::Delete { key: reader.framed()? },
            _ => return Err(malformed("change of an unknown kind")),
        });
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_read_back_as_packed() {
        let long = vec![7; MAX_VALUE_BYTES];
        let changes = [
            ChangeRef::Put { key: b"a", value: b"" },
            ChangeRef::Delete { key: b"" },
            ChangeRef::Put { key: b"b/c", value: &long },
        ];
        let mut packed = Vec::new();
        for change in changes {
            push(&mut packed, change).unwrap();
        }
        let mut back = Vec::new();
        assert_eq!(for_each(&packed, |change| back.push(change)), Ok(3));
        assert_eq!(back, changes);
    }

    #[test]
    fn every_cut_and_every_wrong_length_is_refused() {
        let mut packed = Vec::new();
        push(&mut packed, ChangeRef::Put { key: b"key", value: b"value" }).unwrap();
        for len in 1..packed.len() {
            assert!(for_each(&packed[..len], |_| ()).is_err(), "{len}");
        }
        for length_at in [1, 8] {
            let mut wrong = packed.clone();
            wrong[length_at..length_at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            assert!(for_each(&wrong, |_| ()).is_err());
        }
        packed[0] = 9;
        assert!(for_each(&packed, |_| ()).is_err());
    }

    #[test]
    fn limits_are_checked_before_anything_is_written() {
        let mut packed = Vec::new();
        let key = vec![0; MAX_KEY_BYTES + 1];
        let error = push(&mut packed, ChangeRef::Delete { key: &key });
        assert_eq!(error, Err(Error::KeyTooLong { len: MAX_KEY_BYTES + 1 }));
        assert!(packed.is_empty());
        let many = [DELETE, 0, 0, 0, 0].repeat(MAX_BATCH_OPS + 1);
        let error = for_each(&many, |_| ());
        assert_eq!(error, Err(Error::BatchTooLarge { len: MAX_BATCH_OPS + 1 }));
    }
}
