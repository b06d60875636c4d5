//! How long single puts take while a checkpoint runs beside them, and while none does.
//!
//! Owns: this measurement, of ours alone. Never does: judge it.

use std::time::Instant;

use holt::{CheckpointConfig, Tree, TreeBuilder};

use crate::Result;
use crate::cli::{Order, Tail};
use crate::workload::{ObjStore, Sequence, Workload};

/// Bytes of a record, in the log and on its page about the same.
const RECORD_BYTES: u64 = 150;
/// Puts between two looks at the store's figures.
const LOOK_EVERY: u64 = 1_000;

/// Latencies of puts, in nanoseconds.
#[derive(Default)]
struct Latencies(Vec<u32>);

impl Latencies {
    /// The one that so many in a thousand are not above, in microseconds.
    fn at(&mut self, per_mille: usize) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let place = (self.0.len() * per_mille / 1000).min(last);
        match self.0.is_empty() {
            true => f64::NAN,
            false => f64::from(*self.0.select_nth_unstable(place).1) / 1e3,
        }
    }

    fn print(&mut self, what: &str) {
        let [p50, p99, p999, most] = [500, 990, 999, 1000].map(|part| self.at(part));
        let puts = self.0.len();
        println!(
            "{what:26} {puts:9} puts: p50 {p50:7.2} us, p99 {p99:8.2}, p99.9 {p999:9.2}, most {most:10.1}"
        );
    }
}

/// A tree and the records put into it.
struct Writer {
    tree: Tree,
    objects: ObjStore,
    order: Sequence,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Writer {
    /// Puts the record at a place of the order; nanoseconds.
    fn put(&mut self, place: u64, generation: u32) -> Result<u32> {
        let index = self.order.at(place);
        self.key.clear();
        self.value.clear();
        self.objects.key(index, &mut self.key);
        self.objects.value(index, generation, &mut self.value);
        let begun = Instant::now();
        self.tree.put(&self.key, &self.value)?;
        Ok(u32::try_from(begun.elapsed().as_nanos()).unwrap_or(u32::MAX))
    }
}

/// Runs `tail`.
///
/// # Errors
/// What the store says.
pub fn run(tail: &Tail) -> Result<()> {
    let records = (tail.dirty_mib << 20) / RECORD_BYTES;
    // Checkpoints start at five eighths of the budget: when about everything is loaded.
    let start = records * RECORD_BYTES;
    let checkpoint =
        if tail.inline { CheckpointConfig::inline() } else { CheckpointConfig::enabled() };
    std::fs::create_dir_all(&tail.dir)?;
    let dir = tail.dir.join("tail");
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    let tree = TreeBuilder::new(&dir)
        .cache_bytes(4 * start + (64 << 20))
        .log_budget(start / 5 * 8)
        .checkpoint(checkpoint)
        .open()?;
    let mut writer = Writer {
        tree,
        objects: ObjStore::new(2 * records, tail.seed),
        order: Sequence::new(2 * records, tail.seed, Order::Random),
        key: Vec::new(),
        value: Vec::new(),
    };
    let half = records / 2;
    for place in 0..half {
        writer.put(place, 0)?;
    }
    let mut quiet = Latencies::default();
    for at in 0..half / 4 {
        quiet.0.push(writer.put(at * 7 % half, 1)?);
    }
    // Until the next thousand would start a checkpoint.
    let mut place = half;
    while writer.tree.stats()?.log_bytes + 2 * LOOK_EVERY * RECORD_BYTES < start {
        for _ in 0..LOOK_EVERY {
            writer.put(place, 0)?;
            place += 1;
        }
    }
    let stats = writer.tree.stats()?;
    let (begun, mut beside, mut at) = (Instant::now(), Latencies::default(), 0);
    let mut took = None;
    while took.is_none() {
        for _ in 0..LOOK_EVERY {
            beside.0.push(writer.put(at * 7 % half, 2)?);
            at += 1;
        }
        took = (writer.tree.stats()?.checkpoints > stats.checkpoints).then(|| begun.elapsed());
    }
    let mib = (stats.dirty_pages * 4096) >> 20;
    println!(
        "{mib} MiB of pages in a checkpoint of {:.2} s",
        took.unwrap_or_default().as_secs_f64()
    );
    quiet.print("no checkpoint");
    beside.print("while it runs");
    println!("p99: {:.2} times that without", beside.at(990) / quiet.at(990));
    drop(writer);
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
