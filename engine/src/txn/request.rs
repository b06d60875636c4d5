//! What a caller asks of a batch, conditions included.
//!
//! Owns: the limits of a batch, checked before anything changes. Never does: apply it.

use super::check_limits;
use crate::error::{Error, Result};
use crate::ids::{RecordVersion, TreeId};
use crate::limits::{
    MAX_BATCH_OPS, MAX_BATCH_PAGES, MAX_BATCH_PREFIX_OPS, MAX_RECORD_BYTES, PREFIX_OP_PAGES,
};
use crate::log::{OpRef, overlap, record_len};

/// What must be under a key for an operation to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing is asked.
    Anything,
    /// No record.
    Absent,
    /// A record of this version.
    Version(RecordVersion),
}

impl Expect {
    /// Whether it holds for the version that was found, if a record was.
    pub fn holds(self, found: Option<u64>) -> bool {
        match self {
            Self::Anything => true,
            Self::Absent => found.is_none(),
            Self::Version(version) => found == Some(version.as_u64()),
        }
    }
}

/// One operation of a batch. One whose condition does not hold fails the whole batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Writes a record.
    Put {
        /// The tree.
        tree: TreeId,
        /// The key.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
        /// The condition.
        when: Expect,
    },
    /// Writes a record unless there is one, which is fine too.
    PutNew {
        /// The tree.
        tree: TreeId,
        /// The key.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
    },
    /// Deletes a record; without a condition one that is not there is fine.
    Delete {
        /// The tree.
        tree: TreeId,
        /// The key.
        key: &'a [u8],
        /// The condition.
        when: Expect,
    },
    /// Changes nothing.
    Assert {
        /// The tree.
        tree: TreeId,
        /// The key.
        key: &'a [u8],
        /// The condition.
        when: Expect,
    },
    /// Changes nothing; fails if a key starts with the prefix.
    AssertPrefixEmpty {
        /// The tree.
        tree: TreeId,
        /// The prefix.
        prefix: &'a [u8],
    },
    /// Moves a record, which gets a new version.
    Rename {
        /// The tree.
        tree: TreeId,
        /// The key it has.
        src: &'a [u8],
        /// The key it gets.
        dst: &'a [u8],
        /// Whether it may replace a record.
        force: bool,
    },
    /// Moves every record under a prefix; they keep their versions.
    RenamePrefix {
        /// The tree.
        tree: TreeId,
        /// What the keys start with.
        src: &'a [u8],
        /// What they start with afterwards.
        dst: &'a [u8],
        /// Whether they may replace what lies under `dst`.
        force: bool,
    },
    /// Deletes every record under a prefix.
    DeletePrefix {
        /// The tree.
        tree: TreeId,
        /// The prefix.
        prefix: &'a [u8],
    },
    /// Creates an empty tree under an id that is not in use.
    CreateTree {
        /// The tree.
        tree: TreeId,
    },
    /// Removes a tree.
    DropTree {
        /// The tree.
        tree: TreeId,
    },
}

impl<'a> Request<'a> {
    /// What it logs at most; of a rename the value is not known yet.
    fn logged(&self) -> [Option<OpRef<'a>>; 2] {
        match *self {
            Self::Put { tree, key, value, .. } | Self::PutNew { tree, key, value } => {
                [Some(OpRef::Put { tree, key, value }), None]
            }
            Self::Delete { tree, key, .. } => [Some(OpRef::Delete { tree, key }), None],
            Self::Assert { .. } | Self::AssertPrefixEmpty { .. } => [None, None],
            Self::Rename { tree, src, dst, .. } => {
                let put = OpRef::Put { tree, key: dst, value: &[] };
                [Some(OpRef::Delete { tree, key: src }), Some(put)]
            }
            Self::RenamePrefix { tree, src, dst, .. } => {
                [Some(OpRef::RenamePrefix { tree, src, dst }), None]
            }
            Self::DeletePrefix { tree, prefix } => {
                [Some(OpRef::DeletePrefix { tree, prefix }), None]
            }
            Self::CreateTree { tree } => [Some(OpRef::CreateTree { tree }), None],
            Self::DropTree { tree } => [Some(OpRef::DropTree { tree }), None],
        }
    }

    fn check(&self) -> Result<()> {
        match *self {
            Self::Put { key, value, .. } | Self::PutNew { key, value, .. } => {
                check_limits(key, value)
            }
            Self::Delete { key, .. } | Self::Assert { key, .. } => check_limits(key, &[]),
            Self::AssertPrefixEmpty { prefix, .. } | Self::DeletePrefix { prefix, .. } => {
                check_limits(prefix, &[])
            }
            Self::Rename { src, dst, .. } => {
                check_limits(src, &[])?;
                check_limits(dst, &[])
            }
            Self::RenamePrefix { src, dst, .. } => {
                check_limits(src, &[])?;
                check_limits(dst, &[])?;
                if overlap(src, dst) {
                    let why = "one starts with the other, so nothing can move between them";
                    return Err(Error::InvalidArgument { what: "prefixes of a rename", why });
                }
                Ok(())
            }
            Self::CreateTree { .. } | Self::DropTree { .. } => Ok(()),
        }
    }

    /// Whether it changes nothing by itself.
    pub const fn only_asks(&self) -> bool {
        matches!(self, Self::Assert { .. } | Self::AssertPrefixEmpty { .. })
    }

    const fn is_prefix_op(&self) -> bool {
        matches!(self, Self::RenamePrefix { .. } | Self::DeletePrefix { .. })
    }

    /// Pages it counts for.
    const fn pages(&self) -> usize {
        match self {
            Self::RenamePrefix { .. } | Self::DeletePrefix { .. } => PREFIX_OP_PAGES,
            Self::Rename { .. } => 2,
            _ => 1,
        }
    }
}

/// Checks every limit of a batch that can be known before it is applied. Returns the most bytes
/// its log record can have.
///
/// # Errors
/// `BatchTooLarge`, `BatchTooWide`, `TooManyPrefixOps`, `WalRecordTooLarge`, `KeyTooLong`,
/// `ValueTooLong`, and `InvalidArgument` for a rename between prefixes of which one starts with
/// the other.
pub fn check_requests(requests: &[Request<'_>]) -> Result<usize> {
    if requests.len() > MAX_BATCH_OPS {
        return Err(Error::BatchTooLarge { len: requests.len() });
    }
    let len = requests.iter().filter(|request| request.is_prefix_op()).count();
    if len > MAX_BATCH_PREFIX_OPS {
        return Err(Error::TooManyPrefixOps { len });
    }
    let pages: usize = requests.iter().map(Request::pages).sum();
    if pages > MAX_BATCH_PAGES {
        return Err(Error::BatchTooWide { pages });
    }
    let (mut count, mut body, mut open) = (0, 0, false);
    for request in requests {
        request.check()?;
        open |= matches!(request, Request::Rename { .. });
        for op in request.logged().iter().flatten() {
            count += 1;
            body += op.encoded_len();
        }
    }
    let bytes = record_len(count, body);
    if bytes > MAX_RECORD_BYTES {
        return Err(Error::WalRecordTooLarge { bytes, maximum: MAX_RECORD_BYTES });
    }
    Ok(if open { MAX_RECORD_BYTES } else { bytes })
}
