//! Scans, in the typed and in the packed form.

use holt_engine::db::{KeyRangeEntry, RangeEntry, ScanPage, Tree};
use holt_engine::error::{Error, Result};
use holt_engine::limits::{MAX_SCAN_BYTES, MAX_SCAN_ENTRIES};
use holt_wire::page;

use crate::bindings::exports::holt::metadata::store::ScanRequest;
use crate::bindings::holt::metadata::types::{Entry, Item, Page};

/// Reads one page of what `request` asks for.
pub(crate) fn read_page(tree: &Tree, request: &ScanRequest) -> Result<ScanPage<RangeEntry>> {
    let max_entries = (request.max_entries as usize).min(MAX_SCAN_ENTRIES);
    let max_bytes = (request.max_bytes as usize).min(MAX_SCAN_BYTES);
    if max_entries == 0 {
        return Err(Error::InvalidArgument { what: "max-entries", why: "must be at least 1" });
    }
    let after = match &request.resume {
        Some(token) => Some(page::resume_after(token)?),
        None => request.start_after.as_deref(),
    };
    if request.keys_only {
        let mut scan = tree.scan_keys(&request.prefix);
        if let Some(after) = after {
            scan = scan.start_after(after);
        }
        if let Some(delimiter) = request.delimiter {
            scan = scan.delimiter(delimiter);
        }
        return with_empty_values(scan.page(max_entries, max_bytes)?);
    }
    let mut scan = tree.scan(&request.prefix);
    if let Some(after) = after {
        scan = scan.start_after(after);
    }
    if let Some(delimiter) = request.delimiter {
        scan = scan.delimiter(delimiter);
    }
    scan.page(max_entries, max_bytes)
}

fn with_empty_values(keys: ScanPage<KeyRangeEntry>) -> Result<ScanPage<RangeEntry>> {
    let entries = keys.entries.into_iter().map(|entry| match entry {
        KeyRangeEntry::Key { key, version } => {
            Ok(RangeEntry::Key { key, value: Vec::new(), version })
        }
        KeyRangeEntry::CommonPrefix(prefix) => Ok(RangeEntry::CommonPrefix(prefix)),
        _ => Err(unknown_entry()),
    });
    Ok(ScanPage { entries: entries.collect::<Result<_>>()?, next: keys.next })
}

/// The page in the typed form.
pub(crate) fn typed(page: ScanPage<RangeEntry>) -> Result<Page> {
    let items = page.entries.into_iter().map(|entry| match entry {
        RangeEntry::Key { key, value, version } => {
            Ok(Item::Entry(Entry { key, value, version: version.as_u64() }))
        }
        RangeEntry::CommonPrefix(prefix) => Ok(Item::CommonPrefix(prefix)),
        _ => Err(unknown_entry()),
    });
    let next = page.next.as_deref().map(page::token);
    Ok(Page { items: items.collect::<Result<_>>()?, next })
}

fn unknown_entry() -> Error {
    Error::InvalidArgument { what: "scan", why: "found an entry of a kind without a WIT form" }
}
