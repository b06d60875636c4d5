//! The home on real files: the native face with small frames, cache and log.
//!
//! Owns: the settings the suites use. Never does: choose a directory.

use std::path::Path;

use holt::{Durability, TreeBuilder};
use holt_engine::db::Tree;
use holt_engine::error::Result;
use holt_engine::geometry::Geometry;

use super::TreeHome;

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
}

impl FileSettings {
    /// For the SIGKILL suite: small, so that checkpoints, spills and evictions never stop.
    pub const VICTIM: Self =
        Self { frame_bytes: 16 * 1024, cache_bytes: 1 << 20, log_budget: 512 * 1024, sync: false };
}

/// Opens a store on files.
pub fn open_files(folder: &Path, settings: &FileSettings) -> Result<Tree> {
    TreeBuilder::new(folder)
        .geometry(Geometry::new(settings.frame_bytes)?)
        .cache_bytes(settings.cache_bytes)
        .log_budget(settings.log_budget)
        .durability(Durability::Wal { sync: settings.sync })
        .open()
}

impl TreeHome {
    /// A home in an empty directory that is removed with it.
    pub fn files(settings: FileSettings) -> std::result::Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("no directory: {error}"))?;
        Self::new("files", move || open_files(folder.path(), &settings))
    }
}
