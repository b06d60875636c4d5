//! The recovery journal of a database: beginning it, writing with it, reading it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::batch::DBAtomicBatch;
use super::core::Core;
use super::journal::{self, JournalAnchor, JournalEnvelope, JournalEnvelopePage, JournalState};
use super::multi::DB;
use super::write::Failed;
use crate::error::{AtomicErrorKind, Error, Result};
use crate::forest::Forest;
use crate::ids::JOURNAL_TREE;
use crate::limits::{JOURNAL_PART_BYTES, MAX_JOURNAL_ROWS, MAX_SCAN_BYTES};
use crate::node::{Miss, Record as Stored};
use crate::txn::{Expect, Request};

fn unavailable() -> Error {
    let reason = "the store keeps no journal; initialize it first";
    Error::JournalStreamUnavailable { reason }
}

fn mismatch(given: &JournalAnchor, expected: &JournalAnchor) -> Error {
    let (requested, expected) = (given.sequence(), expected.sequence());
    Error::JournalAnchorMismatch { requested, expected }
}

/// A record of the journal's tree.
fn record(forest: &Forest, key: &[u8]) -> Result<Option<Vec<u8>>, Miss> {
    let reader = forest.reader();
    let Some((page, slot)) = reader.find(JOURNAL_TREE, key)? else { return Ok(None) };
    Ok(Some(reader.value(Stored::read(page, slot).value)?.into()))
}

fn state(core: &mut Core) -> Result<Option<JournalState>> {
    if !core.has_journal() {
        return Ok(None);
    }
    let found = core.forest.with(|forest| record(forest, journal::STATE_KEY))?;
    found.map(|bytes| JournalState::decode(&bytes)).transpose()
}

/// Runs a batch that may touch a store with a journal.
fn enveloped<T>(core: &mut Core, run: impl FnOnce(&mut Core) -> T) -> T {
    core.enveloped = true;
    let done = run(core);
    core.enveloped = false;
    done
}

fn put<'a>(key: &'a [u8], value: &'a [u8]) -> Request<'a> {
    Request::Put { tree: JOURNAL_TREE, key, value, when: Expect::Anything }
}

/// Lets go of the envelopes that a checkpoint is about to contain.
pub(super) fn advance_floor(core: &mut Core) -> Result<()> {
    let Some(now) = state(core)?.filter(|state| state.checkpoint != state.tail) else {
        return Ok(());
    };
    let next = JournalState { checkpoint: now.tail, ..now }.encode();
    let done = enveloped(core, |core| {
        core.batch(&[
            Request::DeletePrefix { tree: JOURNAL_TREE, prefix: journal::ENVELOPES },
            put(journal::STATE_KEY, &next),
        ])
    });
    done.map(drop).map_err(Error::from)
}

impl DB {
    /// Begins the recovery journal at `genesis`. From then on records change by
    /// [`DB::atomic_with_journal_envelope`] only. Beginning it again at the same anchor changes
    /// nothing.
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// use holt_engine::db::{JOURNAL_DIGEST_BYTES, JournalAnchor, JournalEnvelope};
    ///
    /// db.create_tree("files")?;
    /// let genesis = JournalAnchor::new(1, [0; JOURNAL_DIGEST_BYTES]);
    /// db.initialize_journal_stream(genesis)?;
    /// // From now on every change comes with an envelope that links to the one before.
    /// let next = JournalAnchor::new(2, [7; JOURNAL_DIGEST_BYTES]);
    /// let done = b"what was done".to_vec();
    /// let envelope = JournalEnvelope::new(genesis, next, done).expect("links");
    /// assert!(db.atomic_with_journal_envelope(&envelope, |batch| {
    ///     batch.put("files", b"key", b"value");
    /// })?);
    /// let page = db.journal_envelopes_after(genesis, 100, 1 << 20)?;
    /// assert_eq!(page.envelopes(), [envelope]);
    /// assert_eq!(db.journal_state()?.tail, next);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `JournalAnchorMismatch` if it was begun at another anchor; `ReadOnly`, `Poisoned`,
    /// failures of the devices.
    pub fn initialize_journal_stream(&self, genesis: JournalAnchor) -> Result<()> {
        let mut core = self.shared.core.write();
        core.check_writable()?;
        if let Some(state) = state(&mut core)? {
            return match state.genesis == genesis {
                true => Ok(()),
                false => Err(mismatch(&genesis, &state.genesis)),
            };
        }
        let begin = JournalState::begin(genesis).encode();
        let done = enveloped(&mut core, |core| {
            core.batch(&[
                Request::CreateTree { tree: JOURNAL_TREE },
                put(journal::STATE_KEY, &begin),
            ])
        });
        done.map(drop).map_err(Error::from)
    }

    /// Where the journal stands.
    ///
    /// # Errors
    /// `JournalStreamUnavailable` if there is none; `Corrupt`, `Poisoned` and failures of the
    /// device.
    pub fn journal_state(&self) -> Result<JournalState> {
        let mut core = self.shared.core.write();
        core.check_whole()?;
        let found = state(&mut core);
        core.after_read();
        found?.ok_or_else(unavailable)
    }

    /// Applies a batch and writes an envelope, together or not at all, as one log record. The
    /// envelope must follow the journal's tail: of two writers with the same one before theirs
    /// exactly one wins. `false`, and no envelope, if a guard of the batch did not hold.
    ///
    /// # Errors
    /// `Atomic` with the reason inside: `JournalAnchorMismatch`, `JournalStreamUnavailable`,
    /// `InvalidArgument` for a batch that changes nothing, and those of [`DB::atomic`].
    pub fn atomic_with_journal_envelope(
        &self,
        envelope: &JournalEnvelope,
        fill: impl FnOnce(&mut DBAtomicBatch),
    ) -> Result<bool> {
        let mut batch = DBAtomicBatch::default();
        fill(&mut batch);
        let appended =
            self.shared.commit_batch(|core| self.append_envelope(core, envelope, &batch));
        appended.map_err(|failed| {
            let kind = match failed.unknown {
                true => AtomicErrorKind::OutcomeUnknown,
                false => AtomicErrorKind::DefinitelyNotApplied,
            };
            Error::Atomic { kind, source: Box::new(failed.error) }
        })
    }

    fn append_envelope(
        &self,
        core: &mut Core,
        envelope: &JournalEnvelope,
        batch: &DBAtomicBatch,
    ) -> Result<bool, Failed> {
        core.check_writable()?;
        let now = state(core)?.ok_or_else(unavailable)?;
        if *envelope.previous() != now.tail {
            return Err(mismatch(envelope.previous(), &now.tail).into());
        }
        let trees = self.trees_of(core, batch)?;
        let mut requests = batch.requests(&trees);
        if requests.iter().all(Request::only_asks) {
            let why = "must change something to have an envelope";
            return Err(Error::InvalidArgument { what: "batch", why }.into());
        }
        let next = JournalState { tail: *envelope.current(), ..now }.encode();
        let parts = journal::parts(envelope);
        let sequence = envelope.current().sequence();
        let keys: Vec<Vec<u8>> =
            (0..parts.len()).map(|part| journal::part_key(sequence, part as u16)).collect();
        requests.extend(keys.iter().zip(&parts).map(|(key, value)| put(key, value)));
        requests.push(put(journal::STATE_KEY, &next));
        Ok(enveloped(core, |core| core.batch(&requests))?.is_some())
    }

    /// Envelopes after `cursor`, an anchor of this journal: at most `row_limit` of them, and no
    /// further one once `payload_byte_limit` is reached.
    ///
    /// # Errors
    /// `InvalidJournalScanLimit` for a row limit of 0; `JournalPositionExpired` if envelopes after
    /// the cursor are no longer kept; `JournalAnchorMismatch` if the anchor is not one of this
    /// journal; `JournalStreamUnavailable`; `Corrupt` and failures of the device.
    pub fn journal_envelopes_after(
        &self,
        cursor: JournalAnchor,
        row_limit: usize,
        payload_byte_limit: usize,
    ) -> Result<JournalEnvelopePage> {
        if row_limit == 0 {
            let reason = "the row limit must be at least 1";
            return Err(Error::InvalidJournalScanLimit { reason });
        }
        let mut core = self.shared.core.write();
        core.check_whole()?;
        let page =
            read_page(&mut core, cursor, row_limit.min(MAX_JOURNAL_ROWS), payload_byte_limit);
        core.after_read();
        page
    }
}

fn read_page(
    core: &mut Core,
    cursor: JournalAnchor,
    rows: usize,
    bytes: usize,
) -> Result<JournalEnvelopePage> {
    let now = state(core)?.ok_or_else(unavailable)?;
    if cursor.sequence() < now.checkpoint.sequence() {
        let (requested, checkpoint) = (cursor.sequence(), now.checkpoint.sequence());
        return Err(Error::JournalPositionExpired { requested, checkpoint });
    }
    let known = match cursor.sequence() == now.checkpoint.sequence() {
        true => now.checkpoint,
        false if cursor.sequence() > now.tail.sequence() => {
            return Err(mismatch(&cursor, &now.tail));
        }
        false => anchor(core, cursor.sequence())?,
    };
    if known != cursor {
        return Err(mismatch(&cursor, &known));
    }
    let (mut envelopes, mut previous, mut used) = (Vec::new(), cursor, 0);
    let bytes = bytes.min(MAX_SCAN_BYTES);
    while previous.sequence() < now.tail.sequence()
        && envelopes.len() < rows
        && (envelopes.is_empty() || used < bytes)
    {
        let envelope = read_envelope(core, previous)?;
        previous = *envelope.current();
        used += envelope.payload().len();
        envelopes.push(envelope);
    }
    let has_more = previous.sequence() < now.tail.sequence();
    Ok(JournalEnvelopePage { envelopes, next: previous, has_more })
}

fn part(core: &mut Core, sequence: u64, part: u16) -> Result<Vec<u8>> {
    let key = journal::part_key(sequence, part);
    let found = core.forest.with(|forest| record(forest, &key))?;
    found.ok_or_else(journal::damage)
}

fn anchor(core: &mut Core, sequence: u64) -> Result<JournalAnchor> {
    let first = part(core, sequence, 0)?;
    let (digest, _, _) = journal::first_part(&first)?;
    Ok(JournalAnchor::new(sequence, digest))
}

fn read_envelope(core: &mut Core, previous: JournalAnchor) -> Result<JournalEnvelope> {
    let sequence = previous.sequence() + 1;
    let first = part(core, sequence, 0)?;
    let (digest, len, rest) = journal::first_part(&first)?;
    let mut payload: Vec<u8> = rest.into();
    for number in 1..len.div_ceil(JOURNAL_PART_BYTES) {
        let next = part(core, sequence, number as u16)?;
        if next.len() != (len - payload.len()).min(JOURNAL_PART_BYTES) {
            return Err(journal::damage());
        }
        payload.extend_from_slice(&next);
    }
    journal::rebuilt(previous, JournalAnchor::new(sequence, digest), payload)
}
