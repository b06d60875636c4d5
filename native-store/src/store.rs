//! A store's directory: `blobs.dat` and `journal.wal`.
//!
//! Owns: creating and opening the pair, and what each combination of missing, blank, foreign and
//! damaged means. Never does: create over anything, or change a file before both are known.
//!
//! Creation is done when the superblock of `blobs.dat` is durable; the log's header and both
//! names are durable before. So a blank `blobs.dat` beside an unused log is a creation that was
//! cut short and may be done again, and any other half of a pair is damage. Other files in the
//! directory are left alone.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use holt_engine::device::{Access, BlobStore, LogContent, Opened, PackedStore, PositionedLog};
use holt_engine::error::{Corruption, CorruptionClass, Error, Result};
use holt_engine::geometry::Geometry;
use holt_engine::ids::StoreId;

use crate::file::{FileIo, IoChoice, io_error};
use crate::io_kind::Io;
use crate::limits::DEFAULT_LOCK_WAIT;
use crate::lock::open_locked;
use crate::uring::Ring;

/// Name of the file that holds the blobs.
pub const BLOBS_FILE: &str = "blobs.dat";
/// Name of the file that holds the log.
pub const LOG_FILE: &str = "journal.wal";

/// What may be done with the directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileMode {
    /// The store must exist; it is opened for writing.
    Open,
    /// The store is created if there is nothing of one.
    #[default]
    OpenOrCreate,
    /// The store must exist; no byte of it is changed. Readers share it.
    ReadOnly,
}

/// How a store's files are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileOptions {
    /// What may be done with the directory.
    pub mode: FileMode,
    /// The shape of a store that is created; an existing one has its own.
    pub geometry: Geometry,
    /// How long to wait for another process to let go of the store.
    pub lock_wait: Duration,
    /// Whether `blobs.dat` bypasses the system's cache where the file system grants it.
    pub direct: bool,
    /// By which calls of the system pages are read and written.
    pub io: Io,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self {
            mode: FileMode::default(),
            geometry: Geometry::default(),
            lock_wait: DEFAULT_LOCK_WAIT,
            direct: true,
            io: Io::Auto,
        }
    }
}

/// A store in a directory. The lock lives as long as either device does.
///
/// ```
/// use holt_engine::db::{Options, Tree};
/// use holt_native_store::{FileMode, FileOptions, FileStore};
///
/// # let dir = tempfile::tempdir().expect("a directory");
/// # let dir = dir.path();
/// let files = FileStore::open(dir, &FileOptions::default())?;
/// assert!(files.created() && files.dir() == dir);
/// let tree = Tree::open_with_devices(files.blobs, Some(files.log), Options::default())?;
/// tree.put(b"key", b"value")?;
/// drop(tree);
///
/// let read_only = FileOptions { mode: FileMode::ReadOnly, ..FileOptions::default() };
/// let files = FileStore::open(dir, &read_only)?;
/// println!("{:?}", files.io_choice());
/// # Ok::<(), holt_engine::error::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FileStore {
    /// The blobs.
    pub blobs: Arc<PackedStore<FileIo>>,
    /// The log.
    pub log: Arc<PositionedLog<FileIo>>,
    dir: PathBuf,
    created: bool,
}

impl FileStore {
    /// Opens the store in `dir`, or creates it if the mode allows that.
    ///
    /// # Errors
    /// `InvalidArgument` if files cannot be accessed as the options say; `NoStore` if there is
    /// none; `Locked` if another process has it; `NotAStore` if a file of
    /// that name is something else; `Corrupt` if one of the two files is missing, empty or
    /// damaged; `UnsupportedFormat`; failures of the system. No file is changed then.
    pub fn open(dir: impl AsRef<Path>, options: &FileOptions) -> Result<Self> {
        let ring = match options.io {
            // Through the system's cache a ring gains nothing.
            Io::Auto if !options.direct => None,
            io => io.ring(Ring::new)?,
        };
        let paths = Paths::new(dir.as_ref());
        if options.mode == FileMode::OpenOrCreate {
            create_dir(&paths.dir)?;
        }
        let file = Arc::new(paths.open_blobs(options)?);
        let io = FileIo::new(file.clone(), paths.blobs.display().to_string());
        let io = if options.direct { io.direct() } else { io };
        let io = match ring {
            Some(ring) => io.with_ring(ring, options.io),
            None => io,
        };
        let access = match options.mode {
            FileMode::ReadOnly => Access::ReadOnly,
            FileMode::Open | FileMode::OpenOrCreate => Access::ReadWrite,
        };
        let (blobs, created) = match PackedStore::open(io, access).map_err(|e| paths.name(e))? {
            Opened::Store(store) => (store, false),
            Opened::Blank(io) => (paths.create(io, options)?, true),
        };
        let log = paths.open_log(blobs.store_id(), access, file)?;
        Ok(Self { blobs: Arc::new(blobs), log: Arc::new(log), dir: paths.dir, created })
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether opening created the store.
    pub const fn created(&self) -> bool {
        self.created
    }

    /// By which calls several pages of `blobs.dat` are read and written: `Uring` or
    /// `Positioned`, never `Auto`.
    pub fn io(&self) -> Io {
        self.blobs.io().io()
    }

    /// How `blobs.dat` is read and written.
    pub fn io_choice(&self) -> IoChoice {
        self.blobs.io().choice()
    }
}

struct Paths {
    dir: PathBuf,
    blobs: PathBuf,
    log: PathBuf,
}

impl Paths {
    fn new(dir: &Path) -> Self {
        Self { dir: dir.into(), blobs: dir.join(BLOBS_FILE), log: dir.join(LOG_FILE) }
    }

    fn no_store(&self) -> Error {
        Error::NoStore { path: self.dir.display().to_string() }
    }

    /// Says which file an error is about.
    fn name(&self, error: Error) -> Error {
        match error {
            Error::NotAStore { why, .. } => {
                Error::NotAStore { what: self.blobs.display().to_string(), why }
            }
            error => error,
        }
    }

    fn open_blobs(&self, options: &FileOptions) -> Result<File> {
        let shared = options.mode == FileMode::ReadOnly;
        open_locked(&self.blobs, shared, options.lock_wait, || {
            match OpenOptions::new().read(true).write(!shared).open(&self.blobs) {
                Ok(file) => Ok(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // A log that was used, without its blobs, is no place for a new store.
                    self.unused_log()?;
                    if options.mode != FileMode::OpenOrCreate {
                        return Err(self.no_store());
                    }
                    create_file(&self.blobs)
                }
                Err(error) => Err(failed("open", &self.blobs, &error)),
            }
        })
    }

    /// Makes sure that a store may be created here: there is no log that was ever used.
    fn unused_log(&self) -> Result<()> {
        let file = match File::open(&self.log) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed("open", &self.log, &error)),
        };
        let io = FileIo::new(Arc::new(file), self.log.display().to_string());
        match PositionedLog::inspect(&io).map_err(|error| self.name_log(error))? {
            LogContent::Blank | LogContent::Unused(_) => Ok(()),
            LogContent::Used(_) => {
                let why = format!(
                    "{} is missing or empty, but {LOG_FILE} beside it holds a log",
                    self.blobs.display()
                );
                Err(Corruption::new(CorruptionClass::Superblock, why).into())
            }
        }
    }

    fn name_log(&self, error: Error) -> Error {
        match error {
            Error::NotAStore { why, .. } => {
                Error::NotAStore { what: self.log.display().to_string(), why }
            }
            error => error,
        }
    }

    /// Creates both halves; the lock on `blobs.dat` is held.
    fn create(&self, io: FileIo, options: &FileOptions) -> Result<PackedStore<FileIo>> {
        self.unused_log()?;
        if options.mode != FileMode::OpenOrCreate {
            return Err(self.no_store());
        }
        let store_id = random_store_id()?;
        let log = FileIo::new(Arc::new(create_file(&self.log)?), self.log.display().to_string());
        drop(PositionedLog::create(log, store_id)?);
        sync_dir(&self.dir)?;
        PackedStore::create(io, options.geometry, store_id)
    }

    fn open_log(
        &self,
        store_id: StoreId,
        access: Access,
        locked: Arc<File>,
    ) -> Result<PositionedLog<FileIo>> {
        let damage = |why: &str| {
            let why = format!("{} {why}", self.log.display());
            Error::from(Corruption::new(CorruptionClass::Log, why))
        };
        let write = access == Access::ReadWrite;
        let file = match OpenOptions::new().read(true).write(write).open(&self.log) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(damage("is missing beside a store"));
            }
            Err(error) => return Err(failed("open", &self.log, &error)),
        };
        let io = FileIo::new(Arc::new(file), self.log.display().to_string()).keeping(locked);
        if PositionedLog::inspect(&io).map_err(|e| self.name_log(e))? == LogContent::Blank {
            return Err(damage("is empty beside a store"));
        }
        let io = if write { io.appending() } else { io };
        PositionedLog::open(io, store_id, access).map_err(|error| self.name_log(error))
    }
}

fn failed(call: &str, path: &Path, error: &io::Error) -> Error {
    io_error(&format!("{call} {}", path.display()), error).into()
}

fn create_file(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path).map_err(|error| failed("create", path, &error))
}

/// Creates a directory and those above it, each made durable in its parent.
fn create_dir(dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let missing: Vec<&Path> = dir
        .ancestors()
        .take_while(|above| !above.as_os_str().is_empty() && !above.is_dir())
        .collect();
    std::fs::create_dir_all(dir).map_err(|error| failed("create", dir, &error))?;
    for made in missing.iter().rev() {
        match made.parent() {
            Some(above) if !above.as_os_str().is_empty() => sync_dir(above)?,
            _ => sync_dir(Path::new("."))?,
        }
    }
    Ok(())
}

fn sync_dir(dir: &Path) -> Result<()> {
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(|error| failed("sync", dir, &error))
}

/// An identity for a new store, from the system's randomness.
///
/// # Errors
/// If the system has none to give.
pub fn random_store_id() -> Result<StoreId> {
    let path = Path::new("/dev/urandom");
    let mut id = [0; 16];
    let read = File::open(path).and_then(|mut source| source.read_exact(&mut id));
    read.map_err(|error| failed("read", path, &error))?;
    Ok(id)
}
