//! Every bound of the engine, by name.
//!
//! Owns: the numbers. Never does: anything else. Other modules import from here, so that a
//! host can audit what a tenant is able to ask for in one place.

/// Bytes of one page, the unit of checksumming, caching and allocation on disk.
pub const PAGE_BYTES: usize = 4096;

/// Smallest frame, in bytes. Small frames make tests cross every boundary with few records.
pub const MIN_FRAME_BYTES: u32 = 16 * 1024;

/// Largest and default frame, in bytes.
pub const MAX_FRAME_BYTES: u32 = 512 * 1024;

/// Longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 65_535;

/// Longest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 1 << 20;

/// Largest log record (so: largest atomic batch), in bytes, header included.
pub const MAX_RECORD_BYTES: usize = 16 << 20;

/// Most operations in one atomic batch.
pub const MAX_BATCH_OPS: usize = 65_536;

/// Most leaf pages the operations of one batch may change, each operation counted as if it had
/// pages of its own: a rename two, an operation on a prefix [`PREFIX_OP_PAGES`], any other one.
/// No batch logs more operations than this.
pub const MAX_BATCH_PAGES: usize = MAX_BATCH_OPS;

/// Most operations on prefixes (`rename_prefix`, `delete_prefix`) in one atomic batch.
pub const MAX_BATCH_PREFIX_OPS: usize = 64;

/// Pages that an operation on a prefix counts for: the edges of the prefix, at both of its ends
/// and on every level, and the neighbours that thin ones join.
pub const PREFIX_OP_PAGES: usize = 512;

/// A batch sets at most this many records under a prefix aside one by one; more of them move to
/// a hidden tree as a whole.
pub const SMALL_PREFIX_RECORDS: usize = 256;

/// With so many trees in a store, those of the engine included, no more are created.
pub const MAX_TREES: usize = 2048;

/// Most trees that a root record has a place for: the catalog, the change feed and the journal
/// may come when the others are there already.
pub const MAX_ROOTS: usize = MAX_TREES + 3;

/// Longest name of a tree, in bytes.
pub const MAX_TREE_NAME_BYTES: usize = 1024;

/// Keys longer than this live in an extent; only a head of them stays in the page.
pub const MAX_INLINE_KEY_BYTES: usize = 1024;

/// Bytes of a long key that stay in the page to settle most comparisons.
pub const LONG_KEY_HEAD_BYTES: usize = 32;

/// A record larger than this (header, suffix and value) moves its value to an extent.
pub const MAX_INLINE_RECORD_BYTES: usize = 1040;

/// Longest prefix a frame strips from its keys, in bytes.
pub const MAX_FRAME_PREFIX_BYTES: usize = 512;

/// Longest prefix a page strips from its keys, in bytes.
pub const MAX_PAGE_PREFIX_BYTES: usize = 240;

/// Largest extent in bytes: a value or a key, whichever limit is larger.
pub const MAX_EXTENT_BYTES: usize = MAX_VALUE_BYTES;

/// Pages of the largest blob (an extent of [`MAX_EXTENT_BYTES`]).
pub const MAX_BLOB_PAGES: usize = MAX_EXTENT_BYTES / PAGE_BYTES;

/// Most levels of frames. Two carry fifty million records; only the smallest frames with the
/// longest keys, where a frame leads to two or three others, need more than three.
pub const MAX_LEVELS: u8 = 16;

/// Levels that a move of a prefix may need for a time beside those there are: cutting frames
/// to their borders makes some that the end of the move takes away again.
pub const MOVE_LEVELS: u8 = 6;

/// Most frames a store may ever create: 32 TiB of them.
pub const MAX_FRAMES: u32 = 1 << 26;

/// Most bytes of the engine's root record kept by a blob store.
pub const MAX_ROOT_BYTES: usize = 64 * 1024;

/// Most bytes of one frame's metadata kept in a manifest entry.
pub const MAX_META_BYTES: usize = 64;

/// Most bytes a device call may carry.
pub const MAX_TRANSFER_BYTES: usize = 1 << 20;

/// Most pages one blob file may have: 16 TiB. Places on disk are 32-bit page numbers.
pub const MAX_STORE_PAGES: u32 = u32::MAX - 1;

/// Fewest pages of a manifest region.
pub const MIN_MANIFEST_PAGES: u32 = 16;

/// A manifest is rewritten once it takes this many times its compact size.
pub const MANIFEST_GROWTH: u32 = 4;

/// Most bytes one manifest record carries; the largest is a root record.
pub const MAX_MANIFEST_RECORD_BYTES: usize = MAX_ROOT_BYTES;

/// Bytes of changes after which a manifest record is closed and the next one begun.
pub const MANIFEST_RECORD_TARGET_BYTES: usize = 48 * 1024;

/// Bytes of manifest read or written by one device call.
pub const MANIFEST_CHUNK_BYTES: usize = 256 * 1024;

/// Most pages one device read of the packed store fills.
pub const MAX_READ_RUN_PAGES: usize = 64;

/// Free pages from which on a file with more of them than used ones counts as sparse.
pub const SPARSE_PAGES: u32 = 16 * 1024;

/// How many free runs one allocation looks at for one that is long enough.
pub const RUN_SEARCH_RUNS: usize = 256;

/// Holes shorter than this many pages are left alone while the file is not sparse.
pub const SHORT_HOLE_PAGES: u32 = 8;

/// Free runs of at least this many pages are given back at once when they come free.
pub const PUNCH_RUN_PAGES: u32 = 64;

/// Most free runs given back by one publish. One takes a tenth of a millisecond or some, if the
/// file system is busy.
pub const MAX_PUNCHES: usize = 64;

/// Pages of a zone, the unit in which a quiet store is made dense.
pub const ZONE_PAGES: u32 = 256;

/// Most pages moved by one quiet publish.
pub const MAX_MOVED_PAGES: usize = 4096;

/// Fewest free pages at the end of the file that are worth cutting off.
pub const TRIM_PAGES: u32 = 16;

/// Bytes of log that must have become useless before their space is given back.
pub const LOG_PUNCH_BYTES: u64 = 256 * 1024;

/// Default cache, in bytes.
pub const DEFAULT_CACHE_BYTES: u64 = 128 << 20;

/// Smallest cache, in bytes: one operation's working set with room to spare.
pub const MIN_CACHE_BYTES: u64 = 256 * 1024;

/// Control blocks of frames that share one piece of the cache's directory.
pub const DIRECTORY_FRAMES: usize = 512;

/// Pages of one chunk of the cache's memory: where address space is memory, small ones.
pub const SLAB_CHUNK_PAGES: usize = if cfg!(target_pointer_width = "64") { 4096 } else { 64 };

/// Most leaf pages that figures of how full pages are look at.
pub const FILL_SAMPLE_PAGES: usize = 1024;

/// Past images of pages that snapshots need take at most one part in so many of the cache
/// before they are written out.
pub const HISTORY_SHARE: u64 = 4;

/// Default limit of what past images of pages may take together, in memory and in the store.
pub const DEFAULT_SNAPSHOT_BYTES: u64 = 4 << 30;

/// Bytes of operations in one record of the change feed; a larger commit takes several.
pub const FEED_PART_BYTES: usize = 256 << 10;

/// Most commits that leave the change feed when one is added.
pub const MAX_FEED_TRIM: usize = 4;

/// Most commits in one part of the change feed that is read.
pub const MAX_FEED_CHANGES: usize = 65_536;

/// Bytes of records after which a block of a checkpoint image is closed.
pub const IMAGE_BLOCK_BYTES: usize = 256 << 10;

/// Bytes of a checkpoint image read at a time.
pub const IMAGE_READ_BYTES: usize = 64 << 10;

/// Largest block of a checkpoint image: one record may be larger than a usual block.
pub const MAX_IMAGE_BLOCK_BYTES: usize = IMAGE_BLOCK_BYTES + MAX_KEY_BYTES + MAX_VALUE_BYTES + 64;

/// Largest payload of a journal envelope, in bytes; it shares a log record with its batch.
pub const MAX_JOURNAL_RECORD_BYTES: usize = MAX_RECORD_BYTES;

/// Bytes of a payload in one record of the journal's tree.
pub const JOURNAL_PART_BYTES: usize = 512 << 10;

/// Most envelopes in one part of the journal that is read.
pub const MAX_JOURNAL_ROWS: usize = 65_536;

/// Default log budget, in bytes: how far the log may grow before a checkpoint must finish.
pub const DEFAULT_LOG_BUDGET: u64 = 256 << 20;

/// Smallest log budget, in bytes.
pub const MIN_LOG_BUDGET: u64 = 64 * 1024;

/// Log positions are promised durably in strides of this many bytes, so that a version handed
/// out and then lost with an unsynced tail is never handed out again.
pub const LSN_STRIDE: u64 = 1 << 30;

/// Highest version of a record in an image that a store takes in: half of all log positions are
/// left for what is written afterwards.
pub const MAX_IMAGE_VERSION: u64 = MAX_LSN / 2;

/// No log position reaches this one: sums of positions and lengths cannot overflow.
pub const MAX_LSN: u64 = 1 << 62;

/// Bytes of log that replay holds in memory, unless one record is larger.
pub const LOG_READ_BYTES: usize = 256 << 10;

/// Bytes of writes that replay holds back to make them in key order, unless one record is larger.
pub const REPLAY_BATCH_BYTES: usize = 32 << 20;
/// At most one part in so many of the cache's size.
pub const REPLAY_CACHE_SHARE: u64 = 8;

/// Most pieces of damage a report lists.
pub const MAX_DAMAGE_REPORTED: usize = 1000;

/// Most entries one scan page may return.
pub const MAX_SCAN_ENTRIES: usize = 65_536;

/// Most bytes of keys and values one scan page may return, before its last entry.
pub const MAX_SCAN_BYTES: usize = 8 << 20;

/// Longest page token of a scan, in bytes: a key and what says which scan it is of.
pub const MAX_PAGE_TOKEN_BYTES: usize = MAX_KEY_BYTES + 22;

/// Most keys one call reads together.
pub const MAX_GET_MANY_KEYS: usize = 65_536;

/// Frames counted in one look; a longer count is of a snapshot, and goes on while others write.
pub const MAX_COUNT_FRAMES: usize = 1024;

/// Longest time that a sync waits for the writers whom the last one was for, in microseconds:
/// some syncs of a fast device.
pub const MAX_GATHER_MICROS: u64 = 200;

/// Most syncs that wait for nobody after some had waited in vain.
pub const MAX_HURRIED_SYNCS: u32 = 64;

/// Changes of single pages that a thread makes before the frames are told of them.
pub const MAX_NOTED: usize = 256;

/// What is known of pages that left memory takes at most one part in so many of the cache.
pub const FILTERS_SHARE: u64 = 16;

/// Most frames that are remembered as thin, to be repacked.
pub const MAX_THINNED: usize = 4096;

/// Most pages that nobody wants between two that are read at once: to skip them would take the
/// device longer than to read them.
pub const READ_GAP_PAGES: u32 = 8;

/// Once one in so many pages of a frame was asked for, the rest comes in with the next one, while
/// there is room.
pub const READ_AROUND_SHARE: usize = 8;

/// A store whose frames have no more bytes than this altogether comes in a frame at a time.
pub const SMALL_STORE_BYTES: u64 = 8 << 20;

/// Most pages that a walk from page to page brings in at a time.
pub const READ_AHEAD_PAGES: usize = 128;
/// At most one part in so many of the cache.
pub const READ_AHEAD_SHARE: u64 = 16;

/// How far one read may grow the cache, in bytes, before room is made again. No step of a lookup
/// needs as much at a time, so making room between two steps cannot keep a lookup from ending.
pub const READ_GROWTH_BYTES: u64 = 8 << 20;

/// Most page anchors in the routing index of one frame: its pages but page 0.
pub const MAX_ANCHORS: usize = MAX_FRAME_BYTES as usize / PAGE_BYTES - 1;

/// Longest page anchor in a routing index, in bytes.
pub const MAX_ANCHOR_BYTES: usize = 255;

const _: () = {
    assert!(MAX_FRAME_BYTES as usize / PAGE_BYTES == 128, "page sets are 128-bit words");
    assert!(MIN_FRAME_BYTES as usize / PAGE_BYTES >= 4, "a frame needs two pages after a split");
    assert!(MAX_EXTENT_BYTES >= MAX_KEY_BYTES);
    assert!(MAX_BATCH_PREFIX_OPS * PREFIX_OP_PAGES <= MAX_BATCH_PAGES);
    // Five bytes of id, a frame, a level and two counts of up to ten bytes each.
    assert!(64 + MAX_ROOTS * (5 + 4 + 1 + 10 + 10) <= MAX_ROOT_BYTES);
    assert!(MAX_TREE_NAME_BYTES <= MAX_INLINE_KEY_BYTES);
    assert!(MAX_TRANSFER_BYTES >= MAX_EXTENT_BYTES);
    assert!(MAX_BLOB_PAGES <= u8::MAX as usize + 1, "the manifest numbers pages in one byte");
    assert!(MANIFEST_RECORD_TARGET_BYTES + 32 * MAX_BLOB_PAGES <= MAX_MANIFEST_RECORD_BYTES);
    assert!(MANIFEST_CHUNK_BYTES.is_multiple_of(PAGE_BYTES));
    assert!(3 * (MAX_INLINE_RECORD_BYTES + 32) + MAX_PAGE_PREFIX_BYTES + 256 <= PAGE_BYTES);
};
