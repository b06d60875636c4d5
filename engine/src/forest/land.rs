//! Moving whole leaf frames to other keys, in the same or another tree.
//!
//! Owns: which frames can go as they are, and the new heads of those that do. Pages keep their
//! bytes, as they are relative to the frame's prefix. Never does: move a single record.

use alloc::vec::Vec;

use super::Forest;
use super::lob::new_bound;
use crate::art::Anchor;
use crate::art::head::{Head, HeadView};
use crate::error::Result;
use crate::frame::{Bound, Forms, successor};
use crate::ids::TreeId;
use crate::limits::MAX_KEY_BYTES;
use crate::node::{Extents, LongKey, Miss, Owned, Record};

/// From the keys under one prefix to those under another.
pub(super) struct Shift<'a> {
    /// The prefix that keys have.
    pub src: &'a [u8],
    /// The prefix that they will have.
    pub dst: &'a [u8],
    /// The first key behind all under `src`.
    pub src_end: Option<Vec<u8>>,
    /// The first key behind all under `dst`.
    pub dst_end: Option<Vec<u8>>,
}

impl<'a> Shift<'a> {
    pub fn new(src: &'a [u8], dst: &'a [u8]) -> Self {
        Self { src, dst, src_end: successor(src), dst_end: successor(dst) }
    }

    /// The new key for one under `src`.
    pub fn key(&self, key: &[u8]) -> Vec<u8> {
        replaced(key, self.src.len(), self.dst)
    }

    /// The length of the new key for one of `len` bytes.
    fn len(&self, len: usize) -> usize {
        (len + self.dst.len()).saturating_sub(self.src.len())
    }

    /// Where a frame that ends at `high` will end; `high` is under `src`, or right behind.
    fn border(&self, high: Option<Vec<u8>>, frame: u32) -> Result<Option<Vec<u8>>, Miss> {
        match high {
            high if high == self.src_end => Ok(self.dst_end.clone()),
            Some(high) if high.starts_with(self.src) => Ok(Some(self.key(&high))),
            _ => Err(Miss::Broken { frame, why: "a frame reaches beyond where it was cut" }),
        }
    }
}

fn replaced(key: &[u8], front: usize, by: &[u8]) -> Vec<u8> {
    let mut out = Vec::from(by);
    out.extend_from_slice(key.get(front..).unwrap_or(&[]));
    out
}

/// How a frame can be moved.
pub(super) enum Way {
    /// As a whole, to where it ends at this key.
    Whole(Option<Vec<u8>>),
    /// As a whole once it is cut at this key: there is a border in the destination.
    Align(Vec<u8>),
    /// As wholes once it is cut somewhere: its head would not fit page 0.
    Halve,
    /// Record by record: its pages depend on more of the prefix than changes.
    Singly,
}

impl Forest {
    /// How the leaf frame that starts at `at` can be moved to where one starts at `start`.
    /// Afterwards all that [`Forest::land`] needs of the frame is in memory.
    pub(super) fn survey(
        &self,
        from: TreeId,
        at: &[u8],
        to: TreeId,
        start: &[u8],
        shift: &Shift<'_>,
    ) -> Result<Way, Miss> {
        let (path, next) = self.reader().frame_at(from, at, shift.src_end.as_deref())?;
        let frame = path.leaf().frame;
        let old = Head::parse(self.cache.page(frame, 0)?);
        let border = shift.border(next, frame)?;
        let hole = self.descend(to, start)?.leaf().frame;
        let hole_end = self.hole_end(hole, start)?;
        let mut lens = old.anchors.longs().iter().map(|(_, long)| long.len as usize);
        let too_long = lens.any(|len| shift.len(len) > MAX_KEY_BYTES)
            || border.as_ref().is_some_and(|border| border.len() > MAX_KEY_BYTES);
        if too_long {
            return Ok(Way::Singly);
        }
        if let Some(end) = hole_end
            && border.as_ref().is_none_or(|border| end < *border)
        {
            let key = replaced(&end, shift.dst.len(), shift.src);
            return Ok(if key.len() > MAX_KEY_BYTES { Way::Singly } else { Way::Align(key) });
        }
        for (_, long) in old.anchors.longs() {
            self.cache.extent(long.extent, long.len)?;
        }
        let high = border.as_ref().map(|border| Bound::new(border, |_| 0));
        let Some(head) = moved_head(&old, Bound::new(start, |_| 0), high, shift) else {
            return Ok(Way::Singly);
        };
        Ok(match head.build(frame, 0) {
            Some(_) => Way::Whole(border),
            None if old.pages.len() > 1 => Way::Halve,
            None => Way::Singly,
        })
    }

    /// Where the frame ends that starts at `start` and has no records.
    fn hole_end(&self, hole: u32, start: &[u8]) -> Result<Option<Vec<u8>>, Miss> {
        let low = HeadView(self.cache.page(hole, 0)?).low();
        if !self.reader().is_at(&low, start)? || self.cache.frame(hole)?.meta.live != 0 {
            return Err(Miss::Broken { frame: hole, why: "records are where others are to go" });
        }
        self.reader().next_frame(hole, start)
    }

    /// Makes room for the crossing at which the frame at `start` will end.
    pub(super) fn make_border(
        &mut self,
        tree: TreeId,
        start: &[u8],
        border: Option<&[u8]>,
    ) -> Result<()> {
        loop {
            let path = self.with(|forest| forest.descend(tree, start))?;
            let end = self.with(|forest| forest.hole_end(path.leaf().frame, start))?;
            let Some(border) = border.filter(|border| end.as_deref() != Some(*border)) else {
                return Ok(());
            };
            match path.at_level(1) {
                None => self.settle(|forest| forest.raise_root(tree))?,
                Some(parent) => {
                    if self.with(|forest| forest.parent_has_room(parent, border))? {
                        return Ok(());
                    }
                    self.grow(tree, border, 1)?;
                }
            }
        }
    }

    /// Puts `frame`, which is in no tree, to where a frame without records starts at `start`;
    /// what of that lies behind `border` stays. Its records have the forms that `forms` says.
    pub(super) fn land(
        &mut self,
        tree: TreeId,
        frame: u32,
        start: &[u8],
        border: Option<&[u8]>,
        shift: &Shift<'_>,
        forms: Forms,
    ) -> Result<(), Miss> {
        let broken = Miss::Broken { frame, why: "a frame does not fit where it was to go" };
        let path = self.descend(tree, start)?;
        let hole = path.leaf().frame;
        let rest = match self.hole_end(hole, start)? {
            end if end.as_deref() == border => None,
            _ => Some((path.at_level(1).ok_or(broken)?, border.ok_or(broken)?)),
        };
        if let Some((parent, border)) = rest
            && !self.parent_has_room(parent, border)?
        {
            return Err(broken);
        }
        let old = Head::parse(self.cache.page(frame, 0)?);
        let gap = Head::parse(self.cache.page(hole, 0)?);
        self.hold_pages(hole, &gap.pages)?;
        let high = border.map(|border| Bound::new(border, |_| 0));
        let mut head = moved_head(&old, gap.low.clone(), high, shift).ok_or(broken)?;
        let mut anchors = Vec::new();
        for (ordinal, _) in old.anchors.longs() {
            let ordinal = usize::from(*ordinal);
            anchors.push((ordinal, shift.key(&self.anchor_key(&old, ordinal)?)));
        }
        // Everything is at hand: nothing below can miss.
        for (ordinal, key) in anchors {
            let long = LongKey { extent: self.cache.create_extent(&key), len: key.len() as u32 };
            let bytes = head.anchors.bytes(ordinal).into();
            head.anchors.set(ordinal, &Anchor { bytes, long: Some(long) });
        }
        self.drop_anchors(&old);
        self.hang(tree, &path, frame)?;
        match rest {
            None => {
                head.high.clone_from(&gap.high);
                self.drop_anchors(&gap);
                self.cache.drop_frame(hole)?;
            }
            Some((parent, border)) => {
                head.high = Some(new_bound(&mut self.cache, border));
                let low = new_bound(&mut self.cache, border);
                let plan = self.refence(hole, &low, gap.high.as_ref())?.ok_or(broken)?;
                self.install_refenced(hole, plan)?;
                self.add_crossing(parent, hole, border.into())?;
                self.count_frames(tree, 1);
            }
        }
        self.install_head(frame, &head)?;
        let meta = &mut self.cache.frame_mut(frame)?.meta;
        (meta.tree, meta.forms) = (tree, forms);
        let live = u64::from(meta.live);
        if let Some(root) = self.roots.get_mut(&tree) {
            root.records = root.records.saturating_add(live);
        }
        Ok(())
    }

    /// Takes the records off a leaf frame of `tree` that take another form under their new
    /// keys, and says which forms the others have then.
    pub(super) fn pluck(
        &mut self,
        tree: TreeId,
        frame: u32,
        shift: &Shift<'_>,
    ) -> Result<(Vec<Owned>, Forms)> {
        let meta = self.with(|forest| {
            forest.cache.page(frame, 0)?;
            Ok(forest.cache.frame(frame)?.meta)
        })?;
        if let Some(forms) = meta.forms.moved(shift.src.len(), shift.dst.len()) {
            return Ok((Vec::new(), forms));
        }
        let (mut plucked, mut forms) = (Vec::new(), Forms::default());
        for number in self.frame_pages(frame)?.split_off(1) {
            let (records, others) =
                self.settle(|forest| forest.pluck_page(frame, number, shift))?;
            plucked.extend(records);
            forms = forms.and(others);
        }
        if let Some(root) = self.roots.get_mut(&tree) {
            root.records = root.records.saturating_sub(plucked.len() as u64);
        }
        Ok((plucked, forms))
    }

    fn pluck_page(
        &mut self,
        frame: u32,
        number: u8,
        shift: &Shift<'_>,
    ) -> Result<(Vec<Owned>, Forms), Miss> {
        let prefix = HeadView(self.cache.page(frame, 0)?).prefix();
        let page = self.cache.page(frame, number)?;
        let stripped = prefix.len() + page.prefix_len();
        let mut forms = Forms::default();
        let mut slots = Vec::new();
        for slot in 0..page.count() {
            let record = Record::read(page, slot);
            let form = Forms::of(&record, stripped + record.suffix.len());
            match form.moved(shift.src.len(), shift.dst.len()) {
                Some(form) => forms = forms.and(form),
                None => slots.push(slot),
            }
        }
        let records: Vec<Owned> =
            slots.iter().map(|&slot| Owned::take(page, slot, prefix)).collect();
        if !slots.is_empty() {
            let page = self.cache.page_mut(frame, number)?;
            slots.iter().rev().for_each(|&slot| page.remove(slot));
            let meta = &mut self.cache.frame_mut(frame)?.meta;
            meta.live = meta.live.saturating_sub(slots.len() as u32);
        }
        Ok((records, forms))
    }
}

/// The head of a frame between its new fences; long anchors have no extents yet. `None` if its
/// pages would have to change, as what they leave out is not only what changes.
fn moved_head(old: &Head, low: Bound, high: Option<Bound>, shift: &Shift<'_>) -> Option<Head> {
    let mut head = Head::new(old.level, low, high);
    let (before, after) = (old.prefix.len(), head.prefix.len());
    // A prefix shorter than `src` leaves the end of `src` to the pages.
    let left = |prefix: &'_ [u8], len: usize| Vec::from(prefix.get(len..).unwrap_or(&[]));
    let same = after + shift.src.len() == before + shift.dst.len()
        && left(shift.src, before) == left(shift.dst, after);
    if !same {
        return None;
    }
    head.pages.clone_from(&old.pages);
    for ordinal in 0..old.anchors.len() {
        let long = old.anchors.long(ordinal);
        let long = long.map(|long| LongKey { extent: 0, len: shift.len(long.len as usize) as u32 });
        head.anchors.push_parts(old.anchors.bytes(ordinal), long);
    }
    Some(head)
}
