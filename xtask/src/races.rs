//! `cargo xtask races`: threads beside each other under the tools that see races.
//!
//! Owns: which tests, and the settings of the tools. Never does: install anything.

use crate::run::{available, command, number, shown, target};

/// What `--help` prints.
pub const HELP: &str = "\
usage: cargo xtask races [--seconds N] [--seeds N] [--only TOOL]

Runs the engine's tests of threads beside each other twice: under ThreadSanitizer, with four
writers and four readers, scans, snapshots, moved prefixes and checkpoints for so many seconds;
and in Miri, which also sees undefined behaviour, with several seeds of its scheduler, after every
other test of the engine that is small enough for it.

    --seconds N  how long the threads go on under ThreadSanitizer; 60 if not given
    --seeds N    seeds of Miri's scheduler; 4 if not given
    --only TOOL  thread or miri

Needs the nightly toolchain: rustup toolchain install nightly --component rust-src,miri
Every interleaving of the lock itself is tried by a test that always runs: interleavings.
";

/// What is missing without it, and how to install it.
pub const NIGHTLY: &str = "the nightly toolchain; install it with: \
                           rustup toolchain install nightly --component rust-src,miri";

/// The tests of threads that share a store.
const TESTS: &[&str] = &["beside_tests", "keep_up_tests", "group_tests", "iterators_go_on_beside"];

/// What to run.
pub struct Options {
    seconds: u64,
    seeds: u64,
    only: Option<String>,
    help: bool,
}

impl Options {
    /// Reads the words after `races`.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let mut options = Self { seconds: 60, seeds: 4, only: None, help: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--seconds" => options.seconds = number(word, &mut words)?,
                "--seeds" => options.seeds = number(word, &mut words)?.max(1),
                "--only" => match words.next().map(String::as_str) {
                    Some(tool @ ("thread" | "miri")) => options.only = Some(tool.into()),
                    _ => return Err("--only needs thread or miri".into()),
                },
                "--help" | "-h" => options.help = true,
                unknown => return Err(format!("unknown flag {unknown}")),
            }
        }
        Ok(options)
    }
}

/// Runs both; an error if one found something.
pub fn run(options: &Options) -> Result<(), String> {
    if options.help {
        print!("{HELP}");
        return Ok(());
    }
    available("rustup", &["run", "nightly", "rustc", "--version"], NIGHTLY)?;
    let wanted = |tool: &str| options.only.as_deref().is_none_or(|only| only == tool);
    if wanted("thread") {
        println!("==> ThreadSanitizer, {} s", options.seconds);
        thread_sanitizer(options.seconds)?;
    }
    if wanted("miri") {
        println!("==> Miri, {} seeds", options.seeds);
        miri(options.seeds)?;
    }
    Ok(())
}

/// Cargo of the nightly toolchain.
pub fn nightly(arguments: &[&str]) -> std::process::Command {
    // Cargo's own variables would make the other toolchain's cargo use this one's compiler.
    let mut command = command("rustup", &[&["run", "nightly", "cargo"], arguments].concat());
    for name in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "CARGO_MANIFEST_DIR", "CARGO_PKG_NAME"] {
        command.env_remove(name);
    }
    command
}

fn thread_sanitizer(seconds: u64) -> Result<(), String> {
    let host = "x86_64-unknown-linux-gnu";
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        return Err(format!("ThreadSanitizer is only set up for {host}; see --only miri"));
    }
    // The standard library has to be watched too, so it is built with it.
    let build = ["test", "-Zbuild-std", "--target", host, "--package", "holt-engine"];
    let tests = [&["--release", "--lib", "--"], TESTS].concat();
    let mut run = nightly(&[&build[..], &tests].concat());
    run.env("RUSTFLAGS", "-Zsanitizer=thread")
        .env("TSAN_OPTIONS", "halt_on_error=1")
        .env("HOLT_STRESS_SECONDS", seconds.to_string())
        .env("CARGO_TARGET_DIR", target().join("tsan"));
    shown(run)
}

/// Every test of the engine that is small enough for it, and those of threads with several seeds.
fn miri(seeds: u64) -> Result<(), String> {
    let skipped: Vec<&str> = TESTS.iter().flat_map(|test| ["--skip", test]).collect();
    miri_tests("-Zmiri-strict-provenance", &[], &skipped)?;
    // The parking lot under the locks keeps addresses as numbers.
    let seeds = format!("-Zmiri-permissive-provenance -Zmiri-many-seeds=0..{seeds}");
    miri_tests(&seeds, &["--target", PTHREADS], TESTS)
}

/// A system that Miri knows, where the parking lot sleeps by pthreads: its futex calls on Linux
/// pass arguments of other types than Miri lets pass.
const PTHREADS: &str = "x86_64-apple-darwin";

fn miri_tests(flags: &str, system: &[&str], tests: &[&str]) -> Result<(), String> {
    let build = ["miri", "test", "--package", "holt-engine", "--lib"];
    let mut run = nightly(&[&build[..], system, &["--"], tests].concat());
    // Cut off from the system, so a failed case has no file to be kept in.
    let cases = "-Zmiri-env-set=PROPTEST_CASES=2 \
                 -Zmiri-env-set=PROPTEST_DISABLE_FAILURE_PERSISTENCE=true";
    run.env("MIRIFLAGS", format!("{flags} {cases}")).env("CARGO_TARGET_DIR", target().join("miri"));
    shown(run)
}
