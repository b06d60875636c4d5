//! A checkpoint: a cut made durable, in bounded steps.
//!
//! Owns: the running cut, the order of its steps, the root record. Never does: decide when.
//! Order: the cut takes its place in the log; pages dirty at the cut are staged as they were
//! then; one publish switches to them durably; only then the log below the cut is given back.

pub mod root;

use alloc::vec::Vec;

use crate::cache::{CutPage, CutPlan, padded};
use crate::device::{BlobOp, BlobStore, PageAt};
use crate::error::{Corruption, CorruptionClass, Result};
use crate::forest::Forest;
use crate::ids::{BlobId, Lsn, Ticket, is_hidden};
use crate::limits::{MAX_TRANSFER_BYTES, PAGE_BYTES};
use crate::log::Log;
use crate::seeded::{self, Bug};

pub use root::RootRecord;

/// Pages staged by one call of the store.
const STAGE_PAGES: usize = MAX_TRANSFER_BYTES / PAGE_BYTES;

/// Pages copied at a time, with everyone kept out: some microseconds.
const TAKE_PAGES: usize = 8;

/// A checkpoint under way.
pub struct Running {
    cut: Lsn,
    root: Vec<u8>,
    plan: CutPlan,
    /// Frames below were staged.
    next_frame: u32,
    /// Extents below were staged.
    next_extent: u64,
    pages: u64,
    left: u64,
    /// What was left at first.
    all: u64,
    /// The bytes of the part that is being filled, and the pages they are of.
    bytes: Vec<u8>,
    taken: Vec<(u32, u8)>,
    /// Parts handed out to be written.
    out: u64,
    /// Whether the changes were handed out to be published.
    publishing: bool,
}

impl Running {
    /// Takes the cut. Without a log, `clock` stands for the position.
    ///
    /// # Errors
    /// Failures of the log's device; `Corrupt` within a batch, whose hidden trees are not to be
    /// published.
    pub fn begin(forest: &mut Forest, log: Option<&mut Log>, clock: Lsn) -> Result<Self> {
        if forest.roots.keys().any(|tree| is_hidden(*tree)) {
            let why = "a batch left a hidden tree behind";
            return Err(Corruption::new(CorruptionClass::Root, why).into());
        }
        let mut root = RootRecord::of(forest);
        let cut = match log {
            None => {
                root.log.ceiling = clock;
                clock
            }
            Some(log) => {
                let cut = if log.is_sealed() { log.end() } else { log.append_cut()? };
                root.log = log.state(cut);
                cut
            }
        };
        let plan = forest.cache.begin_plan();
        let pages: usize = plan.frames.values().map(|frame| frame.pending.len()).sum();
        let left = (pages + plan.extents.len()) as u64;
        Ok(Self {
            cut,
            root: root.encode(),
            plan,
            next_frame: 0,
            next_extent: 0,
            pages: 0,
            left,
            all: left,
            bytes: Vec::new(),
            taken: Vec::new(),
            out: 0,
            publishing: false,
        })
    }

    /// The position up to which the checkpoint covers the log.
    pub fn cut(&self) -> Lsn {
        self.cut
    }

    /// Pages and extents still to be staged.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Pages and extents that the cut had to stage, in all.
    pub fn all(&self) -> u64 {
        self.all
    }

    /// Whether a blob is removed by this checkpoint.
    pub fn deletes(&self, blob: BlobId) -> bool {
        self.plan.deleted.contains(&blob)
    }

    /// Whether a page is removed by this checkpoint.
    pub fn drops(&self, frame: u32, page: u8) -> bool {
        self.plan.frames.get(&frame).is_some_and(|plan| plan.dropped.has(page))
    }

    /// Stages about `budget` pages; `true` if everything is staged.
    pub fn step(&mut self, forest: &mut Forest, budget: usize) -> Result<bool> {
        let mut done = 0;
        while done < budget {
            match self.next_part(forest, budget - done)? {
                Next::Staged(0) => return Ok(self.left == 0),
                Next::Staged(pages) => done += pages,
                Next::More => {}
                Next::Write(part) => {
                    let blobs = forest.cache.blobs().clone();
                    done += self.wrote(forest, part.write(&*blobs)?);
                }
            }
        }
        Ok(self.left == 0)
    }

    /// Whether what was handed out has not come back.
    pub fn is_waiting(&self) -> bool {
        self.out > 0 || self.publishing
    }

    /// What to stage next, at most `wanted` pages or one extent. Pages are copied a few at a time,
    /// so that others can come between. A part is written without the
    /// forest and comes back by [`Running::wrote`]; meanwhile the forest may change, and what
    /// the cut has of it stays as it was.
    pub fn next_part(&mut self, forest: &mut Forest, wanted: usize) -> Result<Next> {
        let part = match self.next_pages(forest, wanted.min(STAGE_PAGES))? {
            Next::Staged(0) => self.next_extent(forest)?,
            found => found,
        };
        self.out += u64::from(matches!(part, Next::Write(_)));
        Ok(part)
    }

    /// The next pages of frames, which become one transfer.
    fn next_pages(&mut self, forest: &mut Forest, wanted: usize) -> Result<Next> {
        let before = self.taken.len();
        let room = wanted.saturating_sub(before).min(TAKE_PAGES);
        let done = self.take_pages(forest, room)?;
        let staged = done - (self.taken.len() - before);
        self.left -= staged as u64;
        let full = self.taken.len() >= wanted || done < room;
        if full && !self.taken.is_empty() {
            let (bytes, taken) =
                (core::mem::take(&mut self.bytes), core::mem::take(&mut self.taken));
            return Ok(Next::Write(Part { bytes, what: What::Pages(taken), tickets: Vec::new() }));
        }
        Ok(match staged == done {
            true => Next::Staged(done),
            false => Next::More,
        })
    }

    /// Copies up to `room` pages, those aside that are staged already; returns how many both are.
    fn take_pages(&mut self, forest: &mut Forest, room: usize) -> Result<usize> {
        let mut done = 0;
        for (&frame, plan) in self.plan.frames.range_mut(self.next_frame..) {
            for page in plan.pending.iter() {
                if done == room {
                    return Ok(done);
                }
                done += 1;
                plan.pending.take(page);
                match forest.cache.cut_page(frame, page) {
                    Some(CutPage::Staged(ticket)) => {
                        plan.staged.push(PageAt { page: u32::from(page), ticket });
                        forest.cache.cut_wrote(frame, page, ticket);
                        continue;
                    }
                    Some(CutPage::Live(live)) => self.bytes.extend_from_slice(live.bytes()),
                    Some(CutPage::Kept(kept)) => self.bytes.extend_from_slice(kept.bytes()),
                    None => return Err(lost(BlobId::frame(frame), page)),
                }
                self.taken.push((frame, page));
            }
            self.next_frame = frame + 1;
        }
        Ok(done)
    }

    /// The next extent.
    fn next_extent(&mut self, forest: &mut Forest) -> Result<Next> {
        let next = self.plan.extents.range_mut(self.next_extent..).next();
        let Some((&extent, tickets)) = next else { return Ok(Next::Staged(0)) };
        self.next_extent = extent + 1;
        match forest.cache.cut_extent(extent) {
            Some(Err(staged)) => {
                *tickets = staged;
                forest.cache.cut_wrote_extent(extent, tickets);
                self.left -= 1;
                Ok(Next::Staged(tickets.len().max(1)))
            }
            Some(Ok(bytes)) => {
                let bytes = padded(&bytes);
                Ok(Next::Write(Part { bytes, what: What::Extent(extent), tickets: Vec::new() }))
            }
            None => Err(lost(BlobId::extent(extent), 0)),
        }
    }

    /// A part is written; returns its pages.
    pub fn wrote(&mut self, forest: &mut Forest, part: Written) -> usize {
        let Part { mut bytes, what, tickets } = part.0;
        bytes.clear();
        if self.bytes.capacity() == 0 {
            // Its memory takes the next part.
            self.bytes = bytes;
        }
        match what {
            What::Pages(taken) => {
                for (&(frame, page), &ticket) in taken.iter().zip(&tickets) {
                    forest.cache.cut_wrote(frame, page, ticket);
                    if let Some(plan) = self.plan.frames.get_mut(&frame) {
                        plan.staged.push(PageAt { page: u32::from(page), ticket });
                    }
                }
                self.left -= taken.len() as u64;
            }
            What::Extent(extent) => {
                forest.cache.cut_wrote_extent(extent, &tickets);
                self.plan.extents.insert(extent, tickets.clone());
                self.left -= 1;
            }
        }
        self.out -= 1;
        self.pages += tickets.len() as u64;
        tickets.len().max(1)
    }

    /// Everything is staged: what the store is to publish, which needs no forest. The
    /// checkpoint ends by [`Running::published`].
    pub fn changes(&mut self) -> Changes {
        self.publishing = true;
        let frames = self.plan.frames.iter_mut().map(|(&frame, plan)| {
            plan.staged.sort_unstable_by_key(|at| at.page);
            BlobOp::Put {
                blob: BlobId::frame(frame),
                meta: plan.meta.encode(),
                pages: plan.staged.clone(),
                dropped: plan.dropped.iter().map(u32::from).collect(),
            }
        });
        let mut ops: Vec<BlobOp> = frames.collect();
        ops.extend(self.plan.extents.iter().map(|(&extent, tickets)| BlobOp::Put {
            blob: BlobId::extent(extent),
            meta: Vec::new(),
            pages: numbered(tickets),
            dropped: Vec::new(),
        }));
        ops.extend(self.plan.deleted.iter().map(|&blob| BlobOp::Delete { blob }));
        if seeded::is(Bug::LostDeletion) {
            ops.retain(|op| !matches!(op, BlobOp::Delete { .. }));
        }
        Changes { ops, root: core::mem::take(&mut self.root) }
    }

    /// The changes are published. Returns pages written.
    pub fn published(self, forest: &mut Forest) -> u64 {
        crate::trace::tell!(debug, "checkpoint published", cut = self.cut, pages = self.pages);
        forest.cache.end_plan(&self.plan);
        self.pages
    }

    /// Stages the rest and publishes everything.
    pub fn publish(&mut self, forest: &mut Forest) -> Result<()> {
        let _span = crate::trace::span!("publish checkpoint", cut = self.cut, left = self.left);
        while !self.step(forest, STAGE_PAGES)? {}
        self.changes().publish(&**forest.cache.blobs())
    }
}

/// What is next on the way to a published cut.
pub enum Next {
    /// So many pages were staged already; none: everything is.
    Staged(usize),
    /// A part is being filled: ask again.
    More,
    /// This is to be written.
    Write(Part),
}

/// Bytes of a cut to be staged.
pub struct Part {
    bytes: Vec<u8>,
    what: What,
    tickets: Vec<Ticket>,
}

enum What {
    Pages(Vec<(u32, u8)>),
    Extent(u64),
}

/// A part that was staged.
pub struct Written(Part);

impl Part {
    /// Stages the bytes.
    ///
    /// # Errors
    /// Failures of the store, which takes no more writes then.
    pub fn write(mut self, blobs: &dyn BlobStore) -> Result<Written> {
        match blobs.stage(&self.bytes, &mut self.tickets) {
            Err(_) if seeded::is(Bug::DropWorkOnError) => {}
            staged => staged?,
        }
        Ok(Written(self))
    }
}

/// What a checkpoint publishes.
pub struct Changes {
    ops: Vec<BlobOp>,
    root: Vec<u8>,
}

impl Changes {
    /// Switches to the cut, durably.
    ///
    /// # Errors
    /// Failures of the store, which takes no more writes then.
    pub fn publish(&self, blobs: &dyn BlobStore) -> Result<()> {
        blobs.publish(&self.ops, &self.root)
    }
}

fn numbered(tickets: &[Ticket]) -> Vec<PageAt> {
    (0u32..).zip(tickets).map(|(page, &ticket)| PageAt { page, ticket }).collect()
}

/// A page that must be somewhere and is nowhere: a fault of this program, reported as damage
/// so that nothing is published over the good state.
fn lost(blob: BlobId, page: u8) -> crate::error::Error {
    let why = "a changed page is neither in memory nor staged";
    Corruption::page(CorruptionClass::Reachability, blob, u64::from(page), why).into()
}
