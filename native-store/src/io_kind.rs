//! By which calls of the system files are read and written.
//!
//! Owns: the choice, and whether it can be had. Never does: I/O.

use std::io;

use holt_engine::error::{Error, Result};

/// By which calls of the system the pages of a store are read and written. Single pages are
/// always accessed by positioned calls, as the log is; the choice is about several at once.
///
/// ```
/// assert_eq!(holt_native_store::Io::default(), holt_native_store::Io::Auto);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Io {
    /// The fastest there is for each call: through io_uring if the kernel grants it and the file
    /// bypasses the system's cache, else by positioned calls.
    #[default]
    Auto,
    /// Several pages go through io_uring, always. Opening fails if the kernel does not grant it.
    Uring,
    /// One positioned read or write at a time; several threads where many pages are wanted.
    Positioned,
}

impl Io {
    /// The ring to use, if this way wants one; `make` asks the kernel.
    ///
    /// # Errors
    /// `InvalidArgument` if there must be one and is none.
    pub(crate) fn ring<R>(self, make: impl FnOnce() -> io::Result<R>) -> Result<Option<R>> {
        match self {
            Self::Positioned => Ok(None),
            Self::Auto => Ok(make().ok()),
            Self::Uring => make().map(Some).map_err(|error| Error::InvalidArgument {
                what: "way to access files",
                why: refusal(&error),
            }),
        }
    }
}

/// Why the kernel gave no ring, and what to do.
fn refusal(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            "io_uring is not permitted here; allow it (sysctl kernel.io_uring_disabled, or the \
             container's seccomp profile) or open with Io::Auto or Io::Positioned"
        }
        Some(libc::ENOMEM) => {
            "io_uring may not have the memory it needs; raise the limit of locked memory \
             (ulimit -l) or open with Io::Auto or Io::Positioned"
        }
        Some(libc::EMFILE | libc::ENFILE) => {
            "io_uring needs a file descriptor and there is none; raise the limit (ulimit -n) or \
             open with Io::Auto or Io::Positioned"
        }
        _ => "this system has no io_uring; open with Io::Auto or Io::Positioned",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_that_is_refused_is_done_without_or_an_error_that_helps() {
        let refused = |number| move || Err::<(), _>(io::Error::from_raw_os_error(number));
        for number in [libc::ENOSYS, libc::EPERM, libc::ENOMEM, libc::EMFILE, libc::EINVAL] {
            assert_eq!(Io::Auto.ring(refused(number)), Ok(None), "{number}");
            let Err(Error::InvalidArgument { why, .. }) = Io::Uring.ring(refused(number)) else {
                panic!("{number}: asked for, refused, and no error");
            };
            assert!(why.contains("io_uring") && why.contains("Io::Auto"), "{why}");
        }
        for io in [Io::Auto, Io::Uring] {
            assert_eq!(io.ring(|| Ok(7)), Ok(Some(7)));
        }
        assert_eq!(
            Io::Positioned.ring(|| -> io::Result<()> { panic!("never asked for") }),
            Ok(None)
        );
    }
}
