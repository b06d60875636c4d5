//! The engine linked in, behind [`api::Store`](crate::api::Store).

use holt_engine::db::{KeyRangeEntry, RangeEntry, Record, ScanPage, Tree, TreeStats, VerifyReport};
use holt_engine::error::{Error, Result};
use holt_engine::limits::{MAX_SCAN_BYTES, MAX_SCAN_ENTRIES};

use crate::api::{Change, SandboxUsage, ScanRequest, Store};

/// A tree served by the engine linked into this program.
#[derive(Clone)]
pub struct NativeStore {
    tree: Tree,
}

impl NativeStore {
    /// Serves `tree`.
    pub fn new(tree: Tree) -> Self {
        Self { tree }
    }

    /// The tree.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    fn scan_keys(
        &self,
        request: &ScanRequest,
        bounds: (usize, usize),
    ) -> Result<ScanPage<RangeEntry>> {
        let mut scan = self.tree.scan_keys(&request.prefix);
        if let Some(after) = &request.start_after {
            scan = scan.start_after(after);
        }
        if let Some(delimiter) = request.delimiter {
            scan = scan.delimiter(delimiter);
        }
        let page = scan.page(bounds.0, bounds.1)?;
        let entries = page.entries.into_iter().map(|entry| match entry {
            KeyRangeEntry::Key { key, version } => {
                Ok(RangeEntry::Key { key, value: Vec::new(), version })
            }
            KeyRangeEntry::CommonPrefix(prefix) => Ok(RangeEntry::CommonPrefix(prefix)),
            _ => Err(Error::InvalidArgument { what: "scan", why: "found an unknown entry" }),
        });
        Ok(ScanPage { entries: entries.collect::<Result<_>>()?, next: page.next })
    }
}

impl From<Tree> for NativeStore {
    fn from(tree: Tree) -> Self {
        Self::new(tree)
    }
}

/// The bounds of a scan page as the engine takes them: what is over a limit counts as the limit.
pub(crate) fn scan_bounds(request: &ScanRequest) -> Result<(usize, usize)> {
    if request.max_entries == 0 {
        return Err(Error::InvalidArgument { what: "max-entries", why: "must be at least 1" });
    }
    Ok((request.max_entries.min(MAX_SCAN_ENTRIES), request.max_bytes.min(MAX_SCAN_BYTES)))
}

impl Store for NativeStore {
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
        let applied = self.tree.atomic(|batch| {
            for change in changes {
                match change {
                    Change::Put { key, value } => batch.put(key, value),
                    Change::Delete { key } => batch.delete(key),
                }
            }
        });
        applied.map(drop)
    }

    fn scan(&mut self, request: &ScanRequest) -> Result<ScanPage<RangeEntry>> {
        let (max_entries, max_bytes) = scan_bounds(request)?;
        if request.keys_only {
            return self.scan_keys(request, (max_entries, max_bytes));
        }
        let mut scan = self.tree.scan(&request.prefix);
        if let Some(after) = &request.start_after {
            scan = scan.start_after(after);
        }
        if let Some(delimiter) = request.delimiter {
            scan = scan.delimiter(delimiter);
        }
        scan.page(max_entries, max_bytes)
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
