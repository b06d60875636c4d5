//! Reads of a tree in this process and of views of it.
//!
//! Owns: scans in all their forms, with what they say about themselves. Never does: bound a scan
//! by itself.

use holt_engine::db::{
    KeyRangeEntry, KeyRangeEntryRef, PageToken, PrefixRecord, RangeEntry, RangeEntryRef, ScanPage,
    ScanStats, Tree, View,
};
use holt_engine::error::Result;

use crate::model::{Entry, Outcome};
use crate::script::{How, Read, Scan, Start};

/// The reads that trees and views answer by the same names.
macro_rules! read {
    ($source:expr, $read:expr, $scan:expr) => {
        match $read {
            Read::Get { key } => Outcome::Value($source.get(&key.0)?),
            Read::GetRecord { key } => {
                let record = $source.get_record(&key.0)?;
                Outcome::Record(record.map(|record| (record.value, record.version.as_u64())))
            }
            Read::GetVersion { key } => {
                Outcome::Version($source.get_version(&key.0)?.map(|version| version.as_u64()))
            }
            Read::LongestPrefix { query } => found($source.longest_prefix_record(&query.0)?),
            Read::IsPrefixEmpty { prefix } => Outcome::Yes($source.is_prefix_empty(&prefix.0)?),
            Read::PrefixCount { prefix, limit } => {
                let count = $source.prefix_count(&prefix.0, *limit)?;
                Outcome::Count(count.count, count.exact)
            }
            Read::Scan(scan) => $scan(scan)?,
        }
    };
}

/// Takes entries of a scan, whose bounds are set first.
macro_rules! take {
    ($range:expr, $scan:expr, $entry:expr, $lent:expr, $is_view:expr) => {{
        let mut range = $range;
        match &$scan.start {
            Start::First => {}
            Start::After(key) => range = range.start_after(&key.0),
            Start::At(key) => range = range.start_at(&key.0),
        }
        if let Some(end) = &$scan.end_before {
            range = range.end_before(&end.0);
        }
        if $scan.reverse {
            range = range.reverse();
        }
        if let Some(delimiter) = $scan.delimiter {
            range = range.delimiter(delimiter);
        }
        match $scan.how {
            How::Page { max_entries, max_bytes } => {
                let ScanPage { entries, next } = range.page(max_entries, max_bytes)?;
                Outcome::Page(entries.into_iter().map($entry).collect(), next)
            }
            How::Tokens { pages, max_entries, max_bytes } => {
                let (mut all, mut token) = (Vec::<Entry>::new(), None);
                for part in 0..pages {
                    let page = range.page_from(token.as_ref(), max_entries, max_bytes)?;
                    if page.consistent != ($is_view || part == 0) {
                        let said = page.consistent;
                        return Ok(Outcome::Failed(format!("part {part}: consistent {said}")));
                    }
                    all.extend(page.entries.into_iter().map($entry));
                    // A token may be stored or sent meanwhile.
                    let bytes = page.next.map(|next| next.to_bytes());
                    token = bytes.map(|bytes| PageToken::from_bytes(&bytes)).transpose()?;
                    if token.is_none() {
                        break;
                    }
                }
                let next = all.last().filter(|_| token.is_some());
                let next = next.map(|last| last.shown().to_vec());
                Outcome::Page(all, next)
            }
            How::Iterate { most } => {
                let entries = range.into_iter().take(most).map(|entry| entry.map($entry));
                Outcome::Page(entries.collect::<Result<Vec<Entry>>>()?, None)
            }
            How::Visit { limit } => {
                let mut all = Vec::new();
                let outcome = range.visit_with_outcome(limit, |entry| {
                    all.push($lent(entry));
                    Ok(())
                })?;
                visited(all, outcome.stats, outcome.more)
            }
        }
    }};
}

/// Answers a read of a tree.
pub(super) fn read_tree(tree: &Tree, read: &Read) -> Result<Outcome> {
    let scan = |scan: &Scan| -> Result<Outcome> {
        Ok(match scan.keys_only {
            true => take!(tree.scan_keys(&scan.prefix.0), scan, key_entry, lent_key, false),
            false => take!(tree.scan(&scan.prefix.0), scan, record_entry, lent_record, false),
        })
    };
    Ok(read!(tree, read, scan))
}

/// Answers a read of a view.
pub(super) fn read_view(view: &View, read: &Read) -> Result<Outcome> {
    let scan = |scan: &Scan| -> Result<Outcome> {
        Ok(match scan.keys_only {
            true => take!(view.scan_keys(&scan.prefix.0)?, scan, key_entry, lent_key, true),
            false => take!(view.scan(&scan.prefix.0)?, scan, record_entry, lent_record, true),
        })
    };
    Ok(read!(view, read, scan))
}

/// What a visit gave, if the figures it tells are of that.
fn visited(all: Vec<Entry>, stats: ScanStats, more: bool) -> Outcome {
    let records = all.iter().filter(|entry| matches!(entry, Entry::Key { .. })).count() as u64;
    let rolled_up = all.len() as u64 - records;
    if (stats.returned, stats.rollup) != (records, rolled_up) {
        return Outcome::Failed(format!("{records} records, {rolled_up} roll-ups, {stats:?}"));
    }
    let next = all.last().filter(|_| more).map(|last| last.shown().to_vec());
    Outcome::Page(all, next)
}

/// A record under a key that was not asked for, as the model has it.
pub(super) fn found(record: Option<PrefixRecord>) -> Outcome {
    Outcome::Found(record.map(|PrefixRecord { key, value, version }| Entry::Key {
        key,
        value,
        version: version.as_u64(),
    }))
}

/// A record entry as the model has it.
pub(super) fn record_entry(entry: RangeEntry) -> Entry {
    match entry {
        RangeEntry::Key { key, value, version } => {
            Entry::Key { key, value, version: version.as_u64() }
        }
        RangeEntry::CommonPrefix(prefix) => Entry::Prefix(prefix),
        other => unreachable!("a kind of entry the kit does not know: {other:?}"),
    }
}

fn key_entry(entry: KeyRangeEntry) -> Entry {
    match entry {
        KeyRangeEntry::Key { key, version } => {
            Entry::Key { key, value: Vec::new(), version: version.as_u64() }
        }
        KeyRangeEntry::CommonPrefix(prefix) => Entry::Prefix(prefix),
        other => unreachable!("a kind of entry the kit does not know: {other:?}"),
    }
}

fn lent_record(entry: RangeEntryRef<'_>) -> Entry {
    match entry {
        RangeEntryRef::Key { key, value, version } => {
            Entry::Key { key: key.into(), value: value.into(), version: version.as_u64() }
        }
        RangeEntryRef::CommonPrefix(prefix) => Entry::Prefix(prefix.into()),
        other => unreachable!("a kind of entry the kit does not know: {other:?}"),
    }
}

fn lent_key(entry: KeyRangeEntryRef<'_>) -> Entry {
    match entry {
        KeyRangeEntryRef::Key { key, version } => {
            Entry::Key { key: key.into(), value: Vec::new(), version: version.as_u64() }
        }
        KeyRangeEntryRef::CommonPrefix(prefix) => Entry::Prefix(prefix.into()),
        other => unreachable!("a kind of entry the kit does not know: {other:?}"),
    }
}
