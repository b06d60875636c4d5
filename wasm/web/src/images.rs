//! Checkpoint images: all trees of a database, out and in, chunk by chunk.
//!
//! Owns: how a chunk crosses. Never does: know the format, or wait; what comes between two chunks
//! is the caller's.

use holt_engine::db::{DB, ImageCheck, ImageSummary};
use holt_engine::error::{Error, Result};
use holt_engine::limits::MAX_TRANSFER_BYTES;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::engine::{ENTRIES, EXTRA, Engine, Store, VERSION, WRONG_HANDLE, status};

#[wasm_bindgen]
impl Engine {
    /// A handle of an image of all trees as they are now, on its way out.
    ///
    /// # Errors
    /// The engine's error, as `{"code", "message"}` in a string.
    pub fn begin_export(&mut self) -> Result<Engine, JsValue> {
        let export = self.database().and_then(DB::begin_export);
        Self::over(export.map(|export| Store::Export(Box::new(export))))
    }

    /// A handle of an image on its way in. Freeing it before `finish` changes nothing.
    ///
    /// # Errors
    /// The engine's error, as `{"code", "message"}` in a string.
    pub fn begin_install(&mut self) -> Result<Engine, JsValue> {
        let install = self.database().and_then(DB::begin_install);
        Self::over(install.map(|install| Store::Install(Box::new(install))))
    }

    /// A handle of an image that is only checked.
    ///
    /// # Errors
    /// None.
    pub fn check_image() -> Result<Engine, JsValue> {
        Self::over(Ok(Store::Check(Box::default())))
    }

    /// The next bytes of an image on its way out, at most `bytes`: `NO` at its end.
    pub fn next_chunk(&mut self, bytes: usize) -> u32 {
        let mut chunk = vec![0; bytes.clamp(1, MAX_TRANSFER_BYTES)];
        let read = match &mut self.store {
            Store::Export(export) => export.read(&mut chunk),
            _ => Err(WRONG_HANDLE),
        };
        self.finish(read, |engine, count| {
            if count == 0 {
                return status::NO;
            }
            chunk.truncate(count);
            engine.output = chunk;
            engine.answer_output()
        })
    }

    /// Takes the next bytes of an image on its way in from the input.
    pub fn push_chunk(&mut self, bytes: usize) -> u32 {
        // The input is lent to a call on another part of the engine.
        let input = std::mem::take(&mut self.input);
        let chunk = input.get(..bytes).ok_or(Error::InvalidArgument {
            what: "length",
            why: "within the input; call reserve first",
        });
        let taken = chunk.and_then(|chunk| match &mut self.store {
            Store::Install(install) => install.write(chunk),
            Store::Check(check) => check.write(chunk),
            _ => Err(WRONG_HANDLE),
        });
        self.input = input;
        self.finish(taken, |_, ()| status::YES)
    }

    /// Ends an image on its way in, which must be whole: leaves how many records and trees it
    /// has, and the highest version of a record.
    pub fn finish_image(&mut self) -> u32 {
        let finished = match &mut self.store {
            Store::Install(install) => install.finish(),
            // A second call finds an image that has not begun.
            Store::Check(check) => std::mem::take::<ImageCheck>(check).finish(),
            _ => Err(WRONG_HANDLE),
        };
        self.finish(finished, |engine, summary| {
            let ImageSummary { trees, records, max_version } = summary;
            engine.answer[ENTRIES] = records;
            engine.answer[EXTRA] = trees;
            engine.answer[VERSION] = max_version;
            status::YES
        })
    }
}
