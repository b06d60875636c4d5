//! Where a tree lives and how it is opened, as one value.
//!
//! Owns: the settings and their defaults. Never does: open anything; see
//! [`TreeBuilder`](crate::TreeBuilder).

use std::path::PathBuf;

use holt_engine::geometry::Geometry;
use holt_engine::limits::{DEFAULT_CACHE_BYTES, DEFAULT_LOG_BUDGET, MAX_FRAME_BYTES};
use holt_native_store::LOG_FILE;

/// Where a tree lives.
///
/// ```
/// use holt::{Storage, TreeConfig};
///
/// let at = TreeConfig::new("store").storage;
/// assert!(matches!(at, Storage::File { dir } if dir.ends_with("store")));
/// assert_eq!(TreeConfig::memory().storage, Storage::Memory);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Storage {
    /// In two files of a directory, which is created if it is not there.
    File {
        /// The directory.
        dir: PathBuf,
    },
    /// In memory, for as long as a handle lives.
    Memory,
}

/// What may be done with a tree.
///
/// ```
/// use holt::{AccessMode, TreeConfig};
///
/// assert_eq!(TreeConfig::new("store").access_mode, AccessMode::ReadWrite);
/// assert_eq!(TreeConfig::new("store").read_only().access_mode, AccessMode::ReadOnly);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum AccessMode {
    /// Reading and writing, by one process at a time.
    #[default]
    ReadWrite,
    /// Reading, beside other readers; no byte of the store is changed.
    ReadOnly,
}

/// What a write that returned has survived.
///
/// ```
/// use holt::Durability;
///
/// assert_eq!(Durability::default(), Durability::Wal { sync: false });
/// assert!(Durability::Wal { sync: true }.wal_sync());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Durability {
    /// Every write is in the log before it returns.
    Wal {
        /// `true`: synced to the device, so it survives loss of power. `false`: handed to the
        /// operating system, so it survives the death of the process.
        sync: bool,
    },
}

impl Durability {
    /// Whether a write is synced before it returns.
    ///
    /// ```
    /// assert!(!holt::Durability::default().wal_sync());
    /// ```
    pub const fn wal_sync(self) -> bool {
        let Self::Wal { sync } = self;
        sync
    }
}

impl Default for Durability {
    fn default() -> Self {
        Self::Wal { sync: false }
    }
}

/// When the log is folded into the published state.
///
/// ```
/// use holt::CheckpointConfig;
///
/// assert!(CheckpointConfig::enabled().enabled);
/// assert!(!CheckpointConfig::disabled().enabled);
/// assert!(!CheckpointConfig::inline().background);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CheckpointConfig {
    /// Whether checkpoints start by themselves, when the log reaches its budget. Without, the
    /// log grows until `checkpoint` is called.
    pub enabled: bool,
    /// Whether a thread of the store's own makes them beside readers and writers. Without,
    /// writers do, each its share.
    #[cfg_attr(feature = "serde", serde(default = "in_background"))]
    pub background: bool,
}

#[cfg(feature = "serde")]
const fn in_background() -> bool {
    true
}

impl CheckpointConfig {
    /// Checkpoints start by themselves.
    pub const fn enabled() -> Self {
        Self { enabled: true, background: true }
    }

    /// Checkpoints start by themselves, and the store starts no thread.
    pub const fn inline() -> Self {
        Self { enabled: true, background: false }
    }

    /// Checkpoints are made when asked for.
    pub const fn disabled() -> Self {
        Self { enabled: false, background: false }
    }
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self::enabled()
    }
}

/// Everything that decides how a tree is opened.
///
/// ```
/// use holt::{Durability, TreeConfig};
///
/// let mut config = TreeConfig::new("/var/lib/holt");
/// config.durability = Durability::Wal { sync: true };
/// assert!(!config.is_memory() && !config.is_read_only());
/// assert_eq!(config.wal_path().unwrap(), std::path::Path::new("/var/lib/holt/journal.wal"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TreeConfig {
    /// Where the tree lives.
    pub storage: Storage,
    /// What may be done with it.
    pub access_mode: AccessMode,
    /// Memory for pages, in frames of 512 KiB.
    pub buffer_pool_size: usize,
    /// What a write that returned has survived.
    pub durability: Durability,
    /// Whether each write to a store without a log is published before it returns: for a store
    /// of one's own that has to keep every write. No effect on files, which have a log, and none
    /// to be seen in memory.
    #[cfg_attr(feature = "serde", serde(default))]
    pub memory_flush_on_write: bool,
    /// When the log is folded into the published state.
    pub checkpoint: CheckpointConfig,
    /// Bytes of log that a reopening may have to replay.
    pub log_budget: u64,
    /// The shape of a store that is created; an existing one has its own.
    pub geometry: Geometry,
}

impl TreeConfig {
    /// A tree in the files of a directory.
    ///
    /// ```
    /// assert!(!holt::TreeConfig::new("store").is_memory());
    /// ```
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self::at(Storage::File { dir: dir.into() })
    }

    /// A tree in memory.
    ///
    /// ```
    /// assert!(holt::TreeConfig::memory().is_memory());
    /// ```
    pub fn memory() -> Self {
        Self::at(Storage::Memory)
    }

    fn at(storage: Storage) -> Self {
        Self {
            storage,
            access_mode: AccessMode::default(),
            buffer_pool_size: (DEFAULT_CACHE_BYTES / u64::from(MAX_FRAME_BYTES)) as usize,
            durability: Durability::default(),
            memory_flush_on_write: false,
            checkpoint: CheckpointConfig::default(),
            log_budget: DEFAULT_LOG_BUDGET,
            geometry: Geometry::default(),
        }
    }

    /// The same, for reading only.
    ///
    /// ```
    /// assert!(holt::TreeConfig::new("store").read_only().is_read_only());
    /// ```
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.access_mode = AccessMode::ReadOnly;
        self
    }

    /// Whether the tree lives in memory.
    pub const fn is_memory(&self) -> bool {
        matches!(self.storage, Storage::Memory)
    }

    /// Whether the tree is for reading only.
    pub const fn is_read_only(&self) -> bool {
        matches!(self.access_mode, AccessMode::ReadOnly)
    }

    /// The file of the log, if the tree has one.
    pub fn wal_path(&self) -> Option<PathBuf> {
        match &self.storage {
            Storage::File { dir } => Some(dir.join(LOG_FILE)),
            Storage::Memory => None,
        }
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use super::*;

    #[test]
    fn settings_read_back_as_written() {
        let mut config = TreeConfig::new("/var/lib/holt").read_only();
        config.durability = Durability::Wal { sync: true };
        config.checkpoint = CheckpointConfig::disabled();
        config.geometry = Geometry::new(16 << 10).expect("is a frame size");
        for config in [config, TreeConfig::memory()] {
            let written = serde_json::to_string(&config).expect("is plain data");
            assert_eq!(serde_json::from_str::<TreeConfig>(&written).expect("reads"), config);
            let bad = written.replace("\"frame_bytes\":", "\"frame_bytes\":9");
            assert_ne!(bad, written);
            assert!(serde_json::from_str::<TreeConfig>(&bad).is_err(), "{bad}");
        }
    }
}
