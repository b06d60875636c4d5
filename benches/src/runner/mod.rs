//! Runs every engine in a process of its own and interleaves their rounds.
//!
//! Owns: the order of steps, the caps, the worker processes it started, their directories.
//! Never does: measuring; all figures come from the workers.

mod child;
mod plan;
mod progress;

use std::fs;
use std::path::PathBuf;

use crate::Result;
use crate::cli::{Load, Shape};
use crate::engine::{self, Kind, Setup};
use crate::limits::CAP_FLOOR_SECONDS;
use crate::protocol::{Outcome, Step};
use crate::report::{Report, Taken};
use crate::workload::{ObjStore, Workload};
use child::Child;
use plan::plan;
use progress::Progress;

/// The set-up of one engine of a run: an empty directory and everything else it must know.
pub fn setup(shape: &Shape, engine: &str) -> Result<Setup> {
    let dir = Scratch::path(shape).join(engine);
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir_all(&dir)?;
    let workload = ObjStore::new(shape.records, shape.seed);
    let mut record = Vec::new();
    workload.key(0, &mut record);
    workload.value(0, 0, &mut record);
    Ok(Setup {
        dir: dir.canonicalize()?,
        records: shape.records,
        payload: shape.records * record.len() as u64,
        cache_bytes: shape.cache_mib.map(|mib| mib << 20),
        order: shape.order,
        seed: shape.seed,
        ops: shape.ops,
    })
}

/// The data of a run, removed when it ends.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Of the run in this process.
    pub fn new(shape: &Shape) -> Self {
        Self(Self::path(shape))
    }

    fn path(shape: &Shape) -> PathBuf {
        shape.dir.join(format!("run-{}", std::process::id()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing more can be done about a directory that can not be removed.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The engines asked for, ours first, so that the caps of the peers can follow from it.
fn chosen(load: &Load) -> Result<Vec<Kind>> {
    let mut kinds = if load.engines.is_empty() {
        engine::kinds()
    } else {
        load.engines.iter().map(|name| engine::kind(name.trim())).collect::<Result<_>>()?
    };
    kinds.sort_by_key(|kind| !kind.ours);
    Ok(kinds)
}

/// One engine of a run.
struct Lane {
    kind: Kind,
    setup: Setup,
    /// Gone once it failed or finished.
    child: Option<Child>,
}

/// A run under way.
struct Run<'a> {
    load: &'a Load,
    report: Report,
    progress: Progress,
}

/// Runs `load` and prints and keeps its report.
pub fn load(load: &Load) -> Result<()> {
    let kinds = chosen(load)?;
    let _scratch = Scratch::new(&load.shape);
    let mut run = Run { load, report: Report::new(load), progress: Progress::new() };
    let mut lanes = Vec::new();
    for kind in kinds {
        lanes.push(Lane { kind, setup: setup(&load.shape, kind.name)?, child: None });
    }
    if load.sequential {
        for lane in &mut lanes {
            run.begin(lane);
            for (step, round) in plan(load.shape.rounds) {
                run.step(lane, step, round);
            }
            run.end(lane);
        }
    } else {
        for lane in &mut lanes {
            run.begin(lane);
        }
        for (step, round) in plan(load.shape.rounds) {
            for lane in &mut lanes {
                run.step(lane, step, round);
            }
        }
        for lane in &mut lanes {
            run.end(lane);
        }
    }
    run.progress.finish();
    run.report.show();
    match run.report.failure() {
        Some(failure) => Err(failure.into()),
        None => Ok(()),
    }
}

impl Run<'_> {
    fn begin(&mut self, lane: &mut Lane) {
        let begun = Child::start(self.load.cgroup.as_deref(), lane.kind.name, &lane.setup);
        match begun {
            Ok((child, settings)) => {
                self.report.engine(&lane.kind, settings);
                lane.child = Some(child);
            }
            Err(error) => self.report.failed(&lane.kind, "start", error.to_string()),
        }
    }

    fn step(&mut self, lane: &mut Lane, step: Step, round: u32) {
        let Some(child) = &mut lane.child else { return };
        let cap = self.cap(&lane.kind, step);
        self.progress.step(lane.kind.name, step, round, self.load.shape.rounds);
        let progress = &mut self.progress;
        let answer = child.step(step, round, cap, self.load.step_limit, &mut |done, total| {
            progress.at(done, total);
        });
        match answer {
            Ok(outcome) => {
                self.report.took(Taken { engine: lane.kind.name.into(), step, round, outcome });
                self.keep();
            }
            Err(error) => {
                self.report.failed(&lane.kind, &format!("{step:?}"), error.to_string());
                self.keep();
                // Its process is of no more use; dropping the child ends it.
                lane.child = None;
            }
        }
    }

    /// Keeps what is known so far: a run that is stopped leaves what it found.
    fn keep(&mut self) {
        if let Err(error) = self.report.keep(&self.load.out) {
            self.progress.say(&format!("cannot keep the results: {error}"));
        }
    }

    fn end(&mut self, lane: &mut Lane) {
        if let Some(child) = lane.child.take()
            && let Err(error) = child.end(self.load.step_limit)
        {
            self.report.failed(&lane.kind, "close", error.to_string());
        }
        // The next engine finds the disk as empty as this one did.
        let _ = fs::remove_dir_all(&lane.setup.dir);
    }

    /// After how many seconds a step of this engine is cut off.
    fn cap(&self, kind: &Kind, step: Step) -> Option<f64> {
        let asked = (step == Step::Load).then_some(self.load.cap_seconds).flatten();
        if kind.ours || self.load.cap_ratio <= 0.0 {
            return asked;
        }
        let ratio = self.report.ours(step).map(|ours| self.ratio_cap(ours));
        match (asked, ratio) {
            (Some(asked), Some(ratio)) => Some(asked.min(ratio)),
            (asked, ratio) => asked.or(ratio),
        }
    }

    fn ratio_cap(&self, ours: &Outcome) -> f64 {
        (ours.nanos as f64 / 1e9 * self.load.cap_ratio).max(CAP_FLOOR_SECONDS)
    }
}
