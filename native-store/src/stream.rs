//! Checkpoint images to files, pipes and sockets, and from them.
//!
//! Owns: the way between the engine's parts and the standard library's streams. Never does: know
//! the format, or hold more than a part.

use std::io::{ErrorKind, Read, Write};

use holt_engine::db::{DB, ImageSummary};
use holt_engine::error::{Error, Result};

use crate::file::io_error;

/// Checkpoint images as streams, for [`DB`].
///
/// ```
/// use holt_native_store::ImageStreams as _;
///
/// # fn main() -> holt_engine::error::Result<()> {
/// let db = holt_engine::db::DB::memory()?;
/// db.create_tree("files")?.put(b"a", b"1")?;
/// let mut file = Vec::new(); // or a `File`, a `TcpStream`, …
/// db.export_checkpoint_to_writer(&mut file)?;
///
/// let copy = holt_engine::db::DB::memory()?;
/// copy.install_checkpoint_from_reader(&file[..])?;
/// assert_eq!(copy.open_tree("files")?.get(b"a")?.as_deref(), Some(&b"1"[..]));
/// # Ok(())
/// # }
/// ```
pub trait ImageStreams {
    /// Writes all records of all trees as they are now, in bounded memory, and flushes `to`. To
    /// make a file durable, sync it afterwards.
    ///
    /// # Errors
    /// `BlobStoreIo` if `to` fails; those of [`DB::export_checkpoint_to`].
    fn export_checkpoint_to_writer(&self, to: impl Write) -> Result<ImageSummary>;

    /// Puts the trees of an image into this store: all of them, or nothing. Reads `from` to its
    /// end, in bounded memory.
    ///
    /// # Errors
    /// `BlobStoreIo` if `from` fails, with nothing changed; those of
    /// [`DB::install_checkpoint_from`].
    fn install_checkpoint_from_reader(&self, from: impl Read) -> Result<ImageSummary>;
}

impl ImageStreams for DB {
    fn export_checkpoint_to_writer(&self, mut to: impl Write) -> Result<ImageSummary> {
        let failed = |error| Error::from(io_error("write checkpoint image", &error));
        let summary = self.export_checkpoint_to(&mut |part| to.write_all(part).map_err(failed))?;
        to.flush().map_err(failed)?;
        Ok(summary)
    }

    fn install_checkpoint_from_reader(&self, mut from: impl Read) -> Result<ImageSummary> {
        self.install_checkpoint_from(&mut |buf| {
            let mut filled = 0;
            while filled < buf.len() {
                match from.read(&mut buf[filled..]) {
                    Ok(0) => break,
                    Ok(count) => filled += count,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(io_error("read checkpoint image", &error).into()),
                }
            }
            Ok(filled)
        })
    }
}
