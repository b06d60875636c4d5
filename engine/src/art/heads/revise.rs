//! An index with one anchor changed, or one more, made of the index that is there.
//!
//! Owns: which changes leave the rest of the index as it is. That is a change within one node:
//! what the node's anchors share stays the same, and the head of the anchor is of no other, or of
//! one other that it comes to; those two get a node of their own then. All other nodes are copied,
//! with the places and ordinals that follow from it; no anchor is put together or compared with
//! another, which is most of the work of building an index.
//! Never does: write anything that [`build`](super::build) would not write; what it cannot do is
//! left to that.

use alloc::vec::Vec;

use super::{
    Below, ENDS, FORMAT, HEADER, MAX_DEPTH, Node, PAYLOAD_BITS, Pen, ROOT, Run, SAMPLES, SLICE,
    TAIL, VALUE_BITS, below, head, lead_here, length, payload, tail, word, write_runs,
};
use crate::codec::order::common_len;
use crate::limits::{MAX_ANCHOR_BYTES, MAX_ANCHORS};

/// Bits below the first byte in a head.
const FIRST_BYTE: u32 = 63 - 8;

/// The place of the node, in no index, of an anchor and the one that it comes to.
const PAIR: usize = usize::MAX;

/// How an index becomes the one with another anchor.
pub struct Revision<'a> {
    index: &'a [u8],
    /// Where the node of the anchor is in the index.
    node: usize,
    /// The nodes on the way to that one, it among them.
    way: Vec<usize>,
    /// The run of the anchor in its node.
    place: usize,
    run: Run<'a>,
    /// Whether the anchor comes in beside the others.
    comes_in: bool,
    /// The anchor that has the same head, if it comes to one: its ordinal after that, and its tail.
    beside: Option<(usize, &'a [u8])>,
}

/// How to make of `index` the one that has `anchor` at `ordinal`, where another one was or, if it
/// `comes_in`, before that; none if it must be built anew.
pub fn revise<'a>(
    index: &'a [u8],
    ordinal: usize,
    anchor: &'a [u8],
    comes_in: bool,
) -> Option<Revision<'a>> {
    let count = usize::from(*index.first()?) + usize::from(comes_in);
    // The empty anchor, the first one, is in no node.
    if count > MAX_ANCHORS || anchor.is_empty() || anchor.len() > MAX_ANCHOR_BYTES {
        return None;
    }
    let (mut at, mut rest) = (ROOT, anchor);
    let mut way = Vec::with_capacity(8);
    for _ in 0..MAX_DEPTH {
        let node = Node::read(index, at)?;
        way.push(at);
        // What the only anchor of a node shares with itself is all of it.
        let heads = heads_of(&node).filter(|heads| heads.len() > 1)?;
        rest = rest.strip_prefix(node.shared)?;
        let key = head(rest, 0);
        let is_below = |found: &[u8; 8]| word(found) >> PAYLOAD_BITS < key >> PAYLOAD_BITS;
        let place = heads.partition_point(is_below);
        let equal = heads.get(place).map(word).filter(|found| (found ^ key) >> PAYLOAD_BITS == 0);
        let (place, beside) = match equal.map(|found| below(index, found)) {
            Some(None) => return None,
            // It is one of several anchors with that head: its own node is further down.
            Some(Some(Below::Node(next))) => {
                (at, rest) = (next, rest.get(SLICE..)?);
                continue;
            }
            // It comes to another anchor with the same head.
            Some(Some(Below::Tail(other, left))) if comes_in => {
                let behind = usize::from(tail(rest) > left);
                let fits = tail(rest) != left && other + behind == ordinal;
                (fits.then_some(place)?, Some((other + 1 - behind, left)))
            }
            // It comes in between two heads.
            None if comes_in => {
                ((first_behind(index, &node, place)? == ordinal).then_some(place)?, None)
            }
            Some(_) if comes_in || !is_alone(index, heads, place, ordinal) => return None,
            // The one that it replaces has the first head that is not below, or the one before.
            _ if is_alone(index, heads, place, ordinal) => (place, None),
            _ => {
                let before = place.checked_sub(1)?;
                (is_alone(index, heads, before, ordinal).then_some(before)?, None)
            }
        };
        let run = Run { head: key, first: ordinal, end: ordinal + 1, tail: tail(rest) };
        let revision = Revision { index, node: at, way, place, run, comes_in, beside };
        return revision.shares_as_before(heads).then_some(revision);
    }
    None
}

/// The heads of a node, without the padding.
fn heads_of<'a>(node: &Node<'a>) -> Option<&'a [[u8; 8]]> {
    node.heads.get(..usize::from(node.header[0]))
}

/// Where the heads of a node are in it.
fn before_heads(node: &Node<'_>) -> usize {
    HEADER + node.samples.map_or(node.shared.len(), |_| 8 * SAMPLES)
}

/// The place that the payload of a head names.
fn place_of(head: u64) -> usize {
    4 * (head & ((1 << VALUE_BITS) - 1)) as usize
}

/// Where the node at `at`, with the tails behind it, ends.
fn end_of(index: &[u8], at: usize, node: &Node<'_>) -> Option<usize> {
    let tails = heads_of(node)?.iter().rev().map(word);
    let last = tails.into_iter().find(|head| head >> VALUE_BITS & 3 == TAIL);
    let end = match last.map(|head| (head, below(index, head))) {
        Some((head, Some(Below::Tail(_, tail)))) => place_of(head) + 2 + tail.len(),
        _ => {
            let shared = node.samples.map_or(0, |_| node.shared.len());
            at + before_heads(node) + 8 * node.heads.len() + shared
        }
    };
    Some(end.next_multiple_of(4))
}

/// Whether the head at `place` stands for the anchor at `ordinal` alone.
fn is_alone(index: &[u8], heads: &[[u8; 8]], place: usize, ordinal: usize) -> bool {
    let found = heads.get(place).and_then(|head| below(index, word(head)));
    matches!(found, Some(Below::Ends(at) | Below::Tail(at, _)) if at == ordinal)
}

/// The first ordinal that is not below the head at `place` of a node.
fn first_behind(index: &[u8], node: &Node<'_>, place: usize) -> Option<usize> {
    let Some(found) = heads_of(node)?.get(place) else { return Some(node.last() + 1) };
    match below(index, word(found))? {
        Below::Ends(at) | Below::Tail(at, _) => Some(at),
        Below::Node(at) => Some(Node::read(index, at)?.before() + 1),
    }
}

impl<'a> Revision<'a> {
    /// Whether the anchors of its node share the same bytes after the change. One that comes in
    /// and shares them changes nothing; where one leaves, the first and the last decide.
    fn shares_as_before(&self, heads: &[[u8; 8]]) -> bool {
        let last = heads.len() - 1;
        if self.comes_in || (self.place != 0 && self.place != last) {
            return true;
        }
        let head = |place: usize| match place == self.place {
            true => self.run.head,
            false => word(&heads[place]),
        };
        length(head(0)) == 0 || (head(0) ^ head(last)) >> FIRST_BYTE != 0
    }

    /// What becomes of an ordinal.
    fn moved(&self, ordinal: usize) -> usize {
        ordinal + usize::from(self.comes_in && ordinal >= self.run.first)
    }

    /// Writes the index to the start of `out`, and returns its length; none if it does not fit.
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        let mut pen = Pen { out, at: 0 };
        let count = usize::from(*self.index.first()?) + usize::from(self.comes_in);
        pen.write(&[count as u8, FORMAT, 0, 0])?;
        // Nodes in the order in which they lie, and where the heads are that lead to them.
        let mut nodes = Vec::with_capacity(count);
        nodes.push((ROOT, 0));
        let mut runs = Vec::with_capacity(count);
        let mut done = 0;
        while let Some(&(at, word_at)) = nodes.get(done) {
            if done > 0 {
                lead_here(word_at, &mut pen)?;
            }
            match at {
                PAIR => self.write_pair(&mut pen)?,
                _ if self.way.contains(&at) => self.copy(at, &mut runs, &mut pen, &mut nodes)?,
                _ => self.copy_whole(at, &mut pen, &mut nodes)?,
            }
            done += 1;
        }
        let len = pen.at;
        pen.put(2, &u16::try_from(len).ok()?.to_le_bytes())?;
        Some(len)
    }

    /// Writes the node at `at` of the old index, which the anchor does not pass on its way: the
    /// same bytes, but for places and ordinals. Adds the nodes that it leads to to `nodes`.
    fn copy_whole(
        &self,
        at: usize,
        pen: &mut Pen<'_>,
        nodes: &mut Vec<(usize, usize)>,
    ) -> Option<()> {
        let node = Node::read(self.index, at)?;
        let heads = heads_of(&node)?;
        let start = pen.at;
        pen.write(self.index.get(at..end_of(self.index, at, &node)?)?)?;
        let ordinals = [self.moved(node.before() + 1) - 1, self.moved(node.last())];
        pen.put(start + 2, &ordinals.map(|ordinal| ordinal as u8))?;
        let heads_at = start + before_heads(&node);
        for (place, found) in heads.iter().map(word).enumerate() {
            let word_at = heads_at + 8 * place;
            let payload_bits = match below(self.index, found)? {
                Below::Ends(ordinal) => payload(ENDS, 4 * self.moved(ordinal))?,
                Below::Tail(ordinal, _) => {
                    // A node and its tails lie together.
                    let tail_at = (place_of(found) + start).checked_sub(at)?;
                    pen.put(tail_at, &[self.moved(ordinal) as u8])?;
                    payload(TAIL, tail_at)?
                }
                Below::Node(next) => {
                    nodes.push((next, word_at));
                    0
                }
            };
            let head = found >> PAYLOAD_BITS << PAYLOAD_BITS | payload_bits;
            pen.put(word_at, &head.to_le_bytes())?;
        }
        Some(())
    }

    /// Writes the node at `at` of the old index, on the way of the anchor, as it is after the
    /// change, and adds those that it leads to to `nodes`; `runs` is room for working in.
    fn copy(
        &self,
        at: usize,
        runs: &mut Vec<Run<'a>>,
        pen: &mut Pen<'_>,
        nodes: &mut Vec<(usize, usize)>,
    ) -> Option<()> {
        let node = Node::read(self.index, at)?;
        let first_child = nodes.len();
        runs.clear();
        for (place, found) in heads_of(&node)?.iter().map(word).enumerate() {
            let splits = self.beside.is_some() && at == self.node && place == self.place;
            let (child, first, tail) = match below(self.index, found)? {
                Below::Node(next) => (Some(next), 0, &[][..]),
                _ if splits => (Some(PAIR), 0, &[][..]),
                Below::Ends(ordinal) => (None, self.moved(ordinal), &[][..]),
                Below::Tail(ordinal, tail) => (None, self.moved(ordinal), tail),
            };
            nodes.extend(child.map(|child| (child, 0)));
            let end = if child.is_some() { usize::MAX } else { first + 1 };
            runs.push(Run { head: found >> PAYLOAD_BITS << PAYLOAD_BITS, first, end, tail });
        }
        if at == self.node && self.beside.is_none() {
            let run = Run { ..self.run };
            match self.comes_in {
                true => runs.insert(self.place, run),
                false => *runs.get_mut(self.place)? = run,
            }
        }
        // What comes in here is behind what is before all of this.
        let ordinals = [node.before(), node.last() + usize::from(self.comes_in)];
        let heads_at = write_runs(runs, node.shared, ordinals, pen)?;
        let several = runs.iter().enumerate().filter(|(_, run)| run.end - run.first > 1);
        for ((place, _), child) in several.zip(nodes.get_mut(first_child..)?) {
            child.1 = heads_at + 8 * place;
        }
        Some(())
    }

    /// Writes the node of the anchor and the one that it comes to.
    fn write_pair(&self, pen: &mut Pen<'_>) -> Option<()> {
        let (ordinal, other) = self.beside?;
        let mut pair = [(self.run.first, self.run.tail), (ordinal, other)];
        pair.sort_unstable();
        let shared = common_len(self.run.tail, other);
        let runs = pair.map(|(first, rest)| {
            let rest = &rest[shared..];
            Run { head: head(rest, 0), first, end: first + 1, tail: tail(rest) }
        });
        let before = pair[0].0.checked_sub(1)?;
        write_runs(&runs, &other[..shared], [before, pair[1].0], pen).map(drop)
    }
}
