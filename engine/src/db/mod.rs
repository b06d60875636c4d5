//! The public handles.

mod batch;
mod core;
mod feed;
mod figures;
mod image;
mod options;
mod scan;
mod scan_run;
mod snapshot;
mod stats;
mod tree;
mod verify;
mod view;

#[cfg(test)]
mod feed_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod poison_tests;
#[cfg(test)]
mod relocate_tests;
#[cfg(test)]
mod snapshot_tests;
#[cfg(test)]
mod tests;

pub use batch::AtomicBatch;
pub use feed::{Change, ChangeEvent, ChangePage};
pub use figures::{Figure, FigureKind, FigureValue};
pub use image::{CheckpointImage, ImageSummary};
pub use options::{MemoryHint, Options};
pub use scan::{
    KeyRangeBuilder, KeyRangeEntry, KeyRangeIter, RangeBuilder, RangeEntry, RangeIter, ScanPage,
};
pub use stats::{TreeStats, VerifyReport};
pub use tree::{Record, Tree};
pub use view::{Snapshot, View};
