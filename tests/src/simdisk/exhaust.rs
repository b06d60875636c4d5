//! Every crash state of a short script.
//!
//! Owns: the stores scripts start from, which subsets of what was not synced are tried, the counts.
//! Never does: judge what is found; that is [`Course`].

use std::collections::HashMap;

use super::course::{Base, Course, open};
use super::letters::{Word, operations, preload};
use super::script::Digest;
use super::store::log_switches;
use super::{Choice, Undecided};
use crate::report::Tally;
use crate::script::Op;

/// One image in so many is verified, crashed in recovery, and written to.
const DEEP: u128 = 16;

/// Subsets of whole writes that are all tried.
const WHOLE: usize = 5;

/// What the suite did.
#[derive(Default)]
pub struct Count {
    /// What the scripts made happen.
    pub tally: Tally,
    /// Scripts x events x choices.
    pub states: u64,
    /// Scripts x events.
    pub points: u64,
    /// Crash points of which every subset of pieces was tried.
    pub complete: u64,
    /// Crash points of which every subset of whole writes was tried.
    pub by_write: u64,
    /// Distinct disks recovered.
    pub recoveries: u64,
    /// Those verified, crashed in recovery and written to.
    pub deep: u64,
    /// Recoveries crashed.
    pub nested: u64,
    /// Times that a new part of the log began.
    pub log_switches: u64,
}

impl Count {
    /// Adds another count.
    pub fn merge(&mut self, other: &Self) {
        self.tally.merge(&other.tally);
        self.states += other.states;
        self.points += other.points;
        self.complete += other.complete;
        self.by_write += other.by_write;
        self.recoveries += other.recoveries;
        self.deep += other.deep;
        self.nested += other.nested;
        self.log_switches += other.log_switches;
    }
}

/// What survives a crash with so much undecided.
fn choices(undecided: Undecided, bound: usize, seed: u64, count: &mut Count) -> Vec<Choice> {
    let Undecided { pieces, changes } = undecided;
    if pieces < 64 && 1_usize.checked_shl(pieces as u32).is_some_and(|all| all <= bound) {
        count.complete += 1;
        return (0..1 << pieces).map(Choice::Pieces).collect();
    }
    let mut list = Vec::with_capacity(bound);
    if changes <= WHOLE {
        count.by_write += 1;
        list.extend((0..1 << changes).map(Choice::Changes));
    } else {
        list.extend([Choice::KeepAll, Choice::LoseAll]);
        // Each write alone missing, each alone there, and every reordering of two halves.
        let shown = changes.min(63);
        let all = u64::MAX >> (64 - shown);
        for at in 0..shown.min(8) {
            let bit = 1_u64 << (shown - 1 - at);
            list.extend([all & !bit, bit, all & !(bit - 1)].map(Choice::Changes));
        }
    }
    list.truncate(bound);
    let mut dice = seed;
    while list.len() < bound {
        dice = dice.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let piece = (dice >> 33) as usize % pieces;
        list.push(match dice >> 61 {
            0 => Choice::LoseOne(piece),
            1 => Choice::KeepOne(piece),
            2 => Choice::Reorder(dice),
            _ => Choice::Seeded(dice),
        });
    }
    list
}

/// What is known of disks that were recovered, by fingerprint.
pub type Known = HashMap<u128, Digest>;

/// Where scripts start, and how they run.
pub struct Mode {
    /// The store they start from.
    pub base: Base,
    /// Whether each write is to be durable when it returns.
    pub sync: bool,
    /// Subsets tried at each event, at most.
    pub bound: usize,
}

/// Runs one word and judges every state.
///
/// # Errors
/// What is wrong, in words.
pub fn one_word(
    mode: &Mode,
    word: &Word,
    known: &mut Known,
    count: &mut Count,
) -> Result<(), String> {
    let ops = operations(word);
    let course = Course::run(&mode.base, &ops, mode.sync, &mut count.tally)?;
    count.log_switches += log_switches(&course.disk);
    for event in 0..=course.disk.events() {
        count.points += 1;
        let undecided = course.disk.undecided_at(event);
        // Prefixes of words share events, and so should they their draws.
        let seed = (event as u64) << 20 ^ undecided.pieces as u64;
        for choice in choices(undecided, mode.bound, seed, count) {
            count.states += 1;
            let after = course.disk.crash_at(event, choice);
            let print = after.fingerprint(&mode.base.disk);
            let wrong = |what: String| {
                let last = event.checked_sub(1).and_then(|last| course.disk.event(last));
                format!("crash at event {event} ({last:?}) with {choice:?}: {what}")
            };
            let found = match known.get(&print) {
                Some(found) => *found,
                None => {
                    let deep = print.is_multiple_of(DEEP);
                    let (found, nested) = course.recover(&after, deep).map_err(wrong)?;
                    count.recoveries += 1;
                    count.deep += u64::from(deep);
                    count.nested += nested;
                    known.insert(print, found);
                    found
                }
            };
            course.judge(event, found).map_err(wrong)?;
        }
    }
    Ok(())
}

/// The stores that scripts start from: one as it is after its first checkpoint, one whose
/// manifest is about to be switched.
///
/// # Panics
/// If the store is too small to be worth it.
pub fn bases(bound: usize) -> Vec<Mode> {
    // A manifest's first region has 16 pages, and each publish takes one at least.
    const ALMOST: u64 = 16 * 4096;
    let mut ops = preload();
    ops.push(Op::Checkpoint);
    let plain = Base::new(&ops).expect("the preload");
    let stats = |base: &Base| {
        let db = open(&base.disk.crash(Choice::KeepAll), true).expect("it opens");
        db.unnamed_tree().stats().expect("stats")
    };
    let first = stats(&plain);
    assert!(first.frames >= 4 && first.levels == 2, "{} frames", first.frames);
    let full = loop {
        let put = Op::Put { key: b"filler".as_slice().into(), value: vec![ops.len() as u8].into() };
        ops.extend([put, Op::Checkpoint]);
        let base = Base::new(&ops).expect("the preload");
        if stats(&base).store.manifest_bytes >= ALMOST {
            break base;
        }
    };
    println!(
        "preload: {} records, {} frames on {} levels",
        first.records, first.frames, first.levels
    );
    vec![Mode { base: plain, sync: true, bound }, Mode { base: full, sync: false, bound }]
}
