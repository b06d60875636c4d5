//! Workload `real`: the paths of this machine's `/usr` and of its installed crates.
//!
//! The paths are listed once a run, sorted, and kept in a file that every worker reads key by key,
//! so that they are no engine's memory. Of more paths than records whole directories are taken, by
//! a hash of their names; of fewer, all of them again under numbered roots. A value is 64 bytes as
//! `stat` fills them, made from the seed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::{Workload, decimal, mix, stat};
use crate::Result;
use crate::engine::DELIMITER;

/// The list's name in the directory of a run.
const LIST: &str = "paths";

/// Longest path taken: some engines have no longer keys, and there is a suffix to leave room for.
const LONGEST: usize = 440;

/// Bytes of an entry of the table at the list's start.
const ENTRY: u64 = 4;

/// The roots that are listed.
fn roots() -> Vec<PathBuf> {
    let mut cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    if cargo.is_none() {
        cargo = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    }
    let crates = cargo.map(|cargo| cargo.join("registry"));
    [PathBuf::from("/usr")].into_iter().chain(crates).collect()
}

/// A number that follows from a path.
fn hash(path: &[u8]) -> u64 {
    path.iter().fold(0, |hash, &byte| mix(hash, u64::from(byte)))
}

/// Lists the paths and keeps them in `dir`.
pub fn write(records: u64, dir: &Path) -> Result<()> {
    let mut paths = Vec::new();
    for root in roots() {
        for entry in WalkDir::new(root).into_iter().filter_map(std::result::Result::ok) {
            let path: OsString = entry.into_path().into_os_string();
            if path.len() <= LONGEST && !path.as_bytes().contains(&super::SIBLING) {
                paths.push(path.into_vec());
            }
        }
    }
    if paths.is_empty() {
        return Err("no paths found for the workload real".into());
    }
    if paths.len() as u64 > records {
        paths.sort_by_cached_key(|path| {
            let end = path.iter().rposition(|&byte| byte == DELIMITER).unwrap_or(0);
            hash(&path[..end])
        });
        paths.truncate(records as usize);
    }
    paths.sort();
    paths.dedup();
    let mut list = Vec::new();
    let mut end = 0_u32;
    list.extend_from_slice(&(paths.len() as u32).to_le_bytes());
    for path in &paths {
        end += path.len() as u32;
        list.extend_from_slice(&end.to_le_bytes());
    }
    list.extend(paths.into_iter().flatten());
    fs::create_dir_all(dir)?;
    Ok(fs::write(dir.join(LIST), list)?)
}

/// The workload.
pub struct Real {
    seed: u64,
    list: File,
    paths: u64,
}

impl Real {
    /// Over the list in `dir`.
    pub fn open(seed: u64, dir: &Path) -> Result<Self> {
        let list = File::open(dir.join(LIST))?;
        let mut word = [0; ENTRY as usize];
        list.read_exact_at(&mut word, 0)?;
        Ok(Self { seed, list, paths: u64::from(u32::from_le_bytes(word)) })
    }

    /// Where a path starts and ends behind the table.
    fn bounds(&self, path: u64) -> std::io::Result<(u64, u64)> {
        let mut words = [0; 2 * ENTRY as usize];
        self.list.read_exact_at(&mut words, path * ENTRY)?;
        let [start, end] = [&words[..4], &words[4..]]
            .map(|word| u64::from(u32::from_le_bytes([word[0], word[1], word[2], word[3]])));
        // Before the first path stands the count, not an end.
        Ok((if path == 0 { 0 } else { start }, end))
    }

    fn path(&self, path: u64, out: &mut Vec<u8>) -> std::io::Result<()> {
        let (start, end) = self.bounds(path)?;
        let from = out.len();
        out.resize(from + (end - start) as usize, 0);
        self.list.read_exact_at(&mut out[from..], (self.paths + 1) * ENTRY + start)
    }
}

impl Workload for Real {
    fn key(&self, index: u64, out: &mut Vec<u8>) {
        if index >= self.paths || self.paths == 0 {
            // Roots after the first sort behind it: `/` is before any letter.
            out.extend_from_slice(b"root-");
            decimal(index / self.paths.max(1), 6, out);
        }
        if let Err(error) = self.path(index % self.paths.max(1), out) {
            // A run without its list can not go on, and a key has no way to say so.
            panic!("the list of paths can not be read: {error}");
        }
    }

    fn absent_key(&self, index: u64, out: &mut Vec<u8>) {
        self.key(index, out);
        out.push(super::SIBLING);
    }

    fn value(&self, index: u64, generation: u32, out: &mut Vec<u8>) {
        stat(self.seed, index, generation, out);
    }
}
