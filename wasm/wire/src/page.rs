//! A page of a scan, packed, and the token that resumes one.

use holt_engine::db::{RangeEntry, ScanPage};
use holt_engine::error::{Error, Result};
use holt_engine::ids::RecordVersion;
use holt_engine::limits::{MAX_KEY_BYTES, MAX_SCAN_ENTRIES};

use crate::bytes::{Reader, malformed, put_framed};

const RECORD: u8 = 0;
const COMMON_PREFIX: u8 = 1;

/// First byte of every token, so that a later form can be told apart.
const TOKEN_FORM: u8 = 1;

/// The token that resumes a scan after `key`.
pub fn token(key: &[u8]) -> Vec<u8> {
    let mut token = Vec::with_capacity(1 + key.len());
    token.push(TOKEN_FORM);
    token.extend_from_slice(key);
    token
}

/// The key a token resumes after.
///
/// # Errors
/// `InvalidArgument` if it is no token.
pub fn resume_after(token: &[u8]) -> Result<&[u8]> {
    match token {
        [TOKEN_FORM, key @ ..] if key.len() <= MAX_KEY_BYTES => Ok(key),
        _ => Err(Error::InvalidArgument { what: "resume token", why: "pass one from a page" }),
    }
}

/// Packs a page; its `next` becomes a token.
pub fn encode(page: &ScanPage<RangeEntry>) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(64 * page.entries.len() + 64);
    match &page.next {
        None => out.push(0),
        Some(next) => {
            out.push(1);
            put_framed(&mut out, &token(next))?;
        }
    }
    for entry in &page.entries {
        match entry {
            RangeEntry::Key { key, value, version } => {
                out.push(RECORD);
                put_framed(&mut out, key)?;
                out.extend_from_slice(&version.as_u64().to_le_bytes());
                put_framed(&mut out, value)?;
            }
            RangeEntry::CommonPrefix(prefix) => {
                out.push(COMMON_PREFIX);
                put_framed(&mut out, prefix)?;
            }
            _ => return Err(malformed("an entry that has no packed form")),
        }
    }
    Ok(out)
}

/// Reads a packed page; its `next` is the key to resume after.
///
/// # Errors
/// `InvalidArgument` for bytes of another form.
pub fn decode(packed: &[u8]) -> Result<ScanPage<RangeEntry>> {
    let mut reader = Reader::new(packed);
    let next = match reader.u8()? {
        0 => None,
        1 => Some(resume_after(reader.framed()?)?.into()),
        _ => return Err(malformed("page does not say whether another follows")),
    };
    let mut entries = Vec::new();
    while !reader.is_empty() {
        if entries.len() == MAX_SCAN_ENTRIES {
            return Err(malformed("more entries than a page may have"));
        }
        entries.push(match reader.u8()? {
            RECORD => {
                let key = reader.framed()?.into();
                let version = RecordVersion::from_raw(reader.u64()?);
                RangeEntry::Key { key, value: reader.framed()?.into(), version }
            }
            COMMON_PREFIX => RangeEntry::CommonPrefix(reader.framed()?.into()),
            _ => return Err(malformed("entry of an unknown kind")),
        });
    }
    Ok(ScanPage { entries, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> ScanPage<RangeEntry> {
        let version = RecordVersion::from_raw(u64::MAX);
        let entries = vec![
            RangeEntry::CommonPrefix(b"a/".to_vec()),
            RangeEntry::Key { key: b"b".to_vec(), value: vec![], version },
        ];
        ScanPage { entries, next: Some(b"b".to_vec()) }
    }

    #[test]
    fn pages_read_back_as_packed() {
        let mut page = sample();
        assert_eq!(decode(&encode(&page).unwrap()), Ok(page.clone()));
        page.next = None;
        assert_eq!(decode(&encode(&page).unwrap()), Ok(page));
    }

    #[test]
    fn every_changed_byte_reads_as_something_or_is_refused() {
        let packed = encode(&sample()).unwrap();
        for at in 0..packed.len() {
            for value in 0..=255 {
                let mut wrong = packed.clone();
                wrong[at] = value;
                let _ = decode(&wrong);
                let _ = decode(&wrong[..at]);
            }
        }
    }

    #[test]
    fn tokens_are_told_from_keys() {
        assert_eq!(resume_after(&token(b"k")), Ok(&b"k"[..]));
        assert!(resume_after(b"").is_err());
        assert!(resume_after(b"k").is_err());
        assert!(resume_after(&token(&vec![0; MAX_KEY_BYTES + 1])).is_err());
    }
}
