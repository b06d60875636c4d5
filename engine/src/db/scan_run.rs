//! A scan under way: one bounded part after the other, each able to go on after a miss.
//!
//! Owns: what is left to walk, and the part at hand. Invariants: every entry lies beyond the one
//! before it in the scan's direction, on damaged pages too, so that a scan ends; whatever was
//! found is out of the span that is left, so that nothing is found twice.

use alloc::vec::Vec;

use super::scan_part::{Buffers, Part};
use super::scan_spec::{Gap, ScanSpec, Span, make_successor};
use super::source::Source;
use crate::forest::{Cursor, Leaf, Pages, Reader};
use crate::ids::TreeId;
use crate::limits::{MAX_SCAN_BYTES, MAX_SCAN_ENTRIES};
use crate::node::{Miss, Record};

/// A scan under way.
pub(super) struct ScanRun {
    tree: TreeId,
    span: Span,
    reverse: bool,
    delimiter: Option<u8>,
    prefix_len: usize,
    values: bool,
    max_entries: usize,
    max_bytes: usize,
    /// The entries of the part at hand.
    pub part: Part,
    /// How many of them are out of `span`.
    settled: usize,
    /// Whether something is left behind the part.
    pub more: bool,
    /// Whether the part at hand was begun and missed something.
    resumed: bool,
    /// Records looked at since the start.
    pub visited: u64,
    /// Calls after a miss since the start.
    pub restarts: u64,
    /// What the keys of the page at hand start with.
    stem: Vec<u8>,
}

/// How the walk over one page ended.
enum Walked {
    /// The part is full, and an entry is left.
    Full,
    /// All that is wanted of the page was taken.
    Page,
    /// What follows a roll-up is not on this page.
    Beyond,
}

impl ScanRun {
    /// A scan of what `spec` asks for, with or without values.
    pub fn new<S: Source>(source: &S, spec: ScanSpec, values: bool) -> Self {
        let (reverse, delimiter, prefix_len) = (spec.reverse, spec.delimiter, spec.prefix.len());
        let span = spec.span();
        let (part, stem) = source.buffers().take();
        Self {
            tree: source.tree(),
            more: !span.is_empty(),
            span,
            reverse,
            delimiter,
            prefix_len,
            values,
            max_entries: 0,
            max_bytes: 0,
            part,
            settled: 0,
            resumed: false,
            visited: 0,
            restarts: 0,
            stem,
        }
    }

    /// Ends the scan, and keeps its buffers for the next one.
    pub fn give_back(&mut self, buffers: &Buffers) {
        buffers.give(core::mem::take(&mut self.part), core::mem::take(&mut self.stem));
    }

    /// Begins the next part: at most `max_entries` entries, and no further one once `max_bytes`
    /// of keys and values are reached.
    pub fn begin_part(&mut self, max_entries: usize, max_bytes: usize) {
        self.settle();
        self.max_entries = max_entries.clamp(1, MAX_SCAN_ENTRIES);
        self.max_bytes = max_bytes.min(MAX_SCAN_BYTES);
        self.part.begin(self.max_entries);
        (self.settled, self.resumed) = (0, false);
    }

    /// Goes on until the part is full or the scan ends. After a miss, call it again.
    pub fn advance<P: Pages>(&mut self, reader: Reader<'_, P>) -> Result<(), Miss> {
        self.restarts += u64::from(self.resumed);
        self.resumed = true;
        self.settle();
        self.more = true;
        let (mut last, mut met) = (None, None);
        while !self.span.is_empty() {
            let (mut cursor, mut sought) = self.seek(reader, last)?;
            loop {
                let leaf = match (sought.take(), self.reverse) {
                    (Some(leaf), _) => Some(leaf),
                    (None, false) => reader.next_page(&mut cursor)?,
                    (None, true) => reader.previous_page(&mut cursor)?,
                };
                let Some(leaf) = leaf else { return self.end() };
                self.touch(reader, leaf, &cursor);
                let far = self.far_slot(reader, leaf, &mut met)?;
                match self.walk(reader, leaf, &mut cursor, far)? {
                    Walked::Full => return Ok(()),
                    Walked::Page if self.reverse && far > 0 => return self.end(),
                    Walked::Page if !self.reverse && far < leaf.page.count() => return self.end(),
                    Walked::Page => self.settle(),
                    Walked::Beyond => break,
                }
            }
            last = Some(cursor);
        }
        self.end()
    }

    fn end(&mut self) -> Result<(), Miss> {
        (self.more, self.span.empty) = (false, true);
        Ok(())
    }

    /// The place where what is left starts, in the scan's direction, and its page if what comes
    /// next is there; `last` is where the walk was before a part that is left out.
    fn seek<'a, P: Pages>(
        &self,
        reader: Reader<'a, P>,
        last: Option<Cursor>,
    ) -> Result<(Cursor, Option<Leaf<'a>>), Miss> {
        let sought = match self.near() {
            Some(gap) => (gap.key.as_slice(), gap.after),
            None if self.reverse => return Ok((reader.seek_end(self.tree)?, None)),
            None => (&[][..], false),
        };
        let (cursor, leaf) = reader.seek_page(self.tree, last.as_ref(), sought)?;
        let is_here =
            if self.reverse { 0 < cursor.slot() } else { cursor.slot() < leaf.page.count() };
        Ok((cursor, is_here.then_some(leaf)))
    }

    fn near(&self) -> Option<&Gap> {
        if self.reverse { self.span.high.as_ref() } else { self.span.low.as_ref() }
    }

    /// Gets what the walk is about to read into the processor's caches: the records of a page
    /// that are likely to be taken, and the start of the next page. Behind a roll-up the next
    /// record may be one that covers all of the page.
    fn touch<P: Pages>(&self, reader: Reader<'_, P>, leaf: Leaf<'_>, cursor: &Cursor) {
        let in_records = self.part.last().is_some_and(|last| last.version.is_some());
        if self.delimiter.is_some() && !in_records {
            return;
        }
        let (at, count) = (cursor.slot(), leaf.page.count());
        let most = self.max_entries - self.part.len().min(self.max_entries);
        let left = if self.reverse { at } else { count - at };
        if left < most
            && let Some(beside) = reader.beside(cursor, self.reverse)
        {
            beside.touch_start();
        }
        let taken = left.min(most);
        leaf.page.touch(if self.reverse { at - taken..at } else { at..at + taken });
    }

    /// The place on a page where what is left ends: a number of records below it. Most frames end
    /// before the scan does, and no page of them need be asked; `met` is the last one that was,
    /// and whether it is such a frame.
    fn far_slot<P: Pages>(
        &self,
        reader: Reader<'_, P>,
        leaf: Leaf<'_>,
        met: &mut Option<(u32, bool)>,
    ) -> Result<usize, Miss> {
        let far = if self.reverse { &self.span.low } else { &self.span.high };
        if !self.reverse
            && let Some(gap) = far
        {
            let frame = leaf.page.frame();
            let known = met.filter(|met| met.0 == frame);
            let whole = match known {
                Some((_, whole)) => whole,
                None => reader.ends_below(frame, &gap.key)?,
            };
            *met = Some((frame, whole));
            if whole {
                return Ok(leaf.page.count());
            }
        }
        match far {
            Some(gap) => leaf.slot_at(&gap.key, gap.after, reader.pages),
            None if self.reverse => Ok(0),
            None => Ok(leaf.page.count()),
        }
    }

    /// Takes what was found out of what is left.
    fn settle(&mut self) {
        if self.part.len() == self.settled {
            return;
        }
        self.settled = self.part.len();
        let Some(last) = self.part.last() else { return };
        let near = if self.reverse { &mut self.span.high } else { &mut self.span.low };
        let gap = near.get_or_insert_with(|| Gap::before(Vec::new()));
        gap.key.clear();
        gap.key.extend_from_slice(last.key);
        gap.after = !self.reverse && last.version.is_some();
        // Forwards a roll-up is left behind with all under it. Backwards it comes before that.
        if !self.reverse && last.version.is_none() {
            self.span.empty |= !make_successor(&mut gap.key);
        }
    }

    /// Takes entries from a page, from the cursor to `far`.
    fn walk<P: Pages>(
        &mut self,
        reader: Reader<'_, P>,
        leaf: Leaf<'_>,
        cursor: &mut Cursor,
        far: usize,
    ) -> Result<Walked, Miss> {
        leaf.stem(&mut self.stem);
        let mut at = cursor.slot();
        // The records of a page in memory are in order, as far as their suffixes tell.
        let mut is_sure = false;
        while self.comes_before(at, far) {
            if is_sure {
                at = self.take_plain(leaf, at, far);
                if !self.comes_before(at, far) {
                    break;
                }
            }
            let slot = if self.reverse { at - 1 } else { at };
            let record = leaf.record(slot);
            if !is_sure || record.long.is_some() {
                self.check_near(reader, leaf, &record)?;
            }
            let long = record.long.map(|long| reader.long_key(long)).transpose()?;
            if let Some(len) = self.rollup(long, &record) {
                if self.is_full() {
                    return Ok(Walked::Full);
                }
                let Some(next) = self.roll_up(reader, leaf, long, &record, len)? else {
                    return Ok(Walked::Beyond);
                };
                if !self.comes_before(at, next) {
                    return Err(out_of_order(leaf));
                }
                (at, is_sure) = (next, false);
                continue;
            }
            if self.is_full() {
                return Ok(Walked::Full);
            }
            let value = if self.values { reader.value(record.value)? } else { &[] };
            let key = match long {
                None => [self.stem.as_slice(), record.suffix],
                Some(long) => [long, &[]],
            };
            self.part.push(key, value, record.version);
            self.visited += 1;
            is_sure = record.long.is_none();
            at = if self.reverse { slot } else { slot + 1 };
        }
        cursor.move_to(at);
        Ok(Walked::Page)
    }

    /// Takes records from `at` on as long as nothing but their bytes is needed of them; returns
    /// the slot behind them.
    fn take_plain(&mut self, leaf: Leaf<'_>, at: usize, far: usize) -> usize {
        let wanted = self.max_entries.saturating_sub(self.part.len());
        if self.delimiter.is_some() || wanted == 0 {
            return at;
        }
        let (mut at, part) = (at, &mut self.part);
        for _ in 0..at.abs_diff(far).min(wanted) {
            let slot = if self.reverse { at - 1 } else { at };
            let Some(plain) = Record::plain(leaf.page, slot) else { break };
            if part.bytes() >= self.max_bytes && part.len() > 0 {
                break;
            }
            part.push_plain(&self.stem, plain, self.values);
            self.visited += 1;
            at = if self.reverse { slot } else { slot + 1 };
        }
        at
    }

    /// Whether the scan is at slot `left` before it is at slot `right`.
    #[inline]
    fn comes_before(&self, left: usize, right: usize) -> bool {
        if self.reverse { left > right } else { left < right }
    }

    /// Refuses a record that does not lie in what is left: on a damaged page keys may go back,
    /// and a scan would go round for ever.
    fn check_near<P: Pages>(
        &mut self,
        reader: Reader<'_, P>,
        leaf: Leaf<'_>,
        record: &Record<'_>,
    ) -> Result<(), Miss> {
        self.settle();
        let Some(near) = self.near() else { return Ok(()) };
        let order = leaf.compare(record, &near.key, reader.pages)?;
        let (beyond, at) = match self.reverse {
            false => (order.is_gt(), order.is_eq() && !near.after),
            true => (order.is_lt(), order.is_eq() && near.after),
        };
        if beyond || at { Ok(()) } else { Err(out_of_order(leaf)) }
    }

    /// Length of what a record rolls up to, if it does.
    fn rollup(&self, long: Option<&[u8]>, record: &Record<'_>) -> Option<usize> {
        let delimiter = self.delimiter?;
        let (stem, rest) = match long {
            Some(long) => (long, &[][..]),
            None => (self.stem.as_slice(), record.suffix),
        };
        let find = |bytes: &[u8]| bytes.iter().position(|&byte| byte == delimiter);
        let past_stem = self.prefix_len.saturating_sub(stem.len());
        if let Some(at) = stem.get(self.prefix_len..).and_then(find) {
            return Some(self.prefix_len + at + 1);
        }
        let at = find(rest.get(past_stem..)?)?;
        Some(stem.len() + past_stem + at + 1)
    }

    /// Adds a roll-up, and finds the place on this page behind all that it covers; `None` if that
    /// is not on this page, or nothing is left.
    fn roll_up<P: Pages>(
        &mut self,
        reader: Reader<'_, P>,
        leaf: Leaf<'_>,
        long: Option<&[u8]>,
        record: &Record<'_>,
        len: usize,
    ) -> Result<Option<usize>, Miss> {
        let key = match long {
            Some(long) => [long, &[]],
            None => [self.stem.as_slice(), record.suffix],
        };
        self.part.push_rollup(key, len);
        self.visited += 1;
        self.settle();
        if long.is_none() && len <= self.stem.len() {
            // It covers all of the page.
            return Ok(None);
        }
        let Some(near) = self.near().filter(|_| !self.span.is_empty()) else { return Ok(None) };
        let slot = leaf.slot_at(&near.key, near.after, reader.pages)?;
        let end = if self.reverse { 0 } else { leaf.page.count() };
        Ok((slot != end).then_some(slot))
    }

    /// Whether the part is full, so that the entry at hand is left for the next one.
    fn is_full(&self) -> bool {
        let entries = self.part.len();
        entries >= self.max_entries || (self.part.bytes() >= self.max_bytes && entries > 0)
    }
}

#[cold]
fn out_of_order(leaf: Leaf<'_>) -> Miss {
    Miss::Broken { frame: leaf.page.frame(), why: "a scan met records that are out of order" }
}
