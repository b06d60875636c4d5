//! Power is cut at every event of random scripts; then the store is opened and must hold every
//! synced operation, a prefix of the issued ones, each batch whole, and be without damage.
//!
//! `HOLT_CRASH_SCRIPTS` (default 10000), `HOLT_CRASH_CHOICES` (what survives, drawn so many times
//! at each event; default 2), `HOLT_CRASH_SEED` (first seed, default 0).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use holt_tests::report::figure;
use holt_tests::simdisk::random::{Count, bases, one_script, script_of};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().expect(name))
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
                let ops = script_of(seed).ops;
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
    figure("random crash points", *crash_points);
    figure("crashes during recovery", *nested);
    tally.figures(total.log_switches);
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
