//! One suite, every home: equal scripts give equal answers and equal contents.
//!
//! Each home runs the same scripts beside the model, each without the operations that the home
//! does not have; every outcome is compared, the store is verified, reopened and dumped, and
//! homes with the same operations must end with equal dumps. An operation that `docs/api.toml`
//! says a home has may not be left out. The counters printed for a home show what the scripts
//! made happen below the surface; a counter that stays zero fails the suite, and so does an
//! operation that is less than one call in a hundred.
//!
//! `HOLT_DIFF_OPS` (calls in each home, default 40000), `HOLT_DIFF_SEED` (first seed, default 0).
//! `HOLT_QUICK` takes a tenth of the defaults, `HOLT_SKIP_WEB=1` leaves the home in Node out.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use holt_engine::db::{DB, MemoryHint, Options, StartKeeper};
use holt_engine::limits::{
    DEFAULT_SNAPSHOT_BYTES, MAX_FRAME_BYTES, MIN_CACHE_BYTES, MIN_FRAME_BYTES, MIN_LOG_BUDGET,
};
use holt_tests::api::Api;
use holt_tests::compare::{Dump, explain, run};
#[cfg(feature = "sandbox")]
use holt_tests::home::StoreHome;
use holt_tests::home::{
    FileSettings, Home, NAMED_TREES, TreeHome, WebHome, memory_devices, simulated,
};
use holt_tests::report::Tally;
use holt_tests::script::Kind;
use holt_tests::settings::{number, some_paths};
use holt_tests::workload::{Config, script};

/// How to make an empty home.
type Make = Box<dyn FnMut() -> Result<Box<dyn Home>, String>>;

/// Calls in each home, if nothing else is said.
const CALLS: u64 = 40_000;

/// From so many calls on the shares of operations are judged.
const ENOUGH: u64 = 30_000;

/// Each operation is at least one call in so many; in a long run, and in one of so few scripts
/// that what some of them leave out shows.
const SHARE: u64 = 100;
const SHORT_SHARE: u64 = 200;
/// A long run.
const LONG: u64 = 500_000;

/// Small memory and a small log, so that pages are evicted and checkpoints start by themselves.
const TIGHT: Options = Options {
    cache_bytes: MIN_CACHE_BYTES,
    sync: false,
    log_budget: MIN_LOG_BUDGET,
    auto_checkpoint: true,
    read_only: false,
    snapshot_bytes: DEFAULT_SNAPSHOT_BYTES,
    feed_retention: 0,
    publish_writes: false,
    memory_hint: MemoryHint(None),
    kept_up: false,
    start_keeper: StartKeeper(None),
};

/// What scripts left, by their number and the operations the home has, and which home saw it
/// first.
type Left = BTreeMap<(u64, Vec<Kind>), (u64, String)>;

static SEEN: Mutex<Left> = Mutex::new(BTreeMap::new());

/// A home in the suite.
struct Suite {
    label: &'static str,
    /// What `docs/api.toml` calls it, and the name of its test.
    home: &'static str,
    test: &'static str,
    /// Counters that stay zero in it.
    never: &'static [&'static [&'static str]],
    /// Operations that mean nothing in it.
    cannot: &'static [Kind],
}

impl Suite {
    /// Runs script after script, each in a fresh home, until there were enough calls.
    fn run(&self, mut make: Make) {
        let label = self.label;
        let begun = Instant::now();
        let mut fresh = || make().unwrap_or_else(|why| panic!("{label} cannot be set up: {why}"));
        let kinds = fresh().supports();
        let left_out = self.left_out(&kinds);
        let (calls, paths) = (number("HOLT_DIFF_OPS", CALLS), some_paths());
        let (mut tally, mut failures) = (Tally::default(), Vec::new());
        let mut seed = number("HOLT_DIFF_SEED", 0);
        // Three causes at once are enough to work on.
        while tally.operations < calls && failures.len() < 3 {
            let config = Config::numbered(seed, &paths);
            let script = script(&config).only(&kinds);
            let mut home = fresh();
            match run(home.as_mut(), &script) {
                Ok(done) => {
                    tally.merge(&done.tally);
                    agree(label, seed, &kinds, &done.dump);
                }
                Err(difference) => {
                    drop(home);
                    let name = format!("{label} {:?} seed {seed}", config.shape);
                    let mut again = || Ok(fresh());
                    failures.push(explain(&name, &script, &difference, &mut again));
                }
            }
            seed += 1;
        }
        println!("{label}: {tally}, {:.0} s", begun.elapsed().as_secs_f64());
        println!("{label}: {}", tally.calls_by_kind());
        println!("{label}: left out: {left_out}");
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        self.judge(&tally, &kinds);
    }

    /// What the home does not have, by name.
    ///
    /// # Panics
    /// If `docs/api.toml` says that it has some of it.
    fn left_out(&self, kinds: &[Kind]) -> String {
        let api = Api::new().unwrap_or_else(|why| panic!("{why}"));
        let test = format!("differential.rs::{}", self.test);
        let missing = Kind::ALL.iter().filter(|kind| !kinds.contains(kind));
        let missing: Vec<Kind> = missing.copied().collect();
        let names = |kinds: &[Kind]| {
            let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
            names.join(", ")
        };
        let mut wrong = missing.clone();
        wrong.retain(|kind| !self.cannot.contains(kind) && api.says(self.home, &test, *kind));
        assert!(
            wrong.is_empty(),
            "{}: docs/api.toml says that it has what its home in the kit leaves out: {}",
            self.label,
            names(&wrong)
        );
        if missing.is_empty() { "nothing".into() } else { names(&missing) }
    }

    fn judge(&self, tally: &Tally, kinds: &[Kind]) {
        let label = self.label;
        let zeros = tally.zeros();
        let never = |zero: &&str| self.never.iter().any(|names| names.contains(zero));
        let zeros: Vec<_> = zeros.into_iter().filter(|zero| !never(zero)).collect();
        assert!(zeros.is_empty(), "{label}: never happened: {}", zeros.join(", "));
        // A short run has each at least once.
        let often = match tally.operations {
            LONG.. => SHARE,
            ENOUGH.. => SHORT_SHARE,
            few => few,
        };
        let rare = tally.rare(kinds, often);
        assert!(rare.is_empty(), "{label}: of {} calls: {}", tally.operations, rare.join(", "));
        if kinds.contains(&Kind::Reopen) && tally.operations >= ENOUGH {
            assert!(tally.reopens * 1000 >= tally.operations, "{label}: {} reopens", tally.reopens);
        }
    }
}

/// Compares with what the first home with the same operations held after this script.
fn agree(label: &str, seed: u64, kinds: &[Kind], dump: &Dump) {
    let mut hasher = DefaultHasher::new();
    dump.hash(&mut hasher);
    let digest = hasher.finish();
    let mut kinds = kinds.to_vec();
    kinds.sort();
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let (first, home) = seen.entry((seed, kinds)).or_insert_with(|| (digest, label.to_owned()));
    assert_eq!(*first, digest, "{label} and {home} differ after seed {seed}");
}

fn boxed<H: Home + 'static>(home: Result<H, String>) -> Result<Box<dyn Home>, String> {
    home.map(|home| Box::new(home) as Box<dyn Home>)
}

/// Counters that a store without files cannot raise.
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

/// What a store in memory loses by being closed, or has no device for.
const IN_MEMORY: &[Kind] = &[Kind::Reopen, Kind::Sync, Kind::Checkpoint];

const NATIVE: Suite = Suite {
    label: "files, 16 KiB frames",
    home: "native",
    test: "files_with_small_frames",
    never: &[],
    cannot: &[],
};

#[test]
fn memory_alone_with_large_frames() {
    let make = || {
        let db = DB::memory().map_err(|error| error.to_string())?;
        Ok(Box::new(TreeHome::lasting("memory", db)) as Box<dyn Home>)
    };
    let suite = Suite {
        label: "memory, 512 KiB frames",
        never: &[NO_DEVICES, LARGE_FRAMES],
        cannot: IN_MEMORY,
        ..NATIVE
    };
    suite.run(Box::new(make));
}

#[test]
fn memory_devices_with_small_frames() {
    let suite = Suite {
        label: "memory devices, 16 KiB frames",
        never: &[&["manifest switches"]],
        ..NATIVE
    };
    suite.run(Box::new(|| boxed(memory_devices(MIN_FRAME_BYTES, &TIGHT))));
}

#[test]
fn simulated_disk() {
    let suite = Suite { label: "simulated disk, 16 KiB frames", ..NATIVE };
    // Kept up by `maintain` and by writers over the budget: writes go beside others.
    const KEPT_UP: Options = Options { kept_up: true, ..TIGHT };
    suite.run(Box::new(|| boxed(simulated(MIN_FRAME_BYTES, &KEPT_UP))));
}

#[test]
fn files_with_small_frames() {
    let suite = Suite { cannot: NAMED_TREES, ..NATIVE };
    suite.run(Box::new(|| boxed(TreeHome::files(FileSettings::TIGHT))));
}

#[test]
fn files_with_large_frames() {
    let settings = FileSettings { frame_bytes: MAX_FRAME_BYTES, ..FileSettings::TIGHT };
    let suite =
        Suite { label: "files as a database, 512 KiB frames", never: &[LARGE_FRAMES], ..NATIVE };
    suite.run(Box::new(move || boxed(TreeHome::database(settings))));
}

#[cfg(feature = "sandbox")]
#[test]
fn component_in_the_sandbox() {
    let sandbox = StoreHome::sandbox().expect("wasmtime runs here");
    let suite = Suite {
        label: "component in wasmtime, 16 KiB frames",
        home: "sandbox",
        test: "component_in_the_sandbox",
        ..NATIVE
    };
    suite.run(Box::new(move || boxed(StoreHome::component(&sandbox, FileSettings::TIGHT))));
}

#[test]
fn web_package_in_node() {
    if skips_web() {
        return;
    }
    let suite = Suite {
        label: "web in Node, 512 KiB frames",
        home: "web",
        test: "web_package_in_node",
        never: &[NO_DEVICES, LARGE_FRAMES],
        cannot: IN_MEMORY,
    };
    suite.run(Box::new(|| boxed(WebHome::new())));
}

#[test]
fn web_package_in_node_on_files() {
    if skips_web() {
        return;
    }
    let suite = Suite {
        label: "web in Node on files, 16 KiB frames",
        home: "web",
        test: "web_package_in_node_on_files",
        never: &[NO_DEVICES],
        cannot: &[],
    };
    suite.run(Box::new(|| boxed(WebHome::files(FileSettings::TIGHT))));
}

fn skips_web() -> bool {
    let skips = std::env::var("HOLT_SKIP_WEB").is_ok_and(|set| set == "1");
    if skips {
        println!("web in Node: left out, HOLT_SKIP_WEB=1");
    }
    skips
}
