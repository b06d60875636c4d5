//! One page of records as a walk over the tree meets it: whole keys, and where others lie.

use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::codec::order::{self, common_len};
use crate::node::{Extents, Miss, Page, Query, Record, search};

/// A page of records and what its frame strips from their keys.
#[derive(Clone, Copy)]
pub struct Leaf<'a> {
    /// What every key of the frame starts with.
    pub frame_prefix: &'a [u8],
    /// The page.
    pub page: &'a Page,
}

impl<'a> Leaf<'a> {
    /// The record in `slot`.
    #[inline]
    pub fn record(&self, slot: usize) -> Record<'a> {
        Record::read(self.page, slot)
    }

    /// Puts what every key of the page starts with, its *stem*, into `out`.
    pub fn stem(&self, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(self.frame_prefix);
        out.extend_from_slice(self.page.prefix());
    }

    /// What of `key` comes behind the stem, or on which side of all keys of the page it lies.
    fn behind_stem<'k>(&self, key: &'k [u8]) -> Result<&'k [u8], Ordering> {
        let mut rest = key;
        for part in [self.frame_prefix, self.page.prefix()] {
            if !order::starts_with(rest, part) {
                return Err(rest.cmp(part));
            }
            rest = &rest[part.len()..];
        }
        Ok(rest)
    }

    /// How the key of `record` compares with `key`.
    pub fn compare(
        &self,
        record: &Record<'_>,
        key: &[u8],
        extents: &impl Extents,
    ) -> Result<Ordering, Miss> {
        let query = Query { key, stripped: self.frame_prefix.len() };
        let order = match self.behind_stem(key) {
            Ok(rest) => search::compare(&query, rest, record, extents)?,
            Err(side) => side,
        };
        Ok(order.reverse())
    }

    /// How many records of the page lie below `key`, or not above it if `after`.
    pub fn slot_at(&self, key: &[u8], after: bool, extents: &impl Extents) -> Result<usize, Miss> {
        let count = self.page.count();
        let rest = match self.behind_stem(key) {
            Ok(rest) => rest,
            Err(Ordering::Greater) => return Ok(count),
            Err(_) => return Ok(0),
        };
        let query = Query { key, stripped: self.frame_prefix.len() };
        // Of most pages a walk takes all, so the last record is asked first.
        if let Some(last) = count.checked_sub(1)
            && search::compare_at(&query, rest, self.page, last, extents)?.is_gt()
        {
            return Ok(count);
        }
        let (slot, exact) = search::lower_bound(self.page, &query, extents)?;
        Ok(slot + usize::from(exact && after))
    }

    /// How many leading bytes the key of `record` shares with `key`, and its length.
    pub fn common(
        &self,
        record: &Record<'_>,
        key: &[u8],
        extents: &impl Extents,
    ) -> Result<(usize, usize), Miss> {
        let parts = [self.frame_prefix, self.page.prefix(), record.suffix];
        let (mut shared, mut at) = (0, 0);
        for part in parts {
            shared = at + common_len(part, &key[at.min(key.len())..]);
            at += part.len();
            if shared < at {
                break;
            }
        }
        match record.long {
            None => Ok((shared, parts.iter().map(|part| part.len()).sum())),
            // A long key that differs within what the page has of it need not be read.
            Some(long) if shared < at => Ok((shared, long.len as usize)),
            Some(long) => {
                let whole = extents.extent(long.extent, long.len)?;
                Ok((common_len(whole, key), whole.len()))
            }
        }
    }
}
