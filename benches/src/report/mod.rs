//! What runs found: collected, kept as JSON, shown as Markdown and as plots.
//!
//! Owns: the collected outcomes and what is made of them. Never does: deciding what is good
//! enough; a table says how many times better or worse, and which targets of `targets.toml` are
//! met.

mod book;
mod cells;
mod markdown;
mod paint;
mod plots;
mod rows;
mod table;
mod targets;

use std::fs;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::cli::{Load, Order, Shape};
use crate::engine::Kind;
use crate::protocol::{Outcome, Step};

pub use book::{Book, again};
pub use rows::Row;

/// The name under which the pointer chase stands among the steps of engines.
pub const CHASE: &str = "chase";

/// One step of one engine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Taken {
    /// Whose.
    pub engine: String,
    /// Which.
    pub step: Step,
    /// Which round of it.
    pub round: u32,
    /// What it took.
    pub outcome: Outcome,
}

/// An engine of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entrant {
    /// Its name.
    pub name: String,
    /// Where it ran.
    pub home: String,
    /// Ours, as opposed to a peer.
    pub ours: bool,
    /// Whether it keeps anything on disk.
    pub persistent: bool,
    /// Its settings in words.
    pub settings: String,
    /// The step that failed and why, if one did.
    pub failed: Option<(String, String)>,
}

/// Everything about a run over one store an engine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The workload.
    pub workload: String,
    /// Records asked for.
    pub records: u64,
    /// Cache asked for, in MiB.
    pub cache_mib: Option<u64>,
    /// Load order.
    pub order: Order,
    /// Seed.
    pub seed: u64,
    /// Point operations a round.
    pub ops: u64,
    /// Rounds.
    pub rounds: u32,
    /// A peer's cell is cut off at this many times ours.
    pub cap_ratio: f64,
    /// Whether rounds of the engines were interleaved.
    pub interleaved: bool,
    /// Whether a memory cgroup held the workers.
    pub cgroup: bool,
    /// The machine in words.
    pub machine: String,
    /// The engines.
    pub engines: Vec<Entrant>,
    /// Whether every step was done.
    pub finished: bool,
    /// What the figures were made of.
    pub steps: Vec<Taken>,
}

impl Report {
    /// Nothing found yet.
    pub fn new(load: &Load) -> Self {
        let shape = &load.shape;
        Self {
            workload: shape.workload.name().into(),
            records: shape.records,
            cache_mib: shape.cache_mib,
            order: shape.order,
            seed: shape.seed,
            ops: shape.ops,
            rounds: shape.rounds,
            cap_ratio: load.cap_ratio,
            interleaved: !load.sequential,
            cgroup: load.cgroup.is_some(),
            machine: machine(),
            engines: Vec::new(),
            finished: false,
            steps: Vec::new(),
        }
    }

    /// Whether this is of such a run.
    pub fn is_of(&self, shape: &Shape) -> bool {
        (self.workload.as_str(), self.records, self.cache_mib, self.order, self.seed, self.ops)
            == (
                shape.workload.name(),
                shape.records,
                shape.cache_mib,
                shape.order,
                shape.seed,
                shape.ops,
            )
    }

    /// An engine takes part, again if it failed before.
    pub fn engine(&mut self, kind: &Kind, settings: String) {
        self.engines.retain(|entrant| entrant.name != kind.name);
        self.engines.push(Entrant {
            name: kind.name.into(),
            home: kind.home.into(),
            ours: kind.ours,
            persistent: kind.persistent,
            settings,
            failed: None,
        });
    }

    /// An engine finished a step.
    pub fn took(&mut self, taken: Taken) {
        self.steps.push(taken);
    }

    /// Whether nothing is left to learn from a round: it was done, or an earlier one was cut off.
    pub fn has(&self, engine: &str, step: Step, round: u32) -> bool {
        let mut of = self.steps.iter().filter(|taken| taken.engine == engine && taken.step == step);
        of.any(|taken| taken.round == round || taken.outcome.cut())
    }

    /// Refuses an answer that is not that of another engine to the same question.
    pub fn agrees(&self, new: &Taken) -> Result<()> {
        let loaded = |engine: &str| {
            let mut of = self.steps.iter().filter(|taken| taken.engine == engine);
            of.any(|taken| taken.step == Step::Load && !taken.outcome.cut())
        };
        let same = |old: &&Taken| {
            (old.step, old.round, old.outcome.asked) == (new.step, new.round, new.outcome.asked)
                && old.engine != CHASE
                && !old.outcome.cut()
                && loaded(&old.engine)
        };
        if new.outcome.cut() || !loaded(&new.engine) {
            return Ok(());
        }
        match self.steps.iter().find(same) {
            Some(old) if old.outcome.entries != new.outcome.entries => Err(format!(
                "{} entries where {} has {}",
                new.outcome.entries, old.engine, old.outcome.entries
            )
            .into()),
            _ => Ok(()),
        }
    }

    /// An engine failed.
    pub fn failed(&mut self, kind: &Kind, step: &str, why: String) {
        if !self.engines.iter().any(|entrant| entrant.name == kind.name) {
            self.engine(kind, String::new());
        }
        for entrant in &mut self.engines {
            if entrant.name == kind.name {
                entrant.failed = Some((step.into(), why.clone()));
            }
        }
    }

    /// The first failure, in one line.
    pub fn failure(&self) -> Option<String> {
        self.engines.iter().find_map(|entrant| {
            let (step, why) = entrant.failed.as_ref()?;
            Some(format!("{} failed in step {step}: {why}", entrant.name))
        })
    }

    /// The latest outcome of a step of ours.
    pub fn ours(&self, step: Step) -> Option<&Outcome> {
        let ours = &self.engines.iter().find(|entrant| entrant.ours)?.name;
        let mut taken = self.steps.iter().rev();
        Some(&taken.find(|taken| taken.engine == *ours && taken.step == step)?.outcome)
    }
}

/// Processor, cores and kernel in words.
fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let name = name.map_or("unknown processor", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores of {name}, kernel {}", kernel.trim())
}
