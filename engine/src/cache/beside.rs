//! Changes of single pages beside those that look at others: what they may be made to, and what
//! is noted of them afterwards.
//!
//! Owns: when the bytes of a page are all there is to a change. Never does: keep others away;
//! the gate in front of the store does.
#![allow(unsafe_code)]

use core::sync::atomic::Ordering;

use super::Cache;
use crate::ids::Lsn;
use crate::node::{Miss, Page};

/// A change of a page that its frame does not know of yet.
#[derive(Clone, Copy, Debug)]
pub struct Noted {
    /// The frame.
    pub frame: u32,
    /// The page.
    pub page: u8,
    /// The change.
    pub lsn: Lsn,
    /// Records it added, or removed if negative.
    pub added: i8,
}

impl Cache {
    /// Whether a change of the page needs nothing kept of it, and gives nothing back.
    pub fn is_free(&self, frame: u32, page: u8) -> bool {
        let Ok(control) = self.frame(frame) else { return false };
        !control.pending.has(page)
            && !control.staged.contains_key(&page)
            && !self.keeps_frame(frame)
            && control.handle(page).is_some()
    }

    /// A page that [`Cache::is_free`], to change beside others, stamped; the frame learns of it
    /// by [`Cache::take_in`].
    ///
    /// # Errors
    /// A miss if it is not in memory.
    ///
    /// # Safety
    /// As long as what this returns is in use, nobody else may look at the page.
    #[allow(clippy::mut_from_ref, reason = "the caller has the page alone")]
    pub unsafe fn change_beside(&self, noted: Noted) -> Result<&mut Page, Miss> {
        let control = self.frame(noted.frame)?;
        let handle = control.handle(noted.page);
        if !handle.is_some() {
            return Err(Miss::Page { frame: noted.frame, page: noted.page });
        }
        if noted.added != 0 {
            control.added.fetch_add(i32::from(noted.added), Ordering::Relaxed);
        }
        // SAFETY: the caller promises the same.
        let page = unsafe { self.slab.change(handle) };
        page.set_lsn(noted.lsn);
        Ok(page)
    }

    /// Notes a change made beside others.
    pub fn take_in(&mut self, noted: Noted) {
        let Noted { frame, page, lsn, added } = noted;
        self.lsn = self.lsn.max(lsn);
        let Ok(control) = self.frame_mut(frame) else { return };
        control.meta.lsn = control.meta.lsn.max(lsn);
        control.meta.live = control.meta.live.saturating_add_signed(i32::from(added));
        *control.added.get_mut() -= i32::from(added);
        let clean = !control.dirty.has(page);
        control.dirty.add(page);
        self.dirty_pages += u64::from(clean);
    }
}
