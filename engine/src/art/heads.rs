//! Routing by heads: sorted arrays of fixed-width pieces of the anchors, counted, not walked.
//!
//! Owns: the encoding below and its search.
//! Never does: recurse, allocate while searching, or trust an offset.
//!
//! A *head* is one u64: seven bytes of an anchor (zero-padded, the first the most significant)
//! and, lowest, how many of them are real, or 8 when the anchor goes on. Heads therefore compare
//! as the strings do, and two anchors with equal heads both go on: no tie is left to break by
//! length. A *node* holds the distinct heads of a run of anchors after the bytes all of them
//! share. A head of one anchor that goes on has a *tail* (the rest of it); a head of several has
//! a node over what follows. Paths make few layers: each passes the shared bytes and seven more.
//!
//! Node, at a multiple of 8 (the first one, at 0, is over all anchors but the empty one):
//!
//! | bytes | what |
//! |---|---|
//! | 1 | heads in the node |
//! | 1 | bytes shared by its anchors |
//! | 1 | ordinal before its first anchor: the floor of what sorts before them all |
//! | 1 | kind: bit 0 = a head has several anchors, bit 1 = some head goes on, bits 4.. = format |
//! | 1, 1, 2 | anchors, zero, length of the index (first node; zero in the others) |
//! | 120 | if over 16 heads: every eighth head, the ninth first, filled up with all ones |
//! | 8 each | heads, ascending |
//! | 2 each | if some head goes on: 0, or offset of the node, or `TAIL` + offset of the tail |
//! | 1 each | if a head has several anchors: ordinal of the last anchor of each head |
//! | | the shared bytes |
//!
//! A tail is one byte of length and the bytes. A wide node is searched in two cache lines plus
//! one: 15 sampled heads, then the 8 heads between two of them, with no branch that depends on
//! the outcome.

use alloc::vec::Vec;
use core::cmp::Ordering;

use super::Refused;
use super::anchors::{AnchorList, shared, well_formed};
use crate::limits::{MAX_ANCHOR_BYTES, MAX_ANCHORS};

/// Bytes of a node before its arrays.
const HEADER: usize = 8;
/// Heads compared in one step of a wide node: one cache line of them.
const GROUP: usize = 8;
/// Sampled heads of a wide node; with the header they fill two cache lines.
const SAMPLES: usize = 15;
/// Most heads of a node without samples.
const NARROW: usize = 16;
/// Bytes of an anchor in one head.
const SLICE: usize = 7;
/// The length in a head whose anchor goes on.
const MORE: u64 = 8;
/// Set in the word of a head whose rest is a tail.
const TAIL: u16 = 0x8000;
/// Some head of the node stands for several anchors.
const SEVERAL: u8 = 1;
/// Some head of the node goes on.
const GOES_ON: u8 = 2;
/// The format, in the kind of every node.
const FORMAT: u8 = 0x10;
/// Most nodes on one way down: each passes a slice, and the last one at least nothing.
const MAX_DEPTH: usize = MAX_ANCHOR_BYTES / SLICE + 1;

const _: () = {
    assert!(HEADER + 8 * SAMPLES == 128, "a wide node's heads start on a cache line");
    assert!((SAMPLES + 1) * GROUP > MAX_ANCHORS, "samples reach every head");
    assert!(MAX_ANCHORS <= 127 && MAX_ANCHOR_BYTES <= u8::MAX as usize, "both fit a byte");
};

/// The head of `rest`.
#[inline]
fn head(rest: &[u8]) -> u64 {
    if let Some(eight) = rest.first_chunk::<8>() {
        return u64::from_be_bytes(*eight) & !0xff | MORE;
    }
    let len = rest.len();
    // Two overlapping halves, so that a short key costs no loop.
    let bytes = if let (Some(first), Some(last)) = (rest.first_chunk::<4>(), rest.last_chunk::<4>())
    {
        let low = u64::from(u32::from_be_bytes(*last)) << (8 * (8 - len));
        u64::from(u32::from_be_bytes(*first)) << 32 | low
    } else {
        let byte = |at: usize| rest.get(at).map_or(0, |&byte| u64::from(byte));
        byte(0) << 56 | byte(1) << 48 | byte(2) << 40
    };
    bytes | len as u64
}

#[inline]
fn word(bytes: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*bytes)
}

#[inline]
fn heads_of(bytes: &[u8]) -> &[[u8; 8]] {
    bytes.as_chunks::<8>().0
}

/// How many of `heads` are not above `key`.
#[inline]
fn count_up_to(heads: &[[u8; 8]], key: u64) -> usize {
    heads.iter().map(|head| usize::from(word(head) <= key)).sum()
}

/// One node, its arrays cut out of the index.
#[derive(Clone, Copy)]
struct Node<'a> {
    header: &'a [u8; HEADER],
    samples: &'a [[u8; 8]],
    heads: &'a [[u8; 8]],
    words: &'a [[u8; 2]],
    lasts: &'a [u8],
    shared: &'a [u8],
}

impl<'a> Node<'a> {
    /// The node at `at`, or none if it would reach past the end.
    #[inline]
    fn read(index: &'a [u8], at: usize) -> Option<Self> {
        let (header, rest) = index.get(at..)?.split_first_chunk::<HEADER>()?;
        let (count, kind) = (usize::from(header[0]), header[3]);
        let wide = if count > NARROW { 8 * SAMPLES } else { 0 };
        let (samples, rest) = rest.split_at_checked(wide)?;
        let (heads, rest) = rest.split_at_checked(8 * count)?;
        let words = if kind & GOES_ON != 0 { 2 * count } else { 0 };
        let (words, rest) = rest.split_at_checked(words)?;
        let lasts = if kind & SEVERAL != 0 { count } else { 0 };
        let (lasts, rest) = rest.split_at_checked(lasts)?;
        Some(Self {
            header,
            samples: heads_of(samples),
            heads: heads_of(heads),
            words: words.as_chunks::<2>().0,
            lasts,
            shared: rest.get(..usize::from(header[1]))?,
        })
    }

    /// How many heads are not above `key`.
    #[inline]
    fn rank(&self, key: u64) -> usize {
        let Some(samples) = self.samples.first_chunk::<SAMPLES>() else {
            return count_up_to(self.heads, key);
        };
        let start = GROUP * count_up_to(samples, key);
        let rest = self.heads.get(start..).unwrap_or_default();
        match rest.first_chunk::<GROUP>() {
            Some(group) => start + count_up_to(group, key),
            None => start + count_up_to(rest, key),
        }
    }

    /// The ordinal of the last anchor of the first `rank` heads.
    #[inline]
    fn last(&self, rank: usize) -> usize {
        let base = usize::from(self.header[2]);
        if rank == 0 {
            return base;
        }
        self.lasts.get(rank - 1).map_or(base + rank, |&last| usize::from(last))
    }

    /// The word of head `at`.
    #[inline]
    fn word(&self, at: usize) -> u16 {
        self.words.get(at).map_or(0, |word| u16::from_le_bytes(*word))
    }
}

#[inline]
fn tail(index: &[u8], word: u16) -> Option<&[u8]> {
    let (&len, rest) = index.get(usize::from(word & !TAIL)..)?.split_first()?;
    rest.get(..usize::from(len))
}

/// See [`super::floor`].
#[inline]
pub fn floor(index: &[u8], query: &[u8]) -> usize {
    search(index, query).unwrap_or(0).min(MAX_ANCHORS - 1)
}

#[inline]
fn search(index: &[u8], query: &[u8]) -> Option<usize> {
    let (mut at, mut rest) = (0, query);
    for _ in 0..MAX_DEPTH {
        let node = Node::read(index, at)?;
        if !node.shared.is_empty() {
            let common = rest.len().min(node.shared.len());
            let (front, back) = rest.split_at_checked(common)?;
            match front.cmp(node.shared) {
                Ordering::Less => return Some(node.last(0)),
                Ordering::Greater => return Some(node.last(node.heads.len())),
                Ordering::Equal => rest = back,
            }
        }
        let key = head(rest);
        let rank = node.rank(key);
        // In a damaged node the samples may point past the heads: `get`, not an index.
        let nearest = node.heads.get(rank.wrapping_sub(1)).map(word);
        if key & 0xff != MORE || nearest != Some(key) {
            return Some(node.last(rank));
        }
        rest = rest.get(SLICE..)?;
        let word = node.word(rank - 1);
        if word & TAIL != 0 {
            let below = rest < tail(index, word)?;
            return Some(node.last(rank).saturating_sub(usize::from(below)));
        }
        at = usize::from(word);
    }
    None
}

/// See [`super::count`].
pub fn count(index: &[u8]) -> usize {
    index.get(4).map_or(0, |&count| usize::from(count))
}

/// See [`super::anchor`].
pub fn anchor(index: &[u8], ordinal: usize, out: &mut Vec<u8>) -> bool {
    out.clear();
    let found = ordinal < count(index) && find(index, ordinal, out).is_some();
    if !found {
        out.clear();
    }
    found
}

/// Follows the ordinal down; the bytes passed on the way are the anchor.
fn find(index: &[u8], ordinal: usize, out: &mut Vec<u8>) -> Option<()> {
    if ordinal == 0 {
        return Some(());
    }
    let mut at = 0;
    for _ in 0..MAX_DEPTH {
        let node = Node::read(index, at)?;
        out.extend_from_slice(node.shared);
        let place = (0..node.heads.len()).find(|&place| node.last(place + 1) >= ordinal)?;
        let len = push_head(word(&node.heads[place]), out)?;
        if len <= SLICE {
            return Some(());
        }
        let word = node.word(place);
        if word & TAIL != 0 {
            out.extend_from_slice(tail(index, word)?);
            return Some(());
        }
        at = usize::from(word);
    }
    None
}

/// Adds the bytes in `head` to `out` and returns its length byte.
fn push_head(head: u64, out: &mut Vec<u8>) -> Option<usize> {
    let bytes = head.to_be_bytes();
    let len = usize::from(bytes[SLICE]);
    out.extend_from_slice(bytes.get(..len.min(SLICE))?);
    Some(len)
}

/// See [`super::anchors`].
pub fn anchors(index: &[u8]) -> Result<AnchorList, &'static str> {
    let count = count(index);
    if !(1..=MAX_ANCHORS).contains(&count) {
        return Err("the number of anchors is out of range");
    }
    let mut list = AnchorList::new();
    let mut bytes = Vec::new();
    for ordinal in 0..count {
        if !anchor(index, ordinal, &mut bytes) {
            return Err("an anchor is missing or reaches past the end");
        }
        if !list.push(&bytes) {
            return Err("an anchor is too long");
        }
    }
    Ok(list)
}

/// See [`super::verify`]. An index is a pure function of its anchors, so what is left to check
/// after reading them is that building them again gives the same bytes.
pub fn verify(index: &[u8]) -> Result<(), &'static str> {
    let list = anchors(index)?;
    let slices = list.slices();
    if !well_formed(&slices) {
        return Err("the anchors are out of order, or the first is not empty");
    }
    let mut again = alloc::vec![0; index.len()];
    let len = build(&slices, &mut again).map_err(|_| "the index is cut short")?;
    if index.get(..len) != again.get(..len) {
        return Err("the index is not the one its anchors give");
    }
    Ok(())
}

/// A run of anchors that still needs its node.
#[derive(Clone, Copy, Default)]
struct Job {
    first: usize,
    end: usize,
    /// Bytes of the anchors that the nodes above stand for.
    depth: usize,
    /// Where the word that leads here is.
    word_at: usize,
}

/// Anchors `first..end` of the list share a head.
struct Run {
    head: u64,
    first: usize,
    end: usize,
}

/// See [`super::build`]. One pass, layer by layer: nodes come after the nodes that lead to them.
pub fn build(anchors: &[&[u8]], out: &mut [u8]) -> Result<usize, Refused> {
    if !well_formed(anchors) {
        return Err(Refused::NotAnchors);
    }
    let mut jobs = Vec::with_capacity(anchors.len());
    jobs.push(Job { first: 1, end: anchors.len(), ..Job::default() });
    let mut at = 0;
    let mut done = 0;
    while let Some(&job) = jobs.get(done) {
        let offset = u16::try_from(at).ok().filter(|at| at & TAIL == 0).ok_or(Refused::NoRoom)?;
        if done > 0 {
            put(out, job.word_at, &offset.to_le_bytes())?;
        }
        at = build_node(anchors, job, at, out, &mut jobs).ok_or(Refused::NoRoom)?;
        done += 1;
    }
    let len = u16::try_from(at).map_err(|_| Refused::NoRoom)?;
    put(out, 4, &[anchors.len() as u8, 0])?;
    put(out, 6, &len.to_le_bytes())?;
    Ok(at)
}

fn put(out: &mut [u8], at: usize, bytes: &[u8]) -> Result<(), Refused> {
    let place = out.get_mut(at..at + bytes.len()).ok_or(Refused::NoRoom)?;
    place.copy_from_slice(bytes);
    Ok(())
}

/// Writes the node of `job` and the tails of its heads at `at`, adds the runs below it to `jobs`,
/// and returns the end, a multiple of 8; none when `out` is too small.
fn build_node(
    anchors: &[&[u8]],
    job: Job,
    at: usize,
    out: &mut [u8],
    jobs: &mut Vec<Job>,
) -> Option<usize> {
    let run = &anchors[job.first..job.end];
    let common = match (run.first(), run.last()) {
        (Some(first), Some(last)) => shared(&first[job.depth..], &last[job.depth..]),
        _ => 0,
    };
    let depth = job.depth + common;
    let runs = runs(anchors, job.first, job.end, depth);
    let several = runs.iter().any(|run| run.end - run.first > 1);
    let goes_on = runs.iter().any(|run| run.head & 0xff == MORE);
    let count = runs.len();
    let kind = FORMAT | u8::from(several) * SEVERAL | u8::from(goes_on) * GOES_ON;
    let mut pen = Pen { out, at };
    let base = (job.first - 1) as u8;
    pen.write(&[count as u8, common as u8, base, kind, 0, 0, 0, 0])?;
    if count > NARROW {
        for sample in 1..=SAMPLES {
            let head = runs.get(sample * GROUP).map_or(u64::MAX, |run| run.head);
            pen.write(&head.to_le_bytes())?;
        }
    }
    for run in &runs {
        pen.write(&run.head.to_le_bytes())?;
    }
    let words_at = pen.at;
    if goes_on {
        pen.at += 2 * count;
    }
    if several {
        for run in &runs {
            pen.write(&[(run.end - 1) as u8])?;
        }
    }
    if let Some(first) = run.first() {
        pen.write(&first[job.depth..depth])?;
    }
    for (place, run) in runs.iter().enumerate().filter(|_| goes_on) {
        let word_at = words_at + 2 * place;
        let mut word = 0;
        if run.end - run.first > 1 {
            jobs.push(Job { first: run.first, end: run.end, depth: depth + SLICE, word_at });
        } else if run.head & 0xff == MORE {
            word = u16::try_from(pen.at).ok().filter(|at| at & TAIL == 0)? | TAIL;
            let tail = &anchors[run.first][depth + SLICE..];
            pen.write(&[tail.len() as u8])?;
            pen.write(tail)?;
        }
        let end = pen.at;
        pen.at = word_at;
        pen.write(&word.to_le_bytes())?;
        pen.at = end;
    }
    pen.write(&[0; 8][..pen.at.next_multiple_of(8) - pen.at])?;
    Some(pen.at)
}

/// Anchors `first..end`, grouped by their head after `depth` bytes.
fn runs(anchors: &[&[u8]], first: usize, end: usize, depth: usize) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::with_capacity(end - first);
    for at in first..end {
        let head = head(&anchors[at][depth..]);
        match runs.last_mut() {
            Some(run) if run.head == head => run.end = at + 1,
            _ => runs.push(Run { head, first: at, end: at + 1 }),
        }
    }
    runs
}

/// Writes forward; none when there is no room.
struct Pen<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Pen<'_> {
    fn write(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.at + bytes.len();
        self.out.get_mut(self.at..end)?.copy_from_slice(bytes);
        self.at = end;
        Some(())
    }
}
