//! What reaches the device and comes from it: cold reads, replay of a log, and overwrites beside
//! the peers.
//!
//! Owns: this measurement. Never does: judge it.

use std::fs;
use std::path::Path;
use std::time::Instant;

use holt::{CheckpointConfig, Io, TreeBuilder};

use crate::Result;
use crate::cli::{Device, Order};
use crate::engine::{self, Setup};
use crate::measure::Usage;
use crate::workload::{Chunk, Family, ObjStore, Sequence, Workload, mix};

/// Cold lookups in one line of figures.
const BATCH: u64 = 2_000;
/// Lines: in the first ones frames are met for the first time.
const BATCHES: u64 = 5;
/// Records of one part of a load.
const PART: u64 = 1_000;
/// Memory for pages: everything fits.
const CACHE_BYTES: u64 = 4 << 30;

/// Runs `device`.
///
/// # Errors
/// What the stores say.
pub fn run(of: &Device) -> Result<()> {
    fs::create_dir_all(&of.dir)?;
    let objects = ObjStore::new(of.records, of.seed);
    let dir = of.dir.join("device");
    cold(&dir, &objects, of)?;
    replay(&dir, &objects, of)?;
    for name in &of.engines {
        for skewed in [false, true] {
            overwrites(&dir, engine::kind(name)?, &objects, of, skewed)?;
        }
    }
    Ok(())
}

fn empty(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn builder(dir: &Path) -> TreeBuilder {
    TreeBuilder::new(dir).cache_bytes(CACHE_BYTES).io(Io::Positioned)
}

fn put_all(tree: &holt::Tree, objects: &ObjStore, of: &Device) -> Result<()> {
    let order = Sequence::new(of.records, of.seed, Order::Random);
    let (mut key, mut value) = (Vec::new(), Vec::new());
    for place in 0..of.records {
        key.clear();
        value.clear();
        objects.key(order.at(place), &mut key);
        objects.value(order.at(place), 0, &mut value);
        tree.put(&key, &value)?;
    }
    Ok(())
}

/// Lookups of keys whose pages are not in memory, by single calls of the system.
fn cold(dir: &Path, objects: &ObjStore, of: &Device) -> Result<()> {
    empty(dir)?;
    let tree = builder(dir).open()?;
    put_all(&tree, objects, of)?;
    tree.checkpoint()?;
    drop(tree);
    let begun = Instant::now();
    let tree = builder(dir).open()?;
    println!("reopening {} records: {:.1} ms", of.records, begun.elapsed().as_secs_f64() * 1e3);
    let order = Sequence::new(of.records, mix(of.seed, 1), Order::Random);
    let mut key = Vec::new();
    for batch in 0..BATCHES {
        let before = tree.stats()?.store.pages_read;
        let begun = Instant::now();
        for at in batch * BATCH..(batch + 1) * BATCH {
            key.clear();
            objects.key(order.at(at), &mut key);
            tree.get(&key)?.ok_or("a record is gone")?;
        }
        let took = begun.elapsed().as_secs_f64() * 1e6 / BATCH as f64;
        let reads = (tree.stats()?.store.pages_read - before) as f64 / BATCH as f64;
        let (from, to) = (batch * BATCH, (batch + 1) * BATCH);
        println!("cold get {from:6} to {to:6}: {reads:5.2} reads of 4 KiB and {took:7.1} us each");
    }
    drop(tree);
    empty(dir)
}

/// Opening with a log that no checkpoint has folded in.
fn replay(dir: &Path, objects: &ObjStore, of: &Device) -> Result<()> {
    empty(dir)?;
    let tree = builder(dir).checkpoint(CheckpointConfig::disabled()).open()?;
    put_all(&tree, objects, of)?;
    drop(tree);
    let begun = Instant::now();
    let tree = builder(dir).checkpoint(CheckpointConfig::disabled()).open()?;
    let took = begun.elapsed().as_secs_f64();
    let stats = tree.stats()?;
    println!(
        "replay of {} records, {} MiB of log: {:.2} s, {:.2} million records a second",
        stats.replayed_records,
        stats.replayed_bytes >> 20,
        took,
        stats.replayed_records as f64 / took / 1e6
    );
    drop(tree);
    empty(dir)
}

/// Overwrites with values of the same length, with a checkpoint after so many of them.
fn overwrites(
    dir: &Path,
    kind: engine::Kind,
    objects: &ObjStore,
    of: &Device,
    skewed: bool,
) -> Result<()> {
    empty(dir)?;
    let payload = of.records * 130;
    let setup = Setup {
        dir: dir.into(),
        records: of.records,
        payload,
        cache_bytes: None,
        order: Order::Random,
        seed: of.seed,
        ops: of.between,
        workload: Family::Objstore,
        lists: dir.into(),
        durable: false,
    };
    let mut engine = (kind.open)(&setup)?;
    let order = Sequence::new(of.records, of.seed, Order::Random);
    let mut chunk = Chunk::default();
    for from in (0..of.records).step_by(PART as usize) {
        chunk.clear();
        for place in from..(from + PART).min(of.records) {
            let index = order.at(place);
            chunk.push(|out| objects.key(index, out), |out| objects.value(index, 0, out));
        }
        engine.load(&chunk)?;
    }
    engine.checkpoint()?;
    let (mut key, mut value, mut changed) = (Vec::new(), Vec::new(), 0_u64);
    let before = Usage::now().device_written;
    for round in 0..of.rounds {
        for at in 0..of.between {
            let word = mix(of.seed ^ 77, round * of.between + at);
            let index = match skewed {
                false => word % of.records,
                // Ranks by a law of one over the rank (zipfian with exponent 1), scattered.
                true => {
                    let part = (word >> 11) as f64 / (1_u64 << 53) as f64;
                    order.at((of.records as f64).powf(part) as u64 % of.records)
                }
            };
            key.clear();
            value.clear();
            objects.key(index, &mut key);
            objects.value(index, 1 + round as u32, &mut value);
            engine.put(&key, &value)?;
            changed += (key.len() + value.len()) as u64;
        }
        engine.checkpoint()?;
    }
    let written = Usage::now().device_written - before;
    println!(
        "{:8} {} overwrites of {} records, a checkpoint every {}: {:.2} bytes a byte changed",
        kind.name,
        if skewed { "zipfian" } else { "uniform" },
        of.records,
        of.between,
        written as f64 / changed as f64
    );
    engine.close()?;
    empty(dir)
}
