//! A store of named trees served by a sandboxed engine.
//!
//! Owns: which handles of trees learn that their tree was dropped. Never does: trust names or
//! numbers of the guest beyond their limits.

use std::sync::Arc;

use holt_engine::db::{
    DBStats, JournalAnchor, JournalEnvelope, Options, VacuumStats, VerifyReport,
};
use holt_engine::device::{BlobStore, LogDevice};
use holt_engine::error::{AtomicErrorKind, Error, Result};
use holt_engine::ids::Lsn;
use holt_engine::limits::MAX_TREES;
use holt_wire::changes::Packer;
use holt_wire::limits::{MAX_JOURNAL_PAGE_BYTES, MAX_JOURNAL_PAGE_ROWS};
use holt_wire::text::tree_name;

use super::bindings::exports::holt::metadata::database as guest;
use super::convert::{
    anchor_to_wit, db_stats_from_wit, envelope_to_wit, error_from_wit, journal_page_from_wit,
    journal_state_from_wit, report_from_wit, vacuum_from_wit,
};
use super::devices::DeviceUse;
use super::images;
use super::instance::{
    Given, Handle, Instance, Kind, Opened, Reply, Running, Shared, database_snapshots, databases,
    lock,
};
use super::runtime::Sandbox;
use super::snapshot::SandboxSnapshot;
use super::store::SandboxStore;
use crate::api::{
    Change, Database, DatabaseSnapshot, ImageExport, ImageInstall, JournalPage, JournalState,
    SandboxUsage, Snapshot, Store,
};

/// A database served by the engine inside the sandbox. Its trees share its instance, which ends
/// with the last of them and the database.
pub struct SandboxDatabase {
    shared: Shared,
}

impl SandboxDatabase {
    pub(super) fn start(
        sandbox: Sandbox,
        blobs: Arc<dyn BlobStore>,
        log: Arc<dyn LogDevice>,
        options: Options,
    ) -> Result<Self> {
        let shared = Instance::start(sandbox, blobs, log, options, Opened::Database)?;
        Ok(Self { shared })
    }

    /// What the guest did with its devices.
    pub fn device_use(&self) -> DeviceUse {
        lock(&self.shared).device_use()
    }

    /// How often an instance was stopped and the store opened in a fresh one.
    pub fn restarts(&self) -> u64 {
        lock(&self.shared).restarts()
    }

    fn call<T>(
        &mut self,
        name: &'static str,
        kind: Kind,
        act: impl FnOnce(&mut Running) -> Reply<T>,
    ) -> Result<T> {
        lock(&self.shared).call(name, kind, act)
    }

    /// Makes a call that commits; its errors say whether it may have taken effect.
    fn commit_by(
        &mut self,
        name: &'static str,
        act: impl FnOnce(&mut Running) -> wasmtime::Result<Result<bool, guest::FailedCommit>>,
    ) -> Result<bool> {
        match lock(&self.shared).run(name, Kind::Write, act) {
            Ok(Ok(applied)) => Ok(applied),
            Ok(Err(failed)) => Err(atomic(failed.outcome_unknown, error_from_wit(failed.cause))),
            Err(error) => {
                let unknown = matches!(error, Error::Interrupted { outcome_unknown: true, .. });
                Err(atomic(unknown, error))
            }
        }
    }
}

/// Changes of named trees, packed.
fn packed(changes: &[(&str, Change)]) -> Result<Vec<u8>> {
    let not_applied = |error| atomic(false, error);
    let mut packer = Packer::with_len(changes.len()).map_err(not_applied)?;
    for (tree, change) in changes {
        packer.push_of(tree, change.borrowed()).map_err(not_applied)?;
    }
    Ok(packer.finish())
}

/// The error for a batch over several trees.
fn atomic(outcome_unknown: bool, source: Error) -> Error {
    let kind = match outcome_unknown {
        true => AtomicErrorKind::OutcomeUnknown,
        false => AtomicErrorKind::DefinitelyNotApplied,
    };
    Error::Atomic { kind, source: Box::new(source) }
}

fn names(names: Vec<String>) -> Vec<String> {
    names.into_iter().take(MAX_TREES).map(tree_name).collect()
}

/// An error about a tree, with the name that was asked for: text from a guest comes cleaned of
/// control characters, which a name may have.
fn about(name: &str, error: Error) -> Error {
    match error {
        Error::TreeExists { .. } => Error::TreeExists { name: name.to_owned() },
        Error::TreeNotFound { .. } => Error::TreeNotFound { name: name.to_owned() },
        other => other,
    }
}

impl Database for SandboxDatabase {
    fn create_tree(&mut self, name: &str) -> Result<Box<dyn Store + Send>> {
        let tree = SandboxStore::named(&self.shared, name, "create-tree", Kind::Write, |run| {
            databases(&run.world).call_create_tree(&mut run.store, run.root, name)
        });
        Ok(Box::new(tree.map_err(|error| about(name, error))?))
    }

    fn open_tree(&mut self, name: &str) -> Result<Box<dyn Store + Send>> {
        let tree = SandboxStore::named(&self.shared, name, "open-tree", Kind::Read, |run| {
            databases(&run.world).call_open_tree(&mut run.store, run.root, name)
        });
        Ok(Box::new(tree.map_err(|error| about(name, error))?))
    }

    fn open_or_create_tree(&mut self, name: &str) -> Result<Box<dyn Store + Send>> {
        let call = "open-or-create-tree";
        let tree = SandboxStore::named(&self.shared, name, call, Kind::Write, |run| {
            databases(&run.world).call_open_or_create_tree(&mut run.store, run.root, name)
        });
        Ok(Box::new(tree.map_err(|error| about(name, error))?))
    }

    fn list_trees(&mut self) -> Result<Vec<String>> {
        let found = self.call("list-trees", Kind::Read, |run| {
            databases(&run.world).call_list_trees(&mut run.store, run.root)
        })?;
        Ok(names(found))
    }

    fn drop_tree(&mut self, name: &str) -> Result<()> {
        let mut instance = lock(&self.shared);
        let dropped = instance.call("drop-tree", Kind::LongWrite, |run| {
            databases(&run.world).call_drop_tree(&mut run.store, run.root, name)
        });
        // Where it is not known, its handles say that it was: whoever opens it again will see.
        let unknown = matches!(dropped, Err(Error::Interrupted { outcome_unknown: true, .. }));
        if dropped.is_ok() || unknown {
            instance.tree_dropped(name);
        }
        dropped.map_err(|error| about(name, error))
    }

    fn commit(&mut self, changes: &[(&str, Change)]) -> Result<bool> {
        let packed = packed(changes)?;
        self.commit_by("commit", |run| {
            databases(&run.world).call_commit_packed(&mut run.store, run.root, &packed)
        })
    }

    fn initialize_journal_stream(&mut self, genesis: JournalAnchor) -> Result<()> {
        let genesis = anchor_to_wit(&genesis);
        self.call("initialize-journal-stream", Kind::Write, |run| {
            let databases = databases(&run.world);
            databases.call_initialize_journal_stream(&mut run.store, run.root, &genesis)
        })
    }

    fn journal_state(&mut self) -> Result<JournalState> {
        let state = self.call("journal-state", Kind::Read, |run| {
            databases(&run.world).call_journal_state(&mut run.store, run.root)
        })?;
        journal_state_from_wit(state)
    }

    fn commit_with_journal_envelope(
        &mut self,
        envelope: &JournalEnvelope,
        changes: &[(&str, Change)],
    ) -> Result<bool> {
        let packed = packed(changes)?;
        let envelope = envelope_to_wit(envelope.clone());
        self.commit_by("commit-with-journal-envelope", |run| {
            databases(&run.world).call_commit_with_journal_envelope_packed(
                &mut run.store,
                run.root,
                &envelope,
                &packed,
            )
        })
    }

    fn journal_envelopes_after(
        &mut self,
        cursor: JournalAnchor,
        row_limit: usize,
        payload_byte_limit: usize,
    ) -> Result<JournalPage> {
        let after = anchor_to_wit(&cursor);
        let rows = row_limit.min(MAX_JOURNAL_PAGE_ROWS) as u32;
        let bytes = payload_byte_limit.min(MAX_JOURNAL_PAGE_BYTES) as u32;
        let page = self.call("journal-envelopes-after", Kind::Read, |run| {
            let databases = databases(&run.world);
            databases.call_journal_envelopes_after(&mut run.store, run.root, &after, rows, bytes)
        })?;
        journal_page_from_wit(page, cursor)
    }

    fn snapshot(&mut self) -> Result<Box<dyn DatabaseSnapshot + Send>> {
        let handle = Handle::ask(&self.shared, Given::Snapshot, |instance| {
            instance.call("snapshot", Kind::Read, |run| {
                databases(&run.world).call_snapshot(&mut run.store, run.root)
            })
        })?;
        let lsn = handle.call("snapshot", Kind::Read, |run, snapshot| {
            Ok(Ok(database_snapshots(&run.world).call_lsn(&mut run.store, snapshot)?))
        })?;
        Ok(Box::new(SandboxDatabaseSnapshot { handle, lsn }))
    }

    fn export_image(&mut self) -> Result<Box<dyn ImageExport + Send>> {
        images::export(&self.shared)
    }

    fn install_image(&mut self) -> Result<Box<dyn ImageInstall + Send>> {
        images::install(&self.shared)
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.call("checkpoint", Kind::Long, |run| {
            databases(&run.world).call_checkpoint(&mut run.store, run.root)
        })
    }

    fn compact(&mut self) -> Result<()> {
        self.call("compact", Kind::Long, |run| {
            databases(&run.world).call_compact(&mut run.store, run.root)
        })
    }

    fn gc(&mut self) -> Result<u64> {
        self.call("gc", Kind::Long, |run| databases(&run.world).call_gc(&mut run.store, run.root))
    }

    fn vacuum(&mut self) -> Result<VacuumStats> {
        let stats = self.call("vacuum", Kind::Long, |run| {
            databases(&run.world).call_vacuum(&mut run.store, run.root)
        })?;
        Ok(vacuum_from_wit(stats))
    }

    fn maintain(&mut self, budget: u32) -> Result<bool> {
        self.call("maintain", Kind::Long, |run| {
            databases(&run.world).call_maintain(&mut run.store, run.root, budget)
        })
    }

    fn sync(&mut self) -> Result<()> {
        self.call("sync", Kind::Long, |run| {
            databases(&run.world).call_sync(&mut run.store, run.root)
        })
    }

    fn verify(&mut self) -> Result<VerifyReport> {
        let report = self.call("verify", Kind::Long, |run| {
            databases(&run.world).call_verify(&mut run.store, run.root)
        })?;
        Ok(report_from_wit(report))
    }

    fn stats(&mut self) -> Result<DBStats> {
        let stats = self.call("stats", Kind::Read, |run| {
            databases(&run.world).call_stats(&mut run.store, run.root)
        })?;
        Ok(db_stats_from_wit(stats))
    }

    fn sandbox_usage(&self) -> SandboxUsage {
        lock(&self.shared).usage()
    }
}

/// All trees of a database, held by the guest.
struct SandboxDatabaseSnapshot {
    handle: Handle,
    lsn: Lsn,
}

impl DatabaseSnapshot for SandboxDatabaseSnapshot {
    fn list_trees(&mut self) -> Result<Vec<String>> {
        let found = self.handle.call("list-trees", Kind::Read, |run, snapshot| {
            database_snapshots(&run.world).call_list_trees(&mut run.store, snapshot)
        })?;
        Ok(names(found))
    }

    fn tree(&mut self, name: &str) -> Result<Box<dyn Snapshot + Send>> {
        let shared = self.handle.shared()?;
        SandboxSnapshot::take(&shared, b"", |instance| {
            let all = self.handle.resource_in(instance)?;
            instance.call("tree", Kind::Read, |run| {
                database_snapshots(&run.world).call_tree(&mut run.store, all, name)
            })
        })
    }

    fn lsn(&self) -> Lsn {
        self.lsn
    }
}
