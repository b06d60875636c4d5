//! The engine's log device over the imported one.

use holt_engine::device::{LogBounds, LogDevice};
use holt_engine::error::Result;
use holt_engine::ids::Lsn;
use holt_engine::limits::MAX_TRANSFER_BYTES;

use crate::bindings::holt::metadata::log as host;
use crate::blobs::wrong_length;
use crate::convert::error_from_wit;

/// The log that the host linked.
pub(crate) struct HostLog;

impl LogDevice for HostLog {
    fn bounds(&self) -> Result<LogBounds> {
        let bounds = host::bounds().map_err(error_from_wit)?;
        Ok(LogBounds { start: bounds.start, end: bounds.end })
    }

    /// A record over the transfer limit goes in parts. If the guest dies between two of them the
    /// log ends with a torn record, which recovery takes for what it is: one never acknowledged.
    fn append(&self, at: Lsn, bytes: &[u8]) -> Result<()> {
        let mut at = at;
        for chunk in bytes.chunks(MAX_TRANSFER_BYTES) {
            host::append(at, chunk).map_err(error_from_wit)?;
            at = at.saturating_add(chunk.len() as u64);
        }
        Ok(())
    }

    fn read(&self, at: Lsn, buf: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        for chunk in buf.chunks_mut(MAX_TRANSFER_BYTES) {
            let from = at.saturating_add(done as u64);
            let bytes = host::read(from, chunk.len() as u32).map_err(error_from_wit)?;
            let into = chunk.get_mut(..bytes.len()).ok_or_else(|| wrong_length("log.read"))?;
            into.copy_from_slice(&bytes);
            done += bytes.len();
            if bytes.len() < chunk.len() {
                break;
            }
        }
        Ok(done)
    }

    fn sync(&self) -> Result<()> {
        host::sync().map_err(error_from_wit)
    }

    fn truncate(&self, before: Lsn) -> Result<()> {
        host::truncate(before).map_err(error_from_wit)
    }

    fn reset(&self, at: Lsn) -> Result<()> {
        host::reset(at).map_err(error_from_wit)
    }

    fn allocated(&self) -> Result<u64> {
        host::allocated().map_err(error_from_wit)
    }
}
