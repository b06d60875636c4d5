//! `cargo xtask demo`: the main job on real input, natively and in the sandbox.
//!
//! Owns: the steps and what they print. Never does: touch anything outside `target/demo`.
//! Invariant: both engines must hold the same bytes, or the demo fails.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::run::{cargo, shown, stdout, target};
use crate::tools;

/// The real tree that is imported.
const SOURCE: &str = "/usr";

/// Entries shown of one level.
const LISTED: usize = 12;

/// The exit code of `holt import` when some entries could not be read: named, and no failure.
const PARTIAL: i32 = 3;

/// Builds the command, imports with both engines, compares.
pub fn run(keep: bool) -> Result<(), String> {
    tools::targets()?;
    println!("==> building the command (the first time this takes some minutes)");
    shown(cargo(&["build", "--release", "--package", "holt-host", "--bin", "holt"]))?;
    let holt = target().join("release/holt");
    let folder = target().join("demo");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .map_err(|error| format!("{} cannot be emptied: {error}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder)
        .map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
    let mut dumps = Vec::new();
    for engine in ["native", "sandbox"] {
        let store = Store { holt: holt.clone(), engine, folder: folder.join(engine) };
        dumps.push(store.tour()?);
    }
    if dumps[0] != dumps[1] {
        return Err("the two engines hold different records".into());
    }
    println!("\nboth engines hold the same {} records", lines(&dumps[0]));
    cross(&holt, &folder, &dumps[0])?;
    match keep {
        true => println!("the stores are in {}", folder.display()),
        false => std::fs::remove_dir_all(&folder)
            .map_err(|error| format!("{} cannot be removed: {error}", folder.display()))?,
    }
    Ok(())
}

/// Opens what one engine wrote with the other.
fn cross(holt: &Path, folder: &Path, expected: &[u8]) -> Result<(), String> {
    for (engine, other) in [("native", "sandbox"), ("sandbox", "native")] {
        let store = Store { holt: holt.into(), engine: other, folder: folder.join(engine) };
        if stdout(store.holt(&["dump"]))? != expected {
            return Err(format!("the {other} engine reads the store of the {engine} one wrongly"));
        }
        shown(store.holt(&["check"]))?;
    }
    println!("each engine opens what the other wrote");
    Ok(())
}

struct Store {
    holt: PathBuf,
    engine: &'static str,
    folder: PathBuf,
}

impl Store {
    fn holt(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.holt);
        command.arg("--store").arg(&self.folder).args(["--engine", self.engine]).args(words);
        command
    }

    /// Imports, tells the figures, lists one level, checks; returns the dump.
    fn tour(&self) -> Result<Vec<u8>, String> {
        println!("\n==> holt --engine {} import {SOURCE}", self.engine);
        let begun = Instant::now();
        let status = self
            .holt(&["import", SOURCE])
            .status()
            .map_err(|error| format!("holt does not start: {error}"))?;
        let took = begun.elapsed().as_secs_f64();
        if !status.success() && status.code() != Some(PARTIAL) {
            return Err(format!("holt import ended with {status}"));
        }
        shown(self.holt(&["checkpoint"]))?;
        let dump = stdout(self.holt(&["dump"]))?;
        let records = lines(&dump);
        if records == 0 {
            return Err(format!("{SOURCE} gave no records"));
        }
        let bytes = allocated(&self.folder)?;
        println!(
            "{records} records in {took:.2} s: {:.0} a second; {} bytes on disk, {:.1} a record",
            records as f64 / took.max(1e-9),
            bytes,
            bytes as f64 / records as f64
        );
        println!("==> holt ls");
        let listed = stdout(self.holt(&["ls"]))?;
        let listed = String::from_utf8_lossy(&listed);
        listed.lines().take(LISTED).for_each(|line| println!("    {line}"));
        if listed.lines().count() > LISTED {
            println!("    ... {} in all", listed.lines().count());
        }
        println!("==> holt check");
        shown(self.holt(&["check"]))?;
        Ok(dump)
    }
}

fn lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

/// Bytes of the blocks that all files of a store take on disk.
fn allocated(folder: &Path) -> Result<u64, String> {
    use std::os::unix::fs::MetadataExt;
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        bytes += entry.and_then(|entry| entry.metadata()).map_err(failed)?.blocks() * 512;
    }
    Ok(bytes)
}
