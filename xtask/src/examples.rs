//! `cargo xtask examples`: the programs that users start from, built and run.
//!
//! Owns: which examples there are, and a directory for each. Never does: judge what one prints;
//! each checks what it shows by itself and fails if that does not hold.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Deserialize;

use crate::run::{cargo, command, kept, root, shown, target};

const FOLDER: &str = "examples";
const PAGE: &str = "examples/README.md";
const MANIFEST: &str = "Cargo.toml";

/// Each runs so often on its directory: what it left there must be no obstacle to it.
const RUNS: usize = 2;

/// Builds all examples and runs them.
pub fn run() -> Result<(), String> {
    shown(cargo(&["build", "--release", "--package", "holt", "--examples"]))?;
    run_built()
}

/// Runs all examples, which are built; an error names those that failed.
pub fn run_built() -> Result<(), String> {
    let scratch = std::env::temp_dir().join(format!("holt-examples-{}", std::process::id()));
    let mut failed = Vec::new();
    for name in names(&root())? {
        let begun = Instant::now();
        match run_one(&name, &scratch.join(&name)) {
            Ok(()) => println!("  {name}: {:.1} s", begun.elapsed().as_secs_f64()),
            Err(why) => {
                println!("  {name}: {why}");
                failed.push(name);
            }
        }
    }
    let removed = fs::remove_dir_all(&scratch);
    removed.map_err(|error| format!("{} cannot be removed: {error}", scratch.display()))?;
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!("failed: {}", failed.join(", "))),
    }
}

/// Runs one example on a directory that is not there yet; shows what it printed if it fails.
fn run_one(name: &str, dir: &Path) -> Result<(), String> {
    fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let (program, store) = (program(name), dir.join("store").display().to_string());
    for run in 1..=RUNS {
        let output = kept(command(&program, &[&store]), |_| {})?;
        if !output.success {
            output.lines.iter().for_each(|line| println!("    {line}"));
            return Err(format!("run {run} of {RUNS} failed, see its output above"));
        }
    }
    Ok(())
}

fn program(name: &str) -> PathBuf {
    target().join("release/examples").join(name)
}

/// The examples there are: those with a source, which must be those that the manifest and the
/// page about them name.
fn names(root: &Path) -> Result<BTreeSet<String>, String> {
    let sources = sources(&root.join(FOLDER))?;
    let agree = |what: &str, named: BTreeSet<String>| {
        let wrong: Vec<&String> = sources.symmetric_difference(&named).collect();
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(format!("{what} and the sources in {FOLDER} differ in {wrong:?}")),
        }
    };
    agree(MANIFEST, in_manifest(&text_of(&root.join(MANIFEST))?)?)?;
    agree(PAGE, in_page(&text_of(&root.join(PAGE))?))?;
    Ok(sources)
}

fn sources(folder: &Path) -> Result<BTreeSet<String>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        found.extend(name.strip_suffix(".rs").map(String::from));
    }
    Ok(found)
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    example: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

fn in_manifest(text: &str) -> Result<BTreeSet<String>, String> {
    let read: Manifest = toml::from_str(text).map_err(|error| format!("{MANIFEST}: {error}"))?;
    Ok(read.example.into_iter().map(|example| example.name).collect())
}

/// The names that a page links, as in `[basic_kv](basic_kv.rs)`.
fn in_page(text: &str) -> BTreeSet<String> {
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    links.filter_map(|target| target.strip_suffix(".rs").map(String::from)).collect()
}

fn text_of(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_manifest_and_page_name_the_same_examples() {
        let names = names(&root()).expect("they agree");
        assert!(names.contains("basic_kv"), "{names:?}");
    }

    #[test]
    fn an_example_that_one_of_them_forgot_is_named() {
        let manifest = in_manifest("[[example]]\nname = \"a\"\n[[example]]\nname = \"b\"\n");
        assert_eq!(manifest, Ok(BTreeSet::from(["a".into(), "b".into()])));
        assert_eq!(in_manifest("[package]\nname = \"x\"\n"), Ok(BTreeSet::new()));
        let page = in_page("| [a](a.rs) | [b](b.rs), not [c](c.md) |");
        assert_eq!(page, BTreeSet::from(["a".into(), "b".into()]));
    }

    #[test]
    fn what_cannot_run_is_a_failure() {
        let dir = std::env::temp_dir().join(format!("holt-no-example-{}", std::process::id()));
        let missing = run_one("there is no such example", &dir);
        fs::remove_dir_all(&dir).expect("was made");
        assert!(missing.is_err_and(|why| why.contains("does not start")));
    }
}
