//! What is left of a file after loss of power.
//!
//! Owns: the choice which unsynced changes survive. Never does: lose what was synced. A sector
//! that was written several times since holds one of its versions: if a later one survives, it
//! brings the bytes of the earlier ones in the same sector with it.

use super::event::{Change, Event, sectors};
use super::{Inner, Mark, SECTOR_BYTES};

/// Which unsynced changes survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// All of them.
    KeepAll,
    /// None.
    LoseAll,
    /// All but one piece, by number (see `SimDisk::pieces_at`).
    LoseOne(usize),
    /// One piece only.
    KeepOne(usize),
    /// The later changes without the earlier ones; the seed says from where on.
    Reorder(u64),
    /// Drawn from a seed: by sector, by call, by file, a torn prefix, a reordered suffix.
    Seeded(u64),
    /// The pieces whose bit is set, of at most 64.
    Pieces(u64),
    /// The changes whose bit is set, each as a whole, of at most 64.
    Changes(u64),
}

impl Choice {
    /// The same choice for the files that follow one with this much undecided.
    pub(super) const fn after(self, undecided: Undecided) -> Self {
        let Undecided { pieces, changes } = undecided;
        match self {
            Self::Pieces(mask) => Self::Pieces(shift(mask, pieces)),
            Self::Changes(mask) => Self::Changes(shift(mask, changes)),
            // Past the last piece it chooses nothing.
            Self::LoseOne(piece) => Self::LoseOne(piece.wrapping_sub(pieces)),
            Self::KeepOne(piece) => Self::KeepOne(piece.wrapping_sub(pieces)),
            Self::Seeded(seed) => Self::Seeded(mix(seed)),
            Self::Reorder(seed) => Self::Reorder(mix(seed)),
            other => other,
        }
    }
}

/// The bits of a mask that follow the first `gone`.
const fn shift(mask: u64, gone: usize) -> u64 {
    if gone < 64 { mask >> gone } else { 0 }
}

/// What a crash decides about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undecided {
    /// Sectors, lengths and directory entries.
    pub pieces: usize,
    /// Calls they belong to.
    pub changes: usize,
}

impl std::ops::Add for Undecided {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { pieces: self.pieces + other.pieces, changes: self.changes + other.changes }
    }
}

/// SplitMix64: one step.
const fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// How pieces are drawn.
#[derive(Clone, Copy)]
enum Draw {
    All,
    None,
    AllBut(usize),
    Only(usize),
    /// Each piece with this chance in 256.
    Piece(u8),
    /// Each event as a whole, with this chance in 256.
    Event(u8),
    /// Everything before this piece.
    Before(usize),
    /// Everything from this piece on.
    From(usize),
    /// The pieces of this mask.
    Pieces(u64),
    /// The events of this mask.
    Changes(u64),
}

impl Draw {
    fn new(choice: Choice, pieces: usize) -> (Self, u64) {
        let draw = |seed: u64, within: usize| (mix(seed ^ 0x55) % (within as u64 + 1)) as usize;
        match choice {
            Choice::KeepAll => (Self::All, 0),
            Choice::LoseAll => (Self::None, 0),
            Choice::LoseOne(piece) => (Self::AllBut(piece), 0),
            Choice::KeepOne(piece) => (Self::Only(piece), 0),
            Choice::Pieces(mask) => (Self::Pieces(mask), 0),
            Choice::Changes(mask) => (Self::Changes(mask), 0),
            Choice::Reorder(seed) => (Self::From(draw(seed, pieces)), seed),
            Choice::Seeded(seed) => {
                let kind = match mix(seed) % 10 {
                    0 => Self::All,
                    1 => Self::None,
                    2 => Self::Piece(128),
                    3 => Self::Piece(230),
                    4 => Self::Piece(26),
                    5 | 6 => Self::Event(128),
                    7 | 8 => Self::Before(draw(seed, pieces)),
                    _ => Self::From(draw(seed, pieces)),
                };
                (kind, seed)
            }
        }
    }

    fn keeps(self, seed: u64, event: usize, piece: usize) -> bool {
        let chance = |number: usize, of: u8| mix(seed ^ mix(number as u64)) as u8 <= of;
        match self {
            Self::All => true,
            Self::None => false,
            Self::AllBut(lost) => piece != lost,
            Self::Only(kept) => piece == kept,
            Self::Piece(of) => chance(piece, of),
            Self::Event(of) => chance(event, of),
            Self::Before(end) => piece < end,
            Self::From(start) => piece >= start,
            Self::Pieces(mask) => shift(mask, piece) & 1 == 1,
            Self::Changes(mask) => shift(mask, event) & 1 == 1,
        }
    }
}

/// The durable state of `file` that a crash at `event` starts from, and the changes since.
fn pending(inner: &Inner, file: usize, event: usize) -> (&Mark, Vec<&Event>) {
    let marks = &inner.files[file].marks;
    let after = marks.partition_point(|mark| mark.event <= event);
    let mark = &marks[after.saturating_sub(1)];
    let since = inner.events.get(mark.event.min(event)..event).unwrap_or_default();
    (mark, since.iter().filter(|event| event.file == file).collect())
}

/// What a crash at `event` decides about in `file`.
pub(super) fn undecided(inner: &Inner, file: usize, event: usize) -> Undecided {
    let (_, events) = pending(inner, file, event);
    let pieces = events.iter().map(|event| event.change.pieces()).sum();
    Undecided { pieces, changes: events.len() }
}

/// What is left of `file` after a crash at `event`. The event number of the mark means nothing.
pub(super) fn state(inner: &Inner, file: usize, event: usize, choice: Choice) -> Mark {
    let (mark, events) = pending(inner, file, event);
    let mut mark = mark.clone();
    if events.is_empty() {
        return mark;
    }
    let total = events.iter().map(|event| event.change.pieces()).sum();
    let (draw, seed) = Draw::new(choice, total);
    let keep = keep(&events, draw, seed, total);
    let mut first = 0;
    for event in events {
        let pieces = event.change.pieces();
        apply(&mut mark, &event.change, &keep[first..first + pieces], seed);
        first += pieces;
    }
    mark.image.finish();
    if !mark.exists {
        mark.image = super::Image::default();
    }
    mark
}

/// Which pieces are kept, in order of events.
fn keep(events: &[&Event], draw: Draw, seed: u64, total: usize) -> Vec<bool> {
    let mut keep = vec![false; total];
    let mut later = Sectors::default();
    let mut synced = Vec::new();
    let mut end = total;
    for (index, event) in events.iter().enumerate().rev() {
        let first = end - event.change.pieces();
        for (piece, keep) in keep[first..end].iter_mut().enumerate() {
            *keep = draw.keeps(seed, index, first + piece);
        }
        if let Change::SyncRange { offset, len } = event.change {
            let first = offset as usize / SECTOR_BYTES;
            (first..first + sectors((offset, len))).for_each(|number| later.add(number));
            synced.push((offset, len));
        }
        let (offset, _) = event.change.range();
        let count = sectors(event.change.range());
        for (sector, keep) in keep[first..first + count].iter_mut().enumerate() {
            let number = offset as usize / SECTOR_BYTES + sector;
            *keep |= later.has(number);
            if *keep {
                later.add(number);
            }
        }
        // Its length too, if it was made durable.
        if count > 0 && synced.contains(&event.change.range()) {
            keep[first..end].fill(true);
        }
        end = first;
    }
    keep
}

/// A set of sector numbers.
#[derive(Default)]
struct Sectors(Vec<u64>);

impl Sectors {
    fn has(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    fn add(&mut self, number: usize) {
        if self.0.len() <= number / 64 {
            self.0.resize(number / 64 + 1, 0);
        }
        self.0[number / 64] |= 1 << (number % 64);
    }
}

/// Applies the pieces of `change` that are kept.
fn apply(mark: &mut Mark, change: &Change, keep: &[bool], seed: u64) {
    let kept_last = keep.last().copied().unwrap_or_default();
    match change {
        Change::Create => mark.exists |= kept_last,
        Change::SetLen(len) if kept_last => mark.image.set_len(*len),
        Change::Write { offset, bytes } => {
            let end = offset + bytes.len() as u64;
            for (from, to) in kept_runs((*offset, end), &keep[..keep.len() - 1]) {
                let part = (from - offset) as usize..(to - offset) as usize;
                mark.image.write_sectors(from, &bytes[part]);
            }
            if kept_last {
                mark.image.grow(end);
            } else if end > mark.image.len() && mix(seed ^ end).is_multiple_of(4) && seed != 0 {
                // The length is torn: the file ends at some sector of the write.
                let torn = offset + mix(seed ^ end ^ 1) % (bytes.len() as u64 + 1);
                mark.image.grow(torn / SECTOR_BYTES as u64 * SECTOR_BYTES as u64);
            }
        }
        Change::Punch { offset, len } => {
            for (from, to) in kept_runs((*offset, offset + len), keep) {
                mark.image.zero(from, to - from);
            }
        }
        Change::SetLen(_) | Change::SyncRange { .. } | Change::Sync | Change::FailedSync => {}
    }
}

/// The byte ranges of kept sectors of a range; `keep` has one entry for each sector it touches.
fn kept_runs((start, end): (u64, u64), keep: &[bool]) -> Vec<(u64, u64)> {
    let sector = SECTOR_BYTES as u64;
    let base = start / sector;
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for (index, _) in keep.iter().enumerate().filter(|(_, keep)| **keep) {
        let from = ((base + index as u64) * sector).max(start);
        let to = ((base + index as u64 + 1) * sector).min(end);
        match runs.last_mut() {
            Some(last) if last.1 == from => last.1 = to,
            _ => runs.push((from, to)),
        }
    }
    runs
}
