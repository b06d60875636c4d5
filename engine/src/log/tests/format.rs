//! Encoding and decoding of records.

use alloc::vec;
use alloc::vec::Vec;

use super::STORE;
use crate::codec::checksum::crc32;
use crate::error::Error;
use crate::ids::FIRST_HIDDEN_TREE;
use crate::limits::*;
use crate::log::ops::{OpRef, check_ops, encoded_len};
use crate::log::record::{
    Bad, Body, CUT_BYTES, EPOCH_BYTES, HEADER_BYTES, NewBody, decode, encode, seed,
};
use crate::random::{Random, repeats};

fn record(at: u64, ops: &[OpRef<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out, seed(&STORE), (at, at / 2), encoded_len(ops), &NewBody::Ops(ops));
    out
}

/// Repairs the checksum after an edit, to plant contents that pass it.
fn reseal(bytes: &mut [u8]) {
    let (head, rest) = bytes.split_at_mut(8);
    let crc = crc32(crc32(seed(&STORE), &head[..4]), rest);
    head[4..].copy_from_slice(&crc.to_le_bytes());
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn every_size_around_every_limit_comes_back() {
    let sizes = |limit: usize| {
        let around = [limit.saturating_sub(1), limit];
        let varint = [0, 1, 2, 7, 8, 9, 127, 128, 129, 16_383, 16_384, 16_385];
        varint.into_iter().filter(move |size| *size <= limit).chain(around)
    };
    let long = vec![0xa5; MAX_VALUE_BYTES];
    for key in sizes(MAX_KEY_BYTES) {
        for value in sizes(MAX_VALUE_BYTES) {
            for tree in [0, 127, 128, FIRST_HIDDEN_TREE - 1] {
                let op = OpRef::Put { tree, key: &long[..key], value: &long[..value] };
                let ops = [op, OpRef::Delete { tree, key: &long[..key] }];
                assert_eq!(check_ops(&ops), Ok(encoded_len(&ops)));
                let bytes = record(4096, &ops);
                let view = decode(&bytes, 4096, seed(&STORE)).unwrap();
                assert_eq!((view.lsn, view.synced, view.bytes as usize), (4096, 2048, bytes.len()));
                let back: Vec<_> = view.ops().map(|(version, op)| (version.as_u64(), op)).collect();
                assert_eq!(back, [(4096, ops[0]), (4097, ops[1])]);
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn limits_are_exact_and_typed() {
    let long = vec![0; MAX_VALUE_BYTES + 1];
    let key = OpRef::Delete { tree: 0, key: &long[..MAX_KEY_BYTES + 1] };
    assert_eq!(check_ops(&[key]), Err(Error::KeyTooLong { len: MAX_KEY_BYTES + 1 }));
    let value = OpRef::Put { tree: 0, key: b"", value: &long };
    assert_eq!(check_ops(&[value]), Err(Error::ValueTooLong { len: MAX_VALUE_BYTES + 1 }));
    assert!(matches!(check_ops(&[]), Err(Error::InvalidArgument { .. })));

    let small = OpRef::Delete { tree: 0, key: b"" };
    let most = vec![small; MAX_BATCH_OPS];
    let bytes = record(8, &most);
    assert_eq!(decode(&bytes, 8, seed(&STORE)).unwrap().ops().count(), MAX_BATCH_OPS);
    let over = vec![small; MAX_BATCH_OPS + 1];
    assert_eq!(check_ops(&over), Err(Error::BatchTooLarge { len: MAX_BATCH_OPS + 1 }));
    let bytes = record(8, &over);
    assert!(matches!(decode(&bytes, 8, seed(&STORE)), Err(Bad::Foreign(_))));

    // Fill a record to the last byte, then one byte more.
    let full = OpRef::Put { tree: 0, key: b"", value: &long[..MAX_VALUE_BYTES] };
    let mut ops = vec![full; 15];
    let rest = MAX_RECORD_BYTES - encoded_len(&ops);
    let value = (rest - 64..rest).rev().find(|value| {
        let op = OpRef::Put { tree: 0, key: b"", value: &long[..*value] };
        encoded_len(&[&ops[..], &[op]].concat()) <= MAX_RECORD_BYTES
    });
    let value = value.unwrap();
    ops.push(OpRef::Put { tree: 0, key: b"", value: &long[..value] });
    assert_eq!(check_ops(&ops), Ok(MAX_RECORD_BYTES));
    assert!(decode(&record(8, &ops), 8, seed(&STORE)).is_ok());
    ops[15] = OpRef::Put { tree: 0, key: b"", value: &long[..value + 1] };
    let bytes = MAX_RECORD_BYTES + 8;
    let maximum = MAX_RECORD_BYTES;
    assert_eq!(check_ops(&ops), Err(Error::WalRecordTooLarge { bytes, maximum }));
    assert_eq!(decode(&record(8, &ops), 8, seed(&STORE)), Err(Bad::Length));
}

#[test]
fn a_batch_that_names_one_value_many_times_does_not_overflow_its_length() {
    let value = vec![0; MAX_VALUE_BYTES];
    let ops = vec![OpRef::Put { tree: 0, key: b"k", value: &value }; MAX_BATCH_OPS];
    assert!(matches!(check_ops(&ops), Err(Error::WalRecordTooLarge { .. })));
}

#[test]
fn every_flipped_bit_cut_and_other_position_or_store_is_seen() {
    let ops = [OpRef::Put { tree: 3, key: b"key", value: b"value" }];
    let bytes = record(64, &ops);
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&bad, 64, seed(&STORE)).is_err(), "bit {bit}");
    }
    for len in 0..bytes.len() {
        assert_eq!(decode(&bytes[..len], 64, seed(&STORE)), Err(Bad::Short));
    }
    assert_eq!(decode(&bytes, 72, seed(&STORE)), Err(Bad::Position));
    assert_eq!(decode(&bytes, 64, seed(b"another store id")), Err(Bad::Checksum));
    let mut longer = bytes.clone();
    longer.extend_from_slice(&bytes);
    assert!(decode(&longer, 64, seed(&STORE)).is_ok(), "what follows does not matter");
}

#[test]
fn whole_records_of_another_make_are_named() {
    let ops = [OpRef::Put { tree: 3, key: b"key", value: b"value" }];
    let plant = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = record(64, &ops);
        edit(&mut bytes);
        reseal(&mut bytes);
        decode(&bytes, 64, seed(&STORE)).map(|_| ())
    };
    assert_eq!(plant(&|_| ()), Ok(()));
    for kind in [0, 4, 255] {
        let foreign = plant(&|bytes| bytes[HEADER_BYTES - 1] = kind);
        assert_eq!(foreign, Err(Bad::Foreign("unknown kind of record")));
    }
    let count = plant(&|bytes| bytes[HEADER_BYTES] = 2);
    assert_eq!(count, Err(Bad::Foreign("operations do not decode")));
    let tag = plant(&|bytes| bytes[HEADER_BYTES + 1] = 9);
    assert_eq!(tag, Err(Bad::Foreign("operations do not decode")));
    let padding = plant(&|bytes| *bytes.last_mut().unwrap() = 1);
    assert_eq!(padding, Err(Bad::Foreign("bytes after the body")));
    let synced = plant(&|bytes| bytes[16] = 65);
    assert_eq!(synced, Err(Bad::Foreign("synced mark past the record")));

    let mut out = Vec::new();
    let bodies = [(CUT_BYTES, NewBody::Cut), (EPOCH_BYTES, NewBody::Epoch { ceiling: 4096 })];
    for (len, body) in bodies {
        encode(&mut out, seed(&STORE), (64, 0), len, &body);
        let view = decode(&out, 64, seed(&STORE)).unwrap();
        assert!(matches!(view.body, Body::Cut | Body::Epoch { ceiling: 4096 }));
        assert_eq!(view.ops().count(), 0);
    }
    for ceiling in [0, 64, 4097, MAX_LSN + 8, u64::MAX] {
        encode(&mut out, seed(&STORE), (64, 0), EPOCH_BYTES, &NewBody::Epoch { ceiling });
        let found = decode(&out, 64, seed(&STORE));
        assert_eq!(found, Err(Bad::Foreign("impossible ceiling")), "{ceiling}");
    }
    let huge = u64::MAX - 7;
    encode(&mut out, seed(&STORE), (huge, 0), CUT_BYTES, &NewBody::Cut);
    assert!(matches!(decode(&out, huge, seed(&STORE)), Err(Bad::Foreign(_))));
}

#[test]
fn random_bytes_decode_or_say_why() {
    let mut random = Random::new(7);
    let template = record(64, &[OpRef::Put { tree: 3, key: b"key", value: b"value" }; 3]);
    let mut whole = 0;
    for _ in 0..repeats(100_000, 300) {
        let mut bytes = template.clone();
        for _ in 0..=random.below(6) {
            let at = random.below(bytes.len());
            bytes[at] = random.next() as u8;
        }
        let len = bytes.len() as u32;
        bytes[..4].copy_from_slice(&len.to_le_bytes());
        bytes[8..16].copy_from_slice(&64u64.to_le_bytes());
        reseal(&mut bytes);
        if let Ok(view) = decode(&bytes, 64, seed(&STORE)) {
            whole += view.ops().count();
        }
        bytes.truncate(random.below(bytes.len()));
        assert!(decode(&bytes, 64, seed(&STORE)).is_err());
    }
    assert!(whole > 0);
    for len in 0..200 {
        let bytes: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        assert!(decode(&bytes, 0, seed(&STORE)).is_err());
    }
}
