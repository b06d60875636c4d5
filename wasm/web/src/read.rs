//! Calls that read a tree or a snapshot: lookups, pages of scans, the change feed.
//!
//! Owns: how their results are packed. Never does: change anything.

use holt_engine::db::{PageToken, PrefixRecord, Record, Tree};
use holt_engine::error::Result;
use holt_engine::limits::{MAX_SCAN_BYTES, MAX_SCAN_ENTRIES};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::engine::{ENTRIES, EXTRA, Engine, Store, VERSION, WRONG_HANDLE, status};
use crate::{feed, pack};

/// Bits of the flags of a page.
mod flags {
    /// Leaves values out.
    pub const KEYS_ONLY: u32 = 1;
    /// Goes from the last entry to the first.
    pub const REVERSE: u32 = 2;
    /// Starts at the start, not behind it.
    pub const INCLUSIVE: u32 = 4;
}

// Trees and snapshots have the same lookups and no common trait.
macro_rules! read {
    ($engine:expr, $source:ident => $call:expr) => {
        match &$engine.store {
            Store::Tree($source) => $call,
            Store::Snapshot($source) => $call,
            _ => Err(WRONG_HANDLE),
        }
    };
}

/// What a page asks for, beside the bytes in the input.
struct Bounds {
    lengths: [u32; 4],
    delimiter: Option<u8>,
    max_entries: usize,
    max_bytes: usize,
    flags: u32,
}

struct PackedPage {
    bytes: Vec<u8>,
    entries: usize,
    token: Option<usize>,
    consistent: bool,
}

#[wasm_bindgen]
impl Engine {
    /// Looks `key_bytes` of input up: `YES` leaves value and version.
    pub fn get(&mut self, key_bytes: usize) -> u32 {
        let found = self
            .arguments([key_bytes])
            .and_then(|[key]| read!(self, source => source.get_record(key)));
        self.finish(found, |engine, record| {
            let Some(Record { value, version }) = record else { return status::NO };
            engine.answer[VERSION] = version.as_u64();
            engine.output = value;
            engine.answer_output()
        })
    }

    /// Looks a version up: `YES` leaves it.
    pub fn version(&mut self, key_bytes: usize) -> u32 {
        let found = self
            .arguments([key_bytes])
            .and_then(|[key]| read!(self, source => source.get_version(key)));
        self.finish(found, |engine, version| {
            let Some(version) = version else { return status::NO };
            engine.answer[VERSION] = version.as_u64();
            status::YES
        })
    }

    /// The record with the longest key that the input starts with: `YES` leaves value, version
    /// and the length of the key.
    pub fn longest_prefix(&mut self, query_bytes: usize) -> u32 {
        let found = self
            .arguments([query_bytes])
            .and_then(|[query]| read!(self, source => source.longest_prefix_record(query)));
        self.finish(found, |engine, found| {
            let Some(PrefixRecord { key, value, version }) = found else { return status::NO };
            engine.answer[VERSION] = version.as_u64();
            engine.answer[EXTRA] = key.len() as u64;
            engine.output = value;
            engine.answer_output()
        })
    }

    /// Whether no key starts with the prefix.
    pub fn is_prefix_empty(&mut self, prefix_bytes: usize) -> u32 {
        let empty = self
            .arguments([prefix_bytes])
            .and_then(|[prefix]| read!(self, source => source.is_prefix_empty(prefix)));
        self.finish_flag(empty)
    }

    /// Counts keys under the prefix, at most `limit` (0: all): `YES` if the count left in the
    /// answer is exact.
    pub fn prefix_count(&mut self, prefix_bytes: usize, limit: usize) -> u32 {
        let count = self
            .arguments([prefix_bytes])
            .and_then(|[prefix]| read!(self, source => source.prefix_count(prefix, limit)));
        self.finish(count, |engine, count| {
            engine.answer[ENTRIES] = count.count;
            u32::from(count.exact)
        })
    }

    /// One page of a scan: prefix, start, end and page token, each `u32::MAX` long if it is not
    /// given. `delimiter` below 0 is none. The page is packed, see [`pack`]; `NO` if it may show
    /// another state than the first page.
    #[allow(clippy::too_many_arguments)]
    pub fn page(
        &mut self,
        prefix_bytes: u32,
        start_bytes: u32,
        end_bytes: u32,
        token_bytes: u32,
        delimiter: i32,
        max_entries: usize,
        max_bytes: usize,
        flags: u32,
    ) -> u32 {
        let page = self.read_page(&Bounds {
            lengths: [prefix_bytes, start_bytes, end_bytes, token_bytes],
            delimiter: u8::try_from(delimiter).ok(),
            max_entries: max_entries.clamp(1, MAX_SCAN_ENTRIES),
            max_bytes: max_bytes.clamp(1, MAX_SCAN_BYTES),
            flags,
        });
        self.finish(page, |engine, page| {
            engine.output = page.bytes;
            engine.answer[ENTRIES] = page.entries as u64;
            engine.answer[EXTRA] = page.token.map_or(0, |bytes| bytes as u64 + 1);
            engine.answer_output();
            u32::from(page.consistent)
        })
    }

    /// A part of the change feed from a position on: leaves its packed changes, how many they
    /// are, and the next position as the version. `YES` if there are more.
    pub fn changes(&mut self, from: u64) -> u32 {
        let page = match &self.store {
            Store::Database(database) => database.changes_since(from),
            _ => self.tree().and_then(|tree| tree.changes_since(from)),
        };
        let page = page.and_then(|page| {
            let mut bytes = Vec::new();
            feed::changes(&page.changes, &mut bytes)?;
            Ok((bytes, page.changes.len(), page.next, page.more))
        });
        self.finish(page, |engine, (bytes, changes, next, more)| {
            engine.output = bytes;
            engine.answer[ENTRIES] = changes as u64;
            engine.answer[VERSION] = next;
            engine.answer_output();
            u32::from(more)
        })
    }

    /// The position behind the last commit; of a snapshot, behind the last commit it shows.
    pub fn lsn(&mut self) -> u64 {
        match &self.store {
            Store::Tree(tree) => tree.last_lsn(),
            Store::Snapshot(snapshot) => snapshot.lsn(),
            Store::Database(database) => database.last_lsn(),
            Store::DatabaseSnapshot(view) => view.lsn(),
            _ => 0,
        }
    }

    /// The number that the change feed of a database gives the tree.
    pub fn tree_id(&mut self) -> u32 {
        self.tree().map_or(0, Tree::id)
    }

    /// The number of a snapshot.
    pub fn epoch(&mut self) -> u64 {
        match &self.store {
            Store::Snapshot(snapshot) => snapshot.epoch(),
            _ => 0,
        }
    }

    /// A snapshot of the tree under the prefix in the input.
    ///
    /// # Errors
    /// The engine's error, as `{"code", "message"}` in a string.
    pub fn snapshot(&mut self, prefix_bytes: usize) -> Result<Engine, JsValue> {
        let snapshot =
            self.arguments([prefix_bytes]).and_then(|[prefix]| self.tree()?.snapshot(prefix));
        Self::over(snapshot.map(|snapshot| Store::Snapshot(snapshot.view().clone())))
    }
}

impl Engine {
    fn read_page(&self, bounds: &Bounds) -> Result<PackedPage> {
        let [prefix, start, end, token] = self.optional(bounds.lengths)?;
        let token = token.map(PageToken::from_bytes).transpose()?;
        // The builders have the same methods and no common trait.
        macro_rules! page_of {
            ($scan:expr) => {{
                let mut scan = $scan;
                match start {
                    Some(start) if bounds.flags & flags::INCLUSIVE != 0 => {
                        scan = scan.start_at(start);
                    }
                    Some(start) => scan = scan.start_after(start),
                    None => {}
                }
                if let Some(end) = end {
                    scan = scan.end_before(end);
                }
                if bounds.flags & flags::REVERSE != 0 {
                    scan = scan.reverse();
                }
                if let Some(delimiter) = bounds.delimiter {
                    scan = scan.delimiter(delimiter);
                }
                let page = scan.page_from(token.as_ref(), bounds.max_entries, bounds.max_bytes)?;
                let token = page.next.map(|token| token.to_bytes());
                let mut bytes = Vec::new();
                pack::page(&page.entries, token.as_deref(), &mut bytes)?;
                Ok(PackedPage {
                    bytes,
                    entries: page.entries.len(),
                    token: token.map(|token| token.len()),
                    consistent: page.consistent,
                })
            }};
        }
        let keys_only = bounds.flags & flags::KEYS_ONLY != 0;
        match (&self.store, prefix, keys_only) {
            (Store::Tree(tree), prefix, true) => page_of!(tree.scan_keys(prefix.unwrap_or(&[]))),
            (Store::Tree(tree), prefix, false) => page_of!(tree.scan(prefix.unwrap_or(&[]))),
            (Store::Snapshot(snapshot), None, true) => page_of!(snapshot.range_keys()),
            (Store::Snapshot(snapshot), None, false) => page_of!(snapshot.range()),
            (Store::Snapshot(snapshot), Some(prefix), true) => {
                page_of!(snapshot.scan_keys(prefix)?)
            }
            (Store::Snapshot(snapshot), Some(prefix), false) => page_of!(snapshot.scan(prefix)?),
            _ => Err(WRONG_HANDLE),
        }
    }
}
