//! What every device asks of its arguments, in one place, so that all of them refuse alike.
//!
//! Owns: the checks that need no device. Never does: trust a caller; a guest in a sandbox is
//! one, and its numbers may be anything.

use core::ops::Bound;

use super::blob::{BlobOp, PageAt};
use super::log::LogBounds;
use crate::error::{Error, Result};
use crate::ids::{BlobId, Lsn};
use crate::limits::{MAX_BLOB_PAGES, MAX_META_BYTES, MAX_ROOT_BYTES, PAGE_BYTES};

const fn invalid(what: &'static str, why: &'static str) -> Error {
    Error::InvalidArgument { what, why }
}

/// A ticket that no staged page has.
pub const UNKNOWN_TICKET: Error = invalid("ticket", "must name a page that is staged");
/// A ticket named by two pages of one publish.
pub const TICKET_TWICE: Error = invalid("ticket", "must be published once only");

/// How many pages `len` bytes are.
pub fn whole_pages(len: usize) -> Result<usize> {
    match len.is_multiple_of(PAGE_BYTES) {
        true => Ok(len / PAGE_BYTES),
        false => Err(invalid("buffer", "must be a whole number of 4096-byte pages")),
    }
}

/// Refuses a buffer that is not exactly one page.
pub fn one_page(len: usize) -> Result<()> {
    match len == PAGE_BYTES {
        true => Ok(()),
        false => Err(invalid("buffer", "must be one page of 4096 bytes")),
    }
}

/// Refuses pages that do not ascend, or a buffer of another size than theirs.
pub fn pages_of(pages: &[u32], len: usize) -> Result<()> {
    if !pages.is_sorted_by(|a, b| a < b) {
        return Err(invalid("pages", "must ascend"));
    }
    match len == pages.len() * PAGE_BYTES {
        true => Ok(()),
        false => Err(invalid("buffer", "must be 4096 bytes for each page")),
    }
}

/// The bounds of a listing of blobs greater than `after`.
pub fn after(after: Option<BlobId>) -> (Bound<BlobId>, Bound<BlobId>) {
    (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
}

/// Every page of `ops` with its ticket.
pub fn tickets(ops: &[BlobOp]) -> impl Iterator<Item = &PageAt> {
    ops.iter().flat_map(|op| match op {
        BlobOp::Put { pages, .. } => pages.as_slice(),
        BlobOp::Delete { .. } => &[],
    })
}

/// Checks a publish as far as that needs no knowledge of the store.
pub fn check_publish(ops: &[BlobOp], root: &[u8]) -> Result<()> {
    if root.len() > MAX_ROOT_BYTES {
        return Err(invalid("root", "must be at most 65536 bytes"));
    }
    let mut blobs: alloc::vec::Vec<BlobId> = ops.iter().map(blob_of).collect();
    blobs.sort_unstable();
    if blobs.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(invalid("publish", "must name a blob once only"));
    }
    for op in ops {
        if let BlobOp::Put { meta, pages, dropped, .. } = op {
            if meta.len() > MAX_META_BYTES {
                return Err(invalid("metadata", "must be at most 64 bytes"));
            }
            check_numbers(pages.iter().map(|at| at.page))?;
            check_numbers(dropped.iter().copied())?;
            if pages.iter().any(|at| dropped.binary_search(&at.page).is_ok()) {
                return Err(invalid("page", "must not be both written and dropped"));
            }
        }
    }
    Ok(())
}

fn blob_of(op: &BlobOp) -> BlobId {
    match op {
        BlobOp::Put { blob, .. } | BlobOp::Delete { blob } => *blob,
    }
}

fn check_numbers(pages: impl Iterator<Item = u32>) -> Result<()> {
    let mut last = None;
    for page in pages {
        if page as usize >= MAX_BLOB_PAGES {
            return Err(invalid("page", "must be below 256"));
        }
        if last.is_some_and(|last| last >= page) {
            return Err(invalid("pages", "must be in ascending order, each once"));
        }
        last = Some(page);
    }
    Ok(())
}

/// Refuses an append that is not at the end, or would leave the range of positions.
pub fn check_append(at: Lsn, end: Lsn, len: usize) -> Result<()> {
    if at != end {
        return Err(invalid("position", "must be the end of the log to append there"));
    }
    match at.checked_add(len as u64) {
        Some(_) => Ok(()),
        None => Err(invalid("position", "must stay below 2^64")),
    }
}

/// Refuses a read outside what the log holds; reading at its end is fine and reads nothing.
pub fn check_log_read(at: Lsn, bounds: LogBounds) -> Result<()> {
    match (bounds.start..=bounds.end).contains(&at) {
        true => Ok(()),
        false => Err(invalid("position", "must lie within the log")),
    }
}

/// Refuses a reset that would use positions again.
pub fn check_reset(at: Lsn, end: Lsn) -> Result<()> {
    match at >= end {
        true => Ok(()),
        false => Err(invalid("position", "must not be below the end of the log")),
    }
}
