//! cargo-mutants: started, limited and read.
//!
//! Owns: its arguments, the two passes of tests. Never does: choose mutants.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tree::mirror;
use crate::run::{cargo, kept, root, shown, stdout};

/// The layer of the public handles.
const FILES: &[&str] = &["engine/src/db/*.rs", "engine/src/txn/*.rs", "src/*.rs"];

/// The packages that have it, with the start of their mutants' names and their features.
const ENGINE: Part = Part { package: "holt-engine", below: "engine/", features: "serde" };
const FACE: Part = Part { package: "holt", below: "src/", features: "metrics,serde" };
const PACKAGES: &[&str] = &[ENGINE.package, FACE.package];
const FEATURES: &str = "holt/metrics,holt/serde";
const PROFILE: &str = "mutants";

/// Left out when a mutant is first tried, beside the tests of other packages and of examples in
/// the documentation: tests of modules below, which cannot see it, and tests that take seconds.
/// A mutant that survives meets all of them.
const SLOW: &[&str] = &[
    "art::",
    "cache::",
    "codec::",
    "device::",
    "forest::",
    "frame::",
    "log::",
    "node::",
    "a_long_listing_does_not_fill_the_memory",
    "a_read_that_fails_in_a_batch_leaves_nothing_of_it",
    "every_flip_cut_and_tail_is_noticed",
    "iterators_go_on_where_they_were_while_others_write",
    "large_frames_without_a_log_agree_with_the_model",
    "listings_follow_the_rules_when_read_from_a_store",
    "random_batches_agree_with_the_model_and_with_replay",
];

/// The first pass, and the one over its survivors.
const QUICK: Limits = Limits { cpu_seconds: "60", seconds: "600" };
const FULL: Limits = Limits { cpu_seconds: "160", seconds: "1200" };

/// Starts the programs of the tests with a limit of CPU seconds and of KiB of address space: a
/// mutant may make a loop endless, and greedy. Compilers have no limit.
const RUNNER: &str = "\
[target.'cfg(all())']
runner = ['sh', '-c', 'ulimit -t SECONDS; ulimit -v 8388608; exec \"$@\"', 'sh']
";

/// Seconds for a build: it ends, and one that is stopped half way is worth nothing.
const BUILD_SECONDS: &str = "7200";

/// What the log of a failed build says if the mutant is not to blame.
const BROKEN: &[&str] = &["error: linking with", "(signal: ", "internal compiler error"];

/// Lines of its output shown if it fails.
const TAIL: usize = 30;

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A test failed.
    Caught,
    /// The tests did not end.
    TimedOut,
    /// All tests passed.
    Missed,
    /// It does not compile.
    Unviable,
}

const REPORTS: &[(&str, Fate)] = &[
    ("caught.txt", Fate::Caught),
    ("timeout.txt", Fate::TimedOut),
    ("missed.txt", Fate::Missed),
    ("unviable.txt", Fate::Unviable),
];

/// A package of the layer.
struct Part {
    package: &'static str,
    below: &'static str,
    features: &'static str,
}

/// The limit of CPU seconds ends what computes, whatever else the machine does; the other one
/// ends what waits.
struct Limits {
    cpu_seconds: &'static str,
    seconds: &'static str,
}

/// cargo-mutants on a copy of the sources.
pub struct Runner {
    tree: PathBuf,
    home: PathBuf,
    all: Vec<String>,
}

impl Runner {
    /// Copies the sources to `home`, builds them and sees that their tests pass.
    pub fn new(home: &Path) -> Result<Self, String> {
        if !kept(cargo(&["mutants", "--version"]), |_| {}).is_ok_and(|output| output.success) {
            let how = "install it with: cargo install --locked cargo-mutants";
            return Err(format!("missing: cargo-mutants; {how}"));
        }
        let tree = home.join("tree");
        mirror(&root(), &tree)?;
        let mut runner = Self { tree, home: home.to_path_buf(), all: Vec::new() };
        let mut testing = vec!["test", "--quiet", "--profile", PROFILE, "--features", FEATURES];
        testing.extend(PACKAGES.iter().flat_map(|package| ["--package", package]));
        shown(runner.behind(&testing))?;
        runner.warm()?;
        let mut listing = runner.mutants();
        listing.args(["--list", "--colors", "never"]);
        let listed = stdout(listing)?;
        runner.all =
            String::from_utf8_lossy(&listed).lines().map(|line| line.trim().to_owned()).collect();
        match runner.all.is_empty() {
            true => Err("cargo-mutants lists no mutant: are the files where they were?".into()),
            false => Ok(runner),
        }
    }

    /// Builds the tests of each package by itself, as the passes need them.
    fn warm(&self) -> Result<(), String> {
        for Part { package, features, .. } in [ENGINE, FACE] {
            let own = ["--package", package, "--features", features];
            let lib = ["test", "--quiet", "--no-run", "--lib", "--profile", PROFILE];
            shown(self.behind(&[&lib[..], &own].concat()))?;
        }
        Ok(())
    }

    /// Names of all mutants, in the order of the sources.
    pub fn all(&self) -> &[String] {
        &self.all
    }

    /// What becomes of each: with the quick tests, and of those that survive with all tests.
    pub fn judge(&self, names: &[String]) -> Result<BTreeMap<String, Fate>, String> {
        if let Some(gone) = names.iter().find(|name| !self.all.contains(name)) {
            return Err(format!("there is no longer a mutant {gone}: run it without --again"));
        }
        let mut fates = BTreeMap::new();
        for part in [FACE, ENGINE] {
            let own = names.iter().filter(|name| name.starts_with(part.below)).cloned();
            let mut quick = vec!["--features", part.features, "--", "--lib", "--"];
            quick.extend(SLOW.iter().flat_map(|name| ["--skip", name]));
            fates.extend(self.sure_pass(&own.collect::<Vec<_>>(), &QUICK, &quick)?);
        }
        let survive = fates.iter().filter(|(_, fate)| **fate == Fate::Missed);
        let survive: Vec<String> = survive.map(|(name, _)| name.clone()).collect();
        let mut full = vec!["--features", FEATURES];
        full.extend(PACKAGES.iter().flat_map(|package| ["--test-package", package]));
        fates.extend(self.sure_pass(&survive, &FULL, &full)?);
        Ok(fates)
    }

    /// One run of cargo-mutants over exactly these, and another over those that were built badly:
    /// a compiler that was stopped may leave a folder that later ones fail in.
    fn sure_pass(
        &self,
        names: &[String],
        limits: &Limits,
        tests: &[&str],
    ) -> Result<BTreeMap<String, Fate>, String> {
        let mut fates = self.pass(names, limits, tests)?;
        let broken = self.broken(&fates)?;
        if broken.is_empty() {
            return Ok(fates);
        }
        println!("  {} were not built for another reason than their own, once more", broken.len());
        let build = self.build().join(PROFILE).join("incremental");
        fs::remove_dir_all(&build).map_err(|error| format!("{}: {error}", build.display()))?;
        self.warm()?;
        fates.extend(self.pass(&broken, limits, tests)?);
        match self.broken(&fates)?.first() {
            None => Ok(fates),
            Some(name) => Err(format!("the build of {name} fails for another reason than its own")),
        }
    }

    /// Those of the last run that do not compile although the compiler has nothing against them.
    fn broken(&self, fates: &BTreeMap<String, Fate>) -> Result<Vec<String>, String> {
        let logs = self.report("log");
        let failed = |error| format!("{}: {error}", logs.display());
        let mut broken = Vec::new();
        // There are no logs where there was nothing to judge.
        for entry in fs::read_dir(&logs).into_iter().flatten() {
            let bytes = fs::read(entry.map_err(failed)?.path()).map_err(failed)?;
            let text = String::from_utf8_lossy(&bytes);
            let name = text.lines().find_map(|line| line.strip_prefix("*** "));
            if let Some(name) = name.filter(|name| fates.get(*name) == Some(&Fate::Unviable))
                && BROKEN.iter().any(|mark| text.contains(mark))
            {
                broken.push(name.to_owned());
            }
        }
        Ok(broken)
    }

    /// One run of cargo-mutants over exactly these.
    fn pass(
        &self,
        names: &[String],
        limits: &Limits,
        tests: &[&str],
    ) -> Result<BTreeMap<String, Fate>, String> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.leave_out_all_but(names)?;
        let config = self.tree.join(".cargo/config.toml");
        let runner = RUNNER.replace("SECONDS", limits.cpu_seconds);
        fs::create_dir_all(self.tree.join(".cargo"))
            .and_then(|()| fs::write(&config, runner))
            .map_err(|error| format!("{}: {error}", config.display()))?;
        let mut command = self.mutants();
        command.args([
            "--iterate",
            "--in-place",
            "--baseline",
            "skip",
            "--profile",
            PROFILE,
            "--colors",
            "never",
        ]);
        command.args(["--caught", "--unviable", "--output"]).arg(&self.home);
        command.args(["--timeout", limits.seconds, "--build-timeout", BUILD_SECONDS]);
        command.args(tests);
        let lines = kept(command, progress)?.lines;
        let mut fates = BTreeMap::new();
        for (file, fate) in REPORTS {
            let text = fs::read_to_string(self.report(file)).unwrap_or_default();
            fates.extend(text.lines().map(|name| (name.to_owned(), *fate)));
        }
        if let Some(lost) = names.iter().find(|name| !fates.contains_key(*name)) {
            let first = lines.len().saturating_sub(TAIL);
            lines[first..].iter().for_each(|line| println!("    {line}"));
            return Err(format!("cargo-mutants has not judged {lost}, see its output above"));
        }
        Ok(fates)
    }

    /// Tells cargo-mutants that it caught all others before. Its filters by name would let
    /// mutants of some kinds through.
    fn leave_out_all_but(&self, names: &[String]) -> Result<(), String> {
        let others = self.all.iter().filter(|name| !names.contains(name));
        let others: String = others.map(|name| format!("{name}\n")).collect();
        let reports = self.report("");
        let failed = |error| format!("{}: {error}", reports.display());
        if reports.exists() {
            fs::remove_dir_all(&reports).map_err(failed)?;
        }
        fs::create_dir_all(&reports).map_err(failed)?;
        fs::write(self.report("previously_caught.txt"), others).map_err(failed)
    }

    fn build(&self) -> PathBuf {
        self.home.join("build")
    }

    fn report(&self, file: &str) -> PathBuf {
        self.home.join("mutants.out").join(file)
    }

    /// cargo-mutants on the layer.
    fn mutants(&self) -> Command {
        let mut command = self.behind(&["mutants", "--no-config"]);
        command.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
        command.args(FILES.iter().flat_map(|file| ["--file", file]));
        command
    }

    /// Cargo on the copy, behind all other work of the machine.
    fn behind(&self, arguments: &[&str]) -> Command {
        let cargo = cargo(arguments);
        let mut command = Command::new("nice");
        command.args(["-n", "15"]);
        command.arg(cargo.get_program()).args(cargo.get_args());
        // `cargo` removes variables and sets none.
        cargo.get_envs().for_each(|(name, _)| {
            command.env_remove(name);
        });
        command.current_dir(&self.tree).env("CARGO_TARGET_DIR", self.build());
        command.env("RUST_BACKTRACE", "0");
        command
    }
}

/// Shows each verdict as it comes.
fn progress(line: &str) {
    let line = line.trim();
    if ["caught", "MISSED", "TIMEOUT", "unviable", "ok ", "Found"]
        .iter()
        .any(|start| line.starts_with(start))
    {
        println!("  {line}");
    }
}
