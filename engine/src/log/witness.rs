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

/// What lies behind a bad record.
pub(super) struct Behind {
    /// The synced mark, above the bad record's position, of a whole record.
    pub mark: Option<Lsn>,
    /// Whether it is zeros only, the bad record's place too: space never written.
    pub blank: bool,
}

/// Looks behind the bad record at which `window` stands.
pub(super) fn find(window: &mut Window<'_>, seed: u32) -> Result<Behind> {
    let bad = window.at();
    let mut blank = is_blank(window.bytes(MIN_RECORD_BYTES)?);
    let mut work = window.remaining().saturating_mul(2);
    while window.remaining() > MIN_RECORD_BYTES as u64 {
        window.advance(RECORD_ALIGN);
        let at = window.at();
        let bytes = window.bytes(MIN_RECORD_BYTES)?;
        blank = blank && is_blank(bytes);
        let Ok(start) = peek(bytes) else { continue };
        let promising = start.lsn == at && start.synced > bad && start.synced <= at;
        if !promising || start.len as u64 > window.remaining() {
            continue;
        }
        let Some(rest) = work.checked_sub(start.len as u64) else { break };
        work = rest;
        if let Ok((found, _)) = check(window.bytes(start.len)?, at, seed) {
            return Ok(Behind { mark: Some(found.synced), blank: false });
        }
    }
    Ok(Behind { mark: None, blank })
}

/// Whether the bytes up to the next place of a record, or all there are, are zeros.
fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().take(MIN_RECORD_BYTES).all(|byte| *byte == 0)
}
