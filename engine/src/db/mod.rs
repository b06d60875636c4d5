//! The public handles.

mod ahead;
mod batch;
mod beside;
mod catalog;
mod core;
mod feed;
mod fetch;
mod figures;
mod hold;
mod image;
mod image_parts;
mod journal;
mod lookup;
mod multi;
mod multi_image;
mod multi_journal;
mod multi_view;
mod open;
mod options;
mod outcome;
mod part_stats;
mod scan;
mod scan_driver;
mod scan_page;
mod scan_part;
mod scan_run;
mod scan_spec;
mod shared;
mod snapshot;
mod source;
mod space;
mod stats;
mod tree;
mod tree_read;
mod tree_write;
mod upkeep;
mod verify;
mod view;
mod write;

#[cfg(test)]
mod around_tests;
#[cfg(test)]
mod batch_tests;
#[cfg(test)]
mod beside_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod feed_tests;
#[cfg(test)]
mod fetch_tests;
#[cfg(test)]
mod fill_tests;
#[cfg(test)]
mod group_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod image_tests;
#[cfg(test)]
mod journal_tests;
#[cfg(test)]
mod keep_up_tests;
#[cfg(test)]
mod kit_tests;
#[cfg(test)]
mod multi_tests;
#[cfg(test)]
mod poison_tests;
#[cfg(test)]
mod relocate_tests;
#[cfg(test)]
mod scan_tests;
#[cfg(test)]
mod seen_tests;
#[cfg(test)]
mod snapshot_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod upkeep_tests;

pub use batch::{AtomicBatch, DBAtomicBatch};
pub use feed::{Change, ChangeEvent, ChangePage};
pub use figures::{Figure, FigureKind, FigureValue};
pub use image::{CheckpointImage, ImageSummary};
pub use image_parts::{ImageCheck, ImageExport, ImageInstall};
pub use journal::{
    JOURNAL_DIGEST_BYTES, JournalAnchor, JournalEnvelope, JournalEnvelopeError,
    JournalEnvelopePage, JournalState,
};
pub use multi::DB;
pub use multi_view::DBView;
pub use open::{Devices, IntoDevices};
pub use options::{MemoryHint, Options, StartKeeper};
pub use outcome::{KeyScanOutcome, PrefixCount, ScanOutcome, ScanStats};
pub use part_stats::{CheckpointerStats, JournalStats, OpenStats};
pub use scan::{
    KeyRangeBuilder, KeyRangeEntry, KeyRangeEntryRef, KeyRangeIter, RangeBuilder, RangeEntry,
    RangeEntryRef, RangeIter,
};
pub use scan_page::{PageToken, ScanPage, TokenPage};
pub use stats::{DBStats, NamedTreeStats, TreeStats, VacuumStats, VerifyReport};
pub use tree::{Record, Tree};
pub use tree_read::PrefixRecord;
pub use tree_write::PutOutcome;
pub use upkeep::{Keeper, Progress, Upkeep};
pub use view::{Snapshot, View};
