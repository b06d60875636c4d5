//! Operations collected to be applied together.

use alloc::vec::Vec;

pub(crate) enum BatchOp {
    Put { key: Vec<u8>, value: Vec<u8> },
    Delete { key: Vec<u8> },
}

/// Changes that take effect together or not at all, as one log record.
#[derive(Default)]
pub struct AtomicBatch {
    pub(crate) ops: Vec<BatchOp>,
}

impl AtomicBatch {
    /// Writes a record, replacing any under the same key.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.ops.push(BatchOp::Put { key: key.into(), value: value.into() });
    }

    /// Deletes a record; one that is not there is fine.
    pub fn delete(&mut self, key: &[u8]) {
        self.ops.push(BatchOp::Delete { key: key.into() });
    }

    /// Operations so far.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }
}
