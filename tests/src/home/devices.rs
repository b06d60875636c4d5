//! Homes over devices of the kit: memory behind the device traits.
//!
//! Owns: how the devices are kept over a reopening. Never does: inject faults.

use std::sync::Arc;

use holt_engine::db::{Options, Tree};
use holt_engine::device::{BlobStore, MemoryBlobStore, MemoryLog};
use holt_engine::geometry::Geometry;

use super::TreeHome;

const STORE_ID: [u8; 16] = *b"a store in tests";

/// A tree over a blob store and a log in memory, which outlive the tree.
pub fn memory_devices(frame_bytes: u32, options: &Options) -> Result<TreeHome, String> {
    let geometry = Geometry::new(frame_bytes).map_err(|error| error.to_string())?;
    let blobs = Arc::new(MemoryBlobStore::new(geometry, STORE_ID));
    let log = Arc::new(MemoryLog::new());
    let options = options.clone();
    TreeHome::new("memory devices", move || {
        // What a real store forgets by being closed.
        blobs.discard()?;
        Tree::open_with_devices(blobs.clone(), Some(log.clone()), options.clone())
    })
}
