//! A directory of 100 000 records moves as a whole: for readers beside it, for a process that is
//! killed in the middle, and in the log, which holds the two names and not the records.
//!
//! `HOLT_MOVE_ROUNDS` (kills, default 30; `HOLT_QUICK` takes a tenth).

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use holt_engine::db::{RangeEntry, Tree};
use holt_tests::home::{FileSettings, open_files};
use holt_tests::moves::{Side, record_key, record_value};
use holt_tests::settings::number;
use holt_tests::workload::{Rand, rand_of};
use rand::Rng;

const RECORDS: u64 = 100_000;
const ROUNDS: u64 = 30;
/// Most bytes of log for one move.
const LOG_BYTES: u64 = 1024;
/// Records around the directory, which stay.
const NEIGHBOURS: [&[u8]; 4] = [b"home/a", b"home/b/x", b"home/moved", b"zoo"];

fn filled(folder: &Path) -> Tree {
    let tree = open_files(folder, &FileSettings::MOVER).expect("opens");
    let numbers: Vec<u64> = (0..RECORDS).collect();
    for part in numbers.chunks(1000) {
        let records: Vec<_> = part
            .iter()
            .map(|&number| (record_key(Side::A, number), record_value(number)))
            .collect();
        let lent: Vec<_> = records.iter().map(|(key, value)| (&key[..], &value[..])).collect();
        tree.put_many(&lent).expect("puts");
    }
    for key in NEIGHBOURS {
        tree.put(key, b"stays").expect("puts");
    }
    tree.checkpoint().expect("publishes");
    tree
}

/// Where the directory is, after every record of it and around it was looked at.
fn place_of(tree: &Tree) -> Side {
    let counts =
        [Side::A, Side::B].map(|side| tree.prefix_count(side.prefix(), 0).expect("counts").count);
    let side = match counts {
        [RECORDS, 0] => Side::A,
        [0, RECORDS] => Side::B,
        torn => panic!("half a move: {torn:?}"),
    };
    let mut expected: Vec<u64> = (0..RECORDS).collect();
    expected.sort_by_key(|&number| record_key(side, number));
    let mut numbers = expected.iter();
    for entry in tree.scan(side.prefix()) {
        let RangeEntry::Key { key, value, .. } = entry.expect("reads") else {
            panic!("nothing is rolled up");
        };
        let number = *numbers.next().expect("no record too many");
        assert!(key == record_key(side, number) && value == record_value(number), "{number}");
    }
    assert_eq!(numbers.next(), None, "no record is missing");
    for number in (0..RECORDS).step_by(997) {
        let value = tree.get(&record_key(side, number)).expect("reads");
        assert_eq!(value, Some(record_value(number)), "record {number}");
    }
    for key in NEIGHBOURS {
        assert_eq!(tree.get(key).expect("reads").as_deref(), Some(&b"stays"[..]));
    }
    let report = tree.verify().expect("verifies");
    assert!(report.is_clean(), "{:?}", report.damage);
    assert_eq!(report.records, RECORDS + NEIGHBOURS.len() as u64);
    side
}

#[test]
fn a_move_of_a_large_directory_is_one_small_record_of_the_log() {
    let folder = tempfile::tempdir().expect("a directory");
    let tree = filled(folder.path());
    let versions = |side| {
        [0, 1, RECORDS - 1]
            .map(|number| tree.get_version(&record_key(side, number)).expect("reads"))
    };
    let (before, lsn, began) = (versions(Side::A), tree.last_lsn(), Instant::now());
    let moved = tree.rename_prefix(Side::A.prefix(), Side::B.prefix(), false).expect("moves");
    let (took, bytes) = (began.elapsed(), tree.last_lsn() - lsn);
    println!("{moved} records moved in {:.1} ms by {bytes} bytes of log", took.as_secs_f64() * 1e3);
    assert_eq!(moved, RECORDS);
    assert!(bytes < LOG_BYTES);
    assert_eq!(versions(Side::B), before, "versions are kept");
    assert_eq!(place_of(&tree), Side::B);
    drop(tree);
    let tree = open_files(folder.path(), &FileSettings::MOVER).expect("opens");
    assert_eq!(tree.stats().expect("counts").replayed_records, 1);
    assert_eq!(place_of(&tree), Side::B, "replayed");
}

/// One round: the mover works from `side` on and is killed; how many moves it had acknowledged.
fn killed(folder: &Path, sync: bool, side: Side, rng: &mut Rand) -> u64 {
    let mut mover = Command::new(env!("CARGO_BIN_EXE_mover"))
        .arg(folder)
        .arg(if sync { "sync" } else { "nosync" })
        .arg(RECORDS.to_string())
        .arg(if side == Side::A { "a" } else { "b" })
        .stdout(Stdio::piped())
        .spawn()
        .expect("the mover starts");
    let mut lines = BufReader::new(mover.stdout.take().expect("a pipe")).lines();
    let ready = lines.next().expect("it says something").expect("text");
    assert_eq!(ready, "ready");
    let (mut moves, most) = (0, rng.random_range(0..8));
    let check = |line: String, moves: &mut u64| {
        assert_eq!(line, "moved", "after {moves} moves");
        *moves += 1;
    };
    while moves < most {
        check(lines.next().expect("it goes on").expect("text"), &mut moves);
    }
    std::thread::sleep(Duration::from_micros(rng.random_range(0..60_000)));
    mover.kill().expect("is killed");
    lines.map_while(Result::ok).for_each(|line| check(line, &mut moves));
    mover.wait().expect("ends");
    moves
}

#[test]
fn a_move_is_whole_or_not_at_all_when_the_process_is_killed() {
    let rounds = number("HOLT_MOVE_ROUNDS", ROUNDS);
    let mut rng = rand_of(0x4d4f_5645);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    drop(filled(folder.path()));
    let (mut side, mut acknowledged, mut in_flight) = (Side::A, 0, 0);
    for round in 0..rounds {
        let moves = killed(folder.path(), round % 2 == 1, side, &mut rng);
        acknowledged += moves;
        // What was acknowledged is there; the move that was under way may be too.
        let expected = if moves.is_multiple_of(2) { side } else { side.other() };
        let tree = open_files(folder.path(), &FileSettings::MOVER).expect("opens");
        side = place_of(&tree);
        in_flight += u64::from(side != expected);
    }
    println!(
        "{rounds} kills among {acknowledged} acknowledged moves of {RECORDS} records, none torn \
         and none lost; {in_flight} under way had become durable"
    );
}
