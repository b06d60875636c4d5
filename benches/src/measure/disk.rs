//! What a directory of files takes on disk and in the page cache.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

/// Bytes of one block as `st_blocks` counts them, on every file system.
const STAT_BLOCK: u64 = 512;

/// Every file under `dir`.
fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let target = if entry.file_type()?.is_dir() { &mut open } else { &mut found };
            target.push(entry.path());
        }
    }
    Ok(found)
}

/// Allocated bytes of every file under `dir`: holes are free, preallocation is not.
pub fn allocated_bytes(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for path in files(dir)? {
        bytes += fs::metadata(path)?.blocks() * STAT_BLOCK;
    }
    Ok(bytes)
}

/// Has the system forget what it holds of the files under `dir`, which nobody has open.
pub fn drop_page_cache(dir: &Path) -> Result<()> {
    for path in files(dir)? {
        let file = fs::File::open(path)?;
        // Dirty pages stay, so they are written first.
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    }
    Ok(())
}

/// Bytes of the files under `dir` that the page cache holds; 0 where `fincore` is missing.
pub fn page_cache_bytes(dir: &Path) -> u64 {
    let Ok(files) = files(dir) else { return 0 };
    let fincore = Command::new("fincore")
        .args(["--bytes", "--noheadings", "--raw", "--output", "RES"])
        .args(files)
        .output();
    let Ok(output) = fincore else { return 0 };
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter_map(|line| line.trim().parse::<u64>().ok()).sum()
}
