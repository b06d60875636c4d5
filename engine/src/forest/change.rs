//! Writing and removing one record.

use super::Forest;
use crate::error::Result;
use crate::frame::Forms;
use crate::ids::TreeId;
use crate::limits::LONG_KEY_HEAD_BYTES;
use crate::node::record::{is_long, value_moves};
use crate::node::{LongKey, Miss, Owned, Query, Record, Value, search};

/// Where a record is, or belongs.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The frame.
    pub frame: u32,
    /// The page.
    pub page: u8,
    /// The slot.
    pub slot: usize,
    /// Whether the record is there.
    pub exact: bool,
    /// Bytes of the key that prefixes cover.
    pub stripped: usize,
}

/// A record that a change is about to replace or remove, with what is needed to bring it back.
#[derive(Clone, Debug)]
pub struct Previous {
    /// The record.
    pub record: Owned,
}

/// Extents that nothing refers to any more after a change, unless it is undone.
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "extents that are not given back stay for ever"]
pub struct Remains {
    key: Option<LongKey>,
    value: Option<LongKey>,
}

impl Remains {
    fn of_value(record: &Record<'_>) -> Self {
        match record.value {
            Value::Inline(_) => Self::default(),
            Value::Extent { extent, len } => {
                Self { key: None, value: Some(LongKey { extent, len }) }
            }
        }
    }
}

impl Forest {
    /// Where `key` is or belongs.
    pub fn place(&self, tree: TreeId, key: &[u8]) -> Result<Place, Miss> {
        let leaf = self.reader().leaf(tree, key)?;
        let (slot, exact) = search::lower_bound(leaf.page, &leaf.query, &self.cache)?;
        let stripped = leaf.query.stripped + leaf.page.prefix_len();
        Ok(Place { frame: leaf.step.frame, page: leaf.step.page, slot, exact, stripped })
    }

    /// Where `key` is or belongs, if that is the page of `place`, where `before` is, a key below
    /// it. No page may have been divided or joined since `place` was found.
    pub fn place_after(
        &self,
        place: Place,
        before: &[u8],
        key: &[u8],
    ) -> Result<Option<Place>, Miss> {
        if key.get(..place.stripped) != before.get(..place.stripped) {
            return Ok(None);
        }
        let page = self.cache.page(place.frame, place.page)?;
        let query = Query { key, stripped: place.stripped - page.prefix_len() };
        let (slot, exact) = search::lower_bound(page, &query, &self.cache)?;
        // Between two keys of one page every key belongs to that page.
        Ok((slot < page.count()).then_some(Place { slot, exact, ..place }))
    }

    /// Where `key` is, which a walk over the records has found.
    pub(super) fn place_held(&self, tree: TreeId, key: &[u8]) -> Result<Place, Miss> {
        let place = self.place(tree, key)?;
        if !place.exact {
            let why = "a record is not where its key leads";
            return Err(Miss::Broken { frame: place.frame, why });
        }
        Ok(place)
    }

    /// Makes room for a record and returns its place. Splits what is full; after `Ok`, a
    /// [`Forest::write`] of this key and length at that place cannot fail.
    pub fn make_place(&mut self, tree: TreeId, key: &[u8], value_len: usize) -> Result<Place> {
        let place = self.with(|forest| forest.place(tree, key))?;
        self.make_room(tree, key, value_len, place)
    }

    /// The same, for a key whose `place` is known.
    pub fn make_room(
        &mut self,
        tree: TreeId,
        key: &[u8],
        value_len: usize,
        place: Place,
    ) -> Result<Place> {
        self.make_room_for(tree, key, place, |stripped| stored_size(key, value_len, stripped))
    }

    /// The same for a record that takes `size` bytes under prefixes of so many bytes.
    pub(super) fn make_room_for(
        &mut self,
        tree: TreeId,
        key: &[u8],
        mut place: Place,
        size: impl Fn(usize) -> usize,
    ) -> Result<Place> {
        let mut may_balance = true;
        loop {
            let size = size(place.stripped);
            if self.with(|forest| forest.has_room(place, size))? {
                return Ok(place);
            }
            // Once: pages that give back and forth would gain nothing.
            let balanced = core::mem::take(&mut may_balance)
                && self.settle(|forest| forest.balance(place, key))?;
            if !balanced {
                self.grow(tree, key, 0)?;
            }
            place = self.with(|forest| forest.place(tree, key))?;
        }
    }

    /// The version of the record at `place`, if there is one.
    pub fn version(&self, place: Place) -> Result<Option<u64>, Miss> {
        match place.exact {
            true => {
                let page = self.cache.page(place.frame, place.page)?;
                Ok(Some(Record::read(page, place.slot).version))
            }
            false => Ok(None),
        }
    }

    /// The value of the record at `place`, which is exact.
    pub fn value_at(&self, place: Place) -> Result<&[u8], Miss> {
        let page = self.cache.page(place.frame, place.page)?;
        self.reader().value(Record::read(page, place.slot).value)
    }

    /// Whether the page of `place` has room for a record of `key` there.
    pub fn has_room_for(&self, place: Place, key: &[u8], value_len: usize) -> Result<bool, Miss> {
        self.has_room(place, stored_size(key, value_len, place.stripped))
    }

    fn has_room(&self, place: Place, size: usize) -> Result<bool, Miss> {
        let page = self.cache.page(place.frame, place.page)?;
        Ok(match place.exact {
            true => page.free() + Record::read(page, place.slot).size() >= size,
            false => page.fits(size),
        })
    }

    /// Writes a record at a place that [`Forest::make_place`] gave. The extents of the record
    /// it replaces stay until [`Forest::give_back`].
    pub fn write(
        &mut self,
        tree: TreeId,
        place: Place,
        key: &[u8],
        value: &[u8],
        version: u64,
    ) -> Result<Remains, Miss> {
        let (long, remains) = match place.exact {
            true => {
                let page = self.cache.page(place.frame, place.page)?;
                let old = Record::read(page, place.slot);
                (old.long, Remains::of_value(&old))
            }
            false => {
                let long = is_long(key.len()).then(|| LongKey {
                    extent: self.cache.create_extent(key),
                    len: key.len() as u32,
                });
                (long, Remains::default())
            }
        };
        let stored = match value_moves(key.len(), value.len()) {
            true => {
                Value::Extent { extent: self.cache.create_extent(value), len: value.len() as u32 }
            }
            false => Value::Inline(value),
        };
        let record = Record { version, suffix: suffix(key, place.stripped), long, value: stored };
        self.store(tree, place, &record)?;
        Ok(remains)
    }

    /// Puts a record to its place, which has room.
    pub(super) fn store(
        &mut self,
        tree: TreeId,
        place: Place,
        record: &Record<'_>,
    ) -> Result<(), Miss> {
        let page = self.cache.page_mut(place.frame, place.page)?;
        let done = match place.exact {
            true => page.replace(place.slot, record),
            false => page.insert(place.slot, record),
        };
        debug_assert!(done, "make_place made room");
        let forms = Forms::of(record, place.stripped + record.suffix.len());
        let meta = &mut self.cache.frame_mut(place.frame)?.meta;
        meta.forms = meta.forms.and(forms);
        if !place.exact {
            meta.live = meta.live.saturating_add(1);
            if let Some(root) = self.roots.get_mut(&tree) {
                root.records = root.records.saturating_add(1);
            }
        }
        Ok(())
    }

    /// The record at `place`, which is exact, to bring it back later.
    pub fn previous(&self, place: Place, key: &[u8]) -> Result<Previous, Miss> {
        let page = self.cache.page(place.frame, place.page)?;
        let prefix = &key[..place.stripped - page.prefix_len()];
        Ok(Previous { record: Owned::take(page, place.slot, prefix) })
    }

    /// Removes the record at `place`, which is exact. Its extents stay until
    /// [`Forest::give_back`].
    pub fn erase(&mut self, tree: TreeId, place: Place) -> Result<Remains, Miss> {
        let record = Record::read(self.cache.page(place.frame, place.page)?, place.slot);
        let remains = Remains { key: record.long, ..Remains::of_value(&record) };
        self.cache.page_mut(place.frame, place.page)?.remove(place.slot);
        let meta = &mut self.cache.frame_mut(place.frame)?.meta;
        meta.live = meta.live.saturating_sub(1);
        if let Some(root) = self.roots.get_mut(&tree) {
            root.records = root.records.saturating_sub(1);
        }
        self.note_thinned(place.frame, place.page);
        Ok(remains)
    }

    /// Gives back what a change that is certain left behind.
    pub fn give_back(&mut self, remains: Remains) {
        for extent in remains.value.into_iter().chain(remains.key) {
            self.cache.drop_extent(extent.extent, extent.len);
        }
    }

    /// Undoes a write of `key`: brings the previous record back, or removes the new one.
    pub fn undo_write(
        &mut self,
        tree: TreeId,
        key: &[u8],
        previous: Option<Previous>,
    ) -> Result<()> {
        let place = self.with(|forest| forest.place(tree, key))?;
        let Some(mut previous) = previous else {
            let remains = self.settle(|forest| forest.erase(tree, place))?;
            self.give_back(remains);
            return Ok(());
        };
        let (long, remains) = self.with(|forest| {
            let page = forest.cache.page(place.frame, place.page)?;
            let written = Record::read(page, place.slot);
            Ok((written.long, Remains::of_value(&written)))
        })?;
        // A long key that moved to another prefix and back has another extent now.
        previous.record.long = long;
        self.restore(tree, key, &previous)?;
        self.give_back(remains);
        Ok(())
    }

    /// Undoes a removal of `key`.
    pub fn undo_erase(&mut self, tree: TreeId, key: &[u8], previous: &Previous) -> Result<()> {
        self.restore(tree, key, previous)
    }

    fn restore(&mut self, tree: TreeId, key: &[u8], previous: &Previous) -> Result<()> {
        let place = self.with(|forest| forest.place(tree, key))?;
        let size = |stripped| previous.record.size(stripped);
        let place = self.make_room_for(tree, key, place, size)?;
        let record = previous.record.record(place.stripped);
        self.settle(|forest| forest.store(tree, place, &record))
    }
}

/// What a page keeps of `key` under prefixes of `stripped` bytes.
pub(super) fn suffix(key: &[u8], stripped: usize) -> &[u8] {
    let suffix = &key[stripped.min(key.len())..];
    match is_long(key.len()) {
        true => &suffix[..suffix.len().min(LONG_KEY_HEAD_BYTES)],
        false => suffix,
    }
}

/// Bytes a record of this key and value length takes on a page.
pub(super) fn stored_size(key: &[u8], value_len: usize, stripped: usize) -> usize {
    let long = is_long(key.len()).then_some(LongKey { extent: 0, len: 0 });
    // Only the length counts, so a run of zeros stands for the value.
    const ZEROS: [u8; crate::limits::MAX_INLINE_RECORD_BYTES] =
        [0; crate::limits::MAX_INLINE_RECORD_BYTES];
    let value = match value_moves(key.len(), value_len) {
        true => Value::Extent { extent: 0, len: 0 },
        false => Value::Inline(&ZEROS[..value_len]),
    };
    Record { version: 0, suffix: suffix(key, stripped), long, value }.size()
}
