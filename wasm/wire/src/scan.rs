//! What part of a tree or snapshot to scan, and reading it.
//!
//! Owns: the bounds of one page and the checks of a request, the same for every home. Never does:
//! hold anything between two pages.

use holt_engine::db::{KeyRangeEntry, PageToken, RangeEntry, TokenPage, Tree, View};
use holt_engine::error::{Error, Result};
use holt_engine::limits::{MAX_PAGE_TOKEN_BYTES, MAX_SCAN_BYTES, MAX_SCAN_ENTRIES};

use crate::changes::check_key;

/// What part to scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanRequest {
    /// Only keys that start with these bytes.
    pub prefix: Vec<u8>,
    /// Only entries after this key, in the direction of the scan.
    pub start_after: Option<Vec<u8>>,
    /// Only entries from this key on, in the direction of the scan.
    pub start_at: Option<Vec<u8>>,
    /// Only entries before this key, in the direction of the scan.
    pub end_before: Option<Vec<u8>>,
    /// In descending order.
    pub reverse: bool,
    /// Roll keys up at the first such byte after the prefix.
    pub delimiter: Option<u8>,
    /// Leave values out: they come back empty.
    pub keys_only: bool,
    /// Most entries to return, from 1; larger numbers than `MAX_SCAN_ENTRIES` count as that.
    pub max_entries: usize,
    /// Return no further entry once this many bytes of keys and values are reached; larger
    /// numbers than `MAX_SCAN_BYTES` count as that.
    pub max_bytes: usize,
    /// The `next` of the page before, to go on after it. All else but `keys_only` and the bounds
    /// of the page must be as it was.
    pub resume: Option<Vec<u8>>,
}

/// A bounded part of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The entries, in the order of the scan.
    pub entries: Vec<RangeEntry>,
    /// The token to go on with; `None` at the end.
    pub next: Option<Vec<u8>>,
    /// Whether the page is sure to show the same state as the first page of the scan.
    pub consistent: bool,
}

impl ScanRequest {
    /// Checks the request; returns the bounds of the page.
    ///
    /// # Errors
    /// `InvalidArgument` if no entry is asked for, if two starts are given, or if the token is
    /// none; `KeyTooLong`.
    pub fn check(&self) -> Result<(usize, usize)> {
        if self.max_entries == 0 {
            return Err(Error::InvalidArgument { what: "max-entries", why: "must be at least 1" });
        }
        let keys = [&self.start_after, &self.start_at, &self.end_before];
        check_key(&self.prefix)?;
        keys.into_iter().flatten().try_for_each(|key| check_key(key))?;
        if self.start_after.is_some() && self.start_at.is_some() {
            let why = "give start-after or start-at, not both";
            return Err(Error::InvalidArgument { what: "start of a scan", why });
        }
        if self.resume.as_ref().is_some_and(|token| token.len() > MAX_PAGE_TOKEN_BYTES) {
            return Err(Error::InvalidArgument { what: "page token", why: "pass one from a page" });
        }
        Ok((self.max_entries.min(MAX_SCAN_ENTRIES), self.max_bytes.min(MAX_SCAN_BYTES)))
    }
}

/// A builder with the bounds of a request.
macro_rules! narrowed {
    ($scan:expr, $request:expr) => {{
        let mut scan = $scan;
        if let Some(key) = &$request.start_after {
            scan = scan.start_after(key);
        }
        if let Some(key) = &$request.start_at {
            scan = scan.start_at(key);
        }
        if let Some(key) = &$request.end_before {
            scan = scan.end_before(key);
        }
        if $request.reverse {
            scan = scan.reverse();
        }
        match $request.delimiter {
            Some(delimiter) => scan.delimiter(delimiter),
            None => scan,
        }
    }};
}

macro_rules! reader {
    ($(#[$doc:meta])* $name:ident: $source:ty $(, $fails:tt)?) => {
        $(#[$doc])*
        pub fn $name(source: &$source, request: &ScanRequest) -> Result<Page> {
            let (max_entries, max_bytes) = request.check()?;
            let token = request.resume.as_deref().map(PageToken::from_bytes).transpose()?;
            let prefix = &request.prefix;
            match request.keys_only {
                true => {
                    let scan = narrowed!(source.scan_keys(prefix)$($fails)?, request);
                    keys(scan.page_from(token.as_ref(), max_entries, max_bytes)?)
                }
                false => {
                    let scan = narrowed!(source.scan(prefix)$($fails)?, request);
                    Ok(records(scan.page_from(token.as_ref(), max_entries, max_bytes)?))
                }
            }
        }
    };
}

reader! {
    /// Reads one page of a scan of a tree.
    ///
    /// # Errors
    /// Those of [`ScanRequest::check`] and of the engine.
    read_tree: Tree
}

reader! {
    /// Reads one page of a scan of a view; the prefix must lie in its scope.
    ///
    /// # Errors
    /// Those of [`ScanRequest::check`] and of the engine.
    read_view: View, ?
}

fn records(page: TokenPage<RangeEntry>) -> Page {
    let next = page.next.as_ref().map(PageToken::to_bytes);
    Page { entries: page.entries, next, consistent: page.consistent }
}

fn keys(page: TokenPage<KeyRangeEntry>) -> Result<Page> {
    let entries = page.entries.into_iter().map(|entry| match entry {
        KeyRangeEntry::Key { key, version } => {
            Ok(RangeEntry::Key { key, value: Vec::new(), version })
        }
        KeyRangeEntry::CommonPrefix(prefix) => Ok(RangeEntry::CommonPrefix(prefix)),
        _ => Err(UNKNOWN_ENTRY),
    });
    let next = page.next.as_ref().map(PageToken::to_bytes);
    Ok(Page { entries: entries.collect::<Result<_>>()?, next, consistent: page.consistent })
}

/// The error for an entry of a kind that came after this program.
pub const UNKNOWN_ENTRY: Error =
    Error::InvalidArgument { what: "scan", why: "found an entry of an unknown kind" };
