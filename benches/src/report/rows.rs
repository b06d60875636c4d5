//! One figure of one engine, as it stands in `results.json`.

use serde::{Deserialize, Serialize};

use crate::cli::Order;

/// A figure. Less is better in every cell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Whose.
    pub engine: String,
    /// Where it ran.
    pub home: String,
    /// On which records.
    pub workload: String,
    /// How many of them the store held.
    pub n: u64,
    /// How many of them were asked for.
    pub of: u64,
    /// How they were loaded.
    pub order: Order,
    /// What was measured.
    pub cell: String,
    /// In which unit.
    pub unit: String,
    /// The middle round.
    pub median: f64,
    /// The lowest round.
    pub low: f64,
    /// The highest round.
    pub high: f64,
    /// Whether the step, or the load before it, was stopped early.
    pub cut: bool,
}
