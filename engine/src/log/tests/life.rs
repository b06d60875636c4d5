//! Opening, epochs, ceilings, checkpoints, poison.

use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::{Device, LogState, STORE, is_log_damage, new_log, open, put};
use crate::codec::bytes::Reader;
use crate::device::LogDevice;
use crate::error::{CorruptionClass, Error};
use crate::limits::*;
use crate::log::Log;
use crate::random::repeats;

const STRIDE: u64 = 4096;

/// What follows a publish.
fn give_back(log: &mut Log, cut: u64) -> Result<(), Error> {
    match log.after_publish(cut)? {
        Some((device, before)) => log.gave_back(device.truncate(before)),
        None => Ok(()),
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn what_was_appended_is_replayed_once_in_order() {
    let (device, mut log) = new_log(LSN_STRIDE);
    let mut expected = Vec::new();
    for index in 0..1000 {
        let key = format!("key {index}");
        let value = vec![7; index * 13 % 4000];
        expected.push((log.append_ops(&[put(key.as_bytes(), &value)]).unwrap(), key.into_bytes()));
    }
    let large = vec![1; MAX_VALUE_BYTES];
    let ops: Vec<_> = (0..15).map(|_| put(b"large", &large)).collect();
    expected.push((log.append_ops(&ops).unwrap(), b"large".to_vec()));
    expected.push((log.append_ops(&[put(b"last", b"")]).unwrap(), b"last".to_vec()));
    let (again, recovery, seen) = open(&device, LogState::default(), LSN_STRIDE).unwrap();
    assert_eq!(seen, expected);
    assert_eq!((recovery.end, recovery.torn), (log.end(), false));
    assert!(again.is_sealed());

    // From a cut on, only what follows.
    let cut = seen[500].0;
    let state = LogState { cut, ..log.state(0) };
    assert_eq!(open(&device, state, LSN_STRIDE).unwrap().2, expected[500..]);
}

#[test]
fn a_sealed_log_takes_nothing() {
    let device = Arc::new(Device::default());
    let (mut log, ..) = open(&device, LogState::default(), STRIDE).unwrap();
    assert!(matches!(log.append_ops(&[put(b"", b"")]), Err(Error::InvalidArgument { .. })));
    assert!(matches!(log.append_cut(), Err(Error::InvalidArgument { .. })));
    assert_eq!(device.0.lock().changes, 0);
    log.begin_epoch().unwrap();
    log.begin_epoch().unwrap();
    assert_eq!(device.0.lock().syncs, 1, "begun once");
    log.append_ops(&[put(b"", b"")]).unwrap();
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn positions_never_repeat_when_an_unsynced_tail_is_lost() {
    for lost in 0..40 {
        let (device, mut log) = new_log(STRIDE);
        let mut highest = 0;
        for _ in 0..200 {
            let synced = device.copy();
            for _ in 0..lost {
                let ops = [put(b"k", &[1; 100]), put(b"l", b"")];
                let lsn = log.append_ops(&ops).unwrap();
                assert!(lsn > highest);
                highest = Log::version(lsn, 1).as_u64();
                assert!(log.end() <= log.state(0).ceiling);
            }
            // Power is lost: only what the device held at its last sync is there.
            let syncs = device.0.lock().syncs;
            if syncs == synced.0.lock().syncs {
                device.edit(|inner| *inner = synced.0.lock().clone());
            }
            let (next, ..) = open(&device, LogState::default(), STRIDE).unwrap();
            log = next;
            assert!(log.state(0).ceiling > highest);
            log.begin_epoch().unwrap();
        }
    }
}

#[test]
fn the_ceiling_is_durable_before_a_record_passes_it() {
    let (device, mut log) = new_log(STRIDE);
    let mut durable = log.state(0).ceiling;
    let value = vec![0; 3 * STRIDE as usize];
    for index in 0..500 {
        let syncs = device.0.lock().syncs;
        let len = if index % 7 == 0 { value.len() } else { index };
        log.append_ops(&[put(b"k", &value[..len])]).unwrap();
        if log.end() > durable {
            assert!(device.0.lock().syncs > syncs);
            durable = log.state(0).ceiling;
        }
        assert!(log.end() <= durable);
    }
}

#[test]
fn nobody_waits_for_a_ceiling_that_was_promised_in_time() {
    let (device, mut log) = new_log(STRIDE);
    let (mut hoped, mut waited) = (0, 0);
    for index in 0..3000 {
        let syncs = device.0.lock().syncs;
        log.append_ops(&[put(b"k", &[0; 20])]).unwrap();
        waited += device.0.lock().syncs - syncs;
        // Someone who has time looks now and then.
        if index % 3 == 0
            && let Some(end) = log.hoped()
        {
            log.durable().wait(end).unwrap();
            hoped += 1;
        }
        if index % 50 == 0 {
            log.append_cut().unwrap();
        }
    }
    assert!(hoped > 20 && waited == 0, "{waited} writes waited, {hoped} times was in time");
}

#[test]
fn a_promise_that_a_cut_left_behind_does_not_hold() {
    for when in (0..60).step_by(repeats(1, 7)) {
        let (device, mut log) = new_log(STRIDE);
        for _ in 0..when {
            log.append_ops(&[put(b"k", &[0; 20])]).unwrap();
        }
        // Made or not, it goes with the log before the cut; only what is published is known then.
        let cut = log.append_cut().unwrap();
        let state = log.state(cut);
        log.sync().unwrap();
        give_back(&mut log, cut).unwrap();
        for _ in 0..60 {
            log.append_ops(&[put(b"k", &[0; 20])]).unwrap();
            // What was not synced is lost.
            let held = device.0.lock().bytes.clone();
            let durable = log.synced().max(cut) - cut;
            device.edit(|inner| inner.bytes.truncate(durable as usize));
            let (again, ..) = open(&device, state, STRIDE).unwrap();
            device.edit(|inner| inner.bytes = held);
            let (above, end) = (again.ceiling(), log.end());
            assert!(above >= end, "a cut after {when}: {end} was reached, {above} is known");
        }
    }
}

#[test]
fn an_idle_log_shrinks_to_nothing_and_goes_on() {
    let (device, mut log) = new_log(LSN_STRIDE);
    log.append_ops(&[put(b"a", b"1")]).unwrap();
    log.append_ops(&[put(b"b", b"2")]).unwrap();
    let cut = log.append_cut().unwrap();
    assert!(log.bytes_since(0) > 0);
    let state = log.state(cut);
    give_back(&mut log, cut).unwrap();
    assert_eq!((log.allocated().unwrap(), log.bytes_since(cut)), (0, 0));
    let later = log.append_ops(&[put(b"c", b"3")]).unwrap();
    assert_eq!(later, cut);
    let (_, recovery, seen) = open(&device, state, LSN_STRIDE).unwrap();
    assert_eq!(seen, [(later, b"c".to_vec())]);
    assert_eq!(recovery.records, 1);

    // A write between the cut and the publish keeps the log from being emptied.
    let cut = log.append_cut().unwrap();
    log.append_ops(&[put(b"d", b"4")]).unwrap();
    give_back(&mut log, cut).unwrap();
    assert_eq!(log.bytes_since(cut), log.end() - cut);
    assert_eq!(open(&device, log.state(cut), LSN_STRIDE).unwrap().2.len(), 1);
}

#[test]
fn a_sealed_log_is_emptied_by_a_checkpoint_and_reopens_twice() {
    let (device, mut log) = new_log(STRIDE);
    for _ in 0..100 {
        log.append_ops(&[put(b"a", b"1")]).unwrap();
    }
    device.edit(|inner| inner.bytes.extend_from_slice(&[0xff; 100]));
    let (mut log, recovery, _) = open(&device, LogState::default(), STRIDE).unwrap();
    assert!(recovery.torn);
    let state = log.state(log.end());
    let end = log.end();
    give_back(&mut log, end).unwrap();
    assert_eq!(log.allocated().unwrap(), 0);
    for _ in 0..2 {
        let (_, recovery, _) = open(&device, state, STRIDE).unwrap();
        assert_eq!((recovery.records, recovery.torn), (0, false));
    }
    let (mut log, ..) = open(&device, state, STRIDE).unwrap();
    log.begin_epoch().unwrap();
    let lsn = log.append_ops(&[put(b"a", b"1")]).unwrap();
    assert!(lsn >= state.ceiling);
    assert_eq!(open(&device, state, STRIDE).unwrap().2.len(), 1);

    // Published within the epoch, the state proves that the log must be there.
    let state = log.state(0);
    let gone = Arc::new(Device::default());
    assert!(is_log_damage(&open(&gone, state, STRIDE).err().unwrap()));
}

#[test]
fn a_log_that_starts_behind_the_cut_is_damage() {
    let (device, mut log) = new_log(LSN_STRIDE);
    let state = log.state(0);
    log.append_ops(&[put(b"a", b"1")]).unwrap();
    let next = log.append_ops(&[put(b"b", b"2")]).unwrap();
    device.truncate(next).unwrap();
    assert!(is_log_damage(&open(&device, state, LSN_STRIDE).err().unwrap()));
    device.edit(|inner| inner.start = u64::MAX - 4096);
    assert!(is_log_damage(&open(&device, state, LSN_STRIDE).err().unwrap()));
}

#[test]
fn positions_run_out_with_an_error() {
    let device = Arc::new(Device::default());
    device.edit(|inner| inner.start = MAX_LSN - 64);
    let (mut log, ..) = open(&device, LogState::default(), STRIDE).unwrap();
    assert!(matches!(log.begin_epoch(), Err(Error::QuotaExceeded { .. })));
}

#[test]
fn after_any_failure_everything_is_refused_and_what_was_synced_is_there() {
    for fail_at in 0..40 {
        let device = Arc::new(Device::default());
        let (mut log, ..) = open(&device, LogState::default(), 600).unwrap();
        device.edit(|inner| inner.fail_at = Some(fail_at));
        let mut acknowledged = 0;
        let mut run = || {
            log.begin_epoch()?;
            for index in 0..20 {
                log.append_ops(&[put(b"k", &[index; 50])])?;
                if index % 3 == 0 {
                    log.sync()?;
                }
                acknowledged += 1;
            }
            Ok(())
        };
        let outcome: Result<(), Error> = run();
        let changes = device.0.lock().changes;
        if let Err(error) = outcome {
            assert!(matches!(&error, Error::BlobStoreIo(_)), "{error}");
            let poisoned = Error::Poisoned { cause: error.to_string() };
            assert_eq!(log.append_ops(&[put(b"k", b"")]), Err(poisoned.clone()));
            assert_eq!(log.append_cut(), Err(poisoned.clone()));
            assert_eq!(log.sync(), Err(poisoned.clone()));
            assert_eq!(give_back(&mut log, 0), Err(poisoned.clone()));
            assert_eq!(device.0.lock().changes, changes, "the device was not called again");
        }
        device.edit(|inner| inner.fail_at = None);
        let (_, recovery, _) = open(&device, LogState::default(), 600).unwrap();
        assert!(recovery.records >= acknowledged);
    }
}

#[test]
fn limits_refuse_before_anything_changes() {
    let (device, mut log) = new_log(LSN_STRIDE);
    let (changes, end) = (device.0.lock().changes, log.end());
    let value = vec![0; MAX_VALUE_BYTES];
    let ops: Vec<_> = (0..17).map(|_| put(b"k", &value)).collect();
    assert!(matches!(log.append_ops(&ops), Err(Error::WalRecordTooLarge { .. })));
    assert!(log.append_ops(&[]).is_err());
    assert_eq!((device.0.lock().changes, log.end()), (changes, end));
    log.append_ops(&[put(b"k", b"v")]).unwrap();
}

#[test]
fn an_error_of_the_caller_ends_the_replay() {
    let (device, mut log) = new_log(LSN_STRIDE);
    log.append_ops(&[put(b"a", b"1")]).unwrap();
    let device: Arc<dyn LogDevice> = device;
    let refused =
        Log::open(device, STORE, LogState::default(), &mut |_| Err(Error::NotFound)).err();
    assert_eq!(refused, Some(Error::NotFound));
}

#[test]
fn states_come_back_and_impossible_ones_are_refused() {
    let mut out = Vec::new();
    let state = LogState { cut: 64, ceiling: 4096, synced: 128 };
    state.encode(&mut out);
    assert_eq!(out.len(), LogState::BYTES);
    assert_eq!(LogState::decode(&mut Reader::new(&out)), Ok(state));
    for len in 0..out.len() {
        assert!(LogState::decode(&mut Reader::new(&out[..len])).is_err());
    }
    let bad = [(8, 0, 0), (0, 0, 8), (1, 8, 0), (0, 9, 0), (0, 8, 4), (0, MAX_LSN + 8, 0)];
    for (cut, ceiling, synced) in bad {
        out.clear();
        LogState { cut, ceiling, synced }.encode(&mut out);
        let error = LogState::decode(&mut Reader::new(&out)).err().unwrap();
        assert!(matches!(error, Error::Corrupt(found) if found.class == CorruptionClass::Root));
    }
}
