//! Every bit of every file of small stores, flipped one at a time: the store opens and answers
//! as before, or the error is typed and what can still be read is right. Never a wrong answer,
//! a panic, or a call that does not return.
//!
//! `HOLT_FLIP_STRIDE` (one bit in so many; default 31, 1 for all of them; `HOLT_QUICK` takes one
//! in 310). The last record of the log may go: nothing in a log says that it was durable.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use holt_engine::error::Error;
use holt_tests::script::Op;
use holt_tests::simdisk::course::{Base, digest, open};
use holt_tests::simdisk::letters::{Letter, operations, preload};
use holt_tests::simdisk::store::{BLOBS, LOG};
use holt_tests::simdisk::{Choice, Damage};

/// A call that takes longer hangs.
const HANGS: Duration = Duration::from_secs(60);

/// One flip in so many is verified too.
const VERIFIED: u64 = 16;

#[derive(Default)]
struct Count {
    flips: AtomicU64,
    /// Refused at opening, and when read.
    refused: AtomicU64,
    unread: AtomicU64,
    harmless: AtomicU64,
    /// The last record of the log was taken for a torn tail.
    torn: AtomicU64,
    verified: AtomicU64,
    /// Flips that no check of the whole store found, though no answer was wrong.
    unseen: AtomicU64,
}

fn add(figure: &AtomicU64) {
    figure.fetch_add(1, Ordering::Relaxed);
}

fn typed(error: &Error) -> Result<(), String> {
    match error {
        Error::Corrupt(_) | Error::NotAStore { .. } | Error::UnsupportedFormat { .. } => Ok(()),
        // A length that was damaged may lead a read past the end of the file.
        Error::BlobStoreIo(_) => Ok(()),
        other => Err(format!("an error that does not tell: {other:?}")),
    }
}

/// Flips one bit and asks the store for everything.
fn flip(base: &Base, file: &str, bit: u64, count: &Count) -> Result<(), String> {
    let disk = base.disk.crash(Choice::KeepAll);
    disk.damage(file, &Damage::FlipBit(bit)).expect("the file is there");
    add(&count.flips);
    let db = match open(&disk, true) {
        Ok(db) => db,
        Err(error) => {
            add(&count.refused);
            return typed(&error);
        }
    };
    match digest(&db) {
        Ok(found) if found == base.state() => add(&count.harmless),
        Ok(found) if file == LOG && base.states.iter().rev().nth(1) == Some(&found) => {
            add(&count.torn);
        }
        Ok(_) => return Err("another state than the one that was".into()),
        Err(error) => {
            add(&count.unread);
            typed(&error)?;
            let tree = db.unnamed_tree();
            for (key, value) in base.records() {
                match tree.get(key) {
                    Ok(Some(found)) if found == value => {}
                    Ok(found) => return Err(format!("a wrong value: {found:?}")),
                    Err(error) => typed(&error)?,
                }
            }
        }
    }
    if bit.wrapping_mul(0x9e37_79b9) >> 8 & (VERIFIED - 1) == 0 {
        add(&count.verified);
        match db.verify() {
            Ok(report) if report.is_clean() => add(&count.unseen),
            Ok(_) => {}
            Err(error) => typed(&error)?,
        }
    }
    Ok(())
}

fn base(ops: &[Op]) -> Base {
    Base::new(ops).expect("a script without faults")
}

/// Small stores: blank, with a log only, published and with a log, larger with an extent and a
/// second tree.
fn stores() -> Vec<Base> {
    use Letter::{Batch, Checkpoint, Delete, Overwrite, PutLarge, PutSmall, Tree};
    let some = operations(&[PutSmall, Overwrite, Batch, Delete]);
    let published = [some.clone(), vec![Op::Checkpoint], some.clone()].concat();
    let large = operations(&[PutLarge, Tree, Checkpoint, PutSmall, Batch, Overwrite]);
    let large = [preload(), large].concat();
    vec![base(&[]), base(&some), base(&published), base(&large)]
}

/// Ends the program if no flip ends for a long time.
fn watch(count: Arc<Count>, over: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let mut last = (0, Instant::now());
        while !over.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(200));
            let flips = count.flips.load(Ordering::Relaxed);
            if flips != last.0 {
                last = (flips, Instant::now());
            } else if last.1.elapsed() > HANGS {
                eprintln!("bit flips: no answer for {HANGS:?}, after {flips} flips");
                std::process::exit(101);
            }
        }
    });
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
    let (count, over) = (Arc::new(Count::default()), Arc::new(AtomicBool::new(false)));
    watch(count.clone(), over.clone());
    // A panic is a finding: it is counted and told below, with its bit.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from) as u64;
    let one = |worker: u64| -> Result<(), String> {
        for (store, file, bits) in &parts {
            for bit in (worker * stride..*bits).step_by((threads * stride) as usize) {
                let told = |what: String| format!("bit {bit} of {file} ({bits} bits): {what}");
                match catch_unwind(AssertUnwindSafe(|| flip(store, file, bit, &count))) {
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
    over.store(true, Ordering::Relaxed);
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
    for (name, figure) in
        [("refused", &count.refused), ("unread", &count.unread), ("torn", &count.torn)]
    {
        assert!(of(figure) > 0, "none was {name}");
    }
}
