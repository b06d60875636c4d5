//! One store, whichever engine serves it: linked in natively, or inside the sandbox. The command
//! and the plugin server are written against these traits only.
//!
//! Owns: the operations and what they mean in both homes. Never does: know a home.

use holt_engine::db::{
    DBStats, ImageSummary, PrefixCount, PrefixRecord, PutOutcome, Record, TreeStats, VacuumStats,
    VerifyReport,
};
use holt_engine::error::{Error, Result};
use holt_engine::ids::{Lsn, RecordVersion};

pub use holt_wire::changes::ChangeRef;
pub use holt_wire::feed::{Commit, Event, FeedPage};
pub use holt_wire::limits::{MAX_IMAGE_CHUNK_BYTES, MAX_IMAGES, MAX_SNAPSHOTS};
pub use holt_wire::scan::{Page, ScanRequest};

/// One change of a batch, or a condition of it.
pub type Change = holt_wire::changes::Change<Vec<u8>>;

/// What snapshots and images are called where their number is limited.
pub(crate) const OPEN_SNAPSHOTS: &str = "open snapshots";
pub(crate) const OPEN_IMAGES: &str = "open images";

/// The error for a snapshot or image that outlived what it was of.
pub(crate) const CLOSED: Error = Error::Expired {
    what: "the snapshot or image",
    advice: "its store was closed or its engine stopped, take another one",
};

/// As much of a query for the longest prefix as can be a key.
pub(crate) fn longest_key_of(query: &[u8]) -> &[u8] {
    &query[..query.len().min(holt_engine::limits::MAX_KEY_BYTES)]
}

/// What a sandboxed engine used; zero for the native one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SandboxUsage {
    /// Units of fuel burnt by the guest.
    pub fuel: u64,
    /// Calls of the guest to its devices.
    pub device_calls: u64,
    /// Bytes of linear memory.
    pub memory_bytes: u64,
}

/// What can be read of a tree, and of a tree as it was.
///
/// A snapshot answers `OutsideViewScope` for what does not start with its prefix, and `Expired`
/// once it was given up.
pub trait Reads {
    /// The record under `key`.
    fn get(&mut self, key: &[u8]) -> Result<Option<Record>>;
    /// The version of `key`.
    fn get_version(&mut self, key: &[u8]) -> Result<Option<RecordVersion>>;
    /// Whether there is a record under `key`.
    fn contains_key(&mut self, key: &[u8]) -> Result<bool> {
        Ok(self.get_version(key)?.is_some())
    }
    /// The record with the longest key that `query` starts with.
    fn longest_prefix(&mut self, query: &[u8]) -> Result<Option<PrefixRecord>>;
    /// Whether no key starts with `prefix`.
    fn is_prefix_empty(&mut self, prefix: &[u8]) -> Result<bool>;
    /// How many keys start with `prefix`, up to `limit`; 0 is no limit.
    fn prefix_count(&mut self, prefix: &[u8], limit: u64) -> Result<PrefixCount>;
    /// A bounded part of a scan; `next` goes into `resume` to continue.
    fn scan(&mut self, request: &ScanRequest) -> Result<Page>;
}

/// A tree as it was at one moment. Dropping it closes it; it is closed too when the last handle
/// of its store is gone, or when the engine was stopped, and then answers `Expired`.
pub trait Snapshot: Reads {
    /// The prefix it was taken for.
    fn scope(&self) -> &[u8];
    /// Every commit below this position is in it, and no other.
    fn lsn(&self) -> Lsn;
    /// Its number: higher for later ones of the same opening.
    fn epoch(&self) -> u64;
}

/// The operations on one tree that every engine offers to the command and to plugins.
pub trait Store: Reads {
    /// The records of several keys, in the order asked for and all of one moment; the list ends
    /// early once 8 MiB of values are reached. `InvalidArgument` for more than 65536 keys.
    fn get_many(&mut self, keys: &[&[u8]]) -> Result<Vec<Option<Record>>>;
    /// Writes a record.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()>;
    /// Writes a record and returns the value it replaces.
    fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>>;
    /// Writes a record unless there is one; whether it did.
    fn put_if_absent(&mut self, key: &[u8], value: &[u8]) -> Result<bool>;
    /// Writes several records as one log record.
    fn put_many(&mut self, records: &[(&[u8], &[u8])]) -> Result<()>;
    /// Writes those of several records under whose keys there is none, as one log record.
    fn put_many_if_absent(&mut self, records: &[(&[u8], &[u8])]) -> Result<Vec<PutOutcome>>;
    /// Replaces a record if it is there in this version; whether it did.
    fn compare_and_put(
        &mut self,
        key: &[u8],
        expected: RecordVersion,
        value: &[u8],
    ) -> Result<bool>;
    /// Deletes a record; `false` if there was none.
    fn delete(&mut self, key: &[u8]) -> Result<bool>;
    /// Deletes a record and returns its value.
    fn remove(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>>;
    /// Deletes a record if it is there in this version; whether it did.
    fn delete_if_version(&mut self, key: &[u8], expected: RecordVersion) -> Result<bool>;
    /// Moves a record (`NotFound`, `DstExists`).
    fn rename(&mut self, src: &[u8], dst: &[u8], force: bool) -> Result<()>;
    /// Moves every record under a prefix; returns how many.
    fn rename_prefix(&mut self, src: &[u8], dst: &[u8], force: bool) -> Result<u64>;
    /// Deletes every record under a prefix; returns how many.
    fn delete_prefix(&mut self, prefix: &[u8]) -> Result<u64>;
    /// Applies changes together or not at all; `false` if a condition did not hold.
    fn commit(&mut self, changes: &[Change]) -> Result<bool>;
    /// The tree as it is now, under `prefix`. `QuotaExceeded` beyond [`MAX_SNAPSHOTS`].
    fn snapshot(&mut self, prefix: &[u8]) -> Result<Box<dyn Snapshot + Send>>;
    /// Commits of this tree from position `start` on (`Expired`; `InvalidArgument` without a
    /// feed).
    fn changes_since(&mut self, start: Lsn) -> Result<FeedPage>;
    /// Every commit so far has a position below this one.
    fn last_lsn(&mut self) -> Result<Lsn>;
    /// Makes everything written part of the published state and shortens the log.
    fn checkpoint(&mut self) -> Result<()>;
    /// Repacks thin pages and frames.
    fn compact(&mut self) -> Result<()>;
    /// Removes what nothing leads to; returns how many frames and extents.
    fn gc(&mut self) -> Result<u64>;
    /// [`Store::gc`], and repacks everything.
    fn vacuum(&mut self) -> Result<VacuumStats>;
    /// Does up to `budget` pages of maintenance; `true` if there is more to do.
    fn maintain(&mut self, budget: u32) -> Result<bool>;
    /// Makes everything written durable against loss of power.
    fn sync(&mut self) -> Result<()>;
    /// Checks everything; `progress` gets pages done and their total.
    fn verify(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<VerifyReport>;
    /// Figures; cheap.
    fn stats(&mut self) -> Result<TreeStats>;
    /// What the sandbox used so far.
    fn sandbox_usage(&self) -> SandboxUsage;
}

/// All trees of a database as they were at one moment. Dropping it closes it; trees taken from
/// it live on.
pub trait DatabaseSnapshot {
    /// The names of the trees there were, in byte order.
    fn list_trees(&mut self) -> Result<Vec<String>>;
    /// One of them (`TreeNotFound`).
    fn tree(&mut self, name: &str) -> Result<Box<dyn Snapshot + Send>>;
    /// Every commit below this position is in it, and no other.
    fn lsn(&self) -> Lsn;
}

/// An image on its way out. It shows one moment, however long it takes.
pub trait ImageExport {
    /// The next bytes, at most [`MAX_IMAGE_CHUNK_BYTES`]; none at the end.
    fn next_chunk(&mut self) -> Result<Vec<u8>>;
}

/// An image on its way in. Nothing changes before `finish`; dropping it changes nothing. Until
/// then reads go on, and every write and upkeep is refused.
pub trait ImageInstall {
    /// The next bytes, any number of them (`InvalidImage`, `TreeExists`). After an error the
    /// image is given up.
    fn push(&mut self, bytes: &[u8]) -> Result<()>;
    /// Puts the trees of the image into the store, atomically and with their versions.
    fn finish(&mut self) -> Result<ImageSummary>;
}

/// The operations on a store of named trees.
pub trait Database {
    /// Creates an empty tree (`TreeExists`, `InvalidTreeName`).
    fn create_tree(&mut self, name: &str) -> Result<Box<dyn Store + Send>>;
    /// Opens a tree (`TreeNotFound`).
    fn open_tree(&mut self, name: &str) -> Result<Box<dyn Store + Send>>;
    /// Opens a tree, created if there is none.
    fn open_or_create_tree(&mut self, name: &str) -> Result<Box<dyn Store + Send>>;
    /// The names of all trees, in byte order.
    fn list_trees(&mut self) -> Result<Vec<String>>;
    /// Removes a tree; its handles answer `TreeDropped` from then on.
    fn drop_tree(&mut self, name: &str) -> Result<()>;
    /// Applies changes of named trees together or not at all; `false` if a condition did not
    /// hold. Errors are `Atomic`, which says whether the batch may have taken effect.
    fn commit(&mut self, changes: &[(&str, Change)]) -> Result<bool>;
    /// All trees as they are now.
    fn snapshot(&mut self) -> Result<Box<dyn DatabaseSnapshot + Send>>;
    /// Begins an image of all trees as they are now.
    fn export_image(&mut self) -> Result<Box<dyn ImageExport + Send>>;
    /// Begins to put the trees of an image into this store, beside those it has.
    fn install_image(&mut self) -> Result<Box<dyn ImageInstall + Send>>;
    /// Makes everything written part of the published state and shortens the log.
    fn checkpoint(&mut self) -> Result<()>;
    /// Repacks thin pages and frames of every tree.
    fn compact(&mut self) -> Result<()>;
    /// Removes what nothing leads to; returns how many frames and extents.
    fn gc(&mut self) -> Result<u64>;
    /// [`Database::gc`], and repacks everything.
    fn vacuum(&mut self) -> Result<VacuumStats>;
    /// Does up to `budget` pages of maintenance; `true` if there is more to do.
    fn maintain(&mut self, budget: u32) -> Result<bool>;
    /// Makes everything written durable against loss of power.
    fn sync(&mut self) -> Result<()>;
    /// Checks everything, the names included.
    fn verify(&mut self) -> Result<VerifyReport>;
    /// Figures; cheap.
    fn stats(&mut self) -> Result<DBStats>;
    /// What the sandbox used so far.
    fn sandbox_usage(&self) -> SandboxUsage;
}
