//! Records by number: keys, values and orders, made on the fly from a seed.
//!
//! Owns: what a record looks like and in which order records come. Never does: keeping records
//! beyond the chunk at hand, so that an engine's memory is its own.
//! Invariant: everything follows from the seed and the record's number alone.

mod chunk;
mod objstore;
mod order;

pub use chunk::Chunk;
pub use objstore::ObjStore;
pub use order::{Sequence, mix};

/// A family of records.
pub trait Workload {
    /// Its name in tables and results.
    fn name(&self) -> &'static str;

    /// Appends the key of record `index`. Keys ascend with the index.
    fn key(&self, index: u64, out: &mut Vec<u8>);

    /// Appends a key that no record has, next to that of record `index`.
    fn absent_key(&self, index: u64, out: &mut Vec<u8>);

    /// Appends the value of record `index` as written for the `generation`th time. Its length
    /// does not depend on the generation.
    fn value(&self, index: u64, generation: u32, out: &mut Vec<u8>);

    /// Length of the directory part of a key, the delimiter included.
    fn directory(&self, key: &[u8]) -> usize {
        key.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1)
    }
}
