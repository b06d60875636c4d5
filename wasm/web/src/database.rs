//! Calls on a database: its trees by name, batches over several of them, and one moment of all.
//!
//! Owns: nothing of its own. Never does: keep trees; a handle of a tree is an engine too.

use holt_engine::db::{DB, DBAtomicBatch, DBView, Tree};
use holt_engine::error::{Error, Result};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::engine::{Engine, Store, WRONG_HANDLE, status};
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

    /// The names of all trees, as a JSON array; of a snapshot, of those it shows.
    pub fn list_trees(&mut self) -> u32 {
        let names = match &self.store {
            Store::DatabaseSnapshot(view) => Ok(view.names().map(String::from).collect()),
            _ => self.database().and_then(DB::list_trees),
        };
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
            let fill = filler(names, bytes)?;
            self.database()?.atomic(fill)
        });
        self.finish_flag(done)
    }

    /// A handle of all trees as they are now.
    ///
    /// # Errors
    /// The engine's error, as `{"code", "message"}` in a string.
    pub fn snapshot_trees(&mut self) -> Result<Engine, JsValue> {
        Self::over(self.database().and_then(DB::snapshot).map(Store::DatabaseSnapshot))
    }

    /// A handle of some trees as they are now, each under a prefix: the input holds `bytes` of
    /// packed names and prefixes.
    ///
    /// # Errors
    /// The engine's error, as `{"code", "message"}` in a string.
    pub fn view_trees(&mut self, bytes: usize) -> Result<Engine, JsValue> {
        let view = self.arguments([bytes]).and_then(|[bytes]| {
            self.database()?.view(&pack::scopes(bytes)?, |view| Ok(view.clone()))
        });
        Self::over(view.map(Store::DatabaseSnapshot))
    }

    /// A handle of the tree of the name in the input, as a snapshot of the database has it.
    ///
    /// # Errors
    /// The engine's error, as `{"code", "message"}` in a string.
    pub fn tree_of(&mut self, name_bytes: usize) -> Result<Engine, JsValue> {
        let found = self.arguments([name_bytes]).and_then(|[name]| {
            let name = text(name)?;
            let found = self.database_snapshot()?.tree(name).cloned();
            found.ok_or_else(|| Error::TreeNotFound { name: name.into() })
        });
        Self::over(found.map(Store::Snapshot))
    }
}

/// What adds the operations of a packed batch over several trees: their names, the operations.
pub(crate) fn filler<'a>(
    names: &'a [u8],
    bytes: &'a [u8],
) -> Result<impl FnOnce(&mut DBAtomicBatch) + 'a> {
    let (names, ops) = (pack::names(names)?, pack::batch(bytes)?);
    if ops.iter().any(|(tree, _)| usize::from(*tree) >= names.len()) {
        return Err(pack::NOT_PACKED);
    }
    Ok(move |batch: &mut DBAtomicBatch| {
        for (tree, op) in &ops {
            op.add_to_tree(batch, names[usize::from(*tree)]);
        }
    })
}

fn text(bytes: &[u8]) -> Result<&str> {
    let invalid = |_| Error::InvalidTreeName { reason: "not UTF-8" };
    core::str::from_utf8(bytes).map_err(invalid)
}

impl Engine {
    fn database_snapshot(&self) -> Result<&DBView> {
        match &self.store {
            Store::DatabaseSnapshot(view) => Ok(view),
            _ => Err(WRONG_HANDLE),
        }
    }

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
