//! Reading published and staged pages.
//!
//! Owns: the proof that what is read is what was written. Never does: hold a lock while it
//! waits for the device, except to settle a race that it keeps losing.

use super::PackedStore;
use super::layout::offset;
use super::stage::Staged;
use super::table::{PageRef, Table};
use crate::codec::checksum::crc32;
use crate::device::io::PositionedIo;
use crate::device::poison::lift;
use crate::device::rules;
use crate::error::{Corruption, CorruptionClass, Error, IoErrorKind, Result};
use crate::ids::{BlobId, Ticket};
use crate::limits::{MAX_READ_RUN_PAGES, PAGE_BYTES};
use crate::seeded::{self, Bug};

/// How often a read may lose the race against publishes before it makes them wait.
const RACES: usize = 3;

/// Pages that are consecutive in the blob and on disk.
struct Extent {
    refs: [PageRef; MAX_READ_RUN_PAGES],
    len: usize,
}

impl Extent {
    fn refs(&self) -> &[PageRef] {
        &self.refs[..self.len]
    }

    /// The extent of at most `most` pages that begins with page `first` of a blob.
    fn find(table: &Table, blob: BlobId, first: u32, most: usize) -> Option<Self> {
        let entry = table.get(blob)?;
        let rest = entry.pages.get(entry.position(first)?..)?;
        let mut out =
            Self { refs: [PageRef { page: 0, place: 0, crc: 0 }; MAX_READ_RUN_PAGES], len: 0 };
        let start = rest.first()?;
        for (at, step) in rest.iter().take(most.min(MAX_READ_RUN_PAGES)).zip(0..) {
            if at.page != first + step || at.place != start.place + step {
                break;
            }
            out.refs[out.len] = *at;
            out.len += 1;
        }
        Some(out)
    }
}

impl<Io: PositionedIo> PackedStore<Io> {
    pub(super) fn read_pages(&self, blob: BlobId, first: u32, buf: &mut [u8]) -> Result<()> {
        let pages = (first..=u32::MAX).take(buf.len() / PAGE_BYTES);
        if buf.len() > PAGE_BYTES && self.read_together(blob, pages, buf)? {
            return Ok(());
        }
        let mut done = 0;
        while done * PAGE_BYTES < buf.len() {
            let page = first.checked_add(done as u32).ok_or(Error::NotFound)?;
            done += self.read_some(blob, page, &mut buf[done * PAGE_BYTES..])?;
        }
        Ok(())
    }

    pub(super) fn read_listed(&self, blob: BlobId, pages: &[u32], buf: &mut [u8]) -> Result<()> {
        if pages.len() > 1 && self.read_together(blob, pages.iter().copied(), buf)? {
            return Ok(());
        }
        let mut parts = pages.iter().zip(buf.chunks_exact_mut(PAGE_BYTES));
        parts.try_for_each(|(page, buf)| self.read_some(blob, *page, buf).map(drop))
    }

    /// Reads as many of the pages as lie together; returns how many.
    fn read_some(&self, blob: BlobId, first: u32, buf: &mut [u8]) -> Result<usize> {
        let most = buf.len() / PAGE_BYTES;
        let mut seen = None;
        for _ in 0..RACES {
            let extent =
                Extent::find(&self.table.read(), blob, first, most).ok_or(Error::NotFound)?;
            let found = self.read_extent(&extent, buf)?;
            let Some((bad, why)) = found else { return Ok(extent.len) };
            if seen == Some(bad) {
                // Nothing moved since the last attempt: the bytes are wrong.
                return Err(damaged(blob, bad, why));
            }
            seen = Some(bad);
        }
        let table = self.table.read();
        let extent = Extent::find(&table, blob, first, most).ok_or(Error::NotFound)?;
        match self.read_extent(&extent, buf)? {
            None => Ok(extent.len),
            Some((bad, why)) => Err(damaged(blob, bad, why)),
        }
    }

    /// Reads an extent; gives the first page that is not what it must be.
    fn read_extent(
        &self,
        extent: &Extent,
        buf: &mut [u8],
    ) -> Result<Option<(PageRef, &'static str)>> {
        let refs = extent.refs();
        let buf = &mut buf[..refs.len() * PAGE_BYTES];
        match self.io.read_at(offset(refs[0].place), buf) {
            Ok(()) => {}
            Err(error) if error.kind == IoErrorKind::UnexpectedEof => {
                return Ok(Some((refs[0], "it lies past the end of the file")));
            }
            Err(error) => return Err(lift(error)),
        }
        let wrong = refs
            .iter()
            .zip(buf.chunks_exact(PAGE_BYTES))
            .find(|(at, bytes)| !is_right(bytes, at.crc));
        Ok(wrong.map(|(at, _)| (*at, "its checksum differs from the manifest's")))
    }

    pub(super) fn read_ticket(&self, ticket: Ticket, buf: &mut [u8]) -> Result<()> {
        let find = || -> Option<(u32, Staged)> { self.staging.lock().find(ticket) };
        let (place, staged) = find().ok_or(rules::UNKNOWN_TICKET)?;
        self.io.read_at(offset(place), buf).map_err(lift)?;
        if crc32(0, buf) == staged.crc {
            return Ok(());
        }
        // Published, released or discarded meanwhile, and its place used again?
        find().ok_or(rules::UNKNOWN_TICKET)?;
        let mut wrong = Corruption::new(
            CorruptionClass::Checksum,
            "a page staged before this session's next publish reads back differently",
        );
        wrong.page = Some(u64::from(place));
        Err(wrong.into())
    }
}

/// Whether these are the bytes of that checksum.
pub(super) fn is_right(page: &[u8], crc: u32) -> bool {
    seeded::is(Bug::SkipPageChecksum) || crc32(0, page) == crc
}

fn damaged(blob: BlobId, at: PageRef, why: &'static str) -> Error {
    Corruption::page(CorruptionClass::Checksum, blob, u64::from(at.page), why).into()
}
