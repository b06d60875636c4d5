//! Calls on a database: its trees by name, and batches over several of them.
//!
//! Owns: nothing of its own. Never does: keep trees; a handle of a tree is an engine too.

use holt_engine::db::{DB, Tree};
use holt_engine::error::{Error, Result};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::engine::{Engine, Store, status};
use crate::json::{array, quoted};
use crate::pack;

#[wasm_bindgen]
impl Engine {
    /// A handle of a new tree of the name in the input.
    ///
    /// # Errors
    /// The engine's error, as `{"code", "message"}` in a string.
    pub fn create_tree(&mut self, name_bytes: usize) -> Result<Engine, JsValue> {
        self.named(name_bytes, DB::create_tree)
    }

    /// A handle of the tree of the name in the input.
    ///
    /// # Errors
    /// The engine's error, as `{"code", "message"}` in a string.
    pub fn open_tree(&mut self, name_bytes: usize) -> Result<Engine, JsValue> {
        self.named(name_bytes, DB::open_tree)
    }

    /// A handle of the tree of the name in the input, which is created if there is none.
    ///
    /// # Errors
    /// The engine's error, as `{"code", "message"}` in a string.
    pub fn open_or_create_tree(&mut self, name_bytes: usize) -> Result<Engine, JsValue> {
        self.named(name_bytes, DB::open_or_create_tree)
    }

    /// The names of all trees, as a JSON array.
    pub fn list_trees(&mut self) -> u32 {
        let names = self.database().and_then(DB::list_trees);
        self.finish(names, |engine, names| {
            engine.answer_text(array(names.iter().map(|name| quoted(name))))
        })
    }

    /// Drops the tree of the name in the input.
    pub fn drop_tree(&mut self, name_bytes: usize) -> u32 {
        let done =
            self.arguments([name_bytes]).and_then(|[name]| self.database()?.drop_tree(text(name)?));
        self.finish(done, |_, ()| status::YES)
    }

    /// Applies a packed batch over several trees: packed names, then packed operations. `NO` if
    /// a guard failed.
    pub fn atomic_trees(&mut self, names_bytes: usize, bytes: usize) -> u32 {
        let done = self.arguments([names_bytes, bytes]).and_then(|[names, bytes]| {
            let (names, ops) = (pack::names(names)?, pack::batch(bytes)?);
            if ops.iter().any(|(tree, _)| usize::from(*tree) >= names.len()) {
                return Err(pack::NOT_PACKED);
            }
            self.database()?.atomic(|batch| {
                for (tree, op) in &ops {
                    op.add_to_tree(batch, names[usize::from(*tree)]);
                }
            })
        });
        self.finish_flag(done)
    }
}

fn text(bytes: &[u8]) -> Result<&str> {
    let invalid = |_| Error::InvalidTreeName { reason: "not UTF-8" };
    core::str::from_utf8(bytes).map_err(invalid)
}

impl Engine {
    fn named(
        &self,
        name_bytes: usize,
        open: impl FnOnce(&DB, &str) -> Result<Tree>,
    ) -> Result<Engine, JsValue> {
        let tree =
            self.arguments([name_bytes]).and_then(|[name]| open(self.database()?, text(name)?));
        Self::over(tree.map(Store::Tree))
    }
}
