//! The public handles.

mod batch;
mod core;
mod figures;
mod options;
mod scan;
mod scan_run;
mod stats;
mod tree;
mod verify;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod poison_tests;
#[cfg(test)]
mod tests;

pub use batch::AtomicBatch;
pub use figures::{Figure, FigureKind, FigureValue};
pub use options::{MemoryHint, Options};
pub use scan::{
    KeyRangeBuilder, KeyRangeEntry, KeyRangeIter, RangeBuilder, RangeEntry, RangeIter, ScanPage,
};
pub use stats::{TreeStats, VerifyReport};
pub use tree::{Record, Tree};
