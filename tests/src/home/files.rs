//! The home on real files: the native face with small frames, cache and log.
//!
//! Owns: the settings the suites use. Never does: choose a directory.

use std::path::Path;

use holt::{Durability, TreeBuilder};
use holt_engine::db::{DB, Options, Tree};
use holt_engine::error::Result;
use holt_engine::geometry::Geometry;
use holt_engine::limits::{MIN_CACHE_BYTES, MIN_FRAME_BYTES, MIN_LOG_BUDGET};
use holt_native_store::{FileOptions, FileStore};

use super::TreeHome;
use crate::settings::scratch;

/// How a suite opens a store on files.
#[derive(Clone, Copy, Debug)]
pub struct FileSettings {
    /// Bytes of a frame, if the store is made.
    pub frame_bytes: u32,
    /// Memory for pages, in bytes.
    pub cache_bytes: u64,
    /// Bytes of log that start a checkpoint.
    pub log_budget: u64,
    /// Whether an acknowledged write survives loss of power.
    pub sync: bool,
    /// Whether the system's cache is bypassed, as it is for stores that matter.
    pub direct: bool,
}

impl FileSettings {
    /// Small frames, a small cache and a small log, so that pages are evicted and checkpoints
    /// start by themselves.
    pub const TIGHT: Self = Self {
        frame_bytes: MIN_FRAME_BYTES,
        cache_bytes: MIN_CACHE_BYTES,
        log_budget: MIN_LOG_BUDGET,
        sync: false,
        // The directory is in memory.
        direct: false,
    };

    /// For the SIGKILL suite: small, so that checkpoints, spills and evictions never stop.
    pub const VICTIM: Self = Self {
        frame_bytes: 16 * 1024,
        cache_bytes: 1 << 20,
        log_budget: 512 * 1024,
        sync: false,
        direct: true,
    };

    /// For the suite of prefix moves: less cache than the directory that moves.
    pub const MOVER: Self = Self {
        frame_bytes: 64 * 1024,
        cache_bytes: 4 << 20,
        log_budget: 4 << 20,
        sync: false,
        direct: true,
    };

    /// As the engine has them.
    pub fn options(&self) -> Options {
        Options {
            cache_bytes: self.cache_bytes,
            log_budget: self.log_budget,
            sync: self.sync,
            ..Options::default()
        }
    }
}

/// Opens a store on files.
pub fn open_files(folder: &Path, settings: &FileSettings) -> Result<Tree> {
    TreeBuilder::new(folder)
        .geometry(Geometry::new(settings.frame_bytes)?)
        .cache_bytes(settings.cache_bytes)
        .log_budget(settings.log_budget)
        .direct_io(settings.direct)
        .durability(Durability::Wal { sync: settings.sync })
        .open()
}

/// Opens a store on files as a database.
pub fn open_database(folder: &Path, settings: &FileSettings) -> Result<DB> {
    let geometry = Geometry::new(settings.frame_bytes)?;
    let files = FileStore::open(
        folder,
        &FileOptions { geometry, direct: settings.direct, ..FileOptions::default() },
    )?;
    DB::open_with_devices(files.blobs, Some(files.log), settings.options())
}

impl TreeHome {
    /// A home in an empty directory that is removed with it.
    pub fn files(settings: FileSettings) -> std::result::Result<Self, String> {
        let folder = scratch().map_err(|error| format!("no directory: {error}"))?;
        Self::new("files", move || open_files(folder.path(), &settings))
    }

    /// The same as a database.
    pub fn database(settings: FileSettings) -> std::result::Result<Self, String> {
        let folder = scratch().map_err(|error| format!("no directory: {error}"))?;
        Self::new("files as a database", move || open_database(folder.path(), &settings))
    }
}
