//! Joining what moves and removals of whole frames leave thin or empty.
//!
//! Owns: which neighbours are tried, on which level, in which order. Never does: fail because
//! of a damaged neighbour; the change itself is done, and its other parts are joined later.

use alloc::vec::Vec;

use super::Forest;
use super::under::is_below;
use crate::error::{Error, Result};
use crate::frame::successor;
use crate::ids::TreeId;

impl Forest {
    /// Joins the pages and frames at `key`, on every level, with neighbours as far as they are
    /// thin.
    pub(super) fn mend(&mut self, tree: TreeId, key: &[u8]) -> Result<()> {
        match self.mend_all(tree, key) {
            Err(Error::Corrupt(_)) => Ok(()),
            other => other,
        }
    }

    /// The same for every frame that may hold keys under `prefix`, and the one behind them.
    pub(super) fn mend_under(&mut self, tree: TreeId, prefix: &[u8]) -> Result<()> {
        let end = successor(prefix);
        let mut at: Vec<u8> = prefix.into();
        loop {
            self.mend(tree, &at)?;
            self.cache.trim()?;
            let next = self.with(|forest| {
                let frame = forest.descend(tree, &at)?.leaf().frame;
                forest.reader().next_frame(frame, &at)
            })?;
            match next.filter(|next| is_below(next, end.as_deref())) {
                Some(next) => at = next,
                None => break,
            }
        }
        match end {
            Some(end) => self.mend(tree, &end),
            None => Ok(()),
        }
    }

    fn mend_all(&mut self, tree: TreeId, key: &[u8]) -> Result<()> {
        let mut level = 0;
        loop {
            let path = self.with(|forest| forest.descend(tree, key))?;
            let Some(step) = path.at_level(level) else { return Ok(()) };
            let thin = self.with(|forest| forest.is_thin(step))?;
            let mut joined = thin && self.settle(|forest| forest.merge_page(step))?;
            if !joined && path.at_level(level + 1).is_none() {
                return self.settle(|forest| forest.lower_root(tree));
            }
            if !joined && level == 0 {
                joined = self.settle(|forest| forest.fold(tree, &path, true))?;
            }
            if !joined {
                joined = self.settle(|forest| forest.merge_frame(tree, &path, level))?;
            }
            // What joined above may have brought siblings together.
            level = if joined { 0 } else { level + 1 };
        }
    }
}
