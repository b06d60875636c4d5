//! One bounded part of a scan, able to go on after a miss.

use alloc::vec::Vec;

use super::scan::{RangeEntry, ScanPage, ScanSpec};
use crate::forest::{Cursor, Pages, Reader};
use crate::frame::successor;
use crate::ids::{RecordVersion, TreeId};
use crate::limits::{MAX_SCAN_BYTES, MAX_SCAN_ENTRIES};
use crate::node::Miss;

/// A scan under way.
pub(super) struct ScanRun<'a> {
    tree: TreeId,
    spec: &'a ScanSpec,
    max_entries: usize,
    max_bytes: usize,
    values: bool,
    entries: Vec<RangeEntry>,
    bytes: usize,
    more: bool,
    key: Vec<u8>,
}

impl<'a> ScanRun<'a> {
    pub fn new(
        tree: TreeId,
        spec: &'a ScanSpec,
        max_entries: usize,
        max_bytes: usize,
        values: bool,
    ) -> Self {
        Self {
            tree,
            spec,
            max_entries: max_entries.min(MAX_SCAN_ENTRIES),
            max_bytes: max_bytes.min(MAX_SCAN_BYTES),
            values,
            entries: Vec::new(),
            bytes: 0,
            more: false,
            key: Vec::new(),
        }
    }

    /// Where to go on: after the last entry, or at the start. `None` if nothing can follow.
    fn position<P: Pages>(&self, reader: Reader<'_, P>) -> Result<Option<Cursor>, Miss> {
        let prefix = self.spec.prefix.as_slice();
        match (self.entries.last(), &self.spec.start_after) {
            (Some(RangeEntry::Key { key, .. }), _) => reader.seek(self.tree, key, true).map(Some),
            (Some(RangeEntry::CommonPrefix(rollup)), _) => self.past(reader, rollup),
            (None, Some(after)) if after.as_slice() >= prefix => {
                reader.seek(self.tree, after, true).map(Some)
            }
            (None, _) => reader.seek(self.tree, prefix, false).map(Some),
        }
    }

    /// A cursor behind everything that starts with `rollup`.
    fn past<P: Pages>(&self, reader: Reader<'_, P>, rollup: &[u8]) -> Result<Option<Cursor>, Miss> {
        match successor(rollup) {
            Some(next) => reader.seek(self.tree, &next, false).map(Some),
            None => Ok(None),
        }
    }

    /// Goes on until a bound is reached or the scan ends. After a miss, call it again.
    pub fn advance<P: Pages>(&mut self, reader: Reader<'_, P>) -> Result<(), Miss> {
        if self.max_entries == 0 {
            return Ok(());
        }
        let Some(mut cursor) = self.position(reader)? else { return Ok(()) };
        let mut key = core::mem::take(&mut self.key);
        let outcome = self.walk(reader, &mut cursor, &mut key);
        self.key = key;
        outcome
    }

    fn walk<P: Pages>(
        &mut self,
        reader: Reader<'_, P>,
        cursor: &mut Cursor,
        key: &mut Vec<u8>,
    ) -> Result<(), Miss> {
        let prefix = self.spec.prefix.as_slice();
        // A roll-up left out because it was given before, and walked past.
        let mut skipped: Option<Vec<u8>> = None;
        while let Some(entry) = reader.entry(cursor)? {
            entry.key(reader.pages, key)?;
            if !self.ascends(key, skipped.as_deref()) {
                // On a damaged page keys may go back, and a scan would go round for ever.
                let why = "a scan met records that are out of order";
                return Err(Miss::Broken { frame: entry.page.frame(), why });
            }
            let Some(rest) = key.strip_prefix(prefix) else { return Ok(()) };
            let cut = self.spec.delimiter.and_then(|d| rest.iter().position(|&byte| byte == d));
            if let Some(at) = cut {
                key.truncate(prefix.len() + at + 1);
                let after = self.spec.start_after.as_deref();
                if after.is_none_or(|after| key.as_slice() > after) {
                    if self.is_full() {
                        return Ok(());
                    }
                    self.bytes += key.len();
                    self.entries.push(RangeEntry::CommonPrefix(key.clone()));
                } else {
                    skipped = Some(key.clone());
                }
                match self.past(reader, key)? {
                    Some(next) => *cursor = next,
                    None => return Ok(()),
                }
                continue;
            }
            if self.is_full() {
                return Ok(());
            }
            let value = match self.values {
                true => reader.value(entry.record.value)?.into(),
                false => Vec::new(),
            };
            self.bytes += key.len() + value.len();
            let version = RecordVersion::from_raw(entry.record.version);
            self.entries.push(RangeEntry::Key { key: key.clone(), value, version });
            reader.step(cursor);
        }
        Ok(())
    }

    /// Whether `key` lies behind everything found or passed so far.
    fn ascends(&self, key: &[u8], skipped: Option<&[u8]>) -> bool {
        let behind = |rollup: &[u8]| key > rollup && !key.starts_with(rollup);
        let last = match (self.entries.last(), &self.spec.start_after) {
            (Some(RangeEntry::Key { key: last, .. }), _) => key > last.as_slice(),
            (Some(RangeEntry::CommonPrefix(rollup)), _) => behind(rollup),
            (None, Some(after)) => key > after.as_slice(),
            (None, None) => true,
        };
        last && skipped.is_none_or(behind)
    }

    /// Whether a bound is reached, which means that the entry at hand is left for the next part.
    fn is_full(&mut self) -> bool {
        self.more = self.entries.len() >= self.max_entries
            || (self.bytes >= self.max_bytes && !self.entries.is_empty());
        self.more
    }

    /// The entries found.
    pub fn finish(self) -> ScanPage<RangeEntry> {
        let next = match self.entries.last() {
            Some(RangeEntry::Key { key, .. } | RangeEntry::CommonPrefix(key)) if self.more => {
                Some(key.clone())
            }
            _ => None,
        };
        ScanPage { entries: self.entries, next }
    }
}
