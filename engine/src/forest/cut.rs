//! Making a frame of a tree start at a given key.
//!
//! Owns: the borders that moves and removals of whole frames need. Never does: move or change a
//! record's key.

use super::Forest;
use super::route::Path;
use super::split::Outcome;
use crate::art::head::Head;
use crate::error::Result;
use crate::ids::TreeId;
use crate::node::{Miss, Query, search};

/// Most steps of one cut: a sound tree needs a few for each level.
const MOST_STEPS: usize = 256;

/// What is between a tree and a border at a key.
enum Cut {
    /// Nothing: a leaf frame starts there.
    Done,
    /// Nothing but another step: a page starts there now.
    Closer,
    /// The leaf is the root, and a second leaf needs a parent.
    NoParent,
    /// The parent's page has no room for a crossing.
    ParentFull,
    /// The leaf frame has no page to split with, or its halves no room for their heads.
    FrameFull,
}

impl Forest {
    /// Makes a leaf frame start at `key`, unless one does. Records keep their places but for
    /// those of the one frame that is cut in two.
    pub(super) fn cut(&mut self, tree: TreeId, key: &[u8]) -> Result<()> {
        if key.is_empty() {
            return Ok(());
        }
        self.check_frames()?;
        self.check_levels(tree, 1)?;
        for _ in 0..MOST_STEPS {
            let path = self.with(|forest| forest.descend(tree, key))?;
            match self.settle(|forest| forest.cut_once(tree, &path, key))? {
                Cut::Done => return Ok(()),
                Cut::Closer => {}
                Cut::NoParent => self.settle(|forest| forest.raise_root(tree))?,
                Cut::ParentFull => self.grow(tree, key, 1)?,
                Cut::FrameFull => self.halve(tree, key)?,
            }
        }
        self.with(|_| Err(Miss::Broken { frame: 0, why: "a tree cannot be cut" }))
    }

    fn cut_once(&mut self, tree: TreeId, path: &Path, key: &[u8]) -> Result<Cut, Miss> {
        let step = path.leaf();
        let head = Head::parse(self.cache.page(step.frame, 0)?);
        if self.reader().is_at(&head.low, key)? {
            return Ok(Cut::Done);
        }
        self.reader().next_frame(step.frame, key)?;
        if step.ordinal == 0 || self.anchor_key(&head, step.ordinal)? != key {
            let page = self.cache.page(step.frame, step.page)?;
            let query = Query { key, stripped: head.prefix.len() };
            let (slot, _) = search::lower_bound(page, &query, &self.cache)?;
            return Ok(match self.split_page_at(step, slot, key.into())? {
                Outcome::Done => Cut::Closer,
                Outcome::FrameFull => Cut::FrameFull,
            });
        }
        let Some(parent) = path.at_level(1) else { return Ok(Cut::NoParent) };
        if !self.reader().is_at(&head.low, &self.crossing_key(parent)?)? {
            let why = "a frame does not start where its parent says";
            return Err(Miss::Broken { frame: step.frame, why });
        }
        Ok(match self.spill_at(tree, &head, step, parent, step.ordinal)? {
            Some(Outcome::Done) => Cut::Done,
            Some(Outcome::FrameFull) => Cut::ParentFull,
            None => Cut::FrameFull,
        })
    }

    /// Gives some of the pages of the leaf frame at `key` to a new sibling.
    pub(super) fn halve(&mut self, tree: TreeId, key: &[u8]) -> Result<()> {
        loop {
            let path = self.with(|forest| forest.descend(tree, key))?;
            if path.at_level(1).is_none() {
                self.settle(|forest| forest.raise_root(tree))?;
                continue;
            }
            match self.settle(|forest| forest.spill(tree, &path, 0))? {
                Outcome::Done => return Ok(()),
                Outcome::FrameFull => self.grow(tree, key, 1)?,
            }
        }
    }
}
