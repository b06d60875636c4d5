//! What a user of the crate can rely on, row by row of `docs/api.toml`.

mod databases;
mod figures;
mod keeper;
mod opening;
mod settings;

use std::path::Path;

use crate::{RangeEntry, Tree};

/// Every key and value, in order.
fn contents(tree: &Tree) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pair = |entry| match entry {
        Ok(RangeEntry::Key { key, value, .. }) => (key, value),
        other => panic!("no record: {other:?}"),
    };
    tree.range().into_iter().map(pair).collect()
}

/// The bytes of every file of a directory, by name.
fn files(dir: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let entries = std::fs::read_dir(dir).expect("is a directory");
    let mut files: Vec<_> = entries
        .map(|entry| {
            let entry = entry.expect("can be listed");
            (entry.file_name(), std::fs::read(entry.path()).expect("can be read"))
        })
        .collect();
    files.sort();
    files
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// Keys of files in forty directories.
fn key(at: u32) -> Vec<u8> {
    format!("dir/{:02}/file-{at:06}", at % 40).into_bytes()
}
