//! The recovery journal as it crosses the boundary.
//!
//! Owns: the checks of anchors, envelopes and pages that came from the other side. Never does:
//! read or write the journal.

use holt_engine::db::{DB, JOURNAL_DIGEST_BYTES, JournalAnchor, JournalEnvelope};
use holt_engine::error::{Error, Result};

use crate::limits::{MAX_JOURNAL_PAGE_BYTES, MAX_JOURNAL_PAGE_ROWS};

/// Where the journal of a store stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalState {
    /// Where it began.
    pub genesis: JournalAnchor,
    /// Envelopes up to this one are no longer kept: they are part of a checkpoint.
    pub checkpoint: JournalAnchor,
    /// The last envelope.
    pub tail: JournalAnchor,
}

/// A part of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalPage {
    /// The envelopes, in order.
    pub envelopes: Vec<JournalEnvelope>,
    /// Where to go on.
    pub next: JournalAnchor,
    /// Whether there are more already.
    pub more: bool,
}

/// Where the journal stands.
///
/// # Errors
/// Those of the engine.
pub fn state(db: &DB) -> Result<JournalState> {
    let state = db.journal_state()?;
    let (genesis, checkpoint, tail) = (state.genesis, state.checkpoint, state.tail);
    Ok(JournalState { genesis, checkpoint, tail })
}

/// Envelopes after `cursor`, as many as may cross the boundary at a time.
///
/// # Errors
/// Those of the engine.
pub fn read(db: &DB, cursor: JournalAnchor, rows: usize, bytes: usize) -> Result<JournalPage> {
    let (rows, bytes) = (rows.min(MAX_JOURNAL_PAGE_ROWS), bytes.min(MAX_JOURNAL_PAGE_BYTES));
    let page = db.journal_envelopes_after(cursor, rows, bytes)?;
    let (next, more) = (*page.next(), page.has_more());
    Ok(JournalPage { envelopes: page.into_envelopes(), next, more })
}

/// An anchor.
///
/// # Errors
/// `InvalidArgument` for a digest of another length.
pub fn anchor(sequence: u64, digest: &[u8]) -> Result<JournalAnchor> {
    let why = "must have a digest of 32 bytes";
    let invalid = Error::InvalidArgument { what: "journal anchor", why };
    let digest: [u8; JOURNAL_DIGEST_BYTES] = digest.try_into().map_err(|_| invalid)?;
    Ok(JournalAnchor::new(sequence, digest))
}

/// An envelope.
///
/// # Errors
/// `InvalidArgument` for anchors that do not follow each other and a payload that is empty or too
/// large.
pub fn envelope(
    previous: JournalAnchor,
    current: JournalAnchor,
    payload: Vec<u8>,
) -> Result<JournalEnvelope> {
    let why = "must follow the one before and carry 1 byte to 16 MiB";
    let invalid = Error::InvalidArgument { what: "journal envelope", why };
    JournalEnvelope::new(previous, current, payload).map_err(|_| invalid)
}

/// Checks that a page is one after `cursor`: a chain without a gap that ends where it says.
///
/// # Errors
/// `InvalidArgument`.
pub fn check(page: JournalPage, cursor: JournalAnchor) -> Result<JournalPage> {
    let mut last = cursor;
    let mut whole = page.envelopes.len() <= MAX_JOURNAL_PAGE_ROWS;
    for envelope in &page.envelopes {
        whole &= *envelope.previous() == last;
        last = *envelope.current();
    }
    whole &= last == page.next && !(page.more && page.envelopes.is_empty());
    match whole {
        true => Ok(page),
        false => {
            let why = "is not one that follows the cursor";
            Err(Error::InvalidArgument { what: "page of the journal", why })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(sequence: u64) -> JournalAnchor {
        JournalAnchor::new(sequence, [sequence as u8; JOURNAL_DIGEST_BYTES])
    }

    fn page(from: u64, to: u64) -> JournalPage {
        let link = |now| envelope(at(now - 1), at(now), vec![1]).unwrap();
        JournalPage { envelopes: (from + 1..=to).map(link).collect(), next: at(to), more: true }
    }

    #[test]
    fn pages_that_follow_the_cursor_are_taken_and_no_others() {
        assert!(check(page(3, 6), at(3)).is_ok());
        let end = JournalPage { more: false, ..page(3, 3) };
        assert!(check(end, at(3)).is_ok());
        assert!(check(page(3, 6), at(2)).is_err(), "it begins elsewhere");
        assert!(check(page(3, 3), at(3)).is_err(), "it says there is more and stays");
        assert!(check(JournalPage { next: at(5), ..page(3, 6) }, at(3)).is_err(), "goes back");
        let mut gap = page(3, 6);
        gap.envelopes.remove(1);
        assert!(check(gap, at(3)).is_err(), "it has a gap");
        let many = page(0, MAX_JOURNAL_PAGE_ROWS as u64 + 1);
        assert!(check(many, at(0)).is_err(), "it is too long");
    }

    #[test]
    fn anchors_and_envelopes_from_outside_are_checked() {
        assert!(anchor(1, &[0; 31]).is_err() && anchor(1, &[0; 33]).is_err());
        assert_eq!(anchor(7, &[7; 32]), Ok(at(7)));
        assert!(envelope(at(1), at(3), vec![1]).is_err());
        assert!(envelope(at(1), at(2), vec![]).is_err());
        assert!(envelope(at(u64::MAX), at(0), vec![1]).is_err());
    }
}
