//! A search for proof that a bad record was durable once.
//!
//! Owns: the search behind a bad record. Never does: decide, or make a record found here part of
//! the log. Why it is sound: checksums are seeded by store and positions are never used twice, so
//! a whole record at its own position was written there, and its synced mark was true then.
//! Invariant: checksums at most twice the bytes it searches, whatever these bytes pretend.

use super::reader::Window;
use super::record::{MIN_RECORD_BYTES, RECORD_ALIGN, check, peek};
use crate::error::Result;
use crate::ids::Lsn;

/// The synced mark, above `bad`, of a whole record behind the bad one at which `window` stands.
pub(super) fn find(window: &mut Window<'_>, seed: u32) -> Result<Option<Lsn>> {
    let bad = window.at();
    let mut work = window.remaining().saturating_mul(2);
    while window.remaining() > MIN_RECORD_BYTES as u64 {
        window.advance(RECORD_ALIGN);
        let at = window.at();
        let Ok(start) = peek(window.bytes(MIN_RECORD_BYTES)?) else { continue };
        let promising = start.lsn == at && start.synced > bad && start.synced <= at;
        if !promising || start.len as u64 > window.remaining() {
            continue;
        }
        let Some(rest) = work.checked_sub(start.len as u64) else { return Ok(None) };
        work = rest;
        if let Ok((found, _)) = check(window.bytes(start.len)?, at, seed) {
            return Ok(Some(found.synced));
        }
    }
    Ok(None)
}
