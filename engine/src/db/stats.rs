//! Figures of an open tree.

use alloc::string::String;
use alloc::vec::Vec;

use super::core::Core;
use crate::device::StoreUsage;
use crate::error::{Corruption, Error, Result};
use crate::forest::Root;
use crate::ids::TreeId;

/// Figures of an open tree; cheap, never reads the device. Counters start at opening.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TreeStats {
    /// Live records.
    pub records: u64,
    /// Frames of the tree.
    pub frames: u64,
    /// Levels of frames: 1 for a tree of one frame.
    pub levels: u32,
    /// Bytes of cache in use.
    pub cache_bytes: u64,
    /// Pages in memory that differ from the published state.
    pub dirty_pages: u64,
    /// Page reads that had to go to the store.
    pub cache_misses: u64,
    /// Lookups that found a page missing in memory and waited for the store.
    pub cold_reads: u64,
    /// Times that such a lookup began anew: one for each page or extent it waited for.
    pub lookup_restarts: u64,
    /// Pages evicted from the cache.
    pub evictions: u64,
    /// Dirty pages written out before a checkpoint, to make room.
    pub staged_evictions: u64,
    /// Bytes in use on leaf pages over their capacity, in thousandths: those in memory of all
    /// trees, or a sample of them if they are many.
    pub fill_per_mille: u32,
    /// Leaf pages split.
    pub page_splits: u64,
    /// Full leaf pages that gave records to a neighbour instead of being split.
    pub page_balances: u64,
    /// Leaf pages merged.
    pub page_merges: u64,
    /// Full frames that moved half their pages to a sibling.
    pub spills: u64,
    /// Thin frames merged with a neighbour.
    pub merges: u64,
    /// Frames repacked.
    pub compactions: u64,
    /// Checkpoints published.
    pub checkpoints: u64,
    /// Pages written by checkpoints.
    pub checkpoint_pages: u64,
    /// Pre-images kept for a cut.
    pub pre_images: u64,
    /// Bytes of log that a crash now would replay.
    pub log_bytes: u64,
    /// Log records appended.
    pub log_records: u64,
    /// Bytes of log appended.
    pub log_written_bytes: u64,
    /// Log syncs.
    pub log_syncs: u64,
    /// Bytes of keys and values in commits, to all trees.
    pub written_payload_bytes: u64,
    /// Log records replayed when the store was opened.
    pub replayed_records: u64,
    /// Bytes of log read then, the engine's own records included.
    pub replayed_bytes: u64,
    /// Whether the log ended in the middle of a record then, as after loss of power.
    pub torn_tail: bool,
    /// Bytes allocated by the log.
    pub log_allocated_bytes: u64,
    /// Position up to which the log is in use.
    pub last_lsn: u64,
    /// The store's own figures.
    pub store: StoreUsage,
}

/// What [`Tree::verify`](crate::db::Tree::verify) found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct VerifyReport {
    /// Records seen.
    pub records: u64,
    /// Frames seen.
    pub frames: u64,
    /// Pages seen, extents included.
    pub pages: u64,
    /// Extents seen.
    pub extents: u64,
    /// Bytes of keys and values seen.
    pub payload_bytes: u64,
    /// Bytes in use on leaf pages over their capacity, in thousandths.
    pub fill_per_mille: u32,
    /// Damage, at most the first thousand pieces.
    pub damage: Vec<Corruption>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.damage.is_empty()
    }
}

/// Figures of one tree of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NamedTreeStats {
    /// Its name.
    pub name: String,
    /// Live records.
    pub records: u64,
    /// Its frames.
    pub frames: u64,
    /// Levels of frames: 1 for a tree of one frame.
    pub levels: u32,
}

/// Figures of an open store; cheap, never reads the device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DBStats {
    /// Trees with a name.
    pub open_tree_count: u64,
    /// Each of them, in the order of their names.
    pub trees: Vec<NamedTreeStats>,
    /// The store as a whole. Records and frames are those of all trees together, the one without
    /// a name and the catalog included; levels are those of the highest tree.
    pub store: TreeStats,
}

/// What giving space back came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct VacuumStats {
    /// Frames and extents that nothing led to, now removed.
    pub unreachable_blobs: u64,
    /// Frames repacked.
    pub compactions: u64,
    /// Thin frames joined with a neighbour.
    pub merges: u64,
    /// Bytes that store and log had allocated before.
    pub bytes_before: u64,
    /// Bytes that they have allocated now.
    pub bytes_after: u64,
}

/// Gathers the figures of one tree and of every layer below.
pub(super) fn collect(core: &Core, tree: TreeId) -> Result<TreeStats> {
    let root = core.forest.roots.get(&tree).ok_or(Error::TreeDropped)?;
    layers(core, root)
}

/// Gathers the figures of a store.
pub(super) fn collect_all(core: &Core) -> Result<DBStats> {
    let mut sum = Root { frame: 0, level: 0, records: 0, frames: 0 };
    for root in core.forest.roots.values() {
        sum.level = sum.level.max(root.level);
        sum.records = sum.records.saturating_add(root.records);
        sum.frames = sum.frames.saturating_add(root.frames);
    }
    let named = |(name, tree): (&String, &TreeId)| {
        let root = core.forest.roots.get(tree)?;
        let (name, levels) = (name.clone(), u32::from(root.level) + 1);
        Some(NamedTreeStats { name, records: root.records, frames: root.frames, levels })
    };
    let trees: Vec<NamedTreeStats> = core.catalog.names.iter().filter_map(named).collect();
    Ok(DBStats { open_tree_count: trees.len() as u64, trees, store: layers(core, &sum)? })
}

fn layers(core: &Core, root: &Root) -> Result<TreeStats> {
    let (cache, forest) = (core.forest.cache.counters, core.forest.counters);
    let log_bytes = core.log_bytes();
    let log = core.log();
    let counters = log.as_ref().map(|log| log.counters()).unwrap_or_default();
    Ok(TreeStats {
        records: root.records,
        frames: root.frames,
        levels: u32::from(root.level) + 1,
        cache_bytes: core.forest.cache.used(),
        dirty_pages: core.forest.cache.dirty_pages(),
        cache_misses: cache.misses,
        cold_reads: core.counters.cold_reads,
        lookup_restarts: core.counters.lookup_restarts,
        evictions: cache.evictions,
        staged_evictions: cache.staged_evictions,
        fill_per_mille: core.forest.cache.fill_per_mille(),
        page_splits: forest.page_splits,
        page_balances: forest.page_balances,
        page_merges: forest.page_merges,
        spills: forest.spills,
        merges: forest.merges,
        compactions: forest.compactions,
        checkpoints: core.counters.checkpoints,
        checkpoint_pages: core.counters.checkpoint_pages,
        pre_images: cache.pre_images,
        log_bytes,
        log_records: counters.records,
        log_written_bytes: counters.bytes,
        log_syncs: counters.syncs,
        written_payload_bytes: core.counters.payload,
        replayed_records: core.recovery.records,
        replayed_bytes: core.recovery.bytes,
        torn_tail: core.recovery.torn,
        log_allocated_bytes: log.as_ref().map_or(Ok(0), |log| log.allocated())?,
        last_lsn: log.as_ref().map_or(0, |log| log.end()),
        store: core.forest.cache.blobs().usage()?,
    })
}
