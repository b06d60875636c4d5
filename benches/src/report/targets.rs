//! The targets of `targets.toml` against what a run found.

use serde::Deserialize;

use super::table::Table;
use super::{Book, Report};
use crate::Result;
use crate::cli::Order;

/// The file, as it was when this program was built.
const FILE: &str = include_str!("../../targets.toml");

/// One target. Of the ways to say it, one is used.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    pub cell: String,
    pub workload: String,
    pub n: u64,
    #[serde(default)]
    order: Option<Order>,
    /// So many times less than the best peer that keeps anything on disk.
    #[serde(default)]
    times: Option<f64>,
    /// The peer that `times` is against, if it is not the best one.
    #[serde(default)]
    against: Option<String>,
    /// At most this, in the cell's unit.
    #[serde(default)]
    most: Option<f64>,
    /// At most so many dependent loads of the same run,
    #[serde(default)]
    loads: Option<f64>,
    /// and this, in the cell's unit; the sum counts `slack` times.
    #[serde(default)]
    plus: f64,
    /// How many times the sum of loads and `plus` may be.
    #[serde(default)]
    slack: Option<f64>,
    /// Where it comes from.
    pub from: String,
}

#[derive(Deserialize)]
struct Targets {
    target: Vec<Target>,
}

/// What became of a target.
pub struct Verdict {
    pub target: Target,
    pub wanted: String,
    pub found: String,
    /// How far ours is: 1 is just there, more is better.
    pub reached: f64,
}

impl Target {
    /// The order of the load that it is about.
    pub fn order(&self) -> Order {
        self.order.unwrap_or(Order::Random)
    }

    fn is_of(&self, run: &Report) -> bool {
        (self.workload.as_str(), self.n, self.order()) == (&run.workload, run.records, run.order)
    }

    fn judge(&self, table: &Table<'_>) -> Option<Verdict> {
        let ours = table.ours(&self.cell)?;
        let (wanted, found, reached) = if let Some(times) = self.times {
            let peer = match &self.against {
                Some(name) => table.row(name, &self.cell)?,
                None => table.best(&self.cell)?,
            };
            let ratio = peer.median / ours.median;
            let wanted = format!("{times}x less than {}", peer.engine);
            (wanted, format!("{ratio:.2}x"), ratio / times)
        } else if let Some(loads) = self.loads {
            let most = (loads * table.chase()? + self.plus) * self.slack.unwrap_or(1.0);
            let found = format!("{:.0} {}", ours.median, ours.unit);
            (format!("at most {most:.0} {}", ours.unit), found, most / ours.median)
        } else {
            let most = self.most?;
            let found = format!("{:.3} {}", ours.median, ours.unit);
            (format!("at most {most} {}", ours.unit), found, most / ours.median)
        };
        Some(Verdict { target: self.clone(), wanted, found, reached })
    }
}

/// The verdicts that a book allows, missed ones first, the farthest first of all; and how many
/// targets are of runs that it does not have.
pub fn verdicts(book: &Book) -> Result<(Vec<Verdict>, usize)> {
    let Targets { target: all } = toml::from_str(FILE)?;
    let count = all.len();
    let judged = all.into_iter().filter_map(|target| {
        let run = book.runs.iter().find(|run| target.is_of(run))?;
        target.judge(&Table::new(run, &book.rows(run)))
    });
    let mut verdicts: Vec<_> = judged.collect();
    verdicts.sort_by(|a, b| a.reached.total_cmp(&b.reached));
    let open = count - verdicts.len();
    Ok((verdicts, open))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_says_what_it_wants_in_one_way() {
        let targets: Targets = toml::from_str(FILE).expect("targets.toml is read");
        for target in targets.target {
            let ways = [target.times.is_some(), target.most.is_some(), target.loads.is_some()];
            assert_eq!(ways.iter().filter(|way| **way).count(), 1, "{target:?}");
        }
    }
}
