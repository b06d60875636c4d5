//! Devices that fail, at every call of a script: the error is typed, nothing is written after
//! it, reads go on, and nothing acknowledged is gone once the store is opened again.

use holt_engine::db::Tree;
use holt_engine::error::{Error, IoErrorKind};
use holt_tests::report::Tally;
use holt_tests::script::{Op, Script};
use holt_tests::simdisk::run::{apply, digest, open};
use holt_tests::simdisk::script::{Digest, History, key, preload, script};
use holt_tests::simdisk::{Call, Choice, Fault, FaultKind, SimDisk};

/// What one script under one fault came to.
struct Outcome {
    history: History,
    /// Operations acknowledged.
    done: usize,
    /// Operations that must survive loss of power.
    durable: usize,
    /// Whether any call failed.
    failed: bool,
}

/// Whether this is what a device's failure must look like.
fn is_typed(error: &Error, kind: FaultKind) -> bool {
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

/// Runs `script` until it ends or the store refuses; `Err` says what was not as it must be.
fn run(
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

fn base(records: usize) -> (SimDisk, History) {
    let disk = SimDisk::new();
    let mut history = History::new();
    let tree = open(&disk, false).unwrap();
    for op in [preload(5, records), Op::Checkpoint] {
        apply(&tree, &op).unwrap();
        history.apply(&op);
    }
    drop(tree);
    (disk.crash(Choice::KeepAll), history)
}

/// Change calls of a script that meets no fault.
fn calls(disk: &SimDisk) -> u64 {
    Call::CHANGES.iter().map(|call| disk.calls(*call)).sum()
}

#[test]
fn every_call_of_a_script_fails_once() {
    let scripts = std::env::var("HOLT_FAULT_SCRIPTS").ok().map_or(24, |n| n.parse().unwrap());
    let bases = [(SimDisk::new(), History::new()), base(12), base(60)];
    let kinds = [FaultKind::Eio, FaultKind::NoSpace, FaultKind::ReadOnly, FaultKind::DropDirty];
    let (mut runs, mut failures, mut hits) = (0_u64, 0_u64, 0_u64);
    let mut tally = Tally::default();
    for seed in 0..scripts {
        let (base, history) = &bases[seed as usize % bases.len()];
        let sync = seed / 3 % 2 == 0;
        let script = script(seed + 1_000_000, 10);
        let dry = base.crash(Choice::KeepAll);
        let outcome = run(&dry, history, &script, sync, FaultKind::Eio).unwrap();
        assert!(!outcome.failed, "seed {seed} fails without a fault");
        tally.scripts += 1;
        for kind in kinds {
            for sticky in [false, true] {
                for after in 0..calls(&dry) {
                    let disk = base.crash(Choice::KeepAll);
                    disk.inject(Fault { call: None, file: None, after, sticky, kind });
                    let wrong = |what: String| -> Outcome {
                        panic!(
                            "seed {seed}, sync {sync}, {kind:?} (sticky: {sticky}) at call \
                             {after}: {what}\n{:?}",
                            script.ops
                        )
                    };
                    let outcome = run(&disk, history, &script, sync, kind).unwrap_or_else(wrong);
                    runs += 1;
                    failures += u64::from(outcome.failed);
                    hits += u64::from(disk.faults_hit() > 0);
                    disk.clear_faults();
                    let lost = disk.crash(Choice::Seeded(seed << 32 | after));
                    // The process dies: what was acknowledged is there. Then power is lost.
                    survives(&disk, &outcome, outcome.done)
                        .and_then(|_| survives(&lost, &outcome, outcome.durable))
                        .map_or_else(|what| drop(wrong(what)), drop);
                }
            }
        }
    }
    println!(
        "faults: {} scripts, {runs} runs with a fault armed, {hits} hit, {failures} failed a call",
        tally.scripts
    );
    assert!(failures > 0 && hits == runs);
}

#[test]
fn failing_reads_are_typed_and_change_nothing() {
    let (base, history) = base(60);
    let dry = base.crash(Choice::KeepAll);
    let tree = open(&dry, false).unwrap();
    assert_eq!(digest(&tree).unwrap(), history.now());
    let reads = dry.calls(Call::Read);
    assert!(reads > 0);
    let mut failed = 0;
    for after in 0..reads {
        for sticky in [false, true] {
            let disk = base.crash(Choice::KeepAll);
            let kind = FaultKind::Eio;
            disk.inject(Fault { call: Some(Call::Read), file: None, after, sticky, kind });
            match open(&disk, false).and_then(|tree| digest(&tree)) {
                Ok(found) => assert_eq!(found, history.now()),
                Err(error) => {
                    assert!(is_typed(&error, kind), "{error:?}");
                    failed += 1;
                }
            }
            disk.clear_faults();
            assert_eq!(digest(&open(&disk, false).unwrap()).unwrap(), history.now());
        }
    }
    println!("read faults: {failed} of {} runs failed a call", reads * 2);
    assert!(failed > 0);
}
