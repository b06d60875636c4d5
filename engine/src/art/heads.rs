//! Routing by heads: sorted arrays of fixed-width pieces of the anchors, counted, not walked.
//!
//! Owns: the encoding below and its search.
//! Never does: recurse, allocate while searching, or trust an offset.
//!
//! A *head* is one u64: six bytes of an anchor (zero-padded, the first the most significant),
//! three bits of how many of them are real (7 when the anchor goes on) and twelve of *payload*,
//! the top bit zero. Heads therefore compare as the strings do, whatever the payload, and two
//! anchors with equal heads both go on: no tie is left to break by length. A *node* holds the
//! distinct heads of a run of anchors after the bytes all of them share, each with a payload of
//! two bits of type and ten of value:
//!
//! | type | the anchors with this head | value |
//! |---|---|---|
//! | ends | one, nothing is left of it | its ordinal |
//! | tail | one, more is left of it | offset / 4 of: ordinal, length, the rest |
//! | node | several | offset / 4 of the node over what follows |
//!
//! The index is: anchors, format, length (two bytes), then nodes, the first over all anchors but
//! the empty one. A node, at a multiple of 4:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | heads in the node |
//! | 1 | bytes shared by its anchors |
//! | 1 | ordinal before its first anchor: the floor of what sorts before them all |
//! | 1 | ordinal of its last anchor |
//! | | up to 16 heads (*narrow*): the shared bytes, then the heads, padded to a multiple of 4 |
//! | | more (*wide*): 15 samples, the heads padded to a multiple of 8, the shared bytes |
//!
//! The samples are every eighth head but the first, padded. A wide node is searched in two cache
//! lines (the samples) and one (the heads between two of them). Counting goes by subtraction and
//! sign, which compiles to straight-line code, vectors where the target has them, without a
//! branch on the outcome. Payloads travel with the heads, so that finding the next node costs no
//! further line, nor does an answer that is not below a tail or a node.

mod revise;

use alloc::vec::Vec;
use core::cmp::Ordering;

pub use revise::{Revision, revise};

use super::Refused;
use super::anchors::{AnchorList, rebuilds, well_formed};
use super::pen::{Job, Pen};
use crate::codec::order::{self, common_len};
use crate::limits::{MAX_ANCHOR_BYTES, MAX_ANCHORS};

/// Bytes before the first node.
const ROOT: usize = 4;
/// Bytes of a node before its arrays.
const HEADER: usize = 4;
/// Heads compared in one step of a wide node: one cache line of them.
const GROUP: usize = 8;
/// Heads compared in one step of a narrow node.
const STEP: usize = 4;
/// Sampled heads of a wide node; with the headers they fill two cache lines.
const SAMPLES: usize = 15;
/// Most heads of a node without samples.
const NARROW: usize = 16;
/// Bytes of an anchor in one head.
const SLICE: usize = 6;
/// The length in a head whose anchor goes on.
const MORE: u64 = 7;
/// Bits below the length in a head.
const PAYLOAD_BITS: u32 = 12;
/// Bits of value in a payload.
const VALUE_BITS: u32 = 10;
/// The payload of a query's head: not below any payload.
const QUERY: u64 = NODE << VALUE_BITS | ((1 << VALUE_BITS) - 1);
/// Fills up an array of heads: above every head, a query's too, as its type does not exist.
const PADDING: u64 = u64::MAX >> 1;
/// The format byte.
const FORMAT: u8 = 0x10;
/// Most nodes on one way down: each but the last passes a slice.
const MAX_DEPTH: usize = MAX_ANCHOR_BYTES / SLICE + 1;

/// Types of payload.
const ENDS: u64 = 0;
const TAIL: u64 = 1;
const NODE: u64 = 2;

const _: () = {
    assert!(ROOT + HEADER + 8 * SAMPLES == 128, "a wide root's heads start on a cache line");
    assert!((SAMPLES + 1) * GROUP > MAX_ANCHORS, "samples reach every head");
    assert!(MAX_ANCHORS <= 127 && MAX_ANCHOR_BYTES <= u8::MAX as usize, "both fit a byte");
    assert!(8 * SLICE as u32 + 3 + PAYLOAD_BITS == 63, "a head leaves the sign bit free");
};

/// The head of `rest` with the given payload.
#[inline]
fn head(rest: &[u8], payload: u64) -> u64 {
    let len = rest.len();
    let (bytes, len) = if let Some(eight) = rest.first_chunk::<8>() {
        (u64::from_be_bytes(*eight), MORE)
    } else if let (Some(first), Some(last)) = (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
        // Two overlapping halves, so that a short key costs no loop.
        let low = u64::from(u32::from_be_bytes(*last)) << (8 * (8 - len));
        (u64::from(u32::from_be_bytes(*first)) << 32 | low, len as u64)
    } else {
        let byte = |at: usize| rest.get(at).map_or(0, |&byte| u64::from(byte));
        (byte(0) << 56 | byte(1) << 48 | byte(2) << 40, len as u64)
    };
    (bytes >> 16) << (PAYLOAD_BITS + 3) | len << PAYLOAD_BITS | payload
}

#[inline]
fn length(head: u64) -> u64 {
    head >> PAYLOAD_BITS & 7
}

#[inline]
fn word(bytes: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*bytes)
}

/// How many of `heads` are not above `key`; both leave the sign bit free.
#[inline]
fn count_up_to<const N: usize>(heads: &[[u8; 8]; N], key: u64) -> usize {
    let above: u64 = heads.iter().map(|head| key.wrapping_sub(word(head)) >> 63).sum();
    N - above as usize
}

/// One node, its arrays cut out of the index.
#[derive(Clone, Copy)]
struct Node<'a> {
    header: &'a [u8; HEADER],
    samples: Option<&'a [[u8; 8]; SAMPLES]>,
    /// With the padding.
    heads: &'a [[u8; 8]],
    shared: &'a [u8],
}

impl<'a> Node<'a> {
    /// The node at `at`, or none if it would reach past the end.
    #[inline]
    fn read(index: &'a [u8], at: usize) -> Option<Self> {
        let (header, rest) = index.get(at..)?.split_first_chunk::<HEADER>()?;
        let (count, common) = (usize::from(header[0]), usize::from(header[1]));
        if count > NARROW {
            let (samples, rest) = rest.split_at_checked(8 * SAMPLES)?;
            let (heads, rest) = rest.split_at_checked(8 * count.next_multiple_of(GROUP))?;
            let samples = samples.as_chunks::<8>().0.first_chunk::<SAMPLES>();
            let heads = heads.as_chunks::<8>().0;
            Some(Self { header, samples, heads, shared: rest.get(..common)? })
        } else {
            let (shared, rest) = rest.split_at_checked(common)?;
            let heads = rest.get(..8 * count.next_multiple_of(STEP))?;
            Some(Self { header, samples: None, heads: heads.as_chunks::<8>().0, shared })
        }
    }

    /// How many heads are not above `key`.
    #[inline]
    fn rank(&self, key: u64) -> usize {
        let Some(samples) = self.samples else {
            return self
                .heads
                .as_chunks::<STEP>()
                .0
                .iter()
                .map(|step| count_up_to(step, key))
                .sum();
        };
        let start = GROUP * count_up_to(samples, key);
        // None only if the samples are damaged.
        let group = self.heads.get(start..).and_then(|rest| rest.first_chunk::<GROUP>());
        group.map_or(0, |group| start + count_up_to(group, key))
    }

    /// The floor of what sorts before the node.
    #[inline]
    fn before(&self) -> usize {
        usize::from(self.header[2])
    }

    #[inline]
    fn last(&self) -> usize {
        usize::from(self.header[3])
    }
}

/// What a payload stands for.
enum Below<'a> {
    Ends(usize),
    Tail(usize, &'a [u8]),
    Node(usize),
}

#[inline]
fn below(index: &[u8], head: u64) -> Option<Below<'_>> {
    let value = (head & ((1 << VALUE_BITS) - 1)) as usize;
    match head >> VALUE_BITS & 3 {
        ENDS => Some(Below::Ends(value)),
        TAIL => {
            let (&[ordinal, len], rest) = index.get(4 * value..)?.split_first_chunk::<2>()?;
            Some(Below::Tail(usize::from(ordinal), rest.get(..usize::from(len))?))
        }
        NODE => Some(Below::Node(4 * value)),
        _ => None,
    }
}

/// The last ordinal among the anchors of `head`.
#[inline]
fn last_of(index: &[u8], head: u64) -> Option<usize> {
    match below(index, head)? {
        Below::Ends(ordinal) | Below::Tail(ordinal, _) => Some(ordinal),
        Below::Node(at) => index.get(at + 3).map(|&last| usize::from(last)),
    }
}

/// See [`super::floor`].
#[inline]
pub fn floor(index: &[u8], query: &[u8]) -> usize {
    search(index, query).unwrap_or(0).min(MAX_ANCHORS - 1)
}

#[inline]
fn search(index: &[u8], query: &[u8]) -> Option<usize> {
    let (mut at, mut rest) = (ROOT, query);
    for _ in 0..MAX_DEPTH {
        let node = Node::read(index, at)?;
        if !node.shared.is_empty() {
            let (front, back) = rest.split_at_checked(rest.len().min(node.shared.len()))?;
            match order::compare(front, node.shared) {
                Ordering::Less => return Some(node.before()),
                Ordering::Greater => return Some(node.last()),
                Ordering::Equal => rest = back,
            }
        }
        let key = head(rest, QUERY);
        let Some(place) = node.rank(key).checked_sub(1) else { return Some(node.before()) };
        let nearest = word(node.heads.get(place)?);
        if length(key) != MORE || (nearest ^ key) >> PAYLOAD_BITS != 0 {
            return last_of(index, nearest);
        }
        rest = rest.get(SLICE..)?;
        match below(index, nearest)? {
            Below::Ends(ordinal) => return Some(ordinal),
            Below::Tail(ordinal, tail) => {
                return Some(ordinal.saturating_sub(usize::from(rest < tail)));
            }
            Below::Node(next) => at = next,
        }
    }
    None
}

/// See [`super::count`].
pub fn count(index: &[u8]) -> usize {
    index.first().map_or(0, |&count| usize::from(count))
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
    let mut at = ROOT;
    for _ in 0..MAX_DEPTH {
        let node = Node::read(index, at)?;
        out.extend_from_slice(node.shared);
        let heads = node.heads.get(..usize::from(node.header[0]))?;
        let ends_before =
            |head: &[u8; 8]| last_of(index, word(head)).is_some_and(|last| last < ordinal);
        let head = heads.get(heads.partition_point(ends_before)).map(word)?;
        push_slice(head, out);
        match below(index, head)? {
            Below::Ends(found) => return (found == ordinal).then_some(()),
            Below::Tail(found, tail) => {
                out.extend_from_slice(tail);
                return (found == ordinal).then_some(());
            }
            Below::Node(next) => at = next,
        }
    }
    None
}

/// See [`super::anchors`].
pub fn anchors(index: &[u8]) -> Result<AnchorList, &'static str> {
    let list = walk(index).ok_or("an anchor is out of bounds, or there are too many")?;
    if list.len() != count(index) {
        return Err("the number of anchors is not the one stated");
    }
    Ok(list)
}

/// All anchors in order, by one walk over the nodes; none if something lies out of bounds.
fn walk(index: &[u8]) -> Option<AnchorList> {
    let mut list = AnchorList::with_capacity(count(index));
    let mut bytes: Vec<u8> = Vec::with_capacity(MAX_ANCHOR_BYTES);
    // Nodes on the way down: the heads left, and how many bytes of `bytes` come before them.
    let mut open: Vec<(&[[u8; 8]], usize)> = Vec::new();
    let mut nodes = 0;
    let mut enter = Some(ROOT);
    list.push(&[]).then_some(())?;
    loop {
        if let Some(at) = enter.take() {
            // Every node has an anchor, so more nodes than anchors go round in a circle.
            nodes += 1;
            let node = Node::read(index, at).filter(|_| nodes <= MAX_ANCHORS)?;
            bytes.extend_from_slice(node.shared);
            open.push((node.heads.get(..usize::from(node.header[0]))?, bytes.len()));
        }
        let Some((heads, depth)) = open.last_mut() else { return Some(list) };
        let Some((first, rest)) = heads.split_first() else {
            open.pop();
            continue;
        };
        *heads = rest;
        bytes.truncate(*depth);
        let head = word(first);
        push_slice(head, &mut bytes);
        match below(index, head)? {
            Below::Ends(_) => list.push(&bytes).then_some(())?,
            Below::Tail(_, tail) => {
                bytes.extend_from_slice(tail);
                list.push(&bytes).then_some(())?;
            }
            Below::Node(at) => enter = Some(at),
        }
    }
}

/// Adds the bytes of an anchor that are in `head` to `out`.
#[inline]
fn push_slice(head: u64, out: &mut Vec<u8>) {
    let len = out.len() + SLICE.min(length(head) as usize);
    // A whole word costs no call, as so many bytes would.
    out.extend_from_slice(&(head << 1).to_be_bytes());
    out.truncate(len);
}

/// See [`super::verify`].
pub fn verify(index: &[u8]) -> Result<(), &'static str> {
    rebuilds(index, &anchors(index)?, build)
}

/// What one head of a node stands for: the anchors `first..end`.
struct Run<'a> {
    /// With a payload of zero.
    head: u64,
    first: usize,
    end: usize,
    /// What is left of the only one.
    tail: &'a [u8],
}

/// See [`super::build`]. One pass, layer by layer: nodes come after the node that leads to them.
pub fn build(anchors: &[&[u8]], out: &mut [u8]) -> Result<usize, Refused> {
    if !well_formed(anchors) {
        return Err(Refused::NotAnchors);
    }
    write(anchors, out).ok_or(Refused::NoRoom)
}

fn write(anchors: &[&[u8]], out: &mut [u8]) -> Option<usize> {
    let mut pen = Pen { out, at: 0 };
    pen.write(&[anchors.len() as u8, FORMAT, 0, 0])?;
    let mut jobs = Vec::with_capacity(anchors.len());
    jobs.push(Job { first: 1, end: anchors.len(), ..Job::default() });
    let mut runs = Vec::with_capacity(anchors.len());
    let mut done = 0;
    while let Some(&job) = jobs.get(done) {
        if done > 0 {
            lead_here(job.word_at, &mut pen)?;
        }
        write_node(anchors, job, &mut runs, &mut pen, &mut jobs)?;
        done += 1;
    }
    let len = pen.at;
    pen.put(2, &u16::try_from(len).ok()?.to_le_bytes())?;
    Some(len)
}

/// Makes the head at `word_at`, which has no payload yet, lead to the node that comes next.
fn lead_here(word_at: usize, pen: &mut Pen<'_>) -> Option<()> {
    let head = pen.out.get(word_at..)?.first_chunk::<8>().map(word)?;
    let head = head | payload(NODE, pen.at)?;
    pen.put(word_at, &head.to_le_bytes())
}

/// The payload for what lies at `at`, a multiple of 4; none if it lies too far out.
fn payload(kind: u64, at: usize) -> Option<u64> {
    let value = at as u64 / 4;
    (value >> VALUE_BITS == 0).then_some(kind << VALUE_BITS | value)
}

/// Writes the node of `job` and the tails of its heads, and adds the runs below it to `jobs`;
/// `runs` is room for working in.
fn write_node<'a>(
    anchors: &[&'a [u8]],
    job: Job,
    runs: &mut Vec<Run<'a>>,
    pen: &mut Pen<'_>,
    jobs: &mut Vec<Job>,
) -> Option<()> {
    // The first node of an index with only the empty anchor has no anchors.
    let front = anchors[job.first.min(anchors.len() - 1)];
    let back = anchors[job.end - 1];
    let depth = job.depth + common_len(&front[job.depth..], &back[job.depth..]);
    let common = &front[job.depth..depth];
    find_runs(anchors, job, depth, runs);
    let heads_at = write_runs(runs, common, [job.first - 1, job.end - 1], pen)?;
    for (place, run) in runs.iter().enumerate().filter(|(_, run)| run.end - run.first > 1) {
        let (first, end, word_at) = (run.first, run.end, heads_at + 8 * place);
        jobs.push(Job { first, end, depth: depth + SLICE, word_at });
    }
    Some(())
}

/// Writes a node: what its runs have in common, the ordinals before its first anchor and of its
/// last one, its heads, and the tails of those that stand for one anchor. The others have no
/// payload yet. Returns where the heads are.
fn write_runs(
    runs: &[Run<'_>],
    common: &[u8],
    ordinals: [usize; 2],
    pen: &mut Pen<'_>,
) -> Option<usize> {
    let count = runs.len();
    let header = [count, common.len(), ordinals[0], ordinals[1]].map(|field| field as u8);
    pen.write(&header)?;
    let padded = if count > NARROW {
        for sample in 1..=SAMPLES {
            let head = runs.get(sample * GROUP).map_or(PADDING, |run| run.head);
            pen.write(&head.to_le_bytes())?;
        }
        count.next_multiple_of(GROUP)
    } else {
        pen.write(common)?;
        count.next_multiple_of(STEP)
    };
    let heads_at = pen.skip(8 * padded)?;
    for place in count..padded {
        pen.put(heads_at + 8 * place, &PADDING.to_le_bytes())?;
    }
    if count > NARROW {
        pen.write(common)?;
    }
    pen.align()?;
    for (place, run) in runs.iter().enumerate() {
        let mut payload_bits = 0;
        if run.end - run.first == 1 {
            payload_bits = payload(ENDS, 4 * run.first)?;
            if length(run.head) == MORE {
                payload_bits = payload(TAIL, pen.at)?;
                write_tail(run, pen)?;
            }
        }
        pen.put(heads_at + 8 * place, &(run.head | payload_bits).to_le_bytes())?;
    }
    Some(heads_at)
}

/// Writes what a head leaves of its only anchor: ordinal, length, the rest, zeros up to a multiple
/// of 4.
#[inline]
fn write_tail(run: &Run<'_>, pen: &mut Pen<'_>) -> Option<()> {
    let len = run.tail.len();
    let at = pen.skip((2 + len).next_multiple_of(4))?;
    let (front, padding) = pen.out.get_mut(at..pen.at)?.split_at_mut(2 + len);
    (front[0], front[1]) = (run.first as u8, len as u8);
    front[2..].copy_from_slice(run.tail);
    padding.fill(0);
    Some(())
}

/// Puts the anchors of `job`, grouped by their head after `depth` bytes, into `runs`.
fn find_runs<'a>(anchors: &[&'a [u8]], job: Job, depth: usize, runs: &mut Vec<Run<'a>>) {
    runs.clear();
    for (at, anchor) in anchors.iter().enumerate().take(job.end).skip(job.first) {
        let rest = &anchor[depth..];
        let head = head(rest, 0);
        match runs.last_mut() {
            // Anchors with equal heads both go on: they would be the same string otherwise.
            Some(run) if run.head == head => run.end = at + 1,
            _ => runs.push(Run { head, first: at, end: at + 1, tail: tail(rest) }),
        }
    }
}

/// What a head leaves of the rest of an anchor.
#[inline]
fn tail(rest: &[u8]) -> &[u8] {
    rest.get(SLICE..).unwrap_or_default()
}
