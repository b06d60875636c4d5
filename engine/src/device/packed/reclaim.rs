//! Gives free space back to the device.
//!
//! Owns: how much of that one publish may do. Never does: touch a page that is in use, or one
//! that a concurrent `stage` could be given meanwhile. Long free runs go at once; short ones are
//! left for the next staging unless the store is quiet. Each call of the device costs as much as
//! writing some pages, so their number is bounded; see `dense` for what makes runs long.

use super::PackedStore;
use super::layout::{Run, offset};
use super::space::Space;
use crate::device::io::PositionedIo;
use crate::device::poison::lift;
use crate::error::Result;
use crate::limits::{MAX_PUNCHES, PUNCH_RUN_PAGES, TRIM_PAGES};

/// Free space that takes space on the device is left alone up to this part of what is used.
const SLACK: u32 = 32;

/// Whether more free space takes space on the device than is worth keeping.
pub fn has_surplus(space: &Space) -> bool {
    space.free_backed() > space.used() / SLACK + TRIM_PAGES
}

/// Whether the caller has nothing else to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quiet {
    /// It has not.
    Yes,
    /// It has just published something.
    No,
}

impl<Io: PositionedIo> PackedStore<Io> {
    /// Cuts the file's free end off and gives free runs back, longest first. Needs the manifest
    /// lock, so that there is one at a time.
    pub(super) fn reclaim(&self, quiet: Quiet) -> Result<()> {
        self.trim(quiet)?;
        let lengths: &[u32] = match quiet {
            Quiet::Yes => &[PUNCH_RUN_PAGES, PUNCH_RUN_PAGES / 4, PUNCH_RUN_PAGES / 16],
            Quiet::No => &[PUNCH_RUN_PAGES],
        };
        let mut budget = MAX_PUNCHES;
        for shortest in lengths {
            let mut from = 0;
            while budget > 0 {
                let Some(run) = self.reserve_free(from, *shortest) else { break };
                let punched = self.io.punch(offset(run.first), run.bytes());
                let mut staging = self.staging.lock();
                match punched {
                    Ok(()) => staging.space.give_punched(run),
                    Err(error) => {
                        staging.space.give(run);
                        return Err(lift(error));
                    }
                }
                from = run.first + run.pages;
                budget -= 1;
            }
        }
        Ok(())
    }

    /// Takes the next free run worth giving back out of the allocator.
    fn reserve_free(&self, from: u32, shortest: u32) -> Option<Run> {
        let mut staging = self.staging.lock();
        let space = &mut staging.space;
        if !has_surplus(space) {
            return None;
        }
        let mut from = from;
        loop {
            let run = space.next_backed_run(from, u32::MAX)?;
            if run.pages >= shortest {
                space.reserve(run);
                return Some(run);
            }
            from = run.first + run.pages;
        }
    }

    fn trim(&self, quiet: Quiet) -> Result<()> {
        let mut staging = self.staging.lock();
        let space = &mut staging.space;
        let last = space.last_used_end();
        let tail = space.end() - last;
        let least = match quiet {
            Quiet::Yes => 1,
            Quiet::No => TRIM_PAGES.max(space.used() / SLACK),
        };
        if tail >= least {
            // Under the lock: a page staged past the cut meanwhile would be cut off.
            self.io.set_len(offset(last)).map_err(lift)?;
            space.cut(last);
        }
        Ok(())
    }
}
