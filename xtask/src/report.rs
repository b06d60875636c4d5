//! `cargo xtask report`: the figures of the reliability suites, in one table.
//!
//! Owns: which suites run, how long, and what they must reach. Never does: count by itself; the
//! suites print their figures, see `holt_tests::report::figure`.

mod table;

use std::time::{Duration, Instant};

use table::{Figures, Row, Verdict};

use crate::run::{cargo, command, kept, number, shown, stdout, target};

/// What `--help` prints.
pub const HELP: &str = "\
usage: cargo xtask report [--cut] [--seed N] [--only SUITE]

Runs the crash, fault, damage and kill suites and the planted mistakes, and prints what they
reached beside what is required; the same table is left in target/report.md. Ends with an error
if a figure is missed or a suite finds a loss. On two cores it takes less than 30 minutes.

    --cut         a tenth of it, for every change: less than 10 minutes
    --seed N      first seed of the random scripts; 0 if not given
    --only SUITE  this suite alone, by the name of its file
";

/// Flags that build the suites without what needs wasmtime.
const BUILD: &[&str] = &["test", "--release", "--package", "holt-tests", "--no-default-features"];

/// One suite of the report.
struct Suite {
    /// Its file in `tests/tests`.
    name: &'static str,
    /// Settings for all of it, and for a cut.
    full: &'static [(&'static str, &'static str)],
    cut: &'static [(&'static str, &'static str)],
    /// The feature it needs.
    feature: Option<&'static str>,
}

const SUITES: &[Suite] = &[
    Suite {
        name: "crash_exhaustive",
        full: &[("HOLT_EXHAUSTIVE_STRIDE", "1")],
        cut: &[("HOLT_EXHAUSTIVE_STRIDE", "7")],
        feature: None,
    },
    Suite {
        name: "crash_random",
        full: &[("HOLT_CRASH_SCRIPTS", "10000")],
        cut: &[("HOLT_CRASH_SCRIPTS", "2000")],
        feature: None,
    },
    Suite {
        name: "crash_store",
        full: &[("HOLT_CRASH_STORES", "400")],
        cut: &[("HOLT_CRASH_STORES", "40")],
        feature: None,
    },
    Suite {
        name: "crash_log",
        full: &[("HOLT_CRASH_LOGS", "1000")],
        cut: &[("HOLT_CRASH_LOGS", "100")],
        feature: None,
    },
    Suite {
        name: "faults",
        full: &[("HOLT_FAULT_SCRIPTS", "240")],
        cut: &[("HOLT_FAULT_SCRIPTS", "24")],
        feature: None,
    },
    Suite {
        name: "bit_flips",
        full: &[("HOLT_FLIP_STRIDE", "1")],
        cut: &[("HOLT_FLIP_STRIDE", "11")],
        feature: None,
    },
    Suite {
        name: "decoders",
        full: &[("HOLT_DECODER_RUNS", "4000000")],
        cut: &[("HOLT_DECODER_RUNS", "400000")],
        feature: None,
    },
    Suite { name: "interleavings", full: &[], cut: &[], feature: None },
    Suite { name: "eviction_interleavings", full: &[], cut: &[], feature: None },
    Suite { name: "seeded_bugs", full: &[], cut: &[], feature: Some("seeded") },
    Suite {
        name: "sigkill",
        full: &[("HOLT_KILL_ROUNDS", "1000")],
        cut: &[("HOLT_KILL_ROUNDS", "100")],
        feature: None,
    },
];

/// What must be reached: the figure, all of it, and in a cut.
const REQUIRED: &[(&str, u64, u64)] = &[
    ("exhaustive crash states", 1_000_000, 150_000),
    ("distinct disks recovered", 100_000, 10_000),
    ("random crash points", 250_000, 50_000),
    ("crashes during recovery", 50_000, 10_000),
    ("call sites x faults", 30_000, 3_000),
    ("bit flips", 2_000_000, 200_000),
    ("decoder inputs", 8_000_000, 800_000),
    ("kill rounds", 1_000, 100),
    ("operations acknowledged before kills", 1_000_000, 100_000),
    ("seeded bugs caught", 16, 16),
    ("fences of the lanes missed", 6, 6),
    ("mistakes beside evictions found", 5, 5),
    ("spills", 1, 1),
    ("merges", 1, 1),
    ("evictions", 1, 1),
    ("manifest switches", 1, 1),
    ("log switches", 1, 1),
];

/// What to run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    cut: bool,
    seed: u64,
    only: Option<String>,
    help: bool,
}

impl Options {
    /// Reads the words after `report`.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--cut" => options.cut = true,
                "--help" | "-h" => options.help = true,
                "--seed" => options.seed = number(word, &mut words)?,
                "--only" => {
                    let given = words.next().ok_or("--only needs the name of a suite")?;
                    if !SUITES.iter().any(|suite| suite.name == given) {
                        let names: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
                        return Err(format!("no suite {given}; there are {}", names.join(", ")));
                    }
                    options.only = Some(given.clone());
                }
                unknown => return Err(format!("unknown flag {unknown}")),
            }
        }
        Ok(options)
    }

    fn runs(&self, suite: &Suite) -> bool {
        self.only.as_ref().is_none_or(|only| only == suite.name)
    }
}

/// Runs everything and prints the table; an error says what was not reached.
pub fn run(options: &Options) -> Result<(), String> {
    if options.help {
        print!("{HELP}");
        return Ok(());
    }
    let started = Instant::now();
    build(options)?;
    let built = started.elapsed();
    let mut figures = Figures::default();
    let mut rows = Vec::new();
    let chosen: Vec<&Suite> = SUITES.iter().filter(|suite| options.runs(suite)).collect();
    for (number, suite) in chosen.iter().enumerate() {
        println!("==> {} ({} of {})", suite.name, number + 1, chosen.len());
        rows.push(one(suite, options, &mut figures)?);
    }
    rows.extend(figures.judged(REQUIRED, options.cut, options.only.is_some()));
    let lines = about(options, built, started.elapsed());
    let page = table::page(&lines, &rows);
    println!("\n{page}");
    let place = target().join("report.md");
    std::fs::create_dir_all(target())
        .and_then(|()| std::fs::write(&place, &page))
        .map_err(|error| format!("{}: {error}", place.display()))?;
    println!("written to {}", place.display());
    let failed: Vec<&str> =
        rows.iter().filter(|row| row.verdict == Verdict::Failed).map(|row| row.name()).collect();
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!("not reached: {}", failed.join(", "))),
    }
}

/// The cargo words for a suite.
fn words(suite: &Suite) -> Vec<&'static str> {
    let mut words = BUILD.to_vec();
    if let Some(feature) = suite.feature {
        words.extend(["--features", feature]);
    }
    words.extend(["--test", suite.name]);
    words
}

/// Builds all suites first, so that no build is counted as a suite's time.
fn build(options: &Options) -> Result<(), String> {
    println!("==> building the suites");
    let mut plain = BUILD.to_vec();
    let chosen = || SUITES.iter().filter(|suite| options.runs(suite));
    for suite in chosen().filter(|suite| suite.feature.is_none()) {
        plain.extend(["--test", suite.name]);
    }
    if plain.len() > BUILD.len() {
        plain.push("--no-run");
        shown(cargo(&plain))?;
    }
    for suite in chosen().filter(|suite| suite.feature.is_some()) {
        shown(cargo(&[&words(suite)[..], &["--no-run"]].concat()))?;
    }
    Ok(())
}

/// Runs one suite; its figures go to `figures`.
fn one(suite: &Suite, options: &Options, figures: &mut Figures) -> Result<Row, String> {
    let mut testing = cargo(&[&words(suite)[..], &["--", "--nocapture"]].concat());
    testing.env("RUST_BACKTRACE", "0").env_remove("HOLT_QUICK");
    testing.env("HOLT_CRASH_SEED", options.seed.to_string());
    for (name, value) in if options.cut { suite.cut } else { suite.full } {
        testing.env(name, value);
    }
    let begun = Instant::now();
    let output = kept(testing, |line| {
        if let Some(figure) = Figures::in_line(line) {
            println!("  {:>4} s  {figure}", begun.elapsed().as_secs());
        }
    })?;
    let took = begun.elapsed();
    if !output.success {
        output.lines.iter().for_each(|line| println!("    {line}"));
    }
    output.lines.iter().for_each(|line| figures.read(line, took));
    Ok(Row::suite(suite.name, took, output.success))
}

/// What the figures are of.
fn about(options: &Options, built: Duration, all: Duration) -> Vec<(&'static str, String)> {
    let said = |program: &str, words: &[&str]| {
        let text = stdout(command(program, words)).unwrap_or_default();
        String::from_utf8_lossy(&text).trim().to_owned()
    };
    let commit = said("git", &["rev-parse", "--short=12", "HEAD"]);
    let changed = match said("git", &["status", "--porcelain"]).is_empty() {
        true => "",
        false => ", with changes",
    };
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor.lines().find_map(|line| line.strip_prefix("model name"));
    let processor =
        processor.unwrap_or(std::env::consts::ARCH).trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    vec![
        ("commit", format!("{commit}{changed}")),
        ("seed", options.seed.to_string()),
        ("machine", format!("{processor}, {cores} cores, {}", std::env::consts::OS)),
        ("date", said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
        ("duration", format!("{} s, {} s of it building", all.as_secs(), built.as_secs())),
        ("size", if options.cut { "a cut" } else { "all of it" }.into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Options, String> {
        Options::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn flags_are_read() {
        assert!(parse(&["--cut"]).expect("is right").cut);
        assert_eq!(parse(&["--seed", "9"]).expect("is right").seed, 9);
        assert_eq!(parse(&["--only", "faults"]).expect("is right").only, Some("faults".into()));
        for wrong in [&["--seed"][..], &["--seed", "x"], &["--only", "none"], &["--cat"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn every_suite_has_a_file() {
        for suite in SUITES {
            let file = crate::run::root().join("tests/tests").join(format!("{}.rs", suite.name));
            assert!(file.exists(), "{}", file.display());
        }
    }
}
