//! Looking at one leaf page, and changing it, beside others: the way to it without touching it,
//! and what a change of nothing but its bytes is.
//!
//! Owns: which changes those are. Never does: keep others away from the page.
#![allow(unsafe_code)]

use super::change::{Place, stored_size, suffix};
use super::merge::THIN_PAGE;
use super::{Forest, Pages, Reader};
use crate::cache::Noted;
use crate::codec::order;
use crate::frame::Forms;
use crate::ids::{Lsn, TreeId};
use crate::node::record::{is_long, value_moves};
use crate::node::{Miss, Page, Query, Record, Value, search};

/// Where a key's leaf page is.
#[derive(Clone, Copy, Debug)]
pub struct Spot<'k> {
    /// The frame.
    pub frame: u32,
    /// The page.
    pub page: u8,
    pub(super) query: Query<'k>,
}

impl Spot<'_> {
    /// A number of the page's own.
    #[inline]
    pub fn id(&self) -> u64 {
        u64::from(self.frame) << 8 | u64::from(self.page)
    }
}

/// What is to become of a record.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// It is written with this value.
    Put(&'a [u8]),
    /// It is removed, if it is there.
    Delete,
}

impl<'a, P: Pages> Reader<'a, P> {
    /// The leaf page where `key` belongs, which is not looked at.
    #[inline]
    pub fn spot<'k>(self, tree: TreeId, key: &'k [u8]) -> Result<Spot<'k>, Miss> {
        let frame = self.leaf_frame(tree, key)?;
        let head = self.head(frame, 0)?;
        let query = Query { key, stripped: head.prefix_len() };
        let ordinal = head.floor(&query, self.pages)?;
        Ok(Spot { frame, page: head.pages()[ordinal], query })
    }

    #[inline]
    fn page_at(self, spot: &Spot<'_>) -> Result<&'a Page, Miss> {
        let page = self.pages.page(spot.frame, spot.page)?;
        if spot.query.key.len() < spot.query.stripped + page.prefix_len() {
            let why = "a key leads to a page whose prefix it does not have";
            return Err(Miss::Broken { frame: spot.frame, why });
        }
        Ok(page)
    }

    /// The page and the slot of the key, if it is there.
    #[inline]
    pub fn find_at(self, spot: &Spot<'_>) -> Result<Option<(&'a Page, usize)>, Miss> {
        let page = match self.page_at(spot) {
            Ok(page) => page,
            Err(miss) => return self.known_absent(miss, spot.query.key),
        };
        let slot = search::find(page, &spot.query, self.pages)?;
        Ok(slot.map(|slot| (page, slot)))
    }

    /// The page and the slot of the key, if it is on a page where it may not even belong.
    #[inline]
    pub fn find_guessed(self, spot: &Spot<'_>) -> Option<(&'a Page, usize)> {
        let page = self.pages.page(spot.frame, spot.page).ok()?;
        let behind = spot.query.key.get(spot.query.stripped..)?;
        if !order::starts_with(behind, page.prefix()) {
            return None;
        }
        let slot = search::find(page, &spot.query, self.pages).ok()??;
        Some((page, slot))
    }
}

impl Forest {
    /// Whether a record of this key and value lies on a page as a whole, so that it may be
    /// written beside others.
    pub fn lies_on_a_page(key: &[u8], value_len: usize) -> bool {
        !is_long(key.len()) && !value_moves(key.len(), value_len)
    }

    /// The place of a key of which [`Forest::lies_on_a_page`], and the version found there.
    ///
    /// # Errors
    /// Misses, and damage.
    pub fn place_at(&self, spot: &Spot<'_>) -> Result<(Place, Option<u64>), Miss> {
        let page = self.reader().page_at(spot)?;
        let (slot, exact) = search::lower_bound(page, &spot.query, &self.cache)?;
        let stripped = spot.query.stripped + page.prefix_len();
        let version = exact.then(|| Record::read(page, slot).version);
        Ok((Place { frame: spot.frame, page: spot.page, slot, exact, stripped }, version))
    }

    /// The same on a page where the key may not even belong; nothing if it is not there.
    pub fn place_guessed(&self, spot: &Spot<'_>) -> Option<(Place, u64)> {
        let (page, slot) = self.reader().find_guessed(spot)?;
        let stripped = spot.query.stripped + page.prefix_len();
        let place = Place { frame: spot.frame, page: spot.page, slot, exact: true, stripped };
        Some((place, Record::read(page, slot).version))
    }

    /// Whether the bytes of the page are all that a change at `place` changes: it has room and
    /// does not become thin, no extent comes or goes, and the frame says no more of its records
    /// than before.
    ///
    /// # Errors
    /// Misses.
    pub fn stays_on_page(
        &self,
        place: Place,
        key: &[u8],
        change: Change<'_>,
    ) -> Result<bool, Miss> {
        if !self.cache.is_free(place.frame, place.page) {
            return Ok(false);
        }
        let page = self.cache.page(place.frame, place.page)?;
        let old = place.exact.then(|| Record::read(page, place.slot));
        if old.is_some_and(|old| matches!(old.value, Value::Extent { .. })) {
            return Ok(false);
        }
        let held = old.map_or(0, |old| old.size());
        Ok(match change {
            Change::Delete => page.used() - held >= THIN_PAGE,
            Change::Put(value) => {
                let size = stored_size(key, value.len(), place.stripped);
                let fits = match place.exact {
                    true => page.free() + held >= size,
                    false => page.fits(size),
                };
                let forms = Forms::of(&record(place, key, value, 0), key.len());
                fits && self.cache.frame(place.frame)?.meta.forms.cover(forms)
            }
        })
    }

    /// Makes a change that [`Forest::stays_on_page`]; returns what is to be noted of it.
    ///
    /// # Errors
    /// Misses: nothing was changed.
    ///
    /// # Safety
    /// Nobody else looks at the page meanwhile.
    pub unsafe fn change_at(
        &self,
        place: Place,
        key: &[u8],
        change: Change<'_>,
        lsn: Lsn,
    ) -> Result<Noted, Miss> {
        let added = match (change, place.exact) {
            (Change::Put(_), false) => 1,
            (Change::Put(_), true) => 0,
            (Change::Delete, _) => -1,
        };
        let noted = Noted { frame: place.frame, page: place.page, lsn, added };
        // SAFETY: the caller keeps others away from the page.
        let page = unsafe { self.cache.change_beside(noted)? };
        let done = match (change, place.exact) {
            (Change::Put(value), true) => page.replace(place.slot, &record(place, key, value, lsn)),
            (Change::Put(value), false) => page.insert(place.slot, &record(place, key, value, lsn)),
            (Change::Delete, _) => {
                page.remove(place.slot);
                true
            }
        };
        debug_assert!(done, "it stays on the page");
        Ok(noted)
    }

    /// Takes in what was noted of changes in a tree.
    pub fn take_in(&mut self, tree: TreeId, noted: Noted) {
        self.cache.take_in(noted);
        if noted.added < 0 {
            self.note_thinned(noted.frame, noted.page);
        }
        if noted.added != 0
            && let Some(root) = self.roots.get_mut(&tree)
        {
            root.records = root.records.saturating_add_signed(i64::from(noted.added));
        }
    }
}

fn record<'a>(place: Place, key: &'a [u8], value: &'a [u8], version: u64) -> Record<'a> {
    let suffix = suffix(key, place.stripped);
    Record { version, suffix, long: None, value: Value::Inline(value) }
}
