//! The exported class: a handle with an input buffer, an output buffer and an answer block.
//!
//! Owns: the three buffers, and how results get into them. Never does: checks that belong to the
//! tree. The calls are in `read.rs`, `write.rs`, `database.rs` and `upkeep.rs`.
//! Invariants: see the crate's documentation.

use std::sync::Arc;

use holt_engine::db::{DB, DBView, ImageCheck, ImageExport, ImageInstall, Options, Tree, View};
use holt_engine::device::MemoryBlobStore;
use holt_engine::error::{Error, Result};
use holt_engine::geometry::Geometry;
use holt_engine::limits::{
    MAX_BATCH_OPS, MAX_JOURNAL_RECORD_BYTES, MAX_RECORD_BYTES, MAX_TREE_NAME_BYTES, MAX_TREES,
};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::fault;
use crate::journal::ENVELOPE_HEADER_BYTES;
use crate::pack::{NAME_HEADER_BYTES, OP_HEADER_BYTES};

/// What the status number of a call means.
pub mod status {
    /// There is no such record; or done, with nothing to report.
    pub const NO: u32 = 0;
    /// Found, or done; the result is in the answer block.
    pub const YES: u32 = 1;
    /// Failed; the output holds `{"code", "message"}` as UTF-8.
    pub const FAILED: u32 = 2;
}

/// Buffers larger than this are given back after the call that needed them.
pub(crate) const KEEP_BYTES: usize = 256 * 1024;
/// The input buffer of a new engine.
pub(crate) const FIRST_BYTES: usize = 4 * 1024;
/// Largest input: a batch at its limit with the names of its trees and an envelope, packed.
pub(crate) const MAX_INPUT_BYTES: usize = MAX_RECORD_BYTES
    + MAX_BATCH_OPS * OP_HEADER_BYTES
    + MAX_TREES * (MAX_TREE_NAME_BYTES + NAME_HEADER_BYTES)
    + MAX_JOURNAL_RECORD_BYTES
    + ENVELOPE_HEADER_BYTES;
/// What snapshots may keep unless it is said: less than the memory a module can have, so that the
/// oldest snapshot expires before the module runs out of it.
const SNAPSHOT_BYTES: u64 = 1 << 30;
/// A length that stands for "not given".
pub(crate) const ABSENT: u32 = u32::MAX;

/// Words of the answer block.
pub(crate) const OUTPUT_AT: usize = 0;
pub(crate) const OUTPUT_BYTES: usize = 1;
/// A version, or a position in the change feed.
pub(crate) const VERSION: usize = 2;
/// Entries of a page, or any other count.
pub(crate) const ENTRIES: usize = 3;
/// Length of the page token plus one, 0 at the end of a scan; or of the key that was found; or
/// the trees of an image.
pub(crate) const EXTRA: usize = 4;

/// What an engine stands for.
pub(crate) enum Store {
    Tree(Tree),
    Snapshot(View),
    Database(DB),
    DatabaseSnapshot(DBView),
    Export(Box<ImageExport>),
    Install(Box<ImageInstall>),
    Check(Box<ImageCheck>),
}

/// A handle of a store in memory, driven through buffers. Private to the npm package.
#[wasm_bindgen]
pub struct Engine {
    pub(crate) store: Store,
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    // Boxed: JavaScript keeps its address, and the engine itself may move.
    pub(crate) answer: Box<[u64; 5]>,
}

#[wasm_bindgen]
impl Engine {
    /// A handle of a new store in memory: of a database with named trees, or of one tree. Each
    /// number is one of [`Options`], the last the size of a frame, absent for the usual value.
    ///
    /// # Errors
    /// The engine's error, as `{"code", "message"}` in a string.
    pub fn memory(
        named: bool,
        cache_bytes: Option<f64>,
        snapshot_bytes: Option<f64>,
        feed_retention: Option<f64>,
        frame_bytes: Option<f64>,
    ) -> Result<Engine, JsValue> {
        let options = Self::options(cache_bytes, snapshot_bytes, feed_retention);
        Self::over(Self::geometry(frame_bytes).and_then(|geometry| {
            let blobs = Arc::new(MemoryBlobStore::new(geometry, [0; 16]));
            match named {
                true => DB::open_with_devices(blobs, None, options).map(Store::Database),
                false => Tree::open_with_devices(blobs, None, options).map(Store::Tree),
            }
        }))
    }

    /// Makes room for `bytes` of input; the address to write to, 0 if that is over the limit.
    /// It stays valid until the next `reserve` or `trim`.
    pub fn reserve(&mut self, bytes: usize) -> usize {
        if bytes > MAX_INPUT_BYTES {
            return 0;
        }
        if bytes > self.input.len() {
            self.input = vec![0; bytes.next_power_of_two().max(FIRST_BYTES)];
        }
        self.input.as_mut_ptr().expose_provenance()
    }

    /// Bytes of input there is room for.
    pub fn capacity(&self) -> usize {
        self.input.len()
    }

    /// Gives large buffers back; call it after the output has been read.
    pub fn trim(&mut self) {
        if self.input.len() > KEEP_BYTES {
            self.input = vec![0; FIRST_BYTES];
        }
        if self.output.capacity() > KEEP_BYTES {
            self.output = Vec::new();
        }
    }

    /// The address of the answer block: output address, output length, version, count, length of
    /// the token or key, as u64 words.
    pub fn answer_ptr(&self) -> usize {
        self.answer.as_ptr().expose_provenance()
    }

    /// The error of a key of `len` bytes, for a caller that did not copy it.
    pub fn key_too_long(&mut self, len: usize) -> u32 {
        self.fail(&Error::KeyTooLong { len })
    }

    /// The error of a value of `len` bytes.
    pub fn value_too_long(&mut self, len: usize) -> u32 {
        self.fail(&Error::ValueTooLong { len })
    }

    /// The error of a batch of `len` operations.
    pub fn batch_too_large(&mut self, len: usize) -> u32 {
        self.fail(&Error::BatchTooLarge { len })
    }

    /// The error of a batch of `bytes` bytes.
    pub fn record_too_large(&mut self, bytes: usize) -> u32 {
        self.fail(&Error::WalRecordTooLarge { bytes, maximum: MAX_RECORD_BYTES })
    }

    /// The error of a name that is over its limit.
    pub fn name_too_long(&mut self) -> u32 {
        self.fail(&Error::InvalidTreeName { reason: "too long" })
    }

    /// The error of a transaction whose guard failed.
    pub fn guard_failed(&mut self) -> u32 {
        self.fail(&Error::GuardFailed)
    }
}

/// The error of a call on a handle of the wrong kind; the package makes none.
pub(crate) const WRONG_HANDLE: Error =
    Error::InvalidArgument { what: "handle", why: "of another kind than the call is for" };

impl Engine {
    /// Options as JavaScript passes them.
    pub(crate) fn options(
        cache_bytes: Option<f64>,
        snapshot_bytes: Option<f64>,
        feed_retention: Option<f64>,
    ) -> Options {
        let usual = Options::default();
        // JavaScript passes whole numbers from 0 to 2^53; anything else saturates.
        Options {
            cache_bytes: cache_bytes.map_or(usual.cache_bytes, |bytes| bytes as u64),
            snapshot_bytes: snapshot_bytes.map_or(SNAPSHOT_BYTES, |bytes| bytes as u64),
            feed_retention: feed_retention.map_or(usual.feed_retention, |bytes| bytes as u64),
            ..usual
        }
    }

    /// The shape of a store that is created.
    pub(crate) fn geometry(frame_bytes: Option<f64>) -> Result<Geometry> {
        frame_bytes.map_or(Ok(Geometry::default()), |bytes| Geometry::new(bytes as u32))
    }

    /// A handle of what was opened; its error crosses as a string.
    pub(crate) fn over(store: Result<Store>) -> Result<Engine, JsValue> {
        let store = store.map_err(|error| JsValue::from(fault::to_json(&error)))?;
        let input = vec![0; FIRST_BYTES];
        Ok(Self { store, input, output: Vec::new(), answer: Box::default() })
    }

    pub(crate) fn tree(&self) -> Result<&Tree> {
        match &self.store {
            Store::Tree(tree) => Ok(tree),
            _ => Err(WRONG_HANDLE),
        }
    }

    pub(crate) fn database(&self) -> Result<&DB> {
        match &self.store {
            Store::Database(database) => Ok(database),
            _ => Err(WRONG_HANDLE),
        }
    }

    /// The arguments in the input, of these lengths, one after the other.
    pub(crate) fn arguments<const N: usize>(&self, lengths: [usize; N]) -> Result<[&[u8]; N]> {
        let mut rest = self.input.as_slice();
        let mut arguments = [rest; N];
        for (argument, length) in arguments.iter_mut().zip(lengths) {
            (*argument, rest) = rest.split_at_checked(length).ok_or(Error::InvalidArgument {
                what: "length",
                why: "within the input; call reserve first",
            })?;
        }
        Ok(arguments)
    }

    /// The same for arguments of which some may be absent.
    pub(crate) fn optional<const N: usize>(&self, lengths: [u32; N]) -> Result<[Option<&[u8]>; N]> {
        let given = lengths.map(|length| if length == ABSENT { 0 } else { length as usize });
        let mut arguments = self.arguments(given)?.map(Some);
        for (argument, length) in arguments.iter_mut().zip(lengths) {
            if length == ABSENT {
                *argument = None;
            }
        }
        Ok(arguments)
    }

    pub(crate) fn finish<T>(
        &mut self,
        result: Result<T>,
        done: impl FnOnce(&mut Self, T) -> u32,
    ) -> u32 {
        match result {
            Ok(value) => done(self, value),
            Err(error) => self.fail(&error),
        }
    }

    /// The status of a call that answers with bytes or with nothing.
    pub(crate) fn finish_bytes(&mut self, result: Result<Option<Vec<u8>>>) -> u32 {
        self.finish(result, |engine, bytes| {
            let Some(bytes) = bytes else { return status::NO };
            engine.output = bytes;
            engine.answer_output()
        })
    }

    /// The status of a call that answers with a count.
    pub(crate) fn finish_count(&mut self, result: Result<u64>) -> u32 {
        self.finish(result, |engine, count| {
            engine.answer[ENTRIES] = count;
            status::YES
        })
    }

    /// The status of a call that answers yes or no.
    pub(crate) fn finish_flag(&mut self, result: Result<bool>) -> u32 {
        self.finish(result, |_, yes| u32::from(yes))
    }

    pub(crate) fn fail(&mut self, error: &Error) -> u32 {
        self.answer_text(fault::to_json(error));
        status::FAILED
    }

    pub(crate) fn answer_text(&mut self, text: String) -> u32 {
        self.output = text.into_bytes();
        self.answer_output()
    }

    pub(crate) fn answer_output(&mut self) -> u32 {
        self.answer[OUTPUT_AT] = self.output.as_ptr().expose_provenance() as u64;
        self.answer[OUTPUT_BYTES] = self.output.len() as u64;
        status::YES
    }
}
