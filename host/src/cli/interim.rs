//! INTERIM, replaced by `holt_host::native` within the same session.

use holt_engine::db::{Options, RangeEntry, Record, ScanPage, Tree, TreeStats, VerifyReport};
use holt_engine::error::Result;
use holt_host::api::{Change, SandboxUsage, ScanRequest, Store};
use holt_native_store::FileStore;

struct Interim {
    tree: Tree,
}

pub fn open(files: FileStore, options: Options) -> Result<Box<dyn Store>> {
    let tree = Tree::open_with_devices(files.blobs.clone(), Some(files.log.clone()), options)?;
    Ok(Box::new(Interim { tree }))
}

impl Store for Interim {
    fn get(&mut self, key: &[u8]) -> Result<Option<Record>> {
        self.tree.get_record(key)
    }
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.tree.put(key, value)
    }
    fn delete(&mut self, key: &[u8]) -> Result<bool> {
        self.tree.delete(key)
    }
    fn rename(&mut self, src: &[u8], dst: &[u8], force: bool) -> Result<()> {
        self.tree.rename(src, dst, force)
    }
    fn commit(&mut self, changes: &[Change]) -> Result<()> {
        self.tree
            .atomic(|batch| {
                for change in changes {
                    match change {
                        Change::Put { key, value } => batch.put(key, value),
                        Change::Delete { key } => batch.delete(key),
                    }
                }
            })
            .map(drop)
    }
    fn scan(&mut self, request: &ScanRequest) -> Result<ScanPage<RangeEntry>> {
        let mut builder = self.tree.range().prefix(&request.prefix);
        if let Some(after) = &request.start_after {
            builder = builder.start_after(after);
        }
        if let Some(delimiter) = request.delimiter {
            builder = builder.delimiter(delimiter);
        }
        builder.page(request.max_entries, request.max_bytes)
    }
    fn checkpoint(&mut self) -> Result<()> {
        self.tree.checkpoint()
    }
    fn compact(&mut self) -> Result<()> {
        self.tree.compact()
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
