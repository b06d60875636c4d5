//! Writes of `import` and `load`, collected into batches.
//!
//! Owns: when a batch is full. Never does: read anything.

use holt_engine::error::Result;
use holt_host::api::{Change, Store};

use super::limits::{BATCH_BYTES, BATCH_CHANGES};

/// Collects records and commits them, at most [`BATCH_CHANGES`] at a time.
pub struct Batch<'a> {
    store: &'a mut dyn Store,
    changes: Vec<Change>,
    bytes: usize,
    written: u64,
}

impl<'a> Batch<'a> {
    pub fn new(store: &'a mut dyn Store) -> Self {
        Self { store, changes: Vec::with_capacity(BATCH_CHANGES), bytes: 0, written: 0 }
    }

    /// Adds a record and commits the batch if that fills it.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<()> {
        self.bytes += key.len() + value.len();
        self.changes.push(Change::Put { key, value });
        match self.changes.len() >= BATCH_CHANGES || self.bytes >= BATCH_BYTES {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Commits what was collected.
    pub fn flush(&mut self) -> Result<()> {
        if !self.changes.is_empty() {
            self.store.commit(&self.changes)?;
            self.written += self.changes.len() as u64;
        }
        self.changes.clear();
        self.bytes = 0;
        Ok(())
    }

    /// Records committed so far.
    pub fn written(&self) -> u64 {
        self.written
    }
}
