//! A cache of one frame: the engine's slab and its changes beside others; eviction and loading in
//! a few lines each, for who has the store alone.

#[path = "../../../engine/src/cache/beside.rs"]
mod beside;
#[path = "../../../engine/src/cache/slab.rs"]
mod slab;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicI32;

use crate::frame::{FrameMeta, PageSet};

pub use beside::Noted;

/// What a table of guesses would know a key by; here every page in memory is guessed.
#[derive(Clone, Copy)]
pub struct Print;

impl Print {
    pub fn of(_tree: u32, _key: &[u8]) -> Option<Self> {
        Some(Self)
    }
}
pub use slab::Handle;
use slab::Slab;

use crate::ids::Lsn;
use crate::node::{Extents, Miss, Page, Watch};

/// Leaf pages of the frame.
pub const PAGES: usize = 2;

/// What the cache knows of its frame.
pub struct Frame {
    handles: [Handle; PAGES],
    pub meta: FrameMeta,
    dirty: PageSet,
    pending: PageSet,
    staged: BTreeMap<u8, Page>,
    added: AtomicI32,
}

impl Frame {
    pub fn handle(&self, page: u8) -> Handle {
        self.handles[usize::from(page)]
    }
}

/// Pages in memory and on a device. What is not in pages changes only for who is alone, which
/// loom watches too.
pub struct Cache {
    watch: Watch,
    frame: Frame,
    pub slab: Slab,
    lsn: Lsn,
    dirty_pages: u64,
    device: [Page; PAGES],
    /// Pages that went into memory another one had before.
    pub refilled: u64,
    given: Vec<Handle>,
}

impl Cache {
    /// With nothing in memory.
    pub fn new(meta: FrameMeta, device: [Page; PAGES]) -> Self {
        let (dirty, pending, staged) = (PageSet::default(), PageSet::default(), BTreeMap::new());
        let (handles, added) = ([Handle::NONE; PAGES], AtomicI32::new(0));
        let frame = Frame { handles, meta, dirty, pending, staged, added };
        let (slab, given) = (Slab::default(), Vec::new());
        let watch = Watch::new();
        Self { watch, frame, slab, lsn: 0, dirty_pages: 0, device, refilled: 0, given }
    }

    pub fn frame(&self, _frame: u32) -> Result<&Frame, Miss> {
        self.watch.look();
        Ok(&self.frame)
    }

    pub fn frame_mut(&mut self, _frame: u32) -> Result<&mut Frame, Miss> {
        self.watch.change();
        Ok(&mut self.frame)
    }

    /// There are no snapshots.
    fn keeps_frame(&self, _frame: u32) -> bool {
        false
    }

    pub fn page(&self, frame: u32, page: u8) -> Result<&Page, Miss> {
        let handle = self.frame(frame)?.handle(page);
        match handle.is_some() {
            true => Ok(self.slab.get(handle)),
            false => Err(Miss::Page { frame, page }),
        }
    }

    pub fn remember(&self, _print: Print, _frame: u32, _page: u8) -> bool {
        false
    }

    pub fn widen(&mut self) {}

    /// Nothing is known of pages that are not in memory.
    pub fn lacks(&self, _frame: u32, _page: u8, _key: &[u8]) -> bool {
        false
    }

    /// A page to change alone.
    pub fn page_mut(&mut self, frame: u32, page: u8) -> Result<&mut Page, Miss> {
        let control = self.frame_mut(frame)?;
        let handle = control.handle(page);
        control.dirty.add(page);
        control.staged.remove(&page);
        Ok(self.slab.get_mut(handle))
    }

    /// Brings a page into memory: what was written out of it last, else what is published.
    pub fn load(&mut self, miss: Miss) {
        let Miss::Page { frame, page } = miss else { panic!("nothing else is missed: {miss:?}") };
        self.watch.change();
        if self.frame.handle(page).is_some() {
            return;
        }
        let published = &self.device[usize::from(page)];
        let loaded = self.frame.staged.get(&page).unwrap_or(published);
        assert_eq!((loaded.frame(), loaded.number()), (frame, page.into()));
        let handle = self.slab.put(loaded);
        self.refilled += u64::from(self.given.contains(&handle));
        self.frame.handles[usize::from(page)] = handle;
    }

    /// Takes a page out of memory, written out if it changed.
    pub fn evict(&mut self, page: u8) {
        self.watch.change();
        let handle = self.frame.handle(page);
        if !handle.is_some() {
            return;
        }
        if self.frame.dirty.has(page) {
            self.frame.staged.insert(page, self.slab.get(handle).clone());
        }
        self.frame.handles[usize::from(page)] = Handle::NONE;
        self.given.push(handle);
        self.slab.give(handle);
    }
}

/// Keys here are short.
impl Extents for Cache {
    fn extent(&self, extent: u64, len: u32) -> Result<&[u8], Miss> {
        Err(Miss::Extent { extent, len })
    }
}
