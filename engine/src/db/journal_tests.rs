//! The recovery journal: a chain that is there exactly as far as its batches are.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::journal::part_key;
use super::{
    DB, JOURNAL_DIGEST_BYTES, JournalAnchor, JournalEnvelope, JournalEnvelopeError, JournalState,
    Options,
};
use crate::device::{BlobStore, LogDevice, MemoryBlobStore, MemoryLog};
use crate::error::{AtomicErrorKind, Error};
use crate::geometry::Geometry;
use crate::ids::JOURNAL_TREE;
use crate::limits::{JOURNAL_PART_BYTES, MAX_JOURNAL_RECORD_BYTES};
use crate::txn::{Expect, Request};

type Devices = (Arc<dyn BlobStore>, Arc<dyn LogDevice>);

fn devices() -> Devices {
    let blobs = MemoryBlobStore::new(Geometry::default(), [5; 16]);
    (Arc::new(blobs), Arc::new(MemoryLog::default()))
}

fn open(devices: &Devices) -> DB {
    DB::open_with_devices(devices.0.clone(), Some(devices.1.clone()), Options::default()).unwrap()
}

fn anchor(sequence: u64) -> JournalAnchor {
    JournalAnchor::new(sequence, [sequence as u8; JOURNAL_DIGEST_BYTES])
}

fn envelope(sequence: u64) -> JournalEnvelope {
    let payload = alloc::vec![sequence as u8; 1 + 700_000 * (sequence as usize % 2)];
    JournalEnvelope::new(anchor(sequence - 1), anchor(sequence), payload).unwrap()
}

fn append(db: &DB, sequence: u64) -> Result<bool, Error> {
    db.atomic_with_journal_envelope(&envelope(sequence), |batch| {
        batch.put("t", &sequence.to_be_bytes(), b"x");
    })
}

#[test]
fn a_chain_is_read_back_from_any_anchor_over_reopenings_and_checkpoints() {
    let devices = devices();
    let db = open(&devices);
    db.create_tree("t").unwrap();
    assert!(matches!(db.journal_state(), Err(Error::JournalStreamUnavailable { .. })));
    db.initialize_journal_stream(anchor(10)).unwrap();
    db.initialize_journal_stream(anchor(10)).unwrap();
    assert!(matches!(
        db.initialize_journal_stream(anchor(11)),
        Err(Error::JournalAnchorMismatch { .. })
    ));
    for sequence in 11..=20 {
        assert_eq!(append(&db, sequence), Ok(true));
    }
    drop(db);
    let db = open(&devices);
    let all = db.journal_envelopes_after(anchor(10), 100, usize::MAX).unwrap();
    assert_eq!(all.envelopes(), (11..=20).map(envelope).collect::<Vec<_>>());
    assert!(!all.has_more() && *all.next() == anchor(20));
    let some = db.journal_envelopes_after(anchor(14), 3, usize::MAX).unwrap();
    assert_eq!(some.envelopes(), [envelope(15), envelope(16), envelope(17)]);
    assert!(some.has_more());
    // The limit of bytes never keeps the first one back.
    let one = db.journal_envelopes_after(anchor(10), 100, 1).unwrap();
    assert_eq!(one.envelopes().len(), 1);
    db.checkpoint().unwrap();
    assert!(matches!(
        db.journal_envelopes_after(anchor(15), 1, 1),
        Err(Error::JournalPositionExpired { requested: 15, checkpoint: 20 })
    ));
    assert_eq!(append(&db, 21), Ok(true));
    drop(db);
    let db = open(&devices);
    let state = db.journal_state().unwrap();
    assert_eq!((state.genesis, state.checkpoint, state.tail), (anchor(10), anchor(20), anchor(21)));
    assert_eq!(db.open_tree("t").unwrap().prefix_count(b"", 0).unwrap().count, 11);
    assert!(db.verify().unwrap().is_clean());
}

#[test]
fn only_the_writer_at_the_tail_wins_and_nobody_goes_round_the_journal() {
    let db = open(&devices());
    let tree = db.create_tree("t").unwrap();
    db.initialize_journal_stream(anchor(0)).unwrap();
    assert_eq!(append(&db, 1), Ok(true));
    let lost = append(&db, 1).unwrap_err();
    let Error::Atomic { kind: AtomicErrorKind::DefinitelyNotApplied, source } = lost else {
        panic!("{lost}");
    };
    assert!(matches!(*source, Error::JournalAnchorMismatch { requested: 0, expected: 1 }));
    for refused in [
        tree.put(b"k", b"v"),
        tree.delete(&1u64.to_be_bytes()).map(drop),
        tree.rename_prefix(b"\0", b"\x01", true).map(drop),
        db.create_tree("u").map(drop),
        db.drop_tree("t"),
    ] {
        assert!(matches!(refused, Err(Error::JournalStreamUnavailable { .. })), "{refused:?}");
    }
    let held = db.atomic_with_journal_envelope(&envelope(2), |batch| {
        batch.assert_absent("t", &1u64.to_be_bytes());
        batch.put("t", b"never", b"");
    });
    assert_eq!(held, Ok(false));
    let idle = db.atomic_with_journal_envelope(&envelope(2), |batch| {
        batch.assert_absent("t", b"nothing");
    });
    assert!(matches!(idle, Err(Error::Atomic { .. })));
    assert_eq!(db.journal_state().unwrap().tail, anchor(1));
    assert!(matches!(
        db.journal_envelopes_after(JournalAnchor::new(1, [9; 32]), 1, 1),
        Err(Error::JournalAnchorMismatch { .. })
    ));
    // Ahead of the tail is another history, not damage.
    for ahead in [2, 3, u64::MAX] {
        let refused = db.journal_envelopes_after(anchor(ahead), 1, 1).unwrap_err();
        let expected = Error::JournalAnchorMismatch { requested: ahead, expected: 1 };
        assert_eq!(refused, expected);
    }
    let tail = db.journal_envelopes_after(anchor(1), 1, 1).unwrap();
    assert!(tail.envelopes().is_empty() && !tail.has_more() && *tail.next() == anchor(1));
    assert!(matches!(
        db.journal_envelopes_after(anchor(1), 0, 1),
        Err(Error::InvalidJournalScanLimit { .. })
    ));
}

#[test]
fn envelopes_that_are_none_are_refused() {
    let make =
        |from, to, payload: &[u8]| JournalEnvelope::new(anchor(from), anchor(to), payload.into());
    assert!(matches!(
        make(1, 3, b"x"),
        Err(JournalEnvelopeError::NonContiguousSequence { previous: 1, current: 3 })
    ));
    assert!(make(u64::MAX, 0, b"x").is_err());
    assert_eq!(make(1, 2, b""), Err(JournalEnvelopeError::EmptyPayload));
}

#[test]
fn envelopes_of_any_size_are_read_back_within_the_bytes_that_were_asked_for() {
    let devices = devices();
    let db = open(&devices);
    db.create_tree("t").unwrap();
    db.initialize_journal_stream(anchor(0)).unwrap();
    let sizes = [1, 300_000, 700, 2_500_000, 1_048_576, 5];
    let envelopes: Vec<JournalEnvelope> = (1..)
        .zip(sizes)
        .map(|(sequence, size)| {
            let payload = (0..size).map(|at| (at % 251) as u8).collect();
            JournalEnvelope::new(anchor(sequence - 1), anchor(sequence), payload).unwrap()
        })
        .collect();
    for envelope in &envelopes {
        let put = db.atomic_with_journal_envelope(envelope, |batch| batch.put("t", b"k", b"v"));
        assert_eq!(put, Ok(true));
    }
    drop(db);
    let db = open(&devices);
    let all = db.journal_envelopes_after(anchor(0), 100, usize::MAX).unwrap();
    assert!(all.envelopes() == envelopes && !all.has_more());
    // No further one once the bytes are reached.
    let some = db.journal_envelopes_after(anchor(0), 100, 300_001).unwrap();
    assert!(some.envelopes() == &envelopes[..2] && some.has_more());
    let more = db.journal_envelopes_after(anchor(0), 100, 300_002).unwrap();
    assert!(more.envelopes() == &envelopes[..3] && *more.next() == anchor(3));
}

#[test]
fn the_state_of_the_journal_is_not_read_from_a_store_that_is_no_state_that_ever_was() {
    let db = DB::memory().unwrap();
    db.initialize_journal_stream(JournalAnchor::new(1, [0; JOURNAL_DIGEST_BYTES])).unwrap();
    let mut core = db.shared.core.write();
    core.tear();
    core.give_up("the test said so".into());
    drop(core);
    assert!(matches!(db.journal_state(), Err(Error::Poisoned { .. })));
}

/// Records of the journal that say something else than was written, in a store that is sound
/// otherwise.
#[test]
fn an_envelope_whose_parts_are_of_other_lengths_is_damage() {
    let first = |len: usize, rest: usize| {
        let mut bytes = alloc::vec![9; JOURNAL_DIGEST_BYTES];
        bytes.extend_from_slice(&(len as u32).to_le_bytes());
        bytes.resize(bytes.len() + rest, 1);
        bytes
    };
    const PART: usize = JOURNAL_PART_BYTES;
    let cases: [(&str, &[Vec<u8>]); 9] = [
        ("nothing in it", &[first(0, 0)]),
        ("more than it says", &[first(5, 6)]),
        ("less than it says", &[first(5, 4)]),
        ("a part that is not there", &[first(PART + 1, PART)]),
        ("a first part that is too short", &[first(PART + 1, 1), alloc::vec![1; PART]]),
        ("a part with nothing in it", &[first(PART + 1, PART), Vec::new()]),
        ("a last part that is too long", &[first(PART + 1, PART), alloc::vec![1; PART]]),
        ("a part that is longer than any", &[first(3 * PART, PART), alloc::vec![1; 2 * PART]]),
        ("longer than any", &[first(MAX_JOURNAL_RECORD_BYTES + 1, PART)]),
    ];
    for (what, parts) in cases {
        let db = open(&devices());
        db.create_tree("t").unwrap();
        db.initialize_journal_stream(anchor(10)).unwrap();
        assert_eq!(append(&db, 11), Ok(true));
        let mut core = db.shared.core.write();
        core.enveloped = true;
        let keys = [part_key(11, 0), part_key(11, 1)];
        let put = |(key, value): (&'_ Vec<u8>, &'_ Vec<u8>)| {
            let (key, value) = (key.clone().leak(), value.clone().leak());
            Request::Put { tree: JOURNAL_TREE, key, value, when: Expect::Anything }
        };
        let mut requests = alloc::vec![Request::DeletePrefix { tree: JOURNAL_TREE, prefix: b"e" }];
        requests.extend(keys.iter().zip(parts).map(put));
        assert!(core.batch(&requests).is_ok());
        core.enveloped = false;
        drop(core);
        let read = db.journal_envelopes_after(anchor(10), 10, usize::MAX);
        assert!(matches!(read, Err(Error::Corrupt(_))), "{what}: {:?}", read.map(|_| ()));
    }
}

#[test]
fn anchors_that_contradict_each_other_are_damage() {
    let of = |genesis, checkpoint, tail| JournalState {
        genesis: anchor(genesis),
        checkpoint: anchor(checkpoint),
        tail: anchor(tail),
    };
    for sound in [of(3, 3, 3), of(3, 4, 4), of(3, 3, 5), of(0, 7, 9)] {
        assert_eq!(JournalState::decode(&sound.encode()), Ok(sound));
    }
    let sound = of(3, 4, 5).encode();
    let longer = [sound.as_slice(), &[0]].concat();
    let contradictions = [of(4, 3, 5).encode(), of(3, 6, 5).encode(), of(6, 6, 5).encode()];
    for bytes in [&sound[1..], &longer].into_iter().chain(contradictions.iter().map(Vec::as_slice))
    {
        let found = JournalState::decode(bytes);
        assert!(matches!(found, Err(Error::Corrupt(_))), "{found:?}");
    }
}
