//! The engines under test, behind one trait.
//!
//! Owns: what every engine must offer and the list of those this build has. Each engine's file
//! states in its header how it is set up and why its maintainers would do so.
//! Never does: timing, making records.
//! Invariant: every engine promises the same for a `put` outside a load: it is one commit, and
//! no call waits for the device (`sync: false`, `NOSYNC`, `synchronous=OFF`) unless the set-up
//! asks for durable commits; then every commit waits.

mod btreemap;
#[cfg(feature = "fjall")]
mod fjall;
#[cfg(feature = "holt092")]
mod holt092;
#[cfg(feature = "lmdb")]
mod lmdb;
mod ours;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
#[cfg(feature = "sandbox")]
mod sandbox;
#[cfg(feature = "sled")]
mod sled;
#[cfg(feature = "sqlite")]
mod sqlite;
mod walk;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::limits::{ROOMY_CACHE_FLOOR, ROOMY_CACHE_RATIO};
use crate::workload::{Chunk, Family};

pub use walk::DELIMITER;

/// How an engine is to be opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// An empty directory for its files, the engine's own.
    pub dir: PathBuf,
    /// Records that will be loaded.
    pub records: u64,
    /// Bytes of keys and values that will be loaded, roughly.
    pub payload: u64,
    /// Bytes of cache allowed; `None` for as much as it takes to hold everything.
    pub cache_bytes: Option<u64>,
    /// Load order.
    pub order: crate::cli::Order,
    /// Seed of keys, values and orders.
    pub seed: u64,
    /// Operations of a round of point operations.
    pub ops: u64,
    /// Which records.
    pub workload: Family,
    /// Where the workload finds what the run prepared for it.
    pub lists: PathBuf,
    /// Whether every commit waits until it survives loss of power.
    pub durable: bool,
}

impl Setup {
    /// Cache for an engine that needs `ratio` times the payload to hold everything.
    pub fn cache_or_roomy(&self, ratio: u64) -> u64 {
        self.cache_bytes.unwrap_or((self.payload * ratio).max(ROOMY_CACHE_FLOOR))
    }

    /// The usual cache: [`ROOMY_CACHE_RATIO`] times the payload unless one was asked for.
    pub fn cache(&self) -> u64 {
        self.cache_or_roomy(ROOMY_CACHE_RATIO)
    }
}

/// What an engine counts itself. Empty where it does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// Bytes read from its store, over a step.
    pub store_read: u64,
    /// Bytes written to its store, over a step.
    pub store_written: u64,
    /// Bytes appended to its log, over a step.
    pub log_written: u64,
    /// Checkpoints, over a step.
    pub checkpoints: u64,
    /// Frames or pages that overflowed and were split, over a step.
    pub splits: u64,
    /// Log records replayed by the last opening.
    pub replayed: Option<u64>,
}

impl Counters {
    /// The same with the counters taken since `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            store_read: self.store_read.saturating_sub(earlier.store_read),
            store_written: self.store_written.saturating_sub(earlier.store_written),
            log_written: self.log_written.saturating_sub(earlier.log_written),
            checkpoints: self.checkpoints.saturating_sub(earlier.checkpoints),
            splits: self.splits.saturating_sub(earlier.splits),
            replayed: self.replayed,
        }
    }
}

/// Where a list begins.
#[derive(Clone, Copy, Debug)]
pub struct ListFrom<'a> {
    /// Only keys that start with this.
    pub prefix: &'a [u8],
    /// Only keys after this one.
    pub after: &'a [u8],
}

/// One change of an atomic batch.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// Writes a record.
    Put(&'a [u8], &'a [u8]),
    /// Deletes a record that is there.
    Delete(&'a [u8]),
}

/// A record of its own memory.
pub type Owned = (Vec<u8>, Vec<u8>);

/// Makes an engine in the thread that will use it, over a store that is open.
pub type Opener = Box<dyn FnOnce() -> Result<Box<dyn Engine>> + Send>;

/// One open store.
pub trait Engine {
    /// Copies the value of `key` into `out`, replacing what is there; `false` if there is none.
    fn get(&mut self, key: &[u8], out: &mut Vec<u8>) -> Result<bool>;

    /// Writes a record, as a commit of its own.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()>;

    /// Deletes a record. Says whether there was one if the engine knows without a lookup.
    fn delete(&mut self, key: &[u8]) -> Result<Option<bool>>;

    /// Writes many records the way the engine's maintainers load: in one commit where that is
    /// faster, else one by one.
    fn load(&mut self, records: &Chunk) -> Result<()> {
        for (key, value) in records.iter() {
            self.put(key, value)?;
        }
        Ok(())
    }

    /// Lends the records from `start` on in key order, until `visit` answers `false`.
    fn walk(&mut self, start: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<()>;

    /// Calls `visit` with up to `limit` records in key order, borrowed; returns how many.
    fn list(
        &mut self,
        from: ListFrom<'_>,
        limit: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<usize> {
        walk::list(self, from, limit, visit)
    }

    /// The same, each record in memory of its own, appended to `out`.
    fn list_owned(
        &mut self,
        from: ListFrom<'_>,
        limit: usize,
        out: &mut Vec<Owned>,
    ) -> Result<usize> {
        self.list(from, limit, &mut |key, value| out.push((key.to_vec(), value.to_vec())))
    }

    /// Calls `visit` with up to `limit` entries of one level: keys with no delimiter after the
    /// prefix, and one roll-up, delimiter included, for all that have one. A roll-up is an entry
    /// if it is after `from.after`. An engine without such a scan seeks past each roll-up.
    fn list_dir(
        &mut self,
        from: ListFrom<'_>,
        limit: usize,
        visit: &mut dyn FnMut(&[u8]),
    ) -> Result<usize> {
        walk::level(from, limit, visit, &mut |start, each| self.walk(start, each))
    }

    /// Makes all changes, or none, as one commit.
    fn apply(&mut self, changes: &[Change<'_>]) -> Result<()>;

    /// Moves a record that is there to a key that is not, as one commit.
    fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<()> {
        let mut value = Vec::with_capacity(256);
        if !self.get(from, &mut value)? {
            return Err("a record to rename is not there".into());
        }
        self.apply(&[Change::Delete(from), Change::Put(to, &value)])
    }

    /// Moves every record under a prefix to another prefix; returns how many. An engine without
    /// such a call moves them one by one, in one commit.
    fn rename_prefix(&mut self, from: &[u8], to: &[u8]) -> Result<u64> {
        let moved = walk::under(self, from, to)?;
        let changes: Vec<_> = moved
            .iter()
            .flat_map(|(old, new, value)| [Change::Delete(old), Change::Put(new, value)])
            .collect();
        self.apply(&changes)?;
        Ok(moved.len() as u64)
    }

    /// Brings everything written so far to its place on disk, durable against loss of power,
    /// gives back what space it can in passing, and leaves nothing to be done in the background.
    fn checkpoint(&mut self) -> Result<()>;

    /// Brings the store into the state in which its maintainers would have it read, where that
    /// takes more than a checkpoint.
    fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    /// Checks everything it keeps and returns how many places are damaged; `None` if it has no
    /// such check.
    fn check(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// What it counts itself; called between steps, never while the clock runs.
    fn counters(&self) -> Result<Counters> {
        Ok(Counters::default())
    }

    /// Another handle on the open store, for another thread; `None` if one thread is all it
    /// takes. It is dropped before this one is closed.
    fn handle(&self) -> Option<Opener> {
        None
    }

    /// Closes the store; its files stay.
    fn close(self: Box<Self>) -> Result<()>;
}

/// A way of opening: one row of the tables.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Its name on the command line and in results.
    pub name: &'static str,
    /// Where it runs: `native` or `sandbox`.
    pub home: &'static str,
    /// Ours, as opposed to a peer.
    pub ours: bool,
    /// Whether it keeps anything on disk.
    pub persistent: bool,
    /// Opens or creates the store of a set-up.
    pub open: fn(&Setup) -> Result<Box<dyn Engine>>,
    /// The settings in words.
    pub settings: fn(&Setup) -> String,
}

/// Every engine of this build, ours first.
pub fn kinds() -> Vec<Kind> {
    vec![
        ours::KIND,
        #[cfg(feature = "sandbox")]
        sandbox::KIND,
        #[cfg(feature = "holt092")]
        holt092::KIND,
        #[cfg(feature = "lmdb")]
        lmdb::KIND,
        #[cfg(feature = "rocksdb")]
        rocksdb::KIND,
        #[cfg(feature = "redb")]
        redb::KIND,
        #[cfg(feature = "fjall")]
        fjall::KIND,
        #[cfg(feature = "sled")]
        sled::KIND,
        #[cfg(feature = "sqlite")]
        sqlite::KIND,
        btreemap::KIND,
    ]
}

/// The engine of that name.
///
/// # Errors
/// If this build does not have it; the message names those it has.
pub fn kind(name: &str) -> Result<Kind> {
    let kinds = kinds();
    if let Some(kind) = kinds.iter().find(|kind| kind.name == name) {
        return Ok(*kind);
    }
    let names: Vec<_> = kinds.iter().map(|kind| kind.name).collect();
    let names = names.join(", ");
    Err(format!("no engine {name}; this build has {names} (peers need `--features peers`)").into())
}
