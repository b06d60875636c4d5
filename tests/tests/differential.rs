//! One suite, every home: equal scripts give equal answers and equal contents.
//!
//! Each home runs the same scripts beside the model; every outcome is compared, the store is
//! verified, reopened and dumped. The counters printed for a home show what the scripts made
//! happen below the surface; a counter that stays zero fails the suite.

use std::path::Path;

use holt_engine::db::Tree;
use holt_tests::compare::{Dump, explain, run};
use holt_tests::home::{Home, TreeHome};
use holt_tests::report::Tally;
use holt_tests::workload::{Config, Shape, real_paths, script};

/// How to make an empty home.
type Make = Box<dyn FnMut() -> Result<Box<dyn Home>, String>>;

/// Real paths taken from the machine, at most.
const PATHS: usize = 5000;

/// One script of each size and shape.
fn configs(rounds: u64) -> Vec<Config> {
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
                key_bytes: false,
            });
        }
    }
    configs
}

/// Runs every script in a fresh home and returns what it held, script by script.
fn suite(label: &str, configs: &[Config], mut make: Make) -> (Tally, Vec<Dump>) {
    let mut tally = Tally::default();
    let mut dumps = Vec::new();
    let mut failures = Vec::new();
    for config in configs {
        let script = script(config);
        let mut home = make().unwrap_or_else(|why| panic!("{label} cannot be set up: {why}"));
        match run(home.as_mut(), &script) {
            Ok(done) => {
                tally.merge(&done.tally);
                dumps.push(done.dump);
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
    (tally, dumps)
}

fn memory() -> Make {
    Box::new(|| {
        let tree = Tree::memory().map_err(|error| error.to_string())?;
        Ok(Box::new(TreeHome::lasting("memory", tree)))
    })
}

#[test]
fn memory_tree() {
    let configs: Vec<_> =
        configs(2).into_iter().map(|config| Config { reopen: false, ..config }).collect();
    suite("memory", &configs, memory());
}
