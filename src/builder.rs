//! Opening a tree.
//!
//! Owns: the way from settings to devices to a tree. Never does: anything once it is open.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use holt_engine::db::{DB, Devices, IntoDevices, MemoryHint, Options, StartKeeper, Tree};
use holt_engine::device::{BlobStore, LogDevice, MemoryBlobStore};
use holt_engine::error::{Error, Result};
use holt_engine::geometry::Geometry;
use holt_engine::limits::{DEFAULT_SNAPSHOT_BYTES, MAX_FRAME_BYTES};
use holt_native_store::{
    FileMode, FileOptions, FileStore, Io, prefer_large_pages, random_store_id,
};

use crate::config::{AccessMode, CheckpointConfig, Durability, Storage, TreeConfig};
use crate::keeper;

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
    io: Io,
}

impl From<TreeConfig> for TreeBuilder {
    fn from(config: TreeConfig) -> Self {
        Self {
            config,
            cache_bytes: None,
            snapshot_bytes: DEFAULT_SNAPSHOT_BYTES,
            feed_retention: 0,
            direct: true,
            io: Io::Auto,
        }
    }
}

impl TreeBuilder {
    /// A tree in the files of a directory, which is created if it is not there.
    ///
    /// ```
    /// # fn main() -> holt::Result<()> {
    /// # let dir = tempfile::tempdir().expect("a directory");
    /// # let path = dir.path().join("store");
    /// let tree = holt::TreeBuilder::new(&path).open()?;
    /// tree.put(b"key", b"value")?;
    /// assert!(path.join("blobs.dat").exists() && path.join("journal.wal").exists());
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// let builder = holt::TreeBuilder::new("store").buffer_pool_size(128); // 64 MiB
    /// assert_eq!(builder.config().buffer_pool_size, 128);
    /// ```
    pub const fn buffer_pool_size(mut self, frames: usize) -> Self {
        self.config.buffer_pool_size = frames;
        self.cache_bytes = None;
        self
    }

    /// Memory for pages, in bytes. Replaces [`TreeBuilder::buffer_pool_size`].
    ///
    /// ```
    /// # fn main() -> holt::Result<()> {
    /// let tree = holt::TreeBuilder::new("").memory().cache_bytes(32 << 20).open()?;
    /// assert_eq!(tree.config().cache_bytes, 32 << 20);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = Some(bytes);
        self
    }

    /// What a write that returned has survived.
    ///
    /// ```
    /// # fn main() -> holt::Result<()> {
    /// use holt::{Durability, TreeBuilder};
    ///
    /// let tree = TreeBuilder::new("").memory().durability(Durability::Wal { sync: true }).open()?;
    /// assert!(tree.config().sync);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.config.durability = durability;
        self
    }

    /// For reading only: the store must exist, readers share it, no byte of it is changed.
    ///
    /// ```
    /// # fn main() -> holt::Result<()> {
    /// # let dir = tempfile::tempdir().expect("a directory");
    /// # let path = dir.path().join("store");
    /// use holt::{Error, TreeBuilder};
    ///
    /// assert!(matches!(TreeBuilder::new(&path).read_only().open(), Err(Error::NoStore { .. })));
    /// drop(TreeBuilder::new(&path).open()?);
    /// let reader = TreeBuilder::new(&path).read_only().open()?;
    /// assert_eq!(reader.put(b"key", b"value"), Err(Error::ReadOnly));
    /// # Ok(())
    /// # }
    /// ```
    pub const fn read_only(mut self) -> Self {
        self.config.access_mode = AccessMode::ReadOnly;
        self
    }

    /// When the log is folded into the published state.
    ///
    /// ```
    /// # fn main() -> holt::Result<()> {
    /// use holt::{CheckpointConfig, TreeBuilder};
    ///
    /// let builder = TreeBuilder::new("").memory().checkpoint(CheckpointConfig::disabled());
    /// let tree = builder.open()?;
    /// tree.put(b"key", b"value")?;
    /// tree.checkpoint()?;
    /// assert_eq!(tree.stats()?.checkpoints, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn checkpoint(mut self, checkpoint: CheckpointConfig) -> Self {
        self.config.checkpoint = checkpoint;
        self
    }

    /// The shape of the store, if it is created; an existing one has its own.
    ///
    /// ```
    /// # fn main() -> holt::Result<()> {
    /// use holt::{Geometry, TreeBuilder};
    ///
    /// let small = Geometry::new(64 << 10)?; // 16 KiB to 512 KiB
    /// let tree = TreeBuilder::new("").memory().geometry(small).open()?;
    /// tree.put(b"key", b"value")?;
    /// # Ok(())
    /// # }
    /// ```
    pub const fn geometry(mut self, geometry: Geometry) -> Self {
        self.config.geometry = geometry;
        self
    }

    /// Bytes of log that a reopening may have to replay.
    ///
    /// ```
    /// # fn main() -> holt::Result<()> {
    /// let tree = holt::TreeBuilder::new("").memory().log_budget(16 << 20).open()?;
    /// assert_eq!(tree.config().log_budget, 16 << 20);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn log_budget(mut self, bytes: u64) -> Self {
        self.config.log_budget = bytes;
        self
    }

    /// Whether the blobs' file bypasses the system's cache where the file system grants it, as
    /// it does by default.
    ///
    /// ```
    /// # fn main() -> holt::Result<()> {
    /// # let dir = tempfile::tempdir().expect("a directory");
    /// # let path = dir.path().join("store");
    /// let tree = holt::TreeBuilder::new(&path).direct_io(false).open()?;
    /// tree.put(b"key", b"value")?;
    /// # Ok(())
    /// # }
    /// ```
    pub const fn direct_io(mut self, direct: bool) -> Self {
        self.direct = direct;
        self
    }

    /// By which calls of the system pages are read and written. By default through io_uring
    /// where the kernel grants it and the file bypasses the system's cache. Opening fails with
    /// `Io::Uring` where there is none.
    ///
    /// ```
    /// # fn main() -> holt::Result<()> {
    /// # let dir = tempfile::tempdir().expect("a directory");
    /// # let path = dir.path().join("store");
    /// let tree = holt::TreeBuilder::new(&path).io(holt::Io::Positioned).open()?;
    /// tree.put(b"key", b"value")?;
    /// # Ok(())
    /// # }
    /// ```
    pub const fn io(mut self, io: Io) -> Self {
        self.io = io;
        self
    }

    /// Most bytes that pages kept for snapshots may take, in memory and on disk together; beyond
    /// it the oldest snapshot expires.
    ///
    /// ```
    /// # fn main() -> holt::Result<()> {
    /// let tree = holt::TreeBuilder::new("").memory().snapshot_bytes(64 << 20).open()?;
    /// assert_eq!(tree.config().snapshot_bytes, 64 << 20);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn snapshot_bytes(mut self, bytes: u64) -> Self {
        self.snapshot_bytes = bytes;
        self
    }

    /// Bytes of committed changes to keep for `changes_since`; 0, the default, for none.
    ///
    /// ```
    /// # fn main() -> holt::Result<()> {
    /// let tree = holt::TreeBuilder::new("").memory().feed_retention(1 << 20).open()?;
    /// let from = tree.last_lsn();
    /// tree.put(b"key", b"value")?;
    /// assert_eq!(tree.changes_since(from)?.changes.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn feed_retention(mut self, bytes: u64) -> Self {
        self.feed_retention = bytes;
        self
    }

    /// The settings so far.
    ///
    /// ```
    /// let builder = holt::TreeBuilder::new("store").read_only();
    /// assert!(builder.config().is_read_only());
    /// ```
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
            publish_writes: self.config.memory_flush_on_write,
            memory_hint: MemoryHint(Some(prefer_large_pages)),
            kept_up: self.config.checkpoint.enabled && self.config.checkpoint.background,
            start_keeper: StartKeeper(Some(keeper::start)),
        }
    }

    pub(crate) fn file_options(&self) -> FileOptions {
        let mode = match self.config.access_mode {
            AccessMode::ReadOnly => FileMode::ReadOnly,
            AccessMode::ReadWrite => FileMode::OpenOrCreate,
        };
        FileOptions {
            mode,
            geometry: self.config.geometry,
            direct: self.direct,
            io: self.io,
            ..FileOptions::default()
        }
    }

    /// Opens the tree.
    ///
    /// ```
    /// # fn main() -> holt::Result<()> {
    /// use holt::{Error, TreeBuilder};
    ///
    /// let tree = TreeBuilder::new("").memory().open()?;
    /// tree.put(b"key", b"value")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` for settings that cannot be had together, or here; `NoStore` if there is
    /// none and it may not be created; `Locked` if another process has it;
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
    /// last checkpoint is lost with the process, unless
    /// [`memory_flush_on_write`](TreeConfig::memory_flush_on_write) is set.
    ///
    /// ```
    /// # fn main() -> holt::Result<()> {
    /// use std::sync::Arc;
    ///
    /// use holt::{Geometry, MemoryBlobStore, TreeBuilder};
    ///
    /// let store = Arc::new(MemoryBlobStore::new(Geometry::default(), [1; 16]));
    /// let tree = TreeBuilder::new("").open_with_blob_store(store.clone())?;
    /// tree.put(b"key", b"value")?;
    /// tree.checkpoint()?;
    /// drop(tree);
    ///
    /// let tree = TreeBuilder::new("").open_with_blob_store(store)?;
    /// assert!(tree.get(b"key")?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What the store reports; `Corrupt` if what it holds is damaged.
    pub fn open_with_blob_store(self, store: Arc<dyn BlobStore>) -> Result<Tree> {
        Tree::open_with_devices(store, None, self.options())
    }

    /// Opens the tree on devices of the caller's.
    ///
    /// ```
    /// # fn main() -> holt::Result<()> {
    /// use std::sync::Arc;
    ///
    /// use holt::{Geometry, MemoryBlobStore, MemoryLog, TreeBuilder};
    ///
    /// let store = Arc::new(MemoryBlobStore::new(Geometry::default(), [1; 16]));
    /// let log = Arc::new(MemoryLog::new());
    /// let tree = TreeBuilder::new("").open_with_devices(store.clone(), log.clone())?;
    /// tree.put(b"key", b"value")?;
    /// drop(tree);
    ///
    /// // No checkpoint was made: the log has it.
    /// let tree = TreeBuilder::new("").open_with_devices(store, log)?;
    /// assert!(tree.get(b"key")?.is_some());
    /// # Ok(())
    /// # }
    /// ```
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
    /// ```
    /// # fn main() -> holt::Result<()> {
    /// use std::sync::Arc;
    ///
    /// use holt::{Geometry, MemoryBlobStore, MemoryLog, TreeBuilder};
    ///
    /// let store = Arc::new(MemoryBlobStore::new(Geometry::default(), [1; 16]));
    /// let log = Arc::new(MemoryLog::new());
    /// let db = TreeBuilder::new("").open_db_with_devices(store, log)?;
    /// db.create_tree("users")?.put(b"ann", b"1000")?;
    /// # Ok(())
    /// # }
    /// ```
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
                // What is published there is as lost with the handle as what is not.
                let options = Options { publish_writes: false, ..options };
                Ok(Devices { blobs: Arc::new(store), log: None, options })
            }
            Storage::File { dir } => {
                let files = FileStore::open(dir, &self.file_options())?;
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

/// What a path means where there are files: the directory of a store. See [`DB::open_path`].
///
/// ```
/// # let dir = tempfile::tempdir().expect("a directory");
/// # let path = dir.path().join("store");
/// let db = holt::DB::open_path(&path)?;
/// db.create_tree("users")?.put(b"ann", b"1000")?;
/// # Ok::<(), holt::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Directory;

impl IntoDevices<Directory> for PathBuf {
    fn into_devices(self) -> Result<Devices> {
        TreeConfig::new(self).into_devices()
    }
}

impl IntoDevices<Directory> for String {
    fn into_devices(self) -> Result<Devices> {
        PathBuf::from(self).into_devices()
    }
}

impl IntoDevices<Directory> for &PathBuf {
    fn into_devices(self) -> Result<Devices> {
        self.clone().into_devices()
    }
}

impl IntoDevices<Directory> for &Path {
    fn into_devices(self) -> Result<Devices> {
        self.to_path_buf().into_devices()
    }
}

impl IntoDevices<Directory> for &str {
    fn into_devices(self) -> Result<Devices> {
        PathBuf::from(self).into_devices()
    }
}
