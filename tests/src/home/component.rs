//! The home in the sandbox: the engine as a component under wasmtime, over files.
//!
//! Owns: how an operation becomes a call of [`Store`], the trait the command is written against.
//! Never does: know how the sandbox is built.

use holt_engine::db::{Options, TreeStats};
use holt_engine::error::Result;
use holt_engine::geometry::Geometry;
use holt_engine::limits::{MAX_SCAN_BYTES, MAX_SCAN_ENTRIES};
use holt_host::api::{Change as HostChange, SandboxUsage, ScanRequest, Store};
use holt_host::sandbox::{Sandbox, SandboxConfig};
use holt_native_store::{FileOptions, FileStore};

use super::tree::record_entry;
use super::{FileSettings, Home};
use crate::model::{Outcome, code};
use crate::script::{Change, Op, Scan};

type Open = Box<dyn FnMut() -> Result<Box<dyn Store>>>;

/// A store behind the host's trait and the way to open it again.
pub struct StoreHome {
    name: String,
    store: Option<Box<dyn Store>>,
    open: Open,
}

impl StoreHome {
    /// Opens a store for the first time. `open` must give the same store each time.
    pub fn new(
        name: &str,
        open: impl FnMut() -> Result<Box<dyn Store>> + 'static,
    ) -> std::result::Result<Self, String> {
        let mut home = Self { name: name.into(), store: None, open: Box::new(open) };
        home.reopen()?;
        Ok(home)
    }

    /// The engine in the sandbox over files in an empty directory that is removed with it.
    /// `sandbox` is made once by the caller: it holds the compiled engine.
    pub fn component(
        sandbox: &Sandbox,
        settings: FileSettings,
    ) -> std::result::Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("no directory: {error}"))?;
        let geometry = Geometry::new(settings.frame_bytes).map_err(|error| error.to_string())?;
        let sandbox = sandbox.clone();
        Self::new("component in wasmtime", move || {
            let options = FileOptions { geometry, ..FileOptions::default() };
            let files = FileStore::open(folder.path(), &options)?;
            let options = Options {
                cache_bytes: settings.cache_bytes,
                log_budget: settings.log_budget,
                sync: settings.sync,
                ..Options::default()
            };
            Ok(Box::new(sandbox.open(files.blobs.clone(), files.log.clone(), options)?))
        })
    }

    /// The sandbox with its usual limits.
    pub fn sandbox() -> std::result::Result<Sandbox, String> {
        Sandbox::new(SandboxConfig::default()).map_err(|error| error.to_string())
    }

    /// What the sandbox used since the last opening.
    pub fn usage(&mut self) -> SandboxUsage {
        self.store().sandbox_usage()
    }

    fn store(&mut self) -> &mut dyn Store {
        self.store.as_deref_mut().expect("a home holds its store between calls")
    }
}

impl Home for StoreHome {
    fn name(&self) -> &str {
        &self.name
    }

    fn run(&mut self, op: &Op) -> Outcome {
        run(self.store(), op).unwrap_or_else(|error| Outcome::Failed(code(&error)))
    }

    fn reopen(&mut self) -> std::result::Result<(), String> {
        // The old handle must be gone first: one writer at a time.
        self.store = None;
        self.store = Some((self.open)().map_err(|error| format!("reopening failed: {error}"))?);
        Ok(())
    }

    fn stats(&mut self) -> Option<TreeStats> {
        self.store().stats().ok()
    }
}

fn run(store: &mut dyn Store, op: &Op) -> Result<Outcome> {
    Ok(match op {
        Op::Put { key, value } => {
            store.put(&key.0, &value.0)?;
            Outcome::Done
        }
        Op::Get { key } => Outcome::Record(
            store.get(&key.0)?.map(|record| (record.value, Some(record.version.as_u64()))),
        ),
        Op::Delete { key } => Outcome::Deleted(store.delete(&key.0)?),
        Op::Rename { src, dst, force } => {
            store.rename(&src.0, &dst.0, *force)?;
            Outcome::Done
        }
        Op::Batch { changes } => {
            store.commit(&changes.iter().map(change).collect::<Vec<_>>())?;
            Outcome::Done
        }
        Op::Scan(scan) => {
            let page = store.scan(&request(scan))?;
            let entries: Vec<_> = page.entries.into_iter().map(record_entry).collect();
            // The kit goes on after a key, as well as it would by the token.
            let last = entries.last().filter(|_| page.next.is_some());
            let next = last.map(|last| last.shown().to_vec());
            Outcome::Page(entries, next)
        }
        Op::Checkpoint => done(store.checkpoint())?,
        Op::Compact => done(store.compact())?,
        Op::Sync => done(store.sync())?,
        // The host does this by itself between calls.
        Op::Maintain { .. } => Outcome::Done,
        Op::Reopen => Outcome::Failed("a store cannot reopen itself".into()),
        Op::Verify => match store.verify(&mut |_, _| {})?.damage.first() {
            None => Outcome::Done,
            Some(first) => Outcome::Failed(format!("damage: {first}")),
        },
    })
}

fn done(result: Result<()>) -> Result<Outcome> {
    result.map(|()| Outcome::Done)
}

fn change(change: &Change) -> HostChange {
    match change {
        Change::Put { key, value } => {
            HostChange::Put { key: key.0.clone(), value: value.0.clone() }
        }
        Change::Delete { key } => HostChange::Delete { key: key.0.clone() },
    }
}

fn request(scan: &Scan) -> ScanRequest {
    ScanRequest {
        prefix: scan.prefix.0.clone(),
        start_after: scan.start_after.as_ref().map(|after| after.0.clone()),
        delimiter: scan.delimiter,
        keys_only: scan.keys_only,
        max_entries: scan.max_entries.min(MAX_SCAN_ENTRIES),
        max_bytes: scan.max_bytes.min(MAX_SCAN_BYTES),
        ..ScanRequest::default()
    }
}
