//! A border between two pages of a frame, moved or drawn.
//!
//! Owns: page 0 with the border, before it is put in its place. Mostly it is the old one revised;
//! where the anchor is long, or changes more than its own node of the routing index, page 0 is
//! taken apart and built anew. Both give the same bytes.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use super::Forest;
use super::lob::new_anchor;
use crate::art::Anchor;
use crate::art::head::{ANCHOR_HEAD_BYTES, Head, HeadView, prefix_within};
use crate::frame::Bound;
use crate::frame::bound::Edge;
use crate::node::build::page_holds;
use crate::node::{LongKey, Miss, Page, Part, Record};

/// Page 0 with a border that is not in its place yet.
pub(super) struct Border {
    page: Box<Page>,
    /// What it was built of; if the anchor is long, it has no extent yet.
    head: Option<Head>,
    at: usize,
    separator: Vec<u8>,
}

impl Border {
    /// The page at ordinal `at` starts at `separator` now; `None` if that does not fit.
    pub fn moved(old: &Page, at: usize, separator: Vec<u8>) -> Option<Self> {
        Self::new(old, at, None, separator)
    }

    /// The page of this number comes in before the one at ordinal `at`, and starts at `separator`;
    /// `None` if that does not fit.
    pub fn drawn(old: &Page, at: usize, number: u8, separator: Vec<u8>) -> Option<Self> {
        Self::new(old, at, Some(number), separator)
    }

    fn new(old: &Page, at: usize, number: Option<u8>, separator: Vec<u8>) -> Option<Self> {
        let view = HeadView(old);
        let suffix = separator.get(view.prefix_len()..).unwrap_or_default();
        if let Some(page) = view.revise(at, number, suffix) {
            return Some(Self { page, head: None, at, separator });
        }
        let mut head = Head::parse(old);
        let anchor = trial_anchor(&separator, head.prefix.len());
        match number {
            Some(number) => {
                head.pages.insert(at, number);
                head.anchors.insert(at, &anchor);
            }
            None => head.anchors.set(at, &anchor),
        }
        let page = head.build(old.frame(), 0)?;
        Some(Self { page, head: Some(head), at, separator })
    }

    /// The prefix of the page at `ordinal`, relative to the frame's.
    fn page_prefix(&self, ordinal: usize) -> Vec<u8> {
        if let Some(head) = &self.head {
            return head.page_prefix(ordinal);
        }
        let view = HeadView(&self.page);
        let (low, stripped) = (self.start_of(ordinal), view.prefix_len());
        if ordinal + 1 < view.count() {
            let high = Edge { bytes: &self.start_of(ordinal + 1), whole: true };
            return prefix_within(&low, Some(high), stripped);
        }
        prefix_within(&low, view.high().as_ref().map(Bound::edge), stripped)
    }

    /// The absolute key where the page at `ordinal` starts; no anchor is a long one.
    fn start_of(&self, ordinal: usize) -> Cow<'_, [u8]> {
        match ordinal == self.at {
            true => Cow::Borrowed(&self.separator),
            false => Cow::Owned(HeadView(&self.page).edge_bytes(ordinal)),
        }
    }

    fn number(&self, ordinal: usize) -> u8 {
        HeadView(&self.page).pages().get(ordinal).copied().unwrap_or(0)
    }

    /// The page at `ordinal` with some of the records of `page`, which lie under at least as long
    /// a prefix now.
    pub fn part(
        &self,
        page: &Page,
        ordinal: usize,
        slots: Range<usize>,
    ) -> Result<Box<Page>, Miss> {
        let mut prefix = self.page_prefix(ordinal);
        let mut strip = prefix.len().saturating_sub(page.prefix_len());
        let heap = |strip: usize| -> usize {
            slots.clone().map(|slot| Record::read(page, slot).stripped(strip).size()).sum()
        };
        let holds = || strip == 0 || page_holds(slots.len(), heap(strip), prefix.len());
        if prefix.len() < page.prefix_len() || !holds() {
            // Records of long keys do not shrink as the prefix grows: keep the old one.
            prefix = page.prefix().into();
            strip = 0;
        }
        let mut out = self.empty(page, ordinal, &prefix);
        if !out.fill_from(&[Part { page, slots: slots.clone(), strip, add: &[] }]) {
            return Err(Miss::Broken { frame: page.frame(), why: "half a page does not fit one" });
        }
        out.take_run(page, &slots);
        Ok(out)
    }

    /// The page at `ordinal` with records of two pages, which lie one behind the other; `None` if
    /// they do not fit.
    pub fn joined(&self, ordinal: usize, parts: [(&Page, Range<usize>); 2]) -> Option<Box<Page>> {
        let [(page, _), _] = parts;
        let prefix = self.page_prefix(ordinal);
        let mut out = self.empty(page, ordinal, &prefix);
        let parts = parts.map(|(from, slots)| Part::new(from, slots, &prefix));
        out.fill_from(&parts).then_some(out)
    }

    fn empty(&self, like: &Page, ordinal: usize, prefix: &[u8]) -> Box<Page> {
        let mut out = Page::new(like.kind(), like.level(), like.frame(), self.number(ordinal));
        out.format(prefix);
        out
    }
}

impl Forest {
    /// Puts a border, and the pages on both sides of it, in their places.
    pub(super) fn install_border(
        &mut self,
        border: Border,
        pages: [Box<Page>; 2],
    ) -> Result<(), Miss> {
        let Border { mut page, head, at, separator } = border;
        let frame = page.frame();
        if let Some(mut head) = head.filter(|head| head.anchors.long(at).is_some()) {
            let anchor = new_anchor(&mut self.cache, &separator, head.prefix.len());
            head.anchors.set(at, &anchor);
            let changed = Miss::Broken { frame, why: "page 0 changed its size" };
            page = head.build(frame, 0).ok_or(changed)?;
        }
        for page in &pages {
            self.cache.install(frame, page.number() as u8, page)?;
        }
        self.cache.install(frame, 0, &page)
    }
}

/// An anchor of the size that [`new_anchor`] gives, without its extent.
pub(super) fn trial_anchor(key: &[u8], prefix_len: usize) -> Anchor {
    let suffix = &key[prefix_len.min(key.len())..];
    let long = (suffix.len() > ANCHOR_HEAD_BYTES).then_some(LongKey { extent: 0, len: 0 });
    Anchor { bytes: suffix[..suffix.len().min(ANCHOR_HEAD_BYTES)].into(), long }
}
