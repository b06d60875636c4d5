//! Images that leave and enter a store part by part, for callers that cannot wait for the whole:
//! a sandboxed engine gets and gives no more than a call carries.
//!
//! Owns: what holds between two parts. An image on its way out is of one moment; while one is on
//! its way in, nothing else is written. Never does: know the format.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::{self, Vec};

use super::image::{ImageReader, ImageSummary, ImageWriter, Nowhere};
use super::multi::DB;
use super::multi_image::{Installation, UNNAMED, finish, give_up, prepare};
use super::scan::{RangeEntry, RangeIter};
use super::shared::Shared;
use super::snapshot::Moment;
use super::view::View;
use crate::error::{Error, Result};
use crate::ids::{STANDALONE_TREE, TreeId};

impl DB {
    /// All records of all trees as they are now, with their versions, as an image that is read
    /// part by part. Others write meanwhile.
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// db.create_tree("files")?.put(b"a", b"1")?;
    /// let copy = holt_engine::db::DB::memory()?;
    /// let (mut image, mut install) = (db.begin_export()?, copy.begin_install()?);
    /// let mut part = [0; 100];
    /// loop {
    ///     match image.read(&mut part)? {
    ///         0 => break,
    ///         count => install.write(&part[..count])?,
    ///     }
    /// }
    /// install.finish()?;
    /// assert_eq!(copy.open_tree("files")?.get(b"a")?.as_deref(), Some(&b"1"[..]));
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `SnapshotEpochExhausted`, and `Poisoned` if the store can no longer be read.
    pub fn begin_export(&self) -> Result<ImageExport> {
        let (moment, names) =
            Moment::take_with(&self.shared, |core| Ok(core.catalog.names.clone()))?;
        let unnamed = (String::from(UNNAMED), STANDALONE_TREE);
        let view = |(name, tree)| (name, View::new(moment.clone(), tree, b""));
        let trees: Vec<_> = core::iter::once(unnamed).chain(names).map(view).collect();
        Ok(ImageExport {
            trees: trees.into_iter(),
            records: None,
            writer: ImageWriter::begin(),
            taken: 0,
            ended: false,
        })
    }

    /// Begins to put the trees of an image into this store, part by part; all of them, or
    /// nothing. See [`DB::install_checkpoint`](super::DB::install_checkpoint).
    ///
    /// Until it is finished or dropped, reads go on and every write and upkeep is refused with
    /// `InvalidArgument`, and nothing of the image shows.
    ///
    /// # Errors
    /// `InvalidArgument` if another one is on its way; `JournalStreamUnavailable`, `ReadOnly`,
    /// `Poisoned`, failures of the devices.
    pub fn begin_install(&self) -> Result<ImageInstall> {
        let mut core = self.shared.settled();
        prepare(&mut core)?;
        core.installing = true;
        Ok(ImageInstall {
            shared: Arc::clone(&self.shared),
            reader: ImageReader::default(),
            trees: Vec::new(),
            open: true,
        })
    }
}

/// An image on its way out; see [`DB::begin_export`].
pub struct ImageExport {
    /// Trees to come.
    trees: vec::IntoIter<(String, View)>,
    /// The records to come of the tree at hand.
    records: Option<RangeIter<View>>,
    writer: ImageWriter,
    /// How much of what was written was read.
    taken: usize,
    ended: bool,
}

impl ImageExport {
    /// Fills the buffer with the next bytes of the image and returns how many they are: fewer
    /// than it has only at the end, and none after it.
    ///
    /// # Errors
    /// `Expired` if so much changed meanwhile that the moment could not be kept; `Corrupt` and
    /// failures of the device.
    pub fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            let written = self.writer.written();
            if self.taken == written.len() {
                written.clear();
                self.taken = 0;
                if self.ended {
                    break;
                }
                self.step()?;
                continue;
            }
            let count = (buf.len() - done).min(written.len() - self.taken);
            buf[done..done + count].copy_from_slice(&written[self.taken..self.taken + count]);
            self.taken += count;
            done += count;
        }
        Ok(done)
    }

    /// Writes the next record, tree, or end.
    fn step(&mut self) -> Result<()> {
        match self.records.as_mut().map(Iterator::next) {
            Some(Some(entry)) => {
                if let RangeEntry::Key { key, value, version } = entry? {
                    self.writer.record(&key, version.as_u64(), &value);
                }
            }
            Some(None) => self.records = None,
            None => match self.trees.next() {
                Some((name, view)) if name != UNNAMED || !view.is_prefix_empty(b"")? => {
                    self.writer.tree(&name);
                    self.records = Some(view.range().into_iter());
                }
                Some(_) => {}
                None => {
                    self.writer.end();
                    self.ended = true;
                }
            },
        }
        Ok(())
    }
}

/// An image on its way in; see [`DB::begin_install`]. Dropping it changes nothing.
pub struct ImageInstall {
    shared: Arc<Shared>,
    reader: ImageReader,
    /// The trees so far.
    trees: Vec<(String, TreeId)>,
    /// Whether it is neither finished nor given up.
    open: bool,
}

impl ImageInstall {
    /// Takes the next bytes of the image in. After an error it is given up, and nothing changed.
    ///
    /// # Errors
    /// `InvalidImage`, `UnsupportedFormat`, `TreeExists`, `InvalidTreeName`, `QuotaExceeded`;
    /// `Poisoned`, failures of the devices.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.check_open()?;
        let mut core = self.shared.core.write();
        let trees = core::mem::take(&mut self.trees);
        let mut installation = Installation { core: &mut core, trees };
        let taken = self.reader.take(bytes, &mut installation);
        self.trees = installation.trees;
        drop(core);
        if taken.is_err() {
            self.give_up()?;
        }
        taken
    }

    /// Makes the image, which must be whole, part of the store. After an error it is given up.
    ///
    /// # Errors
    /// `InvalidImage` if it is not whole; `Poisoned`, failures of the devices.
    pub fn finish(&mut self) -> Result<ImageSummary> {
        self.check_open()?;
        self.open = false;
        // Held to the end: nobody may write before an image that failed is taken back.
        let mut core = self.shared.core.write();
        core.installing = false;
        let finished = core::mem::take(&mut self.reader).end().and_then(|summary| {
            finish(&mut core, &self.trees, summary)?;
            Ok(summary)
        });
        if finished.is_err() {
            give_up(&mut core, &core::mem::take(&mut self.trees))?;
        }
        finished
    }

    fn check_open(&self) -> Result<()> {
        match self.open {
            true => Ok(()),
            false => Err(Error::InvalidImage { why: "its installation ended; begin it anew" }),
        }
    }

    fn give_up(&mut self) -> Result<()> {
        self.open = false;
        let mut core = self.shared.core.write();
        core.installing = false;
        give_up(&mut core, &core::mem::take(&mut self.trees))
    }
}

impl Drop for ImageInstall {
    fn drop(&mut self) {
        if self.open {
            // A failure shows on the next write.
            let _ = self.give_up();
        }
    }
}

/// An image that is checked part by part and kept nowhere: form, checksums, order, counts. See
/// [`CheckpointImage::validate`](super::CheckpointImage::validate).
///
/// ```
/// let image = holt_engine::db::DB::memory()?.export_checkpoint()?;
/// let mut check = holt_engine::db::ImageCheck::default();
/// for part in image.as_bytes().chunks(7) {
///     check.write(part)?;
/// }
/// assert_eq!(check.finish()?, image.validate()?);
/// # Ok::<(), holt_engine::error::Error>(())
/// ```
#[derive(Default)]
pub struct ImageCheck {
    reader: ImageReader,
    failed: Option<Error>,
}

impl ImageCheck {
    /// Checks the next bytes. After an error every further call gives it again.
    ///
    /// # Errors
    /// `InvalidImage`; `UnsupportedFormat` for an image of a later version.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let taken = self.reader.take(bytes, &mut Nowhere);
        self.failed = taken.as_ref().err().cloned();
        taken
    }

    /// Checks that the image is whole, and says what it holds.
    ///
    /// # Errors
    /// `InvalidImage`, and what [`ImageCheck::write`] failed with.
    pub fn finish(self) -> Result<ImageSummary> {
        match self.failed {
            Some(error) => Err(error),
            None => self.reader.end(),
        }
    }
}
