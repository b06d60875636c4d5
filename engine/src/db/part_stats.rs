//! The figures of the parts of a store, under names of their own.
//!
//! Owns: which figures belong to which part. Never does: count; [`TreeStats`] has every figure.

use super::stats::TreeStats;

/// What opening the store had to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct OpenStats {
    /// Log records replayed.
    pub wal_replay_records: u64,
    /// Bytes of log that they and the engine's own records took.
    pub wal_replay_bytes: u64,
    /// Whether the log ended in the middle of a record.
    pub wal_torn_tail: bool,
}

/// What the log did since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct JournalStats {
    /// Records appended.
    pub appends: u64,
    /// Bytes appended.
    pub written_bytes: u64,
    /// Syncs of the device.
    pub syncs: u64,
    /// Bytes of log that a crash now would replay.
    pub checkpoint_debt: u64,
}

/// What checkpoints and the upkeep beside them did since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CheckpointerStats {
    /// Checkpoints published.
    pub rounds_succeeded: u64,
    /// Pages that they wrote.
    pub pages_flushed: u64,
    /// Pages in memory that the next one would write.
    pub last_dirty_count: u64,
    /// Thin frames merged with a neighbour.
    pub merges_total: u64,
    /// Pages evicted from the cache.
    pub evictions: u64,
}

impl TreeStats {
    /// What opening the store had to do.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// assert_eq!(tree.stats()?.open().wal_replay_records, 0);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    pub const fn open(&self) -> OpenStats {
        OpenStats {
            wal_replay_records: self.replayed_records,
            wal_replay_bytes: self.replayed_bytes,
            wal_torn_tail: self.torn_tail,
        }
    }

    /// What the log did since; all zero for a store without one.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"key", b"value")?;
    /// assert_eq!(tree.stats()?.journal().appends, 0);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    pub const fn journal(&self) -> JournalStats {
        JournalStats {
            appends: self.log_records,
            written_bytes: self.log_written_bytes,
            syncs: self.log_syncs,
            checkpoint_debt: self.log_bytes,
        }
    }

    /// What checkpoints did since.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"key", b"value")?;
    /// tree.checkpoint()?;
    /// assert_eq!(tree.stats()?.checkpointer().rounds_succeeded, 1);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    pub const fn checkpointer(&self) -> CheckpointerStats {
        CheckpointerStats {
            rounds_succeeded: self.checkpoints,
            pages_flushed: self.checkpoint_pages,
            last_dirty_count: self.dirty_pages,
            merges_total: self.merges,
            evictions: self.evictions,
        }
    }

    /// Bytes written to log and store for each byte of keys and values in commits, since the
    /// store was opened; 0 before the first commit. What is not published yet is not in it.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"key", b"value")?;
    /// tree.checkpoint()?;
    /// assert!(tree.stats()?.write_amplification() > 1.0);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    pub fn write_amplification(&self) -> f64 {
        match self.written_payload_bytes {
            0 => 0.0,
            payload => {
                let written = self.log_written_bytes.saturating_add(self.store.bytes_written);
                written as f64 / payload as f64
            }
        }
    }
}
