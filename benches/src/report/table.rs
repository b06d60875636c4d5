//! A run's rows as a table: cells by engines, ours against the best peer.

use super::{CHASE, Report, Row, cells};

/// The rows of one run.
pub struct Table<'a> {
    pub run: &'a Report,
    rows: Vec<&'a Row>,
}

/// Ours and the best peer in a cell.
pub struct Duel<'a> {
    pub ours: &'a Row,
    pub best: &'a Row,
}

impl Duel<'_> {
    /// How many times less ours takes than the best peer; below 1, the cell is lost.
    pub fn ratio(&self) -> f64 {
        self.best.median / self.ours.median
    }
}

impl<'a> Table<'a> {
    pub fn new(run: &'a Report, rows: &[&'a Row]) -> Self {
        Self { run, rows: rows.to_vec() }
    }

    /// Cells and their units, in the order of the rows.
    pub fn cells(&self) -> Vec<(&'a str, &'a str)> {
        let mut cells = Vec::new();
        for row in self.rows.iter().filter(|row| row.engine != CHASE) {
            let cell = (row.cell.as_str(), row.unit.as_str());
            if !cells.contains(&cell) {
                cells.push(cell);
            }
        }
        cells
    }

    pub fn row(&self, engine: &str, cell: &str) -> Option<&'a Row> {
        self.rows.iter().find(|row| row.engine == engine && row.cell == cell).copied()
    }

    pub fn ours(&self, cell: &str) -> Option<&'a Row> {
        let ours = self.run.engines.iter().find(|engine| engine.ours)?;
        self.row(&ours.name, cell)
    }

    /// The best peer that keeps anything on disk; one that loaded everything if there is one.
    pub fn best(&self, cell: &str) -> Option<&'a Row> {
        let peers = self.run.engines.iter().filter(|engine| !engine.ours && engine.persistent);
        let figures = peers.filter_map(|engine| self.row(&engine.name, cell));
        figures.min_by(|a, b| (a.n < a.of).cmp(&(b.n < b.of)).then(a.median.total_cmp(&b.median)))
    }

    /// Ours against the best peer, where both have a figure to compare.
    pub fn duel(&self, cell: &str) -> Option<Duel<'a>> {
        let (ours, best) = (self.ours(cell)?, self.best(cell)?);
        (ours.median > 0.0 && best.median > 0.0).then_some(Duel { ours, best })
    }

    /// The duels of the cells in which ours and the peers compete.
    pub fn duels(&self) -> Vec<Duel<'a>> {
        let cells = self.cells().into_iter().filter(|(cell, _)| cells::competes(cell));
        cells.filter_map(|(cell, _)| self.duel(cell)).collect()
    }

    /// Nanoseconds of a dependent load in this run.
    pub fn chase(&self) -> Option<f64> {
        Some(self.row(CHASE, "pointer chase")?.median)
    }

    /// A figure over the pointer chase, where it is a time of one operation.
    pub fn chases(&self, row: &Row) -> Option<f64> {
        (row.unit == "ns").then_some(row.median / self.chase()?)
    }
}
