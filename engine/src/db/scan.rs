//! Ordered scans as users ask for them: entries, builders, iterators.

use alloc::vec::Vec;
use core::iter::FusedIterator;
use core::ops::ControlFlow;

use super::outcome::{ScanOutcome, ScanStats};
use super::scan_driver::Scan;
use super::scan_page::{PageToken, ScanPage, TokenPage, first_part, token_part};
use super::scan_part::Lent;
use super::scan_spec::{ScanSpec, Start};
use super::source::Source;
use super::tree::Tree;
use crate::error::Result;
use crate::ids::RecordVersion;

/// Entries an iterator fetches first.
const ITER_ENTRIES: usize = 32;
/// Entries a visit fetches first.
const VISIT_ENTRIES: usize = 128;

/// One entry of a scan of records.
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

/// One entry of a scan of keys.
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

/// One entry of a visit of records, lent for the time of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RangeEntryRef<'a> {
    /// A record.
    Key {
        /// Its key.
        key: &'a [u8],
        /// Its value.
        value: &'a [u8],
        /// Its version.
        version: RecordVersion,
    },
    /// A roll-up: at least one key starts with these bytes, the delimiter included.
    CommonPrefix(&'a [u8]),
}

/// One entry of a visit of keys, lent for the time of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyRangeEntryRef<'a> {
    /// A record.
    Key {
        /// Its key.
        key: &'a [u8],
        /// Its version.
        version: RecordVersion,
    },
    /// A roll-up: at least one key starts with these bytes, the delimiter included.
    CommonPrefix(&'a [u8]),
}

impl From<Lent<'_>> for RangeEntry {
    #[inline]
    fn from(Lent { key, value, version }: Lent<'_>) -> Self {
        match version.map(RecordVersion::from_raw) {
            Some(version) => Self::Key { key: key.into(), value: value.into(), version },
            None => Self::CommonPrefix(key.into()),
        }
    }
}

impl From<Lent<'_>> for KeyRangeEntry {
    #[inline]
    fn from(Lent { key, version, .. }: Lent<'_>) -> Self {
        match version.map(RecordVersion::from_raw) {
            Some(version) => Self::Key { key: key.into(), version },
            None => Self::CommonPrefix(key.into()),
        }
    }
}

impl<'a> From<Lent<'a>> for RangeEntryRef<'a> {
    #[inline]
    fn from(Lent { key, value, version }: Lent<'a>) -> Self {
        match version.map(RecordVersion::from_raw) {
            Some(version) => Self::Key { key, value, version },
            None => Self::CommonPrefix(key),
        }
    }
}

impl<'a> From<Lent<'a>> for KeyRangeEntryRef<'a> {
    #[inline]
    fn from(Lent { key, version, .. }: Lent<'a>) -> Self {
        match version.map(RecordVersion::from_raw) {
            Some(version) => Self::Key { key, version },
            None => Self::CommonPrefix(key),
        }
    }
}

macro_rules! builder {
    ($builder:ident, $iter:ident, $entry:ident, $lent:ident, $values:literal, $what:literal) => {
        #[doc = concat!("A scan of ", $what, " to be narrowed and then iterated, visited or paged.")]
        ///
        /// Its entries, keys and roll-ups, stand in one order, each by its own bytes, and its
        /// bounds are places in that order *in the direction of the scan*: after
        /// [`reverse`](Self::reverse), "after" and "before" mean smaller and larger.
        ///
        /// A scan of a tree takes no snapshot and holds no lock between its parts. Every record
        /// that is there throughout is found once, in order; one that comes, goes or changes
        /// meanwhile may be found or not, in its old or its new form.
        ///
        /// ```
        /// let tree = holt_engine::db::Tree::memory()?;
        /// for key in ["a", "b/1", "b/2", "c", "d"] {
        ///     tree.put(key.as_bytes(), b"")?;
        /// }
        /// let count = |scan: holt_engine::db::RangeBuilder| scan.into_iter().count();
        /// assert_eq!(count(tree.range().prefix(b"b/")), 2);
        /// assert_eq!(count(tree.range().start_after(b"b/2")), 2); // c, d
        /// assert_eq!(count(tree.range().start_at(b"b/2").end_before(b"d")), 2); // b/2, c
        /// assert_eq!(count(tree.range().reverse().start_at(b"c")), 4); // c, b/2, b/1, a
        /// assert_eq!(count(tree.range().delimiter(b'/')), 4); // a, b/, c, d
        /// # Ok::<(), holt_engine::error::Error>(())
        /// ```
        #[derive(Clone)]
        pub struct $builder<S = Tree> {
            source: S,
            spec: ScanSpec,
        }

        impl $builder {
            /// Only keys that start with `prefix`. Replaces an earlier prefix.
            pub fn prefix(mut self, prefix: &[u8]) -> Self {
                self.spec.prefix = prefix.into();
                self
            }
        }

        impl<S: Source> $builder<S> {
            pub(super) fn over(source: S, prefix: &[u8]) -> Self {
                Self { source, spec: ScanSpec { prefix: prefix.into(), ..ScanSpec::default() } }
            }

            /// Starts behind `key`: only entries greater than it, smaller ones after
            /// [`reverse`](Self::reverse). Roll-ups too: one is returned if and only if it is
            /// itself greater (smaller) than `key`, so passing the last entry of a listing, key
            /// or roll-up, never repeats it. Replaces an earlier start.
            pub fn start_after(mut self, key: &[u8]) -> Self {
                self.spec.start = Some(Start { key: key.into(), inclusive: false });
                self
            }

            /// Starts at `key`: only entries equal to it or greater, equal or smaller ones after
            /// [`reverse`](Self::reverse). Replaces an earlier start.
            pub fn start_at(mut self, key: &[u8]) -> Self {
                self.spec.start = Some(Start { key: key.into(), inclusive: true });
                self
            }

            /// Ends before `key`: only entries smaller than it, greater ones after
            /// [`reverse`](Self::reverse). Replaces an earlier end.
            pub fn end_before(mut self, key: &[u8]) -> Self {
                self.spec.end_before = Some(key.into());
                self
            }

            /// Goes from the last entry to the first.
            pub fn reverse(mut self) -> Self {
                self.spec.reverse = true;
                self
            }

            /// Rolls keys up to and including the first `delimiter` after the prefix into one
            /// entry, without walking what lies under it. A key equal to the prefix is a key.
            pub fn delimiter(mut self, delimiter: u8) -> Self {
                self.spec.delimiter = Some(delimiter);
                self
            }

            /// The first entries: at most `max_entries` of them, and no further one once
            /// `max_bytes` of keys and values are reached. Bounds over
            /// [`MAX_SCAN_ENTRIES`](crate::limits::MAX_SCAN_ENTRIES) and
            /// [`MAX_SCAN_BYTES`](crate::limits::MAX_SCAN_BYTES) count as these.
            ///
            /// ```
            /// let tree = holt_engine::db::Tree::memory()?;
            /// tree.put_many(&[(b"a", b""), (b"b", b""), (b"c", b"")])?;
            /// let mut scan = tree.range_keys();
            /// let mut pages = 0;
            /// loop {
            ///     let page = scan.page(2, 1 << 20)?;
            ///     pages += 1;
            ///     let Some(last) = page.next else { break };
            ///     scan = scan.start_after(&last);
            /// }
            /// assert_eq!(pages, 2);
            /// # Ok::<(), holt_engine::error::Error>(())
            /// ```
            ///
            /// # Errors
            /// `InvalidArgument` if `max_entries` is 0: an empty part could not say where to go
            /// on. `Corrupt` if what was read is damaged, and failures of the device.
            pub fn page(&self, max_entries: usize, max_bytes: usize) -> Result<ScanPage<$entry>> {
                let mut run =
                    first_part(&self.source, &self.spec, $values, max_entries, max_bytes)?;
                let next = run.part.last().filter(|_| run.more).map(|last| last.key.into());
                let entries = run.part.iter().map(Into::into).collect();
                run.give_back(self.source.buffers());
                Ok(ScanPage { entries, next })
            }

            /// The entries behind `token`, or the first ones; bounds as those of
            /// [`page`](Self::page).
            ///
            /// ```
            /// let tree = holt_engine::db::Tree::memory()?;
            /// use holt_engine::db::PageToken;
            ///
            /// tree.put_many(&[(b"a", b""), (b"b", b""), (b"c", b"")])?;
            /// let first = tree.range().page_from(None, 2, 1 << 20)?;
            /// let sent = first.next.expect("there is more").to_bytes();
            /// // Any time later, on a new handle:
            /// let token = PageToken::from_bytes(&sent)?;
            /// let second = tree.range().page_from(Some(&token), 2, 1 << 20)?;
            /// assert_eq!(second.entries.len(), 1);
            /// assert!(second.next.is_none());
            /// # Ok::<(), holt_engine::error::Error>(())
            /// ```
            ///
            /// # Errors
            /// `InvalidArgument` if `max_entries` is 0 or the token is of a scan with another
            /// prefix, bound, direction or delimiter, or of another tree; else those of
            /// [`page`](Self::page).
            pub fn page_from(
                &self,
                token: Option<&PageToken>,
                max_entries: usize,
                max_bytes: usize,
            ) -> Result<TokenPage<$entry>> {
                let bounds = (max_entries, max_bytes);
                let (mut run, next, consistent) =
                    token_part(&self.source, &self.spec, $values, token, bounds)?;
                let entries = run.part.iter().map(Into::into).collect();
                run.give_back(self.source.buffers());
                Ok(TokenPage { entries, next, consistent })
            }

            /// Calls `visit` for at most `limit` entries, keys and roll-ups, in order. Entries
            /// are lent from a buffer that is used again, so none is allocated. No lock is held
            /// meanwhile: `visit` may call back into the tree.
            ///
            /// ```
            /// let tree = holt_engine::db::Tree::memory()?;
            /// tree.put_many(&[(b"a", b""), (b"b", b""), (b"c", b"")])?;
            /// let mut entries = 0;
            /// let stats = tree.range().visit(2, |_| {
            ///     entries += 1;
            ///     Ok(())
            /// })?;
            /// assert_eq!((entries, stats.returned), (2, 2));
            /// # Ok::<(), holt_engine::error::Error>(())
            /// ```
            ///
            /// # Errors
            /// The error of `visit`, which ends the scan; `Corrupt` if what was read is damaged,
            /// and failures of the device.
            pub fn visit<F>(self, limit: usize, visit: F) -> Result<ScanStats>
            where
                F: FnMut($lent<'_>) -> Result<()>,
            {
                self.visit_with_outcome(limit, visit).map(|outcome| outcome.stats)
            }

            /// [`visit`](Self::visit), and whether anything is left behind the last entry. With a
            /// limit of 0 nothing is read, and something is said to be left unless the bounds
            /// exclude everything.
            ///
            /// # Errors
            /// Those of [`visit`](Self::visit).
            pub fn visit_with_outcome<F>(self, limit: usize, mut visit: F) -> Result<ScanOutcome>
            where
                F: FnMut($lent<'_>) -> Result<()>,
            {
                self.scan(VISIT_ENTRIES).visit(limit, |entry| visit(entry.into()).map(|()| true))
            }

            /// [`visit`](Self::visit) until there are no more entries or `visit` breaks off. The
            /// entry at which it does counts as visited.
            ///
            /// ```
            /// let tree = holt_engine::db::Tree::memory()?;
            /// use std::ops::ControlFlow;
            ///
            /// use holt_engine::db::RangeEntryRef;
            ///
            /// tree.put_many(&[(b"a", b"1"), (b"b", b"stop"), (b"c", b"3")])?;
            /// let outcome = tree.range().visit_while(|entry| match entry {
            ///     RangeEntryRef::Key { value: b"stop", .. } => ControlFlow::Break(()),
            ///     _ => ControlFlow::Continue(()),
            /// })?;
            /// assert!(outcome.more);
            /// # Ok::<(), holt_engine::error::Error>(())
            /// ```
            ///
            /// # Errors
            /// `Corrupt` if what was read is damaged, and failures of the device.
            pub fn visit_while<F>(self, mut visit: F) -> Result<ScanOutcome>
            where
                F: FnMut($lent<'_>) -> ControlFlow<()>,
            {
                let goes_on = |entry: Lent<'_>| Ok(visit(entry.into()).is_continue());
                self.scan(VISIT_ENTRIES).visit(usize::MAX, goes_on)
            }

            fn scan(self, first: usize) -> Scan<S> {
                Scan::new(self.source, self.spec, $values, first)
            }
        }

        impl<S: Source> IntoIterator for $builder<S> {
            type Item = Result<$entry>;
            type IntoIter = $iter<S>;

            fn into_iter(self) -> $iter<S> {
                $iter { scan: self.scan(ITER_ENTRIES) }
            }
        }

        #[doc = concat!("Iterates ", $what, ". After an error it ends.")]
        pub struct $iter<S: Source = Tree> {
            scan: Scan<S>,
        }

        impl<S: Source> $iter<S> {
            /// What the scan did so far.
            pub fn stats(&self) -> ScanStats {
                self.scan.stats()
            }
        }

        impl<S: Source> Iterator for $iter<S> {
            type Item = Result<$entry>;

            #[inline]
            fn next(&mut self) -> Option<Self::Item> {
                match self.scan.next(usize::MAX) {
                    Ok(entry) => entry.map(|entry| Ok(entry.into())),
                    Err(error) => Some(Err(error)),
                }
            }
        }

        impl<S: Source> FusedIterator for $iter<S> {}
    };
}

builder!(RangeBuilder, RangeIter, RangeEntry, RangeEntryRef, true, "records");
builder!(KeyRangeBuilder, KeyRangeIter, KeyRangeEntry, KeyRangeEntryRef, false, "keys");
