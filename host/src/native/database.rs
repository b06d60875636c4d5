//! A store of named trees served by the engine linked in.

use std::sync::{Arc, Mutex, Weak};

use holt_engine::db::{
    DB, DBStats, DBView, ImageExport as EngineExport, ImageInstall as EngineInstall, ImageSummary,
    JournalAnchor, JournalEnvelope, Tree, VacuumStats, VerifyReport,
};
use holt_engine::error::{Error, Result};
use holt_engine::ids::Lsn;
use holt_wire::journal;

use super::NativeStore;
use super::snapshot::{Numbered, Snapshots, lock};
use crate::api::{
    CLOSED, Change, Database, DatabaseSnapshot, ImageExport, ImageInstall, JournalPage,
    JournalState, MAX_IMAGE_CHUNK_BYTES, MAX_IMAGES, OPEN_IMAGES, SandboxUsage, Snapshot, Store,
};

/// A database served by the engine linked into this program. Its trees share its snapshots.
#[derive(Clone)]
pub struct NativeDatabase {
    db: DB,
    snapshots: Arc<Snapshots>,
    images: Arc<Images>,
}

/// Images on their way, which end with the last handle of the database.
#[derive(Default)]
struct Images {
    open: Mutex<Numbered<Image>>,
}

enum Image {
    Out(Box<EngineExport>),
    In(Box<EngineInstall>),
}

impl NativeDatabase {
    /// Serves `db`.
    pub fn new(db: DB) -> Self {
        Self { db, snapshots: Arc::default(), images: Arc::default() }
    }

    /// The database.
    pub fn db(&self) -> &DB {
        &self.db
    }

    fn image(&self, begin: impl FnOnce() -> Result<Image>) -> Result<NativeImage> {
        let number = lock(&self.images.open).add(MAX_IMAGES, OPEN_IMAGES, begin)?;
        Ok(NativeImage { of: Arc::downgrade(&self.images), number })
    }

    fn serve(&self, tree: Tree) -> Box<dyn Store + Send> {
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

    fn initialize_journal_stream(&mut self, genesis: JournalAnchor) -> Result<()> {
        self.db.initialize_journal_stream(genesis)
    }

    fn journal_state(&mut self) -> Result<JournalState> {
        journal::state(&self.db)
    }

    fn commit_with_journal_envelope(
        &mut self,
        envelope: &JournalEnvelope,
        changes: &[(&str, Change)],
    ) -> Result<bool> {
        self.db.atomic_with_journal_envelope(envelope, |batch| {
            for (tree, change) in changes {
                change.borrowed().add_to_db(tree, batch);
            }
        })
    }

    fn journal_envelopes_after(
        &mut self,
        cursor: JournalAnchor,
        row_limit: usize,
        payload_byte_limit: usize,
    ) -> Result<JournalPage> {
        journal::read(&self.db, cursor, row_limit, payload_byte_limit)
    }

    fn snapshot(&mut self) -> Result<Box<dyn DatabaseSnapshot + Send>> {
        let db = &self.db;
        let (number, lsn) = self.snapshots.take_all(|| db.snapshot())?;
        let of = Arc::downgrade(&self.snapshots);
        Ok(Box::new(NativeDatabaseSnapshot { of, number, lsn }))
    }

    fn export_image(&mut self) -> Result<Box<dyn ImageExport + Send>> {
        Ok(Box::new(self.image(|| Ok(Image::Out(Box::new(self.db.begin_export()?))))?))
    }

    fn install_image(&mut self) -> Result<Box<dyn ImageInstall + Send>> {
        Ok(Box::new(self.image(|| Ok(Image::In(Box::new(self.db.begin_install()?))))?))
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

/// Names all trees of a database at one moment.
struct NativeDatabaseSnapshot {
    of: Weak<Snapshots>,
    number: u64,
    lsn: Lsn,
}

impl NativeDatabaseSnapshot {
    fn views(&self) -> Result<(Arc<Snapshots>, DBView)> {
        let of = self.of.upgrade().ok_or(CLOSED)?;
        let views = of.all(self.number)?;
        Ok((of, views))
    }
}

impl DatabaseSnapshot for NativeDatabaseSnapshot {
    fn list_trees(&mut self) -> Result<Vec<String>> {
        Ok(self.views()?.1.names().map(String::from).collect())
    }

    fn tree(&mut self, name: &str) -> Result<Box<dyn Snapshot + Send>> {
        let (of, views) = self.views()?;
        let view = views.tree(name).cloned();
        of.take(|| view.ok_or_else(|| Error::TreeNotFound { name: name.into() }))
    }

    fn lsn(&self) -> Lsn {
        self.lsn
    }
}

impl Drop for NativeDatabaseSnapshot {
    fn drop(&mut self) {
        if let Some(of) = self.of.upgrade() {
            of.give_back(self.number);
        }
    }
}

/// Names an image on its way.
struct NativeImage {
    of: Weak<Images>,
    number: u64,
}

impl NativeImage {
    fn with<T>(&self, act: impl FnOnce(&mut Image) -> Result<T>) -> Result<T> {
        let of = self.of.upgrade().ok_or(CLOSED)?;
        act(lock(&of.open).get(self.number)?)
    }

    fn arriving<T>(&self, act: impl FnOnce(&mut EngineInstall) -> Result<T>) -> Result<T> {
        self.with(|image| match image {
            Image::In(install) => act(install),
            Image::Out(_) => Err(CLOSED),
        })
    }
}

impl ImageExport for NativeImage {
    fn next_chunk(&mut self) -> Result<Vec<u8>> {
        let mut chunk = vec![0; MAX_IMAGE_CHUNK_BYTES];
        let count = self.with(|image| match image {
            Image::Out(export) => export.read(&mut chunk),
            Image::In(_) => Err(CLOSED),
        })?;
        chunk.truncate(count);
        Ok(chunk)
    }
}

impl ImageInstall for NativeImage {
    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.arriving(|install| install.write(bytes))
    }

    fn finish(&mut self) -> Result<ImageSummary> {
        self.arriving(EngineInstall::finish)
    }
}

impl Drop for NativeImage {
    fn drop(&mut self) {
        if let Some(of) = self.of.upgrade() {
            // Taken out under the lock, dropped after it.
            let gone = lock(&of.open).remove(self.number);
            drop(gone);
        }
    }
}
