//! INTERIM, replaced by the native and sandboxed stores within the same session: a file of
//! records behind the placeholder tree, so that the commands can be run and tested.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use holt_engine::db::{RangeEntry, Record, ScanPage, Tree, TreeStats, VerifyReport};
use holt_engine::error::{Corruption, CorruptionClass, Error, IoError, IoErrorKind, Result};
use holt_host::api::{Change, SandboxUsage, ScanRequest, Store};

use super::open::Access;

struct Interim {
    tree: Tree,
    path: PathBuf,
    _lock: File,
    writes: bool,
}

pub fn open(dir: &Path, access: Access) -> Result<Box<dyn Store>> {
    let io = |e: std::io::Error| {
        Error::BlobStoreIo(IoError::new(IoErrorKind::Device, "open", e.to_string()))
    };
    let path = dir.join("blobs.dat");
    let writes = access != Access::Read;
    if access == Access::Create {
        fs::create_dir_all(dir).map_err(io)?;
    } else if !path.exists() {
        return Err(Error::NotAStore { what: dir.display().to_string(), why: "no file".into() });
    }
    let lock = File::options()
        .read(true)
        .write(true)
        .create(writes)
        .truncate(false)
        .open(&path)
        .map_err(io)?;
    let locked = if writes { lock.try_lock() } else { lock.try_lock_shared() };
    match locked {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(Error::Locked { path: path.display().to_string() });
        }
        Err(TryLockError::Error(e)) => return Err(io(e)),
    }
    let tree = Tree::memory()?;
    let data = fs::read(&path).map_err(io)?;
    let mut rest = &data[..];
    let mut take = || -> Option<Vec<u8>> {
        let (len, tail) = rest.split_first_chunk::<4>()?;
        let (bytes, tail) = tail.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        rest = tail;
        Some(bytes.into())
    };
    if !data.is_empty() && take().as_deref() != Some(b"interim") {
        return Err(Corruption::new(CorruptionClass::Superblock, "mark").into());
    }
    while let Some(key) = take() {
        tree.put(&key, &take().unwrap_or_default())?;
    }
    Ok(Box::new(Interim { tree, path, _lock: lock, writes }))
}

impl Store for Interim {
    fn get(&mut self, key: &[u8]) -> Result<Option<Record>> {
        self.tree.get_record(key)
    }
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        use holt_engine::limits::*;
        if key.len() > MAX_KEY_BYTES {
            return Err(Error::KeyTooLong { len: key.len() });
        }
        if value.len() > MAX_VALUE_BYTES {
            return Err(Error::ValueTooLong { len: value.len() });
        }
        self.tree.put(key, value)
    }
    fn delete(&mut self, key: &[u8]) -> Result<bool> {
        self.tree.delete(key)
    }
    fn rename(&mut self, src: &[u8], dst: &[u8], force: bool) -> Result<()> {
        self.tree.rename(src, dst, force)
    }
    fn commit(&mut self, changes: &[Change]) -> Result<()> {
        for change in changes {
            match change {
                Change::Put { key, value } => self.put(key, value)?,
                Change::Delete { key } => drop(self.delete(key)?),
            }
        }
        Ok(())
    }
    fn scan(&mut self, request: &ScanRequest) -> Result<ScanPage<RangeEntry>> {
        let mut builder = self.tree.range().prefix(&request.prefix);
        if let Some(after) = &request.start_after {
            builder = builder.start_after(after);
        }
        if let Some(delimiter) = request.delimiter {
            builder = builder.delimiter(delimiter);
        }
        builder.page(request.max_entries, request.max_bytes)
    }
    fn checkpoint(&mut self) -> Result<()> {
        self.sync()
    }
    fn compact(&mut self) -> Result<()> {
        self.sync()
    }
    fn sync(&mut self) -> Result<()> {
        let mut out = Vec::new();
        let mut add = |bytes: &[u8]| {
            out.extend((bytes.len() as u32).to_le_bytes());
            out.extend(bytes);
        };
        add(b"interim");
        for entry in self.tree.range() {
            if let RangeEntry::Key { key, value, .. } = entry? {
                add(&key);
                add(&value);
            }
        }
        assert!(self.writes);
        fs::write(&self.path, out)
            .map_err(|e| IoError::new(IoErrorKind::Device, "write", e.to_string()).into())
    }
    fn verify(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<VerifyReport> {
        self.tree.verify_with(progress)
    }
    fn stats(&mut self) -> Result<TreeStats> {
        self.tree.stats()
    }
    fn sandbox_usage(&self) -> SandboxUsage {
        SandboxUsage::default()
    }
}
