//! Ordered scans: builders, iterators, pages.

use alloc::vec::Vec;

use crate::db::tree::Tree;
use crate::error::Result;
use crate::ids::RecordVersion;

/// Bytes an iterator fetches at a time.
const ITER_PAGE_BYTES: usize = 256 * 1024;
/// Most entries an iterator fetches at a time.
const ITER_PAGE_ENTRIES: usize = 4096;

/// One entry of a record scan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RangeEntry {
    /// A record.
    Key {
        /// Its key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
        /// Its version.
        version: RecordVersion,
    },
    /// A roll-up: at least one key starts with these bytes, the delimiter included.
    CommonPrefix(Vec<u8>),
}

/// One entry of a keys-only scan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyRangeEntry {
    /// A record.
    Key {
        /// Its key.
        key: Vec<u8>,
        /// Its version.
        version: RecordVersion,
    },
    /// A roll-up: at least one key starts with these bytes, the delimiter included.
    CommonPrefix(Vec<u8>),
}

/// A bounded part of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanPage<E> {
    /// The entries, in order.
    pub entries: Vec<E>,
    /// Pass it as `start_after` to go on; `None` at the end.
    pub next: Option<Vec<u8>>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ScanSpec {
    pub prefix: Vec<u8>,
    pub start_after: Option<Vec<u8>>,
    pub delimiter: Option<u8>,
}

macro_rules! builder {
    ($builder:ident, $iter:ident, $entry:ident, $page:ident, $what:literal) => {
        #[doc = concat!("A scan of ", $what, " to be narrowed and then iterated.")]
        #[derive(Clone)]
        pub struct $builder {
            pub(crate) tree: Tree,
            pub(crate) spec: ScanSpec,
        }

        impl $builder {
            /// Only keys that start with `prefix`. Replaces an earlier prefix.
            pub fn prefix(mut self, prefix: &[u8]) -> Self {
                self.spec.prefix = prefix.into();
                self
            }

            /// Only entries after `key`; with a delimiter, only roll-ups greater than it.
            pub fn start_after(mut self, key: &[u8]) -> Self {
                self.spec.start_after = Some(key.into());
                self
            }

            /// Rolls keys up to and including the first `delimiter` after the prefix into one
            /// entry, without walking what lies under it.
            pub fn delimiter(mut self, delimiter: u8) -> Self {
                self.spec.delimiter = Some(delimiter);
                self
            }

            /// The first entries: at most `max_entries` of them, and no further one once
            /// `max_bytes` of keys and values are reached.
            pub fn page(&self, max_entries: usize, max_bytes: usize) -> Result<ScanPage<$entry>> {
                self.tree.$page(&self.spec, max_entries, max_bytes)
            }
        }

        impl IntoIterator for $builder {
            type Item = Result<$entry>;
            type IntoIter = $iter;

            fn into_iter(self) -> $iter {
                $iter { builder: self, buffer: Vec::new().into_iter(), done: false, batch: 32 }
            }
        }

        #[doc = concat!("Iterates ", $what, ". After an error it ends.")]
        pub struct $iter {
            builder: $builder,
            buffer: alloc::vec::IntoIter<$entry>,
            done: bool,
            batch: usize,
        }

        impl Iterator for $iter {
            type Item = Result<$entry>;

            fn next(&mut self) -> Option<Self::Item> {
                loop {
                    if let Some(entry) = self.buffer.next() {
                        return Some(Ok(entry));
                    }
                    if self.done {
                        return None;
                    }
                    match self.builder.page(self.batch, ITER_PAGE_BYTES) {
                        Ok(page) => {
                            self.batch = (self.batch * 4).min(ITER_PAGE_ENTRIES);
                            self.done = page.next.is_none();
                            if let Some(next) = page.next {
                                self.builder.spec.start_after = Some(next);
                            }
                            self.buffer = page.entries.into_iter();
                        }
                        Err(error) => {
                            self.done = true;
                            return Some(Err(error));
                        }
                    }
                }
            }
        }
    };
}

builder!(RangeBuilder, RangeIter, RangeEntry, scan_page, "records");
builder!(KeyRangeBuilder, KeyRangeIter, KeyRangeEntry, scan_keys_page, "keys");
