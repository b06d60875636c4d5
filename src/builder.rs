//! Opening a tree.
//!
//! Owns: the way from settings to devices to a tree. Never does: anything once it is open.

use std::path::PathBuf;
use std::sync::Arc;

use holt_engine::db::{DB, Devices, IntoDevices, MemoryHint, Options, Tree};
use holt_engine::device::{BlobStore, LogDevice, MemoryBlobStore};
use holt_engine::error::{Error, Result};
use holt_engine::geometry::Geometry;
use holt_engine::limits::{DEFAULT_SNAPSHOT_BYTES, MAX_FRAME_BYTES};
use holt_native_store::{FileMode, FileOptions, FileStore, prefer_large_pages, random_store_id};

use crate::config::{AccessMode, CheckpointConfig, Durability, Storage, TreeConfig};

/// Opens a tree, step by step.
///
/// ```
/// use holt::{Durability, TreeBuilder};
///
/// # fn main() -> holt::Result<()> {
/// # let dir = tempfile::tempdir().expect("a directory");
/// # let path = dir.path().join("store");
/// let tree = TreeBuilder::new(&path).durability(Durability::Wal { sync: true }).open()?;
/// tree.put(b"usr/bin/holt", b"executable")?;
/// assert_eq!(tree.get(b"usr/bin/holt")?.as_deref(), Some(&b"executable"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TreeBuilder {
    config: TreeConfig,
    cache_bytes: Option<u64>,
    snapshot_bytes: u64,
    feed_retention: u64,
    direct: bool,
}

impl From<TreeConfig> for TreeBuilder {
    fn from(config: TreeConfig) -> Self {
        Self {
            config,
            cache_bytes: None,
            snapshot_bytes: DEFAULT_SNAPSHOT_BYTES,
            feed_retention: 0,
            direct: true,
        }
    }
}

impl TreeBuilder {
    /// A tree in the files of a directory, which is created if it is not there.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        TreeConfig::new(dir).into()
    }

    /// In memory instead.
    ///
    /// ```
    /// # fn main() -> holt::Result<()> {
    /// let tree = holt::TreeBuilder::new("").memory().open()?;
    /// tree.put(b"key", b"value")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn memory(mut self) -> Self {
        self.config.storage = Storage::Memory;
        self
    }

    /// Memory for pages, in frames of 512 KiB. Replaces [`TreeBuilder::cache_bytes`].
    pub const fn buffer_pool_size(mut self, frames: usize) -> Self {
        self.config.buffer_pool_size = frames;
        self.cache_bytes = None;
        self
    }

    /// Memory for pages, in bytes. Replaces [`TreeBuilder::buffer_pool_size`].
    pub const fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = Some(bytes);
        self
    }

    /// What a write that returned has survived.
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.config.durability = durability;
        self
    }

    /// For reading only: the store must exist, readers share it, no byte of it is changed.
    pub const fn read_only(mut self) -> Self {
        self.config.access_mode = AccessMode::ReadOnly;
        self
    }

    /// When the log is folded into the published state.
    pub const fn checkpoint(mut self, checkpoint: CheckpointConfig) -> Self {
        self.config.checkpoint = checkpoint;
        self
    }

    /// The shape of the store, if it is created; an existing one has its own.
    pub const fn geometry(mut self, geometry: Geometry) -> Self {
        self.config.geometry = geometry;
        self
    }

    /// Bytes of log that a reopening may have to replay.
    pub const fn log_budget(mut self, bytes: u64) -> Self {
        self.config.log_budget = bytes;
        self
    }

    /// Whether the blobs' file bypasses the system's cache where the file system grants it, as
    /// it does by default.
    pub const fn direct_io(mut self, direct: bool) -> Self {
        self.direct = direct;
        self
    }

    /// Most bytes that pages kept for snapshots may take, in memory and on disk together; beyond
    /// it the oldest snapshot expires.
    pub const fn snapshot_bytes(mut self, bytes: u64) -> Self {
        self.snapshot_bytes = bytes;
        self
    }

    /// Bytes of committed changes to keep for `changes_since`; 0, the default, for none.
    pub const fn feed_retention(mut self, bytes: u64) -> Self {
        self.feed_retention = bytes;
        self
    }

    /// The settings so far.
    pub const fn config(&self) -> &TreeConfig {
        &self.config
    }

    fn options(&self) -> Options {
        let frames = self.config.buffer_pool_size as u64;
        let frames = frames.saturating_mul(u64::from(MAX_FRAME_BYTES));
        Options {
            cache_bytes: self.cache_bytes.unwrap_or(frames),
            sync: self.config.durability.wal_sync(),
            log_budget: self.config.log_budget,
            auto_checkpoint: self.config.checkpoint.enabled,
            read_only: self.config.is_read_only(),
            snapshot_bytes: self.snapshot_bytes,
            feed_retention: self.feed_retention,
            memory_hint: MemoryHint(Some(prefer_large_pages)),
        }
    }

    /// Opens the tree.
    ///
    /// # Errors
    /// `NoStore` if there is none and it may not be created; `Locked` if another process has it;
    /// `NotAStore`, `Corrupt` and `UnsupportedFormat` if the files are something else, damaged
    /// or of a later version, and are not changed then; failures of the system.
    pub fn open(self) -> Result<Tree> {
        Tree::open(self)
    }

    /// Opens the store as a database of named trees.
    ///
    /// ```
    /// # fn main() -> holt::Result<()> {
    /// let db = holt::TreeBuilder::new("").memory().open_db()?;
    /// db.create_tree("users")?.put(b"ann", b"1000")?;
    /// assert_eq!(db.list_trees()?, ["users"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`TreeBuilder::open`].
    pub fn open_db(self) -> Result<DB> {
        DB::open(self)
    }

    /// Opens the tree on a store of the caller's, without a log: what was written since the
    /// last checkpoint is lost with the process.
    ///
    /// # Errors
    /// What the store reports; `Corrupt` if what it holds is damaged.
    pub fn open_with_blob_store(self, store: Arc<dyn BlobStore>) -> Result<Tree> {
        Tree::open_with_devices(store, None, self.options())
    }

    /// Opens the tree on devices of the caller's.
    ///
    /// # Errors
    /// What the devices report; `Corrupt` if what they hold is damaged.
    pub fn open_with_devices(
        self,
        store: Arc<dyn BlobStore>,
        log: Arc<dyn LogDevice>,
    ) -> Result<Tree> {
        Tree::open_with_devices(store, Some(log), self.options())
    }

    /// Opens a database of named trees on devices of the caller's.
    ///
    /// # Errors
    /// Those of [`TreeBuilder::open_with_devices`].
    pub fn open_db_with_devices(
        self,
        store: Arc<dyn BlobStore>,
        log: Arc<dyn LogDevice>,
    ) -> Result<DB> {
        DB::open_with_devices(store, Some(log), self.options())
    }
}

impl IntoDevices for TreeBuilder {
    fn into_devices(self) -> Result<Devices> {
        let options = self.options();
        match &self.config.storage {
            Storage::Memory if self.config.is_read_only() => Err(Error::InvalidArgument {
                what: "access mode",
                why: "a tree in memory begins empty, so it cannot be for reading only",
            }),
            Storage::Memory => {
                let store = MemoryBlobStore::new(self.config.geometry, random_store_id()?);
                Ok(Devices { blobs: Arc::new(store), log: None, options })
            }
            Storage::File { dir } => {
                let mode = match self.config.access_mode {
                    AccessMode::ReadOnly => FileMode::ReadOnly,
                    AccessMode::ReadWrite => FileMode::OpenOrCreate,
                };
                let files = FileOptions {
                    mode,
                    geometry: self.config.geometry,
                    direct: self.direct,
                    ..FileOptions::default()
                };
                let files = FileStore::open(dir, &files)?;
                Ok(Devices { blobs: files.blobs, log: Some(files.log), options })
            }
        }
    }
}

/// With the defaults of [`TreeBuilder`] for what the settings do not say.
impl IntoDevices for TreeConfig {
    fn into_devices(self) -> Result<Devices> {
        TreeBuilder::from(self).into_devices()
    }
}
