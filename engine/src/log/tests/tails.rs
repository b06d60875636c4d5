//! Damage at every position of a small log: torn, cut off, flipped, recycled.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Device, LogState, Records, is_log_damage, new_log, open, put};
use crate::error::{Error, Result};
use crate::ids::Lsn;
use crate::limits::LSN_STRIDE;
use crate::random::{Random, repeats};

/// A log of eight records of which the first `synced` were synced, and its last record was
/// written after that; with the state of its beginning.
fn small_log(synced: usize) -> (Arc<Device>, Records, Lsn) {
    let (device, mut log) = new_log(LSN_STRIDE);
    let mut records = Vec::new();
    let mut mark = 0;
    for index in 0..8u8 {
        if index as usize == synced {
            log.sync().unwrap();
            mark = log.end();
        }
        let key = [b'k', index];
        records.push((log.append_ops(&[put(&key, &[index; 20])]).unwrap(), key.to_vec()));
    }
    (device, records, mark)
}

/// What must come back if the log is bad from `at` on: refused if `at` was durable and a record
/// tells, else the records before it.
fn check(
    result: Result<(super::Log, super::Recovery, Records)>,
    all: &Records,
    at: Lsn,
    mark: Lsn,
) {
    let whole = all.iter().take_while(|(lsn, _)| *lsn <= at).count();
    let before = &all[..whole.saturating_sub(1)];
    match result {
        Ok((_, recovery, seen)) => {
            assert!(at >= mark, "damage at {at} below {mark} was not seen");
            assert_eq!(seen, before);
            assert!(recovery.end <= at);
        }
        Err(error) => {
            assert!(is_log_damage(&error), "{error}");
            assert!(at < mark, "torn tail at {at} above {mark} was refused");
        }
    }
}

#[test]
fn one_flipped_bit_anywhere() {
    for synced in [0, 1, 4, 7] {
        let (device, records, mark) = small_log(synced);
        let len = device.0.lock().bytes.len();
        for bit in (0..len * 8).step_by(repeats(1, 61)) {
            let copy = device.copy();
            copy.edit(|inner| inner.bytes[bit / 8] ^= 1 << (bit % 8));
            // The last record alone cannot prove anything about itself; any other is followed
            // by a whole record that carries the mark.
            check(open(&copy, LogState::default(), LSN_STRIDE), &records, bit as u64 / 8, mark);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn zeroed_or_torn_from_any_position_on() {
    for synced in [1, 4, 7] {
        let (device, records, mark) = small_log(synced);
        let first = records[0].0;
        // Without a whole record that carries the mark, only a published state can tell.
        let state = LogState { cut: 0, ceiling: LSN_STRIDE, synced: mark };
        let len = device.0.lock().bytes.len() as u64;
        for at in first..len {
            for fill in [Some(0), Some(0xff), None] {
                let copy = device.copy();
                copy.edit(|inner| match fill {
                    Some(byte) => inner.bytes[at as usize..].fill(byte),
                    None => inner.bytes.truncate(at as usize),
                });
                let unchanged = copy.0.lock().bytes == device.0.lock().bytes;
                if unchanged {
                    continue;
                }
                let bad = first_difference(&device, &copy);
                if fill.is_none() && records.iter().any(|(lsn, _)| *lsn == at) {
                    // Cut between two records: a clean end, unless more was durable.
                    let result = open(&copy, state, LSN_STRIDE);
                    assert_eq!(result.is_err(), at < mark);
                    continue;
                }
                check(open(&copy, state, LSN_STRIDE), &records, bad, mark);
            }
        }
    }
}

fn first_difference(left: &Device, right: &Device) -> Lsn {
    let (left, right) = (left.0.lock(), right.0.lock());
    let same = left.bytes.iter().zip(&right.bytes).take_while(|(a, b)| a == b).count();
    same as Lsn
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn any_torn_middle_of_an_unsynced_log_is_a_torn_tail() {
    let (device, records, _) = small_log(0);
    let len = device.0.lock().bytes.len();
    let mut random = Random::new(3);
    for _ in 0..3000 {
        let copy = device.copy();
        let start = records[0].0 as usize + random.below(len - records[0].0 as usize);
        let end = start + random.below(len - start + 1);
        copy.edit(|inner| inner.bytes[start..end].iter_mut().for_each(|byte| *byte = !*byte));
        let (_, recovery, seen) = open(&copy, LogState::default(), LSN_STRIDE).unwrap();
        let whole = records.iter().take_while(|(lsn, _)| *lsn as usize <= start).count();
        let expected = if start == end { records.len() } else { whole - 1 };
        assert_eq!(seen, records[..expected]);
        assert_eq!(recovery.torn, start != end);
    }
}

#[test]
fn recycled_bytes_of_an_earlier_use_never_count() {
    // The same records at earlier positions stand where the log goes on.
    let (old, old_records, _) = small_log(4);
    let (device, mut log) = new_log(LSN_STRIDE);
    let first = log.append_ops(&[put(b"new", b"")]).unwrap();
    let stale = old.0.lock().bytes.clone();
    for (lsn, _) in &old_records {
        let copy = device.copy();
        copy.edit(|inner| {
            let end = inner.bytes.len();
            let from = (*lsn as usize).max(end);
            // Keep the stale bytes off their own positions, as another epoch would.
            inner.bytes.extend_from_slice(&stale[*lsn as usize..]);
            if *lsn as usize == from {
                inner.bytes.truncate(end);
            }
        });
        let (_, _, seen) = open(&copy, LogState::default(), LSN_STRIDE).unwrap();
        assert_eq!(seen, [(first, b"new".to_vec())]);
    }
}

#[test]
fn a_search_for_proof_is_bounded_on_hostile_bytes() {
    let (device, mut log) = new_log(LSN_STRIDE);
    log.append_ops(&[put(b"a", b"")]).unwrap();
    let end = log.end();
    device.edit(|inner| {
        // A bad record, then starts of records that claim to be huge and to prove something.
        inner.bytes.extend_from_slice(&[0; 32]);
        for at in (end + 32..end + (1 << 20)).step_by(24) {
            inner.bytes.extend_from_slice(&(512u32 << 10).to_le_bytes());
            inner.bytes.extend_from_slice(&[0; 4]);
            inner.bytes.extend_from_slice(&at.to_le_bytes());
            inner.bytes.extend_from_slice(&(end + 8).to_le_bytes());
        }
    });
    let (_, recovery, _) = open(&device, LogState::default(), LSN_STRIDE).unwrap();
    assert_eq!((recovery.end, recovery.torn), (end, true));
}

#[test]
fn random_logs_open_or_say_why() {
    let mut random = Random::new(11);
    let (device, records, _) = small_log(4);
    for _ in 0..repeats(20_000, 100) {
        let copy = device.copy();
        copy.edit(|inner| {
            for _ in 0..=random.below(4) {
                let at = random.below(inner.bytes.len());
                inner.bytes[at] = random.next() as u8;
            }
            let len = inner.bytes.len();
            if random.below(3) == 0 {
                inner.bytes.truncate(random.below(len));
            }
        });
        match open(&copy, LogState::default(), LSN_STRIDE) {
            Ok((.., seen)) => assert!(records.starts_with(&seen)),
            Err(error) => assert!(matches!(error, Error::Corrupt(_))),
        }
    }
}
