//! The homes in the sandbox: the engine as a component under wasmtime, over files.
//!
//! Owns: how an operation becomes a call of the traits that the command is written against.
//! Never does: know how the sandbox is built.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use holt_engine::db::{PutOutcome, Tree, TreeStats};
use holt_engine::error::Result;
use holt_engine::geometry::Geometry;
use holt_engine::limits::{MAX_SCAN_BYTES, MAX_SCAN_ENTRIES};
use holt_host::api::{Change as HostChange, Database, Page, Reads, ScanRequest, Snapshot, Store};
use holt_host::native::NativeStore;
use holt_host::sandbox::{DEFAULT_LONG_CALL_FUEL, Sandbox, SandboxConfig};
use holt_native_store::{FileOptions, FileStore};

use super::calls::{collected, done, pairs, verified, version};
use super::has::{BATCHES, DURABILITY, NAMED_TREES, READS, SCANS, SNAPSHOTS, UPKEEP, WRITES};
use super::reads::{found, record_entry};
use super::{FileSettings, Home, not_here};
use crate::model::{self, Outcome, code};
use crate::script::{Bytes, Change, How, Kind, Op, Read, SLOTS, Scan, Start};
use crate::settings::scratch;

/// The tree that scripts are about where every tree has a name.
pub(super) const MAIN: &str = "the tree of the script";

/// An open store.
struct Opened {
    store: Box<dyn Store + Send>,
    db: Option<Box<dyn Database + Send>>,
}

/// A store served by the sandboxed engine and the way to open it again.
pub struct StoreHome {
    name: &'static str,
    opened: Option<Opened>,
    /// What runs the engine; without it the one of this program does.
    sandbox: Option<Sandbox>,
    settings: FileSettings,
    folder: PathBuf,
    /// Whether it is opened as a database.
    is_db: bool,
    slots: [Option<Box<dyn Snapshot + Send>>; SLOTS],
    handles: BTreeMap<String, Box<dyn Store + Send>>,
    /// Removed with the home, where the home made it.
    _made: Option<tempfile::TempDir>,
}

impl StoreHome {
    /// A database over files in an empty directory that is removed with it. `sandbox` is made
    /// once by the caller: it holds the compiled engine.
    pub fn component(
        sandbox: &Sandbox,
        settings: FileSettings,
    ) -> std::result::Result<Self, String> {
        let folder = scratch().map_err(|error| format!("no directory: {error}"))?;
        let name = "component in wasmtime";
        let mut home = Self::closed(name, Some(sandbox), settings, folder.path());
        (home._made, home.is_db) = (Some(folder), true);
        home.reopen()?;
        Ok(home)
    }

    /// A single tree over the files of a directory that the caller keeps.
    pub fn component_tree(
        sandbox: &Sandbox,
        settings: FileSettings,
        folder: &Path,
    ) -> std::result::Result<Self, String> {
        let mut home = Self::closed("one tree in wasmtime", Some(sandbox), settings, folder);
        home.reopen()?;
        Ok(home)
    }

    /// The same with the engine of this program: every operation is the same call of the engine
    /// as in the sandbox.
    pub fn native_tree(settings: FileSettings, folder: &Path) -> std::result::Result<Self, String> {
        let mut home = Self::closed("one tree behind the host's trait", None, settings, folder);
        home.reopen()?;
        Ok(home)
    }

    fn closed(
        name: &'static str,
        sandbox: Option<&Sandbox>,
        settings: FileSettings,
        folder: &Path,
    ) -> Self {
        Self {
            name,
            opened: None,
            sandbox: sandbox.cloned(),
            settings,
            folder: folder.into(),
            is_db: false,
            slots: Default::default(),
            handles: BTreeMap::new(),
            _made: None,
        }
    }

    /// The sandbox with its usual limits, but time for every call: scripts move thousands of
    /// keys of 50 KB under a cache of one frame, which natively takes half a second and here
    /// more than an ordinary call may.
    pub fn sandbox() -> std::result::Result<Sandbox, String> {
        let config =
            SandboxConfig { call_fuel: DEFAULT_LONG_CALL_FUEL, ..SandboxConfig::default() };
        Sandbox::new(config).map_err(|error| error.to_string())
    }

    /// Closes the store.
    pub fn close(&mut self) {
        self.slots = Default::default();
        self.handles.clear();
        self.opened = None;
    }

    fn open(&self) -> Result<Opened> {
        let geometry = Geometry::new(self.settings.frame_bytes)?;
        let direct = self.settings.direct;
        let options = FileOptions { geometry, direct, ..FileOptions::default() };
        let FileStore { blobs, log, .. } = FileStore::open(&self.folder, &options)?;
        let options = self.settings.options();
        let Some(sandbox) = &self.sandbox else {
            let tree = Tree::open_with_devices(blobs, Some(log), options)?;
            return Ok(Opened { store: Box::new(NativeStore::new(tree)), db: None });
        };
        if !self.is_db {
            let store = Box::new(sandbox.open(blobs, log, options)?);
            return Ok(Opened { store, db: None });
        }
        let mut db = sandbox.open_database(blobs, log, options)?;
        let store = db.open_or_create_tree(MAIN)?;
        Ok(Opened { store, db: Some(Box::new(db)) })
    }

    fn opened(&mut self) -> &mut Opened {
        self.opened.as_mut().expect("a home holds its store between calls")
    }

    fn try_run(&mut self, op: &Op) -> Result<Outcome> {
        match op {
            Op::Snapshot { slot, prefix } => {
                // The old one goes first: their number is limited.
                self.slots[*slot] = None;
                self.slots[*slot] = Some(self.opened().store.snapshot(&prefix.0)?);
                Ok(Outcome::Done)
            }
            Op::InSnapshot { slot, read } => match &mut self.slots[*slot] {
                Some(snapshot) => run_read(snapshot.as_mut(), read, true),
                None => Ok(Outcome::Failed("no-snapshot".into())),
            },
            Op::DropSnapshot { slot } => Ok(match self.slots[*slot].take() {
                Some(_) => Outcome::Done,
                None => Outcome::Failed("no-snapshot".into()),
            }),
            other if self.is_db => self.run_on_db(other),
            other => run(self.opened().store.as_mut(), other),
        }
    }

    fn run_on_db(&mut self, op: &Op) -> Result<Outcome> {
        let Some(Opened { store, db: Some(db) }) = &mut self.opened else {
            unreachable!("a home holds its database between calls");
        };
        let (name, handle) = match op {
            Op::CreateTree { name } => (name, db.create_tree(name)?),
            Op::OpenTree { name } => (name, db.open_tree(name)?),
            Op::OpenOrCreateTree { name } => (name, db.open_or_create_tree(name)?),
            Op::InTree { tree, run: op } => {
                let handle = match self.handles.entry(tree.clone()) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(place) => place.insert(db.open_tree(tree)?),
                };
                return run(handle.as_mut(), op);
            }
            Op::DropTree { name } => return done(db.drop_tree(name)),
            Op::ListTrees => {
                let mut names = db.list_trees()?;
                names.retain(|name| name != MAIN);
                return Ok(Outcome::Names(names));
            }
            Op::AcrossTrees { changes } => {
                let changes: Vec<(&str, HostChange)> =
                    changes.iter().map(|(tree, c)| (tree.as_str(), change(c))).collect();
                return Ok(Outcome::Yes(db.commit(&changes)?));
            }
            Op::Checkpoint => return done(db.checkpoint()),
            Op::Compact => return done(db.compact()),
            Op::Maintain { budget } => return done(db.maintain(*budget as u32).map(drop)),
            Op::Sync => return done(db.sync()),
            Op::Gc => return Ok(collected(db.gc()? as usize)),
            Op::Vacuum => return done(db.vacuum().map(drop)),
            Op::Verify => return Ok(verified(&db.verify()?)),
            other => return run(store.as_mut(), other),
        };
        self.handles.insert(name.clone(), handle);
        Ok(Outcome::Done)
    }
}

impl Home for StoreHome {
    fn name(&self) -> &str {
        self.name
    }

    fn supports(&self) -> Vec<Kind> {
        let mut kinds = [READS, SCANS, WRITES, BATCHES, SNAPSHOTS, UPKEEP, DURABILITY].concat();
        kinds.push(Kind::Reopen);
        if self.is_db {
            kinds.extend(NAMED_TREES);
        }
        kinds
    }

    fn run(&mut self, op: &Op) -> Outcome {
        self.try_run(op).unwrap_or_else(|error| Outcome::Failed(code(&error)))
    }

    fn reopen(&mut self) -> std::result::Result<(), String> {
        // The old handles must be gone first: one writer at a time.
        self.close();
        self.opened = Some(self.open().map_err(|error| format!("reopening failed: {error}"))?);
        Ok(())
    }

    fn stats(&mut self) -> Option<TreeStats> {
        self.opened().store.stats().ok()
    }
}

/// Runs an operation that needs no more than one tree.
fn run(store: &mut dyn Store, op: &Op) -> Result<Outcome> {
    Ok(match op {
        Op::Read(read) => run_read(store, read, false)?,
        Op::ContainsKey { key } => Outcome::Yes(store.contains_key(&key.0)?),
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
        Op::Insert { key, value } => Outcome::Value(store.insert(&key.0, &value.0)?),
        Op::Delete { key } => Outcome::Yes(store.delete(&key.0)?),
        Op::Remove { key } => Outcome::Value(store.remove(&key.0)?),
        Op::PutIfAbsent { key, value } => Outcome::Yes(store.put_if_absent(&key.0, &value.0)?),
        Op::PutMany { records } => done(store.put_many(&pairs(records)))?,
        Op::PutManyIfAbsent { records } => {
            let outcomes = store.put_many_if_absent(&pairs(records))?;
            Outcome::Each(outcomes.iter().map(|one| *one == PutOutcome::Created).collect())
        }
        Op::CompareAndPut { key, expect, value } => {
            Outcome::Yes(store.compare_and_put(&key.0, version(*expect), &value.0)?)
        }
        Op::DeleteIfVersion { key, expect } => {
            Outcome::Yes(store.delete_if_version(&key.0, version(*expect))?)
        }
        Op::Rename { src, dst, force } => done(store.rename(&src.0, &dst.0, *force))?,
        Op::RenamePrefix { src, dst, force } => {
            Outcome::Moved(store.rename_prefix(&src.0, &dst.0, *force)?)
        }
        Op::DeletePrefix { prefix } => Outcome::Moved(store.delete_prefix(&prefix.0)?),
        Op::Batch { changes, txn: false } => {
            Outcome::Yes(store.commit(&changes.iter().map(change).collect::<Vec<_>>())?)
        }
        Op::Checkpoint => done(store.checkpoint())?,
        Op::Compact => done(store.compact())?,
        Op::Maintain { budget } => done(store.maintain(*budget as u32).map(drop))?,
        Op::Sync => done(store.sync())?,
        Op::Gc => collected(store.gc()? as usize),
        Op::Vacuum => done(store.vacuum().map(drop))?,
        Op::Verify => verified(&store.verify(&mut |_, _| {})?),
        other => not_here(other),
    })
}

fn run_read<R: Reads + ?Sized>(source: &mut R, read: &Read, is_view: bool) -> Result<Outcome> {
    Ok(match read {
        Read::Get { key } => Outcome::Value(source.get(&key.0)?.map(|record| record.value)),
        Read::GetRecord { key } => Outcome::Record(
            source.get(&key.0)?.map(|record| (record.value, record.version.as_u64())),
        ),
        Read::GetVersion { key } => {
            Outcome::Version(source.get_version(&key.0)?.map(|version| version.as_u64()))
        }
        Read::LongestPrefix { query } => found(source.longest_prefix(&query.0)?),
        Read::IsPrefixEmpty { prefix } => Outcome::Yes(source.is_prefix_empty(&prefix.0)?),
        Read::PrefixCount { prefix, limit } => {
            let count = source.prefix_count(&prefix.0, *limit as u64)?;
            Outcome::Count(count.count, count.exact)
        }
        Read::Scan(scan) => run_scan(source, scan, is_view)?,
    })
}

/// Takes a scan by pages, each from where the one before ended.
fn run_scan<R: Reads + ?Sized>(source: &mut R, scan: &Scan, is_view: bool) -> Result<Outcome> {
    let (pages, max_entries, max_bytes, most) = match scan.how {
        How::Page { max_entries, max_bytes } => (1, max_entries, max_bytes, usize::MAX),
        How::Tokens { pages, max_entries, max_bytes } => {
            (pages, max_entries, max_bytes, usize::MAX)
        }
        How::Iterate { most } => (usize::MAX, MAX_SCAN_ENTRIES, MAX_SCAN_BYTES, most),
        How::Visit { .. } => return Ok(Outcome::Failed("no visits here".into())),
    };
    let (start_after, start_at) = match &scan.start {
        Start::First => (None, None),
        Start::After(key) => (Some(key.0.clone()), None),
        Start::At(key) => (None, Some(key.0.clone())),
    };
    let mut request = ScanRequest {
        prefix: scan.prefix.0.clone(),
        start_after,
        start_at,
        end_before: scan.end_before.as_ref().map(|end| end.0.clone()),
        reverse: scan.reverse,
        delimiter: scan.delimiter,
        keys_only: scan.keys_only,
        max_entries,
        max_bytes,
        resume: None,
    };
    let mut all: Vec<model::Entry> = Vec::new();
    for part in 0..pages {
        request.max_entries = max_entries.min(most - all.len());
        let Page { entries, next, consistent } = source.scan(&request)?;
        if consistent != (is_view || part == 0) {
            return Ok(Outcome::Failed(format!("part {part}: consistent {consistent}")));
        }
        all.extend(entries.into_iter().map(record_entry));
        request.resume = next;
        if request.resume.is_none() || all.len() >= most {
            break;
        }
    }
    let says_more = request.resume.is_some() && !matches!(scan.how, How::Iterate { .. });
    let next = all.last().filter(|_| says_more).map(|last| last.shown().to_vec());
    Ok(Outcome::Page(all, next))
}

fn change(change: &Change) -> HostChange {
    let bytes = |bytes: &Bytes| bytes.0.clone();
    match change {
        Change::Put { key, value } => HostChange::Put { key: bytes(key), value: bytes(value) },
        Change::PutIfAbsent { key, value } => {
            HostChange::PutIfAbsent { key: bytes(key), value: bytes(value) }
        }
        Change::CompareAndPut { key, expect, value } => HostChange::CompareAndPut {
            key: bytes(key),
            expected: version(*expect),
            value: bytes(value),
        },
        Change::Delete { key } => HostChange::Delete { key: bytes(key) },
        Change::DeleteIfVersion { key, expect } => {
            HostChange::DeleteIfVersion { key: bytes(key), expected: version(*expect) }
        }
        Change::AssertVersion { key, expect } => {
            HostChange::AssertVersion { key: bytes(key), expected: version(*expect) }
        }
        Change::AssertAbsent { key } => HostChange::AssertAbsent { key: bytes(key) },
        Change::AssertPrefixEmpty { prefix } => {
            HostChange::AssertPrefixEmpty { prefix: bytes(prefix) }
        }
        Change::Rename { src, dst, force } => {
            HostChange::Rename { src: bytes(src), dst: bytes(dst), force: *force }
        }
        Change::RenamePrefix { src, dst, force } => {
            HostChange::RenamePrefix { src: bytes(src), dst: bytes(dst), force: *force }
        }
        Change::DeletePrefix { prefix } => HostChange::DeletePrefix { prefix: bytes(prefix) },
    }
}
