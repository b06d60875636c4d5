//! How a tree is opened.

use super::upkeep::{Keeper, Upkeep};
use crate::limits::{
    DEFAULT_CACHE_BYTES, DEFAULT_LOG_BUDGET, DEFAULT_SNAPSHOT_BYTES, MIN_LOG_BUDGET,
};

/// The part of the log budget after which a checkpoint starts by itself: late, since a page
/// that changes again is written again, and early enough that staging its pages over the next
/// quarter ends before the budget does.
const CHECKPOINT_DUE: (u64, u64) = (5, 8);

/// Called with address and length, in bytes, of memory that the cache is about to use for pages,
/// so that a platform can back it by large pages of its own. It need do nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryHint(pub Option<fn(usize, usize)>);

impl PartialEq for MemoryHint {
    /// Hints change no result, so all are equal.
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for MemoryHint {}

/// Starts to keep a store up that was just opened, from a thread of its own. What it returns is
/// dropped after the store's last handle and before the store closes; by then it must have let
/// go of the [`Upkeep`].
///
/// ```
/// use std::sync::Arc;
///
/// use holt_engine::db::{Keeper, Options, StartKeeper, Tree, Upkeep};
/// use holt_engine::device::{MemoryBlobStore, MemoryLog};
/// use holt_engine::geometry::Geometry;
///
/// // A program would start a thread that does this again and again, paced by the `Progress`
/// // it is told, and return what ends that thread when it is dropped.
/// fn start(upkeep: Upkeep) -> Keeper {
///     let _ = upkeep.checkpoint(64);
///     Box::new(())
/// }
///
/// let start_keeper = StartKeeper(Some(start));
/// let options = Options { kept_up: true, start_keeper, ..Options::default() };
/// let blobs = Arc::new(MemoryBlobStore::new(Geometry::default(), [1; 16]));
/// let tree = Tree::open_with_devices(blobs, Some(Arc::new(MemoryLog::new())), options)?;
/// tree.put(b"key", b"value")?;
/// # Ok::<(), holt_engine::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct StartKeeper(pub Option<fn(Upkeep) -> Keeper>);

impl PartialEq for StartKeeper {
    /// Who keeps a store up changes no result, so all are equal.
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for StartKeeper {}

/// Settings of an open store; all of them may differ from one opening to the next.
///
/// ```
/// use holt_engine::db::Options;
///
/// let small = Options { cache_bytes: 4 << 20, log_budget: 1 << 20, ..Options::default() };
/// assert!(!small.sync && small.auto_checkpoint);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Options {
    /// Memory for pages, in bytes.
    pub cache_bytes: u64,
    /// Whether a write is durable against loss of power before it returns (`true`), or only
    /// against the death of the process (`false`).
    pub sync: bool,
    /// Bytes of log after which a checkpoint must have finished.
    pub log_budget: u64,
    /// Whether checkpoints start by themselves.
    pub auto_checkpoint: bool,
    /// Whether someone beside the writers makes the checkpoints, by [`Upkeep`](super::Upkeep) or
    /// `maintain`: writes then take no share of them until the log is over its budget.
    #[cfg_attr(feature = "serde", serde(default))]
    pub kept_up: bool,
    /// Whether writes are refused.
    pub read_only: bool,
    /// Most bytes that pages kept for snapshots may take, in memory and in the store together;
    /// beyond it the oldest snapshot expires.
    #[cfg_attr(feature = "serde", serde(default = "default_snapshot_bytes"))]
    pub snapshot_bytes: u64,
    /// Bytes of committed changes to keep for followers; 0 for no change feed.
    #[cfg_attr(feature = "serde", serde(default))]
    pub feed_retention: u64,
    /// Whether each write to a store without a log is published before it returns; no effect on
    /// a store that has one.
    #[cfg_attr(feature = "serde", serde(default))]
    pub publish_writes: bool,
    /// What is told of memory for pages.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub memory_hint: MemoryHint,
    /// Who keeps a store with a log up, if that is not left to the writers.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub start_keeper: StartKeeper,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: DEFAULT_CACHE_BYTES,
            sync: false,
            log_budget: DEFAULT_LOG_BUDGET,
            auto_checkpoint: true,
            kept_up: false,
            read_only: false,
            snapshot_bytes: DEFAULT_SNAPSHOT_BYTES,
            feed_retention: 0,
            publish_writes: false,
            memory_hint: MemoryHint::default(),
            start_keeper: StartKeeper::default(),
        }
    }
}

impl Options {
    /// Bytes of log after which a checkpoint must have finished.
    pub(super) fn log_budget(&self) -> u64 {
        self.log_budget.max(MIN_LOG_BUDGET)
    }

    /// Bytes of log after which a checkpoint starts by itself.
    pub(super) fn late_start(&self) -> u64 {
        self.log_budget() / CHECKPOINT_DUE.1 * CHECKPOINT_DUE.0
    }

    /// The same where there is time for it.
    pub(super) fn early_start(&self) -> u64 {
        self.log_budget() / 4
    }

    /// Bytes of log from a checkpoint's start until all its pages must be staged.
    pub(super) fn staging_share(&self) -> u64 {
        self.log_budget() / 4
    }
}

#[cfg(feature = "serde")]
const fn default_snapshot_bytes() -> u64 {
    DEFAULT_SNAPSHOT_BYTES
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use super::*;

    #[test]
    fn settings_of_an_earlier_version_have_todays_defaults_for_the_rest() {
        let defaults = Options::default();
        let mut written = serde_json::to_value(&defaults).unwrap();
        let fields = written.as_object_mut().unwrap();
        for later in ["kept_up", "snapshot_bytes", "feed_retention", "publish_writes"] {
            assert!(fields.remove(later).is_some(), "{later}");
        }
        assert_eq!(serde_json::from_value::<Options>(written).unwrap(), defaults);
    }
}
