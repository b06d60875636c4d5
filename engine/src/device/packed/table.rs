//! The manifest in memory: which page of which blob lies where.
//!
//! Owns: the entries, compact (twelve bytes a page) and sorted. Never does: I/O, or know which
//! places are free. The checksum of a page lives here, beside its place, not in the page: so a
//! stale, torn, misdirected or rotten page is seen when it is read.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::record;
use crate::device::blob::BlobEntry;
use crate::ids::BlobId;

/// Where one page of a blob lies, and what it must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRef {
    /// Number within the blob.
    pub page: u32,
    /// Page of the file.
    pub place: u32,
    /// CRC-32 of its bytes.
    pub crc: u32,
}

/// One blob.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its metadata.
    pub meta: Box<[u8]>,
    /// Its pages, by number.
    pub pages: Box<[PageRef]>,
}

impl Entry {
    /// Index of the page with this number. Blobs without gaps, the common case, need no search.
    pub fn position(&self, page: u32) -> Option<usize> {
        match self.pages.get(page as usize) {
            Some(found) if found.page == page => Some(page as usize),
            _ => self.pages.binary_search_by_key(&page, |at| at.page).ok(),
        }
    }

    /// The entry after a change. `dropped` and the pages of `set` ascend. Places that the new
    /// entry no longer uses are appended to `freed`.
    pub fn changed(
        old: Option<&Self>,
        meta: &[u8],
        dropped: &[u32],
        set: &[PageRef],
        freed: &mut Vec<u32>,
    ) -> Self {
        let old = old.map_or(&[][..], |entry| &entry.pages);
        let mut pages = Vec::with_capacity(old.len() + set.len());
        let mut new = set.iter().copied().peekable();
        for at in old {
            while let Some(before) = new.next_if(|set| set.page < at.page) {
                pages.push(before);
            }
            if let Some(replacement) = new.next_if(|set| set.page == at.page) {
                freed.push(at.place);
                pages.push(replacement);
            } else if dropped.binary_search(&at.page).is_ok() {
                freed.push(at.place);
            } else {
                pages.push(*at);
            }
        }
        pages.extend(new);
        Self { meta: meta.into(), pages: pages.into() }
    }
}

/// A change of one blob: its new entry, or none if it is deleted.
pub type Change = (BlobId, Option<Entry>);

/// The published state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    entries: BTreeMap<BlobId, Entry>,
    root: Vec<u8>,
    pages: u64,
    compact_bytes: u64,
}

impl Table {
    /// The entry of a blob.
    pub fn get(&self, blob: BlobId) -> Option<&Entry> {
        self.entries.get(&blob)
    }

    /// All blobs in order.
    pub fn iter(&self) -> impl Iterator<Item = (BlobId, &Entry)> {
        self.entries.iter().map(|(blob, entry)| (*blob, entry))
    }

    /// Blobs greater than `after`, at most `limit`.
    pub fn list(&self, after: Option<BlobId>, limit: usize) -> Vec<BlobId> {
        let range = crate::device::rules::after(after);
        self.entries.range(range).take(limit).map(|(blob, _)| *blob).collect()
    }

    /// The entry as the contract shows it.
    pub fn show(&self, blob: BlobId) -> Option<BlobEntry> {
        self.get(blob).map(|entry| BlobEntry {
            meta: entry.meta.to_vec(),
            pages: entry.pages.iter().map(|at| at.page).collect(),
        })
    }

    /// The engine's root record.
    pub fn root(&self) -> &[u8] {
        &self.root
    }

    /// Published blobs.
    pub fn blobs(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Published pages.
    pub const fn pages(&self) -> u64 {
        self.pages
    }

    /// Bytes that all entries would take in a manifest written now, framing not included.
    pub const fn compact_bytes(&self) -> u64 {
        self.compact_bytes
    }

    /// Puts the new entry of a blob in place of the old one.
    pub fn set(&mut self, blob: BlobId, entry: Option<Entry>) {
        if let Some(new) = &entry {
            self.pages += new.pages.len() as u64;
            self.compact_bytes += record::entry_len(blob, new) as u64;
        }
        let old = match entry {
            Some(entry) => self.entries.insert(blob, entry),
            None => self.entries.remove(&blob),
        };
        if let Some(old) = old {
            self.pages -= old.pages.len() as u64;
            self.compact_bytes -= record::entry_len(blob, &old) as u64;
        }
    }

    /// Replaces the root record.
    pub fn set_root(&mut self, root: &[u8]) {
        self.root = root.into();
    }

    /// All blobs in order, as they will be after `changes`, which are in order too.
    pub fn merged<'a>(
        &'a self,
        changes: &'a [Change],
    ) -> impl Iterator<Item = (BlobId, &'a Entry)> {
        let mut old = self.entries.iter().peekable();
        let mut new = changes.iter().peekable();
        core::iter::from_fn(move || {
            loop {
                let next_new = new.peek().map(|(blob, _)| *blob);
                let next_old = old.peek().map(|(blob, _)| **blob);
                match (next_old, next_new) {
                    (None, None) => return None,
                    (Some(blob), before) if before.is_none_or(|new| blob < new) => {
                        return old.next().map(|(blob, entry)| (*blob, entry));
                    }
                    _ => {
                        old.next_if(|(blob, _)| Some(**blob) == next_new);
                        if let Some((blob, Some(entry))) = new.next() {
                            return Some((*blob, entry));
                        }
                    }
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn at(page: u32, place: u32) -> PageRef {
        PageRef { page, place, crc: place }
    }

    #[test]
    fn changes_replace_drop_and_insert_in_order() {
        let mut freed = Vec::new();
        let first = Entry::changed(None, b"m", &[], &[at(1, 10), at(4, 11)], &mut freed);
        assert!(freed.is_empty());
        let set = [at(0, 20), at(4, 21), at(9, 22)];
        let second = Entry::changed(Some(&first), b"n", &[1, 7], &set, &mut freed);
        assert_eq!(freed, [10, 11]);
        assert_eq!(&*second.pages, &[at(0, 20), at(4, 21), at(9, 22)]);
        assert_eq!(second.position(4), Some(1));
        assert_eq!(second.position(1), None);
    }

    #[test]
    fn merging_shows_the_state_after_the_changes() {
        let mut table = Table::default();
        let entry = |place| Entry { meta: [].into(), pages: [at(0, place)].into() };
        for number in [1, 3, 5, 7] {
            table.set(BlobId(number), Some(entry(number as u32)));
        }
        let changes =
            vec![(BlobId(0), Some(entry(90))), (BlobId(3), None), (BlobId(5), Some(entry(95)))];
        let shown: Vec<_> =
            table.merged(&changes).map(|(blob, entry)| (blob.0, entry.pages[0].place)).collect();
        assert_eq!(shown, [(0, 90), (1, 1), (5, 95), (7, 7)]);
        for (blob, entry) in changes {
            table.set(blob, entry);
        }
        assert_eq!((table.blobs(), table.pages()), (4, 4));
    }
}
