//! Devices that live in memory: a disk, a blob store, a log.
//!
//! Owns: the bytes, for as long as the object lives. Never does: survive it. Tests, trees that
//! need not last and homes without a disk use these; they keep the same contracts as the rest.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::blob::{BlobEntry, BlobOp, BlobStore, StoreUsage};
use super::io::PositionedIo;
use super::log::{LogBounds, LogDevice};
use super::rules;
use crate::error::{Corruption, Error, IoError, IoErrorKind, Result};
use crate::geometry::Geometry;
use crate::ids::{BlobId, Lsn, StoreId, Ticket};
use crate::limits::PAGE_BYTES;
use crate::sync::{Mutex, RwLock};

/// A disk in memory.
///
/// ```
/// use holt_engine::device::{Access, MemoryIo, Opened, PackedStore, PositionedIo};
/// use holt_engine::geometry::Geometry;
///
/// let disk = MemoryIo::new(vec![]);
/// disk.write_at(10, b"text")?;
/// assert_eq!(disk.size()?, 14);
///
/// // The files' format, without files.
/// let store = PackedStore::create(MemoryIo::new(vec![]), Geometry::default(), [1; 16])?;
/// assert!(store.io().size()? > 0);
/// let opened = PackedStore::open(MemoryIo::new(vec![]), Access::ReadWrite)?;
/// assert!(matches!(opened, Opened::Blank(_)));
/// # Ok::<(), holt_engine::error::Error>(())
/// ```
#[derive(Debug)]
pub struct MemoryIo {
    bytes: RwLock<Vec<u8>>,
}

impl Default for MemoryIo {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl MemoryIo {
    /// A disk that holds `bytes`.
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: RwLock::new(bytes) }
    }

    /// A copy of all it holds.
    pub fn to_vec(&self) -> Vec<u8> {
        self.bytes.read().clone()
    }
}

/// The range `offset..offset + len` in memory, if there can be one.
fn range(offset: u64, len: u64) -> Option<core::ops::Range<usize>> {
    let start = usize::try_from(offset).ok()?;
    let end = usize::try_from(offset.checked_add(len)?).ok()?;
    Some(start..end)
}

fn grow(bytes: &mut Vec<u8>, len: usize, call: &str) -> Result<(), IoError> {
    let more = len.saturating_sub(bytes.len());
    if bytes.try_reserve(more).is_err() {
        return Err(IoError::new(IoErrorKind::NoSpace, call, "out of memory"));
    }
    if more > 0 {
        bytes.resize(len, 0);
    }
    Ok(())
}

fn too_far(call: &str) -> IoError {
    IoError::new(IoErrorKind::NoSpace, call, "position is outside the address space")
}

impl PositionedIo for MemoryIo {
    fn size(&self) -> Result<u64, IoError> {
        Ok(self.bytes.read().len() as u64)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        let bytes = self.bytes.read();
        let found = range(offset, buf.len() as u64).and_then(|range| bytes.get(range));
        let Some(found) = found else {
            return Err(IoError::new(IoErrorKind::UnexpectedEof, "read", "past the end"));
        };
        buf.copy_from_slice(found);
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), IoError> {
        if data.is_empty() {
            return Ok(());
        }
        let range = range(offset, data.len() as u64).ok_or_else(|| too_far("write"))?;
        let mut bytes = self.bytes.write();
        grow(&mut bytes, range.end, "write")?;
        bytes[range].copy_from_slice(data);
        Ok(())
    }

    fn sync(&self) -> Result<(), IoError> {
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), IoError> {
        let len = usize::try_from(len).map_err(|_| too_far("set length"))?;
        let mut bytes = self.bytes.write();
        grow(&mut bytes, len, "set length")?;
        bytes.truncate(len);
        Ok(())
    }

    fn punch(&self, offset: u64, len: u64) -> Result<(), IoError> {
        let mut bytes = self.bytes.write();
        let held = bytes.len();
        if let Some(range) = range(offset, len) {
            bytes[range.start.min(held)..range.end.min(held)].fill(0);
        }
        Ok(())
    }
}

type Page = Box<[u8]>;

#[derive(Debug, Default)]
struct Blob {
    meta: Vec<u8>,
    pages: BTreeMap<u32, Page>,
}

#[derive(Debug, Default)]
struct Blobs {
    root: Vec<u8>,
    blobs: BTreeMap<BlobId, Blob>,
    staged: BTreeMap<Ticket, Page>,
    next_ticket: u64,
    pages: u64,
    pages_read: u64,
    bytes_written: u64,
}

/// A blob store kept in maps.
///
/// ```
/// use holt_engine::device::{BlobOp, BlobStore, MemoryBlobStore, PageAt};
/// use holt_engine::geometry::Geometry;
/// use holt_engine::ids::BlobId;
///
/// let store = MemoryBlobStore::new(Geometry::default(), [1; 16]);
/// let (blob, mut tickets) = (BlobId::frame(0), Vec::new());
/// store.stage(&[7; 4096], &mut tickets)?;
/// let pages = vec![PageAt { page: 0, ticket: tickets[0] }];
/// store.publish(&[BlobOp::Put { blob, meta: vec![], pages, dropped: vec![] }], b"root")?;
/// let mut page = [0; 4096];
/// store.read(blob, 0, &mut page)?;
/// assert_eq!((page, store.root()?), ([7; 4096], b"root".to_vec()));
/// # Ok::<(), holt_engine::error::Error>(())
/// ```
#[derive(Debug)]
pub struct MemoryBlobStore {
    geometry: Geometry,
    store_id: StoreId,
    state: Mutex<Blobs>,
}

impl MemoryBlobStore {
    /// An empty store.
    pub fn new(geometry: Geometry, store_id: StoreId) -> Self {
        Self { geometry, store_id, state: Mutex::default() }
    }
}

impl Blobs {
    fn validate(&self, ops: &[BlobOp], root: &[u8]) -> Result<()> {
        rules::check_publish(ops, root)?;
        let mut seen = BTreeSet::new();
        for at in rules::tickets(ops) {
            if !self.staged.contains_key(&at.ticket) {
                return Err(rules::UNKNOWN_TICKET);
            }
            if !seen.insert(at.ticket) {
                return Err(rules::TICKET_TWICE);
            }
        }
        Ok(())
    }

    fn apply(&mut self, op: &BlobOp) {
        match op {
            BlobOp::Put { blob, meta, pages, dropped } => {
                let entry = self.blobs.entry(*blob).or_default();
                let before = entry.pages.len();
                entry.meta.clone_from(meta);
                for page in dropped {
                    entry.pages.remove(page);
                }
                for at in pages {
                    if let Some(page) = self.staged.remove(&at.ticket) {
                        entry.pages.insert(at.page, page);
                    }
                }
                self.pages = self.pages + entry.pages.len() as u64 - before as u64;
            }
            BlobOp::Delete { blob } => {
                if let Some(old) = self.blobs.remove(blob) {
                    self.pages -= old.pages.len() as u64;
                }
            }
        }
    }
}

impl BlobStore for MemoryBlobStore {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn store_id(&self) -> StoreId {
        self.store_id
    }

    fn root(&self) -> Result<Vec<u8>> {
        Ok(self.state.lock().root.clone())
    }

    fn entry(&self, blob: BlobId) -> Result<Option<BlobEntry>> {
        Ok(self.state.lock().blobs.get(&blob).map(|blob| BlobEntry {
            meta: blob.meta.clone(),
            pages: blob.pages.keys().copied().collect(),
        }))
    }

    fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobId>> {
        let state = self.state.lock();
        Ok(state.blobs.range(rules::after(after)).take(limit).map(|(blob, _)| *blob).collect())
    }

    fn read(&self, blob: BlobId, first: u32, buf: &mut [u8]) -> Result<()> {
        let pages = rules::whole_pages(buf.len())?;
        let mut state = self.state.lock();
        let found = state.blobs.get(&blob).ok_or(Error::NotFound)?;
        for (number, part) in (u64::from(first)..).zip(buf.chunks_exact_mut(PAGE_BYTES)) {
            let number = u32::try_from(number).map_err(|_| Error::NotFound)?;
            part.copy_from_slice(found.pages.get(&number).ok_or(Error::NotFound)?);
        }
        state.pages_read += pages as u64;
        Ok(())
    }

    fn read_staged(&self, ticket: Ticket, buf: &mut [u8]) -> Result<()> {
        rules::one_page(buf.len())?;
        let state = self.state.lock();
        buf.copy_from_slice(state.staged.get(&ticket).ok_or(rules::UNKNOWN_TICKET)?);
        Ok(())
    }

    fn stage(&self, pages: &[u8], tickets: &mut Vec<Ticket>) -> Result<()> {
        rules::whole_pages(pages.len())?;
        let mut state = self.state.lock();
        for page in pages.chunks_exact(PAGE_BYTES) {
            state.next_ticket += 1;
            let ticket = Ticket(state.next_ticket);
            state.staged.insert(ticket, page.into());
            tickets.push(ticket);
        }
        state.bytes_written += pages.len() as u64;
        Ok(())
    }

    fn release(&self, tickets: &[Ticket]) -> Result<()> {
        let mut state = self.state.lock();
        for ticket in tickets {
            state.staged.remove(ticket);
        }
        Ok(())
    }

    fn publish(&self, ops: &[BlobOp], root: &[u8]) -> Result<()> {
        let mut state = self.state.lock();
        state.validate(ops, root)?;
        for op in ops {
            state.apply(op);
        }
        state.root = root.into();
        Ok(())
    }

    fn discard(&self) -> Result<()> {
        self.state.lock().staged.clear();
        Ok(())
    }

    fn usage(&self) -> Result<StoreUsage> {
        let state = self.state.lock();
        let staged_pages = state.staged.len() as u64;
        Ok(StoreUsage {
            blobs: state.blobs.len() as u64,
            pages: state.pages,
            staged_pages,
            allocated_bytes: (state.pages + staged_pages) * PAGE_BYTES as u64,
            pages_read: state.pages_read,
            bytes_written: state.bytes_written,
            ..StoreUsage::default()
        })
    }

    fn audit(
        &self,
        _found: &mut dyn FnMut(Corruption),
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        let pages = self.state.lock().pages;
        progress(pages, pages);
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Window {
    start: Lsn,
    bytes: Vec<u8>,
}

/// A log in memory.
///
/// ```
/// use holt_engine::device::{LogDevice, MemoryLog};
///
/// let log = MemoryLog::new();
/// let end = log.bounds()?.end;
/// log.append(end, b"record")?;
/// log.sync()?;
/// assert_eq!(log.bounds()?.end, end + 6);
/// # Ok::<(), holt_engine::error::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryLog {
    window: RwLock<Window>,
}

impl MemoryLog {
    /// An empty log at position 0.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Window {
    fn end(&self) -> Lsn {
        self.start + self.bytes.len() as u64
    }
}

impl LogDevice for MemoryLog {
    fn bounds(&self) -> Result<LogBounds> {
        let window = self.window.read();
        Ok(LogBounds { start: window.start, end: window.end() })
    }

    fn append(&self, at: Lsn, bytes: &[u8]) -> Result<()> {
        let mut window = self.window.write();
        rules::check_append(at, window.end(), bytes.len())?;
        let end = window.bytes.len() + bytes.len();
        let held = window.bytes.len();
        grow(&mut window.bytes, end, "append")?;
        window.bytes[held..].copy_from_slice(bytes);
        Ok(())
    }

    fn read(&self, at: Lsn, buf: &mut [u8]) -> Result<usize> {
        let window = self.window.read();
        rules::check_log_read(at, LogBounds { start: window.start, end: window.end() })?;
        let rest = &window.bytes[(at - window.start) as usize..];
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn truncate(&self, before: Lsn) -> Result<()> {
        let mut window = self.window.write();
        let cut = before.clamp(window.start, window.end());
        let gone = (cut - window.start) as usize;
        window.bytes.drain(..gone);
        window.start = cut;
        Ok(())
    }

    fn reset(&self, at: Lsn) -> Result<()> {
        let mut window = self.window.write();
        rules::check_reset(at, window.end())?;
        *window = Window { start: at, bytes: Vec::new() };
        Ok(())
    }

    fn allocated(&self) -> Result<u64> {
        Ok(self.window.read().bytes.len() as u64)
    }
}
