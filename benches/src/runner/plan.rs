//! The steps of a run, in order.

use crate::protocol::Step;

/// Cells that leave the store as they found it.
const READS: [Step; 8] = [
    Step::Chase,
    Step::Get,
    Step::Zipf,
    Step::Miss,
    Step::Visit,
    Step::List,
    Step::ListOwned,
    Step::ListDir,
];

/// Cells that come after the reopening, on a store that has been written to.
const LATER: [Step; 16] = [
    Step::Mixed,
    Step::CreateDelete,
    Step::Rename,
    Step::Metadata,
    Step::ChaseTwo,
    Step::GetAlone,
    Step::GetTwo,
    Step::PutAlone,
    Step::PutTwo,
    Step::Overwrite,
    Step::ColdGet,
    Step::ColdScan,
    Step::MoveSmall,
    Step::MoveLarge,
    Step::Durable,
    Step::DurableMany,
];

/// Every cell with rounds.
pub fn cells() -> Vec<Step> {
    READS.into_iter().chain([Step::Put]).chain(LATER).collect()
}

/// Whether a step is measured several times.
pub fn has_rounds(step: Step) -> bool {
    cells().contains(&step)
}

/// Whether a store that is loaded again needs the step before any other can go on.
pub fn prepares(step: Step) -> bool {
    matches!(step, Step::Open | Step::Load | Step::Checkpoint | Step::Settle | Step::Warm)
}

/// Load, quiet state, rounds of each cell, quiet state again, reopening, comparison, check.
pub fn plan(rounds: u32, cells: &[Step]) -> Vec<(Step, u32)> {
    let mut steps: Vec<_> =
        [Step::Open, Step::Load, Step::Checkpoint, Step::Settle, Step::Warm].map(|s| (s, 0)).into();
    let rounds_of = |kind: &[Step], steps: &mut Vec<(Step, u32)>| {
        for cell in kind.iter().filter(|cell| cells.contains(cell)) {
            if *cell == Step::Overwrite {
                // What earlier cells left to write is not of the overwrites.
                steps.push((Step::Checkpoint, 2));
            }
            steps.extend((0..rounds).map(|round| (*cell, round)));
        }
    };
    rounds_of(&READS, &mut steps);
    rounds_of(&[Step::Put], &mut steps);
    steps.extend([(Step::Checkpoint, 1), (Step::Reopen, 0), (Step::Verify, 0)]);
    if LATER.iter().any(|cell| cells.contains(cell)) {
        steps.push((Step::Warm, 1));
        rounds_of(&LATER, &mut steps);
        steps.push((Step::Verify, 1));
    }
    steps.push((Step::Check, 0));
    steps
}
