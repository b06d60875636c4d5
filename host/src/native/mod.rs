//! The engine linked in, behind [`api::Store`](crate::api::Store).

mod database;
mod snapshot;

use std::sync::Arc;

use holt_engine::db::{
    PrefixCount, PrefixRecord, PutOutcome, Record, Tree, TreeStats, VacuumStats, VerifyReport,
};
use holt_engine::error::Result;
use holt_engine::ids::{Lsn, RecordVersion};
use holt_wire::changes::check_key;
use holt_wire::{many, scan};

use crate::api::{
    Change, FeedPage, Page, Reads, SandboxUsage, ScanRequest, Snapshot, Store, longest_key_of,
};

pub use database::NativeDatabase;
use snapshot::Snapshots;

/// A tree served by the engine linked into this program. Clones share it and its snapshots, which
/// end with the last of them.
#[derive(Clone)]
pub struct NativeStore {
    tree: Tree,
    snapshots: Arc<Snapshots>,
}

impl NativeStore {
    /// Serves `tree`.
    pub fn new(tree: Tree) -> Self {
        Self { tree, snapshots: Arc::default() }
    }

    /// The tree.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }
}

impl From<Tree> for NativeStore {
    fn from(tree: Tree) -> Self {
        Self::new(tree)
    }
}

/// A count of 64 bits as one of this machine; more than it can count is no limit.
fn limit(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(0)
}

impl Reads for NativeStore {
    fn get(&mut self, key: &[u8]) -> Result<Option<Record>> {
        check_key(key)?;
        self.tree.get_record(key)
    }

    fn get_version(&mut self, key: &[u8]) -> Result<Option<RecordVersion>> {
        check_key(key)?;
        self.tree.get_version(key)
    }

    fn longest_prefix(&mut self, query: &[u8]) -> Result<Option<PrefixRecord>> {
        self.tree.longest_prefix_record(longest_key_of(query))
    }

    fn is_prefix_empty(&mut self, prefix: &[u8]) -> Result<bool> {
        check_key(prefix)?;
        self.tree.is_prefix_empty(prefix)
    }

    fn prefix_count(&mut self, prefix: &[u8], most: u64) -> Result<PrefixCount> {
        check_key(prefix)?;
        self.tree.prefix_count(prefix, limit(most))
    }

    fn scan(&mut self, request: &ScanRequest) -> Result<Page> {
        scan::read_tree(&self.tree, request)
    }
}

impl Store for NativeStore {
    fn get_many(&mut self, keys: &[&[u8]]) -> Result<Vec<Option<Record>>> {
        many::read(&self.tree, keys)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.tree.put(key, value)
    }

    fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>> {
        self.tree.insert(key, value)
    }

    fn put_if_absent(&mut self, key: &[u8], value: &[u8]) -> Result<bool> {
        self.tree.put_if_absent(key, value)
    }

    fn put_many(&mut self, records: &[(&[u8], &[u8])]) -> Result<()> {
        self.tree.put_many(records)
    }

    fn put_many_if_absent(&mut self, records: &[(&[u8], &[u8])]) -> Result<Vec<PutOutcome>> {
        self.tree.put_many_if_absent(records)
    }

    fn compare_and_put(
        &mut self,
        key: &[u8],
        expected: RecordVersion,
        value: &[u8],
    ) -> Result<bool> {
        self.tree.compare_and_put(key, expected, value)
    }

    fn delete(&mut self, key: &[u8]) -> Result<bool> {
        self.tree.delete(key)
    }

    fn remove(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.tree.remove(key)
    }

    fn delete_if_version(&mut self, key: &[u8], expected: RecordVersion) -> Result<bool> {
        self.tree.delete_if_version(key, expected)
    }

    fn rename(&mut self, src: &[u8], dst: &[u8], force: bool) -> Result<()> {
        self.tree.rename(src, dst, force)
    }

    fn rename_prefix(&mut self, src: &[u8], dst: &[u8], force: bool) -> Result<u64> {
        self.tree.rename_prefix(src, dst, force)
    }

    fn delete_prefix(&mut self, prefix: &[u8]) -> Result<u64> {
        self.tree.delete_prefix(prefix)
    }

    fn commit(&mut self, changes: &[Change]) -> Result<bool> {
        self.tree.atomic(|batch| {
            for change in changes {
                change.borrowed().add_to(batch);
            }
        })
    }

    fn snapshot(&mut self, prefix: &[u8]) -> Result<Box<dyn Snapshot + Send>> {
        check_key(prefix)?;
        Snapshots::take(&self.snapshots, || Ok(self.tree.snapshot(prefix)?.view().clone()))
    }

    fn changes_since(&mut self, start: Lsn) -> Result<FeedPage> {
        FeedPage::cut(self.tree.changes_since(start)?)
    }

    fn last_lsn(&mut self) -> Result<Lsn> {
        Ok(self.tree.last_lsn())
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.tree.checkpoint()
    }

    fn compact(&mut self) -> Result<()> {
        self.tree.compact()
    }

    fn gc(&mut self) -> Result<u64> {
        self.tree.gc().map(|count| count as u64)
    }

    fn vacuum(&mut self) -> Result<VacuumStats> {
        self.tree.vacuum()
    }

    fn maintain(&mut self, budget: u32) -> Result<bool> {
        self.tree.maintain(budget as usize)
    }

    fn sync(&mut self) -> Result<()> {
        self.tree.sync()
    }

    fn verify(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<VerifyReport> {
        self.tree.verify_with(progress)
    }

    fn stats(&mut self) -> Result<TreeStats> {
        self.tree.stats()
    }

    fn sandbox_usage(&self) -> SandboxUsage {
        SandboxUsage::default()
    }
}
