//! Routing by a packed radix tree: nodes of 4, 16, 48 and 256, path compression, floor search.
//!
//! Owns: the encoding below and its search.
//! Never does: recurse, allocate while searching, go back up, or trust an offset.
//!
//! Not used: [`super::heads`] was faster in every shape measured, by `examples/routing_bench.rs`
//! on a busy two-core machine (nanoseconds of one lookup, in one frame and in a random one of
//! 10 000; instructions by callgrind):
//!
//! | anchors | heads: hot, cold, instructions | radix: hot, cold, instructions |
//! |---|---|---|
//! | digits in one large directory | 16, 280, 186 | 50, 515, 373 |
//! | `path/sub/file`, 180 files a directory | 39, 420, 403 | 54, 457, 435 |
//! | five files a directory | 36, 361, 328 | 49, 487, 406 |
//! | `/usr` | 47, 497, 395 | 71, 572, 549 |
//! | random eight bytes | 16, 285, 179 | 21, 392, 198 |
//!
//! A node here settles one byte and costs a dependent cache line and a branch on its type; a
//! node of heads settles six in three lines, two of them at known places. This tree is smaller
//! where directories make layers (by 7 to 20 %) and larger where they do not (by 20 to 37 %).
//!
//! Ordinals are contiguous, so no search has to turn round: what sorts below a whole subtree has
//! the ordinal before it as its floor, and between two children the floor is the last ordinal of
//! the lower one, which the node has at hand.
//!
//! The index is a header (anchors, format, length in two bytes, root word in two bytes) and
//! nodes, each after the node that leads to it. A child is a word: three bits of type and
//! thirteen of ordinal or offset. A node is its shared bytes behind six others: children, shared
//! bytes, floor of what sorts before it, floor of what ends at it, last ordinal, and whether an
//! anchor ends at it (the end-of-key child, which sorts before byte 0). Then
//!
//! | type | what |
//! |---|---|
//! | 4, 16 | so many key bytes, padded; last ordinal of each child; word of each child |
//! | 48 | for every byte, the floor's ordinal, or 128 + place of the child; word of each child |
//! | 256 | for every byte a word, that of a gap holding the floor's ordinal |
//! | leaf | ordinal, length, the rest of the anchor (no bytes at all if nothing is left) |

use alloc::vec::Vec;
use core::cmp::Ordering;

use super::Refused;
use super::anchors::{AnchorList, collect, rebuilds, well_formed};
use super::pen::{Job, Pen};
use crate::codec::order::common_len;
use crate::limits::{MAX_ANCHOR_BYTES, MAX_ANCHORS};

/// Where the root's word is.
const ROOT_WORD: usize = 4;
/// Bytes of a node before its shared bytes.
const HEADER: usize = 6;
/// The format byte.
const FORMAT: u8 = 0x20;
/// Bits of a word that hold ordinal or offset.
const VALUE_BITS: u32 = 13;
/// Most nodes on one way down: each but the last passes a byte.
const MAX_DEPTH: usize = MAX_ANCHOR_BYTES + 1;
/// In the table of a node of 48: this byte has a child.
const CHILD: u8 = 0x80;

/// An anchor that ends here; the word has its ordinal.
const HERE: u16 = 0;
/// An anchor with more bytes.
const LEAF: u16 = 1;
const NODE4: u16 = 2;
const NODE16: u16 = 3;
const NODE48: u16 = 4;
const NODE256: u16 = 5;
/// A byte of a node of 256 without a child; the word has the floor's ordinal.
const GAP: u16 = 7;

const _: () = assert!(MAX_ANCHORS <= CHILD as usize && MAX_ANCHOR_BYTES <= u8::MAX as usize);

#[inline]
fn split(word: u16) -> (u16, usize) {
    (word >> VALUE_BITS, usize::from(word & ((1 << VALUE_BITS) - 1)))
}

fn join(kind: u16, value: usize) -> Option<u16> {
    let value = u16::try_from(value).ok().filter(|value| value >> VALUE_BITS == 0)?;
    Some(kind << VALUE_BITS | value)
}

#[inline]
fn word_at(words: &[u8], place: usize) -> Option<u16> {
    let (words, _) = words.as_chunks::<2>();
    words.get(place).map(|word| u16::from_le_bytes(*word))
}

/// One node but for its children.
struct Node<'a> {
    header: &'a [u8; HEADER],
    shared: &'a [u8],
    body: &'a [u8],
}

impl<'a> Node<'a> {
    #[inline]
    fn read(index: &'a [u8], at: usize) -> Option<Self> {
        let (header, rest) = index.get(at..)?.split_first_chunk::<HEADER>()?;
        let (shared, body) = rest.split_at_checked(usize::from(header[1]))?;
        Some(Self { header, shared, body })
    }

    /// The floor of what sorts before the node.
    #[inline]
    fn before(&self) -> usize {
        usize::from(self.header[2])
    }

    /// The floor of what ends at the node.
    #[inline]
    fn at_end(&self) -> usize {
        usize::from(self.header[3])
    }

    #[inline]
    fn last(&self) -> usize {
        usize::from(self.header[4])
    }

    /// The word for `byte`, that of a gap if it has no child.
    #[inline]
    fn child(&self, kind: u16, byte: u8) -> Option<u16> {
        match kind {
            NODE4 => self.child_of_few::<4>(byte),
            NODE16 => self.child_of_few::<16>(byte),
            NODE48 => {
                let (table, words) = self.body.split_first_chunk::<256>()?;
                match table[usize::from(byte)] {
                    floor if floor < CHILD => Some(GAP << VALUE_BITS | u16::from(floor)),
                    place => word_at(words, usize::from(place & !CHILD)),
                }
            }
            NODE256 => word_at(self.body, usize::from(byte)),
            _ => None,
        }
    }

    #[inline]
    fn child_of_few<const KEYS: usize>(&self, byte: u8) -> Option<u16> {
        let (keys, rest) = self.body.split_first_chunk::<KEYS>()?;
        let count = usize::from(self.header[0]);
        let rank: u8 = keys.iter().map(|&key| u8::from(key <= byte)).sum();
        // The padding is 255, which counts for that byte.
        let rank = usize::from(rank).min(count);
        let gap = GAP << VALUE_BITS;
        let Some(place) = rank.checked_sub(1) else {
            return Some(gap | u16::from(self.header[3]));
        };
        if *keys.get(place)? != byte {
            return Some(gap | u16::from(*rest.get(place)?));
        }
        word_at(rest.get(count..)?, place)
    }
}

#[inline]
fn leaf(index: &[u8], at: usize) -> Option<(usize, &[u8])> {
    let (&[ordinal, len], rest) = index.get(at..)?.split_first_chunk::<2>()?;
    Some((usize::from(ordinal), rest.get(..usize::from(len))?))
}

/// See [`super::floor`].
#[inline]
pub fn floor(index: &[u8], query: &[u8]) -> usize {
    search(index, query).unwrap_or(0).min(MAX_ANCHORS - 1)
}

#[inline]
fn search(index: &[u8], query: &[u8]) -> Option<usize> {
    let mut rest = query;
    let mut word = word_at(index.get(ROOT_WORD..)?, 0)?;
    for _ in 0..=MAX_DEPTH {
        let (kind, value) = split(word);
        match kind {
            HERE | GAP => return Some(value),
            LEAF => {
                let (ordinal, tail) = leaf(index, value)?;
                return Some(ordinal.saturating_sub(usize::from(rest < tail)));
            }
            _ => {}
        }
        let node = Node::read(index, value)?;
        if !node.shared.is_empty() {
            let (front, back) = rest.split_at_checked(rest.len().min(node.shared.len()))?;
            match front.cmp(node.shared) {
                Ordering::Less => return Some(node.before()),
                Ordering::Greater => return Some(node.last()),
                Ordering::Equal => rest = back,
            }
        }
        let Some((&byte, after)) = rest.split_first() else { return Some(node.at_end()) };
        word = node.child(kind, byte)?;
        rest = after;
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
    let mut word = word_at(index.get(ROOT_WORD..)?, 0)?;
    for _ in 0..=MAX_DEPTH {
        let (kind, value) = split(word);
        match kind {
            HERE => return (value == ordinal).then_some(()),
            LEAF => {
                let (found, tail) = leaf(index, value)?;
                out.extend_from_slice(tail);
                return (found == ordinal).then_some(());
            }
            _ => {}
        }
        let node = Node::read(index, value)?;
        out.extend_from_slice(node.shared);
        if node.header[5] != 0 && node.at_end() == ordinal {
            return Some(());
        }
        let reaches = |byte: &u8| {
            let child = node.child(kind, *byte).filter(|&child| split(child).0 != GAP);
            child.and_then(|child| last_of(index, child)).is_some_and(|last| last >= ordinal)
        };
        let byte = (0..=u8::MAX).find(reaches)?;
        out.push(byte);
        word = node.child(kind, byte)?;
    }
    None
}

/// The last ordinal below `word`.
fn last_of(index: &[u8], word: u16) -> Option<usize> {
    match split(word) {
        (HERE, ordinal) => Some(ordinal),
        (LEAF, at) => leaf(index, at).map(|(ordinal, _)| ordinal),
        (_, at) => Node::read(index, at).map(|node| node.last()),
    }
}

/// See [`super::anchors`].
pub fn anchors(index: &[u8]) -> Result<AnchorList, &'static str> {
    collect(index, count(index), anchor)
}

/// See [`super::verify`].
pub fn verify(index: &[u8]) -> Result<(), &'static str> {
    rebuilds(index, &anchors(index)?, build)
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
    pen.write(&[anchors.len() as u8, FORMAT, 0, 0, 0, 0, 0, 0])?;
    let mut jobs = Vec::with_capacity(2 * anchors.len());
    jobs.push(Job { first: 0, end: anchors.len(), depth: 0, word_at: ROOT_WORD });
    let mut done = 0;
    while let Some(&job) = jobs.get(done) {
        let word = match job.end - job.first {
            1 => write_leaf(anchors[job.first], job, &mut pen)?,
            _ => write_node(anchors, job, &mut pen, &mut jobs)?,
        };
        pen.put(job.word_at, &word.to_le_bytes())?;
        done += 1;
    }
    let len = pen.at;
    pen.put(2, &u16::try_from(len).ok()?.to_le_bytes())?;
    Some(len)
}

fn write_leaf(anchor: &[u8], job: Job, pen: &mut Pen<'_>) -> Option<u16> {
    let tail = &anchor[job.depth..];
    if tail.is_empty() {
        return join(HERE, job.first);
    }
    let word = join(LEAF, pen.at)?;
    pen.write(&[job.first as u8, tail.len() as u8])?;
    pen.write(tail)?;
    Some(word)
}

/// The children of a node, as ordinals: `first` of each, and the byte it is under.
struct Children {
    bytes: Vec<u8>,
    firsts: Vec<usize>,
    end: usize,
}

impl Children {
    /// The anchors `first..end` by their byte at `depth`, which all of them have.
    fn of(anchors: &[&[u8]], first: usize, end: usize, depth: usize) -> Self {
        let mut children = Self { bytes: Vec::new(), firsts: Vec::new(), end };
        for (ordinal, anchor) in anchors.iter().enumerate().take(end).skip(first) {
            if children.bytes.last() != Some(&anchor[depth]) {
                children.bytes.push(anchor[depth]);
                children.firsts.push(ordinal);
            }
        }
        children
    }

    /// The ordinal after the last of child `place`.
    fn end_of(&self, place: usize) -> usize {
        self.firsts.get(place + 1).copied().unwrap_or(self.end)
    }

    /// For every byte its place, or the floor of a gap, which is `at_end` before the first.
    fn by_byte(&self, at_end: usize) -> impl Iterator<Item = Result<usize, usize>> + '_ {
        (0..=u8::MAX).map(move |byte| match self.bytes.binary_search(&byte) {
            Ok(place) => Ok(place),
            Err(0) => Err(at_end),
            Err(place) => Err(self.end_of(place - 1) - 1),
        })
    }
}

/// Writes the node of `job` with its children's words left open, and adds them to `jobs`.
fn write_node(anchors: &[&[u8]], job: Job, pen: &mut Pen<'_>, jobs: &mut Vec<Job>) -> Option<u16> {
    let (front, back) = (anchors[job.first], anchors[job.end - 1]);
    let depth = job.depth + common_len(&front[job.depth..], &back[job.depth..]);
    let ends = front.len() == depth;
    let children = Children::of(anchors, job.first + usize::from(ends), job.end, depth);
    let count = children.bytes.len();
    let before = job.first.saturating_sub(1);
    let at_end = if ends { job.first } else { before };
    let kind = match count {
        0..=4 => NODE4,
        5..=16 => NODE16,
        17..=48 => NODE48,
        _ => NODE256,
    };
    let word = join(kind, pen.at)?;
    let shared = &front[job.depth..depth];
    let last = (job.end - 1) as u8;
    let header = [count, shared.len(), before, at_end].map(|field| field as u8);
    pen.write(&header)?;
    pen.write(&[last, u8::from(ends)])?;
    pen.write(shared)?;
    if kind == NODE4 || kind == NODE16 {
        let keys = if kind == NODE4 { 4 } else { 16 };
        pen.write(&children.bytes)?;
        pen.write(&[u8::MAX; 16][..keys - count])?;
        for place in 0..count {
            pen.write(&[(children.end_of(place) - 1) as u8])?;
        }
    } else if kind == NODE48 {
        for entry in children.by_byte(at_end) {
            pen.write(&[entry.map_or_else(|floor| floor as u8, |place| CHILD | place as u8)])?;
        }
    }
    let words_at = pen.at;
    if kind == NODE256 {
        for entry in children.by_byte(at_end) {
            let gap = entry.map_or_else(|floor| join(GAP, floor), |_| Some(0))?;
            pen.write(&gap.to_le_bytes())?;
        }
    } else {
        pen.skip(2 * count)?;
    }
    for (place, (&byte, &first)) in children.bytes.iter().zip(&children.firsts).enumerate() {
        let slot = if kind == NODE256 { usize::from(byte) } else { place };
        let end = children.end_of(place);
        jobs.push(Job { first, end, depth: depth + 1, word_at: words_at + 2 * slot });
    }
    Some(word)
}
