//! What operations cost in calls of the system, counted by strace: a lookup whose pages are on
//! the device reads few times, and writers that wait for durability share syncs.
//!
//! Needs strace, which `.ci/run` installs; without it there is nothing to count with, and the
//! tests say so.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Command, Stdio};

use holt_native_store::BLOBS_FILE;
use holt_tests::report::figure;

/// Records of the store that is read: a root frame, and leaf frames below it.
const RECORDS: u64 = 50_000;
const GETS: usize = 200;
const MAX_READS: usize = 3;
const SEED: u64 = 7;

const WRITERS: u64 = 16;
const PUTS: u64 = 1000;
const MAX_SYNCS: usize = 200;
/// What a sync takes at least, in microseconds, as on a solid-state disk: here it may be nothing.
const SYNC_MICROS: u32 = 1000;

fn traced(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_traced"));
    command.args(arguments).stderr(Stdio::inherit());
    command
}

/// Whether calls can be counted.
fn has_strace() -> bool {
    let found = Command::new("strace").arg("-V").stdout(Stdio::null()).status();
    if found.is_err() {
        println!("skipped: strace is not installed (Debian: apt-get install strace)");
    }
    found.is_ok()
}

/// The calls of these names that the process makes, one a line, by all of its threads.
fn calls(names: &str, more: &[&str], arguments: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a directory");
    let trace = folder.path().join("trace");
    let own = traced(arguments);
    let mut strace = Command::new("strace");
    // With the path of each file, and without stopping at calls of other names.
    strace.args(["-f", "--seccomp-bpf", "-y", "-s", "64", "-o"]).arg(&trace);
    strace.args(["-e", &format!("trace={names}")]).args(more);
    strace.arg(own.get_program()).args(own.get_args()).stdout(Stdio::null());
    let status = strace.status().expect("starts");
    assert!(status.success(), "strace {arguments:?}: {status}");
    let text = std::fs::read_to_string(&trace).expect("was written");
    // A call that others interrupt stands there twice, the second time as resumed.
    text.lines().filter(|line| !line.contains(" resumed>")).map(String::from).collect()
}

/// How many calls there are, to a file of this name if one is given, from each `begin` to its
/// `end`.
fn between(calls: &[String], names: &[&str], file: Option<&str>) -> Vec<usize> {
    let to_file = |line: &str| file.is_none_or(|file| line.contains(&format!("/{file}>")));
    let mut counts = Vec::new();
    let mut count = None;
    for line in calls {
        if line.contains("\"begin ") {
            assert_eq!(count.replace(0), None, "two at a time");
        } else if line.contains("\"end ") {
            counts.push(count.take().expect("began"));
        } else if let Some(count) = &mut count {
            assert!(!line.contains("io_uring"), "not by positioned calls: {line}");
            let named = names.iter().any(|name| line.contains(&format!(" {name}(")));
            *count += usize::from(named && to_file(line));
        }
    }
    counts
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("a path of letters")
}

#[test]
fn a_lookup_of_what_is_on_the_device_reads_at_most_three_times() {
    if !has_strace() {
        return;
    }
    let folder = tempfile::tempdir().expect("a directory");
    let (directory, records) = (shown(folder.path()), RECORDS.to_string());
    let filled = traced(&["fill", directory, &records]).output().expect("runs");
    assert!(filled.status.success());
    let levels = String::from_utf8_lossy(&filled.stdout).trim().to_string();
    assert_eq!(levels, "levels 2", "a root and frames below it");
    let reads = ["pread64", "preadv", "preadv2", "read", "readv"];
    let names = format!("write,io_uring_enter,{}", reads.join(","));
    let arguments = ["get", directory, &records, &GETS.to_string(), &SEED.to_string()];
    let calls = calls(&names, &[], &arguments);
    let mut counts = between(&calls, &reads, Some(BLOBS_FILE));
    assert_eq!(counts.len(), GETS);
    counts.sort_unstable();
    let (all, most) = (counts.iter().sum::<usize>(), counts[GETS - 1]);
    println!("{GETS} lookups: {all} reads, {most} for one at most, median {}", counts[GETS / 2]);
    figure("reads of a cold lookup at most", most as u64);
    // Else nothing was cold, or nothing was counted.
    assert!(all >= GETS, "{all} reads");
    assert!(most <= MAX_READS, "{most} reads for one lookup");
}

#[test]
fn writers_that_wait_for_durability_share_syncs() {
    if !has_strace() {
        return;
    }
    let folder = tempfile::tempdir().expect("a directory");
    let slow = format!("inject=fsync,fdatasync:delay_exit={SYNC_MICROS}");
    let arguments = ["put", shown(folder.path()), &WRITERS.to_string(), &PUTS.to_string()];
    let syncs = ["fsync", "fdatasync", "sync_file_range", "syncfs"];
    let calls = calls(&format!("write,{}", syncs.join(",")), &["-e", &slow], &arguments);
    let syncs = between(&calls, &syncs, None);
    let [syncs] = syncs[..] else { panic!("they ran once") };
    println!("{PUTS} durable puts by {WRITERS} threads: {syncs} syncs");
    figure("syncs of 1000 durable puts by 16 threads", syncs as u64);
    // One thread alone would have a sync for each put; nobody can share one with more than all.
    assert!(syncs >= (PUTS / WRITERS) as usize, "{syncs} syncs make nothing durable");
    assert!(syncs <= MAX_SYNCS, "{syncs} syncs");
}
