//! Every bit of every file of small stores, flipped one at a time: the store opens and answers
//! as before, or the error is typed and what can still be read is right. Never a wrong answer,
//! a panic, or a call that does not return.
//!
//! `HOLT_FLIP_STRIDE` (one bit in so many; default 31, 1 for all of them; `HOLT_QUICK` takes one
//! in 310). The last record of the log may go: nothing in a log says that it was durable.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use holt_tests::report::figure;
use holt_tests::simdisk::course::Base;
use holt_tests::simdisk::flips::{Count, flip, stores, zeroed_log};
use holt_tests::simdisk::store::{BLOBS, LOG};
use holt_tests::watch::Watch;

#[test]
fn zeros_in_the_log_are_noticed() {
    let count = Count::default();
    zeroed_log(&count).unwrap_or_else(|what| panic!("{what}"));
    assert!(count.flips.load(Ordering::Relaxed) > 20);
}

#[test]
fn every_flipped_bit_is_noticed_or_harmless() {
    let quick = std::env::var_os("HOLT_QUICK").is_some();
    let stride = std::env::var("HOLT_FLIP_STRIDE").ok();
    let stride: u64 =
        stride.map_or(if quick { 310 } else { 31 }, |text| text.parse().expect("a stride"));
    let begun = Instant::now();
    let stores = stores();
    let mut parts: Vec<(&Base, &str, u64)> = Vec::new();
    for store in &stores {
        for file in [BLOBS, LOG] {
            let bytes = store.disk.snapshot_bytes(file).unwrap_or_default().len() as u64;
            parts.push((store, file, bytes * 8));
        }
    }
    let (count, watch) = (Count::default(), Watch::over("bit flips"));
    // A panic is a finding: it is counted and told below, with its bit.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from) as u64;
    let one = |worker: u64| -> Result<(), String> {
        for (store, file, bits) in &parts {
            for bit in (worker * stride..*bits).step_by((threads * stride) as usize) {
                let told = |what: String| format!("bit {bit} of {file} ({bits} bits): {what}");
                let flipped = catch_unwind(AssertUnwindSafe(|| flip(store, file, bit, &count)));
                watch.step();
                match flipped {
                    Ok(outcome) => outcome.map_err(told)?,
                    Err(panic) => {
                        let text = panic.downcast_ref::<String>().cloned();
                        return Err(told(format!("panicked: {}", text.unwrap_or_default())));
                    }
                }
            }
        }
        Ok(())
    };
    let outcomes: Vec<Result<(), String>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|worker| scope.spawn(move || one(worker))).collect();
        handles.into_iter().map(|handle| handle.join().expect("a worker ends")).collect()
    });
    drop(watch);
    std::panic::set_hook(hook);
    for outcome in outcomes {
        outcome.unwrap_or_else(|what| panic!("{what}"));
    }
    let of = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
    let bits: u64 = parts.iter().map(|(_, _, bits)| bits).sum();
    println!(
        "flips: {} bit flips of {bits} bits in {} stores: {} refused at opening, {} when read, \
         {} harmless, {} took the last record off, {} verified ({} of them without a finding), \
         wrong answers 0, panics 0, {:.0} s",
        of(&count.flips),
        stores.len(),
        of(&count.refused),
        of(&count.unread),
        of(&count.harmless),
        of(&count.torn),
        of(&count.verified),
        of(&count.unseen),
        begun.elapsed().as_secs_f64()
    );
    figure("bit flips", of(&count.flips));
    for (name, figure) in
        [("refused", &count.refused), ("unread", &count.unread), ("torn", &count.torn)]
    {
        assert!(of(figure) > 0, "none was {name}");
    }
}
