//! What the environment says to the suites, and keys from the machine they run on.

use std::path::Path;

use tempfile::TempDir;

use crate::workload::real_paths;

/// Real paths taken from the machine, at most.
const PATHS: usize = 5000;

/// The number of that name in the environment, or `default`; a tenth of it if `HOLT_QUICK` is
/// set.
///
/// # Panics
/// If it is set to something else than a number.
pub fn number(name: &str, default: u64) -> u64 {
    let default = if std::env::var_os("HOLT_QUICK").is_some() { default / 10 } else { default };
    std::env::var(name).ok().map_or(default, |text| text.parse().expect(name))
}

/// Paths of this machine.
///
/// # Panics
/// If it has too few to be worth a test.
pub fn some_paths() -> Vec<Vec<u8>> {
    let paths = real_paths(Path::new("/usr"), PATHS);
    assert!(paths.len() > 500, "the machine's /usr has only {} entries", paths.len());
    paths
}

/// An empty directory for suites that compare answers: in memory where the system has such a
/// place, for a store that is checkpointed every few operations waits for nothing else.
///
/// # Errors
/// Where it cannot be made.
pub fn scratch() -> std::io::Result<TempDir> {
    const IN_MEMORY: &str = "/dev/shm";
    tempfile::tempdir_in(IN_MEMORY).or_else(|_| tempfile::tempdir())
}
