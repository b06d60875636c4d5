//! Scripts on a disk whose calls fail, and what must be left of them.
//!
//! Owns: running until the first failure, what must hold after it, what must survive. Never does:
//! choose the scripts.

use holt_engine::db::Tree;
use holt_engine::error::{Error, IoErrorKind};

use super::run::{apply, digest, open};
use super::script::{Digest, History, key, preload, script};
use super::{Call, Choice, Fault, FaultKind, SimDisk};
use crate::script::{Op, Script};

/// What one script under one fault came to.
pub struct Outcome {
    history: History,
    /// Operations acknowledged.
    done: usize,
    /// Operations that must survive loss of power.
    durable: usize,
    /// Whether any call failed.
    failed: bool,
}

/// Whether this is what a device's failure must look like.
pub fn is_typed(error: &Error, kind: FaultKind) -> bool {
    let wanted = match kind {
        FaultKind::NoSpace => IoErrorKind::NoSpace,
        FaultKind::ReadOnly => IoErrorKind::ReadOnlyFilesystem,
        FaultKind::Eio | FaultKind::DropDirty => IoErrorKind::Device,
    };
    match error {
        Error::BlobStoreIo(error) => error.kind == wanted,
        Error::Poisoned { cause } => !cause.is_empty(),
        _ => false,
    }
}

/// Runs `script` until it ends or the store refuses.
///
/// # Errors
/// What was not as it must be, in words.
pub fn run(
    disk: &SimDisk,
    history: &History,
    script: &Script,
    sync: bool,
    kind: FaultKind,
) -> Result<Outcome, String> {
    let mut history = history.clone();
    history.restart();
    let mut outcome = Outcome { history, done: 0, durable: 0, failed: false };
    let refused = |error: Error| match is_typed(&error, kind) {
        true => Ok(()),
        false => Err(format!("not the error of the device: {error:?}")),
    };
    let mut tree = match open(disk, sync) {
        Ok(tree) => tree,
        Err(error) => {
            refused(error)?;
            return Ok(Outcome { failed: true, ..outcome });
        }
    };
    for (at, op) in script.ops.iter().enumerate() {
        let done = match op {
            Op::Reopen => {
                drop(tree);
                match open(disk, sync) {
                    Ok(again) => tree = again,
                    Err(error) => {
                        refused(error)?;
                        return Ok(Outcome { failed: true, ..outcome });
                    }
                }
                Ok(())
            }
            _ => apply(&tree, op),
        };
        outcome.history.apply(op);
        if let Err(error) = done {
            refused(error)?;
            outcome.failed = true;
            after_failure(&tree, &outcome, disk)
                .map_err(|what| format!("operation {at}: {what}"))?;
            return Ok(outcome);
        }
        outcome.done += 1;
        if matches!(op, Op::Sync | Op::Checkpoint) || (sync && op.is_write()) {
            outcome.durable = outcome.done;
        }
    }
    Ok(outcome)
}

/// After the first failure: reads go on, every change is refused, the disk is left alone.
fn after_failure(tree: &Tree, outcome: &Outcome, disk: &SimDisk) -> Result<(), String> {
    let found = digest(tree).map_err(|error| format!("reading after it failed: {error}"))?;
    let (done, issued) = (outcome.done, outcome.history.len());
    if !outcome.history.between(done, issued).contains(&found) {
        return Err("readers see neither the state before nor after the failed operation".into());
    }
    let events = disk.events();
    let put = Op::Put { key: key(1).into(), value: b"refused".as_slice().into() };
    for op in [put, Op::atomic(vec![]), Op::Checkpoint, Op::Compact] {
        match apply(tree, &op) {
            Err(Error::Poisoned { cause }) if !cause.is_empty() => {}
            Ok(()) if matches!(op, Op::Batch { .. } | Op::Compact) => {}
            other => return Err(format!("{op:?} answered {other:?} after a failure")),
        }
    }
    match disk.events() == events {
        true => Ok(()),
        false => Err("the disk was written after a failure".into()),
    }
}

/// Opens what is left and compares.
fn survives(disk: &SimDisk, outcome: &Outcome, least: usize) -> Result<Digest, String> {
    let tree = open(disk, true).map_err(|error| format!("opening again failed: {error}"))?;
    let found = digest(&tree).map_err(|error| format!("reading again failed: {error}"))?;
    if !outcome.history.between(least, outcome.history.len()).contains(&found) {
        let all = outcome.history.between(0, outcome.history.len());
        let which = all.iter().position(|state| *state == found);
        return Err(format!("found the state after {which:?}, expected {least} at least"));
    }
    let report = tree.verify().map_err(|error| format!("verifying failed: {error}"))?;
    if let Some(first) = report.damage.first() {
        return Err(format!("damage: {first}"));
    }
    tree.put(b"goes on", b"x").and_then(|()| tree.sync()).map_err(|error| format!("{error}"))?;
    Ok(found)
}

/// A disk with a published store of so many records.
pub fn base(records: usize) -> (SimDisk, History) {
    let disk = SimDisk::new();
    let mut history = History::new();
    let tree = open(&disk, false).expect("no faults yet");
    for op in [preload(5, records), Op::Checkpoint] {
        apply(&tree, &op).expect("no faults yet");
        history.apply(&op);
    }
    drop(tree);
    (disk.crash(Choice::KeepAll), history)
}

/// Change calls of a script that meets no fault.
fn calls(disk: &SimDisk) -> u64 {
    Call::CHANGES.iter().map(|call| disk.calls(*call)).sum()
}

/// Runs of scripts with faults.
#[derive(Default)]
pub struct Count {
    /// Scripts, and runs with a fault armed.
    pub scripts: u64,
    /// Runs: one for each call, kind of fault, and whether it lasts.
    pub runs: u64,
    /// Call sites: calls of the scripts that change the disk.
    pub sites: u64,
    /// Runs whose fault was met, and runs in which an operation failed.
    pub hits: u64,
    /// Runs in which an operation failed.
    pub failures: u64,
}

/// The kinds of faults that each call meets.
pub const KINDS: [FaultKind; 4] =
    [FaultKind::Eio, FaultKind::NoSpace, FaultKind::ReadOnly, FaultKind::DropDirty];

/// Runs the script of a seed once for each call, kind of fault, and whether it lasts.
///
/// # Errors
/// What is wrong, in words.
pub fn every_call(
    seed: u64,
    (base, history): &(SimDisk, History),
    count: &mut Count,
) -> Result<(), String> {
    let sync = (seed / 3).is_multiple_of(2);
    let script = script(seed + 1_000_000, 10);
    let dry = base.crash(Choice::KeepAll);
    let outcome = run(&dry, history, &script, sync, FaultKind::Eio)?;
    if outcome.failed {
        return Err(format!("seed {seed} fails without a fault"));
    }
    count.scripts += 1;
    count.sites += calls(&dry);
    for kind in KINDS {
        for sticky in [false, true] {
            for after in 0..calls(&dry) {
                let disk = base.crash(Choice::KeepAll);
                disk.inject(Fault { call: None, file: None, after, sticky, kind });
                let wrong = |what: String| {
                    format!(
                        "seed {seed}, sync {sync}, {kind:?} (sticky: {sticky}) at call {after}: \
                         {what}\n{:?}",
                        script.ops
                    )
                };
                let outcome = run(&disk, history, &script, sync, kind).map_err(wrong)?;
                count.runs += 1;
                count.failures += u64::from(outcome.failed);
                count.hits += u64::from(disk.faults_hit() > 0);
                disk.clear_faults();
                let lost = disk.crash(Choice::Seeded(seed << 32 | after));
                // The process dies: what was acknowledged is there. Then power is lost.
                survives(&disk, &outcome, outcome.done).map_err(wrong)?;
                survives(&lost, &outcome, outcome.durable).map_err(wrong)?;
            }
        }
    }
    Ok(())
}
