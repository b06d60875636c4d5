//! The engine in the sandbox and the one linked in leave the same bytes: a store is one format and
//! one behaviour, whatever runs it.
//!
//! Both run equal scripts, every operation the same call of the engine, on copies of one blank
//! store (whose identity was drawn once); then their files are compared byte by byte.
//!
//! `HOLT_EQUAL_SCRIPTS` (scripts, default 20), `HOLT_DIFF_SEED` (first seed, default 0).

use std::path::Path;
use std::time::Instant;

use holt_host::sandbox::Sandbox;
use holt_native_store::{BLOBS_FILE, LOG_FILE};
use holt_tests::compare::{run, save};
use holt_tests::home::{FileSettings, Home, StoreHome, TreeHome, open_files};
use holt_tests::script::Script;
use holt_tests::settings::{number, scratch, some_paths};
use holt_tests::workload::{Config, script};
use tempfile::TempDir;

const SCRIPTS: u64 = 20;
/// Runs to find a small script that shows a difference.
const TRIES: usize = 150;

const SETTINGS: FileSettings = FileSettings::TIGHT;

fn directory() -> TempDir {
    scratch().expect("a directory")
}

/// A store that was just created, with the identity it drew.
fn blank_store() -> TempDir {
    let blank = directory();
    let folder = blank.path().to_path_buf();
    let home = TreeHome::new("blank", move || open_files(&folder, &SETTINGS));
    drop(home.expect("an empty directory takes a store"));
    blank
}

fn copy_of(folder: &Path) -> TempDir {
    let copy = directory();
    for entry in std::fs::read_dir(folder).expect("the blank store").flatten() {
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("a copy");
    }
    copy
}

/// Bytes of two equal stores, or where they differ first.
fn same_files(one: &Path, other: &Path) -> Result<usize, String> {
    let mut bytes = 0;
    for name in [BLOBS_FILE, LOG_FILE] {
        let read = |folder: &Path| std::fs::read(folder.join(name)).expect(name);
        let (one, other) = (read(one), read(other));
        if let Some(at) = one.iter().zip(&other).position(|(one, other)| one != other) {
            return Err(format!("{name} differs at byte {at} of {}", one.len()));
        }
        if one.len() != other.len() {
            return Err(format!("{name} has {} bytes and {}", one.len(), other.len()));
        }
        bytes += one.len();
    }
    Ok(bytes)
}

/// Runs a script in both; bytes of the stores, or where they differ.
fn compared(sandbox: &Sandbox, blank: &Path, script: &Script) -> Result<usize, String> {
    let (native, sandboxed) = (copy_of(blank), copy_of(blank));
    let mut tree = StoreHome::native_tree(SETTINGS, native.path())?;
    let mut component = StoreHome::component_tree(sandbox, SETTINGS, sandboxed.path())?;
    for home in [&mut tree, &mut component] {
        let name = home.name().to_owned();
        run(home, script).map_err(|why| format!("{name}: {why}"))?;
        home.close();
    }
    same_files(native.path(), sandboxed.path())
}

#[test]
fn component_and_native_engine_make_equal_bytes() {
    let sandbox = StoreHome::sandbox().expect("wasmtime runs here");
    let (first, scripts) = (number("HOLT_DIFF_SEED", 0), number("HOLT_EQUAL_SCRIPTS", SCRIPTS));
    let (paths, begun, blank) = (some_paths(), Instant::now(), blank_store());
    let kinds = StoreHome::native_tree(SETTINGS, directory().path()).expect("files").supports();
    let (mut bytes, mut operations) = (0, 0);
    for seed in first..first + scripts {
        let script = script(&Config::numbered(seed, &paths)).only(&kinds);
        operations += script.ops.len();
        bytes += compared(&sandbox, blank.path(), &script).unwrap_or_else(|why| {
            println!("seed {seed}: {why}; looking for a smaller script");
            let fails = |script: &Script| compared(&sandbox, blank.path(), script).is_err();
            let shrunk = script.shrink(TRIES, fails);
            let place = save(&format!("equal stores seed {seed}"), &shrunk);
            panic!("seed {seed}: {why}; shrunk to {} operations: {place}", shrunk.ops.len());
        });
    }
    println!(
        "component and native engine: {scripts} equal scripts of {operations} operations, \
         {bytes} bytes of equal stores, {:.0} s",
        begun.elapsed().as_secs_f64()
    );
}
