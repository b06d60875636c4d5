//! How a command ends when it does not end well: one line for people, an object for `--json`,
//! and the exit code.
//!
//! Owns: the exit codes.
//! Never does: print; `cli::run` does.
//!
//! | exit | meaning |
//! |---|---|
//! | 0 | done; also when the reader of a pipe went away |
//! | 1 | no such key or store, or damage |
//! | 2 | usage: arguments or input that cannot be taken |
//! | 3 | done in part: what was left out is listed |
//! | 4 | the store is in use by another process |
//! | 5 | input or output failed |

use std::fmt;
use std::io;

use holt_engine::error::{Error, IoErrorKind};

/// Why a command did not do (all of) what it was asked for.
#[derive(Debug)]
pub enum Failure {
    /// The arguments or the input cannot be taken.
    Usage(String),
    /// The key, the store or the file is not there.
    Missing(String),
    /// The result is printed and says what was left out.
    Partial(String),
    /// The result is printed and lists the damage.
    Damaged(String),
    /// The engine or its store.
    Store(Error),
    /// A file of the user, or standard input or output.
    Io {
        /// What was tried, as `reading DIR`.
        doing: String,
        /// What the system said.
        error: io::Error,
    },
    /// Nobody reads standard output any more.
    ClosedPipe,
}

impl Failure {
    /// A failed read or write of something other than the store.
    pub fn io(doing: impl Into<String>, error: io::Error) -> Self {
        Self::Io { doing: doing.into(), error }
    }

    /// The code the process ends with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::ClosedPipe => 0,
            Self::Missing(_) | Self::Damaged(_) => 1,
            Self::Usage(_) => 2,
            Self::Partial(_) => 3,
            Self::Io { error, .. } if error.kind() == io::ErrorKind::NotFound => 1,
            Self::Io { .. } => 5,
            Self::Store(error) => store_exit_code(error),
        }
    }

    /// The name of the failure in `--json`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ClosedPipe => "closed-pipe",
            Self::Damaged(_) | Self::Store(Error::Corrupt(_)) => "damage",
            Self::Store(Error::NotAStore { .. }) => "not-a-store",
            Self::Store(Error::UnsupportedFormat { .. }) => "unsupported-format",
            Self::Store(Error::DstExists) => "destination-exists",
            Self::Store(Error::Interrupted { .. }) => "interrupted",
            _ => match self.exit_code() {
                1 => "not-found",
                2 => "usage",
                3 => "partial",
                4 => "locked",
                _ => "io",
            },
        }
    }

    /// Whether the command printed its result all the same, so that `--json` needs no object
    /// for the failure.
    pub fn has_result(&self) -> bool {
        matches!(self, Self::Partial(_) | Self::Damaged(_))
    }
}

fn store_exit_code(error: &Error) -> u8 {
    match error {
        Error::NotFound
        | Error::NoStore { .. }
        | Error::Corrupt(_)
        | Error::NotAStore { .. }
        | Error::UnsupportedFormat { .. } => 1,
        Error::BlobStoreIo(io) if io.kind == IoErrorKind::NotFound => 1,
        Error::KeyTooLong { .. }
        | Error::ValueTooLong { .. }
        | Error::WalRecordTooLarge { .. }
        | Error::BatchTooLarge { .. }
        | Error::DstExists
        | Error::InvalidArgument { .. } => 2,
        Error::Locked { .. } => 4,
        _ => 5,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Missing(text) | Self::Partial(text) | Self::Damaged(text) => {
                f.write_str(text)
            }
            Self::Store(Error::DstExists) => {
                f.write_str("the destination exists; pass --force to replace it")
            }
            Self::Store(error) => error.fmt(f),
            Self::Io { doing, error } => {
                write!(f, "{doing} failed: {error}; {}", advice(error))
            }
            Self::ClosedPipe => f.write_str("standard output was closed"),
        }
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::PermissionDenied => "check the permissions",
        io::ErrorKind::StorageFull => "free some space and try again",
        io::ErrorKind::NotADirectory => "give a directory",
        io::ErrorKind::IsADirectory => "give a file",
        _ => "check the file or the device and try again",
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}
