//! The recovery journal of a database.
//!
//! Owns: the packed forms, little-endian: an anchor is its sequence (u64) and its digest; an
//! envelope the anchor before it, its own, and the payload to the end; a page, for each envelope,
//! its own anchor, the length of the payload (u32) and the payload, since the anchor before it is
//! known. Never does: read or write the journal.

use holt_engine::db::{
    JOURNAL_DIGEST_BYTES, JournalAnchor, JournalEnvelope, JournalEnvelopePage, JournalState,
};
use holt_engine::error::{Error, Result};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::database::filler;
use crate::engine::{ENTRIES, Engine, status};

const ANCHOR_BYTES: usize = size_of::<u64>() + JOURNAL_DIGEST_BYTES;
/// Bytes of an envelope beside its payload.
pub(crate) const ENVELOPE_HEADER_BYTES: usize = 2 * ANCHOR_BYTES;

const NOT_PACKED: Error =
    Error::InvalidArgument { what: "journal anchor", why: "not in the packed form" };

#[wasm_bindgen]
impl Engine {
    /// Begins the journal at the packed anchor in the input.
    pub fn initialize_journal_stream(&mut self, bytes: usize) -> u32 {
        let done = self.arguments([bytes]).and_then(|[bytes]| {
            let (genesis, []) = anchor(bytes)? else { return Err(NOT_PACKED) };
            self.database()?.initialize_journal_stream(genesis)
        });
        self.finish(done, |_, ()| status::YES)
    }

    /// Leaves three packed anchors: where the journal began, what a checkpoint has, its tail.
    pub fn journal_state(&mut self) -> u32 {
        let state = self.database().and_then(|database| database.journal_state());
        self.finish(state, |engine, state| {
            let JournalState { genesis, checkpoint, tail, .. } = state;
            let mut out = Vec::with_capacity(3 * ANCHOR_BYTES);
            for anchor in [genesis, checkpoint, tail] {
                put(&anchor, &mut out);
            }
            engine.output = out;
            engine.answer_output()
        })
    }

    /// Applies a packed batch over several trees, as `atomic_trees` does, and writes the packed
    /// envelope behind it, together or not at all. `NO` if a guard failed.
    pub fn atomic_with_journal_envelope(
        &mut self,
        names_bytes: usize,
        bytes: usize,
        envelope_bytes: usize,
    ) -> u32 {
        let pieces = self.arguments([names_bytes, bytes, envelope_bytes]);
        let done = pieces.and_then(|[names, bytes, packed]| {
            let (previous, rest) = anchor(packed)?;
            let (current, payload) = anchor(rest)?;
            let envelope = JournalEnvelope::new(previous, current, payload.into());
            let why = "must follow the one before and carry 1 byte to 16 MiB";
            let invalid = Error::InvalidArgument { what: "journal envelope", why };
            let envelope = envelope.map_err(|_| invalid)?;
            let fill = filler(names, bytes)?;
            self.database()?.atomic_with_journal_envelope(&envelope, fill)
        });
        self.finish_flag(done)
    }

    /// Envelopes after the packed anchor in the input, which two limits (u32 each) follow: how
    /// many, and bytes of payload after which none is added. Leaves a packed page and how many
    /// it has. `YES` if there are more.
    pub fn journal_envelopes_after(&mut self, bytes: usize) -> u32 {
        let page = self.arguments([bytes]).and_then(|[bytes]| {
            let (cursor, rest) = anchor(bytes)?;
            let (&rows, rest) = rest.split_first_chunk().ok_or(NOT_PACKED)?;
            let &limit: &[u8; 4] = rest.try_into().map_err(|_| NOT_PACKED)?;
            let [rows, limit] = [rows, limit].map(|number| u32::from_le_bytes(number) as usize);
            self.database()?.journal_envelopes_after(cursor, rows, limit)
        });
        self.finish(page, |engine, page: JournalEnvelopePage| {
            let mut out = Vec::new();
            for envelope in page.envelopes() {
                put(envelope.current(), &mut out);
                out.extend_from_slice(&(envelope.payload().len() as u32).to_le_bytes());
                out.extend_from_slice(envelope.payload());
            }
            engine.output = out;
            engine.answer[ENTRIES] = page.envelopes().len() as u64;
            engine.answer_output();
            u32::from(page.has_more())
        })
    }
}

fn put(anchor: &JournalAnchor, out: &mut Vec<u8>) {
    out.extend_from_slice(&anchor.sequence().to_le_bytes());
    out.extend_from_slice(anchor.digest());
}

/// Reads an anchor; gives what follows it.
fn anchor(bytes: &[u8]) -> Result<(JournalAnchor, &[u8])> {
    let (sequence, rest) = bytes.split_first_chunk().ok_or(NOT_PACKED)?;
    let (digest, rest) = rest.split_first_chunk().ok_or(NOT_PACKED)?;
    Ok((JournalAnchor::new(u64::from_le_bytes(*sequence), *digest), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_read_back_and_short_ones_are_refused() {
        let given = JournalAnchor::new(258, [7; JOURNAL_DIGEST_BYTES]);
        let mut bytes = Vec::new();
        put(&given, &mut bytes);
        bytes.push(9);
        assert_eq!(anchor(&bytes), Ok((given, &[9][..])));
        for cut in 0..ANCHOR_BYTES {
            assert_eq!(anchor(&bytes[..cut]), Err(NOT_PACKED), "cut at {cut}");
        }
    }
}
