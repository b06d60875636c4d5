//! Do the suites find what they are for? Mistakes are planted in the engine, one at a time, and
//! small cuts of the suites run until one of them fails. Each mistake must be caught; without a
//! mistake nothing may fail.
//!
//! Needs the feature `seeded`. `HOLT_SEEDED` (names of mistakes, comma separated) tries only
//! these.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use holt_engine::db::Options;
use holt_engine::limits::{MIN_CACHE_BYTES, MIN_FRAME_BYTES, MIN_LOG_BUDGET};
use holt_engine::seeded::{Bug, plant};
use holt_tests::compare::run;
use holt_tests::home::{Home, simulated};
use holt_tests::report::figure_of;
use holt_tests::simdisk::course::Base;
use holt_tests::simdisk::exhaust::{self, Known, Mode, one_word};
use holt_tests::simdisk::letters::words;
use holt_tests::simdisk::random::{self, one_script};
use holt_tests::simdisk::script::History;
use holt_tests::simdisk::store::{BLOBS, LOG};
use holt_tests::simdisk::{SimDisk, failing, flips};
use holt_tests::workload::{Config, script};

/// A trial that takes longer hangs, which counts as caught.
const HANGS: Duration = Duration::from_secs(180);

/// What all trials start from, made by a sound engine.
struct Grounds {
    words: Vec<Mode>,
    random: Vec<random::Base>,
    failing: Vec<(SimDisk, History)>,
    flips: Vec<Base>,
}

impl Grounds {
    fn new() -> Self {
        Self {
            words: exhaust::bases(12),
            random: random::bases(),
            failing: vec![(SimDisk::new(), History::new()), failing::base(12), failing::base(60)],
            flips: flips::stores(),
        }
    }

    /// Scripts of the differential suite beside the model.
    fn model(&self, seeds: std::ops::Range<u64>) -> Result<(), String> {
        let options = Options {
            cache_bytes: MIN_CACHE_BYTES,
            log_budget: MIN_LOG_BUDGET,
            ..Options::default()
        };
        for seed in seeds {
            let mut home = simulated(MIN_FRAME_BYTES, &options)?;
            let config = Config::numbered(seed, &[b"usr/lib/a".to_vec(), b"usr/lib/b".to_vec()]);
            let script = script(&config).only(&home.supports());
            run(&mut home, &script).map_err(|difference| format!("seed {seed}: {difference}"))?;
        }
        Ok(())
    }

    /// Damage of files, one bit in `stride` and each sector of a log.
    fn damage(&self, stride: usize) -> Result<(), String> {
        let count = flips::Count::default();
        flips::zeroed_log(&count)?;
        for store in &self.flips {
            for file in [BLOBS, LOG] {
                let bits = store.disk.snapshot_bytes(file).unwrap_or_default().len() as u64 * 8;
                for bit in (0..bits).step_by(stride) {
                    flips::flip(store, file, bit, &count)
                        .map_err(|what| format!("bit {bit} of {file}: {what}"))?;
                }
            }
        }
        Ok(())
    }

    /// Every short script of so many letters.
    fn words(&self, letters: usize) -> Result<(), String> {
        let mut count = exhaust::Count::default();
        for mode in &self.words {
            let mut known = Known::new();
            for word in words().iter().filter(|word| word.len() == letters) {
                one_word(mode, word, &mut known, &mut count)
                    .map_err(|what| format!("{word:?}: {what}"))?;
            }
        }
        Ok(())
    }

    /// Random scripts, cut at every event.
    fn random(&self, seeds: std::ops::Range<u64>) -> Result<(), String> {
        let mut count = random::Count::default();
        for seed in seeds {
            one_script(seed, 2, &self.random, &mut count)
                .map_err(|what| format!("seed {seed}: {what}"))?;
        }
        Ok(())
    }

    /// Scripts whose calls fail.
    fn faults(&self, seeds: std::ops::Range<u64>) -> Result<(), String> {
        let mut count = failing::Count::default();
        for seed in seeds {
            let base = &self.failing[seed as usize % self.failing.len()];
            failing::every_call(seed, base, &mut count)?;
        }
        Ok(())
    }
}

type Trial = (&'static str, fn(&Grounds) -> Result<(), String>);

/// The trials, cheap ones first.
const TRIALS: [Trial; 10] = [
    ("scripts of one operation", |on| on.words(1)),
    ("damage", |on| on.damage(4001)),
    ("model", |on| on.model(0..3)),
    ("random power cuts", |on| on.random(0..64)),
    ("faults", |on| on.faults(0..3)),
    ("scripts of two operations", |on| on.words(2)),
    ("damage, more", |on| on.damage(499)),
    ("model, more", |on| on.model(3..12)),
    ("faults, more", |on| on.faults(3..12)),
    ("random power cuts, more", |on| on.random(64..3000)),
];

/// What a trial found.
fn tried(grounds: &Arc<Grounds>, trial: Trial) -> Result<(), String> {
    let (sender, receiver) = channel();
    let grounds = Arc::clone(grounds);
    std::thread::spawn(move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| trial.1(&grounds)));
        let outcome = outcome.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("panicked: {}", text.unwrap_or("something")))
        });
        let _ = sender.send(outcome);
    });
    match receiver.recv_timeout(HANGS) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout) => Err("no answer".into()),
        Err(RecvTimeoutError::Disconnected) => Err("died".into()),
    }
}

/// The first trial that fails: its name, and why.
fn caught(grounds: &Arc<Grounds>) -> Option<(&'static str, String)> {
    TRIALS.iter().find_map(|trial| tried(grounds, *trial).err().map(|why| (trial.0, why)))
}

#[test]
fn every_planted_mistake_is_caught() {
    let only = std::env::var("HOLT_SEEDED").unwrap_or_default();
    let only: Vec<&str> = only.split(',').filter(|name| !name.is_empty()).collect();
    let grounds = Arc::new(Grounds::new());
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let begun = Instant::now();
    let sound = if only.is_empty() { caught(&grounds) } else { None };
    println!("no mistake: {:.1} s for all trials", begun.elapsed().as_secs_f64());
    let mut times = Vec::new();
    let mut missed = Vec::new();
    let mut tries = 0;
    for bug in Bug::ALL {
        let name = format!("{bug:?}");
        if !only.is_empty() && !only.contains(&name.as_str()) {
            continue;
        }
        tries += 1;
        plant(Some(bug));
        let begun = Instant::now();
        let found = caught(&grounds);
        let took = begun.elapsed().as_secs_f64();
        plant(None);
        match found {
            Some((trial, why)) => {
                let why: String =
                    why.lines().next().unwrap_or_default().chars().take(150).collect();
                println!("{name}: caught in {took:.2} s by {trial}: {why}");
                times.push(took);
            }
            None => {
                println!("{name}: MISSED after {took:.1} s");
                missed.push(name);
            }
        }
    }
    std::panic::set_hook(hook);
    times.sort_by(f64::total_cmp);
    let worst = times.last().copied().unwrap_or_default();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    println!(
        "seeded bugs: {} of {tries} caught, median {median:.2} s, worst {worst:.2} s",
        times.len()
    );
    figure_of("seeded bugs caught", times.len() as u64, tries);
    assert!(sound.is_none(), "without a mistake: {sound:?}");
    assert!(missed.is_empty(), "missed: {}", missed.join(", "));
}
