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

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use holt_tests::report::figure;
use holt_tests::settings::number;
use holt_tests::simdisk::exhaust::{Count, Known, bases, one_word};
use holt_tests::simdisk::letters::{Word, words};

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
        let mut known: Vec<Known> = modes.iter().map(|_| Known::new()).collect();
        loop {
            let at = next.fetch_add(stride, Ordering::Relaxed);
            if at >= groups.len() * modes.len() || failed.load(Ordering::Relaxed) {
                return Ok((count, known));
            }
            let mode = &modes[at / groups.len()];
            let known = &mut known[at / groups.len()];
            for word in groups[at % groups.len()] {
                if let Err(what) = one_word(mode, word, known, &mut count) {
                    failed.store(true, Ordering::Relaxed);
                    return Err(format!("{word:?} (sync {}): {what}", mode.sync));
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let outcomes: Vec<Result<(Count, Vec<Known>), String>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles.into_iter().map(|handle| handle.join().expect("a worker panicked")).collect()
    });
    let mut total = Count::default();
    let mut disks: Vec<HashSet<u128>> = modes.iter().map(|_| HashSet::new()).collect();
    for outcome in outcomes {
        let (count, known) = outcome.unwrap_or_else(|what| panic!("{what}"));
        total.merge(&count);
        for (all, known) in disks.iter_mut().zip(known) {
            all.extend(known.into_keys());
        }
    }
    // Workers may meet the same disk.
    let distinct: u64 = disks.iter().map(|all| all.len() as u64).sum();
    let Count { tally, states, points, complete, by_write, recoveries, deep, nested, .. } = &total;
    println!(
        "exhaustive: {} of {} scripts, {points} crash points ({complete} with every subset, \
         {by_write} with every subset of whole writes), {states} crash states, {distinct} \
         distinct disks in {recoveries} recoveries ({deep} verified), {nested} crashes during recovery, lost 0, \
         {:.0} s",
        tally.scripts,
        words.len() * modes.len(),
        begun.elapsed().as_secs_f64()
    );
    println!("exhaustive: {tally}, log switches {}", total.log_switches);
    figure("exhaustive crash states", *states);
    figure("distinct disks recovered", distinct);
    figure("crashes during recovery", *nested);
    tally.figures(total.log_switches);
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
