//! Appending to the log.
//!
//! Owns: the end of the log, the ceiling. Never does: retry. Invariants: after
//! a device failure every append and sync fails with `Poisoned`; a log that was opened takes
//! nothing until [`Log::begin_epoch`] gave it fresh positions.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::durable::Durable;
use super::ops::{self, OpRef};
use super::record::{self, CUT_BYTES, EPOCH_BYTES, NewBody, RECORD_ALIGN, RecordView};
use super::replay::{self, Recovery};
use super::state::LogState;
use crate::device::LogDevice;
use crate::error::{Error, Result};
use crate::ids::{Lsn, RecordVersion, StoreId};
use crate::limits::{LSN_STRIDE, MAX_LSN, MAX_RECORD_BYTES, MAX_TRANSFER_BYTES};
use crate::seeded::{self, Bug};

/// What a log did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCounters {
    /// Records appended, of every kind.
    pub records: u64,
    /// Syncs of the device.
    pub syncs: u64,
    /// Bytes appended.
    pub bytes: u64,
}

/// The log of an open store.
pub struct Log {
    device: Arc<dyn LogDevice>,
    seed: u32,
    stride: u64,
    /// Position of the first byte the device keeps for us.
    start: Lsn,
    end: Lsn,
    durable: Arc<Durable>,
    ceiling: Lsn,
    promised: Option<Promise>,
    sealed: bool,
    buffer: Vec<u8>,
    counters: LogCounters,
}

/// A higher ceiling that holds once the record that says so is durable. The record lies behind
/// every cut: what a cut publishes knows the ceiling that held then, and the log before it goes.
#[derive(Clone, Copy)]
struct Promise {
    /// Position after the record.
    end: Lsn,
    ceiling: Lsn,
}

impl Log {
    /// Opens the log and calls `replay` for each record of operations after `state.cut`, in
    /// order. Writes nothing. The log is sealed afterwards.
    ///
    /// # Errors
    /// `Corrupt` of class log if it is damaged; errors of the device and of `replay`.
    pub fn open(
        device: Arc<dyn LogDevice>,
        store_id: StoreId,
        state: LogState,
        replay: &mut dyn FnMut(RecordView<'_>) -> Result<()>,
    ) -> Result<(Self, Recovery)> {
        Self::open_with_stride(device, store_id, state, replay, LSN_STRIDE)
    }

    pub(super) fn open_with_stride(
        device: Arc<dyn LogDevice>,
        store_id: StoreId,
        state: LogState,
        replay: &mut dyn FnMut(RecordView<'_>) -> Result<()>,
        stride: u64,
    ) -> Result<(Self, Recovery)> {
        let seed = record::seed(&store_id);
        let found = replay::run(&*device, seed, state, replay)?;
        let end = found.recovery.end;
        let durable = Arc::new(Durable::new(Arc::clone(&device), end, found.synced));
        let log = Self {
            device,
            seed,
            stride,
            start: end - found.recovery.bytes,
            end,
            durable,
            ceiling: found.ceiling,
            promised: None,
            sealed: true,
            buffer: Vec::new(),
            counters: LogCounters::default(),
        };
        Ok((log, found.recovery))
    }

    /// Whether the log takes no records because [`Log::begin_epoch`] was not called yet.
    pub const fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Empties the log and starts anew at positions never used, durably. To be called when every
    /// record is part of the published state, before the first write. Does nothing if the log is
    /// not sealed.
    pub fn begin_epoch(&mut self) -> Result<()> {
        if !self.sealed {
            return Ok(());
        }
        self.durable.check()?;
        let device = Arc::clone(&self.device);
        // The device may count bytes after the last record that were never written.
        let held = device.bounds()?.end.next_multiple_of(RECORD_ALIGN as u64);
        let goes_on = seeded::is(Bug::AppendAfterTornTail) && held > self.end;
        let base = if goes_on { held } else { self.ceiling.max(held) };
        let ceiling = self.ceiling_above(base)?;
        if !goes_on {
            self.guard(device.reset(base))?;
        }
        // The synced mark stays the old one: it must be true even if the reset is undone.
        let synced = self.synced();
        (self.start, self.end) = (base, base);
        self.write((base, synced), EPOCH_BYTES, &NewBody::Epoch { ceiling })?;
        self.sync_now()?;
        (self.ceiling, self.promised) = (ceiling, None);
        self.sealed = false;
        Ok(())
    }

    /// Seals the log, which must be empty, so that it goes on at `above` or later: every version
    /// given out from then on is at least that.
    ///
    /// # Errors
    /// `QuotaExceeded` if there are no positions from there on; `Poisoned`.
    pub fn raise(&mut self, above: Lsn) -> Result<()> {
        self.durable.check()?;
        self.ceiling_above(above)?;
        self.ceiling = self.ceiling.max(above.next_multiple_of(RECORD_ALIGN as u64));
        self.sealed = true;
        Ok(())
    }

    /// Bytes of the record that [`Log::append_ops`] would append.
    pub fn encoded_len(ops: &[OpRef<'_>]) -> usize {
        ops::encoded_len(ops)
    }

    /// Appends one record with all of `ops`; returns its position. It survives the death of the
    /// process, and loss of power after the next sync.
    ///
    /// # Errors
    /// A limit (`KeyTooLong`, `ValueTooLong`, `BatchTooLarge`, `WalRecordTooLarge`) or an empty
    /// list: nothing changed. `InvalidArgument` on a sealed log. A device failure: the log is
    /// poisoned.
    pub fn append_ops(&mut self, ops: &[OpRef<'_>]) -> Result<Lsn> {
        let len = ops::check_ops(ops)?;
        self.append(len, &NewBody::Ops(ops))
    }

    /// Gets room for one record of up to `bytes` ready and returns the position that the next
    /// [`Log::append_ops`] of no more bytes will have, so that changes can be stamped with it
    /// before it is known what will be written.
    ///
    /// # Errors
    /// `WalRecordTooLarge`: nothing changed. `InvalidArgument` on a sealed log. A device
    /// failure: the log is poisoned.
    pub fn prepare(&mut self, bytes: usize) -> Result<Lsn> {
        if bytes > MAX_RECORD_BYTES {
            return Err(Error::WalRecordTooLarge { bytes, maximum: MAX_RECORD_BYTES });
        }
        self.check_open()?;
        self.make_room(bytes)?;
        Ok(self.end)
    }

    /// Appends a cut; returns the position after it.
    pub fn append_cut(&mut self) -> Result<Lsn> {
        self.append(CUT_BYTES, &NewBody::Cut)?;
        self.promised = None;
        Ok(self.end)
    }

    /// The version of operation `index` of the record at `lsn`.
    pub const fn version(lsn: Lsn, index: usize) -> RecordVersion {
        record::version(lsn, index)
    }

    /// Makes every record durable; free if they all are.
    pub fn sync(&mut self) -> Result<()> {
        self.durable.check()?;
        self.durable.wait(self.end)
    }

    /// What a writer waits for without the store's lock.
    pub fn durable(&self) -> &Arc<Durable> {
        &self.durable
    }

    /// Everything below is durable.
    pub fn synced(&self) -> Lsn {
        self.durable.synced()
    }

    /// Position after the last record.
    pub const fn end(&self) -> Lsn {
        self.end
    }

    /// The state to publish together with everything below `cut`, which is a position returned
    /// by [`Log::append_cut`] or, on a sealed log, [`Log::end`]. A cut before the current epoch
    /// becomes its start: nothing before it needs replay.
    ///
    /// Publishing a state right after [`Log::begin_epoch`] makes a log that is lost afterwards
    /// (a deleted file) show as damage instead of as an empty log.
    pub fn state(&self, cut: Lsn) -> LogState {
        LogState { cut: cut.max(self.start), ceiling: self.ceiling, synced: self.synced() }
    }

    /// To be called after a state with this `cut` was published: gives the space below it back.
    /// If there are records above, that is left to [`LogDevice::truncate`] of the device at
    /// hand, which needs nothing of this; how it went is for [`Log::gave_back`].
    pub fn after_publish(&mut self, cut: Lsn) -> Result<Option<(Arc<dyn LogDevice>, Lsn)>> {
        self.durable.check()?;
        let device = Arc::clone(&self.device);
        if cut < self.end {
            self.start = self.start.max(cut);
            return Ok(Some((device, cut)));
        }
        // A sealed log may have a torn tail that the next position must lie behind.
        let at = if self.sealed { self.ceiling } else { self.end };
        self.guard(device.reset(at))?;
        self.start = at;
        self.end = at;
        Ok(None)
    }

    /// Notes how giving space back went.
    ///
    /// # Errors
    /// That failure, after which the log takes no more writes.
    pub fn gave_back(&mut self, done: Result<()>) -> Result<()> {
        self.guard(done)
    }

    /// Bytes of log that a crash now would replay, if `cut` is the published one.
    pub fn bytes_since(&self, cut: Lsn) -> u64 {
        self.end.saturating_sub(cut.max(self.start))
    }

    /// Bytes allocated on the device.
    pub fn allocated(&self) -> Result<u64> {
        self.device.allocated()
    }

    /// Every position ever used, and every version ever given out, is below.
    pub const fn ceiling(&self) -> Lsn {
        self.ceiling
    }

    /// What happened since opening.
    pub fn counters(&self) -> LogCounters {
        LogCounters { syncs: self.durable.syncs(), ..self.counters }
    }

    fn check_open(&self) -> Result<()> {
        self.durable.check()?;
        if self.sealed {
            let why = "is sealed after opening; begin an epoch before the first write";
            return Err(Error::InvalidArgument { what: "log", why });
        }
        Ok(())
    }

    fn append(&mut self, len: usize, body: &NewBody<'_>) -> Result<Lsn> {
        self.check_open()?;
        self.make_room(len)?;
        let at = self.end;
        self.write((at, self.synced()), len, body)?;
        Ok(at)
    }

    /// Promises higher positions, durably, before a record needs them. The promise itself must
    /// fit below the old ceiling, so room for one is kept. It is made when half of what the last
    /// one gave is used: then some sync comes by in time, and nobody has to wait for one here.
    fn make_room(&mut self, len: usize) -> Result<()> {
        loop {
            self.keep_promise();
            let needed = self.needed(len);
            let is_late = needed > self.ceiling;
            let is_soon = needed > self.ceiling.saturating_sub(self.stride / 2);
            if self.promised.is_none() && (is_late || is_soon) {
                let ceiling = match self.ceiling_above(needed) {
                    Err(_) if !is_late => return Ok(()),
                    ceiling => ceiling?,
                };
                self.write((self.end, self.synced()), EPOCH_BYTES, &NewBody::Epoch { ceiling })?;
                self.promised = Some(Promise { end: self.end, ceiling });
            } else if is_late {
                self.sync_now()?;
            } else {
                return Ok(());
            }
        }
    }

    /// Where the log ends with a record of `len` bytes and a promise.
    fn needed(&self, len: usize) -> Lsn {
        self.end.saturating_add((len + EPOCH_BYTES) as u64)
    }

    /// What was promised holds if it is durable.
    fn keep_promise(&mut self) {
        if let Some(promise) = self.promised.take_if(|promise| promise.end <= self.durable.synced())
        {
            self.ceiling = promise.ceiling;
        }
    }

    /// A position that is to become durable before the log has grown much further, or a write
    /// waits for it.
    pub fn hoped(&self) -> Option<Lsn> {
        self.promised.map(|promise| promise.end).filter(|end| *end > self.synced())
    }

    fn ceiling_above(&self, position: Lsn) -> Result<Lsn> {
        let ceiling = position.saturating_add(self.stride).next_multiple_of(RECORD_ALIGN as u64);
        if ceiling > MAX_LSN {
            return Err(Error::QuotaExceeded { what: "log positions", limit: MAX_LSN });
        }
        Ok(ceiling)
    }

    fn write(&mut self, mark: (Lsn, Lsn), len: usize, body: &NewBody<'_>) -> Result<()> {
        record::encode(&mut self.buffer, self.seed, mark, len, body);
        let mut at = self.end;
        let mut outcome = Ok(());
        for part in self.buffer.chunks(MAX_TRANSFER_BYTES) {
            outcome = self.device.append(at, part);
            if outcome.is_err() {
                break;
            }
            at += part.len() as u64;
        }
        self.guard(outcome)?;
        self.end = at;
        self.durable.note_appended(at);
        self.counters.records += 1;
        self.counters.bytes += len as u64;
        if self.buffer.capacity() > MAX_TRANSFER_BYTES {
            self.buffer.clear();
            self.buffer.shrink_to(MAX_TRANSFER_BYTES);
        }
        Ok(())
    }

    /// Syncs even if everything should be durable.
    fn sync_now(&mut self) -> Result<()> {
        self.durable.force()
    }

    /// Remembers the first failure of the device.
    fn guard(&mut self, outcome: Result<()>) -> Result<()> {
        if let Err(error) = &outcome {
            self.durable.fail(error);
        }
        outcome
    }
}
