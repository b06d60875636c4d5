//! Tests of the simulated disk itself: what may be lost, what may not, and that it can all be
//! had again from a seed.

use std::collections::BTreeSet;

use holt_engine::device::PositionedIo;
use holt_engine::error::IoErrorKind;

use super::*;

fn bytes(disk: &SimDisk) -> Vec<u8> {
    disk.snapshot_bytes("f").unwrap_or_default()
}

/// A disk with one synced sector of 1s and a file open.
fn synced() -> (SimDisk, SimFile) {
    let disk = SimDisk::new();
    let file = disk.file("f").unwrap();
    file.write_at(0, &[1; 512]).unwrap();
    file.sync().unwrap();
    (disk, file)
}

#[test]
fn what_was_synced_stays_and_what_was_not_may_go() {
    let (disk, file) = synced();
    file.write_at(0, &[2; 1024]).unwrap();
    assert_eq!(bytes(&disk), [2; 1024]);
    assert_eq!(bytes(&disk.crash(Choice::KeepAll)), [2; 1024]);
    assert_eq!(bytes(&disk.crash(Choice::LoseAll)), [1; 512]);
    assert_eq!(disk.pieces(), 3);
    let lose = |piece| bytes(&disk.crash(Choice::LoseOne(piece)));
    assert_eq!(lose(0), [[1; 512], [2; 512]].concat());
    assert_eq!(lose(1), [[2; 512], [0; 512]].concat());
    assert_eq!(lose(2), [2; 512]);
    assert_eq!(lose(3), [2; 1024], "there is no such piece");
    assert_eq!(bytes(&disk.crash(Choice::KeepOne(0))), [2; 512]);
    assert_eq!(bytes(&disk.crash(Choice::KeepOne(2))), [[1; 512], [0; 512]].concat());
    file.sync().unwrap();
    for seed in 0..50 {
        assert_eq!(bytes(&disk.crash(Choice::Seeded(seed))), [2; 1024]);
    }
}

#[test]
fn a_durable_write_stays_and_takes_nothing_with_it() {
    let (disk, file) = synced();
    file.write_at(0, &[2; 1536]).unwrap();
    file.write_durable(512, &[3; 512]).unwrap();
    file.write_at(512, &[4; 512]).unwrap();
    let after = |choice| bytes(&disk.crash(choice));
    assert_eq!(after(Choice::LoseAll), [[1; 512], [3; 512]].concat());
    assert_eq!(after(Choice::KeepAll), [[2; 512], [4; 512], [2; 512]].concat());
    let all: BTreeSet<Vec<u8>> = (0..500).map(|seed| after(Choice::Seeded(seed))).collect();
    assert!(all.iter().all(|found| matches!(found[512], 3 | 4)), "what was durable is gone");
    assert!(all.contains(&[[1; 512], [3; 512]].concat()) && all.iter().any(|found| found[0] == 2));
    let before = bytes(&disk.crash_at(4, Choice::LoseAll));
    assert_eq!(before, [1; 512], "before the call returned it was not");
}

#[test]
fn creation_is_lost_without_a_sync() {
    let disk = SimDisk::new();
    let file = disk.file("f").unwrap();
    file.write_at(0, b"x").unwrap();
    assert!(disk.exists("f") && !disk.crash(Choice::LoseAll).exists("f"));
    assert!(!disk.crash(Choice::LoseOne(0)).exists("f"));
    assert_eq!(disk.crash(Choice::KeepAll).names(), ["f"]);
    file.sync().unwrap();
    assert!(disk.crash(Choice::LoseAll).exists("f"));
    assert!(!disk.crash_at(2, Choice::LoseAll).exists("f"), "before the sync it was not there");
}

#[test]
fn a_crash_at_any_event_needs_no_second_run() {
    let (disk, file) = synced();
    let mut states = vec![(disk.events(), bytes(&disk))];
    for step in 0..40u8 {
        match step % 5 {
            0..=2 => file.write_at(u64::from(step) * 300, &[step; 700]).unwrap(),
            3 => file.set_len(u64::from(step) * 250).unwrap(),
            _ => file.sync().unwrap(),
        }
        states.push((disk.events(), bytes(&disk)));
    }
    for (event, expected) in &states {
        assert_eq!(&bytes(&disk.crash_at(*event, Choice::KeepAll)), expected, "event {event}");
    }
    for (event, expected) in states
        .iter()
        .skip(1)
        .filter(|(event, _)| disk.event(event - 1).is_some_and(|event| event.call == Call::Sync))
    {
        assert_eq!(&bytes(&disk.crash_at(*event, Choice::LoseAll)), expected);
        assert_eq!(disk.pieces_at(*event), 0);
    }
}

#[test]
fn a_sector_holds_one_of_its_versions() {
    let (disk, file) = synced();
    for version in 2..6u8 {
        file.write_at(u64::from(version) * 10, &[version; 10]).unwrap();
    }
    let mut versions: Vec<Vec<u8>> = vec![vec![1; 512]];
    for version in 2..6u8 {
        let mut next = versions.last().unwrap().clone();
        next[version as usize * 10..][..10].fill(version);
        versions.push(next);
    }
    let mut seen = BTreeSet::new();
    for seed in 0..500 {
        let found = bytes(&disk.crash(Choice::Seeded(seed)));
        seen.insert(versions.iter().position(|version| *version == found).unwrap());
    }
    assert_eq!(seen.len(), versions.len(), "every version turns up");
}

#[test]
fn seeds_reach_every_subset_and_repeat() {
    let (disk, file) = synced();
    file.write_at(0, &[2; 2048]).unwrap();
    let state = |seed| bytes(&disk.crash(Choice::Seeded(seed)));
    let all: BTreeSet<_> = (0..3000).map(state).collect();
    // Sixteen subsets of four sectors with the length, fewer without.
    assert!(all.len() >= 16, "{}", all.len());
    assert!(all.iter().any(|bytes| bytes.len() == 512));
    assert!(all.iter().any(|bytes| bytes.len() == 1024), "a torn length");
    assert!((0..100).all(|seed| state(seed) == state(seed)));
    assert_ne!(disk.crash(Choice::Reorder(3)).snapshot_bytes("f"), None);
}

#[test]
fn equal_runs_have_equal_hashes() {
    let run = |value: u8| {
        let (disk, file) = synced();
        file.write_at(5, &[value; 9]).unwrap();
        file.punch(0, 100).unwrap();
        disk.trace_hash()
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn faults_hit_the_call_they_name() {
    let (disk, file) = synced();
    let rule = |call, after, sticky, kind| Fault {
        call: Some(call),
        file: Some("f".into()),
        after,
        sticky,
        kind,
    };
    disk.inject(rule(Call::Write, 1, false, FaultKind::NoSpace));
    file.write_at(0, &[2; 10]).unwrap();
    let error = file.write_at(0, &[3; 2048]).unwrap_err();
    assert_eq!((error.kind, error.call.as_str()), (IoErrorKind::NoSpace, "write f"));
    assert_eq!(file.size().unwrap(), 1024, "half of it was written");
    file.write_at(0, &[4; 10]).unwrap();
    disk.clear_faults();
    disk.inject(rule(Call::Sync, 0, true, FaultKind::ReadOnly));
    for _ in 0..3 {
        assert_eq!(file.sync().unwrap_err().kind, IoErrorKind::ReadOnlyFilesystem);
    }
    disk.inject(Fault { call: None, ..rule(Call::Write, 0, true, FaultKind::Eio) });
    assert_eq!(file.set_len(0).unwrap_err().kind, IoErrorKind::Device);
    let mut buf = [0];
    file.read_at(0, &mut buf).unwrap();
    assert_eq!((buf, disk.faults_hit()), ([4], 5));
    assert!(file.read_at(1 << 60, &mut buf).is_err() && file.write_at(1 << 60, &buf).is_err());
}

#[test]
fn a_failed_sync_may_drop_what_was_dirty_for_good() {
    let mut kept = 0;
    for first in 2..40u8 {
        let (disk, file) = synced();
        file.write_at(0, &[first; 512]).unwrap();
        disk.inject(Fault {
            call: Some(Call::Sync),
            file: None,
            after: 0,
            sticky: false,
            kind: FaultKind::DropDirty,
        });
        file.sync().unwrap_err();
        file.write_at(512, &[9; 512]).unwrap();
        file.sync().unwrap();
        let after = bytes(&disk.crash(Choice::LoseAll));
        assert_eq!(after[512..], [9; 512]);
        kept += usize::from(after[0] == first);
        assert!(after[0] == first || after[0] == 1);
        assert_eq!(bytes(&disk)[0], first, "readers still see it");
    }
    assert!((1..38).contains(&kept), "{kept}");
}

#[test]
fn damage_shows_at_once_and_survives_a_crash() {
    let (disk, file) = synced();
    let before = disk.events();
    file.write_at(0, &[2; 4096]).unwrap();
    let damaged = |damage| {
        let copy = disk.crash(Choice::KeepAll);
        copy.damage("f", &damage).unwrap();
        assert_eq!(bytes(&copy), bytes(&copy.crash(Choice::LoseAll)));
        bytes(&copy)
    };
    assert_eq!(damaged(Damage::FlipBit(9))[1], 0);
    assert_eq!(damaged(Damage::FlipBit(1 << 40)), bytes(&disk));
    assert_eq!(damaged(Damage::Zero { offset: 10, len: 20 })[5..35].iter().max(), Some(&2));
    assert_eq!(damaged(Damage::Zero { offset: 10, len: 20 })[10..30], [0; 20]);
    assert_eq!(damaged(Damage::Truncated(7)), [2; 7]);
    assert!(disk.damage("none", &Damage::FlipBit(0)).is_err());
    disk.damage("f", &Damage::Stale { offset: 100, len: 1, event: before }).unwrap();
    assert_eq!(bytes(&disk)[..513], [&[1; 512][..], &[2]].concat());
    disk.damage("f", &Damage::Misdirected { from: 0, to: 1024, len: 512 }).unwrap();
    assert_eq!(bytes(&disk)[1023..1537], [&[2][..], &[1; 512], &[2]].concat());
}

#[test]
fn loaded_bytes_are_durable() {
    let disk = SimDisk::new();
    disk.load("f", b"hello");
    assert_eq!(bytes(&disk.crash(Choice::LoseAll)), b"hello");
    let file = disk.file("f").unwrap();
    assert_eq!(disk.events(), 0, "it was there already");
    file.write_at(5, b"!").unwrap();
    assert_eq!(file.allocated().unwrap(), 4096);
    file.punch(0, 1 << 40).unwrap();
    assert_eq!(file.size().unwrap(), 6);
}

#[test]
fn a_file_keeps_the_contract_of_its_trait() {
    use holt_engine::device::{Poison, conformance};
    let disk = SimDisk::new();
    conformance::positioned_io(|| disk.file("f").unwrap(), |file| file);
    let disk = SimDisk::new();
    let lose = |file: SimFile| {
        drop(file);
        disk.crash(Choice::LoseAll).file("f").unwrap()
    };
    conformance::positioned_io(|| disk.file("f").unwrap(), lose);
    conformance::positioned_io_poisons(|| SimDisk::new().file("f").unwrap(), Poison::new);
}

#[test]
fn packed_stores_and_logs_keep_their_contracts_on_it() {
    use holt_engine::device::{Access, Opened, PackedStore, PositionedLog, conformance};
    use holt_engine::geometry::Geometry;
    let disk = SimDisk::new();
    let open = |_| match PackedStore::open(disk.file("f").unwrap(), Access::ReadWrite).unwrap() {
        Opened::Store(store) => store,
        Opened::Blank(_) => panic!("the store is gone"),
    };
    let create =
        || PackedStore::create(disk.file("f").unwrap(), Geometry::default(), [1; 16]).unwrap();
    conformance::blob_store(create, open);
    let open = || PositionedLog::open(disk.file("l").unwrap(), [1; 16], Access::ReadWrite).unwrap();
    conformance::log_device(open, |log| {
        drop(log);
        open()
    });
}
