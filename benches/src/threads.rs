//! What more threads bring: durable writers that share syncs, readers, writers apart.
//!
//! Owns: this measurement, of ours alone. Never does: judge it.

use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use holt::{Durability, Tree, TreeBuilder};

use crate::Result;
use crate::cli::{Order, Threads};
use crate::workload::{ObjStore, Sequence, Workload, mix};

/// Memory for pages: everything fits.
const CACHE_BYTES: u64 = 1 << 30;

/// One operation of one thread.
type Act = fn(&Tree, &ObjStore, u64) -> Result<()>;

/// Runs `threads`.
///
/// # Errors
/// What the store says.
pub fn run(threads: &Threads) -> Result<()> {
    std::fs::create_dir_all(&threads.dir)?;
    let dir = threads.dir.join("threads");
    let objects = ObjStore::new(threads.records, threads.seed);
    {
        let tree = open(&dir, false)?;
        let order = Sequence::new(threads.records, threads.seed, Order::Random);
        for place in 0..threads.records {
            put(&tree, &objects, order.at(place))?;
        }
        tree.checkpoint()?;
        pair("get", &tree, &objects, threads, |tree, objects, index| {
            let mut key = Vec::with_capacity(64);
            objects.key(index, &mut key);
            tree.get(&key)?;
            Ok(())
        })?;
        pair("put, each its own half", &tree, &objects, threads, put)?;
    }
    chases(threads);
    durable(&dir, &objects, threads)?;
    Ok(())
}

fn open(dir: &Path, sync: bool) -> Result<Tree> {
    if dir.exists() {
        std::fs::remove_dir_all(dir)?;
    }
    let durability = Durability::Wal { sync };
    Ok(TreeBuilder::new(dir).cache_bytes(CACHE_BYTES).durability(durability).open()?)
}

fn put(tree: &Tree, objects: &ObjStore, index: u64) -> Result<()> {
    let (mut key, mut value) = (Vec::with_capacity(64), Vec::with_capacity(96));
    objects.key(index, &mut key);
    objects.value(index, 1, &mut value);
    Ok(tree.put(&key, &value)?)
}

/// Operations a second of so many threads, each in its own part of the records.
fn rate(threads: u64, each: u64, work: impl Fn(u64, u64) -> Result<()> + Sync) -> Result<f64> {
    let barrier = Barrier::new(threads as usize + 1);
    let (work, barrier) = (&work, &barrier);
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    barrier.wait();
                    (0..each).try_for_each(|at| work(thread, at))
                })
            })
            .collect();
        barrier.wait();
        let begun = Instant::now();
        for thread in running {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok((threads * each) as f64 / begun.elapsed().as_secs_f64())
    })
}

/// Two threads against one.
fn pair(what: &str, tree: &Tree, objects: &ObjStore, of: &Threads, act: Act) -> Result<()> {
    let half = of.records / 2;
    let work = |thread: u64, at: u64| act(tree, objects, thread * half + mix(thread, at) % half);
    let one = rate(1, of.ops, work)?;
    let two = rate(2, of.ops, work)?;
    println!("{what:24} one thread {one:10.0}/s, two {two:10.0}/s: {:.2} times", two / one);
    Ok(())
}

/// Two threads that follow pointers of their own, to see what the machine gives.
fn chases(of: &Threads) {
    let nodes = (of.records * 16).next_power_of_two() as usize;
    let next: Vec<u32> =
        (0..nodes as u64).map(|at| (mix(of.seed, at) % nodes as u64) as u32).collect();
    let chase = |thread: u64, at: u64| {
        let mut node = (mix(thread, at) % nodes as u64) as usize;
        for _ in 0..16 {
            node = next[node] as usize;
        }
        std::hint::black_box(node);
        Ok(())
    };
    if let (Ok(one), Ok(two)) = (rate(1, of.ops, chase), rate(2, of.ops, chase)) {
        println!(
            "{:24} one thread {one:10.0}/s, two {two:10.0}/s: {:.2} times",
            "pointer chase of 16",
            two / one
        );
    }
}

/// Writers that each wait until their record survives loss of power.
fn durable(dir: &Path, objects: &ObjStore, of: &Threads) -> Result<()> {
    let tree = open(dir, true)?;
    let share = of.records / of.writers;
    let work = |thread: u64, at: u64| put(&tree, objects, thread * share + at % share);
    let syncs = || -> Result<u64> { Ok(tree.stats()?.journal().syncs) };
    let begun = syncs()?;
    let one = rate(1, of.durable, work)?;
    let between = syncs()?;
    let many = rate(of.writers, of.durable, work)?;
    println!(
        "{:24} one thread {one:10.0}/s ({} syncs), {} threads {many:10.0}/s ({} syncs): {:.1} times",
        "durable put",
        between - begun,
        of.writers,
        syncs()? - between,
        many / one
    );
    drop(tree);
    std::fs::remove_dir_all(dir)?;
    Ok(())
}
