//! Making room: a clock over pages and extents, dirty ones written out first.

use alloc::vec::Vec;

use super::Cache;
use super::frames::PAGE_COST;
use crate::error::Result;
use crate::limits::{MAX_TRANSFER_BYTES, PAGE_BYTES};
use crate::seeded::{self, Bug};

/// Dirty pages written out together: one transfer.
const STAGE_PAGES: usize = MAX_TRANSFER_BYTES / PAGE_BYTES / 2;

/// Stale places in the ring are swept out once their pages would have taken this much.
const STALE_BYTES: u64 = 1 << 20;

impl Cache {
    /// Evicts until the cache is within its budget, or nothing more can go. Called between
    /// operations.
    ///
    /// # Errors
    /// A failure to write dirty pages out; nothing is lost, they stay in memory.
    pub fn trim(&mut self) -> Result<()> {
        self.trim_history()?;
        if self.used > self.budget.max(self.stuck) {
            self.trim_extents()?;
            self.trim_pages()?;
            // Where dirty pages stay, a sweep may find nothing to evict: the next one waits
            // until it is worth its time.
            let fruitless = self.read_only && self.used > self.budget;
            self.stuck = if fruitless { self.used + self.used / 8 } else { 0 };
        }
        if self.ring.len() as u64 * PAGE_BYTES as u64 > 2 * self.used + STALE_BYTES {
            self.sweep_ring();
        }
        if self.read_only {
            self.released.clear();
        }
        if !self.released.is_empty() {
            let released = core::mem::take(&mut self.released);
            self.blobs.release(&released)?;
        }
        Ok(())
    }

    /// Takes places of pages that are gone, and second ones, out of the ring: without pressure
    /// the hand never finds them.
    fn sweep_ring(&mut self) {
        let mut ring = core::mem::take(&mut self.ring);
        ring.sort_unstable();
        ring.dedup();
        ring.retain(|&(frame, page)| self.frame(frame).is_ok_and(|f| f.resident.has(page)));
        self.ring = ring;
    }

    fn target(&self) -> u64 {
        self.budget - self.budget / 64
    }

    fn trim_pages(&mut self) -> Result<()> {
        let mut batch: Vec<(u32, u8)> = Vec::new();
        // The hand comes round once to forget uses, and once to evict. Pages that lead to frames
        // go last: lookups that found their way without them would not be seen to use them.
        let last_round = self.ring.len();
        let mut left = 3 * last_round + 1;
        while self.used > self.target() + batch.len() as u64 * PAGE_COST && left > 0 {
            left -= 1;
            if self.ring.is_empty() {
                break;
            }
            self.hand %= self.ring.len();
            let (frame, page) = self.ring[self.hand];
            let read_only = self.read_only;
            let Ok(control) = self.control(frame) else {
                self.ring.swap_remove(self.hand);
                continue;
            };
            let routes = control.meta.level > 0 && left > last_round;
            let unwritten = control.dirty.has(page)
                && !control.staged.contains_key(&page)
                && !seeded::is(Bug::EvictDirty);
            if !control.resident.has(page) {
                self.ring.swap_remove(self.hand);
            } else if control.take_use(page) || routes || (read_only && unwritten) {
                self.hand += 1;
            } else if unwritten {
                batch.push((frame, page));
                self.hand += 1;
                if batch.len() == STAGE_PAGES {
                    self.stage_out(&mut batch)?;
                }
            } else {
                self.note_filter(frame, page);
                self.expel(frame, page);
                self.retire(frame);
                self.ring.swap_remove(self.hand);
                self.counters.evictions += 1;
            }
        }
        self.stage_out(&mut batch)
    }

    /// Writes dirty pages out and evicts them. They stay in the ring until the hand finds them
    /// gone.
    fn stage_out(&mut self, batch: &mut Vec<(u32, u8)>) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        batch.sort_unstable();
        batch.dedup();
        let _span = crate::trace::span!("stage dirty pages", pages = batch.len());
        let mut bytes = Vec::with_capacity(batch.len() * PAGE_BYTES);
        for &(frame, page) in batch.iter() {
            if let Ok(page) = self.page(frame, page) {
                bytes.extend_from_slice(page.bytes());
            }
        }
        let mut tickets = Vec::with_capacity(batch.len());
        self.blobs.stage(&bytes, &mut tickets)?;
        for (&(frame, page), ticket) in batch.iter().zip(tickets) {
            if let Ok(control) = self.control(frame) {
                control.staged.insert(page, ticket);
            }
            self.note_filter(frame, page);
            self.expel(frame, page);
            self.counters.evictions += 1;
            self.counters.staged_evictions += 1;
        }
        batch.clear();
        Ok(())
    }

    fn trim_extents(&mut self) -> Result<()> {
        let mut left = 2 * self.extents.len() + 1;
        while self.used > self.target() && left > 0 {
            left -= 1;
            let next = self.extents.range_mut(self.extent_hand..).next();
            let Some((&extent, slot)) = next else {
                self.extent_hand = 0;
                if self.extents.is_empty() {
                    break;
                }
                continue;
            };
            self.extent_hand = extent + 1;
            if slot.bytes.is_none() || slot.referenced.take() {
                continue;
            }
            if self.read_only && slot.dirty {
                continue;
            }
            if slot.dirty && slot.staged.is_empty() {
                let bytes = padded(slot.bytes.as_deref().unwrap_or(&[]));
                self.blobs.stage(&bytes, &mut slot.staged)?;
                self.counters.staged_evictions += 1;
            }
            self.used -= u64::from(slot.len);
            slot.bytes = None;
            self.counters.evictions += 1;
            if !slot.dirty && slot.staged.is_empty() {
                self.extents.remove(&extent);
            }
        }
        Ok(())
    }
}

/// The bytes followed by zeros up to a whole number of pages.
pub fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().next_multiple_of(PAGE_BYTES));
    out.extend_from_slice(bytes);
    out.resize(bytes.len().next_multiple_of(PAGE_BYTES), 0);
    out
}
