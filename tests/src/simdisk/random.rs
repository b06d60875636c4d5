//! Random scripts, cut at every event.
//!
//! Owns: the disks they start from, the choice of what survives, the counts. Never does: judge what
//! is found; that is [`Run::check`].

use super::run::{Run, apply, open};
use super::script::{History, preload, preload_sized, script};
use super::store::log_switches;
use super::{Choice, SimDisk};
use crate::report::Tally;
use crate::script::{Op, Script};

/// Operations of a script.
pub const OPS: usize = 12;

/// Operations of one script in so many: enough log for checkpoints in steps.
const LONG: (usize, u64) = (50, 16);

/// What the suite did.
#[derive(Default)]
pub struct Count {
    /// What the scripts made happen.
    pub tally: Tally,
    /// Events at which power was cut.
    pub crash_points: u64,
    /// Stores opened after that.
    pub recoveries: u64,
    /// Recoveries that were crashed themselves.
    pub nested: u64,
    /// Log records replayed.
    pub replayed: u64,
    /// Crashes that had something to lose.
    pub torn_states: u64,
    /// Times that a new part of the log began.
    pub log_switches: u64,
}

impl Count {
    /// Adds another count.
    pub fn merge(&mut self, other: &Self) {
        self.tally.merge(&other.tally);
        self.crash_points += other.crash_points;
        self.recoveries += other.recoveries;
        self.nested += other.nested;
        self.replayed += other.replayed;
        self.torn_states += other.torn_states;
        self.log_switches += other.log_switches;
    }
}

/// A disk to start from, with the history of what it holds.
pub type Base = (SimDisk, History);

fn filled(records: usize, checkpoint: bool, manifest_bytes: u64) -> Base {
    let disk = SimDisk::new();
    let mut history = History::new();
    let tree = open(&disk, false).expect("no faults here");
    let mut run = |op: &Op| {
        apply(&tree, op).expect("no faults here");
        history.apply(op);
    };
    if records > 0 {
        run(&preload(records as u64, records));
    }
    if checkpoint {
        run(&Op::Checkpoint);
    }
    let mut round = 0;
    while tree.stats().expect("figures").store.manifest_bytes < manifest_bytes {
        run(&preload(round, records));
        run(&Op::Checkpoint);
        round += 1;
    }
    drop(tree);
    (disk.crash(Choice::KeepAll), history)
}

fn larger_than_the_cache(checkpoint: bool) -> Base {
    let disk = SimDisk::new();
    let mut history = History::new();
    let tree = open(&disk, false).expect("no faults here");
    let last = if checkpoint { Op::Checkpoint } else { Op::Sync };
    for op in [preload_sized(1, 64, 5000..8000), last] {
        apply(&tree, &op).expect("no faults here");
        history.apply(&op);
    }
    drop(tree);
    (disk.crash(Choice::KeepAll), history)
}

/// Disks to start from: blank; with a store that is empty, of one frame, of several;
/// checkpointed, and with a log; with a manifest about to be switched; larger than
/// the cache.
pub fn bases() -> Vec<Base> {
    // A manifest's first region has 16 pages.
    const ALMOST: u64 = 16 * 4096 - 2500;
    vec![
        (SimDisk::new(), History::new()),
        filled(0, false, 0),
        filled(8, true, 0),
        filled(30, false, 0),
        filled(30, true, ALMOST),
        filled(60, true, 0),
        filled(60, false, 0),
        filled(48, true, ALMOST),
        larger_than_the_cache(true),
        larger_than_the_cache(false),
    ]
}

/// The script of a seed.
pub fn script_of(seed: u64) -> Script {
    script(seed, if seed % LONG.1 == 5 { LONG.0 } else { OPS })
}

/// Runs the script of a seed and cuts power at every event; `choices` says how often what
/// survives is drawn.
///
/// # Errors
/// What is wrong, in words.
pub fn one_script(
    seed: u64,
    choices: u64,
    bases: &[Base],
    count: &mut Count,
) -> Result<(), String> {
    let script = script_of(seed);
    // The last two are large and slow: one script in 32.
    let small = bases.len() - 2;
    let base = match seed % 32 {
        31 => small + seed as usize / 32 % 2,
        _ => seed as usize % small,
    };
    let (base, history) = &bases[base];
    let run = Run::new(base, history, &script, seed % 2 == 1, &mut count.tally)
        .map_err(|(at, error)| format!("operation {at} failed: {error}"))?;
    count.log_switches += log_switches(&run.disk);
    for event in 0..=run.disk.events() {
        count.crash_points += 1;
        let pieces = run.disk.pieces_at(event);
        let draws = if pieces == 0 { 1 } else { choices };
        for draw in 0..draws {
            let dice = seed
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .wrapping_add((event as u64) << 8 | draw)
                .wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let choice = match (dice >> 33) % 8 {
                0 => Choice::LoseAll,
                1 => Choice::LoseOne((dice >> 40) as usize % pieces.max(1)),
                2 => Choice::Reorder(dice),
                _ => Choice::Seeded(dice),
            };
            count.torn_states += u64::from(pieces > 0);
            let wrong = |what: String| {
                let event = (event, event.checked_sub(1).and_then(|last| run.disk.event(last)));
                format!("seed {seed}, crash at event {event:?} with {choice:?}: {what}")
            };
            let after = run.disk.crash_at(event, choice);
            let found = run.check(event, &after, (dice >> 36).is_multiple_of(4)).map_err(wrong)?;
            count.recoveries += 1;
            count.replayed += found.replayed;
            if (dice >> 44).is_multiple_of(8) {
                let nested = found.crash_again(&after, dice >> 8).map_err(wrong)?;
                count.nested += nested;
                count.recoveries += nested;
            }
        }
    }
    Ok(())
}
