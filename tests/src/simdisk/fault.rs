//! Calls that fail, and bytes that rot.

use holt_engine::error::{IoError, IoErrorKind};

use super::SECTOR_BYTES;
use super::event::Call;
use super::image::Image;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The device reports an error. A failed write leaves half of its sectors written.
    Eio,
    /// No space is left. A failed write leaves half of its sectors written.
    NoSpace,
    /// The file system went read-only; nothing is changed.
    ReadOnly,
    /// A sync fails and forgets what was dirty, so that the next one succeeds without writing
    /// it. On other calls the same as [`FaultKind::Eio`].
    DropDirty,
}

impl FaultKind {
    pub(super) fn error(self, call: Call, file: &str) -> IoError {
        let (kind, detail) = match self {
            Self::Eio | Self::DropDirty => (IoErrorKind::Device, "input/output error"),
            Self::NoSpace => (IoErrorKind::NoSpace, "no space left on device"),
            Self::ReadOnly => (IoErrorKind::ReadOnlyFilesystem, "read-only file system"),
        };
        IoError::new(kind, format!("{} {file}", call.name()), detail)
    }

    /// Whether a failed write leaves something behind.
    pub(super) const fn writes_half(self) -> bool {
        !matches!(self, Self::ReadOnly)
    }
}

/// A rule: which call fails, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which calls count; `None`: every call but reads.
    pub call: Option<Call>,
    /// Calls on which file count; `None`: on all.
    pub file: Option<String>,
    /// How many of them succeed first.
    pub after: u64,
    /// Whether all calls from then on fail, or only one.
    pub sticky: bool,
    /// How.
    pub kind: FaultKind,
}

#[derive(Default)]
pub(super) struct Faults {
    rules: Vec<(Fault, u64)>,
    calls: [u64; Call::ALL.len()],
    hit: u64,
}

impl Faults {
    pub fn add(&mut self, fault: Fault) {
        self.rules.push((fault, 0));
    }

    pub fn clear(&mut self) {
        self.rules.clear();
    }

    pub fn calls(&self, call: Call) -> u64 {
        self.calls[call as usize]
    }

    pub fn hit(&self) -> u64 {
        self.hit
    }

    /// Counts a call; says how it fails, if it does.
    pub fn next(&mut self, call: Call, file: &str) -> Option<FaultKind> {
        self.calls[call as usize] += 1;
        let mut failure = None;
        for (rule, seen) in &mut self.rules {
            let counts = rule.call.map_or(call != Call::Read, |wanted| wanted == call);
            if !counts || rule.file.as_ref().is_some_and(|wanted| wanted != file) {
                continue;
            }
            let due = if rule.sticky { *seen >= rule.after } else { *seen == rule.after };
            *seen += 1;
            if due {
                failure = failure.or(Some(rule.kind));
            }
        }
        self.hit += u64::from(failure.is_some());
        failure
    }
}

/// Damage to a file's bytes; positions past its end do nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Flips one bit; bit 0 is the lowest of byte 0.
    FlipBit(u64),
    /// Zeroes a range.
    Zero {
        /// Where.
        offset: u64,
        /// How many bytes.
        len: u64,
    },
    /// Whole sectors of a range read as they were after the first `event` events.
    Stale {
        /// Where.
        offset: u64,
        /// How many bytes.
        len: u64,
        /// Of when.
        event: usize,
    },
    /// A range was written to another place, too.
    Misdirected {
        /// From where.
        from: u64,
        /// To where.
        to: u64,
        /// How many bytes.
        len: u64,
    },
    /// The file is cut off.
    Truncated(u64),
}

impl Damage {
    pub(super) fn apply(&self, image: &mut Image, old: &Image) {
        let size = image.len();
        let clip = |offset: u64, len: u64| len.min(size.saturating_sub(offset));
        match *self {
            Self::FlipBit(bit) if bit / 8 < size => {
                let mut byte = [0];
                image.read(bit / 8, &mut byte);
                image.write(bit / 8, &[byte[0] ^ 1 << (bit % 8)]);
            }
            Self::FlipBit(_) => {}
            Self::Zero { offset, len } => image.zero(offset, len),
            Self::Stale { offset, len, .. } => {
                let start = offset / SECTOR_BYTES as u64 * SECTOR_BYTES as u64;
                let len = clip(start, (offset + len - start).next_multiple_of(512));
                let mut bytes = vec![0; len as usize];
                old.read(start, &mut bytes);
                image.write(start, &bytes);
            }
            Self::Misdirected { from, to, len } => {
                let mut bytes = vec![0; clip(from, len).min(clip(to, len)) as usize];
                image.read(from, &mut bytes);
                image.write(to, &bytes);
                image.set_len(size);
            }
            Self::Truncated(len) if len < size => image.set_len(len),
            Self::Truncated(_) => {}
        }
    }
}
