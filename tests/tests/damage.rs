//! Files that were cut off, flipped, mixed up or never ours: a typed error or the right answer,
//! never a wrong one, never an empty store, and a foreign file stays as it is.

use holt_engine::db::Tree;
use holt_engine::error::Error;
use holt_engine::geometry::Geometry;
use holt_tests::script::Op;
use holt_tests::simdisk::run::{apply, digest, options};
use holt_tests::simdisk::script::{History, preload};
use holt_tests::simdisk::store::{BLOBS, LOG, Mode, open_store};
use holt_tests::simdisk::{Choice, Damage, SimDisk};
use holt_tests::workload::rand_of;
use rand::Rng;

fn open(disk: &SimDisk) -> Result<Tree, Error> {
    let mode = Mode::Create(Geometry::new(16 * 1024)?, *b"a store in tests");
    let devices = open_store(disk, mode)?;
    Tree::open_with_devices(devices.blobs, Some(devices.log), options(true))
}

/// A store with a published state and, if asked for, synced records in its log; the states
/// since the published one.
fn store(records: usize, logged: usize) -> (SimDisk, History) {
    let disk = SimDisk::new();
    let mut history = History::new();
    let tree = open(&disk).unwrap();
    for op in [preload(9, records), Op::Checkpoint] {
        apply(&tree, &op).unwrap();
        history.apply(&op);
    }
    history.restart();
    for number in 0..logged {
        let key = format!("logged {number}").into_bytes();
        let op = Op::Put { key: key.into(), value: vec![number as u8; 40].into() };
        apply(&tree, &op).unwrap();
        history.apply(&op);
    }
    drop(tree);
    (disk.crash(Choice::KeepAll), history)
}

/// What came of opening and reading a damaged store.
#[derive(Default)]
struct Count {
    refused: u64,
    unread: u64,
    same: u64,
    older: u64,
}

/// Opens and reads everything. `least`: the first state that is a right answer.
fn judge(disk: &SimDisk, history: &History, least: usize, count: &mut Count) -> Result<(), String> {
    let tree = match open(disk) {
        Ok(tree) => tree,
        Err(error) => {
            count.refused += 1;
            return typed(&error);
        }
    };
    let found = match digest(&tree) {
        Ok(found) => found,
        Err(error) => {
            count.unread += 1;
            typed(&error)?;
            // Damage of one page leaves the others readable, and right.
            for (key, value) in history.records() {
                match tree.get(key) {
                    Ok(Some(found)) if found == *value => {}
                    Ok(None) if key.starts_with(b"logged") && least < history.len() => {}
                    Ok(found) => return Err(format!("a wrong value: {found:?}")),
                    Err(error) => typed(&error)?,
                }
            }
            return Ok(());
        }
    };
    match history.between(least, history.len()).iter().rposition(|state| *state == found) {
        Some(at) if least + at == history.len() => count.same += 1,
        Some(_) => count.older += 1,
        None => return Err("another state than any that was".into()),
    }
    Ok(())
}

fn typed(error: &Error) -> Result<(), String> {
    match error {
        Error::Corrupt(_) | Error::NotAStore { .. } | Error::UnsupportedFormat { .. } => Ok(()),
        // A length that was damaged may lead a read past the end of the file.
        Error::BlobStoreIo(_) => Ok(()),
        other => Err(format!("an error that does not tell: {other:?}")),
    }
}

#[test]
fn one_flipped_bit_anywhere() {
    let most: usize = std::env::var("HOLT_FLIPS").ok().map_or(12_000, |n| n.parse().unwrap());
    let mut count = Count::default();
    let mut rng = rand_of(1);
    for (records, logged) in [(0, 0), (60, 0), (40, 8)] {
        let (disk, history) = store(records, logged);
        for file in [BLOBS, LOG] {
            let bits = disk.snapshot_bytes(file).unwrap_or_default().len() * 8;
            let draws = most / 6;
            for draw in 0..draws.min(bits) {
                let bit = match bits <= draws {
                    true => draw as u64,
                    false => rng.random_range(0..bits as u64),
                };
                let copy = disk.crash(Choice::KeepAll);
                copy.damage(file, &Damage::FlipBit(bit)).unwrap();
                // A record can be told from a torn tail only if a later one says it was synced:
                // the last record may go.
                let least = history.len().saturating_sub(usize::from(file == LOG));
                judge(&copy, &history, least, &mut count)
                    .unwrap_or_else(|what| panic!("bit {bit} of {file} ({logged} logged): {what}"));
            }
        }
    }
    let Count { refused, unread, same, older } = count;
    println!(
        "bit flips: {refused} refused at opening, {unread} when read, {same} harmless, {older} \
         took a torn tail off; wrong answers 0"
    );
    assert!(refused > 0 && unread > 0 && same > 0);
}

#[test]
fn zeroed_stale_and_misdirected_sectors() {
    let mut count = Count::default();
    let mut rng = rand_of(2);
    let (disk, history) = store(60, 6);
    let size = disk.snapshot_bytes(BLOBS).unwrap().len() as u64;
    for _ in 0..3000 {
        let copy = disk.crash(Choice::KeepAll);
        let offset = rng.random_range(0..size) / 512 * 512;
        let len = 512 << rng.random_range(0..5);
        let damage = match rng.random_range(0..2) {
            0 => Damage::Zero { offset, len },
            _ => {
                Damage::Misdirected { from: offset, to: rng.random_range(0..size) / 512 * 512, len }
            }
        };
        copy.damage(BLOBS, &damage).unwrap();
        judge(&copy, &history, history.len(), &mut count)
            .unwrap_or_else(|what| panic!("{damage:?}: {what}"));
    }
    // Stale sectors: of the run that made the store.
    let disk = SimDisk::new();
    let mut history = History::new();
    let tree = open(&disk).unwrap();
    for round in 0..4 {
        for op in [preload(round, 60), Op::Checkpoint] {
            apply(&tree, &op).unwrap();
            history.apply(&op);
        }
    }
    drop(tree);
    let bytes = disk.snapshot_bytes(BLOBS).unwrap();
    let (events, log) = (disk.events(), disk.snapshot_bytes(LOG).unwrap());
    for _ in 0..2000 {
        let offset = rng.random_range(0..bytes.len() as u64) / 4096 * 4096;
        let event = rng.random_range(0..events);
        let damage = Damage::Stale { offset, len: 4096, event };
        disk.damage(BLOBS, &damage).unwrap();
        let copy = disk.crash(Choice::KeepAll);
        disk.load(BLOBS, &bytes);
        disk.load(LOG, &log);
        judge(&copy, &history, history.len(), &mut count)
            .unwrap_or_else(|what| panic!("{damage:?}: {what}"));
    }
    let Count { refused, unread, same, .. } = count;
    println!("sectors: {refused} refused at opening, {unread} when read, {same} harmless");
    assert!(refused > 0 && unread > 0 && same > 0);
}

#[test]
fn files_cut_off_anywhere() {
    let mut count = Count::default();
    let (disk, history) = store(40, 8);
    for file in [BLOBS, LOG] {
        let size = disk.snapshot_bytes(file).unwrap().len() as u64;
        let step = (size / 1500).max(1) as usize;
        for len in (0..size).step_by(step).chain([size - 1]) {
            let copy = disk.crash(Choice::KeepAll);
            copy.damage(file, &Damage::Truncated(len)).unwrap();
            // Nothing in a log that was cut between records tells that there was more.
            let least = if file == LOG { 0 } else { history.len() };
            judge(&copy, &history, least, &mut count)
                .unwrap_or_else(|what| panic!("{file} cut to {len} of {size}: {what}"));
        }
    }
    let Count { refused, unread, same, older } = count;
    println!(
        "cut off: {refused} refused, {unread} when read, {same} harmless, {older} shorter log"
    );
    assert!(refused > 0);
}

#[test]
fn foreign_files_are_refused_and_left_alone() {
    let mut rng = rand_of(3);
    let (store, _) = store(20, 3);
    let (blobs, log) = (store.snapshot_bytes(BLOBS).unwrap(), store.snapshot_bytes(LOG).unwrap());
    let own = blobs.clone();
    let mut cases: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for len in [1, 100, 511, 512, 4095, 4096, 4097, 8192, 8193, 12_288, 100_000] {
        let random: Vec<u8> = (0..len).map(|_| rng.random()).collect();
        cases.push((random.clone(), Vec::new()));
        cases.push((random.clone(), log.clone()));
        cases.push((blobs.clone(), random));
        cases.push((vec![b'a'; len], Vec::new()));
    }
    for len in [8193, 12_288, 100_000] {
        cases.push((vec![0; len], Vec::new()));
    }
    // A log without its store must not become a new store.
    cases.push((Vec::new(), log.clone()));
    cases.push((vec![0; 4096], log.clone()));
    cases.push((log.clone(), log.clone()));
    cases.push((blobs.clone(), blobs.clone()));
    // A log of another store.
    let other = SimDisk::new();
    let mode = Mode::Create(Geometry::default(), *b"another identity");
    let devices = open_store(&other, mode).unwrap();
    let tree = Tree::open_with_devices(devices.blobs, Some(devices.log), options(true)).unwrap();
    apply(&tree, &preload(1, 3)).unwrap();
    cases.push((blobs.clone(), other.snapshot_bytes(LOG).unwrap()));
    cases.push((other.snapshot_bytes(BLOBS).unwrap(), log));
    for (number, (blobs, log)) in cases.iter().enumerate() {
        let disk = SimDisk::new();
        for (name, bytes) in [(BLOBS, blobs), (LOG, log)] {
            if !bytes.is_empty() {
                disk.load(name, bytes);
            }
        }
        let error = open(&disk).err().unwrap_or_else(|| panic!("case {number} was opened"));
        typed(&error).unwrap_or_else(|what| panic!("case {number}: {what}"));
        // A store of ours beside a foreign log may have its own slots repaired.
        if *blobs != own {
            assert_eq!(disk.snapshot_bytes(BLOBS).unwrap_or_default(), *blobs, "case {number}");
        }
        assert_eq!(disk.snapshot_bytes(LOG).unwrap_or_default(), *log, "case {number}");
        let mode = Mode::ReadOnly;
        assert!(open_store(&disk, mode).is_err(), "case {number} was opened for reading");
    }
    println!("foreign files: {} cases refused, bytes unchanged", cases.len());
}

#[test]
fn a_lost_log_is_noticed_or_harmless() {
    let (disk, history) = store(40, 8);
    let copy = SimDisk::new();
    copy.load(BLOBS, &disk.snapshot_bytes(BLOBS).unwrap());
    let mut count = Count::default();
    judge(&copy, &history, 0, &mut count).unwrap();
    // An idle store needs no log.
    let (disk, history) = store(40, 0);
    let tree = open(&disk).unwrap();
    apply(&tree, &Op::Checkpoint).unwrap();
    drop(tree);
    let copy = SimDisk::new();
    copy.load(BLOBS, &disk.snapshot_bytes(BLOBS).unwrap());
    judge(&copy, &history, history.len(), &mut count).unwrap();
    assert_eq!(count.same, 1);
}
