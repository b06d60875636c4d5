//! Trees of many frames: descent, insertion and removal, splits, spills, merges, cursors.
//!
//! Owns: the roots of trees and every structure change. Never does: the log, or when to write
//! to the store. Invariants: all leaves of a tree are at level 0; a child lies one level below
//! its parent, between the fences that the parent's crossings say; the first crossing of a
//! frame is at its low fence. A structure change loads all it needs first and then cannot fail.

mod ascend;
mod balance;
mod beside;
mod border;
mod change;
mod check;
mod compact;
mod count;
mod crossing;
mod cursor;
mod cut;
mod land;
mod leaf;
mod lob;
mod longest;
mod mend;
mod merge;
mod reader;
mod relocate;
#[cfg(test)]
mod relocate_tests;
mod remove;
mod roots;
mod route;
mod seen;
mod spill;
mod split;
mod thinned;
mod under;
mod unlink;

use crate::cache::Cache;
use crate::error::Result;
use crate::node::Miss;

pub use beside::{Change, Spot};
pub use change::{Place, Previous, Remains};
pub use check::{Census, Checker};
pub use count::Count;
pub use cursor::{Cursor, Entry};
pub use leaf::Leaf;
pub use longest::PrefixMatch;
pub use reader::{Pages, Reader};
pub use roots::Roots;
pub use route::{Path, Step};
pub use thinned::Thinned;

/// Where a tree starts and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// Its root frame.
    pub frame: u32,
    /// Level of the root frame.
    pub level: u8,
    /// Live records.
    pub records: u64,
    /// Frames.
    pub frames: u64,
}

/// Structure changes since opening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForestCounters {
    /// Pages split.
    pub page_splits: u64,
    /// Full pages that gave records to a neighbour.
    pub page_balances: u64,
    /// Pages merged.
    pub page_merges: u64,
    /// Frames that gave half their pages to a new sibling.
    pub spills: u64,
    /// Frames merged with a neighbour.
    pub merges: u64,
    /// Frames repacked.
    pub compactions: u64,
}

/// All trees of a store.
pub struct Forest {
    /// Pages and extents.
    pub cache: Cache,
    /// Roots by tree.
    pub roots: Roots,
    /// Figures.
    pub counters: ForestCounters,
    /// Frames that may be thin.
    pub thinned: Thinned,
}

impl Forest {
    /// Runs a lookup until it misses nothing.
    pub fn with<T>(&mut self, mut look: impl FnMut(&Self) -> Result<T, Miss>) -> Result<T> {
        loop {
            match look(self) {
                Ok(found) => return Ok(found),
                Err(miss) => self.cache.load(miss)?,
            }
        }
    }

    /// Loads what a change needs and then makes it. A miss inside `change` before it changed
    /// anything is loaded and the change tried again.
    pub(crate) fn settle<T>(
        &mut self,
        mut change: impl FnMut(&mut Self) -> Result<T, Miss>,
    ) -> Result<T> {
        loop {
            match change(self) {
                Ok(done) => return Ok(done),
                Err(miss) => self.cache.load(miss)?,
            }
        }
    }
}
