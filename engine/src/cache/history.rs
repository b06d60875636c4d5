//! What snapshots still need of pages and extents that have changed since.
//!
//! Owns: live snapshots by *epoch*, and *past images*: what a page held before its first change
//! after a snapshot was taken. Never does: decide when a snapshot ends.
//!
//! Taking a snapshot adds one to the epoch and nothing else. An image kept at epoch `k` serves
//! every live snapshot above the image kept before it and up to `k`; a page without such an
//! image is as it was. Images are memory up to a part of the cache's budget, then staged pages
//! of the store, which a crash gives back by itself. When they outgrow what the store was told
//! they may take, the oldest snapshot expires.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Bound::{Excluded, Included, Unbounded};

use super::evict::padded;
use super::load::check_page;
use super::slab::Handle;
use super::{Cache, FrameView};
use crate::error::{Error, Result};
use crate::ids::Ticket;
use crate::limits::{DEFAULT_SNAPSHOT_BYTES, HISTORY_SHARE, MAX_TRANSFER_BYTES, PAGE_BYTES};
use crate::node::{Extents, Miss, Page};

/// Images written out together.
const SPILL_PAGES: usize = MAX_TRANSFER_BYTES / PAGE_BYTES / 2;

/// Bytes kept for snapshots: in memory, staged, or both.
#[derive(Debug, Default)]
struct Image<T> {
    memory: Option<T>,
    staged: Vec<Ticket>,
}

/// A page as it was before it changed.
struct PastPage {
    kept: u64,
    image: Image<Handle>,
}

/// An extent as it was before it was removed.
struct PastExtent {
    kept: u64,
    len: u32,
    image: Image<Arc<[u8]>>,
}

/// What a snapshot cannot lead to: frames and extents from these numbers on came after it.
#[derive(Clone, Copy)]
struct Born {
    frame: u32,
    extent: u64,
}

/// What an epoch kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Page(u32, u8),
    Extent(u64),
}

/// Figures of snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryUsage {
    /// Live snapshots.
    pub snapshots: u64,
    /// Bytes of past images in memory.
    pub memory_bytes: u64,
    /// Bytes of past images in staged pages of the store.
    pub staged_bytes: u64,
    /// Snapshots that expired since opening.
    pub expired: u64,
}

/// Live snapshots and the images they need.
#[derive(Default)]
pub struct History {
    epoch: u64,
    live: BTreeMap<u64, Born>,
    pages: BTreeMap<(u32, u8), Vec<PastPage>>,
    extents: BTreeMap<u64, PastExtent>,
    by_epoch: BTreeMap<u64, Vec<Kept>>,
    usage: HistoryUsage,
    /// Bytes of all images, each counted once: one that is read back is staged too.
    kept: u64,
    /// Most bytes of images, wherever they are.
    limit: u64,
}

impl History {
    /// No snapshots yet.
    pub fn new() -> Self {
        Self { limit: DEFAULT_SNAPSHOT_BYTES, ..Self::default() }
    }

    /// The newest snapshot, which all that an older one leads to was there for.
    fn newest(&self) -> Option<Born> {
        self.live.last_key_value().map(|(_, born)| *born)
    }

    fn page(&self, frame: u32, page: u8, epoch: u64) -> Option<&PastPage> {
        let images = self.pages.get(&(frame, page))?;
        images.get(images.partition_point(|image| image.kept < epoch))
    }

    fn has_page(&self, frame: u32, page: u8) -> bool {
        let last = self.pages.get(&(frame, page)).and_then(|images| images.last());
        last.is_some_and(|image| image.kept == self.epoch)
    }
}

impl Cache {
    /// Takes a snapshot of all pages and extents; returns its epoch.
    ///
    /// # Errors
    /// `SnapshotEpochExhausted` after 2^64 snapshots.
    pub fn take_snapshot(&mut self) -> Result<u64> {
        let next = self.history.epoch.checked_add(1).ok_or(Error::SnapshotEpochExhausted)?;
        self.history.epoch = next;
        let (frame, extent) = self.next_ids();
        self.history.live.insert(next, Born { frame, extent });
        self.history.usage.snapshots += 1;
        Ok(next)
    }

    /// Lets the next snapshot be the one after so many.
    #[cfg(test)]
    pub(crate) fn skip_epochs(&mut self, epoch: u64) {
        self.history.epoch = self.history.epoch.max(epoch);
    }

    /// Sets how many bytes of images snapshots may hold, in memory and in the store together.
    pub fn set_history_limit(&mut self, bytes: u64) {
        self.history.limit = bytes;
    }

    /// Whether changes of a frame must keep what they replace.
    #[inline]
    pub fn keeps_frame(&self, frame: u32) -> bool {
        self.history.newest().is_some_and(|born| frame < born.frame)
    }

    /// Whether an extent that is removed must be kept.
    pub(super) fn keeps_extent(&self, extent: u64) -> bool {
        self.history.newest().is_some_and(|born| extent < born.extent)
    }

    /// Whether a snapshot can still be read.
    pub fn has_snapshot(&self, epoch: u64) -> bool {
        self.history.live.contains_key(&epoch)
    }

    /// Figures of snapshots.
    pub fn history_usage(&self) -> HistoryUsage {
        self.history.usage
    }

    /// The pages and extents of a live snapshot.
    pub fn past(&self, epoch: u64) -> Past<'_> {
        Past { cache: self, epoch }
    }

    /// Keeps a page that is about to change, if a snapshot needs it as it is.
    pub(super) fn keep_past(&mut self, frame: u32, page: u8) {
        if self.history.has_page(frame, page) {
            return;
        }
        let Ok(found) = self.frame(frame).map(|control| control.handle(page)) else { return };
        if !found.is_some() {
            return;
        }
        let found = self.slab.get(found).clone();
        let copy = self.slab.put(&found);
        let epoch = self.history.epoch;
        let image = Image { memory: Some(copy), staged: Vec::new() };
        let images = self.history.pages.entry((frame, page)).or_default();
        images.push(PastPage { kept: epoch, image });
        self.history.by_epoch.entry(epoch).or_default().push(Kept::Page(frame, page));
        self.history.kept += PAGE_BYTES as u64;
        self.charge(PAGE_BYTES as u64);
    }

    /// Keeps an extent that is about to be removed. One that is not in memory cannot be kept:
    /// then the snapshots that may need it expire.
    pub(super) fn keep_past_extent(&mut self, extent: u64) {
        let slot = self.extents.get(&extent);
        let Some(bytes) = slot.and_then(|slot| slot.bytes.clone()) else {
            self.expire_all();
            return;
        };
        let (kept, len) = (self.history.epoch, bytes.len() as u32);
        let image = Image { memory: Some(bytes), staged: Vec::new() };
        self.history.extents.insert(extent, PastExtent { kept, len, image });
        self.history.by_epoch.entry(kept).or_default().push(Kept::Extent(extent));
        self.history.kept += u64::from(len);
        self.charge(u64::from(len));
    }

    fn charge(&mut self, bytes: u64) {
        self.used += bytes;
        self.history.usage.memory_bytes += bytes;
    }

    fn discharge(&mut self, bytes: u64) {
        self.used -= bytes;
        self.history.usage.memory_bytes -= bytes;
    }

    /// Ends a snapshot and gives back what only it needed.
    pub fn retire_snapshot(&mut self, epoch: u64) {
        if self.history.live.remove(&epoch).is_none() {
            return;
        }
        self.history.usage.snapshots -= 1;
        let below = self.history.live.range(..epoch).next_back();
        let below = below.map(|(&below, &born)| (below, born));
        let above = self.history.live.range(epoch..).next().map(|(&above, _)| above);
        // Images kept from `above` on serve it too.
        let end = above.map_or(Unbounded, Excluded);
        let epochs: Vec<u64> =
            self.history.by_epoch.range((Included(epoch), end)).map(|(&kept, _)| kept).collect();
        for kept in epochs {
            let Some(items) = self.history.by_epoch.remove(&kept) else { continue };
            let rest: Vec<Kept> =
                items.into_iter().filter(|item| !self.drop_image(*item, kept, below)).collect();
            if !rest.is_empty() {
                self.history.by_epoch.insert(kept, rest);
            }
        }
    }

    /// Drops an image unless the snapshot `below` needs it; whether it did.
    fn drop_image(&mut self, item: Kept, kept: u64, below: Option<(u64, Born)>) -> bool {
        match item {
            Kept::Page(frame, page) => {
                let Some(images) = self.history.pages.get_mut(&(frame, page)) else { return true };
                let at = images.partition_point(|image| image.kept < kept);
                let before = at.checked_sub(1).map_or(0, |before| images[before].kept);
                let needed = |(below, born): (u64, Born)| below > before && frame < born.frame;
                if at >= images.len() || below.is_some_and(needed) {
                    return at >= images.len();
                }
                let gone = images.remove(at);
                if images.is_empty() {
                    self.history.pages.remove(&(frame, page));
                }
                if let Some(copy) = gone.image.memory {
                    self.slab.give(copy);
                }
                self.forget_image(gone.image, PAGE_BYTES as u64);
            }
            Kept::Extent(extent) => {
                if below.is_some_and(|(_, born)| extent < born.extent) {
                    return false;
                }
                if let Some(gone) = self.history.extents.remove(&extent) {
                    self.forget_image(gone.image, u64::from(gone.len));
                }
            }
        }
        true
    }

    fn forget_image<T>(&mut self, image: Image<T>, bytes: u64) {
        self.history.kept -= bytes;
        if image.memory.is_some() {
            self.discharge(bytes);
        }
        self.history.usage.staged_bytes -= (image.staged.len() * PAGE_BYTES) as u64;
        self.released.extend(image.staged);
    }

    fn expire_all(&mut self) {
        let live: Vec<u64> = self.history.live.keys().copied().collect();
        for epoch in live {
            self.expire(epoch);
        }
    }

    fn expire(&mut self, epoch: u64) {
        let kept = self.history.kept;
        self.retire_snapshot(epoch);
        self.history.usage.expired += 1;
        crate::trace::tell!(warn, "a snapshot expired", epoch = epoch, kept_bytes = kept);
    }

    /// Brings past images within their bounds: first out of memory, then, by letting the oldest
    /// snapshot expire, out of the store.
    pub(super) fn trim_history(&mut self) -> Result<()> {
        while self.history.kept > self.history.limit {
            let Some((&oldest, _)) = self.history.live.first_key_value() else { break };
            self.expire(oldest);
        }
        let share = self.budget / HISTORY_SHARE;
        if self.read_only || self.history.usage.memory_bytes <= share {
            return Ok(());
        }
        let mut items: Vec<Kept> = Vec::new();
        let excess = self.history.usage.memory_bytes - share / 2;
        let mut found = 0;
        'epochs: for kept in self.history.by_epoch.values() {
            for item in kept {
                let bytes = self.history.memory_of(*item);
                if bytes > 0 {
                    items.push(*item);
                    found += bytes;
                    if found >= excess {
                        break 'epochs;
                    }
                }
            }
        }
        for batch in items.chunks(SPILL_PAGES) {
            self.spill_history(batch)?;
        }
        Ok(())
    }

    /// Stages images and lets go of their memory. After a failure all of them are in memory.
    fn spill_history(&mut self, items: &[Kept]) -> Result<()> {
        let mut bytes = Vec::new();
        let mut places = Vec::new();
        for item in items {
            match *item {
                Kept::Page(frame, page) => {
                    for past in self.history.pages.get(&(frame, page)).into_iter().flatten() {
                        let Some(copy) = past.image.memory else { continue };
                        if past.image.staged.is_empty() {
                            bytes.extend_from_slice(self.slab.get(copy).bytes());
                            places.push((frame, page, past.kept));
                        }
                    }
                }
                Kept::Extent(extent) => self.spill_extent(extent)?,
            }
        }
        let tickets = self.stage_pages(&bytes)?;
        for ((frame, page, kept), ticket) in places.into_iter().zip(tickets) {
            self.history.usage.staged_bytes += PAGE_BYTES as u64;
            let images = self.history.pages.get_mut(&(frame, page));
            match images.and_then(|images| images.iter_mut().find(|past| past.kept == kept)) {
                Some(past) => past.image.staged.push(ticket),
                None => self.released.push(ticket),
            }
        }
        for item in items {
            let Kept::Page(frame, page) = *item else { continue };
            for past in self.history.pages.get_mut(&(frame, page)).into_iter().flatten() {
                if let Some(copy) = past.image.memory.take() {
                    self.slab.give(copy);
                    self.used -= PAGE_BYTES as u64;
                    self.history.usage.memory_bytes -= PAGE_BYTES as u64;
                }
            }
        }
        Ok(())
    }

    /// Stages pages; after a failure those that were are given back.
    fn stage_pages(&mut self, bytes: &[u8]) -> Result<Vec<Ticket>> {
        let mut tickets = Vec::with_capacity(bytes.len() / PAGE_BYTES);
        let staged = bytes
            .chunks(MAX_TRANSFER_BYTES)
            .try_for_each(|part| self.blobs.stage(part, &mut tickets));
        match staged {
            Ok(()) => Ok(tickets),
            Err(error) => {
                self.released.extend(tickets);
                Err(error)
            }
        }
    }

    fn spill_extent(&mut self, extent: u64) -> Result<()> {
        let Some(past) = self.history.extents.get(&extent) else { return Ok(()) };
        let Some(bytes) = past.image.memory.clone() else { return Ok(()) };
        let staged = match past.image.staged.is_empty() {
            true => self.stage_pages(&padded(&bytes))?,
            false => Vec::new(),
        };
        self.history.usage.staged_bytes += (staged.len() * PAGE_BYTES) as u64;
        if let Some(past) = self.history.extents.get_mut(&extent) {
            past.image.staged.extend(staged);
            past.image.memory = None;
        }
        self.discharge(bytes.len() as u64);
        Ok(())
    }

    /// Reads an image back that was staged.
    pub(super) fn load_past_page(&mut self, frame: u32, page: u8, epoch: u64) -> Result<()> {
        let Some(past) = self.history.page(frame, page, epoch) else { return Ok(()) };
        let (Some(&ticket), kept) = (past.image.staged.first(), past.kept) else { return Ok(()) };
        let mut loaded = Page::blank();
        self.blobs.read_staged(ticket, loaded.bytes_mut())?;
        check_page(&loaded, frame, page, self.geometry.pages())?;
        let loaded = self.slab.put(&loaded);
        let images = self.history.pages.get_mut(&(frame, page));
        let past = images.and_then(|images| images.iter_mut().find(|past| past.kept == kept));
        match past.map(|past| past.image.memory.replace(loaded)) {
            Some(None) => self.charge(PAGE_BYTES as u64),
            // It is there already, or nobody wants it any more.
            Some(Some(unused)) => self.slab.give(unused),
            None => self.slab.give(loaded),
        }
        self.counters.misses += 1;
        Ok(())
    }

    /// Reads an extent back that was staged.
    pub(super) fn load_past_extent(&mut self, extent: u64) -> Result<()> {
        let Some(past) = self.history.extents.get(&extent) else { return Ok(()) };
        let mut bytes = alloc::vec![0; past.image.staged.len() * PAGE_BYTES];
        for (ticket, page) in past.image.staged.iter().zip(bytes.chunks_mut(PAGE_BYTES)) {
            self.blobs.read_staged(*ticket, page)?;
        }
        let len = past.len;
        bytes.truncate(len as usize);
        if let Some(past) = self.history.extents.get_mut(&extent)
            && past.image.memory.replace(bytes.into()).is_none()
        {
            self.charge(u64::from(len));
        }
        self.counters.misses += 1;
        Ok(())
    }
}

impl History {
    /// Bytes of memory that the images of one place take.
    fn memory_of(&self, item: Kept) -> u64 {
        match item {
            Kept::Page(frame, page) => {
                let images = self.pages.get(&(frame, page)).map_or(&[][..], |images| images);
                let count = images.iter().filter(|past| past.image.memory.is_some()).count();
                (count * PAGE_BYTES) as u64
            }
            Kept::Extent(extent) => {
                let past = self.extents.get(&extent).filter(|past| past.image.memory.is_some());
                past.map_or(0, |past| u64::from(past.len))
            }
        }
    }
}

/// Pages and extents as a snapshot saw them.
#[derive(Clone, Copy)]
pub struct Past<'a> {
    cache: &'a Cache,
    epoch: u64,
}

impl Past<'_> {
    /// Bytes of memory in use.
    #[cfg(test)]
    pub(crate) fn used(&self) -> u64 {
        self.cache.used()
    }

    /// A page as it was.
    pub fn page(&self, frame: u32, page: u8) -> Result<&Page, Miss> {
        match self.cache.history.page(frame, page, self.epoch) {
            Some(PastPage { image: Image { memory: Some(copy), .. }, .. }) => {
                Ok(self.cache.slab.get(*copy))
            }
            Some(_) => Err(Miss::PastPage { frame, page, epoch: self.epoch }),
            None => self
                .cache
                .view(frame)
                .map_or(Err(Miss::Page { frame, page }), |view: FrameView<'_>| view.page(page)),
        }
    }
}

impl Extents for Past<'_> {
    fn extent(&self, extent: u64, len: u32) -> Result<&[u8], Miss> {
        match self.cache.history.extents.get(&extent) {
            Some(past) if past.kept >= self.epoch => match &past.image.memory {
                Some(bytes) if past.len == len => Ok(bytes),
                Some(_) => Err(Miss::Broken { frame: 0, why: "an extent has another length" }),
                None => Err(Miss::PastExtent { extent }),
            },
            _ => self.cache.extent(extent, len),
        }
    }
}
