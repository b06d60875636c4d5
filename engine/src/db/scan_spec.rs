//! What a scan is to return, and the stretch of keys that it has to walk for it.
//!
//! Owns: the meaning of bounds, for both directions and with roll-ups. Never does: read.
//!
//! The entries of a scan, keys and roll-ups, stand in one order, each by its own bytes. Bounds
//! cut that order and nothing else: whether a roll-up is returned depends on where *it* stands,
//! not on where the keys under it do. [`ScanSpec::span`] turns that into keys.

use alloc::vec::Vec;

use crate::frame::successor;

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct ScanSpec {
    pub prefix: Vec<u8>,
    pub start: Option<Start>,
    /// The last entry of an earlier part, behind which to go on; `start` holds beside it.
    pub resume: Option<Vec<u8>>,
    pub end_before: Option<Vec<u8>>,
    pub reverse: bool,
    pub delimiter: Option<u8>,
}

/// Where a scan starts, in its own direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub key: Vec<u8>,
    /// Whether an entry equal to `key` is returned.
    pub inclusive: bool,
}

/// A place in the order of all keys, used or not: just before `key`, or just behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Gap {
    pub key: Vec<u8>,
    pub after: bool,
}

impl Gap {
    pub const fn before(key: Vec<u8>) -> Self {
        Self { key, after: false }
    }
}

/// The keys between two places. `None` is the start, or the end, of all keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub low: Option<Gap>,
    pub high: Option<Gap>,
    /// Whether nothing is left, whatever the places say.
    pub empty: bool,
}

impl Span {
    /// Moves the low end up; `None` is the end of all keys.
    fn raise(&mut self, low: Option<Gap>) {
        match low {
            None => self.empty = true,
            some => self.low = self.low.take().max(some),
        }
    }

    /// Moves the high end down; `None` is the end of all keys.
    fn lower(&mut self, high: Option<Gap>) {
        self.high = match (self.high.take(), high) {
            (Some(old), Some(new)) => Some(old.min(new)),
            (old, new) => old.or(new),
        };
    }

    /// Whether no key lies in it.
    pub fn is_empty(&self) -> bool {
        let crossed = matches!((&self.low, &self.high), (Some(low), Some(high)) if low >= high);
        self.empty || crossed
    }
}

impl ScanSpec {
    /// The keys to walk, whose bounds are made of those asked for.
    pub fn span(self) -> Span {
        let Self { prefix, start, resume, end_before, reverse, delimiter } = self;
        let mut span = Span { low: None, high: None, empty: false };
        if !prefix.is_empty() {
            span.high = successor(&prefix).map(Gap::before);
        }
        let start = start.map(|start| (start.key, start.inclusive));
        for (key, inclusive) in start.into_iter().chain(resume.map(|key| (key, false))) {
            let gap = beside_rollup(&prefix, delimiter, Gap { key, after: inclusive == reverse });
            if reverse { span.lower(gap) } else { span.raise(gap) }
        }
        if let Some(key) = end_before {
            let gap = beside_rollup(&prefix, delimiter, Gap { key, after: reverse });
            if reverse { span.raise(gap) } else { span.lower(gap) }
        }
        if !prefix.is_empty() {
            span.raise(Some(Gap::before(prefix)));
        }
        span
    }
}

/// Length of what `key` rolls up to, if it does: up to and including the first delimiter after the
/// prefix.
fn rollup(prefix: &[u8], delimiter: Option<u8>, key: &[u8]) -> Option<usize> {
    let delimiter = delimiter?;
    let rest = key.strip_prefix(prefix)?;
    let at = rest.iter().position(|&byte| byte == delimiter)?;
    Some(prefix.len() + at + 1)
}

/// A place among keys that stands for a place among entries: one that is inside what a roll-up
/// covers is behind the roll-up, and so moves behind all it covers. `None` is the end of all keys.
fn beside_rollup(prefix: &[u8], delimiter: Option<u8>, gap: Gap) -> Option<Gap> {
    match rollup(prefix, delimiter, &gap.key) {
        Some(len) if gap.after || len < gap.key.len() => {
            successor(&gap.key[..len]).map(Gap::before)
        }
        _ => Some(gap),
    }
}

/// Turns `bytes` into the least byte string above everything that starts with them; `false`, and
/// the bytes are gone, if there is none.
pub(super) fn make_successor(bytes: &mut Vec<u8>) -> bool {
    while let Some(last) = bytes.pop() {
        if last < u8::MAX {
            bytes.push(last + 1);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(reverse: bool) -> ScanSpec {
        ScanSpec { prefix: b"p".into(), delimiter: Some(b'/'), reverse, ..ScanSpec::default() }
    }

    fn start(key: &[u8], inclusive: bool) -> Option<Start> {
        Some(Start { key: key.into(), inclusive })
    }

    #[test]
    fn bounds_inside_a_roll_up_stand_behind_it() {
        for (key, inclusive) in [(&b"pa/x"[..], false), (b"pa/x", true), (b"pa/", false)] {
            let span = ScanSpec { start: start(key, inclusive), ..spec(false) }.span();
            assert_eq!(span.low, Some(Gap::before(b"pa0".into())), "forward {key:?}");
        }
        let at = ScanSpec { start: start(b"pa/", true), ..spec(false) }.span();
        assert_eq!(at.low, Some(Gap::before(b"pa/".into())));
        for (key, inclusive) in [(&b"pa/x"[..], false), (b"pa/x", true), (b"pa/", true)] {
            let span = ScanSpec { start: start(key, inclusive), ..spec(true) }.span();
            assert_eq!(span.high, Some(Gap::before(b"pa0".into())), "backward {key:?}");
        }
        let below = ScanSpec { start: start(b"pa/", false), ..spec(true) }.span();
        assert_eq!(below.high, Some(Gap::before(b"pa/".into())));
    }

    #[test]
    fn bounds_outside_the_prefix_leave_it_as_it_is_or_nothing() {
        let whole = spec(false).span();
        assert_eq!(ScanSpec { start: start(b"a/b", false), ..spec(false) }.span(), whole);
        assert_eq!(ScanSpec { end_before: Some(b"q".into()), ..spec(false) }.span(), whole);
        assert!(ScanSpec { start: start(b"q", true), ..spec(false) }.span().is_empty());
        assert!(ScanSpec { start: start(b"a", true), ..spec(true) }.span().is_empty());
        assert!(!whole.is_empty());
    }

    #[test]
    fn the_successor_of_all_ones_is_the_end() {
        assert_eq!(successor(b"a\xff\xff"), Some(b"b".into()));
        assert_eq!(successor(b"\xff\xff"), None);
        assert_eq!(successor(b""), None);
    }
}
