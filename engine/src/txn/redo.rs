//! Replay: the effects of one log record, once more.
//!
//! Owns: nothing. Never does: keep anything to undo it; an opening that fails drops the whole
//! state. Each operation leaves the logical state that it left when it was made.

use alloc::format;

use super::pending::Pending;
use crate::error::{Corruption, CorruptionClass, Result};
use crate::forest::Forest;
use crate::ids::{Lsn, STANDALONE_TREE};
use crate::limits::MAX_ROOTS;
use crate::log::{OpRef, RecordView};

/// Applies the operations of a record.
///
/// # Errors
/// `Corrupt` of class log if an operation cannot have been made in this state; damage of pages
/// and failures of the device.
pub fn redo(forest: &mut Forest, record: RecordView<'_>) -> Result<()> {
    forest.cache.set_lsn(record.lsn);
    for (version, op) in record.ops() {
        check(forest, &op, record.lsn)?;
        one(forest, op, version.as_u64())?;
    }
    Ok(())
}

/// Checks that the tree of an operation exists, or does not, as it must.
fn check(forest: &Forest, op: &OpRef<'_>, lsn: Lsn) -> Result<()> {
    let tree = op.tree();
    let exists = forest.roots.contains_key(&tree);
    let why = match op {
        OpRef::CreateTree { .. } if exists => "creates a tree that exists",
        OpRef::CreateTree { .. } if forest.roots.len() >= MAX_ROOTS => "creates too many trees",
        OpRef::CreateTree { .. } => return Ok(()),
        _ if !exists => "changes a tree that does not exist",
        OpRef::DropTree { .. } if tree == STANDALONE_TREE => "drops the tree of the store",
        _ => return Ok(()),
    };
    let detail = format!("a record {why} (tree {tree})");
    Err(Corruption { page: Some(lsn), ..Corruption::new(CorruptionClass::Log, detail) }.into())
}

fn one(forest: &mut Forest, op: OpRef<'_>, version: u64) -> Result<()> {
    match op {
        OpRef::Put { tree, key, value } => {
            let place = forest.make_place(tree, key, value.len())?;
            let remains = forest.settle(|f| f.write(tree, place, key, value, version))?;
            forest.give_back(remains);
            Ok(())
        }
        OpRef::Delete { tree, key } => {
            let place = forest.with(|forest| forest.place(tree, key))?;
            if !place.exact {
                return Ok(());
            }
            let remains = forest.settle(|forest| forest.erase(tree, place))?;
            forest.give_back(remains);
            forest.shrink(tree, key)
        }
        OpRef::CreateTree { tree } => forest.create_tree(tree),
        // Through the same steps as when it was made, so that damage that was no obstacle then
        // is none now.
        OpRef::RenamePrefix { tree, src, dst } => {
            let mut pending = Pending::default();
            pending.rename_prefix(forest, tree, (src, dst), true)?;
            pending.commit(forest)
        }
        OpRef::DeletePrefix { tree, prefix } => {
            let mut pending = Pending::default();
            pending.displace(forest, tree, prefix)?;
            pending.commit(forest)
        }
        OpRef::DropTree { tree } => {
            let mut pending = Pending::default();
            pending.drop_tree(forest, tree)?;
            pending.commit(forest)
        }
    }
}
