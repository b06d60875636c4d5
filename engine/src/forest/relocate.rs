//! Moving everything under one prefix to another, in the same or another tree.
//!
//! Owns: the choice between records and whole frames, and the way of a single record. Few
//! records are moved one by one. Many move by frames: the tree they leave is cut at both ends of
//! the range, the other at the place where they go, and then frame after frame changes its head
//! and its parent. A record takes its version and the extent of its value along.
//! Never does: the log, or undo; the caller has made sure that the move is allowed.

use alloc::vec::Vec;

use super::land::{Shift, Way};
use super::under::is_below;
use super::{Forest, Place};
use crate::error::{Error, Result};
use crate::ids::TreeId;
use crate::limits::{MAX_ANCHORS, MAX_KEY_BYTES, MOVE_LEVELS};
use crate::node::record::{is_long, value_moves};
use crate::node::{LongKey, Miss, Owned};

/// A record on its way to another key.
struct Moved {
    /// The extent of the key that it had, if that was long.
    old: Option<LongKey>,
    /// As it will be.
    new: Owned,
}

/// Records on up to this part of the pages that a frame may have are moved one by one: cutting
/// frames and joining what is left of them costs about as much.
const SMALL_SHARE: usize = 8;

/// Most cuts before a frame can be moved: each leaves it fewer pages, or one less border of
/// the destination within.
const MOST_ROUNDS: usize = 2 * MAX_ANCHORS + 2;

impl Forest {
    /// Moves every record of tree `from` whose key starts with `src` to the key of tree `to`
    /// that starts with `dst` instead, and returns how many. They keep their versions.
    ///
    /// The caller has checked with [`Forest::keys_can_grow`] that no key becomes too long.
    ///
    /// # Errors
    /// Before anything changes: `InvalidArgument` if one prefix lies within the other,
    /// `DstExists` if there are keys under `dst`. Later: failures of the device, damage, a used
    /// up quota of frames. A move that has begun cannot be undone.
    pub fn move_prefix(&mut self, from: TreeId, src: &[u8], to: TreeId, dst: &[u8]) -> Result<u64> {
        if from == to && (src.starts_with(dst) || dst.starts_with(src)) {
            let why = "source and destination must not lie within one another";
            return Err(Error::InvalidArgument { what: "prefix", why });
        }
        if self.with(|forest| forest.reader().is_under(to, dst))? {
            return Err(Error::DstExists);
        }
        if !self.with(|forest| forest.reader().is_under(from, src))? {
            return Ok(0);
        }
        self.check_frames()?;
        self.check_levels(from, MOVE_LEVELS)?;
        self.check_levels(to, MOVE_LEVELS)?;
        let shift = Shift::new(src, dst);
        if !self.is_large(from, src)? {
            let moved = self.move_singly(from, src, shift.src_end.as_deref(), to, &shift, true)?;
            self.shrink(from, src)?;
            return Ok(moved);
        }
        let before = self.with(|forest| {
            let frame = forest.descend(to, dst)?.leaf().frame;
            forest.bound_key(&crate::art::head::HeadView(forest.cache.page(frame, 0)?).low())
        })?;
        let moved = self.move_frames(from, to, &shift)?;
        self.mend_under(from, src)?;
        for border in [Some(before), Some(dst.into()), shift.dst_end].into_iter().flatten() {
            self.mend(to, &border)?;
        }
        Ok(moved)
    }

    /// Whether so much lies under `prefix` that it is worth moving or removing by frames.
    pub(super) fn is_large(&mut self, tree: TreeId, prefix: &[u8]) -> Result<bool> {
        let most = (self.cache.geometry().pages() - 1) / SMALL_SHARE;
        self.spans_more(tree, prefix, most.max(1))
    }

    fn move_frames(&mut self, from: TreeId, to: TreeId, shift: &Shift<'_>) -> Result<u64> {
        self.cut(from, shift.src)?;
        if let Some(end) = &shift.src_end {
            self.cut(from, end)?;
        }
        if let Some(end) = &shift.dst_end {
            self.cut(to, end)?;
        }
        let mut moved = 0;
        let mut next = Some(Vec::from(shift.src));
        while let Some(at) = next.filter(|next| is_below(next, shift.src_end.as_deref())) {
            let (count, end) = self.move_frame(from, &at, to, shift)?;
            moved += count;
            next = end;
            self.cache.trim()?;
        }
        Ok(moved)
    }

    /// Moves the records from `at` on that are in one frame; returns how many, and the key where
    /// the next frame starts.
    fn move_frame(
        &mut self,
        from: TreeId,
        at: &[u8],
        to: TreeId,
        shift: &Shift<'_>,
    ) -> Result<(u64, Option<Vec<u8>>)> {
        let start = shift.key(at);
        for _ in 0..MOST_ROUNDS {
            self.check_frames()?;
            self.cut(from, at)?;
            let mut way = Way::Singly;
            // Keys may be too long even if no record has such a key: separators outlive them.
            if start.len() <= MAX_KEY_BYTES {
                self.cut(to, &start)?;
                way = self.with(|forest| forest.survey(from, at, to, &start, shift))?;
            }
            let end = shift.src_end.as_deref();
            let (_, next) = self.with(|forest| forest.reader().frame_at(from, at, end))?;
            match way {
                Way::Align(key) => self.cut(from, &key)?,
                Way::Halve => self.halve(from, at)?,
                Way::Whole(border) => {
                    let border = border.as_deref();
                    return Ok((self.move_whole(from, at, to, &start, border, shift)?, next));
                }
                Way::Singly => {
                    let moved = self.move_singly(from, at, next.as_deref(), to, shift, false)?;
                    let path = self.with(|forest| forest.descend(from, at))?;
                    self.settle(|forest| forest.fold(from, &path, false))?;
                    return Ok((moved, next));
                }
            }
        }
        self.with(|_| Err(Miss::Broken { frame: 0, why: "a frame cannot be cut to its place" }))
    }

    /// Moves the frame that starts at `at` to where one without records starts at `start`.
    fn move_whole(
        &mut self,
        from: TreeId,
        at: &[u8],
        to: TreeId,
        start: &[u8],
        border: Option<&[u8]>,
        shift: &Shift<'_>,
    ) -> Result<u64> {
        self.make_border(to, start, border)?;
        let path = self.with(|forest| forest.descend(from, at))?;
        let frame = path.leaf().frame;
        let live = self.with(|forest| Ok(forest.cache.frame(frame)?.meta.live))?;
        let (others, forms) = self.pluck(from, frame, shift)?;
        self.settle(|forest| forest.lift(from, &path))?;
        // The hole may have become wider, if it was beside the frame.
        self.make_border(to, start, border)?;
        self.settle(|forest| forest.land(to, frame, start, border, shift, forms))?;
        for record in others {
            let key = self.with(|forest| forest.owned_key(&record))?;
            let old = record.long;
            let record = self.rekey(record, shift.key(&key));
            self.put_moved(to, &record)?;
            self.drop_long(old);
            self.cache.trim()?;
        }
        Ok(u64::from(live))
    }

    /// Moves the records from `at` on and below `end` one by one. If `tidy`, pages that become
    /// empty join their neighbours at once.
    fn move_singly(
        &mut self,
        from: TreeId,
        at: &[u8],
        end: Option<&[u8]>,
        to: TreeId,
        shift: &Shift<'_>,
        tidy: bool,
    ) -> Result<u64> {
        let mut at: Vec<u8> = at.into();
        let mut moved = 0;
        while let Some((key, place)) =
            self.with(|forest| forest.reader().first_place(from, &at, end))?
        {
            let record = self.settle(|forest| forest.previous(place, &key))?.record;
            let record = Moved { old: record.long, new: self.rekey(record, shift.key(&key)) };
            let left = self.move_record(from, &key, place, to, record)?;
            moved += 1;
            at = key;
            if tidy && left == 0 {
                self.shrink(from, &at)?;
            }
            self.cache.trim()?;
        }
        Ok(moved)
    }

    /// Moves the record of `key`, which is at `place`; returns how many are left on its page.
    fn move_record(
        &mut self,
        from: TreeId,
        key: &[u8],
        place: Place,
        to: TreeId,
        record: Moved,
    ) -> Result<usize> {
        let Moved { old, new } = record;
        let before = self.counters;
        let target = self.with(|forest| forest.place(to, &new.key))?;
        let target = self.make_room_for(to, &new.key, target, |stripped| new.size(stripped))?;
        if target.exact {
            return Err(Error::DstExists);
        }
        // Making room may have moved the record.
        let place = match self.counters == before {
            true => place,
            false => self.with(|forest| forest.place_held(from, key))?,
        };
        // Its extents go with it or, of a long key, are given back here.
        let _kept = self.settle(|forest| forest.erase(from, place))?;
        self.drop_long(old);
        if (place.frame, place.page) == (target.frame, target.page) {
            // Slots have moved up.
            self.put_moved(to, &new)?;
        } else {
            self.settle(|forest| forest.store(to, target, &new.record(target.stripped)))?;
        }
        self.with(|forest| Ok(forest.cache.page(place.frame, place.page)?.count()))
    }

    /// A record with another key, which keeps its version and the extent of its value. The
    /// extent of its old key is the caller's.
    fn rekey(&mut self, record: Owned, key: Vec<u8>) -> Owned {
        let mut record = record;
        record.long = is_long(key.len())
            .then(|| LongKey { extent: self.cache.create_extent(&key), len: key.len() as u32 });
        if record.extent.is_none() && value_moves(key.len(), record.inline.len()) {
            let value = core::mem::take(&mut record.inline);
            record.extent = Some((self.cache.create_extent(&value), value.len() as u32));
        }
        Owned { key, ..record }
    }

    /// Writes a record that came from elsewhere to its place, where there is none.
    fn put_moved(&mut self, tree: TreeId, record: &Owned) -> Result<()> {
        let place = self.with(|forest| forest.place(tree, &record.key))?;
        let size = |stripped| record.size(stripped);
        let place = self.make_room_for(tree, &record.key, place, size)?;
        if place.exact {
            return Err(Error::DstExists);
        }
        self.settle(|forest| forest.store(tree, place, &record.record(place.stripped)))
    }

    fn drop_long(&mut self, long: Option<LongKey>) {
        if let Some(long) = long {
            self.cache.drop_extent(long.extent, long.len);
        }
    }

    /// After the removal of `key`: lets its page join a neighbour if it is empty now.
    pub(super) fn leave_page(&mut self, tree: TreeId, key: &[u8]) -> Result<()> {
        let left = self.with(|forest| Ok(forest.reader().leaf(tree, key)?.page.count()))?;
        if left == 0 { self.shrink(tree, key) } else { Ok(()) }
    }
}
