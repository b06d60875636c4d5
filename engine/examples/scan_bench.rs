//! Measures scans and lookups: `cargo run --release -p holt-engine --example scan_bench
//! [RECORDS] [ROUNDS] [ONLY]`; ONLY is a part of the names of the figures wanted.
//!
//! RECORDS of an object store (keys of 47 bytes, 4096 files a directory, values of 65 bytes) are
//! loaded in random order into a tree in memory. Each figure is of one call at a random place, in
//! nanoseconds, what the caller does with the answer included: the twentieth part of the rounds
//! was faster than the first number, half of them than the second. Where others use the machine
//! the first is the one to compare.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use holt_engine::db::{KeyRangeEntryRef, Options, RangeEntry, RangeEntryRef, Tree};
use holt_engine::device::MemoryBlobStore;
use holt_engine::error::Result;
use holt_engine::geometry::Geometry;

const FILES: u64 = 4096;
const LIST: usize = 100;
const LIST_BYTES: usize = 1 << 20;
const CACHE_BYTES: u64 = 4 << 30;
/// Calls timed together.
const CALLS: usize = 16;

/// A small generator, so that two runs measure the same thing.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % end
    }
}

fn key(at: u64) -> Vec<u8> {
    let sub = at / FILES;
    format!("bucket-{:02}/path-{:05}/sub-{:05}/file-{at:07}.bin", sub / 64, sub / 16, sub % 16)
        .into_bytes()
}

/// Length of a key up to its file name.
fn directory(key: &[u8]) -> usize {
    key.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1)
}

struct Bench {
    tree: Tree,
    records: u64,
    rounds: usize,
    only: String,
}

impl Bench {
    fn load(records: u64, rounds: usize, only: String) -> Result<Self> {
        let blobs = MemoryBlobStore::new(Geometry::default(), [0; 16]);
        let options = Options { cache_bytes: CACHE_BYTES, ..Options::default() };
        let tree = Tree::open_with_devices(Arc::new(blobs), None, options)?;
        let mut random = Random(1);
        let mut order: Vec<u64> = (0..records).collect();
        for at in (1..order.len()).rev() {
            order.swap(at, random.below(at as u64 + 1) as usize);
        }
        for at in order {
            tree.put(&key(at), &[at as u8; 65])?;
        }
        Ok(Self { tree, records, rounds, only })
    }

    /// Times `call` at random keys; what it returns is only kept from being optimised away.
    fn time(&self, what: &str, mut call: impl FnMut(&Tree, &[u8]) -> Result<usize>) -> Result<()> {
        if !what.contains(&self.only) {
            return Ok(());
        }
        let mut random = Random(7);
        let mut nanos = Vec::with_capacity(self.rounds);
        let mut seen = 0;
        for _ in 0..self.rounds {
            let keys: Vec<Vec<u8>> = (0..CALLS).map(|_| key(random.below(self.records))).collect();
            let begin = Instant::now();
            for key in &keys {
                seen += call(&self.tree, key)?;
            }
            nanos.push(begin.elapsed().as_nanos() as f64 / CALLS as f64);
        }
        black_box(seen);
        nanos.sort_by(f64::total_cmp);
        let (low, middle) = (nanos[nanos.len() / 20], nanos[nanos.len() / 2]);
        println!("{what:<40} {low:>9.0} {middle:>9.0}");
        Ok(())
    }
}

fn bytes(entry: &RangeEntry) -> usize {
    match entry {
        RangeEntry::Key { key, value, .. } => key.len() + value.len(),
        _ => 0,
    }
}

fn bytes_lent(entry: RangeEntryRef<'_>) -> usize {
    match entry {
        RangeEntryRef::Key { key, value, .. } => key.len() + value.len(),
        _ => 0,
    }
}

fn scans(bench: &Bench) -> Result<()> {
    let scan = |tree: &Tree, key: &[u8]| tree.scan(&key[..directory(key)]).start_after(key);
    bench.time("page of 100 records", |tree, key| {
        let page = scan(tree, key).page(LIST, LIST_BYTES)?;
        Ok(page.entries.iter().map(bytes).sum())
    })?;
    bench.time("page of 100 records, backwards", |tree, key| {
        let page = scan(tree, key).reverse().page(LIST, LIST_BYTES)?;
        Ok(page.entries.iter().map(bytes).sum())
    })?;
    bench.time("100 records of an iterator", |tree, key| {
        scan(tree, key).into_iter().take(LIST).map(|entry| Ok(bytes(&entry?))).sum()
    })?;
    bench.time("visit of 100 records", |tree, key| {
        let mut seen = 0;
        scan(tree, key).visit(LIST, |entry| {
            seen += bytes_lent(entry);
            Ok(())
        })?;
        Ok(seen)
    })?;
    bench.time("visit of 100 keys", |tree, key| {
        let (mut seen, keys) = (0, tree.scan_keys(&key[..directory(key)]).start_after(key));
        keys.visit(LIST, |entry| {
            if let KeyRangeEntryRef::Key { key, .. } = entry {
                seen += key.len();
            }
            Ok(())
        })?;
        Ok(seen)
    })?;
    bench.time("page of 8 roll-ups", |tree, key| {
        let level = tree.scan_keys(&key[..22]).delimiter(b'/');
        Ok(level.page(8, LIST_BYTES)?.entries.len())
    })?;
    bench.time("page of 8 roll-ups, backwards", |tree, key| {
        let level = tree.scan_keys(&key[..22]).delimiter(b'/').reverse();
        Ok(level.page(8, LIST_BYTES)?.entries.len())
    })
}

fn lookups(bench: &Bench) -> Result<()> {
    bench.time("get", |tree, key| Ok(tree.get(key)?.map_or(0, |value| value.len())))?;
    bench.time("get_with", |tree, key| Ok(tree.get_with(key, <[u8]>::len)?.unwrap_or(0)))?;
    let mut out = Vec::new();
    bench.time("get_into", |tree, key| {
        tree.get_into(key, &mut out)?;
        Ok(out.len())
    })?;
    bench.time("contains_key", |tree, key| Ok(usize::from(tree.contains_key(key)?)))?;
    bench.time("longest_prefix_record of a longer key", |tree, key| {
        let query = [key, b"/version"].concat();
        Ok(tree.longest_prefix_record(&query)?.map_or(0, |found| found.key.len()))
    })?;
    bench.time("longest_prefix_record, none", |tree, key| {
        let found = tree.longest_prefix_record(&key[..key.len() - 1])?;
        Ok(found.map_or(0, |found| found.key.len()))
    })?;
    bench.time("is_prefix_empty", |tree, key| {
        Ok(usize::from(tree.is_prefix_empty(&key[..directory(key)])?))
    })?;
    bench.time("prefix_count of 4096", |tree, key| {
        Ok(tree.prefix_count(&key[..directory(key)], 0)?.count as usize)
    })?;
    bench
        .time("prefix_count of everything", |tree, _| Ok(tree.prefix_count(b"", 0)?.count as usize))
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = || arguments.next().and_then(|number| number.parse().ok());
    let (records, rounds) = (number().unwrap_or(500_000), number().unwrap_or(1000));
    let bench = Bench::load(records, rounds as usize, arguments.next().unwrap_or_default())?;
    println!("{records} records in {} frames; ns, low and middle", bench.tree.stats()?.frames);
    scans(&bench)?;
    lookups(&bench)
}
