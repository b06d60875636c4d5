//! The public handles.

mod batch;
mod options;
mod scan;
mod stats;
mod tree;

pub use batch::AtomicBatch;
pub use options::Options;
pub use scan::{
    KeyRangeBuilder, KeyRangeEntry, KeyRangeIter, RangeBuilder, RangeEntry, RangeIter, ScanPage,
};
pub use stats::{TreeStats, VerifyReport};
pub use tree::{Record, Tree};
