//! A store of named trees served by the engine linked in.

use std::sync::{Arc, Mutex};

use holt_engine::db::{DB, DBStats, VacuumStats, VerifyReport};
use holt_engine::error::{AtomicErrorKind, Error, Result};
use holt_wire::changes::Packer;

use super::NativeStore;
use super::snapshot::Snapshots;
use crate::api::{Change, Database, SandboxUsage, Store};

/// A database served by the engine linked into this program. Its trees share its snapshots.
#[derive(Clone)]
pub struct NativeDatabase {
    db: DB,
    snapshots: Arc<Snapshots>,
}

impl NativeDatabase {
    /// Serves `db`.
    pub fn new(db: DB) -> Self {
        Self { db, snapshots: Arc::default() }
    }

    /// The database.
    pub fn db(&self) -> &DB {
        &self.db
    }

    fn serve(&self, tree: holt_engine::db::Tree) -> Box<dyn Store + Send> {
        Box::new(NativeStore { tree, snapshots: Arc::clone(&self.snapshots) })
    }
}

impl From<DB> for NativeDatabase {
    fn from(db: DB) -> Self {
        Self::new(db)
    }
}

impl Database for NativeDatabase {
    fn create_tree(&mut self, name: &str) -> Result<Box<dyn Store + Send>> {
        self.db.create_tree(name).map(|tree| self.serve(tree))
    }

    fn open_tree(&mut self, name: &str) -> Result<Box<dyn Store + Send>> {
        self.db.open_tree(name).map(|tree| self.serve(tree))
    }

    fn open_or_create_tree(&mut self, name: &str) -> Result<Box<dyn Store + Send>> {
        self.db.open_or_create_tree(name).map(|tree| self.serve(tree))
    }

    fn list_trees(&mut self) -> Result<Vec<String>> {
        self.db.list_trees()
    }

    fn drop_tree(&mut self, name: &str) -> Result<()> {
        self.db.drop_tree(name)
    }

    fn commit(&mut self, changes: &[(&str, Change)]) -> Result<bool> {
        self.db.atomic(|batch| {
            for (tree, change) in changes {
                change.borrowed().add_to_db(tree, batch);
            }
        })
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.db.checkpoint()
    }

    fn compact(&mut self) -> Result<()> {
        self.db.compact()
    }

    fn gc(&mut self) -> Result<u64> {
        self.db.gc().map(|count| count as u64)
    }

    fn vacuum(&mut self) -> Result<VacuumStats> {
        self.db.vacuum()
    }

    fn maintain(&mut self, budget: u32) -> Result<bool> {
        self.db.maintain(budget as usize)
    }

    fn sync(&mut self) -> Result<()> {
        self.db.sync()
    }

    fn verify(&mut self) -> Result<VerifyReport> {
        self.db.verify()
    }

    fn stats(&mut self) -> Result<DBStats> {
        self.db.stats()
    }

    fn sandbox_usage(&self) -> SandboxUsage {
        SandboxUsage::default()
    }
}
