//! Gives free space back to the device.
//!
//! Owns: how much of that one publish may do. Never does: touch a page that is in use, or one
//! that a concurrent `stage` could be given meanwhile. Long free runs go at once; short ones are
//! left for the next staging unless there are many and the store is quiet. Each call of the
//! device costs about as much as writing a page, so their number is bounded.

use super::PackedStore;
use super::layout::{Run, offset};
use crate::device::io::PositionedIo;
use crate::device::poison::lift;
use crate::error::Result;
use crate::limits::{MAX_PUNCHES, MAX_QUIET_PUNCHES, PUNCH_RUN_PAGES, TRIM_PAGES};

/// Free space that takes space on the device is left alone up to this part of what is used.
const SLACK: u32 = 32;
/// A publish of less than this part of the free pages counts as small.
const SMALL: u64 = 16;

/// How quiet the store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quiet {
    /// The caller has nothing else to do.
    Yes,
    /// A publish of this many pages.
    After(u64),
}

impl Quiet {
    /// After a publish of `pages`.
    pub const fn after(pages: u64) -> Self {
        Self::After(pages)
    }
}

impl<Io: PositionedIo> PackedStore<Io> {
    /// Cuts the file's free end off and gives free runs back, longest first. Needs the manifest
    /// lock, so that there is one at a time.
    pub(super) fn reclaim(&self, quiet: Quiet) -> Result<()> {
        self.trim(quiet)?;
        let free = u64::from(self.staging.lock().space.free_backed());
        let (lengths, mut budget): (&[u32], usize) = match quiet {
            Quiet::Yes => (&[PUNCH_RUN_PAGES, 16, 4, 1], MAX_QUIET_PUNCHES),
            Quiet::After(pages) if pages < free / SMALL => {
                (&[PUNCH_RUN_PAGES, 16, 4, 1], MAX_PUNCHES)
            }
            Quiet::After(_) => (&[PUNCH_RUN_PAGES], MAX_PUNCHES),
        };
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
        if space.free_backed() <= space.used() / SLACK + TRIM_PAGES {
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
            Quiet::After(_) => TRIM_PAGES.max(space.used() / SLACK),
        };
        if tail >= least {
            // Under the lock: a page staged past the cut meanwhile would be cut off.
            self.io.set_len(offset(last)).map_err(lift)?;
            space.cut(last);
        }
        Ok(())
    }
}
