//! `cargo xtask fuzz`: the decoders under libFuzzer, one after the other.
//!
//! Owns: the inputs to begin with, how long each target runs, the table at the end. Never does:
//! install anything, or run in CI: the suite `decoders` is what always runs.

use std::path::Path;
use std::process::Command;

use crate::races::{NIGHTLY, nightly};
use crate::run::{available, cargo, kept, number, root, shown, target};

/// What `--help` prints.
pub const HELP: &str = "\
usage: cargo xtask fuzz [--seconds N] [--only TARGET]

Gives the decoders to libFuzzer, with AddressSanitizer, beginning with inputs that they accept and
with what earlier runs found out; prints what each target ran. Ends with an error at the first
input that makes one panic, hang or take too much memory, and says where it lies.

    --seconds N    how long each target runs; 60 if not given
    --only TARGET  this one alone: a file of fuzz/targets

Needs the nightly toolchain (rustup toolchain install nightly) and cargo-fuzz (cargo install
--locked cargo-fuzz).
";

/// How long one input may take.
const INPUT_SECONDS: u64 = 30;

/// What to run.
pub struct Options {
    seconds: u64,
    only: Option<String>,
    help: bool,
}

impl Options {
    /// Reads the words after `fuzz`.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let mut options = Self { seconds: 60, only: None, help: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--seconds" => options.seconds = number(word, &mut words)?.max(1),
                "--only" => {
                    let known = targets()?;
                    let given = words.next().ok_or("--only needs the name of a target")?;
                    if !known.contains(given) {
                        return Err(format!("no target {given}; there are {}", known.join(", ")));
                    }
                    options.only = Some(given.clone());
                }
                "--help" | "-h" => options.help = true,
                unknown => return Err(format!("unknown flag {unknown}")),
            }
        }
        Ok(options)
    }
}

/// What a target did, as libFuzzer says it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ran {
    inputs: u64,
    /// Edges of the program that its inputs reached.
    reached: u64,
    /// Inputs kept, since each reaches something that no other does.
    kept: u64,
}

/// Runs the targets; an error names the first that found something.
pub fn run(options: &Options) -> Result<(), String> {
    if options.help {
        print!("{HELP}");
        return Ok(());
    }
    available("rustup", &["run", "nightly", "rustc", "--version"], NIGHTLY)?;
    let how = "cargo-fuzz; install it with: cargo install --locked cargo-fuzz";
    available("cargo-fuzz", &["--version"], how)?;
    let folder = root().join("fuzz");
    println!("==> inputs to begin with");
    let mut corpus = cargo(&["run", "--release", "--package", "holt-tests"]);
    corpus.args(["--no-default-features", "--bin", "corpus"]).arg(folder.join("corpus"));
    shown(corpus)?;
    println!("==> building the targets");
    shown(fuzz("build"))?;
    let mut all = Vec::new();
    for name in targets()? {
        if options.only.as_ref().is_none_or(|only| *only == name) {
            println!("==> {name}, {} s", options.seconds);
            let ran = one(&folder, &name, options.seconds)?;
            all.push((name, ran));
        }
    }
    println!("\n| target | inputs | edges reached | inputs kept |\n|---|--:|--:|--:|");
    for (name, Ran { inputs, reached, kept }) in all {
        println!("| {name} | {inputs} | {reached} | {kept} |");
    }
    Ok(())
}

/// The targets: their files.
fn targets() -> Result<Vec<String>, String> {
    let folder = root().join("fuzz/targets");
    let files = std::fs::read_dir(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    let stem = |file: std::fs::DirEntry| Some(file.path().file_stem()?.to_str()?.to_string());
    let mut names: Vec<String> = files.flatten().filter_map(stem).collect();
    names.sort();
    Ok(names)
}

/// A command of cargo-fuzz.
fn fuzz(verb: &str) -> Command {
    let mut command = nightly(&["fuzz", verb, "--target-dir"]);
    command.arg(target().join("fuzz"));
    command
}

fn one(folder: &Path, name: &str, seconds: u64) -> Result<Ran, String> {
    let mut run = fuzz("run");
    run.arg(name).arg(folder.join("corpus").join(name)).args([
        "--",
        "-print_final_stats=1",
        &format!("-max_total_time={seconds}"),
        &format!("-timeout={INPUT_SECONDS}"),
    ]);
    let output = kept(run, |_| {})?;
    if output.success {
        return ran(&output.lines).ok_or_else(|| format!("{name}: libFuzzer did not say what ran"));
    }
    output.lines.iter().rev().take(60).rev().for_each(|line| println!("{line}"));
    Err(format!("{name}: an input was found that it does not answer; it is named above"))
}

/// Reads what libFuzzer prints at the end.
fn ran(lines: &[String]) -> Option<Ran> {
    let done = lines.iter().rev().find(|line| line.contains("\tDONE "))?;
    let after = |mark: &str| done.split_whitespace().skip_while(|word| *word != mark).nth(1);
    Some(Ran {
        inputs: done.strip_prefix('#')?.split_whitespace().next()?.parse().ok()?,
        reached: after("cov:")?.parse().ok()?,
        kept: after("corp:")?.split('/').next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ran_is_read_from_the_last_line_of_progress() {
        let lines = [
            "#512	pulse  cov: 90 ft: 120 corp: 8/1Kb lim: 4096 exec/s: 256 rss: 60Mb",
            "#1024	DONE   cov: 123 ft: 456 corp: 17/3456b lim: 4096 exec/s: 512 rss: 61Mb",
            "stat::number_of_executed_units: 1024",
        ];
        let lines = lines.map(String::from);
        assert_eq!(ran(&lines), Some(Ran { inputs: 1024, reached: 123, kept: 17 }));
        assert_eq!(ran(&lines[..1]), None, "it was stopped");
    }

    #[test]
    fn every_target_is_built_and_named_in_its_readme() {
        let read =
            |name| std::fs::read_to_string(root().join("fuzz").join(name)).expect("is there");
        let (manifest, readme) = (read("Cargo.toml"), read("README.md"));
        let names = targets().expect("the folder");
        assert!(names.len() >= 7);
        for name in names {
            assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "{name}");
            assert!(readme.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn a_target_that_is_none_is_refused() {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(Options::parse(&words(&["--only", "nothing"])).is_err());
        assert!(Options::parse(&words(&["--only", "page", "--seconds", "5"])).is_ok());
    }
}
