//! Makes the file of a quiet store dense.
//!
//! Owns: the choice of pages to move, and the move. Never does: move a page whose bytes are not
//! what they must be, or touch a staged one. The file is seen as zones; those with the fewest
//! pages in use are emptied into the free pages of the others, so that a few long runs can be
//! given back instead of many short ones: a call that gives one page back costs more than moving
//! a page does. A move is a publish like any other, so it is atomic, and readers that lose a
//! race with it look again.

use alloc::vec;
use alloc::vec::Vec;

use super::layout::{Run, offset};
use super::reclaim::has_surplus;
use super::{Manifest, PackedStore};
use crate::codec::checksum::crc32;
use crate::device::blob::{BlobOp, PageAt};
use crate::device::io::PositionedIo;
use crate::device::poison::lift;
use crate::error::{Error, Result};
use crate::ids::{BlobId, Ticket};
use crate::limits::{MAX_MOVED_PAGES, PAGE_BYTES, ZONE_PAGES};

/// A zone is emptied only if at least this part of it is free and takes space.
const WORTH: u32 = ZONE_PAGES / 8;
/// Pages read and staged at a time.
const BATCH: usize = 256;

/// A page that is to be moved.
#[derive(Clone, Copy)]
struct Moving {
    place: u32,
    crc: u32,
    blob: BlobId,
    page: u32,
}

impl<Io: PositionedIo> PackedStore<Io> {
    /// Moves a bounded number of pages, if there is much free space in short runs.
    pub(super) fn make_dense(&self, manifest: &mut Manifest) -> Result<()> {
        let (moving, reserved) = self.choose_zones();
        let done = match moving.is_empty() {
            true => Ok(()),
            false => self.move_pages(manifest, &moving),
        };
        let mut staging = self.staging.lock();
        for run in reserved {
            staging.space.give(run);
        }
        match done {
            // Somebody discarded what was staged meanwhile: nothing moved, nothing lost.
            Err(Error::InvalidArgument { .. }) => Ok(()),
            done => done,
        }
    }

    /// The pages of the zones to be emptied, and the free pages of these zones, which are taken
    /// out of the allocator so that nothing is moved there.
    fn choose_zones(&self) -> (Vec<Moving>, Vec<Run>) {
        let table = self.table.read();
        let mut staging = self.staging.lock();
        let space = &mut staging.space;
        if !has_surplus(space) {
            return Default::default();
        }
        let mut live = vec![0u32; space.end().div_ceil(ZONE_PAGES) as usize];
        for at in table.iter().flat_map(|(_, entry)| entry.pages.iter()) {
            live[(at.place / ZONE_PAGES) as usize] += 1;
        }
        let mut zones: Vec<(u32, u32)> = live.into_iter().zip(0..).collect();
        // The emptiest first; of equals the last, so that the end of the file comes free.
        zones.sort_unstable_by_key(|(live, zone)| (*live, u32::MAX - zone));
        let mut room = space.free_backed() as usize;
        let mut moved = 0;
        let mut chosen = vec![false; zones.len()];
        let mut reserved = Vec::new();
        for (live, zone) in zones {
            let (from, to) = (zone * ZONE_PAGES, (zone + 1) * ZONE_PAGES);
            let free = space.free_backed_in(from, to);
            // Pages that are in use and not in the table cannot be moved: the zone would stay.
            let fixed = space.used_in(from, to) != live;
            let after = moved + live as usize;
            let fits = after <= MAX_MOVED_PAGES && after + free as usize <= room;
            if live == 0 || fixed || free < WORTH || !fits {
                continue;
            }
            chosen[zone as usize] = true;
            moved = after;
            room -= free as usize;
            while let Some(run) = space.next_free_run_in(from, to) {
                space.reserve(run);
                reserved.push(run);
            }
        }
        let mut moving = Vec::with_capacity(moved);
        for (blob, entry) in table.iter() {
            let here = entry.pages.iter().filter(|at| chosen[(at.place / ZONE_PAGES) as usize]);
            moving.extend(here.map(|at| Moving {
                place: at.place,
                crc: at.crc,
                blob,
                page: at.page,
            }));
        }
        moving.sort_unstable_by_key(|page| page.place);
        (moving, reserved)
    }

    fn move_pages(&self, manifest: &mut Manifest, moving: &[Moving]) -> Result<()> {
        let mut moved: Vec<(BlobId, PageAt)> = Vec::with_capacity(moving.len());
        let mut tickets = Vec::with_capacity(moving.len());
        let done = moving.chunks(BATCH).try_for_each(|part| {
            let first = tickets.len();
            let part = self.copy_pages(part, &mut tickets)?;
            let at = part.iter().zip(&tickets[first..]);
            moved.extend(
                at.map(|(from, ticket)| (from.blob, PageAt { page: from.page, ticket: *ticket })),
            );
            Ok(())
        });
        let done = done.and_then(|()| {
            moved.sort_unstable_by_key(|(blob, at)| (*blob, at.page));
            let (ops, root) = {
                let table = self.table.read();
                let put = |pages: &[(BlobId, PageAt)]| BlobOp::Put {
                    blob: pages[0].0,
                    meta: table.get(pages[0].0).map_or(Vec::new(), |entry| entry.meta.to_vec()),
                    pages: pages.iter().map(|(_, at)| *at).collect(),
                    dropped: Vec::new(),
                };
                let ops: Vec<BlobOp> = moved.chunk_by(|a, b| a.0 == b.0).map(put).collect();
                (ops, table.root().to_vec())
            };
            self.publish_locked(manifest, &ops, &root)
        });
        if done.is_err() {
            self.staging.lock().release(&tickets);
        }
        done
    }

    /// Stages copies of these pages, as far as they are what they must be; gives those that are.
    fn copy_pages(&self, pages: &[Moving], tickets: &mut Vec<Ticket>) -> Result<Vec<Moving>> {
        let mut bytes = vec![0; pages.len() * PAGE_BYTES];
        let mut parts = Vec::new();
        let mut rest = &mut bytes[..];
        for run in pages.chunk_by(|a, b| a.place + 1 == b.place) {
            let (now, later) = rest.split_at_mut(run.len() * PAGE_BYTES);
            parts.push((offset(run[0].place), now));
            rest = later;
        }
        self.io.read_many(&mut parts).map_err(lift)?;
        let mut whole = Vec::with_capacity(pages.len());
        for (number, page) in pages.iter().enumerate() {
            let at = number * PAGE_BYTES;
            if crc32(0, &bytes[at..at + PAGE_BYTES]) == page.crc {
                bytes.copy_within(at..at + PAGE_BYTES, whole.len() * PAGE_BYTES);
                whole.push(*page);
            }
        }
        self.stage_pages(&bytes[..whole.len() * PAGE_BYTES], tickets)?;
        Ok(whole)
    }
}
