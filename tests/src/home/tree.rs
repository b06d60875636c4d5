//! Homes in this process: a tree over any pair of devices.
//!
//! Owns: the handles, snapshots and views that a script holds. Never does: know which devices lie
//! below; the caller hands in how to open.

use std::collections::BTreeMap;

use holt_engine::db::{DB, DBAtomicBatch, Snapshot, Tree, TreeStats};
use holt_engine::error::Result;

use super::Home;
use super::calls::{collected, done, fill_db, run_on_tree, verified};
use super::has::{
    BATCHES, DURABILITY, LENDING, NAMED_TREES, READS, SCANS, SNAPSHOTS, TXN, UPKEEP, VIEW, VISIT,
    WRITES,
};
use super::reads::read_view;
use crate::model::{Outcome, code};
use crate::script::{Kind, Op, SLOTS};

/// An open store: a tree, which is the one that scripts are about, or a database with it.
pub struct Opened {
    tree: Tree,
    db: Option<DB>,
}

impl From<Tree> for Opened {
    fn from(tree: Tree) -> Self {
        Self { tree, db: None }
    }
}

impl From<DB> for Opened {
    fn from(db: DB) -> Self {
        Self { tree: db.unnamed_tree(), db: Some(db) }
    }
}

type Open = Box<dyn FnMut() -> Result<Opened>>;

/// A store in this process and the way to open it again.
pub struct TreeHome {
    name: String,
    opened: Option<Opened>,
    /// `None` for a store that lives and dies in memory.
    open: Option<Open>,
    /// Whether the store is a database.
    is_db: bool,
    slots: [Option<Snapshot>; SLOTS],
    handles: BTreeMap<String, Tree>,
}

impl TreeHome {
    fn closed(name: &str) -> Self {
        Self {
            name: name.into(),
            opened: None,
            open: None,
            is_db: false,
            slots: Default::default(),
            handles: BTreeMap::new(),
        }
    }

    /// Opens a store for the first time. `open` must give the same store each time.
    pub fn new<T: Into<Opened>>(
        name: &str,
        mut open: impl FnMut() -> Result<T> + 'static,
    ) -> Result<Self, String> {
        let mut home = Self::closed(name);
        home.open = Some(Box::new(move || open().map(Into::into)));
        home.reopen()?;
        Ok(home)
    }

    /// A store that cannot be opened again.
    pub fn lasting(name: &str, opened: impl Into<Opened>) -> Self {
        let opened = opened.into();
        Self { is_db: opened.db.is_some(), opened: Some(opened), ..Self::closed(name) }
    }

    /// The tree that scripts are about.
    pub fn tree(&self) -> &Tree {
        &self.opened().tree
    }

    fn opened(&self) -> &Opened {
        self.opened.as_ref().expect("a home holds its store between calls")
    }

    /// Closes the store.
    pub fn close(&mut self) {
        self.slots = Default::default();
        self.handles.clear();
        self.opened = None;
    }

    fn try_run(&mut self, op: &Op) -> Result<Outcome> {
        Ok(match op {
            Op::Snapshot { slot, prefix } => {
                self.slots[*slot] = Some(self.tree().snapshot(&prefix.0)?);
                Outcome::Done
            }
            Op::InSnapshot { slot, read } => match &self.slots[*slot] {
                Some(snapshot) => read_view(snapshot, read)?,
                None => Outcome::Failed("no-snapshot".into()),
            },
            Op::DropSnapshot { slot } => match self.slots[*slot].take() {
                Some(snapshot) => {
                    snapshot.retire();
                    Outcome::Done
                }
                None => Outcome::Failed("no-snapshot".into()),
            },
            Op::View { prefix, read } => {
                self.tree().view(&prefix.0, |view| read_view(view, read))?
            }
            other => match self.opened().db.clone() {
                Some(db) => self.run_on_db(&db, other)?,
                None => run_on_tree(self.tree(), other)?,
            },
        })
    }

    fn run_on_db(&mut self, db: &DB, op: &Op) -> Result<Outcome> {
        let (name, handle) = match op {
            Op::CreateTree { name } => (name, db.create_tree(name)?),
            Op::OpenTree { name } => (name, db.open_tree(name)?),
            Op::OpenOrCreateTree { name } => (name, db.open_or_create_tree(name)?),
            Op::InTree { tree, run } => {
                let handle = match self.handles.get(tree) {
                    Some(handle) => handle.clone(),
                    None => db.open_tree(tree)?,
                };
                let outcome = run_on_tree(&handle, run);
                self.handles.insert(tree.clone(), handle);
                return outcome;
            }
            Op::DropTree { name } => return done(db.drop_tree(name)),
            Op::ListTrees => return Ok(Outcome::Names(db.list_trees()?)),
            Op::AcrossTrees { changes } => {
                let fill = |batch: &mut DBAtomicBatch| {
                    changes.iter().for_each(|(tree, change)| fill_db(batch, tree, change));
                };
                return Ok(Outcome::Yes(db.atomic(fill)?));
            }
            Op::Checkpoint => return done(db.checkpoint()),
            Op::Compact => return done(db.compact()),
            Op::Maintain { budget } => return done(db.maintain(*budget).map(drop)),
            Op::Sync => return done(db.sync()),
            Op::Gc => return Ok(collected(db.gc()?)),
            Op::Vacuum => return done(db.vacuum().map(drop)),
            Op::Verify => return Ok(verified(&db.verify()?)),
            other => return run_on_tree(self.tree(), other),
        };
        self.handles.insert(name.clone(), handle);
        Ok(Outcome::Done)
    }
}

impl Home for TreeHome {
    fn name(&self) -> &str {
        &self.name
    }

    fn supports(&self) -> Vec<Kind> {
        let mut kinds = [READS, LENDING, SCANS, VISIT, WRITES, BATCHES, TXN].concat();
        kinds.extend([SNAPSHOTS, VIEW, UPKEEP, DURABILITY].concat());
        kinds.extend(self.open.is_some().then_some(Kind::Reopen));
        if self.is_db {
            kinds.extend(NAMED_TREES);
        }
        kinds
    }

    fn run(&mut self, op: &Op) -> Outcome {
        self.try_run(op).unwrap_or_else(|error| Outcome::Failed(code(&error)))
    }

    fn reopen(&mut self) -> Result<(), String> {
        // The old handles must be gone first: one writer at a time.
        self.close();
        let open = self.open.as_mut().ok_or("a store that lives in memory ends with its handle")?;
        let opened = open().map_err(|error| format!("reopening failed: {error}"))?;
        self.is_db = opened.db.is_some();
        self.opened = Some(opened);
        Ok(())
    }

    fn stats(&mut self) -> Option<TreeStats> {
        self.tree().stats().ok()
    }
}
