//! Named trees beside the tree of the script, and handles of them.
//!
//! A handle is of the tree it was opened on: a tree of the same name that is created later is
//! another one.

use std::collections::BTreeMap;

use super::outcome::Outcome;
use super::records::{Fault, Log, Records, check};
use crate::script::{Change, Op};

/// Named trees.
#[derive(Clone, Debug, Default)]
pub struct Trees {
    names: BTreeMap<String, u64>,
    trees: BTreeMap<u64, Records>,
    handles: BTreeMap<String, u64>,
    created: u64,
}

impl Trees {
    /// Runs an operation on named trees; `None` for one that is about something else.
    pub fn run(&mut self, op: &Op, log: &mut Log) -> Option<Result<Outcome, Fault>> {
        Some(match op {
            Op::CreateTree { name } => match self.names.contains_key(name) {
                true => Err(Fault::new("tree-exists")),
                false => self.create(name),
            },
            Op::OpenTree { name } => self.open(name).map(|_| Outcome::Done),
            Op::OpenOrCreateTree { name } => match self.names.contains_key(name) {
                true => self.open(name).map(|_| Outcome::Done),
                false => self.create(name),
            },
            Op::DropTree { name } => match self.names.remove(name) {
                None => Err(Fault::new("tree-not-found")),
                Some(tree) => {
                    self.trees.remove(&tree);
                    Ok(Outcome::Done)
                }
            },
            Op::ListTrees => Ok(Outcome::Names(self.names.keys().cloned().collect())),
            Op::InTree { tree, run } => self.through_handle(tree, run, log),
            Op::AcrossTrees { changes } => self.across(changes, log),
            _ => return None,
        })
    }

    /// Handles do not outlive the store they are of.
    pub fn close(&mut self) {
        self.handles.clear();
    }

    /// Name and records of each tree.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Records)> {
        self.names.iter().map(|(name, tree)| (name.as_str(), &self.trees[tree]))
    }

    fn create(&mut self, name: &str) -> Result<Outcome, Fault> {
        if name.is_empty() || name.starts_with('\0') {
            return Err(Fault::new("invalid-tree-name"));
        }
        self.created += 1;
        self.names.insert(name.into(), self.created);
        self.trees.insert(self.created, Records::default());
        self.handles.insert(name.into(), self.created);
        Ok(Outcome::Done)
    }

    fn open(&mut self, name: &str) -> Result<u64, Fault> {
        let tree = *self.names.get(name).ok_or_else(|| Fault::new("tree-not-found"))?;
        self.handles.insert(name.into(), tree);
        Ok(tree)
    }

    fn through_handle(&mut self, name: &str, op: &Op, log: &mut Log) -> Result<Outcome, Fault> {
        let tree = match self.handles.get(name) {
            Some(&tree) => tree,
            None => self.open(name)?,
        };
        let records = self.trees.get_mut(&tree).ok_or_else(|| Fault::new("tree-dropped"))?;
        records.run(op, log).unwrap_or_else(|| Err(Fault::new("not-an-operation-of-one-tree")))
    }

    fn across(&mut self, changes: &[(String, Change)], log: &mut Log) -> Result<Outcome, Fault> {
        let found = |(name, _): &(String, Change)| self.names.get(name).copied();
        let trees: Option<Vec<u64>> = changes.iter().map(found).collect();
        let trees = trees.ok_or_else(|| Fault::new("tree-not-found"))?;
        let changes: Vec<&Change> = changes.iter().map(|(_, change)| change).collect();
        check(changes.iter().copied())?;
        let before = self.trees.clone();
        for (tree, change) in trees.iter().zip(changes) {
            let records = self.trees.get_mut(tree).expect("a tree with a name has records");
            match records.change(change, log) {
                Ok(_) => {}
                Err(fault) => {
                    self.trees = before;
                    return match fault {
                        Fault::Guard => Ok(Outcome::Yes(false)),
                        error => Err(error),
                    };
                }
            }
        }
        Ok(Outcome::Yes(true))
    }
}
