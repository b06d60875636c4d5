//! From steps to figures: what each cell means.

use super::{Entrant, Report, Row, Taken};
use crate::measure::Spread;
use crate::protocol::{Outcome, Step};

const MIB: f64 = 1_048_576.0;

/// Steps of one engine.
struct Steps<'a> {
    taken: Vec<&'a Taken>,
}

impl<'a> Steps<'a> {
    fn all(&self, step: Step) -> impl Iterator<Item = &'a Outcome> {
        self.taken.iter().filter(move |taken| taken.step == step).map(|taken| &taken.outcome)
    }

    fn one(&self, step: Step, round: u32) -> Option<&'a Outcome> {
        let found = self.taken.iter().find(|taken| taken.step == step && taken.round == round);
        found.map(|taken| &taken.outcome)
    }

    /// A figure of every round.
    fn rounds(&self, step: Step, figure: impl Fn(&Outcome) -> f64) -> Vec<f64> {
        self.all(step).map(figure).collect()
    }
}

/// Every row of a report.
pub fn rows(report: &Report) -> Vec<Row> {
    report.engines.iter().flat_map(|entrant| of_engine(report, entrant)).collect()
}

fn of_engine(report: &Report, entrant: &Entrant) -> Vec<Row> {
    let taken = report.steps.iter().filter(|taken| taken.engine == entrant.name).collect();
    let steps = Steps { taken };
    let Some(load) = steps.one(Step::Load, 0) else { return Vec::new() };
    let mut rows = Vec::new();
    let mut add = |cell: &str, unit: &str, rounds: Vec<f64>, cut: bool| {
        let Some(spread) = Spread::of(rounds) else { return };
        rows.push(Row {
            engine: entrant.name.clone(),
            home: entrant.home.clone(),
            workload: report.workload.clone(),
            n: load.ops,
            order: report.order,
            cell: cell.into(),
            unit: unit.into(),
            median: spread.median,
            low: spread.low,
            high: spread.high,
            cut: cut || load.cut(),
        });
    };
    for (cell, unit, rounds) in load_cells(&steps, load, entrant) {
        add(cell, unit, rounds, false);
    }
    for (cell, step) in POINTS {
        let cut = steps.all(step).any(Outcome::cut);
        add(cell, "ns", steps.rounds(step, Outcome::nanos_per_op), cut);
        let cpu = steps.rounds(step, Outcome::cpu_nanos_per_op);
        add(&format!("{cell}, processor"), "ns", cpu, cut);
    }
    for (cell, unit, rounds) in after_cells(&steps, entrant) {
        add(cell, unit, rounds, false);
    }
    rows
}

const POINTS: [(&str, Step); 4] =
    [("get", Step::Get), ("miss", Step::Miss), ("put", Step::Put), ("list 100", Step::List)];

type Figure = (&'static str, &'static str, Vec<f64>);

/// The load and the quiet checkpoint after it.
fn load_cells(steps: &Steps<'_>, load: &Outcome, entrant: &Entrant) -> Vec<Figure> {
    let records = load.ops.max(1) as f64;
    let mut cells = vec![("load, puts alone", "ns/record", vec![load.nanos_per_op()])];
    let Some(quiet) = steps.one(Step::Checkpoint, 0) else { return cells };
    let nanos = load.nanos + quiet.nanos;
    cells.insert(0, ("load", "ns/record", vec![nanos as f64 / records]));
    let cpu = load.cpu_nanos + quiet.cpu_nanos;
    cells.insert(1, ("load, processor", "ns/record", vec![cpu as f64 / records]));
    cells.push(("peak memory, load", "MiB", vec![quiet.usage.peak_rss as f64 / MIB]));
    let payload = quiet.payload.max(1) as f64;
    cells.push(("peak memory / payload, load", "x", vec![quiet.usage.peak_rss as f64 / payload]));
    if !entrant.persistent {
        return cells;
    }
    cells.push(("disk / payload", "x", vec![quiet.usage.disk as f64 / payload]));
    let written = load.usage.device_written + quiet.usage.device_written;
    let read = load.usage.device_read + quiet.usage.device_read;
    cells.push(("device writes / payload, load", "x", vec![written as f64 / payload]));
    cells.push(("device reads a record, load", "B", vec![read as f64 / records]));
    cells.push(("page cache, load", "MiB", vec![quiet.usage.page_cache as f64 / MIB]));
    let counted = load.counters.store_written + quiet.counters.store_written;
    if counted > 0 {
        let log = load.counters.log_written + quiet.counters.log_written;
        let reads = load.counters.store_read + quiet.counters.store_read;
        let checkpoints = load.counters.checkpoints + quiet.counters.checkpoints;
        let splits = load.counters.splits + quiet.counters.splits;
        cells.push(("store writes / payload, own count", "x", vec![counted as f64 / payload]));
        cells.push(("log writes / payload, own count", "x", vec![log as f64 / payload]));
        cells.push(("store reads a record, own count", "B", vec![reads as f64 / records]));
        cells.push(("checkpoints, load", "", vec![checkpoints as f64]));
        cells.push(("splits, load", "", vec![splits as f64]));
    }
    cells
}

/// What reads and overwrites did, and the reopening.
fn after_cells(steps: &Steps<'_>, entrant: &Entrant) -> Vec<Figure> {
    let mut cells = Vec::new();
    if let Some(last) = steps.taken.last() {
        cells.push(("peak memory, all", "MiB", vec![last.outcome.usage.peak_rss as f64 / MIB]));
    }
    if !entrant.persistent {
        return cells;
    }
    let read = |outcome: &Outcome| outcome.usage.device_read as f64 / outcome.ops.max(1) as f64;
    cells.push(("device reads a get", "B", steps.rounds(Step::Get, read)));
    cells.push(("device reads a put", "B", steps.rounds(Step::Put, read)));
    if let Some(quiet) = steps.one(Step::Checkpoint, 1) {
        let payload = quiet.payload.max(1) as f64;
        let puts: u64 = steps.all(Step::Put).map(|outcome| outcome.ops).sum();
        let written: u64 = steps.all(Step::Put).map(|o| o.usage.device_written).sum();
        let loaded = steps.one(Step::Load, 0).map_or(1, |load| load.ops.max(1));
        let overwritten = (puts as f64 * payload / loaded as f64).max(1.0);
        let written = (written + quiet.usage.device_written) as f64;
        cells.push(("device writes / payload, puts", "x", vec![written / overwritten]));
        cells.push(("disk / payload, after puts", "x", vec![quiet.usage.disk as f64 / payload]));
    }
    cells.push(("reopen", "ms", steps.rounds(Step::Reopen, |o| o.nanos as f64 / 1e6)));
    let replayed = steps.all(Step::Reopen).filter_map(|o| o.counters.replayed);
    cells.push(("records replayed", "", replayed.map(|records| records as f64).collect()));
    cells.push((
        "first gets after reopening",
        "ns",
        steps.rounds(Step::Verify, Outcome::nanos_per_op),
    ));
    if let Some((check, damage)) = steps.one(Step::Check, 0).and_then(|o| Some((o, o.damage?))) {
        cells.push(("own check of everything", "ms", vec![check.nanos as f64 / 1e6]));
        cells.push(("damage found", "", vec![damage as f64]));
    }
    cells
}
