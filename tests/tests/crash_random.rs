//! Power is cut at every event of random scripts; then the store is opened and must hold every
//! synced operation, a prefix of the issued ones, each batch whole, and be without damage.
//!
//! `HOLT_CRASH_SCRIPTS` (default 10000), `HOLT_CRASH_CHOICES` (what survives, drawn so many times
//! at each event; default 2), `HOLT_CRASH_SEED` (first seed, default 0).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use holt_tests::report::Tally;
use holt_tests::script::Op;
use holt_tests::simdisk::run::{Run, apply, open};
use holt_tests::simdisk::script::{History, preload, preload_sized, script};
use holt_tests::simdisk::store::log_switches;
use holt_tests::simdisk::{Choice, SimDisk};

/// Operations of a script.
const OPS: usize = 12;

/// What the suite did.
#[derive(Default)]
struct Count {
    tally: Tally,
    crash_points: u64,
    recoveries: u64,
    nested: u64,
    replayed: u64,
    torn_states: u64,
    log_switches: u64,
}

impl Count {
    fn merge(&mut self, other: &Self) {
        self.tally.merge(&other.tally);
        self.crash_points += other.crash_points;
        self.recoveries += other.recoveries;
        self.nested += other.nested;
        self.replayed += other.replayed;
        self.torn_states += other.torn_states;
        self.log_switches += other.log_switches;
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().expect(name))
}

/// A disk to start from, with the history of what it holds.
type Base = (SimDisk, History);

fn filled(records: usize, checkpoint: bool, manifest_bytes: u64) -> Base {
    let disk = SimDisk::new();
    let mut history = History::new();
    let tree = open(&disk, false).unwrap();
    let mut run = |op: &Op| {
        apply(&tree, op).unwrap();
        history.apply(op);
    };
    if records > 0 {
        run(&preload(records as u64, records));
    }
    if checkpoint {
        run(&Op::Checkpoint);
    }
    let mut round = 0;
    while tree.stats().unwrap().store.manifest_bytes < manifest_bytes {
        run(&preload(round, records));
        run(&Op::Checkpoint);
        round += 1;
    }
    drop(tree);
    (disk.crash(Choice::KeepAll), history)
}

fn larger_than_the_cache(checkpoint: bool) -> Base {
    let disk = SimDisk::new();
    let mut history = History::new();
    let tree = open(&disk, false).unwrap();
    let last = if checkpoint { Op::Checkpoint } else { Op::Sync };
    for op in [preload_sized(1, 64, 5000..8000), last] {
        apply(&tree, &op).unwrap();
        history.apply(&op);
    }
    drop(tree);
    (disk.crash(Choice::KeepAll), history)
}

/// Disks to start from: blank; with a store that is empty, of one frame, of several;
/// checkpointed, and with a log; with a manifest about to be switched; larger than
/// the cache.
fn bases() -> Vec<Base> {
    // A manifest's first region has 16 pages.
    const ALMOST: u64 = 16 * 4096 - 2500;
    vec![
        (SimDisk::new(), History::new()),
        filled(0, false, 0),
        filled(8, true, 0),
        filled(30, false, 0),
        filled(30, true, ALMOST),
        filled(60, true, 0),
        filled(60, false, 0),
        filled(48, true, ALMOST),
        larger_than_the_cache(true),
        larger_than_the_cache(false),
    ]
}

fn one_script(seed: u64, choices: u64, bases: &[Base], count: &mut Count) -> Result<(), String> {
    let script = script(seed, OPS);
    // The last two are large and slow: one script in 32.
    let small = bases.len() - 2;
    let base = match seed % 32 {
        31 => small + seed as usize / 32 % 2,
        _ => seed as usize % small,
    };
    let (base, history) = &bases[base];
    let run = Run::new(base, history, &script, seed % 2 == 1, &mut count.tally)
        .map_err(|(at, error)| format!("operation {at} failed: {error}"))?;
    count.log_switches += log_switches(&run.disk);
    for event in 0..=run.disk.events() {
        count.crash_points += 1;
        let pieces = run.disk.pieces_at(event);
        let draws = if pieces == 0 { 1 } else { choices };
        for draw in 0..draws {
            let dice = seed
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .wrapping_add((event as u64) << 8 | draw)
                .wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let choice = match (dice >> 33) % 8 {
                0 => Choice::LoseAll,
                1 => Choice::LoseOne((dice >> 40) as usize % pieces.max(1)),
                2 => Choice::Reorder(dice),
                _ => Choice::Seeded(dice),
            };
            count.torn_states += u64::from(pieces > 0);
            let wrong = |what: String| {
                let event = (event, event.checked_sub(1).and_then(|last| run.disk.event(last)));
                format!("seed {seed}, crash at event {event:?} with {choice:?}: {what}")
            };
            let after = run.disk.crash_at(event, choice);
            let found = run.check(event, &after, (dice >> 36).is_multiple_of(4)).map_err(wrong)?;
            count.recoveries += 1;
            count.replayed += found.replayed;
            if (dice >> 44).is_multiple_of(8) {
                let nested = found.crash_again(&after, dice >> 8).map_err(wrong)?;
                count.nested += nested;
                count.recoveries += nested;
            }
        }
    }
    Ok(())
}

#[test]
fn power_cut_at_every_event_of_random_scripts() {
    let scripts = number("HOLT_CRASH_SCRIPTS", 10_000);
    let choices = number("HOLT_CRASH_CHOICES", 2);
    let first = number("HOLT_CRASH_SEED", 0);
    let started = Instant::now();
    let bases = bases();
    let next = AtomicU64::new(first);
    let failed = AtomicBool::new(false);
    let work = || {
        let mut count = Count::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + scripts || failed.load(Ordering::Relaxed) {
                return Ok(count);
            }
            if let Err(what) = one_script(seed, choices, &bases, &mut count) {
                failed.store(true, Ordering::Relaxed);
                let ops = script(seed, OPS).ops;
                let lines: String = ops.iter().map(|op| format!("  {op:?}\n")).collect();
                return Err(format!("{what}\nscript:\n{lines}"));
            }
        }
    };
    let mut total = Count::default();
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let outcomes: Vec<Result<Count, String>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles.into_iter().map(|handle| handle.join().expect("a worker panicked")).collect()
    });
    for outcome in outcomes {
        match outcome {
            Ok(count) => total.merge(&count),
            Err(what) => panic!("{what}"),
        }
    }
    let Count { tally, crash_points, recoveries, nested, replayed, torn_states, .. } = &total;
    println!(
        "power cuts: {} scripts, {crash_points} crash points, {recoveries} recoveries \
         ({nested} crashed again, {torn_states} with something to lose), {replayed} records \
         replayed, {} spills, {} merges, {} manifest switches, {} s",
        tally.scripts,
        tally.spills,
        tally.merges,
        tally.manifest_switches,
        started.elapsed().as_secs()
    );
    println!("scripts: {tally}, log switches {}", total.log_switches);
    if scripts >= 1000 {
        let figures = [
            ("crash points", *crash_points),
            ("recoveries", *recoveries),
            ("recoveries crashed", *nested),
            ("records replayed", *replayed),
            ("spills", tally.spills),
            ("merges", tally.merges),
            ("manifest switches", tally.manifest_switches),
            ("evictions", tally.evictions),
            ("staged evictions", tally.staged_evictions),
            ("log switches", total.log_switches),
        ];
        for (name, figure) in figures {
            assert!(figure > 0, "no {name}");
        }
    }
}
