//! The exported database: named trees over the same devices.

use holt_engine::db::{DB, DBAtomicBatch};
use holt_engine::error::{AtomicErrorKind, Error, Result};
use holt_engine::limits::MAX_BATCH_OPS;
use holt_wire::changes;

use crate::bindings::Component;
use crate::bindings::exports::holt::metadata::database as exported;
use crate::bindings::exports::holt::metadata::store;
use crate::bindings::holt::metadata::types as wit;
use crate::convert::{
    change_from_wit, db_stats_to_wit, error_to_wit, report_to_wit, vacuum_to_wit,
};
use crate::images::{OpenExport, OpenInstall};
use crate::snapshot::OpenDatabaseSnapshot;
use crate::tree::{OpenTree, devices};

/// The database behind a handle.
pub(crate) struct OpenDatabase(DB);

impl exported::Guest for Component {
    type Database = OpenDatabase;
    type DatabaseSnapshot = OpenDatabaseSnapshot;
    type ImageExport = OpenExport;
    type ImageInstall = OpenInstall;

    fn open(options: exported::Options) -> Result<exported::Database, wit::Error> {
        let (blobs, log, options) = devices(&options).map_err(error_to_wit)?;
        let db = DB::open_with_devices(blobs, Some(log), options).map_err(error_to_wit)?;
        Ok(exported::Database::new(OpenDatabase(db)))
    }
}

/// A failure of a commit; anything but the engine's own statement was before any change.
fn failed(error: Error) -> exported::FailedCommit {
    match error {
        Error::Atomic { kind, source } => {
            let outcome_unknown = kind != AtomicErrorKind::DefinitelyNotApplied;
            exported::FailedCommit { outcome_unknown, cause: error_to_wit(*source) }
        }
        other => exported::FailedCommit { outcome_unknown: false, cause: error_to_wit(other) },
    }
}

fn tree(tree: Result<holt_engine::db::Tree>) -> Result<store::Tree, wit::Error> {
    tree.map(|tree| store::Tree::new(OpenTree(tree))).map_err(error_to_wit)
}

impl OpenDatabase {
    fn apply(&self, changes: Vec<(String, wit::Change)>) -> Result<bool> {
        if changes.len() > MAX_BATCH_OPS {
            return Err(Error::BatchTooLarge { len: changes.len() });
        }
        let change = |(tree, change)| Ok((tree, change_from_wit(change)?));
        let changes = changes.into_iter().map(change).collect::<Result<Vec<_>>>()?;
        self.0.atomic(|batch| {
            for (tree, change) in &changes {
                change.borrowed().add_to_db(tree, batch);
            }
        })
    }

    fn apply_packed(&self, packed: &[u8]) -> Result<bool> {
        // Read once to find out whether all of it is well formed before the batch begins.
        changes::for_each_of(packed, |_, _| ())?;
        let fill = |batch: &mut DBAtomicBatch| {
            let filled = changes::for_each_of(packed, |tree, change| change.add_to_db(tree, batch));
            debug_assert!(filled.is_ok(), "the same bytes read differently");
        };
        self.0.atomic(fill)
    }
}

impl exported::GuestDatabase for OpenDatabase {
    fn create_tree(&self, name: String) -> Result<store::Tree, wit::Error> {
        tree(self.0.create_tree(&name))
    }

    fn open_tree(&self, name: String) -> Result<store::Tree, wit::Error> {
        tree(self.0.open_tree(&name))
    }

    fn open_or_create_tree(&self, name: String) -> Result<store::Tree, wit::Error> {
        tree(self.0.open_or_create_tree(&name))
    }

    fn list_trees(&self) -> Result<Vec<String>, wit::Error> {
        self.0.list_trees().map_err(error_to_wit)
    }

    fn drop_tree(&self, name: String) -> Result<(), wit::Error> {
        self.0.drop_tree(&name).map_err(error_to_wit)
    }

    fn commit(&self, changes: Vec<(String, wit::Change)>) -> Result<bool, exported::FailedCommit> {
        self.apply(changes).map_err(failed)
    }

    fn commit_packed(&self, changes: Vec<u8>) -> Result<bool, exported::FailedCommit> {
        self.apply_packed(&changes).map_err(failed)
    }

    fn snapshot(&self) -> Result<exported::DatabaseSnapshot, wit::Error> {
        let held = OpenDatabaseSnapshot::take(&self.0).map_err(error_to_wit)?;
        Ok(exported::DatabaseSnapshot::new(held))
    }

    fn export_image(&self) -> Result<exported::ImageExport, wit::Error> {
        OpenExport::begin(&self.0).map(exported::ImageExport::new).map_err(error_to_wit)
    }

    fn install_image(&self) -> Result<exported::ImageInstall, wit::Error> {
        OpenInstall::begin(&self.0).map(exported::ImageInstall::new).map_err(error_to_wit)
    }

    fn checkpoint(&self) -> Result<(), wit::Error> {
        self.0.checkpoint().map_err(error_to_wit)
    }

    fn compact(&self) -> Result<(), wit::Error> {
        self.0.compact().map_err(error_to_wit)
    }

    fn gc(&self) -> Result<u64, wit::Error> {
        self.0.gc().map(|count| count as u64).map_err(error_to_wit)
    }

    fn vacuum(&self) -> Result<store::VacuumStats, wit::Error> {
        self.0.vacuum().map(vacuum_to_wit).map_err(error_to_wit)
    }

    fn maintain(&self, budget: u32) -> Result<bool, wit::Error> {
        self.0.maintain(budget as usize).map_err(error_to_wit)
    }

    fn sync(&self) -> Result<(), wit::Error> {
        self.0.sync().map_err(error_to_wit)
    }

    fn verify(&self) -> Result<store::VerifyReport, wit::Error> {
        self.0.verify().map(report_to_wit).map_err(error_to_wit)
    }

    fn stats(&self) -> Result<exported::DatabaseStats, wit::Error> {
        self.0.stats().map(db_stats_to_wit).map_err(error_to_wit)
    }
}
