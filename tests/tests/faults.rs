//! Devices that fail, at every call of a script: the error is typed, nothing is written after
//! it, reads go on, and nothing acknowledged is gone once the store is opened again.

use holt_tests::report::figure_of;
use holt_tests::simdisk::failing::{Count, KINDS, base, every_call, is_typed};
use holt_tests::simdisk::run::{digest, open};
use holt_tests::simdisk::script::History;
use holt_tests::simdisk::{Call, Choice, Fault, FaultKind, SimDisk};

#[test]
fn every_call_of_a_script_fails_once() {
    let scripts = std::env::var("HOLT_FAULT_SCRIPTS").ok().map_or(24, |n| n.parse().unwrap());
    let bases = [(SimDisk::new(), History::new()), base(12), base(60)];
    let mut count = Count::default();
    for seed in 0..scripts {
        every_call(seed, &bases[seed as usize % bases.len()], &mut count)
            .unwrap_or_else(|what| panic!("{what}"));
    }
    let Count { scripts, runs, sites, hits, failures } = count;
    println!(
        "faults: {scripts} scripts, {sites} call sites x {} faults, {runs} runs with a fault \
         armed, {hits} hit, {failures} failed a call",
        KINDS.len() * 2
    );
    figure_of("call sites x faults", hits, sites * KINDS.len() as u64 * 2);
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
