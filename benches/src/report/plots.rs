//! The plots of a run: ours against the best peer, and every engine's times.

use svg::Document;

use super::markdown::{grouped, short};
use super::paint::{BAD, FAINT, GOOD, INK, PALE, bar, canvas, colour, dot, line, words};
use super::table::Table;
use super::{Report, Row, cells};
use crate::cli::Order;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 210.0;
const TOP: f64 = 84.0;
const STEP: f64 = 24.0;

/// Room right of the axis, for the words beside bars.
const RIGHT: f64 = 130.0;

/// Room that the words beside a bar take.
const WORDS: f64 = 130.0;

/// Least distance of two labels under the axis.
const APART: f64 = 44.0;

/// Names and pictures.
pub fn of(run: &Report, rows: &[&Row]) -> Vec<(String, Document)> {
    let order = match run.order {
        Order::Random => "random",
        Order::Ascending => "ascending",
    };
    let name = format!("{}-{}-{order}", run.workload, run.records);
    let title = format!("{}, {} records, {order} order", run.workload, grouped(run.records as f64));
    let table = Table::new(run, rows);
    let plots = [("ratios", ratios(&table, &title)), ("times", times(&table, &title))];
    let drawn = plots.into_iter().filter_map(|(kind, plot)| Some((kind, plot?)));
    drawn.map(|(kind, plot)| (format!("{kind}-{name}.svg"), plot)).collect()
}

/// A logarithmic axis over whole powers of a base.
struct Axis {
    base: f64,
    low: f64,
    high: f64,
}

impl Axis {
    fn over(base: f64, figures: impl Iterator<Item = f64> + Clone) -> Self {
        let low = figures.clone().fold(f64::MAX, f64::min).log(base).floor();
        let high = figures.fold(f64::MIN_POSITIVE, f64::max).log(base).ceil();
        Self { base, low, high: high.max(low + 1.0) }
    }

    fn x(&self, figure: f64) -> f64 {
        let part = (figure.log(self.base) - self.low) / (self.high - self.low);
        LEFT + part.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    /// The width of one power of the base.
    fn power(&self) -> f64 {
        (WIDTH - LEFT - RIGHT) / (self.high - self.low)
    }

    /// Powers of the base, and what they come to.
    fn ticks(&self) -> impl Iterator<Item = (i32, f64)> {
        let base = self.base;
        (self.low as i32..=self.high as i32).map(move |power| (power, base.powi(power)))
    }
}

/// Vertical lines with their labels.
fn grid(mut plot: Document, axis: &Axis, bottom: f64, label: impl Fn(f64) -> String) -> Document {
    let every = (APART / axis.power()).ceil().max(1.0) as i32;
    for (power, tick) in axis.ticks() {
        let x = axis.x(tick);
        plot = plot.add(line((x, TOP - 12.0), (x, bottom), FAINT, 1.0));
        if power % every == 0 {
            plot = plot.add(words(&label(tick), x, bottom + 16.0, 11.0, "middle", PALE));
        }
    }
    plot
}

/// A bar a cell: right of the middle ours takes less than the best peer, left of it more.
fn ratios(table: &Table<'_>, title: &str) -> Option<Document> {
    let mut duels = table.duels();
    if duels.is_empty() {
        return None;
    }
    duels.sort_by(|a, b| a.ratio().total_cmp(&b.ratio()));
    let one = [0.5, 2.0].into_iter();
    let axis = Axis::over(2.0, duels.iter().map(|duel| duel.ratio()).chain(one));
    let bottom = TOP + STEP * duels.len() as f64;
    let below = "Times less than the best peer that keeps its records on disk. Left of 1: a peer is \
                 ahead. Logarithmic.";
    let plot = canvas(WIDTH, bottom + 34.0, &format!("holt against the best peer: {title}"), below);
    let label = |tick: f64| match tick {
        small if small < 1.0 => format!("1/{:.0}", 1.0 / small),
        more => format!("{more:.0}"),
    };
    let mut plot = grid(plot, &axis, bottom, label);
    let middle = axis.x(1.0);
    for (place, duel) in duels.iter().enumerate() {
        let y = TOP + STEP * place as f64;
        let (end, fill) = (axis.x(duel.ratio()), if duel.ratio() < 1.0 { BAD } else { GOOD });
        plot = plot.add(words(&duel.ours.cell, LEFT - 12.0, y + 12.0, 12.0, "end", INK)).add(bar(
            middle.min(end),
            y,
            (end - middle).abs().max(1.0),
            STEP - 8.0,
            fill,
        ));
        let (ratio, peer) = (duel.ratio(), &duel.best.engine);
        let (said, x, anchor) = match ratio < 1.0 {
            false => (format!("{}x {peer}", short(ratio)), end + 6.0, "start"),
            // Right of the middle when the bar leaves no room before the names.
            true if end < LEFT + WORDS => (behind(ratio, peer), middle + 6.0, "start"),
            true => (behind(ratio, peer), end - 6.0, "end"),
        };
        plot = plot.add(words(&said, x, y + 12.0, 11.0, anchor, PALE));
    }
    Some(plot.add(line((middle, TOP - 12.0), (middle, bottom), INK, 1.2)))
}

fn behind(ratio: f64, peer: &str) -> String {
    format!("{}x behind {peer}", short(1.0 / ratio))
}

/// A row a cell that is a time, a dot an engine, on one axis of nanoseconds.
fn times(table: &Table<'_>, title: &str) -> Option<Document> {
    let nanos = |row: &Row| match row.unit.as_str() {
        "ns" | "ns/record" => Some(row.median),
        "us" | "us/put" => Some(row.median * 1e3),
        "ms" => Some(row.median * 1e6),
        _ => None,
    };
    let engines = &table.run.engines;
    let mut lines: Vec<(&str, Vec<(usize, f64)>)> = Vec::new();
    for (cell, _) in table.cells().into_iter().filter(|(cell, _)| cells::competes(cell)) {
        let of = |(place, name): (usize, &str)| {
            let figure = nanos(table.row(name, cell)?)?;
            (figure > 0.0).then_some((place, figure))
        };
        let names = engines.iter().map(|engine| engine.name.as_str());
        let dots: Vec<_> = names.enumerate().filter_map(of).collect();
        if !dots.is_empty() {
            lines.push((cell, dots));
        }
    }
    if lines.is_empty() {
        return None;
    }
    let ours = |dots: &[(usize, f64)]| dots.iter().find(|dot| dot.0 == 0).map_or(0.0, |dot| dot.1);
    lines.sort_by(|a, b| ours(&a.1).total_cmp(&ours(&b.1)));
    let axis = Axis::over(10.0, lines.iter().flat_map(|(_, dots)| dots.iter().map(|dot| dot.1)));
    let bottom = TOP + STEP * lines.len() as f64;
    let below = "Time of one operation; of a record where a cell is over all records. Logarithmic, \
                 less is better.";
    let plot = canvas(WIDTH, bottom + 34.0, &format!("Times: {title}"), below);
    let mut plot = grid(plot, &axis, bottom, |tick| match tick {
        small if small < 1e3 => format!("{small:.0} ns"),
        middle if middle < 1e6 => format!("{:.0} us", middle / 1e3),
        more if more < 1e9 => format!("{:.0} ms", more / 1e6),
        most => format!("{:.0} s", most / 1e9),
    });
    let mut x = LEFT;
    for (place, engine) in engines.iter().enumerate() {
        plot = plot.add(dot(x, TOP - 22.0, 4.5, colour(place))).add(words(
            &engine.name,
            x + 8.0,
            TOP - 18.0,
            11.5,
            "start",
            INK,
        ));
        x += 26.0 + 6.6 * engine.name.len() as f64;
    }
    for (place, (cell, dots)) in lines.iter().enumerate() {
        let y = TOP + STEP * place as f64 + 8.0;
        let low = dots.iter().map(|dot| dot.1).fold(f64::MAX, f64::min);
        let high = dots.iter().map(|dot| dot.1).fold(0.0, f64::max);
        plot = plot.add(words(cell, LEFT - 12.0, y + 4.0, 12.0, "end", INK)).add(line(
            (axis.x(low), y),
            (axis.x(high), y),
            FAINT,
            2.0,
        ));
        // Ours last, so that no other dot hides it.
        for &(engine, figure) in dots.iter().rev() {
            let radius = if engine == 0 { 6.0 } else { 4.5 };
            plot = plot.add(dot(axis.x(figure), y, radius, colour(engine)));
        }
    }
    Some(plot)
}
