//! A store on a simulated disk: packed blobs in one file, the log in another.

use std::sync::Arc;

use holt_engine::device::packed::{Access, Opened, PackedStore};
use holt_engine::device::positioned_log::{LogContent, PositionedLog};
use holt_engine::device::{BlobStore, LogDevice};
use holt_engine::error::{Error, IoError, IoErrorKind, Result};
use holt_engine::geometry::Geometry;
use holt_engine::ids::StoreId;

use super::{Call, SimDisk, SimFile};

/// The file of frames and extents.
pub const BLOBS: &str = "blobs.dat";

/// The file of the log.
pub const LOG: &str = "journal.wal";

/// Cuts of the log's file: one each time that a new part of the log began.
pub fn log_switches(disk: &SimDisk) -> u64 {
    let events = (0..disk.events()).filter_map(|at| disk.event(at));
    events.filter(|event| event.file == LOG && event.call == Call::SetLen).count() as u64
}

/// How a store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// For writing; created if both files are blank or not there.
    Create(Geometry, StoreId),
    /// For writing; it must be there.
    ReadWrite,
    /// For reading; nothing is changed, not even by creating a file.
    ReadOnly,
}

/// The devices of an open store.
#[derive(Clone)]
pub struct Devices {
    /// Frames and extents.
    pub blobs: Arc<dyn BlobStore>,
    /// The log.
    pub log: Arc<dyn LogDevice>,
}

/// Opens the store on `disk`.
///
/// # Errors
/// Those of the devices; `NotAStore` if there is a log and no store, `NotFound` (of the device)
/// if there is nothing and nothing may be created.
pub fn open_store(disk: &SimDisk, mode: Mode) -> Result<Devices> {
    let access = match mode {
        Mode::ReadOnly => Access::ReadOnly,
        Mode::Create(..) | Mode::ReadWrite => Access::ReadWrite,
    };
    let creates = matches!(mode, Mode::Create(..));
    if !creates && !disk.exists(BLOBS) {
        let error = IoError::new(IoErrorKind::NotFound, format!("open {BLOBS}"), "no such file");
        return Err(error.into());
    }
    let log = log_file(disk, mode)?;
    let blobs = match (PackedStore::open(disk.file(BLOBS)?, access)?, mode) {
        (Opened::Store(blobs), _) => blobs,
        (Opened::Blank(file), Mode::Create(geometry, store_id)) => {
            if PositionedLog::inspect(&log)? != LogContent::Blank {
                return Err(not_a_store("there is a log"));
            }
            PackedStore::create(file, geometry, store_id)?
        }
        (Opened::Blank(_), _) => return Err(not_a_store("it is blank")),
    };
    let log = PositionedLog::open(log, blobs.store_id(), access)?;
    Ok(Devices { blobs: Arc::new(blobs), log: Arc::new(log) })
}

/// The file of the log; one on no disk if there is none and nothing may be created.
fn log_file(disk: &SimDisk, mode: Mode) -> Result<SimFile, IoError> {
    match mode == Mode::ReadOnly && !disk.exists(LOG) {
        true => SimDisk::new().file(LOG),
        false => disk.file(LOG),
    }
}

fn not_a_store(why: &str) -> Error {
    Error::NotAStore { what: BLOBS.into(), why: why.into() }
}
