//! Scripts are what their seeds say, and have everything in them.

use std::collections::BTreeMap;

use holt_engine::limits::{MAX_KEY_BYTES, MAX_VALUE_BYTES};

use super::*;
use crate::compare::resolved;
use crate::model::{Model, Outcome, VersionOracle};
use crate::script::{Kind, Op, Read, Script};

fn config(seed: u64, shape: Shape) -> Config {
    let paths = (0..60_u32).map(|n| format!("/usr/{}/{}/{n}", n % 3, n % 7).into_bytes());
    let paths: Vec<Vec<u8>> = paths.collect();
    Config { seed, shape, keys: 300, ops: 1500, value_bytes: 50, paths }
}

fn scripts(count: u64) -> impl Iterator<Item = Script> {
    let shapes = Shape::ALL.into_iter().cycle();
    (0..count).zip(shapes).map(|(seed, shape)| script(&config(seed, shape)))
}

#[test]
fn equal_seeds_give_equal_scripts_and_no_key_over_the_limit() {
    for shape in Shape::ALL {
        let made = script(&config(7, shape));
        assert_eq!(made, script(&config(7, shape)));
        assert_ne!(made, script(&config(8, shape)), "{shape:?}");
        for op in &made.ops {
            if let Op::Put { key, value } = op {
                assert!(key.0.len() <= MAX_KEY_BYTES && value.0.len() <= MAX_VALUE_BYTES);
            }
        }
    }
}

#[test]
fn each_kind_of_call_is_one_in_a_hundred_and_each_part_is_there() {
    let mut counts: BTreeMap<Kind, u64> = BTreeMap::new();
    let mut calls = 0;
    for script in scripts(80) {
        for op in &script.ops {
            calls += 1;
            *counts.entry(op.kind()).or_default() += 1;
            op.parts().into_iter().for_each(|part| *counts.entry(part).or_default() += 1);
        }
    }
    let rare: Vec<String> = Kind::ALL
        .iter()
        .map(|kind| (kind, counts.get(kind).copied().unwrap_or_default()))
        .filter(|(_, count)| count * 100 < calls)
        .map(|(kind, count)| format!("{}: {count} of {calls}", kind.name()))
        .collect();
    assert!(rare.is_empty(), "{rare:?}");
}

/// Runs scripts in the model alone, with versions that are the writes themselves.
fn outcomes(count: u64) -> BTreeMap<Kind, (u64, u64)> {
    let mut outcomes: BTreeMap<Kind, (u64, u64)> = BTreeMap::new();
    for script in scripts(count) {
        let (mut model, mut versions) = (Model::default(), VersionOracle::default());
        for op in &script.ops {
            let (asked, _) = resolved(&versions, op);
            let outcome = model.run(&asked);
            assert!(!matches!(&outcome, Outcome::Failed(why) if why == "no-snapshot"), "{op:?}");
            for (key, write) in outcome.sightings(op) {
                versions.observe(write, write).unwrap();
                versions.remember("", key, write, write);
            }
            let (yes, no) = outcomes.entry(op.kind()).or_default();
            *(if outcome.is_refusal() { no } else { yes }) += 1;
        }
    }
    outcomes
}

#[test]
fn conditions_hold_and_fail() {
    let outcomes = outcomes(30);
    let both = [
        Kind::Get,
        Kind::GetVersion,
        Kind::ContainsKey,
        Kind::IsPrefixEmpty,
        Kind::Delete,
        Kind::PutIfAbsent,
        Kind::PutManyIfAbsent,
        Kind::CompareAndPut,
        Kind::DeleteIfVersion,
        Kind::Rename,
        Kind::RenamePrefix,
        Kind::DeletePrefix,
        Kind::Atomic,
        Kind::Txn,
        Kind::ViewGet,
        Kind::ViewScan,
        Kind::View,
        Kind::CreateTree,
        Kind::OpenTree,
        Kind::DropTree,
        Kind::InTree,
        Kind::AcrossTrees,
    ];
    let one_sided: Vec<String> = both
        .iter()
        .map(|kind| (kind, outcomes[kind]))
        .filter(|(_, (yes, no))| (*yes).min(*no) * 8 < yes + no)
        .map(|(kind, (yes, no))| format!("{}: {yes} did, {no} did not", kind.name()))
        .collect();
    assert!(one_sided.is_empty(), "each way at least one in eight: {one_sided:?}");
}

#[test]
fn records_are_there_to_be_found() {
    for shape in Shape::ALL {
        let script = script(&config(11, shape));
        let (mut model, versions) = (Model::default(), VersionOracle::default());
        let (mut most, mut found, mut asked) = (0, 0_u32, 0_u32);
        for op in &script.ops {
            let outcome = model.run(&resolved(&versions, op).0);
            most = most.max(model.len());
            if let (Op::Read(Read::Get { .. } | Read::GetRecord { .. }), true) = (op, most > 20) {
                asked += 1;
                found += u32::from(!outcome.is_refusal());
            }
        }
        assert!(most >= 20, "{shape:?}: never more than {most} records");
        assert!(found * 4 > asked, "{shape:?}: {found} of {asked} reads found something");
    }
}
