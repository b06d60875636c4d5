//! Runs every engine in a process of its own and interleaves their rounds.
//!
//! Owns: the order of steps, the caps, the worker processes it started, their directories.
//! Never does: measuring engines; their figures come from the workers. The pointer chase, which
//! needs no engine, runs in this process.

mod child;
mod plan;
mod profile;
mod progress;
mod scratch;

use std::fs;
use std::time::{Duration, Instant};

use crate::Result;
use crate::cli::Load;
use crate::engine::{self, Kind, Setup};
use crate::limits::CHASE_LOADS;
use crate::measure::Chase;
use crate::protocol::{Outcome, Step};
use crate::report::{Book, CHASE, Report, Taken};
use child::Child;
pub use plan::has_rounds;
use plan::{cells, plan, prepares};
pub use profile::profile;
use progress::Progress;
pub use scratch::Scratch;

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

/// How often results are kept: tables and plots of every step would cost more than some steps.
const KEEP_EVERY: Duration = Duration::from_secs(5);

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
    /// What is kept after every step: this run's report is one of its pages.
    book: &'a mut Book,
    /// Which one.
    page: usize,
    progress: Progress,
    chase: Option<Chase>,
    /// After this moment no further step starts.
    until: Option<Instant>,
    /// When the results were last kept.
    kept: Option<Instant>,
}

/// Runs `load` and prints and keeps its report.
pub fn load(load: &Load) -> Result<()> {
    let mut book = Book::new("load");
    run(load, &mut book, None)?;
    book.show();
    book.verdict()
}

/// Runs a load into a book, going on with what the book has of it; whether it was finished.
fn run(load: &Load, book: &mut Book, until: Option<Instant>) -> Result<bool> {
    let kinds = chosen(load)?;
    let scratch = Scratch::new(&load.shape)?;
    let page = book.page(load);
    let mut run =
        Run { load, book, page, progress: Progress::new(), chase: None, until, kept: None };
    let cells = if load.all { cells() } else { load.cells.clone() };
    let steps = plan(load.shape.rounds, &cells);
    let mut lanes = Vec::new();
    for kind in kinds {
        if run.pending(kind.name, &steps) {
            lanes.push(Lane { kind, setup: scratch.setup(&load.shape, kind.name)?, child: None });
        }
    }
    let groups: Vec<&mut [Lane]> =
        if load.sequential { lanes.chunks_mut(1).collect() } else { vec![&mut lanes[..]] };
    for group in groups {
        for lane in group.iter_mut() {
            run.begin(lane);
        }
        for &(step, round) in &steps {
            run.chase(group, step, round);
            for lane in group.iter_mut() {
                run.step(lane, step, round);
            }
        }
        for lane in group.iter_mut() {
            run.end(lane);
        }
    }
    run.progress.finish();
    let finished = !run.over();
    run.report().finished = finished;
    run.keep();
    Ok(finished)
}

impl Run<'_> {
    fn report(&mut self) -> &mut Report {
        &mut self.book.runs[self.page]
    }

    fn over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() > until)
    }

    /// Whether anything is left to do for an engine. One that failed stays out: alone, its rounds
    /// would come at another time than those they are compared with.
    fn pending(&mut self, engine: &str, steps: &[(Step, u32)]) -> bool {
        let report = self.report();
        let mut known = report.engines.iter().filter(|entrant| entrant.name == engine);
        if known.any(|entrant| entrant.failed.is_some()) {
            return false;
        }
        steps.iter().any(|&(step, round)| {
            let chase = matches!(step, Step::Chase | Step::ChaseTwo);
            !chase && !report.has(engine, step, round)
        })
    }

    fn begin(&mut self, lane: &mut Lane) {
        let begun = Child::start(self.load.cgroup.as_deref(), lane.kind.name, &lane.setup);
        match begun {
            Ok((child, settings)) => {
                self.report().engine(&lane.kind, settings);
                lane.child = Some(child);
            }
            Err(error) => self.report().failed(&lane.kind, "start", error.to_string()),
        }
    }

    /// The pointer chase of a round, over as many bytes as the store has.
    fn chase(&mut self, lanes: &[Lane], step: Step, round: u32) {
        let threads = match step {
            Step::Chase => 1,
            Step::ChaseTwo => 2,
            _ => return,
        };
        let Some(lane) = lanes.first() else { return };
        if self.report().has(CHASE, step, round) || self.over() {
            return;
        }
        let chase =
            self.chase.get_or_insert_with(|| Chase::new(lane.setup.payload, lane.setup.seed));
        let nanos = chase.run(threads, CHASE_LOADS);
        let ops = CHASE_LOADS * threads as u64;
        let outcome = Outcome { nanos, cpu_nanos: nanos, ops, asked: ops, ..Outcome::default() };
        self.report().took(Taken { engine: CHASE.into(), step, round, outcome });
    }

    fn step(&mut self, lane: &mut Lane, step: Step, round: u32) {
        let known = self.report().has(lane.kind.name, step, round);
        let chase = matches!(step, Step::Chase | Step::ChaseTwo);
        if lane.child.is_none() || chase || (known && !prepares(step)) || self.over() {
            return;
        }
        let cap = self.cap(&lane.kind, step);
        let limit = self.load.step_limit;
        self.progress.step(lane.kind.name, step, round, self.load.shape.rounds);
        let progress = &mut self.progress;
        let Some(child) = &mut lane.child else { return };
        let answer = child.step(step, round, cap, limit, &mut |done, total| {
            progress.at(done, total);
        });
        let taken = answer.and_then(|outcome| {
            let taken = Taken { engine: lane.kind.name.into(), step, round, outcome };
            self.report().agrees(&taken)?;
            Ok(taken)
        });
        match taken {
            Ok(taken) if !known => {
                self.report().took(taken);
                self.keep_now_and_then();
            }
            Ok(_) => {}
            Err(error) => {
                self.report().failed(&lane.kind, &format!("{step:?}"), error.to_string());
                self.keep();
                // Its process is of no more use; dropping the child ends it.
                lane.child = None;
            }
        }
    }

    /// Keeps what is known so far, now and then: a run that is stopped leaves what it found.
    fn keep_now_and_then(&mut self) {
        if self.kept.is_none_or(|kept| kept.elapsed() >= KEEP_EVERY) {
            self.keep();
        }
    }

    fn keep(&mut self) {
        self.kept = Some(Instant::now());
        if let Err(error) = self.book.keep(&self.load.out) {
            self.progress.say(&format!("cannot keep the results: {error}"));
        }
    }

    fn end(&mut self, lane: &mut Lane) {
        if let Some(child) = lane.child.take()
            && let Err(error) = child.end(self.load.step_limit)
        {
            self.report().failed(&lane.kind, "close", error.to_string());
        }
        // The next engine finds the disk as empty as this one did.
        let _ = fs::remove_dir_all(&lane.setup.dir);
    }

    /// After how many seconds a step of this engine is cut off.
    fn cap(&mut self, kind: &Kind, step: Step) -> Option<f64> {
        let asked = (step == Step::Load).then_some(self.load.cap_seconds).flatten();
        if kind.ours || self.load.cap_ratio <= 0.0 {
            return asked;
        }
        let (most, floor) = (self.load.cap_ratio, self.load.cap_floor);
        let ours = self.report().ours(step).filter(|ours| ours.ran());
        let ratio = ours.map(|ours| (ours.nanos as f64 / 1e9 * most).max(floor));
        match (asked, ratio) {
            (Some(asked), Some(ratio)) => Some(asked.min(ratio)),
            (asked, ratio) => asked.or(ratio),
        }
    }
}
