//! Applying operations: as a batch that is undone if it fails, and on replay.
//!
//! Owns: conditions, the order of a batch, and giving back what was replaced. Never does: sync,
//! or decide what a caller may do. Invariants: a batch that returns an error, or whose guard
//! does not hold, has changed nothing that a reader can see; what is logged has no conditions,
//! so that replay decides nothing; a hidden tree lives no longer than its batch.

mod pending;
mod redo;
mod request;
mod sorter;
mod undo;

#[cfg(test)]
mod tests;

pub use pending::Pending;
pub use redo::Redo;
pub use request::{Expect, Request, check_requests};

use crate::error::{Error, Result};
use crate::limits::{MAX_KEY_BYTES, MAX_VALUE_BYTES};

/// Checks a key and a value against their limits.
pub fn check_limits(key: &[u8], value: &[u8]) -> Result<()> {
    if key.len() > MAX_KEY_BYTES {
        return Err(Error::KeyTooLong { len: key.len() });
    }
    if value.len() > MAX_VALUE_BYTES {
        return Err(Error::ValueTooLong { len: value.len() });
    }
    Ok(())
}
