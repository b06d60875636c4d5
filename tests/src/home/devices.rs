//! Homes over devices of the kit: memory behind the device traits, and the simulated disk.
//!
//! Owns: how the devices are kept over a reopening. Never does: inject faults.

use std::sync::Arc;

use holt_engine::db::{DB, Options};
use holt_engine::device::{BlobStore, MemoryBlobStore, MemoryLog};
use holt_engine::geometry::Geometry;

use super::TreeHome;
use crate::simdisk::SimDisk;
use crate::simdisk::store::{Mode, open_store};

const STORE_ID: [u8; 16] = *b"a store in tests";

/// A database over a blob store and a log in memory, which outlive it.
pub fn memory_devices(frame_bytes: u32, options: &Options) -> Result<TreeHome, String> {
    let geometry = Geometry::new(frame_bytes).map_err(|error| error.to_string())?;
    let blobs = Arc::new(MemoryBlobStore::new(geometry, STORE_ID));
    let log = Arc::new(MemoryLog::new());
    let options = options.clone();
    TreeHome::new("memory devices", move || {
        // What a real store forgets by being closed.
        blobs.discard()?;
        DB::open_with_devices(blobs.clone(), Some(log.clone()), options.clone())
    })
}

/// A database on a simulated disk that never fails; closing it loses nothing.
pub fn simulated(frame_bytes: u32, options: &Options) -> Result<TreeHome, String> {
    let geometry = Geometry::new(frame_bytes).map_err(|error| error.to_string())?;
    let disk = SimDisk::new();
    let options = options.clone();
    TreeHome::new("simulated disk", move || {
        let devices = open_store(&disk, Mode::Create(geometry, STORE_ID))?;
        DB::open_with_devices(devices.blobs, Some(devices.log), options.clone())
    })
}
