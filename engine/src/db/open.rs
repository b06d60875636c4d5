//! Opening by settings.
//!
//! Owns: the seam through which a crate that knows a platform turns its settings into devices,
//! so that [`Tree::open`] and [`DB::open`] take them. Never does: know a platform.

use alloc::sync::Arc;

use super::multi::DB;
use super::options::Options;
use super::tree::Tree;
use crate::device::{BlobStore, LogDevice};
use crate::error::Result;

/// What a store is opened with.
///
/// ```
/// use std::sync::Arc;
///
/// use holt_engine::db::{Devices, Options, Tree};
/// use holt_engine::device::{MemoryBlobStore, MemoryLog};
/// use holt_engine::geometry::Geometry;
///
/// let blobs = Arc::new(MemoryBlobStore::new(Geometry::default(), [1; 16]));
/// let log = Some(Arc::new(MemoryLog::new()) as _);
/// let tree = Tree::open(Devices { blobs, log, options: Options::default() })?;
/// tree.put(b"key", b"value")?;
/// # Ok::<(), holt_engine::error::Error>(())
/// ```
#[derive(Clone)]
pub struct Devices {
    /// Where its pages are.
    pub blobs: Arc<dyn BlobStore>,
    /// Where its log is; `None` only for stores that need not survive.
    pub log: Option<Arc<dyn LogDevice>>,
    /// How it is opened.
    pub options: Options,
}

/// Settings that say where a store is, and so can be turned into its devices.
///
/// `By` tells whose meaning it is where the settings are a type of the language, as a path is: the
/// crate that knows the platform puts a type of its own there. It is inferred.
pub trait IntoDevices<By = ()> {
    /// Opens the devices.
    ///
    /// # Errors
    /// What is wrong with the settings or the devices; nothing is changed then.
    fn into_devices(self) -> Result<Devices>;
}

impl IntoDevices for Devices {
    fn into_devices(self) -> Result<Devices> {
        Ok(self)
    }
}

impl Tree {
    /// Opens the store that `settings` name and replays its log into memory.
    ///
    /// # Errors
    /// Those of [`IntoDevices::into_devices`] and of [`Tree::open_with_devices`].
    pub fn open<By>(settings: impl IntoDevices<By>) -> Result<Self> {
        let Devices { blobs, log, options } = settings.into_devices()?;
        Self::open_with_devices(blobs, log, options)
    }
}

impl DB {
    /// Opens the store that `settings` name and replays its log into memory.
    ///
    /// # Errors
    /// Those of [`IntoDevices::into_devices`] and of [`DB::open_with_devices`].
    pub fn open<By>(settings: impl IntoDevices<By>) -> Result<Self> {
        let Devices { blobs, log, options } = settings.into_devices()?;
        Self::open_with_devices(blobs, log, options)
    }

    /// Opens the store in a directory, which is created if it is not there, with default settings.
    ///
    /// # Errors
    /// Those of [`DB::open`].
    pub fn open_path<By>(dir: impl IntoDevices<By>) -> Result<Self> {
        Self::open(dir)
    }
}
