//! Smaller scripts that fail as well.

use super::{Change, Op, Script};

impl Script {
    /// A smaller script for which `fails` still says true, after at most `tries` runs of it.
    ///
    /// Drops ever smaller runs of operations, then shortens batches and values. The result
    /// fails too; it is not promised to be the smallest.
    pub fn shrink(&self, tries: usize, mut fails: impl FnMut(&Self) -> bool) -> Self {
        let mut best = self.clone();
        let mut left = tries;
        let mut run = best.ops.len().div_ceil(2).max(1);
        loop {
            let mut at = 0;
            let mut dropped = false;
            while at < best.ops.len() && left > 0 {
                let mut smaller = best.clone();
                smaller.ops.drain(at..(at + run).min(best.ops.len()));
                left -= 1;
                match fails(&smaller) {
                    true => (best, dropped) = (smaller, true),
                    false => at += run,
                }
            }
            if left == 0 || (run == 1 && !dropped) {
                break;
            }
            run = run.div_ceil(2).max(1);
        }
        best.shorten(left, &mut fails)
    }

    fn shorten(mut self, tries: usize, fails: &mut impl FnMut(&Self) -> bool) -> Self {
        let mut left = tries;
        for at in 0..self.ops.len() {
            // A step that does not fail may be followed by one that does.
            let mut step = 0;
            while left > 0 {
                let Some(smaller) = shorter(&self.ops[at], step) else { break };
                let whole = std::mem::replace(&mut self.ops[at], smaller);
                left -= 1;
                match fails(&self) {
                    true => step = 0,
                    false => {
                        self.ops[at] = whole;
                        step += 1;
                    }
                }
            }
        }
        self
    }
}

/// The same operation with less in it; `step` numbers the ways.
fn shorter(op: &Op, step: usize) -> Option<Op> {
    let op = op.clone();
    match op {
        Op::Put { key, value } if !value.0.is_empty() && step == 0 => {
            let value = value.0[..value.0.len() / 2].into();
            Some(Op::Put { key, value })
        }
        Op::PutMany { records } => Some(Op::PutMany { records: fewer(records, step)? }),
        Op::PutManyIfAbsent { records } => {
            Some(Op::PutManyIfAbsent { records: fewer(records, step)? })
        }
        Op::GetMany { keys } => Some(Op::GetMany { keys: fewer(keys, step)? }),
        Op::Batch { changes, txn } => {
            let changes: Vec<Change> = fewer(changes, step)?;
            Some(Op::Batch { changes, txn })
        }
        Op::AcrossTrees { changes } => Some(Op::AcrossTrees { changes: fewer(changes, step)? }),
        _ => None,
    }
}

/// The first half, the second half, then all but one.
fn fewer<T>(mut items: Vec<T>, step: usize) -> Option<Vec<T>> {
    if items.len() < 2 {
        return None;
    }
    let half = items.len() / 2;
    match step {
        0 => items.truncate(half),
        1 => drop(items.drain(..half)),
        _ if step - 2 < items.len() => drop(items.remove(step - 2)),
        _ => return None,
    }
    Some(items)
}
