//! Exported images: a checkpoint of all trees, out and in, chunk by chunk.

use std::cell::RefCell;

use holt_engine::db::{DB, ImageExport, ImageInstall, ImageSummary};
use holt_engine::error::{Error, Result};
use holt_wire::limits::{MAX_IMAGE_CHUNK_BYTES, MAX_IMAGES};

use crate::bindings::exports::holt::metadata::database as exported;
use crate::bindings::holt::metadata::types as wit;
use crate::convert::error_to_wit;
use crate::snapshot::{Counter, Held};

/// The images of this instance.
static IMAGES: Counter = Counter::new(MAX_IMAGES, "open images");

/// An image on its way out, behind a handle.
pub(crate) struct OpenExport {
    export: RefCell<ImageExport>,
    _held: Held,
}

impl OpenExport {
    /// Begins one, if one more may be open.
    pub(crate) fn begin(db: &DB) -> Result<Self> {
        let held = IMAGES.take()?;
        Ok(Self { export: RefCell::new(db.begin_export()?), _held: held })
    }

    fn read(&self) -> Result<Vec<u8>> {
        let mut chunk = vec![0; MAX_IMAGE_CHUNK_BYTES];
        let count = self.export.borrow_mut().read(&mut chunk)?;
        chunk.truncate(count);
        Ok(chunk)
    }
}

impl exported::GuestImageExport for OpenExport {
    fn next(&self) -> Result<Vec<u8>, wit::Error> {
        self.read().map_err(error_to_wit)
    }
}

/// An image on its way in, behind a handle.
pub(crate) struct OpenInstall {
    install: RefCell<ImageInstall>,
    _held: Held,
}

impl OpenInstall {
    /// Begins one, if one more may be open.
    pub(crate) fn begin(db: &DB) -> Result<Self> {
        let held = IMAGES.take()?;
        Ok(Self { install: RefCell::new(db.begin_install()?), _held: held })
    }

    fn take(&self, bytes: &[u8]) -> Result<()> {
        if bytes.len() > MAX_IMAGE_CHUNK_BYTES {
            let why = "must have at most 1 MiB";
            return Err(Error::InvalidArgument { what: "chunk of an image", why });
        }
        self.install.borrow_mut().write(bytes)
    }
}

impl exported::GuestImageInstall for OpenInstall {
    fn push(&self, bytes: Vec<u8>) -> Result<(), wit::Error> {
        self.take(&bytes).map_err(error_to_wit)
    }

    fn finish(&self) -> Result<exported::ImageSummary, wit::Error> {
        let ImageSummary { trees, records, max_version } =
            self.install.borrow_mut().finish().map_err(error_to_wit)?;
        Ok(exported::ImageSummary { trees, records, max_version })
    }
}
