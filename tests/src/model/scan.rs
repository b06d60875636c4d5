//! What scans of the model find: every entry is made, then bounds are applied to entries.

use std::collections::btree_map;

use holt_engine::limits::{MAX_SCAN_BYTES, MAX_SCAN_ENTRIES};

use super::outcome::{Entry, Outcome};
use super::records::Record;
use crate::script::{How, Scan, Start};

/// A roll-up, or a record by its key.
#[derive(Clone, Copy)]
enum Shown<'a> {
    Key(&'a [u8], &'a Record),
    Prefix(&'a [u8]),
}

impl<'a> Shown<'a> {
    const fn bytes(self) -> &'a [u8] {
        match self {
            Self::Key(key, _) | Self::Prefix(key) => key,
        }
    }

    /// Bytes of keys and values that it counts for.
    fn weight(self, keys_only: bool) -> usize {
        match self {
            Self::Key(key, record) if !keys_only => key.len() + record.value.len(),
            _ => self.bytes().len(),
        }
    }

    fn entry(self, keys_only: bool) -> Entry {
        match self {
            Self::Key(key, record) => {
                let value = if keys_only { Vec::new() } else { record.value.clone() };
                Entry::Key { key: key.into(), value, version: record.write }
            }
            Self::Prefix(prefix) => Entry::Prefix(prefix.into()),
        }
    }
}

/// The entries of `records`, which all start with the scan's prefix, that the scan asks for.
pub fn scan(records: btree_map::Range<'_, Vec<u8>, Record>, scan: &Scan) -> Outcome {
    let mut all: Vec<Shown<'_>> = Vec::new();
    for (key, record) in records {
        let entry = shown(scan, key, record);
        if all.last().is_none_or(|last| last.bytes() != entry.bytes()) {
            all.push(entry);
        }
    }
    if scan.reverse {
        all.reverse();
    }
    // Whether an entry stands before a bound, in the direction of the scan.
    let before = |entry: &[u8], bound: &[u8]| match scan.reverse {
        false => entry < bound,
        true => entry > bound,
    };
    all.retain(|entry| {
        let entry = entry.bytes();
        let started = match &scan.start {
            Start::First => true,
            Start::After(key) => before(&key.0, entry),
            Start::At(key) => !before(entry, &key.0),
        };
        started && scan.end_before.as_ref().is_none_or(|end| before(entry, &end.0))
    });
    let (taken, says_more) = match scan.how {
        How::Page { max_entries, max_bytes } => {
            (part(&all, scan.keys_only, max_entries, max_bytes), true)
        }
        How::Tokens { pages, max_entries, max_bytes } => {
            let mut taken = 0;
            for _ in 0..pages {
                taken += part(&all[taken..], scan.keys_only, max_entries, max_bytes);
            }
            (taken, true)
        }
        How::Visit { limit } => (limit.min(all.len()), true),
        How::Iterate { most } => (most.min(all.len()), false),
    };
    let next = match taken {
        0 => None,
        _ if !says_more || taken == all.len() => None,
        _ => Some(all[taken - 1].bytes().to_vec()),
    };
    Outcome::Page(all[..taken].iter().map(|shown| shown.entry(scan.keys_only)).collect(), next)
}

/// How many entries a bounded part has: it ends with the one that reaches a bound.
fn part(entries: &[Shown<'_>], keys_only: bool, max_entries: usize, max_bytes: usize) -> usize {
    let (most, most_bytes) = (max_entries.min(MAX_SCAN_ENTRIES), max_bytes.min(MAX_SCAN_BYTES));
    let mut bytes = 0;
    for (at, entry) in entries.iter().enumerate() {
        if at >= most || (bytes >= most_bytes && at > 0) {
            return at;
        }
        bytes += entry.weight(keys_only);
    }
    entries.len()
}

/// The entry under which a key shows: itself, or its roll-up.
///
/// A key that ends in its first delimiter is rolled up as well: the roll-up reaches up to and
/// including the first delimiter after the prefix.
fn shown<'a>(scan: &Scan, key: &'a [u8], record: &'a Record) -> Shown<'a> {
    let from = scan.prefix.0.len();
    let cut = scan.delimiter.and_then(|d| key[from..].iter().position(|&byte| byte == d));
    match cut {
        Some(at) => Shown::Prefix(&key[..from + at + 1]),
        None => Shown::Key(key, record),
    }
}
