//! The operations of a batch, and the versions that conditions name.

use serde::{Deserialize, Serialize};

use super::bytes::Bytes;
use super::kind::Kind;

/// The version a condition asks for. Scripts cannot know versions, so they name them by what was
/// seen while they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// The one last seen under the key.
    Seen,
    /// One that was seen under the key before that, or else one of another record.
    Stale,
    /// One that no record ever has.
    Never,
    /// This one: what the others become before an operation runs.
    Exactly(u64),
}

/// One operation of a batch. A condition that does not hold fails the batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
#[allow(missing_docs, reason = "fields and kinds are named as what they are")]
pub enum Change {
    /// Writes a record.
    Put { key: Bytes, value: Bytes },
    /// Writes a record where there is none.
    PutIfAbsent { key: Bytes, value: Bytes },
    /// Replaces a record of this version.
    CompareAndPut { key: Bytes, expect: Expect, value: Bytes },
    /// Deletes a record, if it is there.
    Delete { key: Bytes },
    /// Deletes a record of this version.
    DeleteIfVersion { key: Bytes, expect: Expect },
    /// Asks for a record of this version.
    AssertVersion { key: Bytes, expect: Expect },
    /// Asks for no record.
    AssertAbsent { key: Bytes },
    /// Asks for no record under a prefix.
    AssertPrefixEmpty { prefix: Bytes },
    /// Moves a record; an error if it is not there, or the other is and may not be replaced.
    Rename { src: Bytes, dst: Bytes, force: bool },
    /// Moves all records under a prefix.
    RenamePrefix { src: Bytes, dst: Bytes, force: bool },
    /// Deletes all records under a prefix.
    DeletePrefix { prefix: Bytes },
}

impl Change {
    /// What it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Put { .. } => Kind::BatchPut,
            Self::PutIfAbsent { .. } => Kind::BatchPutIfAbsent,
            Self::CompareAndPut { .. } => Kind::BatchCompareAndPut,
            Self::Delete { .. } => Kind::BatchDelete,
            Self::DeleteIfVersion { .. } => Kind::BatchDeleteIfVersion,
            Self::AssertVersion { .. } => Kind::AssertVersion,
            Self::AssertAbsent { .. } => Kind::AssertAbsent,
            Self::AssertPrefixEmpty { .. } => Kind::AssertPrefixEmpty,
            Self::Rename { .. } => Kind::BatchRename,
            Self::RenamePrefix { .. } => Kind::BatchRenamePrefix,
            Self::DeletePrefix { .. } => Kind::BatchDeletePrefix,
        }
    }

    /// The key it has a condition on, and the version asked for.
    pub const fn expect_mut(&mut self) -> Option<(&Bytes, &mut Expect)> {
        match self {
            Self::CompareAndPut { key, expect, .. }
            | Self::DeleteIfVersion { key, expect }
            | Self::AssertVersion { key, expect } => Some((key, expect)),
            _ => None,
        }
    }

    /// Whether it names a version.
    pub const fn expects(&self) -> bool {
        matches!(
            self,
            Self::CompareAndPut { .. } | Self::DeleteIfVersion { .. } | Self::AssertVersion { .. }
        )
    }
}
