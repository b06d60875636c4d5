//! A checkpoint: a cut made durable, in bounded steps.
//!
//! Owns: the running cut, the order of its steps, the root record. Never does: decide when.
//! Order: the cut takes its place in the log; pages dirty at the cut are staged as they were
//! then; one publish switches to them durably; only then the log below the cut is given back.

pub mod root;

use alloc::vec::Vec;

use crate::cache::{CutPage, CutPlan, padded};
use crate::device::{BlobOp, PageAt};
use crate::error::{Corruption, CorruptionClass, Result};
use crate::forest::Forest;
use crate::ids::{BlobId, Lsn, Ticket, is_hidden};
use crate::limits::{MAX_TRANSFER_BYTES, PAGE_BYTES};
use crate::log::Log;
use crate::seeded::{self, Bug};

pub use root::RootRecord;

/// Pages staged by one call of the store.
const STAGE_PAGES: usize = MAX_TRANSFER_BYTES / PAGE_BYTES;

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
        Ok(Self { cut, root: root.encode(), plan, next_frame: 0, next_extent: 0, pages: 0, left })
    }

    /// The position up to which the checkpoint covers the log.
    pub fn cut(&self) -> Lsn {
        self.cut
    }

    /// Pages and extents still to be staged.
    pub fn left(&self) -> u64 {
        self.left
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
            let wanted = (budget - done).min(STAGE_PAGES);
            let staged = match self.stage_frames(forest, wanted)? {
                0 => self.stage_extent(forest)?,
                staged => staged,
            };
            if staged == 0 {
                return Ok(true);
            }
            done += staged;
        }
        Ok(self.left == 0)
    }

    /// Stages the next pages of frames, as one transfer.
    fn stage_frames(&mut self, forest: &mut Forest, wanted: usize) -> Result<usize> {
        let mut bytes = Vec::new();
        let mut taken: Vec<(u32, u8)> = Vec::new();
        let mut done = 0;
        for (&frame, plan) in self.plan.frames.range_mut(self.next_frame..) {
            for page in plan.pending.iter() {
                if done == wanted {
                    break;
                }
                done += 1;
                plan.pending.take(page);
                match forest.cache.cut_page(frame, page) {
                    Some(CutPage::Staged(ticket)) => {
                        plan.staged.push(PageAt { page: u32::from(page), ticket });
                        forest.cache.cut_wrote(frame, page, ticket);
                    }
                    Some(CutPage::Live(live)) => {
                        bytes.extend_from_slice(live.bytes());
                        taken.push((frame, page));
                    }
                    Some(CutPage::Kept(kept)) => {
                        bytes.extend_from_slice(kept.bytes());
                        taken.push((frame, page));
                    }
                    None => return Err(lost(BlobId::frame(frame), page)),
                }
            }
            if done == wanted {
                break;
            }
            self.next_frame = frame + 1;
        }
        if !bytes.is_empty() {
            let mut tickets = Vec::with_capacity(taken.len());
            match forest.cache.blobs().clone().stage(&bytes, &mut tickets) {
                Err(_) if seeded::is(Bug::DropWorkOnError) => {}
                staged => staged?,
            }
            for (&(frame, page), &ticket) in taken.iter().zip(&tickets) {
                forest.cache.cut_wrote(frame, page, ticket);
                if let Some(plan) = self.plan.frames.get_mut(&frame) {
                    plan.staged.push(PageAt { page: u32::from(page), ticket });
                }
            }
            self.pages += tickets.len() as u64;
        }
        self.left -= done as u64;
        Ok(done)
    }

    /// Stages the next extent; returns its pages.
    fn stage_extent(&mut self, forest: &mut Forest) -> Result<usize> {
        let next = self.plan.extents.range_mut(self.next_extent..).next();
        let Some((&extent, tickets)) = next else { return Ok(0) };
        self.next_extent = extent + 1;
        match forest.cache.cut_extent(extent) {
            Some(Err(staged)) => *tickets = staged,
            Some(Ok(bytes)) => {
                forest.cache.blobs().clone().stage(&padded(&bytes), tickets)?;
                self.pages += tickets.len() as u64;
            }
            None => return Err(lost(BlobId::extent(extent), 0)),
        }
        forest.cache.cut_wrote_extent(extent, tickets);
        self.left -= 1;
        Ok(tickets.len().max(1))
    }

    /// Publishes what was staged and gives the log back. Returns pages written.
    pub fn publish(mut self, forest: &mut Forest, log: Option<&mut Log>) -> Result<u64> {
        let _span = crate::trace::span!("publish checkpoint", cut = self.cut, left = self.left);
        while !self.step(forest, STAGE_PAGES)? {}
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
        let mut log = log;
        if seeded::is(Bug::TruncateLogEarly)
            && let Some(log) = log.as_deref_mut()
        {
            log.after_publish(self.cut)?;
        }
        forest.cache.blobs().clone().publish(&ops, &self.root)?;
        crate::trace::tell!(debug, "checkpoint published", cut = self.cut, pages = self.pages);
        forest.cache.end_plan(&self.plan);
        if let Some(log) = log {
            log.after_publish(self.cut)?;
        }
        Ok(self.pages)
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
