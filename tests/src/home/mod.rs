//! Homes: the places where the engine runs, behind one small trait.
//!
//! Owns: [`Home`] and its implementations. Never does: compare or judge an answer. Invariant:
//! a home that cannot be set up says why; it is never left out in silence.

mod component;
mod devices;
mod files;
mod tree;
mod web;

use holt_engine::db::TreeStats;

use crate::model::Outcome;
use crate::script::Op;

pub use component::StoreHome;
pub use devices::{memory_devices, simulated};
pub use files::{FileSettings, open_files};
pub use tree::{TreeHome, run_on_tree};
pub use web::WebHome;

/// A place where the engine runs.
pub trait Home {
    /// Its name in reports.
    fn name(&self) -> &str;

    /// Runs one operation other than [`Op::Reopen`].
    fn run(&mut self, op: &Op) -> Outcome;

    /// Closes the store and opens it again, with all it held.
    fn reopen(&mut self) -> Result<(), String>;

    /// Counters since the last opening; `None` where the home does not tell them.
    fn stats(&mut self) -> Option<TreeStats>;
}
