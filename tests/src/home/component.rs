//! The home in the sandbox: the engine as a component under wasmtime, over files.
//!
//! Owns: how an operation becomes a call of [`Store`], the trait the command is written against.
//! Never does: know how the sandbox is built.

use std::path::Path;

use holt_engine::db::TreeStats;
use holt_engine::error::Result;
use holt_engine::geometry::Geometry;
use holt_engine::limits::{MAX_SCAN_BYTES, MAX_SCAN_ENTRIES};
use holt_host::api::{Change as HostChange, Reads, SandboxUsage, ScanRequest, Store};
use holt_host::sandbox::{Sandbox, SandboxConfig, SandboxStore};
use holt_native_store::{FileOptions, FileStore};

use super::tree::record_entry;
use super::{FileSettings, Home, not_here};
use crate::model::{Outcome, code};
use crate::script::{Change, How, Kind, Op, Read, Scan, Start};

/// What it has.
const SUPPORTED: &[Kind] = &[
    Kind::Get,
    Kind::GetRecord,
    Kind::GetMany,
    Kind::Put,
    Kind::Delete,
    Kind::Rename,
    Kind::Page,
    Kind::ScanRecords,
    Kind::ScanKeys,
    Kind::StartAfter,
    Kind::Delimiter,
    Kind::Atomic,
    Kind::BatchPut,
    Kind::BatchDelete,
    Kind::Checkpoint,
    Kind::Compact,
    Kind::Maintain,
    Kind::Sync,
    Kind::Verify,
    Kind::Reopen,
];

type Open = Box<dyn FnMut() -> Result<SandboxStore>>;

/// A store served by the sandboxed engine and the way to open it again.
pub struct StoreHome {
    name: String,
    store: Option<SandboxStore>,
    open: Open,
}

impl StoreHome {
    /// Opens a store for the first time. `open` must give the same store each time.
    pub fn new(
        name: &str,
        open: impl FnMut() -> Result<SandboxStore> + 'static,
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
        Self::component_in(folder, sandbox, settings)
    }

    /// The same over the files of a directory that the caller names.
    pub fn component_in(
        folder: impl AsRef<Path> + 'static,
        sandbox: &Sandbox,
        settings: FileSettings,
    ) -> std::result::Result<Self, String> {
        let geometry = Geometry::new(settings.frame_bytes).map_err(|error| error.to_string())?;
        let sandbox = sandbox.clone();
        Self::new("component in wasmtime", move || {
            let options = FileOptions { geometry, ..FileOptions::default() };
            let files = FileStore::open(folder.as_ref(), &options)?;
            sandbox.open(files.blobs.clone(), files.log.clone(), settings.options())
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

    /// Closes the store.
    pub fn close(&mut self) {
        self.store = None;
    }

    fn store(&mut self) -> &mut SandboxStore {
        self.store.as_mut().expect("a home holds its store between calls")
    }
}

impl Home for StoreHome {
    fn name(&self) -> &str {
        &self.name
    }

    fn supports(&self) -> Vec<Kind> {
        SUPPORTED.to_vec()
    }

    fn run(&mut self, op: &Op) -> Outcome {
        run(self.store(), op).unwrap_or_else(|error| Outcome::Failed(code(&error)))
    }

    fn reopen(&mut self) -> std::result::Result<(), String> {
        // The old handle must be gone first: one writer at a time.
        self.close();
        self.store = Some((self.open)().map_err(|error| format!("reopening failed: {error}"))?);
        Ok(())
    }

    fn stats(&mut self) -> Option<TreeStats> {
        self.store().stats().ok()
    }
}

fn run(store: &mut SandboxStore, op: &Op) -> Result<Outcome> {
    Ok(match op {
        Op::Read(Read::Get { key }) => {
            Outcome::Value(store.get(&key.0)?.map(|record| record.value))
        }
        Op::Read(Read::GetRecord { key }) => Outcome::Record(
            store.get(&key.0)?.map(|record| (record.value, record.version.as_u64())),
        ),
        Op::Read(Read::Scan(scan)) => {
            let page = store.scan(&request(scan))?;
            let entries: Vec<_> = page.entries.into_iter().map(record_entry).collect();
            // The kit goes on after a key, as well as it would by the token.
            let last = entries.last().filter(|_| page.next.is_some());
            let next = last.map(|last| last.shown().to_vec());
            Outcome::Page(entries, next)
        }
        Op::GetMany { keys } => {
            let keys: Vec<&[u8]> = keys.iter().map(|key| key.0.as_slice()).collect();
            let mut values = Vec::new();
            // The list ends early where values are large.
            while values.len() < keys.len() {
                let found = store.get_many(&keys[values.len()..])?;
                if found.is_empty() {
                    return Ok(Outcome::Failed("get-many returned no record".into()));
                }
                values.extend(found.into_iter().map(|record| record.map(|found| found.value)));
            }
            Outcome::Values(values)
        }
        Op::Put { key, value } => done(store.put(&key.0, &value.0))?,
        Op::Delete { key } => Outcome::Yes(store.delete(&key.0)?),
        Op::Rename { src, dst, force } => done(store.rename(&src.0, &dst.0, *force))?,
        Op::Batch { changes, txn: false } => {
            store.commit(&changes.iter().map(change).collect::<Vec<_>>())?;
            Outcome::Yes(true)
        }
        Op::Checkpoint => done(store.checkpoint())?,
        Op::Compact => done(store.compact())?,
        Op::Sync => done(store.sync())?,
        Op::Maintain { budget } => done(store.maintain(*budget as u32).map(drop))?,
        Op::Verify => match store.verify(&mut |_, _| {})?.damage.first() {
            None => Outcome::Done,
            Some(first) => Outcome::Failed(format!("damage: {first}")),
        },
        other => not_here(other),
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
        other => unreachable!("this home does not have {}", other.kind().name()),
    }
}

fn request(scan: &Scan) -> ScanRequest {
    let How::Page { max_entries, max_bytes } = scan.how else {
        unreachable!("this home does not have {}", scan.kind().name());
    };
    let start_after = match &scan.start {
        Start::After(after) => Some(after.0.clone()),
        Start::First | Start::At(_) => None,
    };
    ScanRequest {
        prefix: scan.prefix.0.clone(),
        start_after,
        delimiter: scan.delimiter,
        keys_only: scan.keys_only,
        max_entries: max_entries.min(MAX_SCAN_ENTRIES),
        max_bytes: max_bytes.min(MAX_SCAN_BYTES),
        ..ScanRequest::default()
    }
}
