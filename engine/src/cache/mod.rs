//! Pages and extents in memory, and where they come from and go to.
//!
//! Owns: control blocks of frames, residency, dirt, eviction, staging under pressure, and the
//! pre-images a running cut needs. Never does: look inside records.
//! Invariants: a page is in exactly one newest place: in memory, else staged, else published.
//! A page that is `pending` is unchanged since the running cut. Nothing is evicted inside an
//! operation, only by [`Cache::trim`] between operations.

mod accelerator;
mod around;
mod beside;
mod cut;
mod directory;
mod evict;
mod extents;
mod fetch;
mod fill;
mod filter;
mod frames;
mod history;
mod load;
mod plan;
mod slab;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::device::BlobStore;
use crate::error::Result;
use crate::geometry::Geometry;
use crate::ids::{BlobId, Lsn, Ticket};
use crate::node::{Miss, Page};
use accelerator::Accelerator;
use directory::Directory;
use fetch::Fetching;
use history::History;
use slab::Slab;

pub use accelerator::{Guesses, Print};
pub use beside::Noted;
pub use cut::{PreImage, PreImages};
pub use evict::padded;
pub use extents::ExtentSlot;
pub use fetch::Fetch;
pub use frames::{Frame, FrameView};
pub use history::{HistoryUsage, Past};
pub use load::hopeless;
pub use plan::{CutPage, CutPlan, FramePlan};

/// Figures of the cache since opening.
#[derive(Clone, Copy, Debug, Default)]
pub struct CacheCounters {
    /// Pages and extents read from the store.
    pub misses: u64,
    /// Pages and extents evicted.
    pub evictions: u64,
    /// Dirty pages written out to make room.
    pub staged_evictions: u64,
    /// Pre-images kept for a cut.
    pub pre_images: u64,
}

/// Everything in memory of one store.
pub struct Cache {
    blobs: Arc<dyn BlobStore>,
    geometry: Geometry,
    frames: Directory,
    slab: Slab,
    accelerator: Accelerator,
    extents: BTreeMap<u64, ExtentSlot>,
    extent_hand: u64,
    ring: Vec<(u32, u8)>,
    hand: usize,
    used: u64,
    /// Bytes of it for filters.
    filters: u64,
    budget: u64,
    dirty_pages: u64,
    /// Frames with something to publish, each once, in no order; some may be gone.
    dirty_frames: Vec<u32>,
    dirty_extents: BTreeSet<u64>,
    deleted: BTreeSet<BlobId>,
    /// Those of the running cut.
    leaving: BTreeSet<BlobId>,
    released: Vec<Ticket>,
    cut: Option<PreImages>,
    history: History,
    fetching: Fetching,
    next_frame: u32,
    next_extent: u64,
    lsn: Lsn,
    read_only: bool,
    /// Memory use up to which another sweep would find as little to evict as the last one.
    stuck: u64,
    /// Figures.
    pub counters: CacheCounters,
}

impl Cache {
    /// An empty cache over `blobs`. The next numbers come from the root record.
    pub fn new(blobs: Arc<dyn BlobStore>, budget: u64, next_frame: u32, next_extent: u64) -> Self {
        Self {
            geometry: blobs.geometry(),
            blobs,
            frames: Directory::default(),
            slab: Slab::default(),
            accelerator: Accelerator::default(),
            extents: BTreeMap::new(),
            extent_hand: 0,
            ring: Vec::new(),
            hand: 0,
            used: 0,
            filters: 0,
            budget,
            dirty_pages: 0,
            dirty_frames: Vec::new(),
            dirty_extents: BTreeSet::new(),
            deleted: BTreeSet::new(),
            leaving: BTreeSet::new(),
            released: Vec::new(),
            cut: None,
            history: History::new(),
            fetching: Fetching::default(),
            next_frame,
            next_extent,
            lsn: 0,
            read_only: false,
            stuck: 0,
            counters: CacheCounters::default(),
        }
    }

    /// The store underneath.
    pub fn blobs(&self) -> &Arc<dyn BlobStore> {
        &self.blobs
    }

    /// The shape of frames.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Bytes of memory in use for pages, extents and pre-images.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// Bytes of memory that it may use.
    pub fn budget(&self) -> u64 {
        self.budget
    }

    /// Pages that differ from the published state.
    pub fn dirty_pages(&self) -> u64 {
        self.dirty_pages + self.dirty_extents.len() as u64
    }

    /// The number the next frame and the next extent will get.
    pub fn next_ids(&self) -> (u32, u64) {
        (self.next_frame, self.next_extent)
    }

    /// Sets what is told of memory for pages; see `MemoryHint`.
    pub fn set_memory_hint(&mut self, hint: Option<fn(usize, usize)>) {
        self.slab.set_hint(hint);
    }

    /// A cache that never writes to the store: what is dirty stays in memory.
    pub fn set_read_only(&mut self, read_only: bool) {
        self.read_only = read_only;
    }

    /// The log position that changes are stamped with from now on.
    pub fn set_lsn(&mut self, lsn: Lsn) {
        self.lsn = lsn;
    }

    /// The log position that changes are stamped with.
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// A page for reading.
    #[inline]
    pub fn page(&self, frame: u32, page: u8) -> Result<&Page, Miss> {
        match self.view(frame) {
            Ok(view) => view.page(page),
            Err(_) => Err(Miss::Page { frame, page }),
        }
    }

    /// A page for changing: keeps its pre-image if a cut needs it, stamps it, marks it dirty.
    pub fn page_mut(&mut self, frame: u32, page: u8) -> Result<&mut Page, Miss> {
        let handle = self.frame(frame)?.handle(page);
        if !handle.is_some() {
            return Err(Miss::Page { frame, page });
        }
        self.before_change(frame, page)?;
        let found = self.slab.get_mut(handle);
        found.set_lsn(self.lsn);
        Ok(found)
    }

    /// Gives a page new content as a whole.
    pub fn install(&mut self, frame: u32, number: u8, page: &Page) -> Result<(), Miss> {
        self.before_change(frame, number)?;
        let control = self.control(frame)?;
        control.dropped.take(number);
        let mut handle = control.handle(number);
        if handle.is_some() {
            self.slab.get_mut(handle).bytes_mut().copy_from_slice(page.bytes());
        } else {
            self.admit(frame, number, page)?;
            handle = self.frame(frame)?.handle(number);
        }
        let page = self.slab.get_mut(handle);
        page.set_lsn(self.lsn);
        page.set_identity(frame, number);
        Ok(())
    }
}
