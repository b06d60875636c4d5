//! The tables a person reads.

use std::fmt::Write;

use super::{Report, Row};
use crate::cli::Order;

/// A report as Markdown.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = write!(text, "{}", Page { report });
    text
}

struct Page<'a> {
    report: &'a Report,
}

impl std::fmt::Display for Page<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let report = self.report;
        let order = match report.order {
            Order::Random => "random",
            Order::Ascending => "ascending",
        };
        let cache = match report.cache_mib {
            Some(mib) => format!("a cache of {mib} MiB"),
            None => "a cache that holds everything".into(),
        };
        writeln!(
            out,
            "# {}: {} records, {order} order, {cache}\n",
            report.workload,
            grouped(report.records as f64)
        )?;
        writeln!(
            out,
            "{}. One process an engine{}, {} operations a round, median of {} rounds (lowest to \
             highest), seed {}{}. Less is better in every cell.\n",
            report.machine,
            if report.interleaved { ", rounds interleaved" } else { ", one after the other" },
            grouped(report.ops as f64),
            report.rounds,
            report.seed,
            if report.cgroup { ", inside a memory cgroup" } else { "" },
        )?;
        self.table(out)?;
        self.notes(out)
    }
}

impl Page<'_> {
    fn table(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let engines = &self.report.engines;
        write!(out, "| cell | unit |")?;
        for engine in engines {
            write!(out, " {} |", engine.name)?;
        }
        writeln!(out, " ours against the best peer |")?;
        writeln!(out, "|---|---|{}---:|", "---:|".repeat(engines.len()))?;
        let mut cells: Vec<(&str, &str)> = Vec::new();
        for row in &self.report.results {
            if !cells.contains(&(row.cell.as_str(), row.unit.as_str())) {
                cells.push((&row.cell, &row.unit));
            }
        }
        for (cell, unit) in cells {
            write!(out, "| {cell} | {unit} |")?;
            let ours = self.ours(cell);
            for engine in engines {
                match self.row(&engine.name, cell) {
                    Some(row) => write!(out, " {} |", self.figure(row, ours))?,
                    None => write!(out, " - |")?,
                }
            }
            writeln!(out, " {} |", self.against(cell, ours))?;
        }
        writeln!(out)
    }

    fn row(&self, engine: &str, cell: &str) -> Option<&Row> {
        self.report.results.iter().find(|row| row.engine == engine && row.cell == cell)
    }

    fn ours(&self, cell: &str) -> Option<&Row> {
        let ours = self.report.engines.iter().find(|engine| engine.ours)?;
        self.row(&ours.name, cell)
    }

    fn figure(&self, row: &Row, ours: Option<&Row>) -> String {
        let mut text = short(row.median);
        if row.high > row.low {
            let _ = write!(text, " ({} to {})", short(row.low), short(row.high));
        }
        let beyond = ours.filter(|ours| row.median > self.report.cap_ratio * ours.median);
        if row.cut && beyond.is_some() && self.report.cap_ratio > 0.0 {
            text = format!(">{}x: {text}", self.report.cap_ratio);
        }
        if row.n < self.report.records {
            let _ = write!(text, " at {}", grouped(row.n as f64));
        } else if row.cut {
            text.push_str(", cut short");
        }
        text
    }

    /// How many times better or worse than the best peer that keeps anything on disk.
    fn against(&self, cell: &str, ours: Option<&Row>) -> String {
        let peers = self.report.engines.iter().filter(|engine| !engine.ours && engine.persistent);
        let figures = peers.filter_map(|engine| self.row(&engine.name, cell));
        let Some(best) = figures.min_by(|a, b| a.median.total_cmp(&b.median)) else {
            return "-".into();
        };
        match ours {
            Some(ours) if ours.median > 0.0 && best.median >= ours.median => {
                format!("{:.2}x better than {}", best.median / ours.median, best.engine)
            }
            Some(ours) if best.median > 0.0 => {
                format!("**{:.2}x worse** than {}", ours.median / best.median, best.engine)
            }
            _ => "-".into(),
        }
    }

    fn notes(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for engine in &self.report.engines {
            writeln!(out, "- **{}** ({}): {}", engine.name, engine.home, engine.settings)?;
            if let Some((step, why)) = &engine.failed {
                writeln!(out, "  - failed in step {step}: {why}")?;
            }
        }
        if self.report.results.iter().any(|row| row.n < self.report.records) {
            writeln!(
                out,
                "- A figure \"at\" a number of records is of a load that was stopped there; the \
                 engine's other cells were measured on that smaller store, which favours it."
            )?;
        }
        Ok(())
    }
}

/// Three digits or so.
fn short(figure: f64) -> String {
    match figure.abs() {
        small if small < 10.0 && figure.fract() != 0.0 => format!("{figure:.2}"),
        middle if middle < 100.0 && figure.fract() != 0.0 => format!("{figure:.1}"),
        _ => grouped(figure),
    }
}

/// A whole number with its digits in groups of three.
fn grouped(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && digit.is_ascii_digit() {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}
