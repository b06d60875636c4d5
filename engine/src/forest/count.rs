//! Counting the records of a stretch of keys without reading them: by page, or by frame where
//! all of a frame lies in the stretch and its number of records is known.

use alloc::vec::Vec;

use super::leaf::Leaf;
use super::{Pages, Reader};
use crate::art::head::HeadView;
use crate::ids::TreeId;
use crate::node::{Miss, Query};

/// A count under way. It survives a miss: what was counted stays counted.
#[derive(Clone, Debug)]
pub struct Count {
    /// Records so far.
    pub records: u64,
    /// Where to go on: keys below are counted.
    from: Vec<u8>,
    /// Where the stretch ends, the key itself not included; `None` for the end of all keys.
    to: Option<Vec<u8>>,
    /// Whether all of the stretch is counted.
    pub done: bool,
}

impl Count {
    /// Nothing counted yet of the keys in `from..to`.
    pub fn new(from: Vec<u8>, to: Option<Vec<u8>>) -> Self {
        let done = to.as_ref().is_some_and(|to| *to <= from);
        Self { records: 0, from, to, done }
    }
}

impl<P: Pages> Reader<'_, P> {
    /// Goes on counting until there are more than `most` records, `frames` frames were counted,
    /// or the stretch ends.
    pub fn count(
        self,
        tree: TreeId,
        count: &mut Count,
        most: u64,
        frames: usize,
    ) -> Result<(), Miss> {
        for _ in 0..frames {
            if count.done || count.records > most {
                return Ok(());
            }
            let frame = self.leaf_frame(tree, &count.from)?;
            let head = self.head(frame, 0)?;
            let (low, high) = (head.low_key(self.pages)?, head.high_key(self.pages)?);
            let to = count.to.as_deref();
            let ends = match (high, to) {
                (None, _) => true,
                (Some(high), Some(to)) => high >= to,
                (Some(_), None) => false,
            };
            let whole = low >= count.from.as_slice() && (!ends || to == high);
            let known = if whole { self.pages.live(frame)? } else { None };
            let records = match known {
                Some(records) => records,
                None => self.count_frame(head, &count.from, to)?,
            };
            count.records = count.records.saturating_add(records);
            match high {
                Some(high) if !ends => {
                    // Fences must ascend, or a damaged tree could be counted for ever.
                    if high <= count.from.as_slice() {
                        let why = "a frame ends before a key that leads to it";
                        return Err(Miss::Broken { frame, why });
                    }
                    count.from.clear();
                    count.from.extend_from_slice(high);
                }
                _ => count.done = true,
            }
        }
        Ok(())
    }

    /// Records of one frame in `from..to`; the frame has `from`, or starts behind it. Only the
    /// pages at the two ends are searched.
    fn count_frame(self, head: HeadView<'_>, from: &[u8], to: Option<&[u8]>) -> Result<u64, Miss> {
        let (low, high) = (head.low_key(self.pages)?, head.high_key(self.pages)?);
        let place = |key| head.floor(&Query { key, stripped: head.prefix_len() }, self.pages);
        let from = Some(from).filter(|from| *from > low);
        let to = to.filter(|to| high.is_none_or(|high| *to < high));
        let first = from.map_or(Ok(0), place)?;
        let last = to.map_or(Ok(head.count() - 1), place)?;
        let mut records = 0;
        for ordinal in first..=last {
            let page = self.pages.page(head.0.frame(), head.pages()[ordinal])?;
            let leaf = Leaf { frame_prefix: head.prefix(), page };
            let mut below = page.count();
            if let Some(to) = to.filter(|_| ordinal == last) {
                below = leaf.slot_at(to, false, self.pages)?;
            }
            if let Some(from) = from.filter(|_| ordinal == first) {
                below = below.saturating_sub(leaf.slot_at(from, false, self.pages)?);
            }
            records += below as u64;
        }
        Ok(records)
    }
}
