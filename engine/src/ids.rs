//! Identities that cross layers: blobs, log positions, tickets, trees, versions.

use core::fmt;

/// A blob of the store: a frame or an extent. Never reused within a store's life.
///
/// ```
/// use holt_engine::ids::BlobId;
///
/// assert!(BlobId::extent(7).is_extent() && !BlobId::frame(7).is_extent());
/// assert_eq!(BlobId::frame(7).to_string(), "frame 7");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BlobId(pub u64);

impl BlobId {
    const EXTENT: u64 = 1 << 63;

    /// The frame with this number.
    pub const fn frame(number: u32) -> Self {
        Self(number as u64)
    }

    /// The extent with this number; the number must stay below 2^63.
    pub const fn extent(number: u64) -> Self {
        Self(number | Self::EXTENT)
    }

    /// Whether the blob is an extent (one long byte string) rather than a frame.
    pub const fn is_extent(self) -> bool {
        self.0 & Self::EXTENT != 0
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_extent() {
            true => write!(f, "extent {}", self.0 & !Self::EXTENT),
            false => write!(f, "frame {}", self.0),
        }
    }
}

/// A page that was staged (written, not yet published): where the store put it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A position in the endless log, in bytes. Also the age of a page and of a record.
pub type Lsn = u64;

/// A tree of the store. Ids of named trees start at 1 and are never used twice.
pub type TreeId = u32;

/// The tree that every store has from the start: the one a handle of a single tree opens.
pub const STANDALONE_TREE: TreeId = 0;

/// Trees from this one on are the engine's own.
pub const FIRST_SYSTEM_TREE: TreeId = 0xFFFF_0000;

/// The tree that maps names of trees to their ids.
pub const CATALOG_TREE: TreeId = FIRST_SYSTEM_TREE;

/// The tree of the change feed.
pub const FEED_TREE: TreeId = FIRST_SYSTEM_TREE + 1;

/// The tree of the recovery journal.
pub const JOURNAL_TREE: TreeId = FIRST_SYSTEM_TREE + 2;

/// Trees from this one on are never published. But for the first they exist only while a batch
/// is applied, and hold what undoing it would bring back.
pub const FIRST_HIDDEN_TREE: TreeId = 0xFFFF_8000;

/// The tree without a name of an image that is on its way in.
pub const INCOMING_TREE: TreeId = FIRST_HIDDEN_TREE;

/// Whether a tree is never published.
pub const fn is_hidden(tree: TreeId) -> bool {
    tree >= FIRST_HIDDEN_TREE
}

/// The identity of a store, drawn once when it is created.
pub type StoreId = [u8; 16];

/// A record's version: opaque, larger for later writes, never repeated in a store's life.
///
/// ```
/// let tree = holt_engine::db::Tree::memory()?;
/// use holt_engine::ids::RecordVersion;
///
/// tree.put(b"key", b"value")?;
/// let version = tree.get_version(b"key")?.expect("is there");
/// let sent = version.as_u64();
/// assert!(tree.delete_if_version(b"key", RecordVersion::from_raw(sent))?);
/// # Ok::<(), holt_engine::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RecordVersion(u64);

impl RecordVersion {
    /// A version that came from [`RecordVersion::as_u64`].
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The version as a number, to store or to send.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}
