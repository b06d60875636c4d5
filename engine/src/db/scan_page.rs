//! Bounded parts of a scan as values, and the tokens that lead from one to the next.

use alloc::vec::Vec;

use super::scan_run::ScanRun;
use super::scan_spec::ScanSpec;
use super::source::{Source, look_whole};
use crate::codec::bytes::{Reader, Write};
use crate::codec::checksum::crc32;
use crate::error::{Error, Result};
use crate::ids::{Lsn, TreeId};
use crate::limits::{MAX_KEY_BYTES, MAX_PAGE_TOKEN_BYTES};

/// A bounded part of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanPage<E> {
    /// The entries, in the order of the scan.
    pub entries: Vec<E>,
    /// Pass it as `start_after` to the same scan to go on; `None` at the end.
    pub next: Option<Vec<u8>>,
}

/// A bounded part of a scan that goes on by token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenPage<E> {
    /// The entries, in the order of the scan.
    pub entries: Vec<E>,
    /// Pass it to the same scan to go on; `None` at the end.
    pub next: Option<PageToken>,
    /// Whether the part is sure to show the same state of the tree as the scan's first part.
    /// Where it is `false`, writes since then may show: records that were there throughout are
    /// still returned once and in order, others may or may not be. Of a scan on a tree only the
    /// first part is consistent; of a scan on a snapshot all are.
    pub consistent: bool,
}

/// Where a scan goes on, as a value that outlives the process: opaque, and valid for the one scan
/// (prefix, bounds, direction, delimiter and tree) that gave it. It holds nothing in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageToken {
    scan: u64,
    snapshot: Option<Lsn>,
    after: Vec<u8>,
}

/// The form that [`PageToken::to_bytes`] writes.
const FORM: u8 = 1;
const CRC_BYTES: usize = 4;
/// Bytes of a token beside the key: form, scan, whether there is a snapshot and which, checksum.
const FRAME_BYTES: usize = 1 + 8 + 1 + 8 + CRC_BYTES;

const _: () = assert!(FRAME_BYTES + MAX_KEY_BYTES == MAX_PAGE_TOKEN_BYTES);

const fn invalid(why: &'static str) -> Error {
    Error::InvalidArgument { what: "page token", why }
}

impl PageToken {
    /// The token as bytes, to store or to send: at most
    /// [`MAX_PAGE_TOKEN_BYTES`].
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FRAME_BYTES + self.after.len());
        out.put_u8(FORM);
        out.put_u64(self.scan);
        out.put_u8(u8::from(self.snapshot.is_some()));
        out.put_u64(self.snapshot.unwrap_or(0));
        out.extend_from_slice(&self.after);
        out.put_u32(crc32(0, &out));
        out
    }

    /// The token in `bytes`.
    ///
    /// # Errors
    /// `InvalidArgument` for bytes that [`PageToken::to_bytes`] did not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let damaged = invalid("it is damaged or no token; pass one from a page, unchanged");
        if bytes.len() > MAX_PAGE_TOKEN_BYTES {
            return Err(damaged);
        }
        let Some((body, crc)) = bytes.split_last_chunk::<CRC_BYTES>() else {
            return Err(damaged);
        };
        if crc32(0, body) != u32::from_le_bytes(*crc) {
            return Err(damaged);
        }
        Self::decode(body).ok_or(invalid("it is of another version; begin the scan anew"))
    }

    fn decode(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let known = reader.u8()? == FORM;
        let scan = reader.u64()?;
        let (taken, snapshot) = (reader.u8()?, reader.u64()?);
        let snapshot = match taken {
            0 if snapshot == 0 => None,
            1 => Some(snapshot),
            _ => return None,
        };
        let after = reader.bytes(reader.remaining())?.into();
        known.then_some(Self { scan, snapshot, after })
    }

    /// The position of the snapshot that the scan began on, if on one ([`View::lsn`]): no two
    /// states of a store have the same, over reopenings too.
    ///
    /// [`View::lsn`]: super::View::lsn
    pub fn snapshot(&self) -> Option<Lsn> {
        self.snapshot
    }
}

/// A fingerprint of what a scan asks for: FNV-1a over its parts, each with its length.
fn fingerprint(tree: TreeId, spec: &ScanSpec) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    let mut feed = |part: Option<&[u8]>| {
        let len = part.map_or(u64::MAX, |part| part.len() as u64).to_le_bytes();
        for &byte in len.iter().chain(part.unwrap_or(&[])) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    let start = spec.start.as_ref();
    feed(Some(&tree.to_le_bytes()));
    feed(Some(&spec.prefix));
    feed(start.map(|start| start.key.as_slice()));
    feed(Some(&[u8::from(start.is_some_and(|start| start.inclusive)), u8::from(spec.reverse)]));
    feed(spec.end_before.as_deref());
    feed(spec.delimiter.as_ref().map(core::slice::from_ref));
    state
}

/// The first part of a scan: at most `max_entries` entries, and no further one once `max_bytes`
/// of keys and values are reached. All of it is of one state.
pub(super) fn first_part<S: Source>(
    source: &S,
    spec: &ScanSpec,
    values: bool,
    max_entries: usize,
    max_bytes: usize,
) -> Result<ScanRun> {
    if max_entries == 0 {
        return Err(Error::InvalidArgument { what: "max_entries", why: "must be at least 1" });
    }
    let begin = || {
        let mut run = ScanRun::new(source, spec.clone(), values);
        run.begin_part(max_entries, max_bytes);
        run
    };
    let run = begin();
    if !run.more {
        return Ok(run);
    }
    let mut first = Some(run);
    let begin = || first.take().unwrap_or_else(begin);
    let (run, ()) = look_whole(source, begin, |reader, run| run.advance(reader))?;
    Ok(run)
}

/// A part of a scan that goes on at `token`; with it, where the next one goes on, and whether it
/// is consistent with the first one.
pub(super) fn token_part<S: Source>(
    source: &S,
    spec: &ScanSpec,
    values: bool,
    token: Option<&PageToken>,
    bounds: (usize, usize),
) -> Result<(ScanRun, Option<PageToken>, bool)> {
    let scan = fingerprint(source.tree(), spec);
    let run = match token {
        None => first_part(source, spec, values, bounds.0, bounds.1)?,
        Some(token) if token.scan != scan => {
            return Err(invalid("it belongs to another scan; pass it to the scan that gave it"));
        }
        Some(token) => {
            let spec = ScanSpec { resume: Some(token.after.clone()), ..spec.clone() };
            first_part(source, &spec, values, bounds.0, bounds.1)?
        }
    };
    let now = source.snapshot();
    let (snapshot, consistent) = match token {
        None => (now, true),
        Some(token) => (token.snapshot, now.is_some() && now == token.snapshot),
    };
    let after = run.part.last().filter(|_| run.more).map(|last| last.key.into());
    Ok((run, after.map(|after| PageToken { scan, snapshot, after }), consistent))
}
