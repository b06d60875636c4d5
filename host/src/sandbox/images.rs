//! Checkpoint images that a sandboxed engine writes and takes in, chunk by chunk.

use holt_engine::db::ImageSummary;
use holt_engine::error::{Error, Result};

use super::instance::{Given, Handle, Kind, Shared, databases, exports, installs, lock};
use crate::api::{ImageExport, ImageInstall, MAX_IMAGE_CHUNK_BYTES};

/// Begins an image on its way out.
pub(super) fn export(shared: &Shared) -> Result<Box<dyn ImageExport + Send>> {
    let handle = Handle::ask(shared, Given::Image, |instance| {
        instance.call("export-image", Kind::Read, |run| {
            databases(&run.world).call_export_image(&mut run.store, run.root)
        })
    })?;
    Ok(Box::new(SandboxExport { handle }))
}

/// Begins an image on its way in.
pub(super) fn install(shared: &Shared) -> Result<Box<dyn ImageInstall + Send>> {
    let handle = Handle::ask(shared, Given::Image, |instance| {
        instance.call("install-image", Kind::Long, |run| {
            databases(&run.world).call_install_image(&mut run.store, run.root)
        })
    })?;
    Ok(Box::new(SandboxInstall { handle }))
}

/// An image that the guest writes.
struct SandboxExport {
    handle: Handle,
}

impl ImageExport for SandboxExport {
    fn next_chunk(&mut self) -> Result<Vec<u8>> {
        let bytes = self.handle.call("export-image", Kind::Read, |run, export| {
            exports(&run.world).call_next(&mut run.store, export)
        })?;
        match bytes.len() {
            0..=MAX_IMAGE_CHUNK_BYTES => Ok(bytes),
            _ => Err(Error::InvalidImage { why: "the engine gave a chunk over its limit" }),
        }
    }
}

/// An image that the guest takes in.
struct SandboxInstall {
    handle: Handle,
}

impl ImageInstall for SandboxInstall {
    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        for chunk in bytes.chunks(MAX_IMAGE_CHUNK_BYTES) {
            self.handle.call("install-image", Kind::Long, |run, install| {
                installs(&run.world).call_push(&mut run.store, install, chunk)
            })?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<ImageSummary> {
        let shared = self.handle.shared()?;
        let mut instance = lock(&shared);
        let install = self.handle.resource_in(&instance)?;
        let summary = instance.call("install-image", Kind::LongWrite, |run| {
            installs(&run.world).call_finish(&mut run.store, install)
        })?;
        let (trees, records) = (summary.trees, summary.records);
        Ok(ImageSummary { trees, records, max_version: summary.max_version })
    }
}
