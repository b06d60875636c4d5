//! The log in one file.
//!
//! Owns: the header, which maps log positions to positions in the file. Never does: know what a
//! record is, or decide which bytes after the last sync are valid.
//!
//! The file: two header slots of a page each, then the log's bytes. The length of the file says
//! where the log ends at the latest: zeros may follow its last record. A header slot is written only while the other one is durable, and both
//! say the same once a sync has passed. `reset` makes an *empty* header durable before it cuts
//! the file, so that old bytes never show up at new positions.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::io::PositionedIo;
use super::log::{LogBounds, LogDevice};
use super::packed::Access;
use super::poison::{Poison, lift};
use super::rules;
use crate::codec::bytes::{Reader, Write};
use crate::codec::checksum::{CRC32, crc32};
use crate::error::{Corruption, CorruptionClass, Error, Result};
use crate::ids::{Lsn, StoreId};
use crate::limits::{LOG_PUNCH_BYTES, PAGE_BYTES};
use crate::sync::Mutex;

const MAGIC: [u8; 8] = *b"holt.log";
const FORMAT: u32 = 1;
/// Bytes of a slot that hold its fields; a checksum follows.
const BODY_BYTES: usize = 508;
/// Position in the file of the log's bytes.
const DATA: u64 = 2 * PAGE_BYTES as u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    store_id: StoreId,
    sequence: u64,
    /// Log position of the byte at [`DATA`].
    base: Lsn,
    /// First log position kept.
    start: Lsn,
    /// Whether the log holds nothing, whatever the length of the file.
    empty: bool,
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(PAGE_BYTES);
        out.extend_from_slice(&MAGIC);
        out.put_u32(FORMAT);
        out.put_u32(u32::from(CRC32));
        out.extend_from_slice(&self.store_id);
        out.put_u64(self.sequence);
        out.put_u64(self.base);
        out.put_u64(self.start);
        out.put_u32(u32::from(self.empty));
        out.resize(BODY_BYTES, 0);
        let crc = crc32(0, &out);
        out.put_u32(crc);
        out.resize(PAGE_BYTES, 0);
        out
    }

    fn decode(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        reader.bytes(MAGIC.len() + 4)?;
        if reader.u32()? != u32::from(CRC32) {
            return None;
        }
        let store_id = reader.bytes(16)?.try_into().ok()?;
        let sequence = reader.u64()?;
        let base = reader.u64()?;
        let start = reader.u64()?;
        let empty = reader.u32()? != 0;
        (start >= base).then_some(Self { store_id, sequence, base, start, empty })
    }

    const fn slot(&self) -> u64 {
        self.sequence % 2 * PAGE_BYTES as u64
    }
}

enum Slot {
    Blank,
    Foreign,
    Damaged,
    Newer(u32),
    Valid(Header),
}

fn read_slot(page: &[u8]) -> Slot {
    if page.iter().all(|byte| *byte == 0) {
        return Slot::Blank;
    }
    if !page.starts_with(&MAGIC) {
        return Slot::Foreign;
    }
    let Some((body, rest)) = page.split_at_checked(BODY_BYTES) else { return Slot::Damaged };
    if Reader::new(rest).u32() != Some(crc32(0, body)) {
        return Slot::Damaged;
    }
    match Reader::new(&body[MAGIC.len()..]).u32() {
        Some(FORMAT) => Header::decode(body).map_or(Slot::Damaged, Slot::Valid),
        Some(found) if found > FORMAT => Slot::Newer(found),
        _ => Slot::Damaged,
    }
}

/// What a log file holds, as far as that can be said without a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogContent {
    /// No bytes, or the zeros of a creation that was cut short.
    Blank,
    /// A log of this store that nothing was ever appended to.
    Unused(StoreId),
    /// A log of this store.
    Used(StoreId),
}

/// A log in one file.
#[derive(Debug)]
pub struct PositionedLog<Io> {
    io: Poison<Io>,
    access: Access,
    /// Held while the file is changed; the state changes when the change is done.
    writer: Mutex<Writer>,
    /// A copy of the writer's, for those who only look.
    state: Mutex<State>,
}

#[derive(Debug)]
struct Writer {
    header: Header,
    /// Whether the file has a header at all.
    created: bool,
    /// Whether the header was written and not synced.
    unsynced: bool,
    /// Whether the other slot is older than the header.
    mirror: bool,
    /// Position before which space was given back.
    punched: Lsn,
    state: State,
}

#[derive(Clone, Copy, Debug)]
struct State {
    base: Lsn,
    bounds: LogBounds,
}

impl<Io: PositionedIo> PositionedLog<Io> {
    /// Says what a file holds; changes nothing.
    ///
    /// # Errors
    /// `NotAStore` for foreign bytes, `UnsupportedFormat`, `Corrupt` (class `Log`).
    pub fn inspect(io: &Io) -> Result<LogContent> {
        let Some((header, _)) = read_header(io)? else { return Ok(LogContent::Blank) };
        Ok(match header.empty && header.base == 0 {
            true => LogContent::Unused(header.store_id),
            false => LogContent::Used(header.store_id),
        })
    }

    /// Makes an empty log of this store, whatever the file held, and makes it durable.
    ///
    /// # Errors
    /// The device's failures.
    pub fn create(io: Io, store_id: StoreId) -> Result<Self> {
        io.set_len(0)?;
        let header = Header { store_id, sequence: 1, base: 0, start: 0, empty: true };
        write_both(&io, &header)?;
        io.sync()?;
        Ok(Self::assemble(io, Access::ReadWrite, header, true, false, 0))
    }

    /// Opens the log of this store. A blank file is an empty log at position 0.
    ///
    /// # Errors
    /// `NotAStore` for foreign bytes or another store's log, `UnsupportedFormat`, `Corrupt`
    /// (class `Log`) if the header is damaged; the file is not changed then.
    pub fn open(io: Io, store_id: StoreId, access: Access) -> Result<Self> {
        let Some((header, mirror)) = read_header(&io)? else {
            let header = Header { store_id, sequence: 1, base: 0, start: 0, empty: true };
            return Ok(Self::assemble(io, access, header, false, false, 0));
        };
        if header.store_id != store_id {
            return Err(not_a_log("it belongs to another store"));
        }
        let held = io.size()?.saturating_sub(DATA);
        let end = match header.empty {
            true => Some(header.base),
            false => header.base.checked_add(held),
        };
        let end = end.filter(|end| *end >= header.start).ok_or_else(|| {
            Corruption::new(CorruptionClass::Log, "the log is shorter than its header says")
        })?;
        if header.empty && held > 0 && access == Access::ReadWrite {
            // A reset was cut short; finish it before anything is appended.
            io.set_len(DATA)?;
            io.sync()?;
        }
        Ok(Self::assemble(io, access, header, true, mirror, end))
    }

    fn assemble(
        io: Io,
        access: Access,
        header: Header,
        created: bool,
        mirror: bool,
        end: Lsn,
    ) -> Self {
        let bounds = LogBounds { start: header.start, end };
        let punched = header.start;
        let state = State { base: header.base, bounds };
        let writer = Writer { header, created, unsynced: mirror, mirror, punched, state };
        Self { io: Poison::new(io), access, writer: Mutex::new(writer), state: Mutex::new(state) }
    }

    /// Shows what a change has come to.
    fn show(&self, writer: &mut Writer, state: State) {
        writer.state = state;
        *self.state.lock() = state;
    }

    /// The medium below.
    pub fn io(&self) -> &Io {
        self.io.inner()
    }

    fn writable(&self) -> Result<()> {
        match self.access {
            Access::ReadOnly => Err(Error::ReadOnly),
            Access::ReadWrite => self.io.check("write").map_err(lift),
        }
    }

    /// Writes the next header to its slot. The header before it must be durable.
    fn put_header(&self, writer: &mut Writer, next: Header) -> Result<()> {
        let header = Header { sequence: writer.header.sequence + 1, ..next };
        if writer.created {
            if writer.unsynced {
                self.settle_header(&writer.header)?;
            }
            self.io.write_at(header.slot(), &header.encode()).map_err(lift)?;
            (writer.unsynced, writer.mirror) = (true, true);
        } else {
            // Durable before any byte of the log: a file without a header holds no log.
            write_both(&self.io, &header)?;
            self.io.sync().map_err(lift)?;
            (writer.unsynced, writer.mirror, writer.created) = (false, false, true);
        }
        writer.header = header;
        Ok(())
    }

    /// Makes a header durable that was written; the log's bytes may stay as they are.
    fn settle_header(&self, header: &Header) -> Result<()> {
        self.io.write_durable(header.slot(), &header.encode()).map_err(lift)
    }

    /// After that, or a sync: the header is durable, so the other slot may be made equal to it.
    fn put_mirror(&self, writer: &mut Writer) -> Result<()> {
        writer.unsynced = false;
        if writer.mirror {
            let other = PAGE_BYTES as u64 - writer.header.slot();
            self.io.write_at(other, &writer.header.encode()).map_err(lift)?;
            writer.mirror = false;
        }
        Ok(())
    }

    fn shift(&self, from: Lsn, to: Lsn) -> Result<u64> {
        (to - from)
            .checked_add(DATA)
            .ok_or(Error::InvalidArgument { what: "position", why: "must fit into the log's file" })
    }
}

fn write_both(io: &impl PositionedIo, header: &Header) -> Result<()> {
    let mut slots = header.encode();
    slots.extend_from_within(..);
    io.write_at(0, &slots).map_err(lift)
}

fn not_a_log(why: impl Into<String>) -> Error {
    Error::NotAStore { what: "the log file".into(), why: why.into() }
}

/// The header in force and whether the other slot is older; `None` for a blank file.
fn read_header(io: &impl PositionedIo) -> Result<Option<(Header, bool)>> {
    let size = io.size()?;
    let mut bytes = vec![0; size.min(DATA) as usize];
    io.read_at(0, &mut bytes).map_err(lift)?;
    let (first, second) = bytes.split_at(bytes.len().min(PAGE_BYTES));
    let damage = |why: &str| Error::from(Corruption::new(CorruptionClass::Log, why));
    match (read_slot(first), read_slot(second)) {
        (Slot::Valid(a), Slot::Valid(b)) => {
            if a.store_id != b.store_id || (a.sequence == b.sequence && a != b) {
                return Err(damage("the header slots contradict each other"));
            }
            let newest = if a.sequence >= b.sequence { a } else { b };
            Ok(Some((newest, a != b)))
        }
        (Slot::Newer(found), _) | (_, Slot::Newer(found)) => {
            Err(Error::UnsupportedFormat { found, supported: FORMAT })
        }
        (Slot::Valid(header), _) | (_, Slot::Valid(header)) => Ok(Some((header, true))),
        (Slot::Damaged, _) | (_, Slot::Damaged) => Err(damage("neither header slot is valid")),
        (Slot::Blank, Slot::Blank) if size <= DATA => Ok(None),
        _ => Err(not_a_log("it does not begin with a log header")),
    }
}

impl<Io: PositionedIo> LogDevice for PositionedLog<Io> {
    fn bounds(&self) -> Result<LogBounds> {
        Ok(self.state.lock().bounds)
    }

    fn append(&self, at: Lsn, bytes: &[u8]) -> Result<()> {
        self.writable()?;
        let mut writer = self.writer.lock();
        let mut state = writer.state;
        rules::check_append(at, state.bounds.end, bytes.len())?;
        if bytes.is_empty() {
            return Ok(());
        }
        let offset = self.shift(state.base, at)?;
        if writer.header.empty {
            let next = Header { empty: false, ..writer.header };
            self.put_header(&mut writer, next)?;
        }
        self.io.write_at(offset, bytes).map_err(lift)?;
        state.bounds.end = at + bytes.len() as u64;
        self.show(&mut writer, state);
        Ok(())
    }

    fn read(&self, at: Lsn, buf: &mut [u8]) -> Result<usize> {
        let state = *self.state.lock();
        rules::check_log_read(at, state.bounds)?;
        let count = usize::try_from(state.bounds.end - at).unwrap_or(usize::MAX).min(buf.len());
        if count > 0 {
            self.io.read_at(self.shift(state.base, at)?, &mut buf[..count]).map_err(lift)?;
        }
        Ok(count)
    }

    fn sync(&self) -> Result<()> {
        self.writable()?;
        let before = self.writer.lock().header;
        // Not under the lock: appends go on while the device is busy.
        self.io.sync().map_err(lift)?;
        let mut writer = self.writer.lock();
        if writer.header == before && writer.created {
            // Everything appended is durable already; a failure here shows at the next change.
            let _ = self.put_mirror(&mut writer);
        }
        Ok(())
    }

    fn truncate(&self, before: Lsn) -> Result<()> {
        self.writable()?;
        let mut writer = self.writer.lock();
        let mut state = writer.state;
        let start = before.clamp(state.bounds.start, state.bounds.end);
        state.bounds.start = start;
        self.show(&mut writer, state);
        if start - writer.punched < LOG_PUNCH_BYTES {
            return Ok(());
        }
        let next = Header { start, ..writer.header };
        self.put_header(&mut writer, next)?;
        let punched = core::mem::replace(&mut writer.punched, start);
        let header = writer.header;
        drop(writer);
        // Not under the lock: appends go on while the device is busy. Nobody else changes the
        // header but a reset, which is not called beside this.
        self.settle_header(&header)?;
        self.put_mirror(&mut self.writer.lock())?;
        let page = PAGE_BYTES as u64;
        let from = self.shift(state.base, punched)? / page * page;
        let to = self.shift(state.base, start)? / page * page;
        self.io.punch(from.max(DATA), to.saturating_sub(from.max(DATA))).map_err(lift)
    }

    fn reset(&self, at: Lsn) -> Result<()> {
        self.writable()?;
        let mut writer = self.writer.lock();
        rules::check_reset(at, writer.state.bounds.end)?;
        let held = !writer.header.empty;
        let next = Header { base: at, start: at, empty: true, ..writer.header };
        self.put_header(&mut writer, next)?;
        if held {
            // What the log holds goes away unwritten, as far as it was never written.
            self.settle_header(&writer.header)?;
            self.put_mirror(&mut writer)?;
            self.io.set_len(DATA).map_err(lift)?;
            self.io.sync().map_err(lift)?;
        }
        writer.punched = at;
        self.show(&mut writer, State { base: at, bounds: LogBounds { start: at, end: at } });
        Ok(())
    }

    fn allocated(&self) -> Result<u64> {
        Ok(self.io.allocated()?)
    }
}
