//! From steps to figures: what each cell means.

use super::{CHASE, Entrant, Report, Row, Taken};
use crate::engine::Counters;
use crate::measure::Spread;
use crate::protocol::{Outcome, Step};

const MIB: f64 = 1_048_576.0;

/// Steps of one engine.
struct Steps<'a> {
    taken: Vec<&'a Taken>,
}

impl<'a> Steps<'a> {
    fn all(&self, step: Step) -> impl Iterator<Item = &'a Outcome> {
        let of = self.taken.iter().filter(move |taken| taken.step == step);
        of.map(|taken| &taken.outcome).filter(|outcome| outcome.ran())
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
    let mut rows: Vec<_> =
        report.engines.iter().flat_map(|entrant| of_engine(report, entrant)).collect();
    rows.extend(of_chase(report));
    rows
}

/// What stands in every row of an engine.
fn row(report: &Report, engine: (&str, &str), n: u64, figure: Figure, cut: bool) -> Option<Row> {
    let (cell, unit, rounds) = figure;
    let spread = Spread::of(rounds)?;
    Some(Row {
        engine: engine.0.into(),
        home: engine.1.into(),
        workload: report.workload.clone(),
        n,
        of: report.records,
        order: report.order,
        cell,
        unit: unit.into(),
        median: spread.median,
        low: spread.low,
        high: spread.high,
        cut,
    })
}

fn of_engine(report: &Report, entrant: &Entrant) -> Vec<Row> {
    let taken = report.steps.iter().filter(|taken| taken.engine == entrant.name).collect();
    let steps = Steps { taken };
    let Some(load) = steps.one(Step::Load, 0) else { return Vec::new() };
    let mut rows = Vec::new();
    let engine = (entrant.name.as_str(), entrant.home.as_str());
    let mut add = |figure: Figure, cut: bool| {
        rows.extend(row(report, engine, load.ops, figure, cut || load.cut()));
    };
    for figure in load_cells(&steps, load, entrant) {
        add(figure, false);
    }
    for (cell, step, unit, nanos) in TIMED {
        let cut = steps.all(step).any(Outcome::cut);
        let wall = steps.rounds(step, |outcome| outcome.nanos_per_op() / nanos);
        add((cell.into(), unit, wall), cut);
        let cpu = steps.rounds(step, |outcome| outcome.cpu_nanos_per_op() / nanos);
        add((format!("{cell}{PROCESSOR}"), unit, cpu), cut);
    }
    for figure in thread_cells(report, &steps).into_iter().chain(after_cells(&steps, entrant)) {
        add(figure, false);
    }
    rows
}

/// The pointer chase of the run.
fn of_chase(report: &Report) -> Vec<Row> {
    let taken = report.steps.iter().filter(|taken| taken.engine == CHASE).collect();
    let steps = Steps { taken };
    let cells = [("pointer chase", Step::Chase), ("pointer chase, 2 threads", Step::ChaseTwo)];
    let rows = cells.into_iter().filter_map(|(cell, step)| {
        let figure = (cell.into(), "ns", steps.rounds(step, Outcome::nanos_per_op));
        row(report, (CHASE, "native"), report.records, figure, false)
    });
    rows.collect()
}

/// Ends the name of a cell that is of processor time.
pub const PROCESSOR: &str = ", processor";

/// Cells that are the time of a step: name, unit, and nanoseconds of the unit.
const TIMED: [(&str, Step, &str, f64); 23] = [
    ("get", Step::Get, "ns", 1.0),
    ("get zipfian", Step::Zipf, "ns", 1.0),
    ("miss", Step::Miss, "ns", 1.0),
    ("put", Step::Put, "ns", 1.0),
    ("mixed 50/50", Step::Mixed, "ns", 1.0),
    ("list 100, borrowed", Step::Visit, "ns", 1.0),
    ("list 100, one arena", Step::List, "ns", 1.0),
    ("list 100, a Vec a record", Step::ListOwned, "ns", 1.0),
    ("list_dir, 8 entries", Step::ListDir, "ns", 1.0),
    ("create+delete", Step::CreateDelete, "ns", 1.0),
    ("rename", Step::Rename, "ns", 1.0),
    ("metadata mix", Step::Metadata, "ns", 1.0),
    ("get, 1 thread", Step::GetAlone, "ns", 1.0),
    ("get, 2 threads", Step::GetTwo, "ns", 1.0),
    ("put, 1 thread", Step::PutAlone, "ns", 1.0),
    ("put, 2 threads", Step::PutTwo, "ns", 1.0),
    ("cold get", Step::ColdGet, "us", 1e3),
    ("cold scan", Step::ColdScan, "ns/record", 1.0),
    ("rename of 256 records", Step::MoveSmall, "us", 1e3),
    ("rename of 100 000 records", Step::MoveLarge, "ms", 1e6),
    ("durable put", Step::Durable, "us", 1e3),
    ("durable put, 16 threads", Step::DurableMany, "us", 1e3),
    ("overwrite and checkpoint", Step::Overwrite, "us/put", 1e3),
];

/// What a second thread brings, over what it brings to a pointer chase of the same run: 1 is as
/// much, 2 is nothing.
fn thread_cells(report: &Report, steps: &Steps<'_>) -> Vec<Figure> {
    let taken = report.steps.iter().filter(|taken| taken.engine == CHASE).collect();
    let chase = Steps { taken };
    let middle = |of: &Steps<'_>, step| {
        Spread::of(of.rounds(step, Outcome::nanos_per_op)).map(|spread| spread.median)
    };
    let gain = |of: &Steps<'_>, one, two| Some(middle(of, one)? / middle(of, two)?);
    let machine = gain(&chase, Step::Chase, Step::ChaseTwo);
    let pairs = [
        ("gets, what 2 threads lose", Step::GetAlone, Step::GetTwo),
        ("puts, what 2 threads lose", Step::PutAlone, Step::PutTwo),
    ];
    let lost = pairs.into_iter().filter_map(|(cell, one, two)| {
        Some((cell.into(), "x", vec![machine? / gain(steps, one, two)?]))
    });
    lost.collect()
}

/// A cell, its unit, and its figure in every round.
type Figure = (String, &'static str, Vec<f64>);

fn figure(cell: &str, unit: &'static str, rounds: Vec<f64>) -> Figure {
    (cell.into(), unit, rounds)
}

/// The load and the quiet checkpoint after it.
fn load_cells(steps: &Steps<'_>, load: &Outcome, entrant: &Entrant) -> Vec<Figure> {
    let records = load.ops.max(1) as f64;
    let mut cells = vec![figure("load, puts alone", "ns/record", vec![load.nanos_per_op()])];
    let Some(quiet) = steps.one(Step::Checkpoint, 0) else { return cells };
    let mut add = |cell, unit, value: f64| cells.push(figure(cell, unit, vec![value]));
    add("load", "ns/record", (load.nanos + quiet.nanos) as f64 / records);
    let cpu = load.cpu_nanos + quiet.cpu_nanos;
    add("load, processor", "ns/record", cpu as f64 / records);
    add("peak memory, load", "MiB", quiet.usage.peak_rss as f64 / MIB);
    let payload = quiet.payload.max(1) as f64;
    // Code and buffers of a process without a store are not the store's.
    let own = quiet.usage.peak_rss.saturating_sub(quiet.empty_rss);
    add("peak memory / payload, load", "x", own as f64 / payload);
    if !entrant.persistent {
        return cells;
    }
    add("disk / payload", "x", quiet.usage.disk as f64 / payload);
    if let Some(settled) = steps.one(Step::Settle, 0) {
        add("settling", "ns/record", settled.nanos as f64 / records);
        add("disk / payload, settled", "x", settled.usage.disk as f64 / payload);
    }
    let written = load.usage.device_written + quiet.usage.device_written;
    let read = load.usage.device_read + quiet.usage.device_read;
    add("device writes / payload, load", "x", written as f64 / payload);
    add("device reads a record, load", "B", read as f64 / records);
    add("page cache, load", "MiB", quiet.usage.page_cache as f64 / MIB);
    let counted = load.counters.store_written + quiet.counters.store_written;
    if counted > 0 {
        let sum = |of: fn(&Counters) -> u64| (of(&load.counters) + of(&quiet.counters)) as f64;
        add("store writes / payload, own count", "x", counted as f64 / payload);
        add("log writes / payload, own count", "x", sum(|c| c.log_written) / payload);
        add("store reads a record, own count", "B", sum(|c| c.store_read) / records);
        add("checkpoints, load", "", sum(|c| c.checkpoints));
        add("splits, load", "", sum(|c| c.splits));
    }
    cells
}

/// Bytes that a step wrote: what the system counts, or the engine where that is more, since work
/// that `io_uring` hands to the kernel's threads may be missing from the former.
fn written(outcome: &Outcome) -> f64 {
    let own = outcome.counters.store_written + outcome.counters.log_written;
    outcome.usage.device_written.max(own) as f64
}

/// What reads and overwrites did, and the reopening.
fn after_cells(steps: &Steps<'_>, entrant: &Entrant) -> Vec<Figure> {
    let mut cells = Vec::new();
    if let Some(last) = steps.taken.last() {
        let peak = last.outcome.usage.peak_rss as f64 / MIB;
        cells.push(figure("peak memory, all", "MiB", vec![peak]));
    }
    if !entrant.persistent {
        return cells;
    }
    let read = |outcome: &Outcome| outcome.usage.device_read as f64 / outcome.ops.max(1) as f64;
    cells.push(figure("device reads a get", "B", steps.rounds(Step::Get, read)));
    cells.push(figure("device reads a put", "B", steps.rounds(Step::Put, read)));
    if let Some(quiet) = steps.one(Step::Checkpoint, 1) {
        let payload = quiet.payload.max(1) as f64;
        let puts: u64 = steps.all(Step::Put).map(|outcome| outcome.ops).sum();
        let written: u64 = steps.all(Step::Put).map(|o| o.usage.device_written).sum();
        let loaded = steps.one(Step::Load, 0).map_or(1, |load| load.ops.max(1));
        let overwritten = (puts as f64 * payload / loaded as f64).max(1.0);
        let written = (written + quiet.usage.device_written) as f64;
        cells.push(figure("device writes / payload, puts", "x", vec![written / overwritten]));
        let disk = quiet.usage.disk as f64 / payload;
        cells.push(figure("disk / payload, after puts", "x", vec![disk]));
    }
    let amplified = |o: &Outcome| written(o) / o.changed.max(1) as f64;
    cells.push(figure("checkpoint bytes", "B/B changed", steps.rounds(Step::Overwrite, amplified)));
    cells.push(figure("device reads a cold get", "B", steps.rounds(Step::ColdGet, read)));
    cells.push(figure("reopen", "ms", steps.rounds(Step::Reopen, |o| o.nanos as f64 / 1e6)));
    if let Some(first) = steps.one(Step::Verify, 0) {
        cells.push(figure("first gets after reopening", "ns", vec![first.nanos_per_op()]));
    }
    let replayed = steps.all(Step::Reopen).filter_map(|o| o.counters.replayed);
    let replayed = replayed.map(|records| records as f64).collect();
    cells.push(figure("records replayed", "", replayed));
    if let Some((check, damage)) = steps.one(Step::Check, 0).and_then(|o| Some((o, o.damage?))) {
        cells.push(figure("own check of everything", "ms", vec![check.nanos as f64 / 1e6]));
        cells.push(figure("damage found", "", vec![damage as f64]));
    }
    cells
}

/// Whether ours and the peers compete in a cell, as opposed to figures that explain others.
pub fn competes(cell: &str) -> bool {
    let explains = [
        "load, puts alone",
        "page cache",
        "device ",
        "store ",
        "log writes",
        "checkpoints, load",
        "splits",
        "records replayed",
        "own check",
        "damage",
        "settling",
        "disk / payload, settled",
        "peak memory, ",
        "first gets",
        "overwrite and checkpoint",
        "pointer chase",
    ];
    !cell.ends_with(PROCESSOR) && !explains.iter().any(|name| cell.starts_with(name))
}
