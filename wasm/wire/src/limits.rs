//! Every bound of the boundary between guest and host, by name.
//!
//! Owns: the numbers that are not the engine's own (those are in `holt_engine::limits`).

/// Most bytes of all parts of one publish: about five million pages.
pub const MAX_PUBLISH_BYTES: usize = 64 << 20;

/// Most bytes of a packed batch: a log record, the framing of its operations, and room for the
/// keys of conditions and the names of trees.
pub const MAX_PACKED_BATCH_BYTES: usize =
    holt_engine::limits::MAX_RECORD_BYTES + 64 * holt_engine::limits::MAX_BATCH_OPS;

/// Most ids that one call lists, and most tickets that one call releases.
pub const MAX_IDS_PER_CALL: usize = 65_536;

/// Most keys of one `get-many`.
pub const MAX_GET_MANY: usize = 65_536;

/// Most bytes of the keys of one `get-many`, packed.
pub const MAX_PACKED_KEYS_BYTES: usize = 16 << 20;

/// Bytes of values after which a `get-many` ends early.
pub const MAX_GET_MANY_BYTES: usize = 8 << 20;

/// Most pieces of damage one call reports.
pub const MAX_DAMAGE: usize = holt_engine::limits::MAX_DAMAGE_REPORTED;

/// Most bytes kept of a text that the other side sent.
pub const MAX_TEXT_BYTES: usize = 1024;

/// Most different names of arguments and quotas remembered from the other side.
pub const MAX_NAMES: usize = 256;

/// Longest such name, in bytes.
pub const MAX_NAME_BYTES: usize = 256;

/// Most snapshots that one engine holds open at a time, those of databases counted by tree.
pub const MAX_SNAPSHOTS: usize = 256;

/// Bytes of commits, as they cross the boundary, after which a page of the change feed ends. One
/// commit may be larger; it then comes alone.
pub const MAX_FEED_PAGE_BYTES: usize = 8 << 20;

/// Most commits of one page of the change feed.
pub const MAX_FEED_COMMITS: usize = holt_engine::limits::MAX_FEED_CHANGES;

/// Most events of one page of the change feed: at least as many as one commit may have.
pub const MAX_FEED_EVENTS: usize = 2 * holt_engine::limits::MAX_BATCH_OPS;

/// Bytes of a checkpoint image that cross the boundary in one call.
pub const MAX_IMAGE_CHUNK_BYTES: usize = 1 << 20;

/// Images that one engine writes or takes in at a time.
pub const MAX_IMAGES: usize = 4;
