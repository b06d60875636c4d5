//! The handle of one tree.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::batch::{AtomicBatch, BatchOp};
use super::options::Options;
use super::scan::*;
use super::stats::{TreeStats, VerifyReport};
use crate::device::{BlobStore, LogDevice};
use crate::error::{Error, Result};
use crate::ids::RecordVersion;
use crate::sync::Mutex;

/// A value and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The value.
    pub value: Vec<u8>,
    /// The version.
    pub version: RecordVersion,
}

type Map = BTreeMap<Vec<u8>, (Vec<u8>, u64)>;

/// PLACEHOLDER body, replaced by the real engine within the same session.
#[derive(Clone)]
pub struct Tree {
    map: Arc<Mutex<(Map, u64)>>,
    options: Options,
}

impl Tree {
    /// Opens the store on these devices, recovering it from its log. `log` is `None` only for
    /// trees that need not survive.
    pub fn open_with_devices(
        _blobs: Arc<dyn BlobStore>,
        _log: Option<Arc<dyn LogDevice>>,
        options: Options,
    ) -> Result<Self> {
        Ok(Self { map: Arc::default(), options })
    }

    /// A tree in memory.
    pub fn memory() -> Result<Self> {
        Ok(Self { map: Arc::default(), options: Options::default() })
    }

    /// The value of `key`.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.get_record(key)?.map(|record| record.value))
    }

    /// The value of `key` and its version.
    pub fn get_record(&self, key: &[u8]) -> Result<Option<Record>> {
        let map = self.map.lock();
        Ok(map.0.get(key).map(|(value, version)| Record {
            value: value.clone(),
            version: RecordVersion::from_raw(*version),
        }))
    }

    /// Writes a record.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let mut map = self.map.lock();
        map.1 += 1;
        let version = map.1;
        map.0.insert(key.into(), (value.into(), version));
        Ok(())
    }

    /// Deletes a record; `false` if there was none.
    pub fn delete(&self, key: &[u8]) -> Result<bool> {
        Ok(self.map.lock().0.remove(key).is_some())
    }

    /// Moves a record, with a new version.
    ///
    /// # Errors
    /// `NotFound` if `src` is not there, `DstExists` if `dst` is and `force` is not given.
    pub fn rename(&self, src: &[u8], dst: &[u8], force: bool) -> Result<()> {
        let value = self.get(src)?.ok_or(Error::NotFound)?;
        if src == dst {
            return Ok(());
        }
        if !force && self.get(dst)?.is_some() {
            return Err(Error::DstExists);
        }
        self.delete(src)?;
        self.put(dst, &value)
    }

    /// Applies a batch: all of it or, on error, nothing.
    pub fn atomic(&self, fill: impl FnOnce(&mut AtomicBatch)) -> Result<bool> {
        let mut batch = AtomicBatch::default();
        fill(&mut batch);
        for op in batch.ops {
            match op {
                BatchOp::Put { key, value } => self.put(&key, &value)?,
                BatchOp::Delete { key } => drop(self.delete(&key)?),
            }
        }
        Ok(true)
    }

    /// A scan of all records.
    pub fn range(&self) -> RangeBuilder {
        RangeBuilder { tree: self.clone(), spec: ScanSpec::default() }
    }

    /// A scan of the records whose keys start with `prefix`.
    pub fn scan(&self, prefix: &[u8]) -> RangeBuilder {
        self.range().prefix(prefix)
    }

    /// A scan of all keys.
    pub fn range_keys(&self) -> KeyRangeBuilder {
        KeyRangeBuilder { tree: self.clone(), spec: ScanSpec::default() }
    }

    /// A scan of the keys that start with `prefix`.
    pub fn scan_keys(&self, prefix: &[u8]) -> KeyRangeBuilder {
        self.range_keys().prefix(prefix)
    }

    pub(crate) fn scan_page(
        &self,
        spec: &ScanSpec,
        max_entries: usize,
        max_bytes: usize,
    ) -> Result<ScanPage<RangeEntry>> {
        let map = self.map.lock();
        let mut entries: Vec<RangeEntry> = Vec::new();
        let mut bytes = 0;
        let mut last: Option<Vec<u8>> = None;
        for (key, (value, version)) in map.0.range(spec.prefix.clone()..) {
            if !key.starts_with(&spec.prefix) {
                break;
            }
            let rest = &key[spec.prefix.len()..];
            let cut = spec.delimiter.and_then(|d| rest.iter().position(|&byte| byte == d));
            let shown = match cut {
                Some(at) => key[..spec.prefix.len() + at + 1].to_vec(),
                None => key.clone(),
            };
            if spec.start_after.as_ref().is_some_and(|after| shown <= *after)
                || last.as_ref() == Some(&shown)
            {
                continue;
            }
            if entries.len() >= max_entries || (bytes >= max_bytes && !entries.is_empty()) {
                return Ok(ScanPage { entries, next: last });
            }
            bytes += shown.len() + value.len();
            last = Some(shown.clone());
            entries.push(match cut {
                Some(_) => RangeEntry::CommonPrefix(shown),
                None => RangeEntry::Key {
                    key: shown,
                    value: value.clone(),
                    version: RecordVersion::from_raw(*version),
                },
            });
        }
        Ok(ScanPage { entries, next: None })
    }

    pub(crate) fn scan_keys_page(
        &self,
        spec: &ScanSpec,
        max_entries: usize,
        max_bytes: usize,
    ) -> Result<ScanPage<KeyRangeEntry>> {
        let page = self.scan_page(spec, max_entries, max_bytes)?;
        let entries = page.entries.into_iter().map(|entry| match entry {
            RangeEntry::Key { key, version, .. } => KeyRangeEntry::Key { key, version },
            RangeEntry::CommonPrefix(key) => KeyRangeEntry::CommonPrefix(key),
        });
        Ok(ScanPage { entries: entries.collect(), next: page.next })
    }

    /// Makes everything written so far part of the published state and shortens the log.
    pub fn checkpoint(&self) -> Result<()> {
        Ok(())
    }

    /// Repacks thin pages and frames.
    pub fn compact(&self) -> Result<()> {
        Ok(())
    }

    /// Does up to `budget` pages of maintenance; `true` if there is more to do.
    pub fn maintain(&self, budget: usize) -> Result<bool> {
        Ok(budget == 0)
    }

    /// Checks everything: pages, checksums, order, fences, routing, reachability, space.
    /// `progress` gets the pages checked so far and their total.
    pub fn verify_with(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<VerifyReport> {
        progress(0, 0);
        Ok(VerifyReport { records: self.map.lock().0.len() as u64, ..Default::default() })
    }

    /// Checks everything: pages, checksums, order, fences, routing, reachability, space.
    pub fn verify(&self) -> Result<VerifyReport> {
        self.verify_with(&mut |_, _| {})
    }

    /// Makes everything written so far durable against loss of power.
    pub fn sync(&self) -> Result<()> {
        Ok(())
    }

    /// Figures of the tree; cheap.
    pub fn stats(&self) -> Result<TreeStats> {
        Ok(TreeStats { records: self.map.lock().0.len() as u64, ..Default::default() })
    }

    /// The settings the tree was opened with.
    pub fn options(&self) -> &Options {
        &self.options
    }
}
