//! cargo-mutants: started, limited and read.
//!
//! Owns: its arguments, the two passes of tests. Never does: choose mutants.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tree::mirror;
use crate::run::{cargo, kept, root, stdout};

/// The layer of the public handles.
const FILES: &[&str] = &["engine/src/db/*.rs", "engine/src/txn/*.rs", "src/*.rs"];

/// The packages that have it, and whose tests are run for all mutants.
const PACKAGES: &str = "holt-engine,holt";
const FEATURES: &str = "holt/metrics,holt/serde";

/// Left out when a mutant is first tried: tests of modules below, which cannot see it, and tests
/// that take seconds. A mutant that survives meets all of them.
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

/// A mutant may make a loop endless, or endless and greedy. Seconds for the tests, KiB of address
/// space for each program.
const SECONDS: [&str; 2] = ["30", "120"];
const LIMITED: &str = "ulimit -v 8388608; exec nice -n 15 \"$@\"";

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

/// cargo-mutants on a copy of the sources.
pub struct Runner {
    tree: PathBuf,
    home: PathBuf,
}

impl Runner {
    /// Copies the sources to `home`.
    pub fn new(home: &Path) -> Result<Self, String> {
        if kept(cargo(&["mutants", "--version"]), |_| {}).is_ok_and(|output| output.success) {
            let tree = home.join("tree");
            mirror(&root(), &tree)?;
            return Ok(Self { tree, home: home.to_path_buf() });
        }
        Err("missing: cargo-mutants; install it with: cargo install --locked cargo-mutants".into())
    }

    /// Names of all mutants, in the order of the sources.
    pub fn list(&self) -> Result<Vec<String>, String> {
        let text = stdout(self.command(&["--list", "--colors", "never"]))?;
        let names: Vec<String> =
            String::from_utf8_lossy(&text).lines().map(|line| line.trim().to_owned()).collect();
        match names.is_empty() {
            true => Err("cargo-mutants lists no mutant: are the files where they were?".into()),
            false => Ok(names),
        }
    }

    /// What becomes of each: with the quick tests, and of those that survive with all tests.
    pub fn judge(&self, names: &[String]) -> Result<BTreeMap<String, Fate>, String> {
        let quick: Vec<&str> = ["--lib", "--"]
            .into_iter()
            .chain(SLOW.iter().flat_map(|name| ["--skip", name]))
            .collect();
        let mut fates = self.pass(names, SECONDS[0], &quick)?;
        let survive = fates.iter().filter(|(_, fate)| **fate == Fate::Missed);
        let survive: Vec<String> = survive.map(|(name, _)| name.clone()).collect();
        fates.extend(self.pass(&survive, SECONDS[1], &[])?);
        Ok(fates)
    }

    /// One run of cargo-mutants over exactly these.
    fn pass(
        &self,
        names: &[String],
        seconds: &str,
        tests: &[&str],
    ) -> Result<BTreeMap<String, Fate>, String> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let output = self.home.join("mutants.out");
        let home = self.home.to_string_lossy();
        let exact: Vec<String> = names.iter().map(|name| format!("^{}$", literal(name))).collect();
        let mut arguments = vec!["--in-place", "--profile", "mutants", "--colors", "never"];
        arguments.extend(["--caught", "--unviable", "--output", &*home]);
        arguments.extend(["--timeout", seconds, "--build-timeout", "300"]);
        arguments.extend(["--test-package", PACKAGES, "--features", FEATURES]);
        arguments.extend(exact.iter().flat_map(|exact| ["--re", exact]));
        arguments.push("--");
        arguments.extend(tests);
        let output_lines = kept(self.command(&arguments), progress)?.lines;
        let mut fates = BTreeMap::new();
        for (file, fate) in REPORTS {
            let text = fs::read_to_string(output.join(file)).unwrap_or_default();
            fates.extend(text.lines().map(|name| (name.to_owned(), *fate)));
        }
        if let Some(lost) = names.iter().find(|name| !fates.contains_key(*name)) {
            let first = output_lines.len().saturating_sub(TAIL);
            output_lines[first..].iter().for_each(|line| println!("    {line}"));
            return Err(format!("cargo-mutants has not judged {lost}, see its output above"));
        }
        Ok(fates)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let cargo = cargo(&["mutants"]);
        let mut command = Command::new("sh");
        command.args(["-c", LIMITED, "sh"]).arg(cargo.get_program()).args(cargo.get_args());
        for (name, value) in cargo.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(&self.tree).env("CARGO_TARGET_DIR", self.home.join("build"));
        command.env("RUST_BACKTRACE", "0");
        command.args(["--no-config", "--package", PACKAGES]);
        command.args(FILES.iter().flat_map(|file| ["--file", file]));
        command.args(arguments);
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

/// A text as a regular expression that matches it alone.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() * 2);
    for sign in text.chars() {
        if sign.is_ascii_punctuation() && !matches!(sign, '<' | '>') {
            pattern.push('\\');
        }
        pattern.push(sign);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_mutants_match_only_themselves() {
        let name = "src/a.rs:4:9: replace <impl A for B>::f -> Vec<u8> with vec![] | x";
        let expected =
            r"src\/a\.rs\:4\:9\: replace <impl A for B>\:\:f \-> Vec<u8> with vec\!\[\] \| x";
        assert_eq!(literal(name), expected);
    }
}
