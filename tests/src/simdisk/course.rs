//! A script of a database on a simulated disk, and what a crash at each of its events may leave.
//!
//! Owns: [`Course`], the bounds of what may be found, recovery and its judgement. Never does:
//! choose where to crash. Invariant: snapshots held by the script are compared with the state
//! they were taken of when they are dropped, and at the end.

use holt_engine::db::{DB, RangeEntry, Snapshot};
use holt_engine::error::{Error, Result};
use holt_engine::geometry::Geometry;
use holt_engine::limits::MIN_FRAME_BYTES;

use super::run::MARKER;
use super::script::Digest;
use super::store::{Mode, open_store};
use super::{Call, Choice, SimDisk};
use crate::home::{is_answer, run_on_tree};
use crate::model::Model;
use crate::report::Tally;
use crate::script::Op;

/// Opens the database on a disk, with frames of the smallest size if there is none.
///
/// # Errors
/// Those of the engine.
pub fn open(disk: &SimDisk, sync: bool) -> Result<DB> {
    let geometry = Geometry::new(MIN_FRAME_BYTES)?;
    let devices = open_store(disk, Mode::Create(geometry, *b"a store in tests"))?;
    DB::open_with_devices(devices.blobs, Some(devices.log), super::run::options(sync))
}

fn take<E: Into<Error>>(
    digest: &mut Digest,
    tree: &str,
    entries: impl Iterator<Item = std::result::Result<RangeEntry, E>>,
) -> Result<()> {
    for entry in entries {
        if let RangeEntry::Key { mut key, value, .. } = entry.map_err(Into::into)? {
            if !tree.is_empty() {
                key.splice(0..0, tree.bytes().chain([0]));
            }
            digest.toggle(&key, &value);
        }
    }
    Ok(())
}

/// The contents of a database, named trees and their names included.
///
/// # Errors
/// Those of the engine.
pub fn digest(db: &DB) -> Result<Digest> {
    let mut digest = Digest::default();
    take(&mut digest, "", db.unnamed_tree().range().into_iter())?;
    for name in db.list_trees()? {
        digest.toggle(name.as_bytes(), b"a tree");
        take(&mut digest, &name, db.open_tree(&name)?.range().into_iter())?;
    }
    Ok(digest)
}

fn of_snapshot(snapshot: &Snapshot) -> Result<Digest> {
    let mut digest = Digest::default();
    take(&mut digest, "", snapshot.range().into_iter())?;
    Ok(digest)
}

fn of_model(model: &Model, named: bool) -> Digest {
    let mut digest = Digest::default();
    model.dump().for_each(|(key, value)| digest.toggle(key, value));
    for (name, records) in model.trees().filter(|_| named) {
        digest.toggle(name.as_bytes(), b"a tree");
        for (key, record) in records.iter() {
            let key = [name.as_bytes(), &[0], key.as_slice()].concat();
            digest.toggle(&key, &record.value);
        }
    }
    digest
}

/// A snapshot that a script holds, and what it must show.
type Held = Option<(Snapshot, Digest)>;

/// Runs one operation; refusals that are answers come to nothing.
fn apply(db: &DB, op: &Op, held: &mut Held, model: &Model) -> Result<()> {
    match op {
        Op::Snapshot { .. } => {
            *held = Some((db.unnamed_tree().snapshot(b"")?, of_model(model, false)));
        }
        Op::DropSnapshot { .. } => drop(compared(held)?.take()),
        Op::CreateTree { name } => drop(db.create_tree(name)?),
        Op::DropTree { name } => db.drop_tree(name)?,
        Op::InTree { tree, run } => drop(run_on_tree(&db.open_tree(tree)?, run)?),
        Op::Checkpoint => db.checkpoint()?,
        Op::Compact => db.compact()?,
        Op::Maintain { budget } => drop(db.maintain(*budget)?),
        Op::Sync => db.sync()?,
        other => match run_on_tree(&db.unnamed_tree(), other) {
            Err(error) if !is_answer(&error) => return Err(error),
            _ => {}
        },
    }
    Ok(())
}

/// Compares what a snapshot shows with what it was taken of.
fn compared(held: &mut Held) -> Result<&mut Held> {
    if let Some((snapshot, expected)) = held
        && of_snapshot(snapshot)? != *expected
    {
        panic!("a snapshot shows another state than the one it was taken of");
    }
    Ok(held)
}

/// A script that ran on a disk.
pub struct Course {
    /// The disk after it, with all events.
    pub disk: SimDisk,
    sync: bool,
    /// The state after each operation; the first is the one before them.
    states: Vec<Digest>,
    /// Events before each operation.
    starts: Vec<usize>,
    /// Events, and operations that were durable after them.
    durable: Vec<(usize, usize)>,
}

/// What a script starts from.
pub struct Base {
    /// The disk.
    pub disk: SimDisk,
    model: Model,
    /// The state after each of its operations.
    pub states: Vec<Digest>,
}

impl Base {
    /// A blank disk on which `ops` were run, closed, all of it durable.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn new(ops: &[Op]) -> Result<Self> {
        let (disk, mut model) = (SimDisk::new(), Model::default());
        let db = open(&disk, true)?;
        let mut states = vec![Digest::default()];
        for op in ops {
            apply(&db, op, &mut None, &model)?;
            model.run(op);
            states.push(of_model(&model, true));
        }
        drop(db);
        Ok(Self { disk: disk.crash(Choice::KeepAll), model, states })
    }

    /// Keys and values of the tree without a name.
    pub fn records(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.model.dump()
    }

    /// The state it holds.
    pub fn state(&self) -> Digest {
        self.states.last().copied().unwrap_or_default()
    }
}

impl Course {
    /// Runs `ops` on a copy of `base`.
    ///
    /// # Errors
    /// What was not as it must be, in words.
    pub fn run(base: &Base, ops: &[Op], sync: bool, tally: &mut Tally) -> Result<Self, String> {
        let disk = base.disk.crash(Choice::KeepAll);
        let mut model = base.model.clone();
        let mut course =
            Self { disk, sync, states: vec![base.state()], starts: vec![], durable: vec![(0, 0)] };
        let failed = |at: usize| move |error: Error| format!("operation {at} failed: {error}");
        let mut db = open(&course.disk, sync).map_err(failed(0))?;
        let mut held: Held = None;
        for (at, op) in ops.iter().enumerate() {
            course.starts.push(course.disk.events());
            match op {
                Op::Reopen => {
                    compared(&mut held).map_err(failed(at))?;
                    held = None;
                    note(&db, tally);
                    drop(db);
                    db = open(&course.disk, sync).map_err(failed(at))?;
                    tally.reopens += 1;
                }
                op => apply(&db, op, &mut held, &model).map_err(failed(at))?,
            }
            model.run(op);
            course.states.push(of_model(&model, true));
            let is_write = op.is_write() || matches!(op, Op::InTree { .. });
            if matches!(op, Op::Sync | Op::Checkpoint) || (sync && is_write) {
                course.durable.push((course.disk.events(), course.states.len() - 1));
            }
        }
        compared(&mut held).map_err(failed(ops.len()))?;
        let found = digest(&db).map_err(failed(ops.len()))?;
        if course.states.last() != Some(&found) {
            return Err("the script does not read back what it wrote".into());
        }
        drop(held);
        note(&db, tally);
        tally.scripts += 1;
        tally.operations += ops.len() as u64;
        Ok(course)
    }

    /// The fewest and the most operations that a crash at `event` may leave.
    pub fn bounds(&self, event: usize) -> (usize, usize) {
        let least = self.durable.iter().rev().find(|(at, _)| *at <= event);
        let least = least.map_or(0, |(_, ops)| *ops);
        let most = self.starts.iter().take_while(|start| **start < event).count();
        (least, most.max(least))
    }

    /// Whether a crash at `event` may leave this.
    ///
    /// # Errors
    /// What was expected, in words.
    pub fn judge(&self, event: usize, found: Digest) -> Result<(), String> {
        let (least, most) = self.bounds(event);
        if self.states[least..=most].contains(&found) {
            return Ok(());
        }
        let which = self.states.iter().rposition(|state| *state == found);
        Err(format!("found the state after {which:?} operations, not after {least} to {most}"))
    }

    /// Opens a disk after a crash, reads it, and opens it again: what it holds, and how many of
    /// its recoveries were crashed. `deep` also verifies, crashes the recovery at each of its
    /// events, goes on writing, and crashes that.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn recover(&self, disk: &SimDisk, deep: bool) -> Result<(Digest, u64), String> {
        let (db, found) = opened(disk, self.sync, "after a crash")?;
        if deep {
            let report = db.verify().map_err(|error| format!("verifying failed: {error}"))?;
            if let Some(first) = report.damage.first() {
                return Err(format!("{} pieces of damage: {first}", report.damage.len()));
            }
        }
        drop(db);
        let events = disk.events();
        let wrote = (0..events).any(|at| disk.event(at).is_some_and(|e| e.call != Call::Sync));
        let mut nested = 0;
        if wrote {
            let (_, again) = opened(disk, self.sync, "a second time")?;
            same(found, again, "a second opening")?;
        }
        if wrote && deep {
            for event in 1..=events {
                let seed = disk.trace_hash() ^ event as u64;
                for choice in [Choice::LoseAll, Choice::Seeded(seed)] {
                    let crashed = disk.crash_at(event, choice);
                    let (_, again) = opened(&crashed, self.sync, "after a crash in recovery")?;
                    same(found, again, "a crash in recovery")?;
                    nested += 1;
                }
            }
        }
        if deep {
            nested += goes_on(disk, found)?;
        }
        Ok((found, nested))
    }
}

fn opened(disk: &SimDisk, sync: bool, when: &str) -> Result<(DB, Digest), String> {
    let db = open(disk, sync).map_err(|error| format!("opening {when} failed: {error}"))?;
    let found = digest(&db).map_err(|error| format!("reading {when} failed: {error}"))?;
    Ok((db, found))
}

fn same(one: Digest, other: Digest, after: &str) -> Result<(), String> {
    match one == other {
        true => Ok(()),
        false => Err(format!("{after} shows another state than the first opening")),
    }
}

/// Writes a marker on a recovered store and crashes that; the number of crashes.
fn goes_on(disk: &SimDisk, before: Digest) -> Result<u64, String> {
    let text = |error: Error| format!("writing after recovery failed: {error}");
    let db = open(disk, true).map_err(text)?;
    let start = disk.events();
    db.unnamed_tree().put(MARKER, b"x").map_err(text)?;
    drop(db);
    let end = disk.events();
    let mut after = before;
    after.toggle(MARKER, b"x");
    let middle = start + (disk.trace_hash() % (end - start).max(1) as u64) as usize;
    for (event, choice) in [(middle, Choice::Seeded(disk.trace_hash())), (end, Choice::LoseAll)] {
        let (_, found) = opened(&disk.crash_at(event, choice), true, "after a crash in going on")?;
        if found != after && (found != before || event == end) {
            return Err(format!("crashed at {event} of {end} in going on: another state"));
        }
    }
    Ok(2)
}

fn note(db: &DB, tally: &mut Tally) {
    if let Ok(stats) = db.unnamed_tree().stats() {
        tally.add(&stats);
    }
}
