//! The public handles.

mod batch;
mod catalog;
mod core;
mod feed;
mod figures;
mod image;
mod multi;
mod options;
mod scan;
mod scan_run;
mod snapshot;
mod space;
mod stats;
mod tree;
mod tree_write;
mod verify;
mod view;
mod write;

#[cfg(test)]
mod batch_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod feed_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod kit_tests;
#[cfg(test)]
mod multi_tests;
#[cfg(test)]
mod poison_tests;
#[cfg(test)]
mod snapshot_tests;
#[cfg(test)]
mod tests;

pub use batch::{AtomicBatch, DBAtomicBatch};
pub use feed::{Change, ChangeEvent, ChangePage};
pub use figures::{Figure, FigureKind, FigureValue};
pub use image::{CheckpointImage, ImageSummary};
pub use multi::DB;
pub use options::{MemoryHint, Options};
pub use scan::{
    KeyRangeBuilder, KeyRangeEntry, KeyRangeIter, RangeBuilder, RangeEntry, RangeIter, ScanPage,
};
pub use stats::{DBStats, NamedTreeStats, TreeStats, VacuumStats, VerifyReport};
pub use tree::{Record, Tree};
pub use tree_write::PutOutcome;
pub use view::{Snapshot, View};
