//! Lookups that are no scans, over any [`Source`].
//!
//! Owns: what is copied out, and when. Never does: call back while something is locked.

use alloc::vec::Vec;

use super::outcome::PrefixCount;
use super::source::{Source, look_whole};
use super::tree_read::PrefixRecord;
use super::view::View;
use crate::error::{Error, Result};
use crate::forest::Count;
use crate::frame::successor;
use crate::ids::RecordVersion;
use crate::limits::{MAX_COUNT_FRAMES, MAX_GET_MANY_KEYS, MAX_INLINE_RECORD_BYTES};
use crate::node::Record as Stored;

/// The version of `key`.
pub(super) fn version<S: Source>(source: &S, key: &[u8]) -> Result<Option<RecordVersion>> {
    source.find(key, |_, found| {
        Ok(found.map(|(page, slot)| RecordVersion::from_raw(Stored::read(page, slot).version)))
    })
}

/// Calls `read` with a copy of the value of `key`.
pub(super) fn with<S: Source, R>(
    source: &S,
    key: &[u8],
    read: impl FnOnce(&[u8]) -> R,
) -> Result<Option<R>> {
    // Values that lie on a page fit here, so that they cost no allocation.
    let mut short = [0; MAX_INLINE_RECORD_BYTES];
    let mut long = Vec::new();
    let found = source.find(key, |reader, found| {
        let Some((page, slot)) = found else { return Ok(None) };
        let value = reader.value(Stored::read(page, slot).value)?;
        match short.get_mut(..value.len()) {
            Some(short) => short.copy_from_slice(value),
            None => long = value.into(),
        }
        Ok(Some(value.len()))
    })?;
    Ok(found.map(|len| read(short.get(..len).unwrap_or(&long))))
}

/// Puts the value of `key` into `out`.
pub(super) fn into<S: Source>(source: &S, key: &[u8], out: &mut Vec<u8>) -> Result<bool> {
    out.clear();
    source.find(key, |reader, found| {
        let Some((page, slot)) = found else { return Ok(false) };
        out.extend_from_slice(reader.value(Stored::read(page, slot).value)?);
        Ok(true)
    })
}

/// The records of `keys`, in one state: all of them, or those of the first ones until their
/// values have `max_bytes`.
pub(super) fn many<S: Source, K: AsRef<[u8]>, T: Clone>(
    source: &S,
    keys: &[K],
    max_bytes: usize,
    make: impl Fn(&[u8], RecordVersion) -> T,
) -> Result<Vec<Option<T>>> {
    if keys.len() > MAX_GET_MANY_KEYS {
        return Err(Error::InvalidArgument { what: "keys", why: "too many at a time; split them" });
    }
    let begin = || (Vec::new(), 0);
    let ((records, _), ()) = look_whole(source, begin, |reader, (records, bytes)| {
        records.reserve_exact(keys.len() - records.len());
        for key in &keys[records.len()..] {
            if *bytes >= max_bytes {
                break;
            }
            let record = match reader.find(source.tree(), key.as_ref())? {
                None => None,
                Some((page, slot)) => {
                    let found = Stored::read(page, slot);
                    let value = reader.value(found.value)?;
                    *bytes += value.len();
                    Some(make(value, RecordVersion::from_raw(found.version)))
                }
            };
            records.push(record);
        }
        Ok(())
    })?;
    Ok(records)
}

/// Whether no key starts with `prefix`.
pub(super) fn is_prefix_empty<S: Source>(source: &S, prefix: &[u8]) -> Result<bool> {
    let end = successor(prefix);
    source.look(|reader| {
        let mut cursor = reader.seek(source.tree(), prefix, false)?;
        let Some(leaf) = reader.next_page(&mut cursor)? else { return Ok(true) };
        let Some(end) = &end else { return Ok(false) };
        let first = leaf.record(cursor.slot());
        Ok(leaf.compare(&first, end, reader.pages)?.is_ge())
    })
}

/// How many keys start with `prefix`, up to `limit` of them, in one state; 0 is no limit.
pub(super) fn prefix_count<S: Source>(
    source: &S,
    prefix: &[u8],
    limit: usize,
) -> Result<PrefixCount> {
    let limit = if limit == 0 { u64::MAX } else { limit as u64 };
    let begin = || Count::new(prefix.into(), successor(prefix));
    let look = |frames| {
        look_whole(source, begin, |reader, count| reader.count(source.tree(), count, limit, frames))
    };
    let (mut count, ()) = look(MAX_COUNT_FRAMES)?;
    if !count.done && count.records <= limit {
        count = match source.still().and_then(|still| count_still(&still, begin(), limit)) {
            // No moment can be kept, so whoever writes waits.
            Err(Error::Expired { .. } | Error::SnapshotEpochExhausted)
                if source.snapshot().is_none() =>
            {
                look(usize::MAX)?.0
            }
            counted => counted?,
        };
    }
    Ok(PrefixCount { count: count.records.min(limit), exact: count.records <= limit })
}

/// Counts what stays as it is, part by part: others write meanwhile.
fn count_still(still: &View, mut count: Count, limit: u64) -> Result<Count> {
    while !count.done && count.records <= limit {
        still.look(|reader| reader.count(still.tree, &mut count, limit, MAX_COUNT_FRAMES))?;
    }
    Ok(count)
}

/// The record with the longest key that `query` starts with.
pub(super) fn longest_prefix<S: Source>(source: &S, query: &[u8]) -> Result<Option<PrefixRecord>> {
    let begin = || query.len();
    let found = look_whole(source, begin, |reader, cut| {
        let Some(found) = reader.longest_prefix(source.tree(), query, cut)? else {
            return Ok(None);
        };
        let version = RecordVersion::from_raw(found.record.version);
        let value = reader.value(found.record.value)?.into();
        Ok(Some(PrefixRecord { key: query[..found.len].into(), value, version }))
    });
    found.map(|(_, record)| record)
}
