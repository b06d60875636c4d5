//! A handle of a file on a simulated disk.

use std::sync::Arc;

use holt_engine::device::PositionedIo;
use holt_engine::error::{IoError, IoErrorKind};

use super::event::{Call, Change};
use super::fault::FaultKind;
use super::{Inner, SECTOR_BYTES, SimDisk};

/// Largest file, in bytes: a bug that writes at a wild offset fails instead of filling memory.
const MAX_FILE_BYTES: u64 = 1 << 34;

/// An open file; clones are the same file. It does not refuse writes after a failure: the layer above must.
#[derive(Clone, Debug)]
pub struct SimFile {
    disk: SimDisk,
    file: usize,
}

impl SimFile {
    pub(super) fn new(disk: SimDisk, file: usize) -> Self {
        Self { disk, file }
    }

    /// Counts a call and runs it, or `failed` if a fault is due.
    fn call<T>(
        &self,
        call: Call,
        run: impl FnOnce(&mut Inner, usize) -> Result<T, IoError>,
        failed: impl FnOnce(&mut Inner, usize, FaultKind),
    ) -> Result<T, IoError> {
        let mut guard = self.disk.lock();
        let inner = &mut *guard;
        let name = &inner.files[self.file].name;
        if let Some(kind) = inner.faults.next(call, name) {
            let error = kind.error(call, name);
            failed(inner, self.file, kind);
            return Err(error);
        }
        run(inner, self.file)
    }
}

fn too_large(call: Call, end: Option<u64>) -> Result<(), IoError> {
    match end {
        Some(end) if end <= MAX_FILE_BYTES => Ok(()),
        _ => Err(IoError::new(IoErrorKind::NoSpace, call.name(), "file too large")),
    }
}

impl PositionedIo for SimFile {
    fn size(&self) -> Result<u64, IoError> {
        Ok(self.disk.lock().files[self.file].live.len())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        let read = |inner: &mut Inner, file: usize| {
            let state = &inner.files[file];
            let end = offset.checked_add(buf.len() as u64);
            if !buf.is_empty() && end.is_none_or(|end| end > state.live.len()) {
                let detail = format!("{} bytes at {offset} of {}", buf.len(), state.live.len());
                let call = format!("read {}", state.name);
                return Err(IoError::new(IoErrorKind::UnexpectedEof, call, detail));
            }
            state.live.read(offset, buf);
            Ok(())
        };
        self.call(Call::Read, read, |_, _, _| ())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        too_large(Call::Write, offset.checked_add(bytes.len() as u64))?;
        let write = |inner: &mut Inner, file: usize, bytes: &[u8]| {
            if !bytes.is_empty() {
                inner.change(file, Change::Write { offset, bytes: Arc::from(bytes) });
            }
        };
        let run = |inner: &mut Inner, file: usize| {
            write(inner, file, bytes);
            Ok(())
        };
        self.call(Call::Write, run, |inner, file, kind| {
            if kind.writes_half() {
                let half = (bytes.len() / 2).next_multiple_of(SECTOR_BYTES).min(bytes.len() / 2);
                write(inner, file, &bytes[..half]);
            }
        })
    }

    fn write_durable(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        self.write_at(offset, bytes)?;
        let run = |inner: &mut Inner, file: usize| {
            inner.change(file, Change::SyncRange { offset, len: bytes.len() as u64 });
            Ok(())
        };
        self.call(Call::Sync, run, |inner, file, kind| {
            if kind == FaultKind::DropDirty {
                inner.sync_dropping(file);
            }
        })
    }

    fn sync(&self) -> Result<(), IoError> {
        let run = |inner: &mut Inner, file: usize| {
            inner.sync(file);
            Ok(())
        };
        self.call(Call::Sync, run, |inner, file, kind| {
            if kind == FaultKind::DropDirty {
                inner.sync_dropping(file);
            }
        })
    }

    fn set_len(&self, len: u64) -> Result<(), IoError> {
        too_large(Call::SetLen, Some(len))?;
        let run = |inner: &mut Inner, file: usize| {
            inner.change(file, Change::SetLen(len));
            Ok(())
        };
        self.call(Call::SetLen, run, |_, _, _| ())
    }

    fn punch(&self, offset: u64, len: u64) -> Result<(), IoError> {
        let run = |inner: &mut Inner, file: usize| {
            let len = len.min(inner.files[file].live.len().saturating_sub(offset));
            if len > 0 {
                inner.change(file, Change::Punch { offset, len });
            }
            Ok(())
        };
        self.call(Call::Punch, run, |_, _, _| ())
    }

    fn allocated(&self) -> Result<u64, IoError> {
        Ok(self.disk.lock().files[self.file].live.allocated())
    }
}
