//! Calls about a store as a whole, on a tree or a database: upkeep, checks, figures.

use wasm_bindgen::prelude::wasm_bindgen;

use crate::engine::{Engine, Store, WRONG_HANDLE, status};
use crate::report;

// Trees and databases have the same calls and no common trait.
macro_rules! keep {
    ($engine:expr, $store:ident => $call:expr) => {
        match &$engine.store {
            Store::Tree($store) => $call,
            Store::Database($store) => $call,
            _ => Err(WRONG_HANDLE),
        }
    };
}

#[wasm_bindgen]
impl Engine {
    /// Publishes everything written so far to the store under the cache.
    pub fn checkpoint(&mut self) -> u32 {
        let done = keep!(self, store => store.checkpoint());
        self.finish(done, |_, ()| status::YES)
    }

    /// Makes everything written so far survive loss of power.
    pub fn sync(&mut self) -> u32 {
        let done = keep!(self, store => store.sync());
        self.finish(done, |_, ()| status::YES)
    }

    /// Repacks thin pages and frames.
    pub fn compact(&mut self) -> u32 {
        let done = keep!(self, store => store.compact());
        self.finish(done, |_, ()| status::YES)
    }

    /// Does up to `budget` pages of maintenance: `YES` if there is more to do.
    pub fn maintain(&mut self, budget: usize) -> u32 {
        let done = keep!(self, store => store.maintain(budget));
        self.finish_flag(done)
    }

    /// Removes what nothing leads to; leaves how many blobs that were.
    pub fn gc(&mut self) -> u32 {
        let done = keep!(self, store => store.gc());
        self.finish_count(done.map(|blobs| blobs as u64))
    }

    /// Gives space back; the output is what it came to as JSON.
    pub fn vacuum(&mut self) -> u32 {
        let done = keep!(self, store => store.vacuum());
        self.finish(done, |engine, figures| engine.answer_text(report::vacuum(&figures)))
    }

    /// Checks everything; the output is a report as JSON.
    pub fn verify(&mut self) -> u32 {
        let done = keep!(self, store => store.verify());
        self.finish(done, |engine, found| engine.answer_text(report::verify(&found)))
    }

    /// The figures of a tree or of a database as JSON.
    pub fn stats(&mut self) -> u32 {
        let figures = match &self.store {
            Store::Tree(tree) => tree.stats().map(|figures| report::stats(&figures)),
            Store::Database(database) => database.stats().map(|figures| report::database(&figures)),
            _ => Err(WRONG_HANDLE),
        };
        self.finish(figures, |engine, figures| engine.answer_text(figures))
    }
}
