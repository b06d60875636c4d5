//! The tables a person reads.

use std::fmt::Write;

use super::table::Table;
use super::{Book, Report, Row, cells, plots, targets};
use crate::Result;
use crate::cli::Order;

/// A book as Markdown; with the plots beside it if they are there.
pub fn render(book: &Book, with_plots: bool) -> Result<String> {
    let mut text = String::new();
    writeln!(text, "# holt and its peers: {}\n", book.profile)?;
    if let Some(run) = book.runs.first() {
        writeln!(
            text,
            "{}. One process an engine{}, median of the rounds (lowest to highest), seed {}. Less \
             is better in every cell; only ratios within one run mean anything.\n",
            run.machine,
            if run.interleaved { ", rounds interleaved" } else { ", one after the other" },
            run.seed,
        )?;
    }
    lost(book, &mut text)?;
    targets(book, &mut text)?;
    for run in &book.runs {
        let table = Table::new(run, &book.rows(run));
        heading(run, &mut text)?;
        if with_plots {
            for (name, _) in plots::of(run, &book.rows(run)) {
                writeln!(text, "![{}]({name})\n", name.trim_end_matches(".svg"))?;
            }
        }
        engines_by_cells(&table, |cell| !cell.ends_with(cells::PROCESSOR), &mut text)?;
        writeln!(text, "Processor time of all threads:\n")?;
        engines_by_cells(&table, |cell| cell.ends_with(cells::PROCESSOR), &mut text)?;
        notes(run, &mut text)?;
    }
    settings(book, &mut text)?;
    Ok(text)
}

/// The short form: lost cells, targets, and one table a run of the cells that compete.
pub fn summary(book: &Book) -> Result<String> {
    let mut text = String::new();
    if let Some(run) = book.runs.first() {
        writeln!(text, "Profile *{}*, {}.\n", book.profile, run.machine)?;
    }
    lost(book, &mut text)?;
    targets(book, &mut text)?;
    for run in &book.runs {
        heading(run, &mut text)?;
        engines_by_cells(&Table::new(run, &book.rows(run)), cells::competes, &mut text)?;
    }
    Ok(text.trim_end().into())
}

fn order(order: Order) -> &'static str {
    match order {
        Order::Random => "random",
        Order::Ascending => "ascending",
    }
}

/// The cells in which a peer is ahead, the farthest first.
fn lost(book: &Book, text: &mut String) -> Result<()> {
    let mut lines = Vec::new();
    let mut won = 0;
    for run in &book.runs {
        let table = Table::new(run, &book.rows(run));
        for duel in table.duels() {
            if duel.ratio() >= 1.0 {
                won += 1;
                continue;
            }
            let (ours, best) = (duel.ours, duel.best);
            let chases = table.chases(ours).map_or("-".into(), |times| format!("{times:.1}"));
            let cpu = table.duel(&format!("{}{}", ours.cell, cells::PROCESSOR));
            let cpu = cpu.map_or("-".into(), |cpu| format!("{:.2}x", 1.0 / cpu.ratio()));
            let line = format!(
                "| {} | {} | {} {} | {} {} | {} ({}) | **{:.2}x** | {cpu} | {chases} |",
                ours.cell,
                run.workload,
                grouped(run.records as f64),
                order(run.order),
                short(ours.median),
                ours.unit,
                short(best.median),
                best.engine,
                1.0 / duel.ratio(),
            );
            lines.push((duel.ratio(), line));
        }
    }
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    writeln!(text, "## Lost cells: {} of {}\n", lines.len(), lines.len() + won)?;
    if lines.is_empty() {
        writeln!(text, "None.\n")?;
        return Ok(());
    }
    writeln!(
        text,
        "| cell | workload | records | ours | best peer | ours over it | on the processor | over a \
         chase |\n|---|---|---|---:|---:|---:|---:|---:|"
    )?;
    for (_, line) in lines {
        writeln!(text, "{line}")?;
    }
    Ok(writeln!(text)?)
}

/// The targets, missed ones first.
fn targets(book: &Book, text: &mut String) -> Result<()> {
    let (verdicts, open) = targets::verdicts(book)?;
    if verdicts.is_empty() {
        return Ok(());
    }
    let missed = verdicts.iter().filter(|verdict| verdict.reached < 1.0).count();
    writeln!(text, "## Targets: {missed} of {} missed\n", verdicts.len())?;
    writeln!(text, "| | cell | workload | records | wanted | found | from |")?;
    writeln!(text, "|---|---|---|---|---:|---:|---|")?;
    for verdict in verdicts {
        let target = &verdict.target;
        writeln!(
            text,
            "| {} | {} | {} | {} {} | {} | {} | {} |",
            if verdict.reached < 1.0 { "**missed**" } else { "met" },
            target.cell,
            target.workload,
            grouped(target.n as f64),
            order(target.order()),
            verdict.wanted,
            verdict.found,
            target.from,
        )?;
    }
    writeln!(text)?;
    if open > 0 {
        writeln!(text, "{open} further targets are of runs or cells that are not here.\n")?;
    }
    Ok(())
}

fn heading(run: &Report, text: &mut String) -> Result<()> {
    let cache = match run.cache_mib {
        Some(mib) => format!("a cache of {mib} MiB"),
        None => "a cache that holds everything".into(),
    };
    writeln!(
        text,
        "## {}: {} records, {} order, {cache}\n\n{} operations a round, {} rounds{}{}.\n",
        run.workload,
        grouped(run.records as f64),
        order(run.order),
        grouped(run.ops as f64),
        run.rounds,
        if run.cgroup { ", inside a memory cgroup" } else { "" },
        if run.finished { "" } else { "; **not finished**" },
    )?;
    Ok(())
}

/// One table: a line a cell, a column an engine.
fn engines_by_cells(
    table: &Table<'_>,
    shown: impl Fn(&str) -> bool,
    text: &mut String,
) -> Result<()> {
    let engines = &table.run.engines;
    write!(text, "| cell | unit |")?;
    for engine in engines {
        write!(text, " {} |", engine.name)?;
    }
    writeln!(text, " ours against the best peer | over a chase |")?;
    writeln!(text, "|---|---|{}---:|---:|", "---:|".repeat(engines.len()))?;
    for (cell, unit) in table.cells().into_iter().filter(|(cell, _)| shown(cell)) {
        write!(text, "| {cell} | {unit} |")?;
        let ours = table.ours(cell);
        for engine in engines {
            match table.row(&engine.name, cell) {
                Some(row) => write!(text, " {} |", figure(table.run, row, ours))?,
                None => write!(text, " - |")?,
            }
        }
        let chases = ours.and_then(|row| table.chases(row));
        let chases = chases.map_or("-".into(), |times| format!("{times:.1}"));
        writeln!(text, " {} | {chases} |", against(table, cell))?;
    }
    if let Some(chase) = table.chase() {
        writeln!(text, "\nA dependent load over as many bytes took {chase:.1} ns in this run.")?;
    }
    Ok(writeln!(text)?)
}

fn figure(run: &Report, row: &Row, ours: Option<&Row>) -> String {
    let mut text = short(row.median);
    if row.high > row.low {
        text += &format!(" ({} to {})", short(row.low), short(row.high));
    }
    let beyond = ours.filter(|ours| row.median > run.cap_ratio * ours.median);
    if row.cut && beyond.is_some() && run.cap_ratio > 0.0 {
        text = format!(">{}x: {text}", run.cap_ratio);
    }
    if row.n < row.of {
        text += &format!(" at {}", grouped(row.n as f64));
    } else if row.cut {
        text.push_str(", cut short");
    }
    text
}

/// How many times better or worse than the best peer that keeps anything on disk.
fn against(table: &Table<'_>, cell: &str) -> String {
    let compared = cells::competes(cell.trim_end_matches(cells::PROCESSOR));
    match table.duel(cell).filter(|_| compared) {
        None => "-".into(),
        Some(duel) if duel.ratio() >= 1.0 => {
            format!("{:.2}x better than {}", duel.ratio(), duel.best.engine)
        }
        Some(duel) => format!("**{:.2}x worse** than {}", 1.0 / duel.ratio(), duel.best.engine),
    }
}

fn notes(run: &Report, text: &mut String) -> Result<()> {
    for engine in &run.engines {
        if let Some((step, why)) = &engine.failed {
            writeln!(text, "- **{}** failed in step {step}: {why}", engine.name)?;
        }
    }
    let loads = run.steps.iter().filter(|taken| taken.step == crate::protocol::Step::Load);
    if loads.filter(|taken| taken.outcome.cut()).count() > 0 {
        writeln!(
            text,
            "- A figure \"at\" a number of records is of a load that was stopped there; the \
             engine's other cells were measured on that smaller store, which favours it.\n"
        )?;
    }
    Ok(())
}

/// How every engine was set up, once.
fn settings(book: &Book, text: &mut String) -> Result<()> {
    writeln!(text, "## Set-up\n")?;
    let mut known: Vec<(&str, &str)> = Vec::new();
    for engine in book.runs.iter().flat_map(|run| &run.engines) {
        let setup = (engine.name.as_str(), engine.settings.as_str());
        if !known.contains(&setup) && !setup.1.is_empty() {
            known.push(setup);
            writeln!(text, "- **{}** ({}): {}", engine.name, engine.home, engine.settings)?;
        }
    }
    Ok(())
}

/// Three digits or so.
pub fn short(figure: f64) -> String {
    match figure.abs() {
        small if small < 10.0 && figure.fract() != 0.0 => format!("{figure:.2}"),
        middle if middle < 100.0 && figure.fract() != 0.0 => format!("{figure:.1}"),
        _ => grouped(figure),
    }
}

/// A whole number with its digits in groups of three.
pub fn grouped(figure: f64) -> String {
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
