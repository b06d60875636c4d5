//! The steps of a run, in order.

use crate::protocol::Step;

/// Load, quiet state, rounds of each cell, quiet state again, reopening, comparison, check.
pub fn plan(rounds: u32) -> Vec<(Step, u32)> {
    let mut steps = vec![(Step::Open, 0), (Step::Load, 0), (Step::Checkpoint, 0), (Step::Warm, 0)];
    for cell in [Step::Get, Step::Miss, Step::List, Step::Put] {
        steps.extend((0..rounds).map(|round| (cell, round)));
    }
    steps.extend([(Step::Checkpoint, 1), (Step::Reopen, 0), (Step::Verify, 0), (Step::Check, 0)]);
    steps
}
