//! The public handles.

mod batch;
mod core;
mod lookup;
mod options;
mod outcome;
mod scan;
mod scan_driver;
mod scan_page;
mod scan_part;
mod scan_run;
mod scan_spec;
mod source;
mod stats;
mod tree;
mod tree_read;
mod verify;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod poison_tests;
#[cfg(test)]
mod scan_tests;
#[cfg(test)]
mod tests;

pub use batch::AtomicBatch;
pub use options::{MemoryHint, Options};
pub use outcome::{KeyScanOutcome, PrefixCount, ScanOutcome, ScanStats};
pub use scan::{
    KeyRangeBuilder, KeyRangeEntry, KeyRangeEntryRef, KeyRangeIter, RangeBuilder, RangeEntry,
    RangeEntryRef, RangeIter,
};
pub use scan_page::{PageToken, ScanPage, TokenPage};
pub use stats::{TreeStats, VerifyReport};
pub use tree::{Record, Tree};
pub use tree_read::PrefixRecord;
