//! Calls that change a tree.
//!
//! Owns: how their arguments lie in the input. Never does: check them; the engine does.

use holt_engine::db::PutOutcome;
use holt_engine::ids::RecordVersion;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::engine::{Engine, status};
use crate::pack;

#[wasm_bindgen]
impl Engine {
    /// Writes a record: key, then value.
    pub fn put(&mut self, key_bytes: usize, value_bytes: usize) -> u32 {
        let done = self
            .arguments([key_bytes, value_bytes])
            .and_then(|[key, value]| self.tree()?.put(key, value));
        self.finish(done, |_, ()| status::YES)
    }

    /// Writes a record: `YES` leaves the value it replaced.
    pub fn insert(&mut self, key_bytes: usize, value_bytes: usize) -> u32 {
        let old = self
            .arguments([key_bytes, value_bytes])
            .and_then(|[key, value]| self.tree()?.insert(key, value));
        self.finish_bytes(old)
    }

    /// Writes a record: `NO`, and nothing changed, if there is one.
    pub fn put_if_absent(&mut self, key_bytes: usize, value_bytes: usize) -> u32 {
        let done = self
            .arguments([key_bytes, value_bytes])
            .and_then(|[key, value]| self.tree()?.put_if_absent(key, value));
        self.finish_flag(done)
    }

    /// Replaces a record: `NO`, and nothing changed, unless it is there in this version.
    pub fn compare_and_put(&mut self, key_bytes: usize, value_bytes: usize, version: u64) -> u32 {
        let version = RecordVersion::from_raw(version);
        let done = self
            .arguments([key_bytes, value_bytes])
            .and_then(|[key, value]| self.tree()?.compare_and_put(key, version, value));
        self.finish_flag(done)
    }

    /// Deletes a record: `NO` if there was none.
    pub fn delete(&mut self, key_bytes: usize) -> u32 {
        let done = self.arguments([key_bytes]).and_then(|[key]| self.tree()?.delete(key));
        self.finish_flag(done)
    }

    /// Deletes a record: `YES` leaves its value.
    pub fn remove(&mut self, key_bytes: usize) -> u32 {
        let old = self.arguments([key_bytes]).and_then(|[key]| self.tree()?.remove(key));
        self.finish_bytes(old)
    }

    /// Deletes a record: `NO`, and nothing changed, unless it is there in this version.
    pub fn delete_if_version(&mut self, key_bytes: usize, version: u64) -> u32 {
        let version = RecordVersion::from_raw(version);
        let done = self
            .arguments([key_bytes])
            .and_then(|[key]| self.tree()?.delete_if_version(key, version));
        self.finish_flag(done)
    }

    /// Moves a record: source, then destination.
    pub fn rename(&mut self, src_bytes: usize, dst_bytes: usize, force: bool) -> u32 {
        let done = self
            .arguments([src_bytes, dst_bytes])
            .and_then(|[src, dst]| self.tree()?.rename(src, dst, force));
        self.finish(done, |_, ()| status::YES)
    }

    /// Moves every record under a prefix; leaves how many.
    pub fn rename_prefix(&mut self, src_bytes: usize, dst_bytes: usize, force: bool) -> u32 {
        let moved = self
            .arguments([src_bytes, dst_bytes])
            .and_then(|[src, dst]| self.tree()?.rename_prefix(src, dst, force));
        self.finish_count(moved)
    }

    /// Deletes every record under a prefix; leaves how many.
    pub fn delete_prefix(&mut self, prefix_bytes: usize) -> u32 {
        let deleted =
            self.arguments([prefix_bytes]).and_then(|[prefix]| self.tree()?.delete_prefix(prefix));
        self.finish_count(deleted)
    }

    /// Writes the records of a packed batch of puts, all or none.
    pub fn put_many(&mut self, bytes: usize) -> u32 {
        let done = self
            .arguments([bytes])
            .and_then(|[bytes]| self.tree()?.put_many(&pack::records(bytes)?));
        self.finish(done, |_, ()| status::YES)
    }

    /// Writes those records of a packed batch of puts that are not there; leaves one byte for
    /// each, 1 if it was written.
    pub fn put_many_if_absent(&mut self, bytes: usize) -> u32 {
        let done = self
            .arguments([bytes])
            .and_then(|[bytes]| self.tree()?.put_many_if_absent(&pack::records(bytes)?));
        let created = |outcome| u8::from(outcome == PutOutcome::Created);
        self.finish_bytes(done.map(|outcomes| Some(outcomes.into_iter().map(created).collect())))
    }

    /// Applies a packed batch: all of it or nothing. `NO` if a guard failed.
    pub fn atomic(&mut self, bytes: usize) -> u32 {
        let done = self.arguments([bytes]).and_then(|[bytes]| {
            let ops = pack::batch(bytes)?;
            self.tree()?.atomic(|batch| {
                for (_, op) in &ops {
                    op.add_to(batch);
                }
            })
        });
        self.finish_flag(done)
    }
}
