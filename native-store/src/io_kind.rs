//! By which calls of the system files are read and written.
//!
//! Owns: the choice, and whether it can be had. Never does: I/O.

use holt_engine::error::{Error, Result};

/// By which calls of the system a store's files are read and written.
///
/// ```
/// assert_eq!(holt_native_store::Io::default(), holt_native_store::Io::Auto);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Io {
    /// The best of those that there are: at present the positioned ones.
    #[default]
    Auto,
    /// Through io_uring. This version does not have it, and says so when a store is opened.
    Uring,
    /// One positioned read or write at a time; several threads where several pages are wanted.
    Positioned,
}

impl Io {
    /// Checks that files can be accessed in this way.
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Self::Auto | Self::Positioned => Ok(()),
            Self::Uring => Err(Error::InvalidArgument {
                what: "way to access files",
                why: "this version has no io_uring; open with Io::Auto or Io::Positioned",
            }),
        }
    }
}
