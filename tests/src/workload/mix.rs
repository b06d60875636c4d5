//! Which operations a script has, and how often.
//!
//! Owns: [`Step`] and its weights. Invariant: over many scripts each kind of call is at least one
//! in a hundred; the suites check what came of it.

use rand::Rng;

use super::Rand;

/// What a step of a script does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the operations they make")]
pub enum Step {
    Get,
    GetRecord,
    GetVersion,
    GetWith,
    GetInto,
    ContainsKey,
    GetMany,
    LongestPrefix,
    IsPrefixEmpty,
    PrefixCount,
    Put,
    Insert,
    Delete,
    Remove,
    PutIfAbsent,
    PutMany,
    PutManyIfAbsent,
    CompareAndPut,
    DeleteIfVersion,
    Rename,
    RenamePrefix,
    DeletePrefix,
    Page,
    Tokens,
    Iterate,
    Visit,
    Atomic,
    Txn,
    Snapshot,
    DropSnapshot,
    ViewGet,
    ViewLongestPrefix,
    ViewScan,
    ViewPrefix,
    View,
    CreateTree,
    OpenTree,
    OpenOrCreateTree,
    DropTree,
    ListTrees,
    InTree,
    AcrossTrees,
    Checkpoint,
    Compact,
    Maintain,
    Sync,
    Gc,
    Vacuum,
    Verify,
    Reopen,
}

/// The least weight of a step: a little over one in a hundred of the sum.
const LEAST: u32 = 20;

/// Each step with its usual weight.
const USUAL: [(Step, u32); 50] = [
    (Step::Get, 40),
    (Step::GetRecord, 36),
    (Step::GetVersion, 22),
    (Step::GetWith, LEAST),
    (Step::GetInto, LEAST),
    (Step::ContainsKey, LEAST),
    (Step::GetMany, 24),
    (Step::LongestPrefix, 20),
    (Step::IsPrefixEmpty, 22),
    (Step::PrefixCount, 20),
    (Step::Put, 80),
    (Step::Insert, 24),
    (Step::Delete, 24),
    (Step::Remove, 20),
    (Step::PutIfAbsent, 22),
    (Step::PutMany, 24),
    (Step::PutManyIfAbsent, 20),
    (Step::CompareAndPut, 24),
    (Step::DeleteIfVersion, 20),
    (Step::Rename, 34),
    (Step::RenamePrefix, 26),
    (Step::DeletePrefix, LEAST),
    (Step::Page, 40),
    (Step::Tokens, LEAST),
    (Step::Iterate, LEAST),
    (Step::Visit, 20),
    (Step::Atomic, 66),
    (Step::Txn, 26),
    (Step::Snapshot, 20),
    (Step::DropSnapshot, LEAST),
    (Step::ViewGet, LEAST),
    (Step::ViewLongestPrefix, LEAST),
    (Step::ViewScan, 30),
    (Step::ViewPrefix, LEAST),
    (Step::View, LEAST),
    (Step::CreateTree, LEAST),
    (Step::OpenTree, LEAST),
    (Step::OpenOrCreateTree, LEAST),
    (Step::DropTree, LEAST),
    (Step::ListTrees, LEAST),
    (Step::InTree, 30),
    (Step::AcrossTrees, LEAST),
    (Step::Checkpoint, LEAST),
    (Step::Compact, LEAST),
    (Step::Maintain, LEAST),
    (Step::Sync, LEAST),
    (Step::Gc, LEAST),
    (Step::Vacuum, 22),
    (Step::Verify, LEAST),
    (Step::Reopen, LEAST),
];

/// The weights of one script: a swarm, so some steps are left out for the whole of it, others
/// are more or less frequent, and on average each is as it is usually.
pub fn weights(rng: &mut Rand) -> Vec<(Step, u32)> {
    const FINE: u32 = 20;
    let mut one = |(step, usual): (Step, u32)| {
        let weight = match rng.random_range(0..5) {
            // Without puts there is nothing to look at.
            0 if step != Step::Put => 0,
            _ => usual * rng.random_range(FINE / 2..=2 * FINE),
        };
        (step, weight)
    };
    USUAL.into_iter().map(&mut one).collect()
}

/// A step, each with the chance of its weight.
pub fn draw(rng: &mut Rand, weights: &[(Step, u32)]) -> Step {
    let mut ticket = rng.random_range(0..weights.iter().map(|(_, weight)| weight).sum::<u32>());
    for (step, weight) in weights {
        match ticket.checked_sub(*weight) {
            None => return *step,
            Some(rest) => ticket = rest,
        }
    }
    Step::Put
}
