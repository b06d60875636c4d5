//! Who is at the shared state, and with what: a lane for each thread, so that those who only
//! look at different pages write to no memory in common.
//!
//! Owns: the protocol. Never does: know what it guards (`gate.rs` does).
//!
//! A thread takes a lane, says there what it is about to do, and only then looks whether someone
//! else says the opposite; whoever says the opposite does the same in turn. All that is said and
//! looked at is sequentially consistent, so of two at least one sees the other (Dekker's mutual
//! exclusion). Who has to step back is fixed, so nobody waits in a circle:
//!
//! - who closes the gate waits until every lane is empty; who enters leaves again;
//! - who reads one page steps back if that page is latched; who latched it waits for those that
//!   were faster;
//! - who reads everything waits for those that change a page; who is about to change one steps
//!   back.
//!
//! Those that step back again and again are told to, and close the gate instead. Readers that
//! announce the page they read are the hazard pointers of M. Michael ("Hazard Pointers: Safe
//! Memory Reclamation for Lock-Free Objects", 2004); a lock whose readers write only to memory
//! of their own is Hsieh and Weihl's ("Scalable Reader-Writer Locks for Parallel Systems", 1992).

use super::shim::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering};
use super::shim::{HINTS, LATCHES, PATIENCE, in_order, pause, spin, thread_id};

/// Threads that can be at the state at the same time; more of them wait.
pub use super::shim::LANES;

/// Where something is said before others are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A lane is taken; is the gate closed?
    Enter,
    /// A page is read; is it latched?
    Read,
    /// A page is latched; who reads it, or everything?
    Latch,
    /// Everything is read; who changes a page?
    ReadAll,
    /// The gate is closed; who is inside?
    Close,
}

/// What a lane says. A page is said in the bits above.
const EMPTY: u64 = 0;
const INSIDE: u64 = 1;
const ALL: u64 = 2;
const CHANGES: u64 = 3;
const READS: u64 = 4;
const KIND_BITS: u32 = 3;

const fn kind(word: u64) -> u64 {
    word & ((1 << KIND_BITS) - 1)
}

/// On cache lines of its own: two, since processors fetch them in pairs.
#[repr(align(128))]
#[derive(Debug, Default)]
struct Lane(AtomicU64);

/// The lanes, the latches and the gate.
#[derive(Debug)]
pub struct Lanes {
    /// Held by who closed the gate.
    turn: Mutex<()>,
    closed: AtomicBool,
    /// Lanes from here on were never taken.
    used: AtomicUsize,
    lanes: [Lane; LANES],
    hints: [AtomicU8; HINTS],
    latches: [AtomicBool; LATCHES],
}

/// A lane that was taken, until [`Lanes::leave`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneId(usize);

impl LaneId {
    /// Its number, below [`LANES`].
    pub const fn index(self) -> usize {
        self.0
    }
}

/// A latch that was taken, until [`Lanes::unlatch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latch(usize);

/// The gate, closed until this is dropped.
pub struct Closed<'a> {
    lanes: &'a Lanes,
    _turn: MutexGuard<'a, ()>,
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.lanes.closed.store(false, Ordering::SeqCst);
    }
}

/// Spreads numbers over `1 << bits` places (Knuth's multiplicative hashing).
pub(super) const fn spread(number: u64, bits: u32) -> usize {
    (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - bits)) as usize
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            turn: Mutex::new(()),
            closed: AtomicBool::new(false),
            used: AtomicUsize::new(0),
            lanes: core::array::from_fn(|_| Lane::default()),
            hints: core::array::from_fn(|_| AtomicU8::new(0)),
            latches: core::array::from_fn(|_| AtomicBool::new(false)),
        }
    }
}

impl Lanes {
    /// Takes a lane, when the gate is open.
    pub fn enter(&self) -> LaneId {
        loop {
            let lane = self.take();
            in_order(Place::Enter);
            if !self.closed.load(Ordering::SeqCst) {
                return lane;
            }
            self.leave(lane);
            // Who closed the gate has this as long as it is closed.
            drop(self.turn.lock());
        }
    }

    /// Takes a lane that nobody has: at best the one that this thread had before.
    fn take(&self) -> LaneId {
        let hint = &self.hints[spread(thread_id(), HINTS.ilog2())];
        let last = usize::from(hint.load(Ordering::Relaxed)) % LANES;
        let mut tries = 0;
        loop {
            for lane in (last..LANES).chain(0..last) {
                // It counts as used before it is taken: who closes the gate then either sees it
                // or is seen.
                if self.used.load(Ordering::Relaxed) <= lane {
                    self.used.fetch_max(lane + 1, Ordering::SeqCst);
                }
                let taken = self.lanes[lane].0.compare_exchange(
                    EMPTY,
                    INSIDE,
                    Ordering::SeqCst,
                    Ordering::Relaxed,
                );
                if taken.is_ok() {
                    if lane != last {
                        hint.store(lane as u8, Ordering::Relaxed);
                    }
                    return LaneId(lane);
                }
            }
            pause(&mut tries);
        }
    }

    /// Gives a lane back; what was done under it is seen by who closes the gate next.
    pub fn leave(&self, lane: LaneId) {
        self.say(lane, EMPTY, Ordering::Release);
    }

    fn say(&self, lane: LaneId, word: u64, order: Ordering) {
        self.lanes[lane.0].0.store(word, order);
    }

    fn others(&self, lane: LaneId) -> impl Iterator<Item = &AtomicU64> {
        let lanes = self.lanes[..self.used()].iter().enumerate();
        lanes.filter(move |(at, _)| *at != lane.0).map(|(_, lane)| &lane.0)
    }

    /// Announces that `page` is read, until [`Lanes::let_go`]; `false` if it is being changed
    /// for too long, and nothing was announced.
    #[inline]
    pub fn read(&self, lane: LaneId, page: u64) -> bool {
        let latch = &self.latches[spread(page, LATCHES.ilog2())];
        for _ in 0..PATIENCE {
            self.say(lane, page << KIND_BITS | READS, Ordering::SeqCst);
            in_order(Place::Read);
            if !latch.load(Ordering::SeqCst) {
                return true;
            }
            self.let_go(lane);
            if !wait_until(|| !latch.load(Ordering::Relaxed)) {
                return false;
            }
        }
        false
    }

    /// The lane has no page, and does not read everything, any more.
    pub fn let_go(&self, lane: LaneId) {
        self.say(lane, INSIDE, Ordering::Release);
    }

    /// Latches `page` to change it; `None` if others are at it for too long. With
    /// [`Lanes::unlatch`] they see what was changed.
    pub fn latch(&self, lane: LaneId, page: u64) -> Option<Latch> {
        let latch = Latch(spread(page, LATCHES.ilog2()));
        for _ in 0..PATIENCE {
            if !wait_until(|| self.seize(latch)) {
                return None;
            }
            self.say(lane, CHANGES, Ordering::SeqCst);
            in_order(Place::Latch);
            let mut all = None;
            for other in self.others(lane) {
                let said = other.load(Ordering::SeqCst);
                match kind(said) {
                    ALL => all = Some(other),
                    READS if spread(said >> KIND_BITS, LATCHES.ilog2()) == latch.0 => {
                        // It was faster, or steps back.
                        let mut tries = 0;
                        while other.load(Ordering::SeqCst) == said {
                            pause(&mut tries);
                        }
                    }
                    _ => {}
                }
            }
            let Some(all) = all else { return Some(latch) };
            self.unlatch(lane, latch);
            if !wait_until(|| kind(all.load(Ordering::Relaxed)) != ALL) {
                return None;
            }
        }
        None
    }

    fn seize(&self, latch: Latch) -> bool {
        let latch = &self.latches[latch.0];
        !latch.load(Ordering::Relaxed) && !latch.swap(true, Ordering::SeqCst)
    }

    /// Gives a latch back.
    pub fn unlatch(&self, lane: LaneId, latch: Latch) {
        self.latches[latch.0].store(false, Ordering::SeqCst);
        self.let_go(lane);
    }

    /// Announces that everything is read, until [`Lanes::let_go`], and waits for those that
    /// change pages.
    pub fn read_all(&self, lane: LaneId) {
        self.say(lane, ALL, Ordering::SeqCst);
        in_order(Place::ReadAll);
        for other in self.others(lane) {
            let mut tries = 0;
            while kind(other.load(Ordering::SeqCst)) == CHANGES {
                pause(&mut tries);
            }
        }
    }

    /// Lanes that were ever taken: the first so many.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::SeqCst).min(LANES)
    }

    /// Closes the gate, and waits until everybody has left.
    pub fn close(&self) -> Closed<'_> {
        let turn = self.turn.lock();
        self.closed.store(true, Ordering::SeqCst);
        in_order(Place::Close);
        let closed = Closed { lanes: self, _turn: turn };
        for lane in &self.lanes[..self.used()] {
            let mut tries = 0;
            while lane.0.load(Ordering::SeqCst) != EMPTY {
                pause(&mut tries);
            }
        }
        closed
    }

    /// Closes the gate if nobody is inside or closing it.
    #[cfg(test)]
    pub fn try_close(&self) -> Option<Closed<'_>> {
        let turn = self.turn.try_lock()?;
        self.closed.store(true, Ordering::SeqCst);
        in_order(Place::Close);
        let closed = Closed { lanes: self, _turn: turn };
        let mut lanes = self.lanes[..self.used()].iter();
        let empty = lanes.all(|lane| lane.0.load(Ordering::SeqCst) == EMPTY);
        empty.then_some(closed)
    }
}

fn wait_until(mut done: impl FnMut() -> bool) -> bool {
    (0..PATIENCE).any(|_| {
        let done = done();
        if !done {
            spin();
        }
        done
    })
}
