//! Finding a key on a page: by fingerprint for an exact match, by bisection for order.

use core::cmp::Ordering;

use super::page::{LINE_SLOTS, Page};
use super::prints;
use super::record::{LongKey, RECORD_HEADER, Record, is_long};
use crate::codec::order::{self, Bisection};
use crate::limits::PAGE_BYTES;

/// What a lookup needs and does not have in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// A page of a frame.
    Page {
        /// Which frame.
        frame: u32,
        /// Which page of it.
        page: u8,
    },
    /// An extent, and its length in bytes.
    Extent {
        /// Which extent.
        extent: u64,
        /// Its length.
        len: u32,
    },
    /// A page of a frame as a snapshot saw it.
    PastPage {
        /// Which frame.
        frame: u32,
        /// Which page of it.
        page: u8,
        /// Which snapshot.
        epoch: u64,
    },
    /// An extent that is gone and that a snapshot needs.
    PastExtent {
        /// Which extent.
        extent: u64,
    },
    /// Nothing that could be loaded: there is no such tree.
    NoTree,
    /// Nothing that could be loaded: what leads here contradicts itself.
    Broken {
        /// The frame where that shows.
        frame: u32,
        /// What is wrong.
        why: &'static str,
    },
}

/// Where the rest of long keys comes from.
pub trait Extents {
    /// The bytes of an extent, if they are in memory.
    fn extent(&self, extent: u64, len: u32) -> Result<&[u8], Miss>;
}

/// A key searched for, with the part of it that prefixes already settled.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The whole key.
    pub key: &'a [u8],
    /// Bytes of it that the frame's prefix covers.
    pub stripped: usize,
}

impl<'a> Query<'a> {
    /// The part of the key that is compared with suffixes on `page`.
    #[inline]
    pub fn suffix(&self, page: &Page) -> &'a [u8] {
        self.key.get(self.stripped + page.prefix_len()..).unwrap_or(&[])
    }
}

/// The fingerprint of a key: of its suffix, or for a long key of its length.
#[inline]
pub fn fingerprint(suffix: &[u8], long: Option<u32>) -> u8 {
    match long {
        None => hash(suffix),
        Some(len) => hash(&len.to_le_bytes()),
    }
}

/// A small multiplicative hash (the constant is 2^64 over the golden ratio), folded to a byte.
#[inline]
fn hash(bytes: &[u8]) -> u8 {
    const K: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut state = bytes.len() as u64 ^ K;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let mut raw = [0; 8];
        raw.copy_from_slice(chunk);
        state = (state ^ u64::from_le_bytes(raw)).wrapping_mul(K);
        state ^= state >> 32;
    }
    state = (state ^ tail(bytes, chunks.remainder())).wrapping_mul(K);
    (state >> 56) as u8
}

/// The last bytes as a number, the first the most significant.
#[inline]
fn tail(bytes: &[u8], rest: &[u8]) -> u64 {
    if let Some(last) = bytes.last_chunk::<8>() {
        // With those before them in one word, so that they cost no loop.
        let bits = 8 * rest.len() as u32;
        return u64::from_be_bytes(*last) & ((1_u64 << bits) - 1);
    }
    if let (Some(first), Some(last)) = (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
        let high = u64::from(u32::from_be_bytes(*first)) << (8 * (rest.len() - 4));
        return high | u64::from(u32::from_be_bytes(*last));
    }
    rest.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// Orders the query against the record: exactly, loading the rest of a long key if it must.
pub fn compare(
    query: &Query<'_>,
    suffix: &[u8],
    record: &Record<'_>,
    extents: &impl Extents,
) -> Result<Ordering, Miss> {
    step(&mut Bisection::new(query.key), suffix, record, extents)
}

/// [`compare`] with the record in `slot`.
#[inline]
pub fn compare_at(
    query: &Query<'_>,
    suffix: &[u8],
    page: &Page,
    slot: usize,
    extents: &impl Extents,
) -> Result<Ordering, Miss> {
    step_at(&mut Bisection::new(query.key), (order::head(suffix), suffix), page, slot, extents)
}

/// One step of a bisection for the key with this suffix, given with its head: that decides most.
#[inline(always)]
fn step_at(
    key: &mut Bisection<'_>,
    (head, suffix): (u64, &[u8]),
    page: &Page,
    slot: usize,
    extents: &impl Extents,
) -> Result<Ordering, Miss> {
    match Record::head(page, slot).map_or(Ordering::Equal, |other| head.cmp(&other)) {
        Ordering::Equal => step(key, suffix, &Record::read(page, slot), extents),
        decided => Ok(decided),
    }
}

/// One step of a bisection for the key with this suffix.
#[inline]
fn step(
    key: &mut Bisection<'_>,
    suffix: &[u8],
    record: &Record<'_>,
    extents: &impl Extents,
) -> Result<Ordering, Miss> {
    match record.long {
        None => Ok(order::compare(suffix, record.suffix)),
        Some(long) => step_long(key, suffix, record.suffix, long, extents),
    }
}

#[cold]
fn step_long(
    key: &mut Bisection<'_>,
    suffix: &[u8],
    head: &[u8],
    long: LongKey,
    extents: &impl Extents,
) -> Result<Ordering, Miss> {
    let common = suffix.len().min(head.len());
    match suffix[..common].cmp(&head[..common]) {
        Ordering::Equal if suffix.len() < head.len() => Ok(Ordering::Less),
        Ordering::Equal => Ok(key.compare(extents.extent(long.extent, long.len)?)),
        decided => Ok(decided),
    }
}

/// The slot that holds exactly the queried key.
pub fn find(page: &Page, query: &Query<'_>, extents: &impl Extents) -> Result<Option<usize>, Miss> {
    let suffix = query.suffix(page);
    let long = is_long(query.key.len()).then_some(query.key.len() as u32);
    let print = fingerprint(suffix, long);
    let count = page.count();
    let mut base = 0;
    for line in page.print_lines() {
        let mut found = prints::matches(line, print);
        while found != 0 {
            let slot = base + found.trailing_zeros() as usize;
            found &= found - 1;
            if slot < count && holds(page, slot, query, suffix, extents)? {
                return Ok(Some(slot));
            }
        }
        base += LINE_SLOTS;
    }
    Ok(None)
}

/// Whether the record in `slot` has the queried key.
#[inline]
fn holds(
    page: &Page,
    slot: usize,
    query: &Query<'_>,
    suffix: &[u8],
    extents: &impl Extents,
) -> Result<bool, Miss> {
    let record = Record::read(page, slot);
    let long = is_long(query.key.len());
    match record.long {
        None => Ok(!long && order::equal(suffix, record.suffix)),
        Some(_) if long => Ok(compare(query, suffix, &record, extents)?.is_eq()),
        Some(_) => Ok(false),
    }
}

/// The first slot whose key is not below the query, and whether it equals it.
pub fn lower_bound(
    page: &Page,
    query: &Query<'_>,
    extents: &impl Extents,
) -> Result<(usize, bool), Miss> {
    let suffix = query.suffix(page);
    let head = order::head(suffix);
    let mut key = Bisection::new(query.key);
    let (mut low, mut high) = (0, page.count());
    touch_pivots(page, high);
    while low < high {
        let middle = (low + high) / 2;
        match step_at(&mut key, (head, suffix), page, middle, extents)? {
            Ordering::Equal => return Ok((middle, true)),
            Ordering::Greater => low = middle + 1,
            Ordering::Less => high = middle,
        }
    }
    Ok((low, false))
}

/// Reads a byte of each record that the first three steps of a bisection may compare with. The
/// reads do not wait for each other, as those of the bisection would: on a page that is not in
/// the processor's caches that saves two misses out of three.
#[inline]
fn touch_pivots(page: &Page, count: usize) {
    const PIVOTS: usize = 8;
    if count < 2 * PIVOTS {
        return;
    }
    let mut seen = 0;
    for pivot in 1..PIVOTS {
        seen ^= page.bytes()[(page.offset(count * pivot / PIVOTS) + RECORD_HEADER) % PAGE_BYTES];
    }
    core::hint::black_box(seen);
}

/// The last slot whose key is not above the query; slot 0 if there is none.
pub fn floor(page: &Page, query: &Query<'_>, extents: &impl Extents) -> Result<usize, Miss> {
    let (slot, exact) = lower_bound(page, query, extents)?;
    Ok(if exact { slot } else { slot.saturating_sub(1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_are_the_number_that_they_spell() {
        let bytes: [u8; 40] = core::array::from_fn(|at| (at as u8).wrapping_mul(167) ^ 0x5A);
        for len in 0..=bytes.len() {
            let bytes = &bytes[..len];
            let rest = bytes.chunks_exact(8).remainder();
            let spelled = rest.iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
            assert_eq!(tail(bytes, rest), spelled, "of {len} bytes");
        }
    }

    /// Pages on disk have fingerprints, so they stay what they are.
    #[test]
    fn fingerprints_are_those_of_the_format() {
        let found = [&b""[..], b"a", b"file", b"file-01", b"file-012", b"file-0123456789.bin"]
            .map(|suffix| fingerprint(suffix, None));
        assert_eq!(found, [223, 52, 186, 179, 233, 231]);
        assert_eq!(fingerprint(b"", Some(70_000)), 139);
    }
}
