//! The changes of a publish, packed into parts that fit one call each.
//!
//! Invariant of [`Assembly`]: what it holds is bounded by `MAX_PUBLISH_BYTES` of packed bytes.

use std::collections::BTreeSet;

use std::mem;

use holt_engine::device::{BlobOp, PageAt};
use holt_engine::error::{Error, Result};
use holt_engine::ids::{BlobId, Ticket};
use holt_engine::limits::{MAX_BLOB_PAGES, MAX_META_BYTES, MAX_ROOT_BYTES, MAX_TRANSFER_BYTES};

use crate::bytes::{Reader, malformed, put_count, put_framed};
use crate::limits::MAX_PUBLISH_BYTES;

const DELETE: u8 = 0;
const PUT: u8 = 1;
const ROOT: u8 = 2;

/// Packs `ops` and `root`, handing each part to `send` with whether it is the last.
///
/// # Errors
/// What `send` returns; it is not called again then. `InvalidArgument` for an op over its limits.
pub fn send_parts(
    ops: &[BlobOp],
    root: &[u8],
    mut send: impl FnMut(&[u8], bool) -> Result<()>,
) -> Result<()> {
    let mut part = Vec::new();
    put_root(&mut part, root)?;
    let mut item = Vec::new();
    for op in ops {
        item.clear();
        put_op(&mut item, op)?;
        if part.len() + item.len() > MAX_TRANSFER_BYTES {
            send(&part, false)?;
            part.clear();
        }
        part.extend_from_slice(&item);
    }
    send(&part, true)
}

fn put_root(out: &mut Vec<u8>, root: &[u8]) -> Result<()> {
    out.push(ROOT);
    put_framed(out, root)
}

fn put_op(out: &mut Vec<u8>, op: &BlobOp) -> Result<()> {
    match op {
        BlobOp::Delete { blob } => {
            out.push(DELETE);
            out.extend_from_slice(&blob.0.to_le_bytes());
        }
        BlobOp::Put { blob, meta, pages, dropped } => {
            if pages.len() > MAX_BLOB_PAGES || dropped.len() > MAX_BLOB_PAGES {
                return Err(malformed("more pages than a blob may have"));
            }
            out.push(PUT);
            out.extend_from_slice(&blob.0.to_le_bytes());
            put_framed(out, meta)?;
            put_count(out, pages.len())?;
            for page in pages {
                out.extend_from_slice(&page.page.to_le_bytes());
                out.extend_from_slice(&page.ticket.0.to_le_bytes());
            }
            put_count(out, dropped.len())?;
            for page in dropped {
                out.extend_from_slice(&page.to_le_bytes());
            }
        }
    }
    Ok(())
}

/// Everything one publish names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Publish {
    /// The changes, each blob at most once.
    pub ops: Vec<BlobOp>,
    /// The engine's root record.
    pub root: Vec<u8>,
}

/// Collects the parts of a publish.
#[derive(Debug, Default)]
pub struct Assembly {
    ops: Vec<BlobOp>,
    root: Option<Vec<u8>>,
    blobs: BTreeSet<BlobId>,
    bytes: usize,
}

impl Assembly {
    /// Forgets all parts.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes a part; with `last`, returns the whole and starts again.
    ///
    /// # Errors
    /// `InvalidArgument` for bytes of another form, a blob named twice, a root that is missing or
    /// there twice, too many bytes. All parts are forgotten then.
    pub fn push(&mut self, part: &[u8], last: bool) -> Result<Option<Publish>> {
        let outcome = self.take_part(part, last);
        if outcome.is_err() {
            self.clear();
        }
        outcome
    }

    fn take_part(&mut self, part: &[u8], last: bool) -> Result<Option<Publish>> {
        self.bytes = self.bytes.saturating_add(part.len());
        if part.len() > MAX_TRANSFER_BYTES || self.bytes > MAX_PUBLISH_BYTES {
            return Err(Error::InvalidArgument {
                what: "publish",
                why: "parts have 1 MiB at most, all of them 64 MiB; checkpoint more often",
            });
        }
        let mut reader = Reader::new(part);
        while !reader.is_empty() {
            self.take_item(&mut reader)?;
        }
        if !last {
            return Ok(None);
        }
        let mut whole = mem::take(self);
        let root = whole.root.take().ok_or(malformed("publish without a root"))?;
        Ok(Some(Publish { ops: whole.ops, root }))
    }

    fn take_item(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        match reader.u8()? {
            ROOT => {
                let root = reader.framed()?;
                if root.len() > MAX_ROOT_BYTES {
                    return Err(malformed("root over its limit"));
                }
                if self.root.replace(root.into()).is_some() {
                    return Err(malformed("two roots in one publish"));
                }
            }
            DELETE => {
                let blob = self.take_blob(reader)?;
                self.ops.push(BlobOp::Delete { blob });
            }
            PUT => {
                let blob = self.take_blob(reader)?;
                let meta = reader.framed()?;
                if meta.len() > MAX_META_BYTES {
                    return Err(malformed("metadata over its limit"));
                }
                let pages = take_pages(reader)?;
                let dropped = take_dropped(reader)?;
                self.ops.push(BlobOp::Put { blob, meta: meta.into(), pages, dropped });
            }
            _ => return Err(malformed("item of an unknown kind")),
        }
        Ok(())
    }

    fn take_blob(&mut self, reader: &mut Reader<'_>) -> Result<BlobId> {
        let blob = BlobId(reader.u64()?);
        match self.blobs.insert(blob) {
            true => Ok(blob),
            false => Err(malformed("one blob named twice")),
        }
    }
}

fn take_pages(reader: &mut Reader<'_>) -> Result<Vec<PageAt>> {
    let count = reader.count(12)?;
    let mut pages: Vec<PageAt> = Vec::with_capacity(count.min(MAX_BLOB_PAGES));
    for _ in 0..count {
        let page = PageAt { page: reader.u32()?, ticket: Ticket(reader.u64()?) };
        check_page(page.page, pages.last().map(|last| last.page))?;
        pages.push(page);
    }
    Ok(pages)
}

fn take_dropped(reader: &mut Reader<'_>) -> Result<Vec<u32>> {
    let count = reader.count(4)?;
    let mut dropped = Vec::with_capacity(count.min(MAX_BLOB_PAGES));
    for _ in 0..count {
        let page = reader.u32()?;
        check_page(page, dropped.last().copied())?;
        dropped.push(page);
    }
    Ok(dropped)
}

/// Ascending and below the limit, which also bounds how many there are.
fn check_page(page: u32, last: Option<u32>) -> Result<()> {
    if page as usize >= MAX_BLOB_PAGES || last.is_some_and(|last| last >= page) {
        return Err(malformed("page numbers out of order or over their limit"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(blob: u64, pages: usize) -> BlobOp {
        let at = |page| PageAt { page, ticket: Ticket(u64::MAX - u64::from(page)) };
        BlobOp::Put {
            blob: BlobId(blob),
            meta: vec![3; MAX_META_BYTES],
            pages: (0..pages as u32).map(at).collect(),
            dropped: vec![0, 255],
        }
    }

    fn through(ops: &[BlobOp], root: &[u8]) -> (Option<Publish>, usize) {
        let (mut assembly, mut whole, mut parts) = (Assembly::default(), None, 0);
        send_parts(ops, root, |part, last| {
            assert!(part.len() <= MAX_TRANSFER_BYTES);
            parts += 1;
            whole = assembly.push(part, last)?;
            assert_eq!(whole.is_some(), last);
            Ok(())
        })
        .unwrap();
        (whole, parts)
    }

    #[test]
    fn a_publish_of_many_parts_reads_back() {
        let mut ops: Vec<BlobOp> = (0..1000).map(|blob| put(blob, 256)).collect();
        ops.push(BlobOp::Delete { blob: BlobId(u64::MAX) });
        let (whole, parts) = through(&ops, b"root");
        assert_eq!(whole, Some(Publish { ops, root: b"root".to_vec() }));
        assert!(parts > 3);
        assert_eq!(through(&[], b"").0, Some(Publish::default()));
    }

    #[test]
    fn twice_named_missing_and_disordered_are_refused() {
        let mut part = Vec::new();
        put_op(&mut part, &put(1, 2)).unwrap();
        assert!(Assembly::default().push(&part, true).is_err(), "no root");
        put_root(&mut part, b"").unwrap();
        assert!(Assembly::default().push(&part, true).is_ok());
        for len in 1..part.len() {
            assert!(Assembly::default().push(&part[..len], true).is_err(), "{len}");
        }
        let twice = part.repeat(2);
        assert!(Assembly::default().push(&twice, true).is_err());
        let mut disorder = Vec::new();
        let pages = [1, 1].map(|page| PageAt { page, ticket: Ticket(0) }).to_vec();
        let op = BlobOp::Put { blob: BlobId(1), meta: vec![], pages, dropped: vec![] };
        put_op(&mut disorder, &op).unwrap();
        assert!(Assembly::default().push(&disorder, false).is_err());
    }

    #[test]
    fn huge_counts_and_endless_parts_are_refused_without_allocating() {
        let mut part = vec![PUT];
        part.extend_from_slice(&[0; 12]);
        part.extend_from_slice(&u32::MAX.to_le_bytes());
        assert!(Assembly::default().push(&part, false).is_err());
        let mut assembly = Assembly::default();
        let part = vec![DELETE; MAX_TRANSFER_BYTES + 1];
        assert!(assembly.push(&part, false).is_err());
        let mut blob = 0u64;
        let refused = (0..100).any(|_| {
            let mut part = Vec::new();
            while part.len() + 9 <= MAX_TRANSFER_BYTES {
                blob += 1;
                put_op(&mut part, &BlobOp::Delete { blob: BlobId(blob) }).unwrap();
            }
            assembly.push(&part, false).is_err()
        });
        assert!(refused && assembly.ops.is_empty());
    }
}
