//! A page of a scan, packed.

use holt_engine::db::RangeEntry;
use holt_engine::error::Result;
use holt_engine::ids::RecordVersion;
use holt_engine::limits::{MAX_PAGE_TOKEN_BYTES, MAX_SCAN_ENTRIES};

use crate::bytes::{Reader, malformed, put_framed};
use crate::changes::{check_key, check_value};
use crate::scan::{Page, UNKNOWN_ENTRY};

const RECORD: u8 = 0;
const COMMON_PREFIX: u8 = 1;

/// Flags of a page: `next` is there; the page is consistent with the first one.
const HAS_NEXT: u8 = 1;
const CONSISTENT: u8 = 2;

/// Packs a page.
///
/// # Errors
/// `InvalidArgument` for an entry that has no packed form.
pub fn encode(page: &Page) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(64 * page.entries.len() + 64);
    let has_next = if page.next.is_some() { HAS_NEXT } else { 0 };
    out.push(has_next | if page.consistent { CONSISTENT } else { 0 });
    if let Some(next) = &page.next {
        put_framed(&mut out, next)?;
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
            _ => return Err(UNKNOWN_ENTRY),
        }
    }
    Ok(out)
}

/// Reads a packed page.
///
/// # Errors
/// `InvalidArgument` for bytes of another form; `KeyTooLong` and `ValueTooLong` for records that
/// no store holds.
pub fn decode(packed: &[u8]) -> Result<Page> {
    let mut reader = Reader::new(packed);
    let flags = reader.u8()?;
    if flags & !(HAS_NEXT | CONSISTENT) != 0 {
        return Err(malformed("page with unknown flags"));
    }
    let next = match flags & HAS_NEXT {
        0 => None,
        _ => Some(reader.framed()?),
    };
    if next.is_some_and(|token| token.len() > MAX_PAGE_TOKEN_BYTES) {
        return Err(malformed("token over its limit"));
    }
    let mut entries = Vec::new();
    while !reader.is_empty() {
        if entries.len() == MAX_SCAN_ENTRIES {
            return Err(malformed("more entries than a page may have"));
        }
        let (kind, key) = (reader.u8()?, reader.framed()?);
        check_key(key)?;
        entries.push(match kind {
            RECORD => {
                let version = RecordVersion::from_raw(reader.u64()?);
                let value = reader.framed()?;
                check_value(value)?;
                RangeEntry::Key { key: key.into(), value: value.into(), version }
            }
            COMMON_PREFIX => RangeEntry::CommonPrefix(key.into()),
            _ => return Err(malformed("entry of an unknown kind")),
        });
    }
    Ok(Page { entries, next: next.map(Into::into), consistent: flags & CONSISTENT != 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Page {
        let version = RecordVersion::from_raw(u64::MAX);
        let entries = vec![
            RangeEntry::CommonPrefix(b"a/".to_vec()),
            RangeEntry::Key { key: b"b".to_vec(), value: vec![], version },
        ];
        Page { entries, next: Some(b"token".to_vec()), consistent: true }
    }

    #[test]
    fn pages_read_back_as_packed() {
        let mut page = sample();
        assert_eq!(decode(&encode(&page).unwrap()), Ok(page.clone()));
        page.next = None;
        assert_eq!(decode(&encode(&page).unwrap()), Ok(page.clone()));
        page.consistent = false;
        assert_eq!(decode(&encode(&page).unwrap()), Ok(page));
        assert_eq!(decode(&[0]), Ok(Page::default()));
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
    fn what_no_page_holds_is_refused() {
        for flags in 4..=u8::MAX {
            assert!(decode(&[flags]).is_err(), "{flags}");
        }
        let long = vec![0; MAX_PAGE_TOKEN_BYTES + 1];
        assert!(decode(&encode(&Page { next: Some(long), ..sample() }).unwrap()).is_err());
        let many = vec![RangeEntry::CommonPrefix(vec![]); MAX_SCAN_ENTRIES + 1];
        assert!(decode(&encode(&Page { entries: many, ..sample() }).unwrap()).is_err());
        let key = vec![0; holt_engine::limits::MAX_KEY_BYTES + 1];
        let entries = vec![RangeEntry::CommonPrefix(key)];
        assert!(decode(&encode(&Page { entries, ..sample() }).unwrap()).is_err());
    }
}
