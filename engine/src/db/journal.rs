//! The recovery journal: a chain of envelopes that a caller attaches to its batches.
//!
//! Owns: anchors, envelopes, their records in a tree of the engine's own. Never does: read a
//! payload. An envelope is written in the same log record as the batch it belongs to, so it is
//! there exactly if the batch is.
//!
//! Keys of the tree: `s` for the state (three anchors: genesis, floor, tail), and `e`, the
//! sequence (8 bytes, big-endian) and the part (2 bytes, big-endian) for an envelope. The first
//! part begins with the digest and the payload's length (u32); a part has at most
//! [`JOURNAL_PART_BYTES`] of payload.

use alloc::vec::Vec;

use crate::codec::bytes::{Reader as Fields, Write};
use crate::error::{Corruption, CorruptionClass, Error, Result};
use crate::limits::{JOURNAL_PART_BYTES, MAX_JOURNAL_RECORD_BYTES};

/// Bytes of the digest in an anchor.
pub const JOURNAL_DIGEST_BYTES: usize = 32;

/// A place in the chain: a sequence number, and the caller's digest of everything up to it.
///
/// ```
/// use holt_engine::db::{JOURNAL_DIGEST_BYTES, JournalAnchor};
///
/// let anchor = JournalAnchor::new(7, [1; JOURNAL_DIGEST_BYTES]);
/// assert_eq!((anchor.sequence(), anchor.digest()), (7, &[1; 32]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct JournalAnchor {
    sequence: u64,
    digest: [u8; JOURNAL_DIGEST_BYTES],
}

impl JournalAnchor {
    /// An anchor.
    pub const fn new(sequence: u64, digest: [u8; JOURNAL_DIGEST_BYTES]) -> Self {
        Self { sequence, digest }
    }

    /// Its sequence number.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Its digest.
    pub const fn digest(&self) -> &[u8; JOURNAL_DIGEST_BYTES] {
        &self.digest
    }
}

/// Why bytes are not an envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum JournalEnvelopeError {
    /// The sequence of an envelope is one more than that of the one before it.
    #[error("sequence {current} does not follow {previous}; use the next number")]
    NonContiguousSequence {
        /// The sequence before.
        previous: u64,
        /// The sequence given.
        current: u64,
    },
    /// An envelope carries something.
    #[error("the payload is empty; an envelope must carry something")]
    EmptyPayload,
    /// The payload is over its limit.
    #[error("payload of {len} bytes is over the limit of {MAX_JOURNAL_RECORD_BYTES}; split it")]
    PayloadTooLarge {
        /// Its length, in bytes.
        len: usize,
    },
}

/// One link of the chain: what was before, what is now, and what was done, in the caller's form.
///
/// ```
/// use holt_engine::db::{JournalAnchor, JournalEnvelope};
///
/// let (before, now) = (JournalAnchor::new(7, [1; 32]), JournalAnchor::new(8, [2; 32]));
/// let envelope = JournalEnvelope::new(before, now, b"what was done".to_vec()).expect("links");
/// assert_eq!((envelope.previous(), envelope.current()), (&before, &now));
/// assert_eq!(envelope.into_payload(), b"what was done");
/// assert!(JournalEnvelope::new(now, before, b"back".to_vec()).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEnvelope {
    previous: JournalAnchor,
    current: JournalAnchor,
    payload: Vec<u8>,
}

impl JournalEnvelope {
    /// An envelope.
    ///
    /// # Errors
    /// If the anchors do not follow each other, or the payload is empty or too large.
    pub fn new(
        previous: JournalAnchor,
        current: JournalAnchor,
        payload: Vec<u8>,
    ) -> Result<Self, JournalEnvelopeError> {
        let (before, now) = (previous.sequence, current.sequence);
        if before.checked_add(1) != Some(now) {
            return Err(JournalEnvelopeError::NonContiguousSequence {
                previous: before,
                current: now,
            });
        }
        match payload.len() {
            0 => Err(JournalEnvelopeError::EmptyPayload),
            len if len > MAX_JOURNAL_RECORD_BYTES => {
                Err(JournalEnvelopeError::PayloadTooLarge { len })
            }
            _ => Ok(Self { previous, current, payload }),
        }
    }

    /// The anchor before it.
    pub const fn previous(&self) -> &JournalAnchor {
        &self.previous
    }

    /// Its own anchor.
    pub const fn current(&self) -> &JournalAnchor {
        &self.current
    }

    /// What it carries.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// What it carries.
    pub fn into_payload(self) -> Vec<u8> {
        self.payload
    }
}

/// Where the journal of a store stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
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
pub struct JournalEnvelopePage {
    pub(super) envelopes: Vec<JournalEnvelope>,
    pub(super) next: JournalAnchor,
    pub(super) has_more: bool,
}

impl JournalEnvelopePage {
    /// The envelopes, in order.
    pub fn envelopes(&self) -> &[JournalEnvelope] {
        &self.envelopes
    }

    /// The envelopes, in order.
    pub fn into_envelopes(self) -> Vec<JournalEnvelope> {
        self.envelopes
    }

    /// Where to go on: pass it to the next call.
    pub const fn next(&self) -> &JournalAnchor {
        &self.next
    }

    /// Whether there are more already.
    pub const fn has_more(&self) -> bool {
        self.has_more
    }
}

/// The key of the state.
pub(super) const STATE_KEY: &[u8] = b"s";
/// What the keys of envelopes start with.
pub(super) const ENVELOPES: &[u8] = b"e";

/// The key of one part of an envelope.
pub(super) fn part_key(sequence: u64, part: u16) -> Vec<u8> {
    let mut key = Vec::with_capacity(11);
    key.extend_from_slice(ENVELOPES);
    key.extend_from_slice(&sequence.to_be_bytes());
    key.extend_from_slice(&part.to_be_bytes());
    key
}

/// The value of each part of an envelope, in order.
pub(super) fn parts(envelope: &JournalEnvelope) -> Vec<Vec<u8>> {
    let mut parts: Vec<Vec<u8>> =
        envelope.payload.chunks(JOURNAL_PART_BYTES).map(<[u8]>::to_vec).collect();
    if let Some(first) = parts.first_mut() {
        let mut head = Vec::with_capacity(JOURNAL_DIGEST_BYTES + 4 + first.len());
        head.extend_from_slice(&envelope.current.digest);
        head.put_u32(envelope.payload.len() as u32);
        head.extend_from_slice(first);
        *first = head;
    }
    parts
}

pub(super) fn damage() -> Error {
    Corruption::new(CorruptionClass::Root, "a record of the journal cannot be read").into()
}

/// What the first part of an envelope says: digest, length of the payload, and its first bytes,
/// which are as many as that length asks for.
pub(super) fn first_part(value: &[u8]) -> Result<([u8; JOURNAL_DIGEST_BYTES], usize, &[u8])> {
    let mut fields = Fields::new(value);
    let digest = fields.bytes(JOURNAL_DIGEST_BYTES).and_then(|bytes| bytes.try_into().ok());
    let len = fields.u32().map(|len| len as usize).filter(|len| *len <= MAX_JOURNAL_RECORD_BYTES);
    let rest = fields.bytes(fields.remaining());
    match (digest, len, rest) {
        (Some(digest), Some(len), Some(rest))
            if len > 0 && rest.len() == len.min(JOURNAL_PART_BYTES) =>
        {
            Ok((digest, len, rest))
        }
        _ => Err(damage()),
    }
}

/// An envelope read back.
pub(super) fn rebuilt(
    previous: JournalAnchor,
    current: JournalAnchor,
    payload: Vec<u8>,
) -> Result<JournalEnvelope> {
    JournalEnvelope::new(previous, current, payload).map_err(|_| damage())
}

impl JournalState {
    /// The state of a journal that begins.
    pub(super) const fn begin(genesis: JournalAnchor) -> Self {
        Self { genesis, checkpoint: genesis, tail: genesis }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(3 * (8 + JOURNAL_DIGEST_BYTES));
        for anchor in [self.genesis, self.checkpoint, self.tail] {
            out.put_u64(anchor.sequence);
            out.extend_from_slice(&anchor.digest);
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut fields = Fields::new(bytes);
        let mut anchor = || {
            let sequence = fields.u64()?;
            let digest = fields.bytes(JOURNAL_DIGEST_BYTES)?.try_into().ok()?;
            Some(JournalAnchor { sequence, digest })
        };
        let found = (anchor(), anchor(), anchor());
        match found {
            (Some(genesis), Some(checkpoint), Some(tail))
                if fields.remaining() == 0
                    && genesis.sequence <= checkpoint.sequence
                    && checkpoint.sequence <= tail.sequence =>
            {
                Ok(Self { genesis, checkpoint, tail })
            }
            _ => Err(damage()),
        }
    }
}
