//! Reading the log when a store is opened.
//!
//! Owns: the walk over the records after the cut. Never does: write. Invariants: a store whose
//! log is damaged is refused before anything is changed; positions handed out after opening are
//! above all that could have been used before.

use super::reader::Window;
use super::record::{Bad, Body, MIN_RECORD_BYTES, RECORD_ALIGN, RecordView, decode, peek};
use super::state::LogState;
use super::tail::{self, Verdict};
use super::witness;
use crate::device::LogDevice;
use crate::error::{Error, Result};
use crate::ids::Lsn;
use crate::limits::MAX_LSN;
use crate::seeded::{self, Bug};

/// What opening a log found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Records of operations handed to the caller.
    pub records: u64,
    /// Bytes of whole records after the cut, of every kind.
    pub bytes: u64,
    /// Whether bytes other than zeros followed the last whole record.
    pub torn: bool,
    /// Position after the last whole record.
    pub end: Lsn,
}

/// What the walk learned beyond [`Recovery`].
pub(super) struct Found {
    pub recovery: Recovery,
    /// Every position ever used is below.
    pub ceiling: Lsn,
    /// Highest synced mark seen.
    pub synced: Lsn,
}

pub(super) fn run(
    device: &dyn LogDevice,
    seed: u32,
    state: LogState,
    replay: &mut dyn FnMut(RecordView<'_>) -> Result<()>,
) -> Result<Found> {
    let bounds = device.bounds()?;
    // The log starts behind the cut only after a reset, and a reset goes to the ceiling.
    if bounds.start > state.cut && bounds.start < state.ceiling {
        let why = "the log starts after the published state ends";
        return Err(tail::damage(bounds.start, why, state.synced).into());
    }
    if bounds.start > bounds.end || bounds.end > MAX_LSN {
        let why = "impossible bounds of the log";
        return Err(tail::damage(bounds.start, why, state.synced).into());
    }
    let start = state.cut.max(bounds.start);
    let mut found = Found {
        recovery: Recovery { end: start, ..Recovery::default() },
        ceiling: state.ceiling.max(bounds.end).next_multiple_of(RECORD_ALIGN as u64),
        synced: state.synced,
    };
    let mut window = Window::new(device, start, bounds.end);
    let bad = walk(&mut window, seed, &mut found, replay)?;
    if seeded::is(Bug::ZerosEndTheLog) && bad == Some(Bad::Length) {
        return Ok(found);
    }
    let mut mark = found.synced;
    let mut blank = false;
    if bad.is_some() && window.at() >= mark {
        let behind = witness::find(&mut window, seed)?;
        mark = behind.mark.unwrap_or(mark);
        blank = behind.blank;
    }
    match tail::judge(found.recovery.end, bad, mark) {
        Verdict::Clean => Ok(found),
        Verdict::Torn => {
            found.recovery.torn = !blank;
            Ok(found)
        }
        Verdict::Damage(damage) => Err(Error::Corrupt(damage)),
    }
}

/// Hands out whole records until the first bad one, whose reason it returns.
fn walk(
    window: &mut Window<'_>,
    seed: u32,
    found: &mut Found,
    replay: &mut dyn FnMut(RecordView<'_>) -> Result<()>,
) -> Result<Option<Bad>> {
    while window.remaining() > 0 {
        let at = window.at();
        let remaining = window.remaining();
        let len = match peek(window.bytes(MIN_RECORD_BYTES)?) {
            Ok(start) if start.len as u64 > remaining => return Ok(Some(Bad::Short)),
            Ok(start) => start.len,
            Err(bad) => return Ok(Some(bad)),
        };
        let record = match decode(window.bytes(len)?, at, seed) {
            Ok(record) => record,
            Err(bad) => return Ok(Some(bad)),
        };
        found.synced = found.synced.max(record.synced);
        found.ceiling = found.ceiling.max(record.end());
        match record.body {
            Body::Ops(_) => {
                replay(record)?;
                found.recovery.records += 1;
            }
            Body::Cut => {}
            Body::Epoch { ceiling } => found.ceiling = found.ceiling.max(ceiling),
        }
        window.advance(len);
        found.recovery.bytes += len as u64;
        found.recovery.end = window.at();
    }
    Ok(None)
}
