//! Every bound of the boundary between guest and host, by name.
//!
//! Owns: the numbers that are not the engine's own (those are in `holt_engine::limits`).

/// Most bytes of all parts of one publish: about five million pages.
pub const MAX_PUBLISH_BYTES: usize = 64 << 20;

/// Most bytes of a packed batch: a log record, and the framing of its operations.
pub const MAX_PACKED_BATCH_BYTES: usize =
    holt_engine::limits::MAX_RECORD_BYTES + 16 * holt_engine::limits::MAX_BATCH_OPS;

/// Most ids that one call lists, and most tickets that one call releases.
pub const MAX_IDS_PER_CALL: usize = 65_536;

/// Most keys of one `get-many`.
pub const MAX_GET_MANY: usize = 65_536;

/// Bytes of values after which a `get-many` ends early.
pub const MAX_GET_MANY_BYTES: usize = 8 << 20;

/// Most pieces of damage one call reports.
pub const MAX_DAMAGE: usize = holt_engine::limits::MAX_DAMAGE_REPORTED;

/// Most bytes kept of a text that the other side sent.
pub const MAX_TEXT_BYTES: usize = 1024;

/// Most bytes of a resume token: a key and a version byte.
pub const MAX_TOKEN_BYTES: usize = holt_engine::limits::MAX_KEY_BYTES + 1;

/// Most different names of arguments and quotas remembered from the other side.
pub const MAX_NAMES: usize = 256;

/// Longest such name, in bytes.
pub const MAX_NAME_BYTES: usize = 256;
