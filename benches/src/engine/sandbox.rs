//! Ours in the sandbox: the same engine as a component under wasmtime, every operation a call
//! across the boundary.
//!
//! Set-up: as a host that serves one tenant would have it. The native file store serves blobs and
//! log; a call may use the fuel of a long one, since a load moves pages in some; linear memory is
//! twice the cache and some, of which the engine takes half. Lists cross packed, a page of records
//! a call. Loads go in batches of 1000 records, which cross in one call each, as a host would.
//! The component is compiled once, before the first store is opened.

use std::sync::OnceLock;

use holt_engine::db::{Options, RangeEntry};
use holt_host::api::{Change as HostChange, ScanRequest, Store};
use holt_host::sandbox::{DEFAULT_LONG_CALL_FUEL, Sandbox, SandboxConfig};
use holt_native_store::{FileOptions, FileStore};

use super::{Change, Counters, DELIMITER, Engine, Kind, ListFrom, Setup};
use crate::Result;
use crate::limits::{LIST_PAGE_BYTES, LOAD_BATCH_RECORDS, SANDBOX_CACHE_BYTES};
use crate::workload::Chunk;

pub const KIND: Kind = Kind {
    name: "holt-sandbox",
    home: "sandbox",
    ours: true,
    persistent: true,
    open,
    settings: |setup| {
        format!(
            "holt {} as a component under wasmtime, sync: {}, cache {} MiB, one call a record, a \
             list or 1000 records of a load",
            env!("CARGO_PKG_VERSION"),
            setup.durable,
            cache(setup) >> 20
        )
    },
};

fn cache(setup: &Setup) -> u64 {
    setup.cache().min(SANDBOX_CACHE_BYTES)
}

fn open(setup: &Setup) -> Result<Box<dyn Engine>> {
    static COMPILED: OnceLock<Sandbox> = OnceLock::new();
    let sandbox = match COMPILED.get() {
        Some(sandbox) => sandbox,
        None => {
            let memory_bytes = 2 * cache(setup) + (64 << 20);
            let config = SandboxConfig {
                memory_bytes,
                call_fuel: DEFAULT_LONG_CALL_FUEL,
                ..SandboxConfig::default()
            };
            COMPILED.get_or_init(|| Sandbox::new(config).expect("the component compiles"))
        }
    };
    let FileStore { blobs, log, .. } = FileStore::open(&setup.dir, &FileOptions::default())?;
    let options = Options { cache_bytes: cache(setup), sync: setup.durable, ..Options::default() };
    Ok(Box::new(Sandboxed { store: Box::new(sandbox.open(blobs, log, options)?) }))
}

struct Sandboxed {
    store: Box<dyn Store + Send>,
}

impl Sandboxed {
    /// Shows the entries of a scan, page after page, until `visit` answers `false`.
    fn pages(
        &mut self,
        mut request: ScanRequest,
        visit: &mut dyn FnMut(RangeEntry) -> bool,
    ) -> Result<()> {
        loop {
            let page = self.store.scan(&request)?;
            for entry in page.entries {
                if !visit(entry) {
                    return Ok(());
                }
            }
            match page.next {
                Some(next) => request.resume = Some(next),
                None => return Ok(()),
            }
        }
    }
}

fn from(from: &ListFrom<'_>, limit: usize) -> ScanRequest {
    ScanRequest {
        prefix: from.prefix.into(),
        start_after: (!from.after.is_empty()).then(|| from.after.into()),
        max_entries: limit,
        max_bytes: LIST_PAGE_BYTES,
        ..ScanRequest::default()
    }
}

impl Engine for Sandboxed {
    fn get(&mut self, key: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        out.clear();
        let record = self.store.get(key)?;
        if let Some(record) = &record {
            out.extend_from_slice(&record.value);
        }
        Ok(record.is_some())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.store.put(key, value)?)
    }

    fn delete(&mut self, key: &[u8]) -> Result<Option<bool>> {
        Ok(Some(self.store.delete(key)?))
    }

    fn load(&mut self, records: &Chunk) -> Result<()> {
        Ok(self.store.put_many(&records.iter().collect::<Vec<_>>())?)
    }

    fn walk(&mut self, start: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<()> {
        let request = ScanRequest {
            start_at: Some(start.into()),
            max_entries: LOAD_BATCH_RECORDS,
            max_bytes: LIST_PAGE_BYTES,
            ..ScanRequest::default()
        };
        self.pages(request, &mut |entry| match entry {
            RangeEntry::Key { key, value, .. } => visit(&key, &value),
            _ => true,
        })
    }

    fn list(
        &mut self,
        place: ListFrom<'_>,
        limit: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<usize> {
        let mut seen = 0;
        self.pages(from(&place, limit), &mut |entry| {
            if let RangeEntry::Key { key, value, .. } = &entry {
                visit(key, value);
                seen += 1;
            }
            seen < limit
        })?;
        Ok(seen)
    }

    fn list_dir(
        &mut self,
        place: ListFrom<'_>,
        limit: usize,
        visit: &mut dyn FnMut(&[u8]),
    ) -> Result<usize> {
        let mut seen = 0;
        let request =
            ScanRequest { delimiter: Some(DELIMITER), keys_only: true, ..from(&place, limit) };
        self.pages(request, &mut |entry| {
            if let RangeEntry::Key { key, .. } | RangeEntry::CommonPrefix(key) = &entry {
                visit(key);
            }
            seen += 1;
            seen < limit
        })?;
        Ok(seen)
    }

    fn apply(&mut self, changes: &[Change<'_>]) -> Result<()> {
        let changes: Vec<HostChange> = changes
            .iter()
            .map(|change| match *change {
                Change::Put(key, value) => HostChange::Put { key: key.into(), value: value.into() },
                Change::Delete(key) => HostChange::Delete { key: key.into() },
            })
            .collect();
        match self.store.commit(&changes)? {
            true => Ok(()),
            false => Err("a batch without conditions was refused".into()),
        }
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<()> {
        Ok(self.store.rename(from, to, true)?)
    }

    fn rename_prefix(&mut self, from: &[u8], to: &[u8]) -> Result<u64> {
        Ok(self.store.rename_prefix(from, to, false)?)
    }

    fn checkpoint(&mut self) -> Result<()> {
        Ok(self.store.checkpoint()?)
    }

    fn check(&mut self) -> Result<Option<u64>> {
        Ok(Some(self.store.verify(&mut |_, _| {})?.damage.len() as u64))
    }

    fn counters(&self) -> Result<Counters> {
        Ok(Counters::default())
    }

    fn close(self: Box<Self>) -> Result<()> {
        drop(self.store);
        Ok(())
    }
}
