//! Tests of the log: format, life cycle, tails.

mod format;
mod life;
mod tails;

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Log, LogState, OpRef, Recovery};
use crate::device::{LogBounds, LogDevice};
use crate::error::{Error, IoError, IoErrorKind, Result};
use crate::ids::{Lsn, StoreId};
use crate::sync::Mutex;

const STORE: StoreId = *b"0123456789abcdef";

/// A log device in memory whose bytes tests may damage, and whose n-th change fails on demand.
#[derive(Default)]
struct Device(Mutex<Inner>);

#[derive(Clone, Default)]
struct Inner {
    start: Lsn,
    bytes: Vec<u8>,
    changes: u64,
    syncs: u64,
    fail_at: Option<u64>,
}

impl Inner {
    fn change(&mut self) -> Result<()> {
        self.changes += 1;
        match self.fail_at {
            Some(at) if self.changes > at => {
                Err(IoError::new(IoErrorKind::NoSpace, "append log", "full".to_string()).into())
            }
            _ => Ok(()),
        }
    }

    fn end(&self) -> Lsn {
        self.start + self.bytes.len() as u64
    }
}

impl Device {
    fn copy(&self) -> Arc<Self> {
        Arc::new(Self(Mutex::new(self.0.lock().clone())))
    }

    fn edit(&self, edit: impl FnOnce(&mut Inner)) {
        edit(&mut self.0.lock());
    }
}

impl LogDevice for Device {
    fn bounds(&self) -> Result<LogBounds> {
        let inner = self.0.lock();
        Ok(LogBounds { start: inner.start, end: inner.end() })
    }

    fn append(&self, at: Lsn, bytes: &[u8]) -> Result<()> {
        let mut inner = self.0.lock();
        inner.change()?;
        assert_eq!(at, inner.end());
        assert!(bytes.len() <= crate::limits::MAX_TRANSFER_BYTES);
        inner.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn read(&self, at: Lsn, buf: &mut [u8]) -> Result<usize> {
        let inner = self.0.lock();
        let rest = &inner.bytes[(at - inner.start) as usize..];
        // Short reads, as a device may give at the edge of a segment.
        let len = rest.len().min(buf.len()).min(100_000);
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn sync(&self) -> Result<()> {
        let mut inner = self.0.lock();
        inner.syncs += 1;
        inner.change()
    }

    fn truncate(&self, before: Lsn) -> Result<()> {
        let mut inner = self.0.lock();
        inner.change()?;
        let drop = (before - inner.start) as usize;
        inner.bytes.drain(..drop);
        inner.start = before;
        Ok(())
    }

    fn reset(&self, at: Lsn) -> Result<()> {
        let mut inner = self.0.lock();
        inner.change()?;
        assert!(at >= inner.end(), "a reset never goes back");
        inner.bytes.clear();
        inner.start = at;
        Ok(())
    }

    fn allocated(&self) -> Result<u64> {
        Ok(self.0.lock().bytes.len() as u64)
    }
}

fn put<'a>(key: &'a [u8], value: &'a [u8]) -> OpRef<'a> {
    OpRef::Put { tree: 0, key, value }
}

/// Positions and first keys of records.
type Records = Vec<(Lsn, Vec<u8>)>;

/// Opens and collects the key of the first operation of each record with its position.
fn open(device: &Arc<Device>, state: LogState, stride: u64) -> Result<(Log, Recovery, Records)> {
    let mut seen = Vec::new();
    let device: Arc<dyn LogDevice> = Arc::clone(device) as _;
    let (log, recovery) = Log::open_with_stride(
        device,
        STORE,
        state,
        &mut |record| {
            if let Some((_, OpRef::Put { key, .. } | OpRef::Delete { key, .. })) =
                record.ops().next()
            {
                seen.push((record.lsn, key.to_vec()));
            }
            Ok(())
        },
        stride,
    )?;
    assert_eq!(recovery.records, seen.len() as u64);
    Ok((log, recovery, seen))
}

fn new_log(stride: u64) -> (Arc<Device>, Log) {
    let device = Arc::new(Device::default());
    let (mut log, ..) = open(&device, LogState::default(), stride).unwrap();
    log.begin_epoch().unwrap();
    (device, log)
}

fn is_log_damage(error: &Error) -> bool {
    matches!(error, Error::Corrupt(found) if found.class == crate::error::CorruptionClass::Log)
}
