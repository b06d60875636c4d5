//! The exported class: a tree with an input buffer, an output buffer and an answer block.
//!
//! Owns: the three buffers. Never does: checks that belong to the tree.
//! Invariants: see the crate's documentation.

use holt_engine::db::Tree;
use holt_engine::error::{Error, Result};
use holt_engine::limits::{MAX_RECORD_BYTES, MAX_SCAN_BYTES, MAX_SCAN_ENTRIES};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::pack::{self, Op};
use crate::{fault, report};

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
const KEEP_BYTES: usize = 256 * 1024;
/// The input buffer of a new engine.
const FIRST_BYTES: usize = 4 * 1024;
/// Largest input: a batch at its limit, and room for the arguments of a failing call.
const MAX_INPUT_BYTES: usize = MAX_RECORD_BYTES + 64 * 1024;
/// A length that stands for "not given".
const ABSENT: u32 = u32::MAX;

/// Words of the answer block.
const OUTPUT_AT: usize = 0;
const OUTPUT_BYTES: usize = 1;
const VERSION: usize = 2;
const ENTRIES: usize = 3;
/// Length of the key to continue after, plus one; 0 at the end of the scan.
const NEXT_BYTES: usize = 4;

/// A tree in memory, driven through buffers. Private to the npm package.
#[wasm_bindgen]
pub struct Engine {
    tree: Tree,
    input: Vec<u8>,
    output: Vec<u8>,
    // Boxed: JavaScript keeps its address, and the engine itself may move.
    answer: Box<[u64; 5]>,
}

#[wasm_bindgen]
impl Engine {
    /// An engine with an empty tree in memory.
    ///
    /// # Errors
    /// The engine's error, as `{"code", "message"}` in a string.
    pub fn memory() -> Result<Engine, JsValue> {
        let tree = Tree::memory().map_err(|error| JsValue::from(fault::to_json(&error)))?;
        let input = vec![0; FIRST_BYTES];
        Ok(Self { tree, input, output: Vec::new(), answer: Box::default() })
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

    /// The address of the answer block: output address, output length, version, entries, length
    /// of the next key plus one, as u64 words.
    pub fn answer_ptr(&self) -> usize {
        self.answer.as_ptr().expose_provenance()
    }

    /// Looks `key_bytes` of input up: `YES` leaves value and version.
    pub fn get(&mut self, key_bytes: usize) -> u32 {
        let found = self.arguments([key_bytes]).and_then(|[key]| self.tree.get_record(key));
        self.finish(found, |engine, record| {
            let Some(record) = record else { return status::NO };
            engine.answer[VERSION] = record.version.as_u64();
            engine.output = record.value;
            engine.answer_output()
        })
    }

    /// Writes a record: key, then value.
    pub fn put(&mut self, key_bytes: usize, value_bytes: usize) -> u32 {
        let done = self
            .arguments([key_bytes, value_bytes])
            .and_then(|[key, value]| self.tree.put(key, value));
        self.finish(done, |_, ()| status::YES)
    }

    /// Deletes a record: `NO` if there was none.
    pub fn delete(&mut self, key_bytes: usize) -> u32 {
        let done = self.arguments([key_bytes]).and_then(|[key]| self.tree.delete(key));
        self.finish(done, |_, deleted| u32::from(deleted))
    }

    /// Moves a record: source, then destination.
    pub fn rename(&mut self, src_bytes: usize, dst_bytes: usize, force: bool) -> u32 {
        let done = self
            .arguments([src_bytes, dst_bytes])
            .and_then(|[src, dst]| self.tree.rename(src, dst, force));
        self.finish(done, |_, ()| status::YES)
    }

    /// Applies a packed batch: all of it or nothing. `NO` if a guard failed.
    pub fn atomic(&mut self, bytes: usize) -> u32 {
        let done = self.arguments([bytes]).and_then(|[bytes]| {
            let ops = pack::batch(bytes)?;
            self.tree.atomic(|batch| {
                for op in ops {
                    match op {
                        Op::Put(key, value) => batch.put(key, value),
                        Op::Delete(key) => batch.delete(key),
                    }
                }
            })
        });
        self.finish(done, |_, applied| u32::from(applied))
    }

    /// One page of a scan: prefix, then the key to start after (`after_bytes` is `u32::MAX` for
    /// none). `delimiter` below 0 is none. The page is packed, see [`pack`].
    pub fn page(
        &mut self,
        prefix_bytes: usize,
        after_bytes: u32,
        delimiter: i32,
        max_entries: usize,
        max_bytes: usize,
        keys_only: bool,
    ) -> u32 {
        let max_entries = max_entries.clamp(1, MAX_SCAN_ENTRIES);
        let max_bytes = max_bytes.clamp(1, MAX_SCAN_BYTES);
        let page =
            self.read_page(prefix_bytes, after_bytes, delimiter, max_entries, max_bytes, keys_only);
        self.finish(page, |engine, page| {
            engine.output = page.bytes;
            engine.answer[ENTRIES] = page.entries as u64;
            engine.answer[NEXT_BYTES] = page.next.map_or(0, |bytes| bytes as u64 + 1);
            engine.answer_output()
        })
    }

    /// Repacks thin pages and frames.
    pub fn compact(&mut self) -> u32 {
        let done = self.tree.compact();
        self.finish(done, |_, ()| status::YES)
    }

    /// Does up to `budget` pages of maintenance: `YES` if there is more to do.
    pub fn maintain(&mut self, budget: usize) -> u32 {
        let done = self.tree.maintain(budget);
        self.finish(done, |_, more| u32::from(more))
    }

    /// Checks everything; the output is a report as JSON.
    pub fn verify(&mut self) -> u32 {
        let done = self.tree.verify();
        self.finish(done, |engine, found| engine.answer_text(report::verify(&found)))
    }

    /// The tree's figures as JSON.
    pub fn stats(&mut self) -> u32 {
        let done = self.tree.stats();
        self.finish(done, |engine, figures| engine.answer_text(report::stats(&figures)))
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
}

struct PackedPage {
    bytes: Vec<u8>,
    entries: usize,
    next: Option<usize>,
}

impl Engine {
    /// The arguments in the input, of these lengths, one after the other.
    fn arguments<const N: usize>(&self, lengths: [usize; N]) -> Result<[&[u8]; N]> {
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

    fn read_page(
        &self,
        prefix_bytes: usize,
        after_bytes: u32,
        delimiter: i32,
        max_entries: usize,
        max_bytes: usize,
        keys_only: bool,
    ) -> Result<PackedPage> {
        let after_given = after_bytes != ABSENT;
        let after_bytes = if after_given { after_bytes as usize } else { 0 };
        let [prefix, after] = self.arguments([prefix_bytes, after_bytes])?;
        let after = after_given.then_some(after);
        let delimiter = u8::try_from(delimiter).ok();
        // The two builders have the same methods and no common trait.
        macro_rules! page_of {
            ($scan:expr) => {{
                let mut scan = $scan;
                if let Some(after) = after {
                    scan = scan.start_after(after);
                }
                if let Some(delimiter) = delimiter {
                    scan = scan.delimiter(delimiter);
                }
                let page = scan.page(max_entries, max_bytes)?;
                let mut bytes = Vec::new();
                pack::page(&page.entries, page.next.as_deref(), &mut bytes)?;
                let next = page.next.map(|key| key.len());
                Ok(PackedPage { bytes, entries: page.entries.len(), next })
            }};
        }
        if keys_only {
            page_of!(self.tree.scan_keys(prefix))
        } else {
            page_of!(self.tree.scan(prefix))
        }
    }

    fn finish<T>(&mut self, result: Result<T>, done: impl FnOnce(&mut Self, T) -> u32) -> u32 {
        match result {
            Ok(value) => done(self, value),
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &Error) -> u32 {
        self.answer_text(fault::to_json(error));
        status::FAILED
    }

    fn answer_text(&mut self, text: String) -> u32 {
        self.output = text.into_bytes();
        self.answer_output()
    }

    fn answer_output(&mut self) -> u32 {
        self.answer[OUTPUT_AT] = self.output.as_ptr().expose_provenance() as u64;
        self.answer[OUTPUT_BYTES] = self.output.len() as u64;
        status::YES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine_with(input: &[u8]) -> Engine {
        let mut engine = Engine::memory().expect("a tree in memory");
        assert_ne!(engine.reserve(input.len()), 0);
        engine.input[..input.len()].copy_from_slice(input);
        engine
    }

    #[test]
    fn a_record_goes_in_and_comes_out() {
        let mut engine = engine_with(b"keyvalue");
        assert_eq!(engine.put(3, 5), status::YES);
        assert_eq!(engine.get(3), status::YES);
        assert_eq!(engine.output, b"value");
        assert_eq!(engine.answer[OUTPUT_BYTES], 5);
        assert_eq!(engine.get(2), status::NO);
        assert_eq!(engine.delete(3), status::YES);
        assert_eq!(engine.delete(3), status::NO);
    }

    #[test]
    fn lengths_past_the_input_fail() {
        let mut engine = engine_with(b"x");
        for length in [FIRST_BYTES + 1, usize::MAX] {
            assert_eq!(engine.get(length), status::FAILED);
            assert_eq!(engine.put(length, 0), status::FAILED);
            assert_eq!(engine.put(1, length), status::FAILED);
            assert_eq!(engine.rename(1, length, true), status::FAILED);
            assert_eq!(engine.atomic(length), status::FAILED);
            assert_eq!(engine.page(length, ABSENT, -1, 1, 1, true), status::FAILED);
        }
        assert_eq!(engine.page(1, ABSENT - 1, -1, 1, 1, true), status::FAILED);
        assert_eq!(engine.atomic(5), status::FAILED);
    }

    #[test]
    fn input_is_bounded_and_given_back() {
        let mut engine = engine_with(b"");
        assert_eq!(engine.reserve(MAX_INPUT_BYTES + 1), 0);
        assert_eq!(engine.capacity(), FIRST_BYTES);
        engine.reserve(KEEP_BYTES + 1);
        assert_eq!(engine.capacity(), 2 * KEEP_BYTES);
        engine.trim();
        assert_eq!(engine.capacity(), FIRST_BYTES);
    }

    #[test]
    fn bounds_of_a_page_are_clamped() {
        let mut engine = engine_with(b"keyvalue");
        assert_eq!(engine.put(3, 5), status::YES);
        assert_eq!(engine.page(0, ABSENT, 300, 0, 0, false), status::YES);
        assert_eq!(engine.answer[ENTRIES], 1);
        assert_eq!(engine.page(0, ABSENT, -1, usize::MAX, usize::MAX, true), status::YES);
        assert_eq!(engine.answer[ENTRIES], 1);
    }
}
