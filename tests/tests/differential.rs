//! One suite, every home: equal scripts give equal answers and equal contents.
//!
//! Each home runs the same scripts beside the model; every outcome is compared, the store is
//! verified, reopened and dumped, and all homes must end with equal dumps. The counters printed
//! for a home show what the scripts made happen below the surface; a counter that stays zero
//! fails the suite. `HOLT_SKIP_WEB=1` leaves the home in Node out.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use holt_engine::db::{MemoryHint, Options, Tree};
use holt_engine::limits::{
    DEFAULT_SNAPSHOT_BYTES, MAX_FRAME_BYTES, MIN_CACHE_BYTES, MIN_FRAME_BYTES, MIN_LOG_BUDGET,
};
use holt_tests::compare::{Dump, explain, run};
use holt_tests::home::{
    FileSettings, Home, StoreHome, TreeHome, WebHome, memory_devices, simulated,
};
use holt_tests::report::Tally;
use holt_tests::workload::{Config, Shape, real_paths, script};

/// How to make an empty home.
type Make = Box<dyn FnMut() -> Result<Box<dyn Home>, String>>;

/// Real paths taken from the machine, at most.
const PATHS: usize = 5000;

/// Scripts of each shape; `HOLT_QUICK` takes one.
const ROUNDS: u64 = 3;

/// Small memory and a small log, so that pages are evicted and checkpoints start by themselves.
const TIGHT: Options = Options {
    cache_bytes: MIN_CACHE_BYTES,
    sync: false,
    log_budget: MIN_LOG_BUDGET,
    auto_checkpoint: true,
    read_only: false,
    snapshot_bytes: DEFAULT_SNAPSHOT_BYTES,
    feed_retention: 0,
    memory_hint: MemoryHint(None),
};

/// What each script left, by its number, and which home saw it first.
static SEEN: Mutex<BTreeMap<u64, (u64, String)>> = Mutex::new(BTreeMap::new());

/// Scripts of every shape and of three sizes.
fn configs() -> Vec<Config> {
    let rounds = if std::env::var_os("HOLT_QUICK").is_some() { 1 } else { ROUNDS };
    let paths = real_paths(Path::new("/usr"), PATHS);
    assert!(paths.len() > 500, "the machine's /usr has only {} entries", paths.len());
    let mut configs = Vec::new();
    for round in 0..rounds {
        for (number, shape) in Shape::ALL.into_iter().enumerate() {
            let seed = round * 100 + number as u64;
            // From a few dozen records of a page's third to some thousands of short ones.
            let (keys, ops, value_bytes) = match seed % 3 {
                0 => (60, 400, 1000),
                1 => (700, 2200, 400),
                _ => (2000, 4500, 90),
            };
            let paths = if shape == Shape::Paths { paths.clone() } else { Vec::new() };
            configs.push(Config {
                seed,
                shape,
                keys,
                ops,
                value_bytes,
                paths,
                reopen: true,
                key_bytes: true,
            });
        }
    }
    configs
}

/// Runs every script in a fresh home; `never` are the counters that stay zero in this home.
fn suite(label: &str, never: &[&str], mut make: Make) {
    let mut tally = Tally::default();
    let mut failures = Vec::new();
    for config in &configs() {
        let script = script(config);
        let mut home = make().unwrap_or_else(|why| panic!("{label} cannot be set up: {why}"));
        match run(home.as_mut(), &script) {
            Ok(done) => {
                tally.merge(&done.tally);
                agree(label, config, &done.dump);
            }
            Err(difference) => {
                drop(home);
                let name = format!("{label} {:?} seed {}", config.shape, config.seed);
                failures.push(explain(&name, &script, &difference, &mut make));
            }
        }
        // Three causes at once are enough to work on.
        if failures.len() == 3 {
            break;
        }
    }
    println!("{label}: {tally}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let zeros: Vec<_> = tally.zeros().into_iter().filter(|zero| !never.contains(zero)).collect();
    assert!(zeros.is_empty(), "{label}: never happened: {}", zeros.join(", "));
}

/// Compares with what the first home to run this script held.
fn agree(label: &str, config: &Config, dump: &Dump) {
    let mut hasher = DefaultHasher::new();
    dump.hash(&mut hasher);
    let digest = hasher.finish();
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let (first, home) = seen.entry(config.seed).or_insert_with(|| (digest, label.to_owned()));
    assert_eq!(*first, digest, "{label} and {home} differ after seed {}", config.seed);
}

fn boxed<H: Home + 'static>(home: Result<H, String>) -> Result<Box<dyn Home>, String> {
    home.map(|home| Box::new(home) as Box<dyn Home>)
}

/// Counters that a tree without files cannot raise.
const NO_DEVICES: &[&str] = &[
    "reopens",
    "records replayed",
    "manifest switches",
    "checkpoints",
    "evictions",
    "staged evictions",
];

/// Large frames take the small scripts in one.
const LARGE_FRAMES: &[&str] = &["spills", "merges", "trees of two levels"];

#[test]
fn memory_alone_with_large_frames() {
    let make = || {
        let tree = Tree::memory().map_err(|error| error.to_string())?;
        Ok(Box::new(TreeHome::lasting("memory", tree)) as Box<dyn Home>)
    };
    let never = [NO_DEVICES, LARGE_FRAMES].concat();
    suite("memory, 512 KiB frames", &never, Box::new(make));
}

#[test]
fn memory_devices_with_small_frames() {
    let make = || boxed(memory_devices(MIN_FRAME_BYTES, &TIGHT));
    suite("memory devices, 16 KiB frames", &["manifest switches"], Box::new(make));
}

#[test]
fn simulated_disk() {
    let make = || boxed(simulated(MIN_FRAME_BYTES, &TIGHT));
    suite("simulated disk, 16 KiB frames", &[], Box::new(make));
}

const FILES: FileSettings = FileSettings {
    frame_bytes: MIN_FRAME_BYTES,
    cache_bytes: TIGHT.cache_bytes,
    log_budget: TIGHT.log_budget,
    sync: false,
};

#[test]
fn files_with_small_frames() {
    suite("files, 16 KiB frames", &[], Box::new(|| boxed(TreeHome::files(FILES))));
}

#[test]
fn files_with_large_frames() {
    let settings = FileSettings { frame_bytes: MAX_FRAME_BYTES, ..FILES };
    let make = move || boxed(TreeHome::files(settings));
    suite("files, 512 KiB frames", LARGE_FRAMES, Box::new(make));
}

#[test]
fn component_in_the_sandbox() {
    let sandbox = StoreHome::sandbox().expect("wasmtime runs here");
    let make = move || boxed(StoreHome::component(&sandbox, FILES));
    suite("component in wasmtime, 16 KiB frames", &[], Box::new(make));
}

#[test]
fn web_package_in_node() {
    if std::env::var("HOLT_SKIP_WEB").is_ok_and(|set| set == "1") {
        println!("web in Node: left out, HOLT_SKIP_WEB=1");
        return;
    }
    let never = [NO_DEVICES, LARGE_FRAMES].concat();
    suite("web in Node, 512 KiB frames", &never, Box::new(|| boxed(WebHome::new())));
}
