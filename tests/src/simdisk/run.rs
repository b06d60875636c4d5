//! Running a crash script and judging what is found after a crash.
//!
//! Owns: [`Run`], the bounds of what may be found at each event, and the check of a disk after a
//! crash. Never does: choose where to crash.

use holt_engine::db::{Options, RangeEntry, Tree, TreeStats};
use holt_engine::error::{Error, Result};
use holt_engine::geometry::Geometry;
use holt_engine::limits::{MIN_CACHE_BYTES, MIN_FRAME_BYTES, MIN_LOG_BUDGET};

use super::script::{Digest, History};
use super::store::{Mode, open_store};
use super::{Choice, SimDisk};
use crate::home::{is_answer, run_on_tree};
use crate::model::Outcome;
use crate::report::Tally;
use crate::script::{Op, Script};

/// The key written after a recovery to prove that the store goes on.
pub const MARKER: &[u8] = b"marker of a recovered store";

/// Crashes in recovery, one within the other, at most.
const DEPTH: u64 = 3;

/// How crash tests open their trees: with the smallest cache and the smallest log. Those that
/// are not durable write by write are kept up by `maintain` and by writers over the budget, as
/// with a thread in the background, so that writes go beside others where they can.
pub fn options(sync: bool) -> Options {
    let (cache_bytes, log_budget) = (MIN_CACHE_BYTES, MIN_LOG_BUDGET);
    Options { sync, cache_bytes, log_budget, kept_up: !sync, ..Options::default() }
}

/// Opens the tree on a disk, with frames of the smallest size if there is none.
pub fn open(disk: &SimDisk, sync: bool) -> Result<Tree> {
    let geometry = Geometry::new(MIN_FRAME_BYTES)?;
    let devices = open_store(disk, Mode::Create(geometry, *b"a store in tests"))?;
    Tree::open_with_devices(devices.blobs, Some(devices.log), options(sync))
}

/// Runs one operation that needs no more than a tree; reads, checks and refusals that are
/// answers come to nothing.
///
/// # Errors
/// Failures of the store.
pub fn apply(tree: &Tree, op: &Op) -> Result<()> {
    if matches!(op, Op::Read(_) | Op::Reopen | Op::Verify) {
        return Ok(());
    }
    match run_on_tree(tree, op) {
        Ok(Outcome::Failed(why)) => unreachable!("a script of this kit asks for {op:?}: {why}"),
        Err(error) if !is_answer(&error) => Err(error),
        _ => Ok(()),
    }
}

/// The contents of a tree.
pub fn digest(tree: &Tree) -> Result<Digest> {
    let mut digest = Digest::default();
    for entry in tree.range() {
        if let RangeEntry::Key { key, value, .. } = entry? {
            digest.toggle(&key, &value);
        }
    }
    Ok(digest)
}

/// A script that ran on a disk, with what a crash at each event must and may leave.
pub struct Run {
    /// The disk after it, with all events.
    pub disk: SimDisk,
    /// The states it went through.
    pub history: History,
    /// Whether each write was to be durable when it returned.
    pub sync: bool,
    /// Events before each operation.
    starts: Vec<usize>,
    /// Events, and operations that were durable after them.
    durable: Vec<(usize, usize)>,
    /// Events, and the highest position in use after them.
    positions: Vec<(usize, u64)>,
}

impl Run {
    /// Runs `script` on a copy of `base`, whose contents `history` ends with.
    ///
    /// # Errors
    /// The first operation that fails, by number.
    pub fn new(
        base: &SimDisk,
        history: &History,
        script: &Script,
        sync: bool,
        tally: &mut Tally,
    ) -> Result<Self, (usize, Error)> {
        let disk = base.crash(Choice::KeepAll);
        let mut history = history.clone();
        history.restart();
        let (starts, durable, positions) = (vec![], vec![(0, 0)], vec![]);
        let mut run = Self { disk, history, sync, starts, durable, positions };
        let mut tree = open(&run.disk, sync).map_err(|error| (0, error))?;
        for (at, op) in script.ops.iter().enumerate() {
            run.starts.push(run.disk.events());
            if matches!(op, Op::Reopen) {
                note(&tree, tally);
                drop(tree);
                tree = open(&run.disk, sync).map_err(|error| (at, error))?;
                tally.reopens += 1;
            } else {
                apply(&tree, op).map_err(|error| (at, error))?;
            }
            run.history.apply(op);
            if matches!(op, Op::Sync | Op::Checkpoint) || (sync && op.is_write()) {
                run.durable.push((run.disk.events(), run.history.len()));
            }
            let position = tree.stats().map_or(0, |stats: TreeStats| stats.last_lsn);
            run.positions.push((run.disk.events(), position));
        }
        let found = digest(&tree).map_err(|error| (script.ops.len(), error))?;
        assert_eq!(found, run.history.now(), "a script reads back what it wrote");
        note(&tree, tally);
        tally.scripts += 1;
        tally.operations += script.ops.len() as u64;
        Ok(run)
    }

    /// The fewest and the most operations that a crash at `event` may leave.
    pub fn bounds(&self, event: usize) -> (usize, usize) {
        let least = self.durable.iter().rev().find(|(at, _)| *at <= event);
        let most = self.starts.iter().take_while(|start| **start < event).count();
        (least.map_or(0, |(_, ops)| *ops), most.max(least.map_or(0, |(_, ops)| *ops)))
    }

    /// A version that was possibly handed out before `event`.
    fn highest_position(&self, event: usize) -> u64 {
        let before = self.positions.iter().rev().find(|(at, _)| *at <= event);
        before.map_or(0, |(_, position)| *position)
    }

    /// Checks the disk after a crash at `event`: opens it, compares, verifies if asked to, then
    /// goes on writing. Returns the disk it used and what it holds.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self, event: usize, after: &SimDisk, verify: bool) -> Result<Found, String> {
        let tree = open(after, self.sync).map_err(|error| format!("opening failed: {error}"))?;
        let found = digest(&tree).map_err(|error| format!("reading failed: {error}"))?;
        let (least, most) = self.bounds(event);
        if !self.history.between(least, most).contains(&found) {
            let all = self.history.between(0, self.history.len());
            let which = all.iter().rposition(|state| *state == found);
            return Err(format!(
                "found the state after {which:?} operations, not after {least} to {most}"
            ));
        }
        if verify {
            clean(&tree)?;
        }
        let replayed = tree.stats().map_or(0, |stats| stats.replayed_records);
        Ok(Found { tree, digest: found, replayed, position: self.highest_position(event) })
    }
}

fn note(tree: &Tree, tally: &mut Tally) {
    if let Ok(stats) = tree.stats() {
        tally.add(&stats);
    }
}

fn clean(tree: &Tree) -> Result<(), String> {
    let report = tree.verify().map_err(|error| format!("verifying failed: {error}"))?;
    match report.damage.first() {
        None => Ok(()),
        Some(first) => Err(format!("{} pieces of damage: {first}", report.damage.len())),
    }
}

/// A recovered store.
pub struct Found {
    tree: Tree,
    /// What it held.
    pub digest: Digest,
    /// Records it replayed.
    pub replayed: u64,
    position: u64,
}

impl Found {
    /// Writes and syncs a marker, then crashes the recovery at `pick` of its events and checks
    /// that the same state (or that with the marker) is there again; the opening that finds it is
    /// crashed too, up to three deep. Returns how many recoveries were crashed.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn crash_again(self, disk: &SimDisk, pick: u64) -> Result<u64, String> {
        let text = |error: Error| format!("writing after recovery failed: {error}");
        let Self { tree, digest: before, position, .. } = self;
        tree.put(MARKER, b"x").map_err(text)?;
        let written = tree.get_record(MARKER).map_err(text)?.ok_or("the marker is not there")?;
        if written.version.as_u64() < position {
            let version = written.version.as_u64();
            return Err(format!("version {version} may have been used, up to {position}"));
        }
        tree.sync().map_err(text)?;
        let synced = disk.events();
        if pick.is_multiple_of(3) {
            tree.checkpoint().map_err(text)?;
        }
        drop(tree);
        let mut marked = before;
        marked.toggle(MARKER, b"x");
        let event = (pick / 3 % (disk.events() as u64 + 1)) as usize;
        let mut after = disk.crash_at(event, Choice::Seeded(pick));
        let depth = 1 + pick / 5 % DEPTH;
        let mut expected = None;
        for deep in 1..=depth {
            let wrong = |what: &str, why: String| format!("{what}, {deep} crashes deep: {why}");
            let tree = open(&after, true).map_err(|e| wrong("opening failed", e.to_string()))?;
            let again = digest(&tree).map_err(|e| wrong("reading failed", e.to_string()))?;
            let ok = match expected {
                None => again == marked || (again == before && event < synced),
                Some(known) => again == known,
            };
            if !ok {
                return Err(wrong("another state", format!("crashed at {event} of {synced}")));
            }
            expected = Some(again);
            if deep == depth {
                clean(&tree)?;
            }
            drop(tree);
            let next = (pick / 7 % (after.events() as u64 + 1)) as usize;
            after = after.crash_at(next, Choice::Seeded(pick ^ deep));
        }
        Ok(depth)
    }
}
