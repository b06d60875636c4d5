//! What a store takes on disk.
//!
//! Owns: adding up files. Never does: open or change them.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::failure::Failure;
use super::keys::escape;

/// `st_blocks` counts in this unit, whatever the file system's own is.
const BLOCK_BYTES: u64 = 512;

/// One file of a store.
#[derive(Clone, Debug, serde::Serialize)]
pub struct FileUse {
    /// Its name, escaped as keys are.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Bytes of the blocks the file system allocated for it.
    pub allocated_bytes: u64,
}

/// The files of a store directory by name, holes and preallocation taken as they are.
pub fn files(dir: &Path) -> Result<Vec<FileUse>, Failure> {
    let failed = |error| Failure::io(format!("reading {}", dir.display()), error);
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() {
            files.push(FileUse {
                name: escape(entry.file_name().as_bytes()),
                bytes: metadata.len(),
                allocated_bytes: metadata.blocks() * BLOCK_BYTES,
            });
        }
    }
    files.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(files)
}

/// Allocated bytes of all files of a store directory.
pub fn allocated_bytes(dir: &Path) -> Result<u64, Failure> {
    Ok(files(dir)?.iter().map(|file| file.allocated_bytes).sum())
}
