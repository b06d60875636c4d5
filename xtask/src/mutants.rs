//! `cargo xtask mutants`: do the tests notice when the public handles do something else?
//!
//! Owns: which code is mutated, the drawing of the sample, the verdict. Never does: mutate by
//! itself (cargo-mutants does), nor in the sources one works on: it has a copy of them.

mod draw;
mod runner;
mod tree;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use draw::Drawn;
use runner::{Fate, Runner};

use crate::run::{number, target};

/// What `--help` prints.
pub const HELP: &str = "\
usage: cargo xtask mutants [--seed N] [--sample N] [--again]

Changes the code of the public handles (engine/src/db, engine/src/txn, src) in one place at a
time, with cargo-mutants, and looks whether a test of holt-engine or holt fails. Draws a sample;
a mutant that does not compile is replaced by another one. Fails if more than 3 in 100 survive.

    --seed N    which sample to draw; 1 if not given. The same seed draws the same mutants as
                long as the sources are the same
    --sample N  how many mutants to judge; 100 if not given
    --again     judge only the survivors of the last run, for instance after writing a test

Needs cargo-mutants: cargo install --locked cargo-mutants. Works in target/mutants on a copy of
the sources. Each mutant is tried with the quick tests of its package first, and with all tests of
both if those pass. A sample of 100 takes some 20 minutes on two cores.
";

/// Survivors allowed in a hundred.
const ALLOWED_IN_100: usize = 3;

/// Most rounds of replacing mutants that do not compile.
const MAX_ROUNDS: usize = 20;

/// What to run.
pub struct Options {
    seed: u64,
    sample: usize,
    again: bool,
    help: bool,
}

impl Options {
    /// Reads the words after `mutants`.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let mut options = Self { seed: 1, sample: 100, again: false, help: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--seed" => options.seed = number(word, &mut words)?,
                "--sample" => options.sample = number(word, &mut words)?.clamp(1, 100_000) as usize,
                "--again" => options.again = true,
                "--help" | "-h" => options.help = true,
                unknown => return Err(format!("unknown flag {unknown}")),
            }
        }
        Ok(options)
    }
}

/// Draws, judges and reports; an error if too many survive.
pub fn run(options: &Options) -> Result<(), String> {
    if options.help {
        print!("{HELP}");
        return Ok(());
    }
    let started = Instant::now();
    let home = target().join("mutants");
    let runner = Runner::new(&home)?;
    let last = home.join("survivors.txt");
    let fates = match options.again {
        true => {
            let names = survivors(&last)?;
            println!("judging {} survivors of the last run", names.len());
            runner.judge(&names)?
        }
        false => sample(options, &runner)?,
    };
    let missed: Vec<&str> = named(&fates, Fate::Missed);
    std::fs::write(&last, missed.iter().map(|name| format!("{name}\n")).collect::<String>())
        .map_err(|error| format!("{}: {error}", last.display()))?;
    let judged = close(&fates, started);
    let allowed = match options.again {
        true => ALLOWED_IN_100,
        false => judged * ALLOWED_IN_100 / 100,
    };
    match missed.len() {
        survived if survived <= allowed => Ok(()),
        survived => Err(format!(
            "{survived} mutants survive, {allowed} may: write the tests that notice them, then \
             cargo xtask mutants --again"
        )),
    }
}

/// Draws mutants until as many as asked for were judged; those that do not compile do not count.
fn sample(options: &Options, runner: &Runner) -> Result<BTreeMap<String, Fate>, String> {
    let all = runner.all();
    let mut drawn = Drawn::new(options.seed, all.to_vec());
    println!("{} mutants, seed {}, judging {}", all.len(), options.seed, options.sample);
    let mut fates = BTreeMap::new();
    for _ in 0..MAX_ROUNDS {
        let judged = fates.values().filter(|fate| **fate != Fate::Unviable).count();
        let names: Vec<String> = drawn.by_ref().take(options.sample - judged).collect();
        if names.is_empty() {
            break;
        }
        fates.extend(runner.judge(&names)?);
    }
    Ok(fates)
}

fn survivors(last: &PathBuf) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(last)
        .map_err(|error| format!("{}: {error}; run it without --again first", last.display()))?;
    Ok(text.lines().map(String::from).collect())
}

fn named(fates: &BTreeMap<String, Fate>, wanted: Fate) -> Vec<&str> {
    fates.iter().filter(|(_, fate)| **fate == wanted).map(|(name, _)| name.as_str()).collect()
}

/// Prints the table; the number of mutants that count.
fn close(fates: &BTreeMap<String, Fate>, started: Instant) -> usize {
    for (title, fate) in [("timed out", Fate::TimedOut), ("missed", Fate::Missed)] {
        for name in named(fates, fate) {
            println!("{title}: {name}");
        }
    }
    println!();
    let mut judged = 0;
    let rows = [
        ("caught", Fate::Caught),
        ("timed out", Fate::TimedOut),
        ("missed", Fate::Missed),
        ("does not compile", Fate::Unviable),
    ];
    for (title, fate) in rows {
        let count = named(fates, fate).len();
        judged += if fate == Fate::Unviable { 0 } else { count };
        println!("{title:16}  {count:>5}");
    }
    let took = started.elapsed().as_secs_f64();
    println!("{judged} judged in {took:.0} s, {:.1} s each", took / judged.max(1) as f64);
    judged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Options, String> {
        Options::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn flags_are_read() {
        let options = parse(&["--seed", "7", "--sample", "20"]).expect("is right");
        assert_eq!((options.seed, options.sample, options.again), (7, 20, false));
        assert!(parse(&["--again"]).expect("is right").again);
        for wrong in [&["--seed"][..], &["--seed", "x"], &["--sead", "7"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
