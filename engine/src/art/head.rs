//! Page 0 of a frame: identity, prefix, fences, pages in use, routing root.
//!
//! Owns: the layout of page 0, and the way from a key to a page. Invariants: ordinals number
//! the frame's pages in key order; ordinal 0 has the empty anchor; anchors are relative to the
//! frame's prefix; an anchor longer than [`ANCHOR_HEAD_BYTES`] is routed by its head, and ties
//! are settled by the whole key in its extent.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::{AnchorList, Anchors};
use crate::codec::order::Bisection;
use crate::error::CorruptionClass;
use crate::frame::bound::Edge;
use crate::frame::{Bound, PageSet, prefix_between};
use crate::ids::Lsn;
use crate::limits::{MAX_FRAME_PREFIX_BYTES, MAX_KEY_BYTES, MAX_PAGE_PREFIX_BYTES, PAGE_BYTES};
use crate::node::verify::Fault;
use crate::node::{Extents, LongKey, Miss, Page, PageKind, Query};

/// Longest anchor, in bytes, that the routing index holds whole.
pub const ANCHOR_HEAD_BYTES: usize = MAX_PAGE_PREFIX_BYTES;

const AT_COUNT: usize = 16;
const AT_ROUTING: usize = 18;
const AT_ROUTING_LEN: usize = 20;
const AT_PREFIX_LEN: usize = 22;
const AT_LOW_LEN: usize = 24;
const AT_HIGH_LEN: usize = 26;
const AT_FLAGS: usize = 28;
const AT_LONGS: usize = 29;
const AT_GROUPS: usize = 30;
const AT_USED: usize = 32;
const AT_LOW_LONG: usize = 48;
const AT_HIGH_LONG: usize = 60;
const AT_TABLES: usize = 72;
const LONG_ENTRY: usize = 13;

const HAS_HIGH: u8 = 1;
const LOW_LONG: u8 = 2;
const HIGH_LONG: u8 = 4;

/// Page 0, taken apart to be changed and built anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Level of the frame; 0 holds records.
    pub level: u8,
    /// What every key of the frame starts with; pages and anchors leave it out.
    pub prefix: Vec<u8>,
    /// Lowest key that belongs here.
    pub low: Bound,
    /// Lowest key above that does not.
    pub high: Option<Bound>,
    /// Page number by ordinal.
    pub pages: Vec<u8>,
    /// Anchor by ordinal.
    pub anchors: Anchors,
}

impl Head {
    /// The head of a frame with one page and these fences.
    pub fn new(level: u8, low: Bound, high: Option<Bound>) -> Self {
        let mut head = Self { level, low, high, ..Self::default() };
        let len = head.prefix_for(&head.low, head.high.as_ref());
        head.prefix = head.low.bytes[..len].into();
        head
    }

    /// Length of the prefix of a frame between these fences.
    pub fn prefix_for(&self, low: &Bound, high: Option<&Bound>) -> usize {
        prefix_between(low.edge(), high.map(Bound::edge), MAX_FRAME_PREFIX_BYTES)
    }

    /// Pages in use, page 0 among them.
    pub fn used(&self) -> PageSet {
        let mut used = PageSet::first(1);
        self.pages.iter().for_each(|&page| used.add(page));
        used
    }

    /// The prefix of the page at `ordinal`, relative to the frame's.
    pub fn page_prefix(&self, ordinal: usize) -> Vec<u8> {
        self.span_prefix(ordinal, ordinal)
    }

    /// The prefix of a page that would cover the ordinals `first..=last`.
    pub fn span_prefix(&self, first: usize, last: usize) -> Vec<u8> {
        let low = self.edge_bytes(first);
        if last + 1 < self.anchors.len() {
            let (high, whole) = (self.edge_bytes(last + 1), self.anchors.long(last + 1).is_none());
            return prefix_within(&low, Some(Edge { bytes: &high, whole }), self.prefix.len());
        }
        prefix_within(&low, self.high.as_ref().map(Bound::edge), self.prefix.len())
    }

    /// What is at hand of the absolute key where `ordinal` starts.
    pub fn edge_bytes(&self, ordinal: usize) -> Vec<u8> {
        if ordinal == 0 {
            return self.low.bytes.clone();
        }
        let mut bytes = self.prefix.clone();
        bytes.extend_from_slice(self.anchors.bytes(ordinal));
        bytes
    }

    /// The page's bytes, or `None` if they do not fit.
    pub fn build(&self, frame: u32, lsn: Lsn) -> Option<Box<Page>> {
        let mut groups: Vec<&[u8]> = Vec::with_capacity(self.anchors.len());
        let mut firsts: Vec<u8> = Vec::with_capacity(self.anchors.len());
        let longs = self.anchors.longs();
        for (ordinal, bytes) in self.anchors.iter().enumerate() {
            // Only long anchors share their heads.
            if longs.is_empty() || groups.last() != Some(&bytes) {
                groups.push(bytes);
                firsts.push(ordinal as u8);
            }
        }
        if longs.is_empty() {
            firsts.clear();
        }
        let low = &self.low.bytes[self.prefix.len()..];
        let high: &[u8] = self.high.as_ref().map_or(&[], |high| &high.bytes);
        let tables = AT_TABLES + self.pages.len() + longs.len() * LONG_ENTRY + firsts.len();
        let strings = tables + self.prefix.len() + low.len() + high.len();
        let routing = strings.next_multiple_of(64);
        if routing > PAGE_BYTES {
            return None;
        }
        let mut page = Page::new(PageKind::Head, self.level, frame, 0);
        page.set_lsn(lsn);
        let len = super::build(&groups, &mut page.bytes_mut()[routing..]).ok()?;
        page.set_u16(AT_COUNT, self.pages.len() as u16);
        page.set_u16(AT_ROUTING, routing as u16);
        page.set_u16(AT_ROUTING_LEN, len as u16);
        page.set_u16(AT_PREFIX_LEN, self.prefix.len() as u16);
        page.set_u16(AT_LOW_LEN, low.len() as u16);
        page.set_u16(AT_HIGH_LEN, high.len() as u16);
        page.set_u16(AT_GROUPS, firsts.len() as u16);
        let high_long = self.high.as_ref().and_then(|high| high.long);
        let flags = u8::from(self.high.is_some()) * HAS_HIGH
            + u8::from(self.low.long.is_some()) * LOW_LONG
            + u8::from(high_long.is_some()) * HIGH_LONG;
        let bytes = page.bytes_mut();
        bytes[AT_FLAGS] = flags;
        bytes[AT_LONGS] = longs.len() as u8;
        bytes[AT_USED..AT_USED + 16].copy_from_slice(&self.used().0.to_le_bytes());
        put_long(bytes, AT_LOW_LONG, self.low.long);
        put_long(bytes, AT_HIGH_LONG, high_long);
        let mut at = AT_TABLES;
        let mut put = |part: &[u8]| {
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        };
        put(&self.pages);
        for (ordinal, long) in longs {
            put(&[*ordinal]);
            put(&long.extent.to_le_bytes());
            put(&long.len.to_le_bytes());
        }
        put(&firsts);
        put(&self.prefix);
        put(low);
        put(high);
        Some(page)
    }

    /// Takes page 0 apart; it has passed [`layout`].
    pub fn parse(page: &Page) -> Self {
        let view = HeadView(page);
        let prefix: Vec<u8> = view.prefix().into();
        let mut low_bytes = prefix.clone();
        low_bytes.extend_from_slice(view.low_suffix());
        let low = Bound { bytes: low_bytes, long: view.low_long() };
        let high = view.high();
        // Verified when the page was loaded or built, so the walk cannot fail.
        let groups = super::anchors(view.routing()).unwrap_or_default();
        let anchors = match view.longs() {
            0 => Anchors::short(groups),
            _ => view.expand(&groups),
        };
        Self { level: page.level(), prefix, low, high, pages: view.pages().into(), anchors }
    }
}

/// The prefix of a page between these absolute keys, relative to its frame's, which has
/// `stripped` bytes.
pub fn prefix_within(low: &[u8], high: Option<Edge<'_>>, stripped: usize) -> Vec<u8> {
    let limit = stripped + MAX_PAGE_PREFIX_BYTES;
    let len = prefix_between(Edge { bytes: low, whole: true }, high, limit).max(stripped);
    low.get(stripped..len).unwrap_or(&[]).into()
}

fn put_long(bytes: &mut [u8; PAGE_BYTES], at: usize, long: Option<LongKey>) {
    let long = long.unwrap_or(LongKey { extent: 0, len: 0 });
    bytes[at..at + 8].copy_from_slice(&long.extent.to_le_bytes());
    bytes[at + 8..at + 12].copy_from_slice(&long.len.to_le_bytes());
}

/// Page 0 as lookups read it, without taking it apart.
#[derive(Clone, Copy)]
pub struct HeadView<'a>(pub &'a Page);

impl<'a> HeadView<'a> {
    fn len_at(self, at: usize) -> usize {
        usize::from(self.0.u16(at))
    }

    fn part(self, at: usize, len: usize) -> &'a [u8] {
        &self.0.bytes()[at..at + len]
    }

    fn flag(self, flag: u8) -> bool {
        self.0.bytes()[AT_FLAGS] & flag != 0
    }

    fn long_at(self, at: usize) -> LongKey {
        LongKey { extent: self.0.u64(at), len: self.0.u32(at + 8) }
    }

    /// Pages in key order.
    #[inline]
    pub fn count(self) -> usize {
        self.len_at(AT_COUNT)
    }

    /// Page number at each ordinal.
    #[inline]
    pub fn pages(self) -> &'a [u8] {
        self.part(AT_TABLES, self.count())
    }

    /// Pages in use, as the page says.
    pub fn used(self) -> PageSet {
        let mut raw = [0; 16];
        raw.copy_from_slice(self.part(AT_USED, 16));
        PageSet(u128::from_le_bytes(raw))
    }

    fn longs(self) -> usize {
        usize::from(self.0.bytes()[AT_LONGS])
    }

    fn long(self, index: usize) -> (usize, LongKey) {
        let at = AT_TABLES + self.count() + index * LONG_ENTRY;
        (usize::from(self.0.bytes()[at]), self.long_at(at + 1))
    }

    fn firsts(self) -> &'a [u8] {
        let at = AT_TABLES + self.count() + self.longs() * LONG_ENTRY;
        self.part(at, self.len_at(AT_GROUPS))
    }

    fn strings_at(self) -> usize {
        AT_TABLES + self.count() + self.longs() * LONG_ENTRY + self.len_at(AT_GROUPS)
    }

    fn strings_len(self) -> usize {
        self.prefix_len() + self.len_at(AT_LOW_LEN) + self.len_at(AT_HIGH_LEN)
    }

    /// What every key of the frame starts with.
    #[inline]
    pub fn prefix(self) -> &'a [u8] {
        self.part(self.strings_at(), self.prefix_len())
    }

    /// Length of the prefix.
    #[inline]
    pub fn prefix_len(self) -> usize {
        self.len_at(AT_PREFIX_LEN)
    }

    fn low_suffix(self) -> &'a [u8] {
        self.part(self.strings_at() + self.prefix_len(), self.len_at(AT_LOW_LEN))
    }

    fn low_long(self) -> Option<LongKey> {
        self.flag(LOW_LONG).then(|| self.long_at(AT_LOW_LONG))
    }

    /// The low fence.
    pub fn low(self) -> Bound {
        let mut bytes: Vec<u8> = self.prefix().into();
        bytes.extend_from_slice(self.low_suffix());
        Bound { bytes, long: self.low_long() }
    }

    /// The high fence.
    pub fn high(self) -> Option<Bound> {
        let at = self.strings_at() + self.prefix_len() + self.len_at(AT_LOW_LEN);
        let long = self.flag(HIGH_LONG).then(|| self.long_at(AT_HIGH_LONG));
        let bytes = self.part(at, self.len_at(AT_HIGH_LEN)).into();
        self.flag(HAS_HIGH).then_some(Bound { bytes, long })
    }

    /// The whole key of the low fence.
    pub fn low_key(self, extents: &'a impl Extents) -> Result<&'a [u8], Miss> {
        match self.low_long() {
            Some(long) => extents.extent(long.extent, long.len),
            None => Ok(self.part(self.strings_at(), self.prefix_len() + self.len_at(AT_LOW_LEN))),
        }
    }

    /// The whole key of the high fence, if the frame has one.
    pub fn high_key(self, extents: &'a impl Extents) -> Result<Option<&'a [u8]>, Miss> {
        if !self.flag(HAS_HIGH) {
            return Ok(None);
        }
        if self.flag(HIGH_LONG) {
            let long = self.long_at(AT_HIGH_LONG);
            return extents.extent(long.extent, long.len).map(Some);
        }
        let at = self.strings_at() + self.prefix_len() + self.len_at(AT_LOW_LEN);
        Ok(Some(self.part(at, self.len_at(AT_HIGH_LEN))))
    }

    /// Whether every key of the frame is below `key`, as far as that can be told without an
    /// extent.
    pub fn surely_below(self, key: &[u8]) -> bool {
        let at = self.strings_at() + self.prefix_len() + self.len_at(AT_LOW_LEN);
        let has_high = self.flag(HAS_HIGH) && !self.flag(HIGH_LONG);
        has_high && self.part(at, self.len_at(AT_HIGH_LEN)) <= key
    }

    /// Whether `key` belongs to the frame, as far as that can be told without an extent.
    pub fn surely_covers(self, key: &[u8]) -> bool {
        let long = self.flag(LOW_LONG) || self.flag(HIGH_LONG);
        let at = self.strings_at() + self.prefix_len() + self.len_at(AT_LOW_LEN);
        let Some(rest) = key.strip_prefix(self.prefix()).filter(|_| !long) else { return false };
        let below = !self.flag(HAS_HIGH) || key < self.part(at, self.len_at(AT_HIGH_LEN));
        below && rest >= self.low_suffix()
    }

    /// The routing index.
    #[inline]
    pub fn routing(self) -> &'a [u8] {
        self.part(self.len_at(AT_ROUTING), self.len_at(AT_ROUTING_LEN))
    }

    /// First and last ordinal whose anchors share the head of routing group `group`.
    fn members(self, group: usize) -> (usize, usize) {
        let firsts = self.firsts();
        if firsts.is_empty() {
            return (group, group);
        }
        let first = firsts.get(group).map_or(0, |&first| usize::from(first));
        let next = firsts.get(group + 1).map_or(self.count(), |&next| usize::from(next));
        (first, next.saturating_sub(1).max(first))
    }

    /// The anchors by ordinal, of which `groups` are the distinct heads.
    fn expand(self, groups: &AnchorList) -> Anchors {
        let mut longs = (0..self.longs()).map(|index| self.long(index)).peekable();
        let mut anchors = Anchors::default();
        for (group, bytes) in groups.iter().enumerate() {
            let (first, last) = self.members(group);
            for ordinal in first..=last {
                let long = longs.next_if(|(at, _)| *at == ordinal).map(|(_, long)| long);
                anchors.push_parts(bytes, long);
            }
        }
        anchors
    }

    /// What is at hand of the absolute key where the page at `ordinal` starts, in a head without
    /// long anchors.
    pub fn edge_bytes(self, ordinal: usize) -> Vec<u8> {
        let mut anchor = Vec::new();
        let rest = match ordinal {
            0 => self.low_suffix(),
            _ => {
                super::anchor(self.routing(), ordinal, &mut anchor);
                anchor.as_slice()
            }
        };
        [self.prefix(), rest].concat()
    }

    /// The whole key of the anchor at `ordinal`, if it is a long one.
    pub fn long_anchor(self, ordinal: usize) -> Option<LongKey> {
        let longs = (0..self.longs()).map(|index| self.long(index));
        longs.into_iter().find(|(at, _)| *at == ordinal).map(|(_, long)| long)
    }

    /// Whether all anchors are in the routing index, whole.
    pub fn has_short_anchors(self) -> bool {
        self.longs() == 0
    }

    /// Page 0 with `anchor` where the page at `ordinal` starts, or with a page more, of the given
    /// number, that starts there. It is what [`Head::build`] would give; `None` if it has to be
    /// built, or does not fit.
    pub fn revise(self, ordinal: usize, page: Option<u8>, anchor: &[u8]) -> Option<Box<Page>> {
        if !self.has_short_anchors() || anchor.len() > ANCHOR_HEAD_BYTES {
            return None;
        }
        let revision = super::revise(self.routing(), ordinal, anchor, page.is_some())?;
        let strings = self.strings_at()..self.strings_at() + self.strings_len();
        let end = strings.end + usize::from(page.is_some());
        let routing = end.next_multiple_of(64);
        let mut out = Page::new(PageKind::Head, self.0.level(), self.0.frame(), 0);
        let bytes = out.bytes_mut();
        let len = revision.write(bytes.get_mut(routing..)?)?;
        bytes[AT_COUNT..AT_TABLES].copy_from_slice(self.part(AT_COUNT, AT_TABLES - AT_COUNT));
        let (before, behind) = self.pages().split_at_checked(ordinal)?;
        let mut at = AT_TABLES;
        for part in [before, page.as_slice(), behind, &self.0.bytes()[strings]] {
            bytes.get_mut(at..at + part.len())?.copy_from_slice(part);
            at += part.len();
        }
        if let Some(page) = page {
            let mut used = self.used();
            used.add(page);
            bytes[AT_USED..AT_USED + 16].copy_from_slice(&used.0.to_le_bytes());
            out.set_u16(AT_COUNT, self.count() as u16 + 1);
        }
        out.set_u16(AT_ROUTING, routing as u16);
        out.set_u16(AT_ROUTING_LEN, len as u16);
        Some(out)
    }

    /// The ordinal of the page where the queried key belongs.
    #[inline]
    pub fn floor(self, query: &Query<'_>, extents: &impl Extents) -> Result<usize, Miss> {
        let suffix = query.key.get(query.stripped..).unwrap_or(&[]);
        let group = super::floor(self.routing(), suffix);
        if self.longs() == 0 {
            return Ok(group.min(self.count().saturating_sub(1)));
        }
        self.floor_long(query.key, suffix, group, extents)
    }

    #[cold]
    fn floor_long(
        self,
        key: &[u8],
        suffix: &[u8],
        group: usize,
        extents: &impl Extents,
    ) -> Result<usize, Miss> {
        let (first, last) = self.members(group);
        let mut head = Vec::new();
        super::anchor(self.routing(), group, &mut head);
        if !suffix.starts_with(&head) {
            return Ok(last);
        }
        // Those of the group, in key order.
        let (mut low, mut high) = (self.longs_below(first), self.longs_below(last + 1));
        let (least, mut key) = (low, Bisection::new(key));
        while low < high {
            let middle = (low + high) / 2;
            let (_, long) = self.long(middle);
            match key.compare(extents.extent(long.extent, long.len)?) {
                Ordering::Less => high = middle,
                _ => low = middle + 1,
            }
        }
        if low > least {
            return Ok(self.long(low - 1).0);
        }
        let first_is_long = least < self.longs() && self.long(least).0 == first;
        Ok(if first_is_long { first.saturating_sub(1) } else { first })
    }

    /// How many long anchors have an ordinal below this one.
    fn longs_below(self, ordinal: usize) -> usize {
        (0..self.longs()).take_while(|&index| self.long(index).0 < ordinal).count()
    }

    /// Every extent page 0 refers to: fences and long anchors.
    pub fn extents(self) -> impl Iterator<Item = LongKey> + 'a {
        let high = self.flag(HIGH_LONG).then(|| self.long_at(AT_HIGH_LONG));
        let anchors = (0..self.longs()).map(move |index| self.long(index).1);
        self.low_long().into_iter().chain(high).chain(anchors)
    }
}

/// Checks page 0 so that [`HeadView`] and [`Head::parse`] never leave it: total on any bytes.
pub fn layout(page: &Page, frame_pages: usize) -> Result<(), Fault> {
    let fail = |why| Err((CorruptionClass::PageLayout, why));
    let view = HeadView(page);
    let count = view.count();
    if count == 0 || count >= frame_pages || view.longs() > count || view.len_at(AT_GROUPS) > count
    {
        return fail("impossible number of pages");
    }
    if page.bytes()[AT_FLAGS] & !(HAS_HIGH | LOW_LONG | HIGH_LONG) != 0 {
        return fail("unknown flags in the head");
    }
    let strings = view.strings_at() + view.prefix_len();
    let end = strings + view.len_at(AT_LOW_LEN) + view.len_at(AT_HIGH_LEN);
    let routing_end = view.len_at(AT_ROUTING) + view.len_at(AT_ROUTING_LEN);
    if end > view.len_at(AT_ROUTING) || routing_end > PAGE_BYTES {
        return fail("fences or routing outside the page");
    }
    let mut used = PageSet::first(1);
    for &number in view.pages() {
        if number == 0 || usize::from(number) >= frame_pages || used.has(number) {
            return Err((CorruptionClass::Routing, "two ordinals lead to one page"));
        }
        used.add(number);
    }
    if used != view.used() {
        return Err((CorruptionClass::Routing, "pages in use differ from pages routed to"));
    }
    if let Err(why) = super::verify(view.routing()) {
        return Err((CorruptionClass::Routing, why));
    }
    let groups = super::count(view.routing());
    let expected = if view.longs() == 0 { count } else { view.len_at(AT_GROUPS) };
    let ascending = view.firsts().windows(2).all(|pair| pair[0] < pair[1]);
    let within = view.firsts().iter().all(|&first| usize::from(first) < count);
    let longs_ascend = (1..view.longs()).all(|at| view.long(at - 1).0 < view.long(at).0);
    let longs_within = (0..view.longs()).all(|at| view.long(at).0 < count);
    if view.extents().any(|long| long.len as usize > MAX_KEY_BYTES) {
        return fail("a fence or an anchor longer than any key");
    }
    if groups != expected || !ascending || !within || !longs_ascend || !longs_within {
        return Err((CorruptionClass::Routing, "routing leads to another number of pages"));
    }
    Ok(())
}
