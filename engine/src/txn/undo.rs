//! What a batch did, so that it can be taken back or made final.
//!
//! Owns: the record of each change and its two ends. Never does: decide which it is.

use alloc::borrow::Cow;

use crate::error::{Error, Result};
use crate::forest::{Forest, Previous, Remains};
use crate::ids::TreeId;

/// One change of a batch.
pub(super) enum Done<'a> {
    /// A record was written.
    Wrote { tree: TreeId, key: &'a [u8], previous: Option<Previous>, remains: Remains },
    /// A record was removed.
    Erased { tree: TreeId, key: Cow<'a, [u8]>, previous: Previous, remains: Remains },
    /// Everything under a prefix moved to a hidden tree, under the same keys.
    Displaced { tree: TreeId, prefix: &'a [u8], hidden: TreeId },
    /// Everything under a prefix moved to another, which was empty.
    Moved { tree: TreeId, src: &'a [u8], dst: &'a [u8] },
    /// A tree was created.
    Created { tree: TreeId },
    /// A tree was put under a hidden id.
    Dropped { tree: TreeId, hidden: TreeId },
}

impl Done<'_> {
    /// Takes the change back; all later ones were taken back before.
    pub fn undo(self, forest: &mut Forest) -> Result<()> {
        match self {
            Self::Wrote { tree, key, previous, .. } => forest.undo_write(tree, key, previous),
            Self::Erased { tree, key, previous, .. } => forest.undo_erase(tree, &key, &previous),
            Self::Displaced { tree, prefix, hidden } => {
                forest.move_prefix(hidden, prefix, tree, prefix)?;
                forest.remove_tree(hidden).map(drop)
            }
            Self::Moved { tree, src, dst } => forest.move_prefix(tree, dst, tree, src).map(drop),
            Self::Created { tree } => forest.remove_tree(tree).map(drop),
            Self::Dropped { tree, hidden } => {
                rename_tree(forest, hidden, tree);
                Ok(())
            }
        }
    }

    /// The change is certain: gives back what it replaced.
    pub fn commit(&self, forest: &mut Forest) -> Result<()> {
        match *self {
            Self::Wrote { remains, .. } | Self::Erased { remains, .. } => {
                forest.give_back(remains);
                Ok(())
            }
            Self::Displaced { hidden, .. } | Self::Dropped { hidden, .. } => {
                discard_tree(forest, hidden)
            }
            Self::Moved { .. } | Self::Created { .. } => Ok(()),
        }
    }

    /// After everything was committed: lets pages join that became thin.
    pub fn tidy(&self, forest: &mut Forest) -> Result<()> {
        match self {
            // Its tree may have been dropped, or its page moved, by a later operation.
            Self::Erased { tree, key, .. } if forest.roots.contains_key(tree) => {
                forest.shrink(*tree, key)
            }
            _ => Ok(()),
        }
    }
}

/// Puts a tree under another id.
pub(super) fn rename_tree(forest: &mut Forest, from: TreeId, to: TreeId) {
    if let Some(root) = forest.roots.remove(&from) {
        forest.roots.insert(to, root);
    }
}

/// Removes a tree for good. What cannot be reached in it because it is damaged stays in the
/// store, where nothing leads to it: the removal is logged, and must not fail on every replay.
fn discard_tree(forest: &mut Forest, tree: TreeId) -> Result<()> {
    match forest.remove_tree(tree) {
        Err(Error::Corrupt(_)) => {
            forest.roots.remove(&tree);
            Ok(())
        }
        other => other.map(drop),
    }
}
