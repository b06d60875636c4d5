//! What a running cut needs of pages that have changed since.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use super::{Cache, ExtentSlot};
use crate::ids::Ticket;
use crate::limits::PAGE_BYTES;
use crate::node::{Miss, Page};

/// A page as it was at the cut.
pub enum PreImage {
    /// Its bytes.
    Page(Box<Page>),
    /// It had been staged before the cut and not changed since.
    Staged(Ticket),
}

/// All pre-images of one cut.
#[derive(Default)]
pub struct PreImages {
    /// Pages changed or removed since the cut.
    pub pages: BTreeMap<(u32, u8), PreImage>,
    /// Extents removed since the cut.
    pub extents: BTreeMap<u64, ExtentSlot>,
}

impl Cache {
    /// Starts keeping pre-images.
    pub fn begin_cut(&mut self) {
        self.cut = Some(PreImages::default());
    }

    /// The pre-images of the running cut.
    pub fn cut_mut(&mut self) -> Option<&mut PreImages> {
        self.cut.as_mut()
    }

    /// Stops keeping pre-images; memory they hold is given back.
    pub fn end_cut(&mut self) {
        if let Some(cut) = self.cut.take() {
            for image in cut.pages.values() {
                if matches!(image, PreImage::Page(_)) {
                    self.used -= PAGE_BYTES as u64;
                }
            }
            for slot in cut.extents.values() {
                self.used -= slot.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
            }
        }
    }

    /// Takes a kept page image for writing it.
    pub fn take_pre_image(&mut self, frame: u32, page: u8) -> Option<PreImage> {
        let image = self.cut.as_mut()?.pages.remove(&(frame, page))?;
        if matches!(image, PreImage::Page(_)) {
            self.used -= PAGE_BYTES as u64;
        }
        Some(image)
    }

    /// Keeps a page that the running cut still has to write and that is about to change.
    pub(super) fn keep_pre_image(&mut self, frame: u32, page: u8) -> Result<(), Miss> {
        let control = self.control(frame)?;
        control.pending.take(page);
        let handle = control.handle(page);
        let image = match control.staged.remove(&page) {
            Some(ticket) => PreImage::Staged(ticket),
            None if handle.is_some() => PreImage::Page(Box::new(self.slab.get(handle).clone())),
            None => return Err(Miss::Page { frame, page }),
        };
        if matches!(image, PreImage::Page(_)) {
            self.used += PAGE_BYTES as u64;
        }
        self.counters.pre_images += 1;
        if let Some(cut) = &mut self.cut {
            cut.pages.insert((frame, page), image);
        }
        Ok(())
    }
}
