//! Homes: the places where the engine runs, behind one small trait.
//!
//! Owns: [`Home`] and its implementations. Never does: compare or judge an answer. Invariant:
//! a home that cannot be set up says why; it is never left out in silence.

mod calls;
#[cfg(feature = "sandbox")]
mod component;
mod devices;
mod files;
mod has;
mod reads;
mod tree;
mod web;
mod web_lines;

use holt_engine::db::TreeStats;

use crate::model::Outcome;
use crate::script::{Kind, Op};

pub use calls::{is_answer, run_on_tree};
#[cfg(feature = "sandbox")]
pub use component::StoreHome;
pub use devices::{memory_devices, simulated};
pub use files::{FileSettings, open_database, open_files};
pub use has::NAMED_TREES;
pub use tree::{Opened, TreeHome};
pub use web::WebHome;

/// A place where the engine runs.
pub trait Home {
    /// Its name in reports.
    fn name(&self) -> &str;

    /// The operations it has. It is asked for no other.
    fn supports(&self) -> Vec<Kind>;

    /// Runs one operation other than [`Op::Reopen`], whose versions are resolved.
    fn run(&mut self, op: &Op) -> Outcome;

    /// Closes the store and opens it again, with all it held.
    fn reopen(&mut self) -> Result<(), String>;

    /// Counters since the last opening; `None` where the home does not tell them.
    fn stats(&mut self) -> Option<TreeStats>;
}

/// What a home answers to an operation that it does not list.
fn not_here(op: &Op) -> Outcome {
    Outcome::Failed(format!("this home does not have {}", op.kind().name()))
}
