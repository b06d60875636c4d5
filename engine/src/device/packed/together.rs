//! Reading pages that lie apart by as few reads as pay.
//!
//! Owns: which pages one read of the device covers. A device takes hardly longer for a page and
//! some beside it than for the page: what lies between two wanted pages is read along where it is
//! little, and thrown away. Never does: tell what is wrong; where a page is not what it must be,
//! it is read by itself.

use alloc::vec::Vec;
use core::ops::Range;

use super::PackedStore;
use super::layout::offset;
use super::read::is_right;
use super::table::{Entry, PageRef};
use crate::device::PageBuffer;
use crate::device::io::PositionedIo;
use crate::device::poison::lift;
use crate::error::{Error, IoErrorKind, Result};
use crate::ids::BlobId;
use crate::limits::{MAX_TRANSFER_BYTES, PAGE_BYTES, READ_GAP_PAGES};

/// Most pages that one read covers.
const MAX_SPAN_PAGES: u32 = (MAX_TRANSFER_BYTES / PAGE_BYTES) as u32;

/// Whether one read may cover both and what is between them.
fn is_close(before: &PageRef, after: &PageRef) -> bool {
    after.place - before.place <= READ_GAP_PAGES + 1
}

/// How pages in order of place are read: runs of them, each by one read.
fn spans(refs: &[PageRef]) -> Vec<Range<usize>> {
    let mut spans: Vec<Range<usize>> = Vec::new();
    for (at, next) in refs.iter().enumerate() {
        match spans.last_mut() {
            Some(span)
                if is_close(&refs[at - 1], next)
                    && next.place - refs[span.start].place < MAX_SPAN_PAGES =>
            {
                span.end = at + 1;
            }
            _ => spans.push(at..at + 1),
        }
    }
    spans
}

/// Pages of the file that a run of pages stretches over.
fn stretch(refs: &[PageRef]) -> usize {
    match refs {
        [first, .., last] => (last.place - first.place) as usize + 1,
        refs => refs.len(),
    }
}

fn find(entry: &Entry, page: u32) -> Option<PageRef> {
    entry.pages.get(entry.position(page)?).copied()
}

impl<Io: PositionedIo> PackedStore<Io> {
    /// Reads all pages, which ascend, by one call of the device; `false` if any is not what it
    /// must be. Then a publish came between, or there is damage, and the slow way tells.
    pub(super) fn read_together(
        &self,
        blob: BlobId,
        pages: impl Iterator<Item = u32>,
        buf: &mut [u8],
    ) -> Result<bool> {
        let refs: Vec<PageRef> = {
            let table = self.table.read();
            let entry = table.get(blob).ok_or(Error::NotFound)?;
            pages.map(|page| find(entry, page).ok_or(Error::NotFound)).collect::<Result<_>>()?
        };
        if refs.len() * PAGE_BYTES != buf.len() {
            return Err(Error::NotFound);
        }
        let mut placed = refs.clone();
        placed.sort_unstable_by_key(|at| at.place);
        let spans = spans(&placed);
        let whole: usize = spans.iter().map(|span| stretch(&placed[span.clone()])).sum();
        if placed == refs && whole == refs.len() {
            return Ok(self.read_spans(&refs, &spans, buf)? && all_right(&refs, buf));
        }
        let mut read = PageBuffer::new(whole);
        if !self.read_spans(&placed, &spans, &mut read)? {
            return Ok(false);
        }
        let mut rest = &read[..];
        for span in spans {
            let run = &placed[span];
            let (now, later) = rest.split_at(stretch(run) * PAGE_BYTES);
            for at in run {
                let skipped = (at.place - run[0].place) as usize * PAGE_BYTES;
                let page = refs.partition_point(|other| other.page < at.page) * PAGE_BYTES;
                buf[page..page + PAGE_BYTES].copy_from_slice(&now[skipped..skipped + PAGE_BYTES]);
            }
            rest = later;
        }
        Ok(all_right(&refs, buf))
    }

    /// Fills `buf` with what the spans stretch over; `false` if one lies past the end of the file.
    fn read_spans(&self, refs: &[PageRef], spans: &[Range<usize>], buf: &mut [u8]) -> Result<bool> {
        let mut parts = Vec::with_capacity(spans.len());
        let mut rest = buf;
        for span in spans {
            let run = &refs[span.clone()];
            let (now, later) = rest.split_at_mut(stretch(run) * PAGE_BYTES);
            parts.push((offset(run[0].place), now));
            rest = later;
        }
        match self.io.read_many(&mut parts) {
            Ok(()) => Ok(true),
            Err(error) if error.kind == IoErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(lift(error)),
        }
    }

    /// See `BlobStore::near`.
    pub(super) fn pages_near(
        &self,
        blob: BlobId,
        page: u32,
        others: &[u32],
        most: usize,
    ) -> Vec<u32> {
        let table = self.table.read();
        let found = table.get(blob).and_then(|entry| Some((entry, find(entry, page)?)));
        let Some((entry, wanted)) = found else { return [page].into() };
        let mut refs: Vec<PageRef> = others.iter().filter_map(|&page| find(entry, page)).collect();
        refs.push(wanted);
        refs.sort_unstable_by_key(|at| at.place);
        refs.dedup();
        let mut pages: Vec<u32> =
            around(&refs, wanted.place, most).iter().map(|at| at.page).collect();
        pages.sort_unstable();
        pages
    }
}

fn all_right(refs: &[PageRef], buf: &[u8]) -> bool {
    refs.iter().zip(buf.chunks_exact(PAGE_BYTES)).all(|(at, page)| is_right(page, at.crc))
}

/// The pages about a place, among some in order of place, that one read covers: the nearest, and
/// at most so many.
fn around(refs: &[PageRef], place: u32, most: usize) -> &[PageRef] {
    let at = refs.partition_point(|other| other.place < place);
    let (mut first, mut last) = (at, at);
    let fits = |first: usize, last: usize| stretch(&refs[first..=last]) <= MAX_SPAN_PAGES as usize;
    while last - first + 1 < most {
        let before = first.checked_sub(1).filter(|&before| is_close(&refs[before], &refs[first]));
        let after = Some(last + 1)
            .filter(|&after| refs.get(after).is_some_and(|after| is_close(&refs[last], after)));
        let before = before.filter(|&before| fits(before, last));
        let after = after.filter(|&after| fits(first, after));
        match (before, after) {
            (Some(before), Some(after)) => {
                let nearer =
                    refs[first].place - refs[before].place <= refs[after].place - refs[last].place;
                (first, last) = if nearer { (before, last) } else { (first, after) };
            }
            (Some(before), None) => first = before,
            (None, Some(after)) => last = after,
            (None, None) => break,
        }
    }
    &refs[first..=last]
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn placed(places: &[u32]) -> Vec<PageRef> {
        places.iter().zip(0..).map(|(&place, page)| PageRef { page, place, crc: 0 }).collect()
    }

    #[test]
    fn what_lies_close_is_one_read_and_no_read_is_too_long() {
        let gap = READ_GAP_PAGES + 1;
        assert_eq!(spans(&[]), vec![]);
        assert_eq!(spans(&placed(&[7])), vec![0..1]);
        assert_eq!(spans(&placed(&[7, 8, 8 + gap, 9 + 2 * gap])), vec![0..3, 3..4]);
        let long: Vec<u32> = (0..1000).collect();
        let spans = spans(&placed(&long));
        assert!(spans.iter().all(|span| span.len() as u32 <= MAX_SPAN_PAGES), "{spans:?}");
        assert_eq!(spans.iter().map(Range::len).sum::<usize>(), 1000);
    }

    #[test]
    fn the_nearest_come_along_as_far_as_one_read_goes() {
        let places = |places: &[u32], place, most| -> Vec<u32> {
            around(&placed(places), place, most).iter().map(|at| at.place).collect()
        };
        assert_eq!(places(&[1, 2, 5, 6, 9], 5, 3), [2, 5, 6]);
        assert_eq!(places(&[1, 2, 5, 6, 9], 5, 9), [1, 2, 5, 6, 9]);
        assert_eq!(places(&[1, 2, 5, 6, 9], 5, 0), [5]);
        assert_eq!(places(&[1, 50, 51, 90], 50, 9), [50, 51]);
        let long: Vec<u32> = (0..1000).collect();
        assert_eq!(places(&long, 500, 1000).len() as u32, MAX_SPAN_PAGES);
    }
}
