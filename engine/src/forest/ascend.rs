//! Ascending loads: where the page that takes them ends.
//!
//! Owns: a separator ahead of the load. The last page of a frame has no bound above, or a far one,
//! so its records share no prefix, and each takes the bytes of its whole key. Split where the load
//! is, such a page shrinks as soon as nothing comes to it any more, by a third where keys are
//! paths, and stays that empty. So it is bounded first, at a key that the load has yet to reach: its
//! records shrink, the room is used by those that follow, and the page behind that bound is there
//! when the load comes to it.

use alloc::vec::Vec;

use super::Forest;
use super::route::Step;
use crate::art::head::{Head, HeadView, prefix_within};
use crate::codec::order::common_len;
use crate::frame::bound::Edge;
use crate::frame::successor;
use crate::limits::PAGE_BYTES;
use crate::node::{Miss, Page, PageKind, Record};

/// Of the bytes that the records of a page share, so many quarters become its prefix: the more, the
/// smaller its records are, and the sooner a load is past its bound and leaves a page half full.
const QUARTERS: usize = 3;

/// Room that a bound must make.
const WORTH: usize = PAGE_BYTES / 8;

impl Forest {
    /// A bound between the full page of `step` and what an ascending load brings after `key`,
    /// which still belongs to the page; `None` if that would make no room.
    pub(super) fn bound_ahead(&self, step: Step, key: &[u8]) -> Result<Option<Vec<u8>>, Miss> {
        let head = self.cache.page(step.frame, 0)?;
        let prefix = HeadView(head).prefix();
        let page = self.cache.page(step.frame, step.page)?;
        if page.kind() != PageKind::Leaf || page.count() == 0 {
            return Ok(None);
        }
        let whole = prefix.len() + page.prefix_len();
        let shared = common_len(&self.full_key(page, 0, prefix)?, key);
        let len = whole + shared.saturating_sub(whole) * QUARTERS / 4;
        let Some(bound) = key.get(..len).and_then(successor) else { return Ok(None) };
        if !self.is_below_end(head, step.ordinal, &bound)? {
            return Ok(None);
        }
        let high = Edge { bytes: &bound, whole: true };
        let bounded = prefix_within(&start_of(head, step.ordinal), Some(high), prefix.len());
        let strip = bounded.len().saturating_sub(page.prefix_len());
        let room = |slot| {
            let record = Record::read(page, slot);
            record.size().saturating_sub(record.stripped(strip).size())
        };
        let room: usize = (0..page.count()).map(room).sum();
        Ok((room >= WORTH + strip).then_some(bound))
    }

    /// Whether a key lies below where the page at `ordinal` ends.
    fn is_below_end(&self, head: &Page, ordinal: usize, key: &[u8]) -> Result<bool, Miss> {
        let view = HeadView(head);
        if ordinal + 1 == view.count() {
            return Ok(view.high_key(&self.cache)?.is_none_or(|high| key < high));
        }
        let end = match view.has_short_anchors() {
            true => view.edge_bytes(ordinal + 1),
            false => self.anchor_key(&Head::parse(head), ordinal + 1)?,
        };
        Ok(key < end.as_slice())
    }
}

/// What is at hand of the absolute key where the page at `ordinal` starts.
fn start_of(head: &Page, ordinal: usize) -> Vec<u8> {
    match HeadView(head) {
        view if view.has_short_anchors() => view.edge_bytes(ordinal),
        _ => Head::parse(head).edge_bytes(ordinal),
    }
}
