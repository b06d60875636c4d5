//! Every script of up to three operations, cut at every device event, with every legal subset of
//! the unsynced writes up to a bound: the store opens and holds every durable operation, a prefix
//! of the issued ones, each batch whole; opening it again changes nothing.
//!
//! All scripts start from copies of one store of several frames on two levels. A *state* is one
//! script, one event and one choice of what survives. Where at most 64 subsets of the undecided
//! sectors, lengths and directory entries exist they are all tried; else all subsets of whole
//! writes if those are at most 32, and in any case subsets drawn by sector up to the bound. Equal
//! disks are recovered once and judged for each state.
//!
//! `HOLT_EXHAUSTIVE_STRIDE` (one pair of first letters in so many; default 5, 1 for all),
//! `HOLT_EXHAUSTIVE_CHOICES` (bound of subsets; default 64); `HOLT_QUICK` makes the
//! stride 25.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use holt_tests::report::Tally;
use holt_tests::script::Op;
use holt_tests::settings::number;
use holt_tests::simdisk::course::{Base, Course, open};
use holt_tests::simdisk::letters::{Word, operations, preload, words};
use holt_tests::simdisk::script::Digest;
use holt_tests::simdisk::store::log_switches;
use holt_tests::simdisk::{Choice, Undecided};

/// One image in so many is verified, crashed in recovery, and written to.
const DEEP: u128 = 16;

/// Subsets of whole writes that are all tried.
const WHOLE: usize = 5;

#[derive(Default)]
struct Count {
    tally: Tally,
    states: u64,
    points: u64,
    /// Crash points of which every subset of pieces was tried, and those of whole writes.
    complete: u64,
    by_write: u64,
    recoveries: u64,
    deep: u64,
    nested: u64,
    log_switches: u64,
}

impl Count {
    fn merge(&mut self, other: &Self) {
        self.tally.merge(&other.tally);
        self.states += other.states;
        self.points += other.points;
        self.complete += other.complete;
        self.by_write += other.by_write;
        self.recoveries += other.recoveries;
        self.deep += other.deep;
        self.nested += other.nested;
        self.log_switches += other.log_switches;
    }
}

/// What survives a crash with so much undecided.
fn choices(undecided: Undecided, bound: usize, seed: u64, count: &mut Count) -> Vec<Choice> {
    let Undecided { pieces, changes } = undecided;
    if pieces < 64 && 1_usize.checked_shl(pieces as u32).is_some_and(|all| all <= bound) {
        count.complete += 1;
        return (0..1 << pieces).map(Choice::Pieces).collect();
    }
    let mut list = Vec::with_capacity(bound);
    if changes <= WHOLE {
        count.by_write += 1;
        list.extend((0..1 << changes).map(Choice::Changes));
    } else {
        list.extend([Choice::KeepAll, Choice::LoseAll]);
        // Each write alone missing, each alone there, and every reordering of two halves.
        let shown = changes.min(63);
        let all = u64::MAX >> (64 - shown);
        for at in 0..shown.min(8) {
            let bit = 1_u64 << (shown - 1 - at);
            list.extend([all & !bit, bit, all & !(bit - 1)].map(Choice::Changes));
        }
    }
    list.truncate(bound);
    let mut dice = seed;
    while list.len() < bound {
        dice = dice.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let piece = (dice >> 33) as usize % pieces;
        list.push(match dice >> 61 {
            0 => Choice::LoseOne(piece),
            1 => Choice::KeepOne(piece),
            2 => Choice::Reorder(dice),
            _ => Choice::Seeded(dice),
        });
    }
    list
}

/// What is known of disks that were recovered, by fingerprint.
type Known = HashMap<u128, Digest>;

struct Mode {
    base: Base,
    sync: bool,
    bound: usize,
}

fn one_word(mode: &Mode, word: &Word, known: &mut Known, count: &mut Count) -> Result<(), String> {
    let ops = operations(word);
    let course = Course::run(&mode.base, &ops, mode.sync, &mut count.tally)?;
    count.log_switches += log_switches(&course.disk);
    for event in 0..=course.disk.events() {
        count.points += 1;
        let undecided = course.disk.undecided_at(event);
        // Prefixes of words share events, and so should they their draws.
        let seed = (event as u64) << 20 ^ undecided.pieces as u64;
        for choice in choices(undecided, mode.bound, seed, count) {
            count.states += 1;
            let after = course.disk.crash_at(event, choice);
            let print = after.fingerprint(&mode.base.disk);
            let wrong = |what: String| {
                let last = event.checked_sub(1).and_then(|last| course.disk.event(last));
                format!("crash at event {event} ({last:?}) with {choice:?}: {what}")
            };
            let found = match known.get(&print) {
                Some(found) => *found,
                None => {
                    let deep = print.is_multiple_of(DEEP);
                    let (found, nested) = course.recover(&after, deep).map_err(wrong)?;
                    count.recoveries += 1;
                    count.deep += u64::from(deep);
                    count.nested += nested;
                    known.insert(print, found);
                    found
                }
            };
            course.judge(event, found).map_err(wrong)?;
        }
    }
    Ok(())
}

/// The stores that scripts start from: one as it is after its first checkpoint, one whose
/// manifest is about to be switched.
fn bases(bound: usize) -> Vec<Mode> {
    // A manifest's first region has 16 pages, and each publish takes one at least.
    const ALMOST: u64 = 16 * 4096;
    let mut ops = preload();
    ops.push(Op::Checkpoint);
    let plain = Base::new(&ops).expect("the preload");
    let stats = |base: &Base| {
        let db = open(&base.disk.crash(Choice::KeepAll), true).expect("it opens");
        db.unnamed_tree().stats().expect("stats")
    };
    let first = stats(&plain);
    assert!(first.frames >= 4 && first.levels == 2, "{} frames", first.frames);
    let full = loop {
        let put = Op::Put { key: b"filler".as_slice().into(), value: vec![ops.len() as u8].into() };
        ops.extend([put, Op::Checkpoint]);
        let base = Base::new(&ops).expect("the preload");
        if stats(&base).store.manifest_bytes >= ALMOST {
            break base;
        }
    };
    println!(
        "preload: {} records, {} frames on {} levels",
        first.records, first.frames, first.levels
    );
    vec![Mode { base: plain, sync: true, bound }, Mode { base: full, sync: false, bound }]
}

#[test]
fn every_short_script_every_event_every_subset() {
    let bound = number("HOLT_EXHAUSTIVE_CHOICES", 64).max(4) as usize;
    let quick = std::env::var_os("HOLT_QUICK").is_some();
    let stride = std::env::var("HOLT_EXHAUSTIVE_STRIDE").ok();
    let stride = stride.map_or(if quick { 25 } else { 5 }, |text| text.parse().expect("a stride"));
    let begun = Instant::now();
    let modes = bases(bound);
    // Words that begin alike share most of their disks: one worker takes them together.
    let words = words();
    let groups: Vec<&[Word]> = words.chunk_by(|a, b| a.get(..2) == b.get(..2)).collect();
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let work = || {
        let mut count = Count::default();
        loop {
            let at = next.fetch_add(stride, Ordering::Relaxed);
            if at >= groups.len() * modes.len() || failed.load(Ordering::Relaxed) {
                return Ok(count);
            }
            let mode = &modes[at / groups.len()];
            let mut known = Known::new();
            for word in groups[at % groups.len()] {
                if let Err(what) = one_word(mode, word, &mut known, &mut count) {
                    failed.store(true, Ordering::Relaxed);
                    return Err(format!("{word:?} (sync {}): {what}", mode.sync));
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let outcomes: Vec<Result<Count, String>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles.into_iter().map(|handle| handle.join().expect("a worker panicked")).collect()
    });
    let mut total = Count::default();
    for outcome in outcomes {
        total.merge(&outcome.unwrap_or_else(|what| panic!("{what}")));
    }
    let Count { tally, states, points, complete, by_write, recoveries, deep, nested, .. } = &total;
    println!(
        "exhaustive: {} of {} scripts, {points} crash points ({complete} with every subset, \
         {by_write} with every subset of whole writes), {states} crash states, {recoveries} \
         distinct disks recovered ({deep} verified), {nested} crashes during recovery, lost 0, \
         {:.0} s",
        tally.scripts,
        words.len() * modes.len(),
        begun.elapsed().as_secs_f64()
    );
    println!("exhaustive: {tally}, log switches {}", total.log_switches);
    assert!(*states > 0);
    if stride <= 5 {
        let figures = [
            ("spills", tally.spills + tally.page_splits),
            ("merges", tally.merges + tally.page_merges),
            ("manifest switches", tally.manifest_switches),
            ("checkpoints", tally.checkpoints),
            ("log switches", total.log_switches),
            ("crashes during recovery", *nested),
        ];
        for (name, figure) in figures {
            assert!(figure > 0, "no {name}");
        }
    }
}
