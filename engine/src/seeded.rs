//! Mistakes planted on purpose, for a suite that must find each of them.
//!
//! Owns: their names and the question whether one is in force. Never does: exist in a normal
//! build: without the feature `seeded` the answer is a constant no, and there is no state.

#[cfg(feature = "seeded")]
use core::sync::atomic::{AtomicU8, Ordering};

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bug {
    /// The log is given back before the checkpoint that contains it is published.
    TruncateLogEarly = 1,
    /// The manifest refers to pages that were not synced.
    PublishBeforeSync,
    /// A manifest that is full is written anew where it lies.
    RewriteInPlace,
    /// After a publish that failed, what it was to replace comes free and the store goes on.
    ReleaseOnRollback,
    /// A changed page leaves memory without being written out.
    EvictDirty,
    /// Zeros end the log, wherever they are.
    ZerosEndTheLog,
    /// The log goes on behind a torn record.
    AppendAfterTornTail,
    /// A new store is not synced.
    SkipCreationSync,
    /// A sync that failed is tried again, and believed.
    RetrySync,
    /// Pages whose writing failed count as written.
    DropWorkOnError,
    /// The checksum of a log record, which holds a batch together, is not compared.
    SkipRecordChecksum,
    /// A page that a running checkpoint still refers to comes free when it changes.
    ReuseWithReaders,
    /// The key that separates two halves of a page is one byte too short.
    WrongSeparator,
    /// The deletion of a frame that was merged away is not published.
    LostDeletion,
    /// A page that a snapshot needs is not kept when it changes.
    SnapshotIgnoresChange,
    /// The checksum of a page is not compared.
    SkipPageChecksum,
}

/// The mistake in force, by number; 0 for none.
#[cfg(feature = "seeded")]
static PLANTED: AtomicU8 = AtomicU8::new(0);

#[cfg(feature = "seeded")]
impl Bug {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::TruncateLogEarly,
        Self::PublishBeforeSync,
        Self::RewriteInPlace,
        Self::ReleaseOnRollback,
        Self::EvictDirty,
        Self::ZerosEndTheLog,
        Self::AppendAfterTornTail,
        Self::SkipCreationSync,
        Self::RetrySync,
        Self::DropWorkOnError,
        Self::SkipRecordChecksum,
        Self::ReuseWithReaders,
        Self::WrongSeparator,
        Self::LostDeletion,
        Self::SnapshotIgnoresChange,
        Self::SkipPageChecksum,
    ];
}

/// Puts a mistake in force for the whole program, or none.
#[cfg(feature = "seeded")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.store(bug.map_or(0, |bug| bug as u8), Ordering::SeqCst);
}

/// Whether this mistake is in force.
#[cfg(feature = "seeded")]
#[inline]
pub(crate) fn is(bug: Bug) -> bool {
    PLANTED.load(Ordering::Relaxed) == bug as u8
}

/// Whether this mistake is in force: never.
#[cfg(not(feature = "seeded"))]
#[inline]
pub(crate) const fn is(_bug: Bug) -> bool {
    false
}
