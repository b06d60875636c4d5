//! Where the sandbox's compiled code is kept between runs, so that starting it takes
//! milliseconds.
//!
//! Owns: the choice of the directory. Never does: fail a command; without a directory that is
//! safe to use, the engine is compiled at each start.
//! Invariant: what is loaded from there runs as this process, so the directory and the one it is
//! kept in belong to the user the process runs as, and no other user may write to it. (With the
//! home directory of somebody else, as under `sudo`, there is no cache.)

use std::env;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

const PRIVATE: u32 = 0o700;
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The directory: `holt/compiled` in `XDG_CACHE_HOME`, or in `.cache` of the home directory.
pub fn directory() -> Option<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let base = match env::var_os("XDG_CACHE_HOME").map(PathBuf::from) {
        Some(base) if base.is_absolute() => base,
        _ => {
            let home = PathBuf::from(env::var_os("HOME")?);
            (home.is_absolute() && belongs_to(&home, user)).then(|| home.join(".cache"))?
        }
    };
    let directory = base.join("holt").join("compiled");
    DirBuilder::new().recursive(true).mode(PRIVATE).create(&directory).ok()?;
    (belongs_to(&base, user)
        && belongs_to(&base.join("holt"), user)
        && belongs_to(&directory, user))
    .then_some(directory)
}

/// Whether the path is a directory (no link) of this user that nobody else may write to.
fn belongs_to(directory: &Path, user: u32) -> bool {
    fs::symlink_metadata(directory).is_ok_and(|metadata| {
        metadata.is_dir() && metadata.uid() == user && metadata.mode() & WRITABLE_BY_OTHERS == 0
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn only_private_directories_of_this_user_will_do() {
        let home = tempfile::TempDir::new().expect("temporary directory");
        let user = rustix::process::geteuid().as_raw();
        assert!(belongs_to(home.path(), user));
        assert!(!belongs_to(home.path(), user + 1));
        assert!(!belongs_to(&home.path().join("missing"), user));
        let link = home.path().join("link");
        symlink(home.path(), &link).expect("link");
        assert!(!belongs_to(&link, user));
        let shared = fs::Permissions::from_mode(0o770);
        fs::set_permissions(home.path(), shared).expect("mode");
        assert!(!belongs_to(home.path(), user));
    }
}
