//! Staged pages: written to free space, referred to by nobody yet.
//!
//! Owns: the allocator and the tickets. Never does: trust a ticket; each carries the serial
//! number of its staging, so one that was released names nothing, even if its place is in use
//! again.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use core::sync::atomic::Ordering;

use super::PackedStore;
use super::layout::{Run, offset};
use super::space::Space;
use crate::codec::checksum::crc32;
use crate::device::io::PositionedIo;
use crate::device::poison::lift;
use crate::error::{Error, IoError, IoErrorKind, Result};
use crate::ids::Ticket;
use crate::limits::PAGE_BYTES;

/// One staged page.
#[derive(Clone, Copy, Debug)]
pub struct Staged {
    serial: u32,
    /// CRC-32 of its bytes.
    pub crc: u32,
    /// A publish is about to refer to it: it must not be released.
    held: bool,
}

/// Free space and what is staged in it.
#[derive(Debug)]
pub struct Staging {
    /// The allocator.
    pub space: Space,
    /// Pages allocated whose write has not finished, or failed.
    pub in_flight: u64,
    staged: BTreeMap<u32, Staged>,
    serial: u32,
}

impl Staging {
    /// Nothing staged in `space`.
    pub const fn new(space: Space) -> Self {
        Self { space, in_flight: 0, staged: BTreeMap::new(), serial: 0 }
    }

    /// Staged pages.
    pub fn count(&self) -> u64 {
        self.staged.len() as u64
    }

    /// The places of staged pages.
    pub fn places(&self) -> impl Iterator<Item = u32> {
        self.staged.keys().copied()
    }

    /// The place of a ticket's page and what is known of it.
    pub fn find(&self, ticket: Ticket) -> Option<(u32, Staged)> {
        let place = ticket.0 as u32;
        let staged = *self.staged.get(&place)?;
        (u64::from(staged.serial) == ticket.0 >> 32).then_some((place, staged))
    }

    /// Keeps these places from being released while a publish refers to them, or lets them go.
    pub fn hold(&mut self, places: &[u32], held: bool) {
        for place in places {
            if let Some(staged) = self.staged.get_mut(place) {
                staged.held = held;
            }
        }
    }

    /// These places are published: they are staged no longer, and in use.
    pub fn published(&mut self, places: &[u32]) {
        for place in places {
            self.staged.remove(place);
        }
    }

    /// Frees the pages of these tickets; unknown ones name nothing.
    pub fn release(&mut self, tickets: &[Ticket]) {
        for ticket in tickets {
            if let Some((place, Staged { held: false, .. })) = self.find(*ticket) {
                self.staged.remove(&place);
                self.space.give(Run { first: place, pages: 1 });
            }
        }
    }

    /// Frees all staged pages.
    pub fn discard(&mut self) {
        let space = &mut self.space;
        self.staged.retain(|place, staged| {
            if !staged.held {
                space.give(Run { first: *place, pages: 1 });
            }
            staged.held
        });
    }

    fn begin(&mut self, pages: u32) -> Result<Vec<Run>> {
        let mut runs = Vec::new();
        if !self.space.allocate(pages, &mut runs) {
            return Err(full());
        }
        self.in_flight += u64::from(pages);
        Ok(runs)
    }

    fn finish(&mut self, runs: &[Run], crcs: &[u32], tickets: &mut Vec<Ticket>) {
        let places = runs.iter().flat_map(|run| run.first..run.first + run.pages);
        for (place, crc) in places.zip(crcs) {
            self.serial = self.serial.wrapping_add(1);
            self.staged.insert(place, Staged { serial: self.serial, crc: *crc, held: false });
            tickets.push(Ticket(u64::from(self.serial) << 32 | u64::from(place)));
        }
        self.in_flight -= crcs.len() as u64;
    }
}

/// The file cannot grow any further.
pub fn full() -> Error {
    IoError::new(IoErrorKind::NoSpace, "allocate", "the store is at its limit of 16 TiB").into()
}

impl<Io: PositionedIo> PackedStore<Io> {
    pub(super) fn stage_pages(&self, pages: &[u8], tickets: &mut Vec<Ticket>) -> Result<()> {
        let count = u32::try_from(pages.len() / PAGE_BYTES).map_err(|_| full())?;
        let crcs: Vec<u32> = pages.chunks_exact(PAGE_BYTES).map(|page| crc32(0, page)).collect();
        let runs = self.staging.lock().begin(count)?;
        let mut rest = pages;
        let mut parts = Vec::with_capacity(runs.len());
        for run in &runs {
            let (now, later) = rest.split_at(run.bytes() as usize);
            parts.push((offset(run.first), now));
            rest = later;
        }
        self.io.write_many(&parts).map_err(lift)?;
        self.counters.bytes_written.fetch_add(pages.len() as u64, Ordering::Relaxed);
        // After the writes, before the tickets: a publish that gets these tickets must sync.
        self.unsynced.store(true, Ordering::Release);
        self.staging.lock().finish(&runs, &crcs, tickets);
        Ok(())
    }
}
