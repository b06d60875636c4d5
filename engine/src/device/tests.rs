//! The devices of this layer against their contracts, and damaged log files.

use alloc::sync::Arc;
use alloc::vec;

use super::*;
use crate::error::{CorruptionClass, Error};
use crate::geometry::Geometry;

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn memory_keeps_its_contracts() {
    conformance::positioned_io(MemoryIo::default, |io| MemoryIo::new(io.to_vec()));
    conformance::positioned_io_poisons(MemoryIo::default, Poison::new);
    let reopen = |store: MemoryBlobStore| {
        store.discard().expect("discard");
        store
    };
    conformance::blob_store(|| MemoryBlobStore::new(Geometry::default(), [1; 16]), reopen);
    conformance::log_device(MemoryLog::new, |log| log);
}

fn log<Io: PositionedIo>(io: Io) -> PositionedLog<Io> {
    PositionedLog::open(io, [3; 16], Access::ReadWrite).expect("open")
}

#[test]
fn the_positioned_log_keeps_its_contract() {
    let reopen = |old: PositionedLog<MemoryIo>| log(MemoryIo::new(old.io().to_vec()));
    conformance::log_device(|| log(MemoryIo::default()), reopen);
    conformance::log_device_poisons(MemoryIo::default, log);
}

#[test]
fn a_log_of_something_else_is_refused() {
    let io = Arc::new(MemoryIo::default());
    log(io.clone()).append(0, b"bytes").expect("append");
    let other = PositionedLog::open(io.clone(), [4; 16], Access::ReadWrite);
    assert!(matches!(other, Err(Error::NotAStore { .. })));
    let foreign = PositionedLog::open(MemoryIo::new(vec![9; 50]), [3; 16], Access::ReadWrite);
    assert!(matches!(foreign, Err(Error::NotAStore { .. })));
    // One slot may be lost, not both.
    let whole = io.to_vec();
    for first in 0..2 {
        let mut bytes = whole.clone();
        bytes[first * 4096 + 20] ^= 1;
        let kept = log(MemoryIo::new(bytes.clone())).bounds().expect("bounds");
        assert!(kept.end == 5 || kept.end == 0);
        bytes[(1 - first) * 4096 + 20] ^= 1;
        let damaged = PositionedLog::open(MemoryIo::new(bytes), [3; 16], Access::ReadWrite);
        let Err(Error::Corrupt(damage)) = damaged else { panic!("damage must be seen") };
        assert_eq!(damage.class, CorruptionClass::Log);
    }
}

#[test]
fn a_synced_log_survives_damage_to_either_slot() {
    let io = Arc::new(MemoryIo::default());
    let device = log(io.clone());
    device.append(0, b"bytes").expect("append");
    device.sync().expect("sync");
    device.reset(100).expect("reset");
    device.append(100, b"more").expect("append");
    device.sync().expect("sync");
    for slot in 0..2 {
        let mut bytes = io.to_vec();
        bytes[slot * 4096 + 20] ^= 1;
        let kept = log(MemoryIo::new(bytes)).bounds().expect("bounds");
        assert_eq!(kept, LogBounds { start: 100, end: 104 });
    }
}
