//! One tree, whichever engine serves it: linked in natively, or inside the sandbox. The command
//! and the plugin server are written against this trait only.

use holt_engine::db::{RangeEntry, Record, ScanPage, TreeStats, VerifyReport};
use holt_engine::error::Result;

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Writes a record, replacing any under the same key.
    Put {
        /// Key.
        key: Vec<u8>,
        /// Value.
        value: Vec<u8>,
    },
    /// Deletes a record; one that is not there is fine.
    Delete {
        /// Key.
        key: Vec<u8>,
    },
}

/// What part of the tree to scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanRequest {
    /// Only keys that start with these bytes.
    pub prefix: Vec<u8>,
    /// Only entries after this key.
    pub start_after: Option<Vec<u8>>,
    /// Roll keys up at the first such byte after the prefix.
    pub delimiter: Option<u8>,
    /// Leave values out: they come back empty.
    pub keys_only: bool,
    /// Most entries to return.
    pub max_entries: usize,
    /// Return no further entry once this many bytes of keys and values are reached.
    pub max_bytes: usize,
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

/// The operations every engine offers to the command and to plugins.
pub trait Store {
    /// The record under `key`.
    fn get(&mut self, key: &[u8]) -> Result<Option<Record>>;
    /// Writes a record.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()>;
    /// Deletes a record; `false` if there was none.
    fn delete(&mut self, key: &[u8]) -> Result<bool>;
    /// Moves a record (`NotFound`, `DstExists`).
    fn rename(&mut self, src: &[u8], dst: &[u8], force: bool) -> Result<()>;
    /// Applies changes together or not at all.
    fn commit(&mut self, changes: &[Change]) -> Result<()>;
    /// A bounded part of a scan; `next` goes into `start_after` to continue.
    fn scan(&mut self, request: &ScanRequest) -> Result<ScanPage<RangeEntry>>;
    /// Makes everything written part of the published state and shortens the log.
    fn checkpoint(&mut self) -> Result<()>;
    /// Repacks thin pages and frames.
    fn compact(&mut self) -> Result<()>;
    /// Makes everything written durable against loss of power.
    fn sync(&mut self) -> Result<()>;
    /// Checks everything; `progress` gets pages done and their total.
    fn verify(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<VerifyReport>;
    /// Figures; cheap.
    fn stats(&mut self) -> Result<TreeStats>;
    /// What the sandbox used so far.
    fn sandbox_usage(&self) -> SandboxUsage;
}
