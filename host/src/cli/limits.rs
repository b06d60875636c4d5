//! Every bound of the command, by name.
//!
//! Owns: the numbers. Never does: anything else.

use holt_engine::limits::{MAX_KEY_BYTES, MAX_RECORD_BYTES, MAX_VALUE_BYTES};

/// Most changes that `import` and `load` write as one batch.
pub const BATCH_CHANGES: usize = 256;

/// Bytes of keys and values after which a batch is written, however few its changes.
pub const BATCH_BYTES: usize = 4 << 20;

/// Most failures that `import` and `load` list one by one; the rest is only counted.
pub const LISTED_FAILURES: u64 = 20;

/// Longest line that `load` reads, in bytes. JSON may take six bytes for one.
pub const MAX_LINE_BYTES: usize = 8 << 20;

/// Entries asked for in one scan.
pub const SCAN_ENTRIES: usize = 1024;

/// Bytes asked for in one scan.
pub const SCAN_BYTES: usize = 1 << 20;

/// Directories that `import` keeps open at a time.
pub const WALK_OPEN_DIRECTORIES: usize = 64;

/// Seconds to wait for a store that is in use, unless told otherwise.
pub const DEFAULT_WAIT_SECONDS: u32 = 5;

/// Most seconds to wait for one: a day.
pub const MAX_WAIT_SECONDS: u32 = 24 * 60 * 60;

const _: () = {
    assert!(MAX_LINE_BYTES > 6 * (MAX_KEY_BYTES + MAX_VALUE_BYTES) + 64, "any record is one line");
    assert!(2 * (BATCH_BYTES + MAX_KEY_BYTES + MAX_VALUE_BYTES) < MAX_RECORD_BYTES);
};
