//! The import `log`.

use holt_engine::error::{Error, Result};
use holt_engine::limits::MAX_TRANSFER_BYTES;

use super::{Answer, Devices, refuse};
use crate::sandbox::bindings::holt::metadata::log;

impl log::Host for Devices {
    fn bounds(&mut self) -> Answer<log::LogBounds> {
        self.call(0, |devices| {
            let bounds = devices.log.bounds()?;
            Ok(log::LogBounds { start: bounds.start, end: bounds.end })
        })
    }

    fn append(&mut self, at: u64, bytes: Vec<u8>) -> Answer<()> {
        self.call(bytes.len(), |devices| devices.append_at(at, &bytes))
    }

    fn read(&mut self, at: u64, max: u32) -> Answer<Vec<u8>> {
        self.call(0, |devices| devices.read_at(at, max as usize))
    }

    fn sync(&mut self) -> Answer<()> {
        self.call(0, |devices| devices.log.sync())
    }

    fn truncate(&mut self, before: u64) -> Answer<()> {
        self.call(0, |devices| {
            let bounds = devices.log.bounds()?;
            match before <= bounds.end {
                true => devices.log.truncate(before),
                false => refuse("before", "must not lie after the end of the log"),
            }
        })
    }

    fn reset(&mut self, at: u64) -> Answer<()> {
        self.call(0, |devices| {
            let bounds = devices.log.bounds()?;
            match at >= bounds.end {
                true => devices.log.reset(at),
                false => refuse("at", "must not lie below the end of the log"),
            }
        })
    }

    fn allocated(&mut self) -> Answer<u64> {
        self.call(0, |devices| devices.log.allocated())
    }
}

impl Devices {
    fn append_at(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        if bytes.len() > MAX_TRANSFER_BYTES {
            return refuse("bytes", "at most 1 MiB a call");
        }
        let bounds = self.log.bounds()?;
        let end = bounds.end.checked_add(bytes.len() as u64);
        let (true, Some(end)) = (at == bounds.end, end) else {
            return refuse("at", "must be the end of the log");
        };
        if let Some(limit) = self.quotas.log_bytes
            && end.saturating_sub(bounds.start) > limit
        {
            return Err(Error::QuotaExceeded { what: "bytes of log", limit });
        }
        // Counted before the outcome: a failed append may have left the record all the same.
        self.used.appends += 1;
        self.log.append(at, bytes)
    }

    fn read_at(&mut self, at: u64, max: usize) -> Result<Vec<u8>> {
        let bounds = self.log.bounds()?;
        if at < bounds.start || at > bounds.end {
            return refuse("at", "must lie within the log");
        }
        let held = usize::try_from(bounds.end - at).unwrap_or(usize::MAX);
        let mut bytes = vec![0; max.min(MAX_TRANSFER_BYTES).min(held)];
        let read = self.log.read(at, &mut bytes)?;
        bytes.truncate(read);
        Ok(self.sending(bytes))
    }
}
