//! The lock on a store: on the data file itself, held by its open handle.
//!
//! Owns: the bounded wait. Never does: use a file of its own; that could be replaced or removed
//! while the data stays. The lock belongs to the open file, so a second handle in the same
//! process is refused too, and the system frees it when the process dies.

use std::fs::{File, Metadata, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use holt_engine::error::{Error, Result};

use crate::file::io_error;
use crate::limits::LOCK_POLL;

/// Opens a file and locks it: shared for reading, exclusively for writing. `open` is called
/// again if the path names another file by the time the lock is held.
///
/// # Errors
/// `Locked` after `wait`; failures of the system.
pub fn open_locked(
    path: &Path,
    shared: bool,
    wait: Duration,
    open: impl Fn() -> Result<File>,
) -> Result<File> {
    let deadline = Instant::now() + wait;
    loop {
        let file = open()?;
        if try_lock(&file, path, shared, deadline)? && is_at(&file, path) {
            return Ok(file);
        }
        if Instant::now() >= deadline {
            return Err(Error::Locked { path: path.display().to_string() });
        }
    }
}

/// Tries until the deadline; `false` if the lock is still held elsewhere.
fn try_lock(file: &File, path: &Path, shared: bool, deadline: Instant) -> Result<bool> {
    loop {
        let tried = if shared { file.try_lock_shared() } else { file.try_lock() };
        match tried {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return Ok(false),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_POLL),
            Err(TryLockError::Error(error)) => {
                return Err(io_error(&format!("lock {}", path.display()), &error).into());
            }
        }
    }
}

/// Whether the path still names the open file.
fn is_at(file: &File, path: &Path) -> bool {
    let same = |a: &Metadata, b: &Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(held), Ok(named)) => same(&held, &named),
        _ => false,
    }
}
