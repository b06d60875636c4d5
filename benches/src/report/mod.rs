//! What a run found: collected, kept as JSON, shown as Markdown.
//!
//! Owns: the collected outcomes and what is made of them. Never does: judging; a table says how
//! many times better or worse, nothing here says whether that is enough.

mod cells;
mod markdown;
mod rows;

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::cli::{self, Load, Order};
use crate::engine::Kind;
use crate::protocol::{Outcome, Step};
use crate::workload::{ObjStore, Workload};

pub use rows::Row;

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

/// Everything about a run.
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
    /// The figures: one row an engine and cell.
    pub results: Vec<Row>,
    /// What the figures were made of.
    pub steps: Vec<Taken>,
}

impl Report {
    /// Nothing found yet.
    pub fn new(load: &Load) -> Self {
        let shape = &load.shape;
        Self {
            workload: ObjStore::new(shape.records, shape.seed).name().into(),
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
            results: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// An engine takes part.
    pub fn engine(&mut self, kind: &Kind, settings: String) {
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

    /// Makes the rows and writes `results.json` and `results.md`.
    pub fn keep(&mut self, out: &Path) -> Result<()> {
        self.results = cells::rows(self);
        let text = markdown::render(self);
        fs::create_dir_all(out)?;
        fs::write(out.join("results.json"), serde_json::to_string_pretty(self)?)?;
        fs::write(out.join("results.md"), &text)?;
        Ok(())
    }

    /// Prints the tables.
    pub fn show(&self) {
        print!("{}", markdown::render(self));
    }
}

/// Prints the tables of an earlier run.
pub fn again(from: &cli::Report) -> Result<()> {
    let text = fs::read_to_string(&from.results)
        .map_err(|error| format!("cannot read {}: {error}", from.results.display()))?;
    let report: Report = serde_json::from_str(&text)?;
    report.show();
    Ok(())
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
