//! The log: what was written since the last checkpoint, as records at positions that only grow.
//!
//! Owns: the record format, the writer, replay and the decision where the log ends. Never does:
//! touch trees, checkpoint, or choose when to sync. Invariants: a record's position is its
//! identity and is never used twice in a store's life; nothing is appended after a bad record;
//! every position in use lies below a ceiling that was durable before.

mod durable;
mod ops;
mod reader;
mod record;
mod replay;
mod state;
mod tail;
mod witness;
mod writer;

#[cfg(test)]
mod tests;

pub use durable::Durable;
pub use ops::{OpRef, OpsIter, OpsView, check_ops, encode_list, encoded_len, overlap, record_len};
pub use record::{Bad, Body, HEADER_BYTES, RECORD_ALIGN, RecordView};
pub use replay::Recovery;
pub use state::LogState;
pub use writer::{Log, LogCounters};
