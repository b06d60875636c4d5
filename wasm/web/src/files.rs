//! Stores in two files that JavaScript holds open: the pages and the log.
//!
//! Owns: what each combination of blank, foreign and damaged files means, as `native-store` does
//! for a directory. Never does: name, find or lock files; the package's `files-node.js` and
//! `files-web.js` do. Invariant: a file is closed when the last handle of its store is gone, and
//! when opening fails.

use std::sync::Arc;

use holt_engine::db::{DB, Options, Tree};
use holt_engine::device::{
    Access, BlobStore, LogContent, LogDevice, Opened, PackedStore, PositionedIo, PositionedLog,
};
use holt_engine::error::{Corruption, CorruptionClass, Error, IoError, IoErrorKind, Result};
use holt_engine::geometry::Geometry;
use holt_engine::ids::StoreId;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::engine::{Engine, Store};

#[wasm_bindgen]
extern "C" {
    /// An open file of the package: `EngineFile` in `package/lib/files.js`. Addresses are of the
    /// linear memory; what a method throws is a string, `kind: message`.
    pub type FileHandle;

    #[wasm_bindgen(method, catch)]
    fn size(this: &FileHandle) -> Result<f64, JsValue>;

    /// Returns how many bytes there were.
    #[wasm_bindgen(method, catch)]
    fn read(this: &FileHandle, address: usize, len: usize, at: f64) -> Result<usize, JsValue>;

    /// Returns how many bytes were written.
    #[wasm_bindgen(method, catch)]
    fn write(this: &FileHandle, address: usize, len: usize, at: f64) -> Result<usize, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn truncate(this: &FileHandle, len: f64) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    fn flush(this: &FileHandle) -> Result<(), JsValue>;

    /// Never throws.
    #[wasm_bindgen(method)]
    fn close(this: &FileHandle);
}

/// Bits of the flags of an opening.
mod flag {
    /// A write is durable before it returns.
    pub const SYNC: u32 = 1;
    /// No checkpoint starts by itself.
    pub const KEEP_LOG: u32 = 2;
    /// The store must be there.
    pub const NO_CREATION: u32 = 4;
    /// Nothing is written. The store must be there.
    pub const READ_ONLY: u32 = 8;
}

/// A file as the engine's devices see it.
struct FileIo {
    file: FileHandle,
    name: &'static str,
}

impl FileIo {
    fn failed(&self, call: &str, thrown: &JsValue) -> IoError {
        let text = thrown.as_string().unwrap_or_default();
        let (kind, detail) = text.split_once(": ").unwrap_or(("device", &text));
        let kind = match kind {
            "space" => IoErrorKind::NoSpace,
            "missing" => IoErrorKind::NotFound,
            "denied" => IoErrorKind::PermissionDenied,
            "read-only" => IoErrorKind::ReadOnlyFilesystem,
            _ => IoErrorKind::Device,
        };
        IoError::new(kind, format!("{call} {}", self.name), detail)
    }

    fn position(&self, call: &str, offset: u64, done: usize) -> Result<f64, IoError> {
        const MAX_SAFE: u64 = (1 << 53) - 1;
        match offset.checked_add(done as u64) {
            // Exact: a number of JavaScript holds whole numbers up to here.
            Some(at) if at <= MAX_SAFE => Ok(at as f64),
            _ => {
                let call = format!("{call} {}", self.name);
                Err(IoError::new(IoErrorKind::NoSpace, call, "position is too far"))
            }
        }
    }
}

impl Drop for FileIo {
    fn drop(&mut self) {
        self.file.close();
    }
}

impl PositionedIo for FileIo {
    fn size(&self) -> Result<u64, IoError> {
        self.file.size().map(|bytes| bytes as u64).map_err(|thrown| self.failed("measure", &thrown))
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        let mut done = 0;
        while done < buf.len() {
            let at = self.position("read", offset, done)?;
            let rest = &mut buf[done..];
            let address = rest.as_mut_ptr().expose_provenance();
            let count = self.file.read(address, rest.len(), at);
            match count.map_err(|thrown| self.failed("read", &thrown))?.min(rest.len()) {
                0 => {
                    let call = format!("read {}", self.name);
                    let detail = format!("{} bytes at {offset} reach past the end", buf.len());
                    return Err(IoError::new(IoErrorKind::UnexpectedEof, call, detail));
                }
                count => done += count,
            }
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        let mut done = 0;
        while done < bytes.len() {
            let at = self.position("write", offset, done)?;
            let rest = &bytes[done..];
            let count = self.file.write(rest.as_ptr().expose_provenance(), rest.len(), at);
            match count.map_err(|thrown| self.failed("write", &thrown))?.min(rest.len()) {
                0 => {
                    let call = format!("write {}", self.name);
                    return Err(IoError::new(IoErrorKind::NoSpace, call, "nothing was written"));
                }
                count => done += count,
            }
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), IoError> {
        self.file.flush().map_err(|thrown| self.failed("sync", &thrown))
    }

    fn set_len(&self, len: u64) -> Result<(), IoError> {
        let len = self.position("cut", len, 0)?;
        self.file.truncate(len).map_err(|thrown| self.failed("cut", &thrown))
    }

    /// Neither home can give part of a file back.
    fn punch(&self, _offset: u64, _len: u64) -> Result<(), IoError> {
        Ok(())
    }
}

fn named(error: Error, name: &str) -> Error {
    match error {
        Error::NotAStore { why, .. } => Error::NotAStore { what: name.into(), why },
        error => error,
    }
}

/// The devices of the store in these files, which is created if both are blank and there is a
/// shape for it.
#[allow(clippy::arc_with_non_send_sync, reason = "the engine shares devices; here is one thread")]
fn devices(
    blobs: FileIo,
    log: FileIo,
    id: StoreId,
    geometry: Option<Geometry>,
    access: Access,
) -> Result<(Arc<dyn BlobStore>, Arc<dyn LogDevice>)> {
    let (blobs_name, log_name) = (blobs.name, log.name);
    let of_log = |error| named(error, log_name);
    let opened = PackedStore::open(blobs, access);
    let opened = opened.map_err(|error| named(error, blobs_name))?;
    let content = PositionedLog::inspect(&log).map_err(of_log)?;
    match (opened, content) {
        (Opened::Store(_), LogContent::Blank) => {
            let why = format!("{log_name} is missing or empty beside a store");
            Err(Corruption::new(CorruptionClass::Log, why).into())
        }
        (Opened::Store(store), _) => {
            let log = PositionedLog::open(log, store.store_id(), access);
            Ok((Arc::new(store), Arc::new(log.map_err(of_log)?)))
        }
        (Opened::Blank(_), LogContent::Used(_)) => {
            let why = format!("{blobs_name} is missing or empty, but {log_name} holds a log");
            Err(Corruption::new(CorruptionClass::Superblock, why).into())
        }
        // The log first: a store whose superblock is durable is whole.
        (Opened::Blank(blobs), _) => {
            let Some(geometry) = geometry else {
                return Err(Error::NoStore { path: blobs_name.into() });
            };
            let log = PositionedLog::create(log, id)?;
            Ok((Arc::new(PackedStore::create(blobs, geometry, id)?), Arc::new(log)))
        }
    }
}

#[wasm_bindgen]
impl Engine {
    /// A handle of the store in two open files, created if both are blank; `id` is 16 random
    /// bytes for that, `flags` are in [`flag`]. The rest as in [`Engine::memory`].
    ///
    /// # Errors
    /// The engine's error, as `{"code", "message"}` in a string; the files are closed then.
    #[allow(clippy::too_many_arguments)]
    pub fn open_files(
        named: bool,
        blobs: FileHandle,
        log: FileHandle,
        id: &[u8],
        flags: u32,
        log_budget: Option<f64>,
        cache_bytes: Option<f64>,
        snapshot_bytes: Option<f64>,
        feed_retention: Option<f64>,
        frame_bytes: Option<f64>,
    ) -> Result<Engine, JsValue> {
        let blobs = FileIo { file: blobs, name: "blobs.dat" };
        let log = FileIo { file: log, name: "journal.wal" };
        let usual = Self::options(cache_bytes, snapshot_bytes, feed_retention);
        let options = Options {
            sync: flags & flag::SYNC != 0,
            auto_checkpoint: flags & flag::KEEP_LOG == 0,
            read_only: flags & flag::READ_ONLY != 0,
            log_budget: log_budget.map_or(usual.log_budget, |bytes| bytes as u64),
            ..usual
        };
        let invalid = Error::InvalidArgument { what: "identity", why: "must have 16 bytes" };
        let opened = id.try_into().map_err(|_| invalid).and_then(|id| {
            let geometry = Self::geometry(frame_bytes)?;
            let creates = flags & (flag::NO_CREATION | flag::READ_ONLY) == 0;
            let geometry = creates.then_some(geometry);
            let access = if options.read_only { Access::ReadOnly } else { Access::ReadWrite };
            let (blobs, log) = devices(blobs, log, id, geometry, access)?;
            match named {
                true => DB::open_with_devices(blobs, Some(log), options).map(Store::Database),
                false => Tree::open_with_devices(blobs, Some(log), options).map(Store::Tree),
            }
        });
        Self::over(opened)
    }
}
