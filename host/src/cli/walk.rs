//! Walking a directory tree of the system for `import`.
//!
//! Owns: paths relative to the start, what `lstat` says of each entry.
//! Never does: follow a link (the start itself excepted), recurse, stop at an unreadable entry.
//! Invariants: entries come in the order the system lists them, so memory grows with the depth
//! of the tree and not with its size. (Only below 64 levels of directories, the names still to
//! come of the topmost ones are read ahead, since they cannot all stay open.)

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::limits::WALK_OPEN_DIRECTORIES;
use super::statrec::{Kind, StatRecord};

/// An entry below the start of the walk.
pub struct Found {
    /// Its path relative to the start, as bytes.
    pub path: Vec<u8>,
    /// What `lstat` says of it.
    pub stat: StatRecord,
}

/// An entry that could not be read, or a directory whose content could not.
pub struct Unreadable {
    /// Where.
    pub path: PathBuf,
    /// What the system said.
    pub why: String,
}

/// Every entry below `start`; `start` itself is left out. A directory of which neither the
/// entry nor the content can be read is reported once.
pub fn walk(start: &Path) -> impl Iterator<Item = Result<Found, Unreadable>> {
    let start = start.to_path_buf();
    let mut last_unreadable = PathBuf::new();
    WalkDir::new(&start)
        .min_depth(1)
        .follow_links(false)
        .max_open(WALK_OPEN_DIRECTORIES)
        .into_iter()
        .map(move |entry| match entry {
            Ok(entry) => describe(&start, &entry),
            Err(error) => Err(Unreadable {
                path: error.path().unwrap_or(&start).into(),
                why: error.io_error().map_or_else(|| error.to_string(), io::Error::to_string),
            }),
        })
        .filter(move |entry| match entry {
            Err(unreadable) if unreadable.path == last_unreadable => false,
            Err(unreadable) => {
                last_unreadable.clone_from(&unreadable.path);
                true
            }
            Ok(_) => true,
        })
}

fn describe(start: &Path, entry: &DirEntry) -> Result<Found, Unreadable> {
    let unreadable = |why: String| Unreadable { path: entry.path().into(), why };
    let relative =
        entry.path().strip_prefix(start).map_err(|error| unreadable(error.to_string()))?;
    let metadata = fs::symlink_metadata(entry.path()).map_err(|e| unreadable(e.to_string()))?;
    let mut stat = stat_record(&metadata);
    if stat.kind == Kind::Link {
        let target = fs::read_link(entry.path()).map_err(|e| unreadable(e.to_string()))?;
        stat.target = target.as_os_str().as_bytes().into();
    }
    Ok(Found { path: relative.as_os_str().as_bytes().into(), stat })
}

fn stat_record(metadata: &Metadata) -> StatRecord {
    StatRecord {
        kind: Kind::from_number((metadata.mode() >> 12) as u16 & 15).unwrap_or(Kind::Unknown),
        permissions: metadata.mode() as u16 & 0o7777,
        size: metadata.size(),
        uid: metadata.uid(),
        gid: metadata.gid(),
        mtime: metadata.mtime(),
        mtime_nanos: metadata.mtime_nsec().clamp(0, 999_999_999) as u32,
        links: metadata.nlink(),
        target: Vec::new(),
    }
}
