//! Operations that homes have, in groups: a home lists its groups.

use crate::script::Kind;

/// Reads of one record, of several, and of what starts with a prefix.
pub(super) const READS: &[Kind] = &[
    Kind::Get,
    Kind::GetRecord,
    Kind::GetVersion,
    Kind::ContainsKey,
    Kind::GetMany,
    Kind::LongestPrefix,
    Kind::IsPrefixEmpty,
    Kind::PrefixCount,
];

/// Reads that lend a value or fill a buffer.
pub(super) const LENDING: &[Kind] = &[Kind::GetWith, Kind::GetInto];

/// Scans with all their bounds.
pub(super) const SCANS: &[Kind] = &[
    Kind::Page,
    Kind::Tokens,
    Kind::Iterate,
    Kind::ScanRecords,
    Kind::ScanKeys,
    Kind::StartAfter,
    Kind::StartAt,
    Kind::EndBefore,
    Kind::Reverse,
    Kind::Delimiter,
];

/// Scans by callback.
pub(super) const VISIT: &[Kind] = &[Kind::Visit];

/// Writes of one call.
pub(super) const WRITES: &[Kind] = &[
    Kind::Put,
    Kind::Insert,
    Kind::Delete,
    Kind::Remove,
    Kind::PutIfAbsent,
    Kind::PutMany,
    Kind::PutManyIfAbsent,
    Kind::CompareAndPut,
    Kind::DeleteIfVersion,
    Kind::Rename,
    Kind::RenamePrefix,
    Kind::DeletePrefix,
];

/// Batches and all that can be in them.
pub(super) const BATCHES: &[Kind] = &[
    Kind::Atomic,
    Kind::BatchPut,
    Kind::BatchDelete,
    Kind::BatchPutIfAbsent,
    Kind::BatchCompareAndPut,
    Kind::BatchDeleteIfVersion,
    Kind::AssertVersion,
    Kind::AssertAbsent,
    Kind::AssertPrefixEmpty,
    Kind::BatchRename,
    Kind::BatchRenamePrefix,
    Kind::BatchDeletePrefix,
];

/// Batches that are an error if a condition fails.
pub(super) const TXN: &[Kind] = &[Kind::Txn];

/// Snapshots and what can be read of them.
pub(super) const SNAPSHOTS: &[Kind] = &[
    Kind::Snapshot,
    Kind::SnapshotDrop,
    Kind::ViewGet,
    Kind::ViewLongestPrefix,
    Kind::ViewScan,
    Kind::ViewPrefix,
];

/// Views for the time of a callback.
pub(super) const VIEW: &[Kind] = &[Kind::View];

/// Named trees.
pub const NAMED_TREES: &[Kind] = &[
    Kind::CreateTree,
    Kind::OpenTree,
    Kind::OpenOrCreateTree,
    Kind::DropTree,
    Kind::ListTrees,
    Kind::InTree,
    Kind::AcrossTrees,
];

/// Upkeep of any store.
pub(super) const UPKEEP: &[Kind] =
    &[Kind::Checkpoint, Kind::Compact, Kind::Maintain, Kind::Gc, Kind::Vacuum, Kind::Verify];

/// What needs a device that survives.
pub(super) const DURABILITY: &[Kind] = &[Kind::Sync];
