//! What can go wrong, by type: each message says what to do next.
//!
//! Owns: the types, their texts, and the names they have as serde data. Never does: decide what
//! follows from a failure.

#[cfg(feature = "serde")]
mod data;
#[cfg(all(test, feature = "serde"))]
mod tests;

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use crate::ids::BlobId;
use crate::limits::{
    MAX_BATCH_OPS, MAX_BATCH_PAGES, MAX_BATCH_PREFIX_OPS, MAX_KEY_BYTES, MAX_VALUE_BYTES,
};

/// The result of every fallible call of the engine.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Every failure a caller can see.
///
/// As serde data (feature `serde`, formats that describe themselves, as JSON does) it is its kind,
/// which is the name of the variant in `snake_case` and stable, its `fields` if it has some, and
/// the message for people: `{"kind": "key_too_long", "fields": {"len": 70000}, "message": "key of
/// 70000 bytes …"}`. It is written only: texts that name an argument or a quota are those of the
/// program that failed.
///
/// ```
/// let tree = holt_engine::db::Tree::memory()?;
/// use holt_engine::error::Error;
///
/// let too_long = tree.put(&[0; 70_000], b"").unwrap_err();
/// assert_eq!(too_long, Error::KeyTooLong { len: 70_000 });
/// assert!(too_long.to_string().contains("shorten it"), "it says what to do");
/// # Ok::<(), holt_engine::error::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(remote = "Self", tag = "kind", content = "fields", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Error {
    /// The key is longer than the limit; nothing changed.
    #[error("key of {len} bytes is over the limit of {MAX_KEY_BYTES}; shorten it")]
    KeyTooLong {
        /// Length of the key, in bytes.
        len: usize,
    },
    /// The value is longer than the limit; nothing changed.
    #[error("value of {len} bytes is over the limit of {MAX_VALUE_BYTES}; store it in pieces")]
    ValueTooLong {
        /// Length of the value, in bytes.
        len: usize,
    },
    /// The batch would need a larger log record than is allowed; nothing changed.
    #[error("batch needs a log record of {bytes} bytes, over the limit of {maximum}; split it")]
    WalRecordTooLarge {
        /// Bytes the record would take.
        bytes: usize,
        /// Bytes a record may take.
        maximum: usize,
    },
    /// The batch has too many operations; nothing changed.
    #[error("batch of {len} operations is over the limit of {MAX_BATCH_OPS}; split it")]
    BatchTooLarge {
        /// Operations in the batch.
        len: usize,
    },
    /// The batch may change too many pages; nothing changed.
    #[error("batch may change {pages} pages, over the limit of {MAX_BATCH_PAGES}; split it")]
    BatchTooWide {
        /// Pages it may change.
        pages: usize,
    },
    /// The batch has too many operations on prefixes; nothing changed.
    #[error(
        "batch of {len} operations on prefixes is over the limit of {MAX_BATCH_PREFIX_OPS}; \
         split it"
    )]
    TooManyPrefixOps {
        /// Operations on prefixes in the batch.
        len: usize,
    },
    /// A guard of the batch did not hold; nothing changed.
    #[error("a guard of the batch did not hold and nothing changed; read again, then try again")]
    GuardFailed,
    /// There is no tree of this name.
    #[error("there is no tree named {name:?}; create it, or list the trees there are")]
    TreeNotFound {
        /// The name.
        name: String,
    },
    /// There is a tree of this name already; nothing changed.
    #[error("there is a tree named {name:?} already; open it, or choose another name")]
    TreeExists {
        /// The name.
        name: String,
    },
    /// No tree can have this name; nothing changed.
    #[error("no tree can have this name ({reason}); choose another")]
    InvalidTreeName {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The tree of this handle was dropped.
    #[error("the tree was dropped; open or create one by name and use its handle")]
    TreeDropped,
    /// The call gives back space of a whole store, and the handle is of one of its trees.
    #[error("this call works on a whole store; call it on the database, not on one of its trees")]
    GcRequiresStandaloneTree,
    /// A batch over several trees failed.
    #[error("{kind}: {source}")]
    Atomic {
        /// Whether it may have taken effect.
        kind: AtomicErrorKind,
        /// Why it failed.
        source: Box<Error>,
    },
    /// The record, or the store, is not there.
    #[error("not found")]
    NotFound,
    /// There is no store at this path.
    #[error("there is no store at {path}; check the path, or create one by opening for writing")]
    NoStore {
        /// Where it was looked for.
        path: String,
    },
    /// The destination of a rename exists and `force` was not given; nothing changed.
    #[error("the destination exists; pass force to replace it")]
    DstExists,
    /// The store was opened read-only.
    #[error("the store is open read-only; open it for writing to change it")]
    ReadOnly,
    /// Another process (or handle) holds the store.
    #[error("the store at {path} is in use by another process; close it there and try again")]
    Locked {
        /// What is locked.
        path: String,
    },
    /// A write or sync failed before; the store refuses writes until it is opened again.
    #[error("an earlier write failed ({cause}); reads go on, reopen the store to write again")]
    Poisoned {
        /// The first failure.
        cause: String,
    },
    /// The device failed.
    #[error("{0}")]
    BlobStoreIo(#[from] IoError),
    /// A page, the manifest or the log does not hold what it must.
    #[error("{0}")]
    Corrupt(#[from] Corruption),
    /// The files are not a store of this program.
    #[error("{what} is not a holt store ({why}); nothing was changed, choose another directory")]
    NotAStore {
        /// What was opened.
        what: String,
        /// How that was seen.
        why: String,
    },
    /// The store was written by a later version of the format.
    #[error("the store has format {found}, this program reads up to {supported}; upgrade it")]
    UnsupportedFormat {
        /// The version found.
        found: u32,
        /// The latest version this program reads.
        supported: u32,
    },
    /// A quota set by the host is used up.
    #[error("the quota of {limit} {what} is used up; free some or ask for more")]
    QuotaExceeded {
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// An argument is outside what the call takes; nothing changed.
    #[error("invalid {what}: {why}")]
    InvalidArgument {
        /// Which argument.
        what: &'static str,
        /// What it must be.
        why: &'static str,
    },
    /// A snapshot was given up because what it kept outgrew its limit, or a position lies below
    /// what is still kept.
    #[error("{what} is no longer kept; {advice}")]
    Expired {
        /// What was asked for.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// The store keeps a recovery journal and the call would go round it, or it keeps none.
    #[error("the journal stream is not available: {reason}")]
    JournalStreamUnavailable {
        /// Why.
        reason: &'static str,
    },
    /// Envelopes from there on are no longer kept: a checkpoint has them.
    #[error(
        "journal position {requested} is before the checkpoint at {checkpoint}; \
         start from a checkpoint image"
    )]
    JournalPositionExpired {
        /// The sequence asked for.
        requested: u64,
        /// The sequence up to which envelopes are gone.
        checkpoint: u64,
    },
    /// The anchor is not one of this journal; nothing changed.
    #[error(
        "journal anchor {requested} is not the one expected ({expected}); \
         read the journal's state and try again"
    )]
    JournalAnchorMismatch {
        /// The sequence of the anchor given.
        requested: u64,
        /// The sequence of the anchor expected.
        expected: u64,
    },
    /// A limit of a read of the journal makes no sense.
    #[error("invalid limit of a journal read: {reason}")]
    InvalidJournalScanLimit {
        /// What it must be.
        reason: &'static str,
    },
    /// The bytes are no checkpoint image, or a damaged one; nothing changed.
    #[error("the checkpoint image cannot be used ({why}); take it from its source again")]
    InvalidImage {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The key or prefix lies outside the prefix that the view was made for.
    #[error(
        "a key or prefix of {requested_len} bytes lies outside the view's prefix of {scope_len}; \
         use one within it, or another view"
    )]
    OutsideViewScope {
        /// Length of the key or prefix asked for, in bytes.
        requested_len: usize,
        /// Length of the view's prefix, in bytes.
        scope_len: usize,
    },
    /// No further snapshot can be numbered.
    #[error("all snapshot numbers are used up; reopen the store")]
    SnapshotEpochExhausted,
    /// A sandboxed engine was stopped within the call, by a limit or by a fault of its own. The
    /// next call opens the store again.
    #[error("{call} was stopped ({cause}); {}", after_interruption(*.outcome_unknown))]
    Interrupted {
        /// The call that was stopped.
        call: String,
        /// Why.
        cause: String,
        /// Whether the call may have taken effect.
        outcome_unknown: bool,
    },
}

fn after_interruption(outcome_unknown: bool) -> &'static str {
    match outcome_unknown {
        true => "whether it took effect is unknown, read before trying again",
        false => "nothing changed, raise the limit it names or try again",
    }
}

/// Whether a batch that failed may have taken effect.
///
/// ```
/// let db = holt_engine::db::DB::memory()?;
/// use holt_engine::error::{AtomicErrorKind, Error};
///
/// let failed = db.atomic(|batch| batch.put("missing", b"key", b"value"));
/// let Err(Error::Atomic { kind, source }) = failed else { panic!("there is no such tree") };
/// assert_eq!(kind, AtomicErrorKind::DefinitelyNotApplied);
/// assert!(matches!(*source, Error::TreeNotFound { .. }));
/// # Ok::<(), holt_engine::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum AtomicErrorKind {
    /// Nothing of it was or will be applied.
    DefinitelyNotApplied,
    /// All of it or nothing is found when the store is opened again.
    OutcomeUnknown,
}

impl fmt::Display for AtomicErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DefinitelyNotApplied => "the batch was not applied",
            Self::OutcomeUnknown => {
                "whether the batch was applied is unknown, reopen the store and read"
            }
        })
    }
}

/// What kind of failure a device reported; enough to decide what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum IoErrorKind {
    /// The file or directory is not there.
    NotFound,
    /// The system refused access.
    PermissionDenied,
    /// No space, or a file-size limit.
    NoSpace,
    /// The file system is mounted read-only.
    ReadOnlyFilesystem,
    /// The read went past the end.
    UnexpectedEof,
    /// The device refuses writes after an earlier failure.
    Poisoned,
    /// Any other failure of the device.
    Device,
}

/// A failure of a device call.
///
/// ```
/// use holt_engine::error::{Error, IoError, IoErrorKind};
///
/// // What a device of one's own returns.
/// let failed = IoError::new(IoErrorKind::NoSpace, "write blobs.dat", "disk quota exceeded");
/// assert!(failed.to_string().contains("free some space"));
/// assert!(matches!(Error::from(failed), Error::BlobStoreIo(_)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct IoError {
    /// What kind of failure.
    pub kind: IoErrorKind,
    /// The call that failed, as `write blobs.dat`.
    pub call: String,
    /// What the system said.
    pub detail: String,
}

impl IoError {
    /// A failure of `call`.
    pub fn new(kind: IoErrorKind, call: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind, call: call.into(), detail: detail.into() }
    }
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let advice = match self.kind {
            IoErrorKind::NotFound => "check the path",
            IoErrorKind::PermissionDenied => "check the permissions",
            IoErrorKind::NoSpace => "free some space, then reopen the store",
            IoErrorKind::ReadOnlyFilesystem => "remount it for writing or open read-only",
            IoErrorKind::UnexpectedEof => "run check: the file is shorter than it must be",
            IoErrorKind::Poisoned => "reopen the store to write again",
            IoErrorKind::Device => "check the device, then reopen the store",
        };
        write!(f, "{} failed: {}; {advice}", self.call, self.detail)
    }
}

impl core::error::Error for IoError {}

/// The classes of damage that opening, reading and `check` tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum CorruptionClass {
    /// Neither superblock is valid.
    Superblock,
    /// The manifest cannot be read up to its commit record.
    Manifest,
    /// Bytes read back differ from what was written there.
    Checksum,
    /// A page's header or layout is not possible.
    PageLayout,
    /// A page names another frame or place than the one it was read for.
    Identity,
    /// Records or anchors are out of order.
    Order,
    /// A fingerprint does not match its key.
    Fingerprint,
    /// A record lies outside its page's or frame's bounds.
    Bounds,
    /// A child's fences differ from what its parent says.
    Fence,
    /// The routing of a frame does not lead to its pages.
    Routing,
    /// A frame, page or extent that nothing leads to, or a reference to one that is missing.
    Reachability,
    /// Two owners of one page on disk, or space that is neither used nor free.
    Space,
    /// Counts that do not add up.
    Count,
    /// A version or log position that was never given out.
    Version,
    /// The log is damaged below its synced mark.
    Log,
    /// The root record of the store cannot be understood.
    Root,
    /// The catalog of names and the trees there are do not agree.
    Catalog,
}

impl CorruptionClass {
    /// The class in lower case, as `check` prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Superblock => "superblock",
            Self::Manifest => "manifest",
            Self::Checksum => "checksum",
            Self::PageLayout => "page-layout",
            Self::Identity => "identity",
            Self::Order => "order",
            Self::Fingerprint => "fingerprint",
            Self::Bounds => "bounds",
            Self::Fence => "fence",
            Self::Routing => "routing",
            Self::Reachability => "reachability",
            Self::Space => "space",
            Self::Count => "count",
            Self::Version => "version",
            Self::Log => "log",
            Self::Root => "root",
            Self::Catalog => "catalog",
        }
    }
}

/// One piece of damage: what, and where.
///
/// ```
/// use holt_engine::error::{Corruption, CorruptionClass};
/// use holt_engine::ids::BlobId;
///
/// let damage = Corruption::page(CorruptionClass::Checksum, BlobId::frame(3), 7, "differs");
/// assert!(damage.to_string().starts_with("damage (checksum) in frame 3 at 7: differs"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Corruption {
    /// What kind of damage.
    pub class: CorruptionClass,
    /// The blob it is in, if it is in one.
    pub blob: Option<BlobId>,
    /// The page of that blob, or the byte position in the log or manifest.
    pub page: Option<u64>,
    /// What was expected and what was found.
    pub detail: String,
}

impl Corruption {
    /// Damage that belongs to no blob.
    pub fn new(class: CorruptionClass, detail: impl Into<String>) -> Self {
        Self { class, blob: None, page: None, detail: detail.into() }
    }

    /// Damage of one page of a blob.
    pub fn page(
        class: CorruptionClass,
        blob: BlobId,
        page: u64,
        detail: impl Into<String>,
    ) -> Self {
        Self { class, blob: Some(blob), page: Some(page), detail: detail.into() }
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "damage ({})", self.class.name())?;
        if let Some(blob) = self.blob {
            write!(f, " in {blob}")?;
        }
        if let Some(page) = self.page {
            write!(f, " at {page}")?;
        }
        write!(f, ": {}; run `holt check`, then restore from a backup", self.detail)
    }
}

impl core::error::Error for Corruption {}
