//! What happens on a disk, one entry for each call that changes it or syncs.

use std::sync::Arc;

use holt_engine::codec::checksum::crc32;

use super::SECTOR_BYTES;

/// The kinds of calls a disk takes; faults name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// Creating a file.
    Create,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Making durable.
    Sync,
    /// Changing the length.
    SetLen,
    /// Giving space back.
    Punch,
}

impl Call {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Create, Self::Read, Self::Write, Self::Sync, Self::SetLen, Self::Punch];

    /// The kinds that change a disk or make changes durable.
    pub const CHANGES: [Self; 5] =
        [Self::Create, Self::Write, Self::Sync, Self::SetLen, Self::Punch];

    /// Its name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::SetLen => "set_len",
            Self::Punch => "punch",
        }
    }
}

/// One event, for messages and for choosing where to crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventInfo {
    /// The file.
    pub file: String,
    /// What was called.
    pub call: Call,
    /// Where: the offset, or the new length.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
}

#[derive(Clone)]
pub(super) enum Change {
    Create,
    Write {
        offset: u64,
        bytes: Arc<[u8]>,
    },
    SetLen(u64),
    Punch {
        offset: u64,
        len: u64,
    },
    /// What was written to a range before it is durable, and nothing else for that.
    SyncRange {
        offset: u64,
        len: u64,
    },
    Sync,
    FailedSync,
}

#[derive(Clone)]
pub(super) struct Event {
    pub file: usize,
    pub change: Change,
}

impl Change {
    /// The range of bytes it touches, sector by sector.
    pub fn range(&self) -> (u64, u64) {
        match self {
            Self::Write { offset, bytes } => (*offset, bytes.len() as u64),
            Self::Punch { offset, len } => (*offset, *len),
            Self::Create | Self::SetLen(_) => (0, 0),
            Self::SyncRange { .. } | Self::Sync | Self::FailedSync => (0, 0),
        }
    }

    /// Independent parts of it that a crash decides about: one for each sector, and one for the
    /// length or the directory entry.
    pub fn pieces(&self) -> usize {
        match self {
            Self::SyncRange { .. } | Self::Sync | Self::FailedSync => 0,
            Self::Create | Self::SetLen(_) => 1,
            Self::Punch { .. } => sectors(self.range()),
            Self::Write { .. } => sectors(self.range()) + 1,
        }
    }

    pub fn hash(&self, seed: u64, file: usize) -> u64 {
        let (tag, crc) = match self {
            Self::Create => (1, 0),
            Self::Write { bytes, .. } => (2, crc32(0, bytes)),
            Self::SetLen(len) => (3, *len as u32),
            Self::Punch { .. } => (4, 0),
            Self::Sync => (5, 0),
            Self::FailedSync => (6, 0),
            Self::SyncRange { offset, .. } => (7, *offset as u32),
        };
        let (offset, len) = self.range();
        [tag, file as u64, offset, len, crc.into()].into_iter().fold(seed, |hash, word| {
            (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        })
    }
}

impl Event {
    pub fn info(&self, name: &str) -> EventInfo {
        let call = match self.change {
            Change::Create => Call::Create,
            Change::Write { .. } => Call::Write,
            Change::SetLen(_) => Call::SetLen,
            Change::Punch { .. } => Call::Punch,
            Change::SyncRange { .. } | Change::Sync | Change::FailedSync => Call::Sync,
        };
        let (offset, len) = match self.change {
            Change::SetLen(len) => (len, 0),
            _ => self.change.range(),
        };
        EventInfo { file: name.to_string(), call, offset, len }
    }
}

/// Sectors that a range touches.
pub(super) fn sectors((offset, len): (u64, u64)) -> usize {
    let sector = SECTOR_BYTES as u64;
    match len {
        0 => 0,
        _ => ((offset + len).div_ceil(sector) - offset / sector) as usize,
    }
}
