//! Counts of what a suite made happen, printed as one line a home.
//!
//! Owns: [`Tally`]. Never does: judge, except for [`Tally::zeros`], which names what a run
//! never made happen.

use std::collections::BTreeMap;

use holt_engine::db::TreeStats;

use crate::model::Outcome;
use crate::script::{Kind, Op};

/// Prints a figure for `cargo xtask report`, which sums figures of one name over the suites.
pub fn figure(name: &str, reached: u64) {
    println!("figure: {name}: {reached}");
}

/// The same for a figure that must reach `all`.
pub fn figure_of(name: &str, reached: u64, all: u64) {
    println!("figure: {name}: {reached} of {all}");
}

/// How often something was asked for, and how often it was refused or found nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// All of them.
    pub all: u64,
    /// Refusals among them; not counted for parts of an operation.
    pub refused: u64,
}

/// Sums of the counters of a home over its openings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Scripts run.
    pub scripts: u64,
    /// Operations compared.
    pub operations: u64,
    /// Stores closed and opened.
    pub reopens: u64,
    /// Log records replayed at opening.
    pub replayed: u64,
    /// Full frames that moved pages to a sibling.
    pub spills: u64,
    /// Leaf pages split.
    pub page_splits: u64,
    /// Full pages relieved by a neighbour.
    pub page_balances: u64,
    /// Leaf pages merged.
    pub page_merges: u64,
    /// Thin frames merged.
    pub merges: u64,
    /// Pages evicted.
    pub evictions: u64,
    /// Dirty pages staged out to make room.
    pub staged_evictions: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Manifests switched.
    pub manifest_switches: u64,
    /// Frames repacked.
    pub compactions: u64,
    /// Most levels seen.
    pub levels: u32,
    /// Calls by kind, and the parts they had.
    pub calls: BTreeMap<Kind, Calls>,
}

impl Tally {
    /// Counts an operation and its parts.
    pub fn call(&mut self, op: &Op, outcome: &Outcome) {
        let calls = self.calls.entry(op.kind()).or_default();
        calls.all += 1;
        calls.refused += u64::from(outcome.is_refusal());
        op.parts().into_iter().for_each(|part| self.calls.entry(part).or_default().all += 1);
    }

    /// What was asked for less often than once in `often` operations, of the kinds given.
    pub fn rare(&self, kinds: &[Kind], often: u64) -> Vec<String> {
        let count = |kind: &Kind| self.calls.get(kind).map_or(0, |calls| calls.all);
        let rare = kinds.iter().filter(|kind| count(kind) * often < self.operations.max(1));
        rare.map(|kind| format!("{} {} times", kind.name(), count(kind))).collect()
    }

    /// Calls by kind in one line: how many, in hundredths of all, and how many were refused.
    pub fn calls_by_kind(&self) -> String {
        let share = |some: u64, all: u64| 100.0 * some as f64 / all.max(1) as f64;
        let one = |(kind, calls): (&Kind, &Calls)| {
            let of_all = share(calls.all, self.operations);
            let no = match calls.refused {
                0 => String::new(),
                some => format!(", {:.0} % no", share(some, calls.all)),
            };
            format!("{} {} ({of_all:.1} %{no})", kind.name(), calls.all)
        };
        self.calls.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    /// Adds the counters of one opening.
    pub fn add(&mut self, stats: &TreeStats) {
        self.replayed += stats.replayed_records;
        self.spills += stats.spills;
        self.page_splits += stats.page_splits;
        self.page_balances += stats.page_balances;
        self.page_merges += stats.page_merges;
        self.merges += stats.merges;
        self.evictions += stats.evictions;
        self.staged_evictions += stats.staged_evictions;
        self.checkpoints += stats.checkpoints;
        self.manifest_switches += stats.store.manifest_switches;
        self.compactions += stats.compactions;
        self.levels = self.levels.max(stats.levels);
    }

    /// Adds another tally.
    pub fn merge(&mut self, other: &Self) {
        for (kind, calls) in &other.calls {
            let sum = self.calls.entry(*kind).or_default();
            sum.all += calls.all;
            sum.refused += calls.refused;
        }
        self.scripts += other.scripts;
        self.operations += other.operations;
        self.reopens += other.reopens;
        self.replayed += other.replayed;
        self.spills += other.spills;
        self.page_splits += other.page_splits;
        self.page_balances += other.page_balances;
        self.page_merges += other.page_merges;
        self.merges += other.merges;
        self.evictions += other.evictions;
        self.staged_evictions += other.staged_evictions;
        self.checkpoints += other.checkpoints;
        self.manifest_switches += other.manifest_switches;
        self.compactions += other.compactions;
        self.levels = self.levels.max(other.levels);
    }

    /// Prints what scripts made happen as figures of the report.
    pub fn figures(&self, log_switches: u64) {
        figure("spills", self.spills);
        figure("merges", self.merges);
        figure("evictions", self.evictions);
        figure("manifest switches", self.manifest_switches);
        figure("log switches", log_switches);
    }

    fn counts(&self) -> [(&'static str, u64); 12] {
        [
            ("page splits", self.page_splits),
            ("page balances", self.page_balances),
            ("page merges", self.page_merges),
            ("spills", self.spills),
            ("merges", self.merges),
            ("evictions", self.evictions),
            ("staged evictions", self.staged_evictions),
            ("checkpoints", self.checkpoints),
            ("manifest switches", self.manifest_switches),
            ("compactions", self.compactions),
            ("records replayed", self.replayed),
            ("reopens", self.reopens),
        ]
    }

    /// The counts that are zero, and `levels` if no tree had two.
    pub fn zeros(&self) -> Vec<&'static str> {
        let counts = self.counts();
        let zeros = counts.iter().filter(|(_, count)| *count == 0).map(|(name, _)| *name);
        zeros.chain((self.levels < 2).then_some("trees of two levels")).collect()
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} scripts, {} operations, levels {}",
            self.scripts, self.operations, self.levels
        )?;
        self.counts().iter().try_for_each(|(name, count)| write!(f, ", {name} {count}"))
    }
}
