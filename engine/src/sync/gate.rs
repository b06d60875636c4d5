//! The state that threads share, behind lanes: looked at by many, changed as a whole by one, and
//! page by page by several.
//!
//! Owns: which access to the state comes with which hold of the lanes. Never does: know what a
//! page is.
#![allow(unsafe_code)]

use core::cell::{Cell, UnsafeCell};
use core::ops::{Deref, DerefMut};

use super::lanes::{Closed, LANES, LaneId, Lanes, Latch};

/// A state `T`, and a scratchpad `L` for each lane, which only its holder uses.
pub struct Gate<T, L> {
    lanes: Lanes,
    state: UnsafeCell<T>,
    pads: [UnsafeCell<L>; LANES],
}

// SAFETY: the state is handed out as `&T` to several threads, hence `T: Sync`, or as `&mut T` to
// one at a time, hence `T: Send`; the pads are handed from thread to thread, hence `L: Send`.
unsafe impl<T: Send + Sync, L: Send> Sync for Gate<T, L> {}

impl<T, L: Default> Gate<T, L> {
    /// A gate in front of `state`.
    pub fn new(state: T) -> Self {
        Self {
            lanes: Lanes::default(),
            state: UnsafeCell::new(state),
            pads: core::array::from_fn(|_| UnsafeCell::default()),
        }
    }
}

impl<T, L> Gate<T, L> {
    /// For reading everything: nobody changes anything meanwhile.
    pub fn read(&self) -> ReadGuard<'_, T, L> {
        let lane = self.lanes.enter();
        self.lanes.read_all(lane);
        ReadGuard { gate: self, lane }
    }

    /// For looking at one page and changing it; others do so meanwhile.
    #[inline]
    pub fn enter(&self) -> Point<'_, T, L> {
        Point { gate: self, lane: self.lanes.enter(), latch: Cell::new(None) }
    }

    /// For changing everything, alone.
    pub fn write(&self) -> WriteGuard<'_, T, L> {
        WriteGuard { gate: self, _closed: self.lanes.close() }
    }

    /// [`Gate::write`] if nobody has to be waited for.
    #[cfg(test)]
    pub fn try_write(&self) -> Option<WriteGuard<'_, T, L>> {
        Some(WriteGuard { gate: self, _closed: self.lanes.try_close()? })
    }
}

/// See [`Gate::read`].
pub struct ReadGuard<'a, T, L> {
    gate: &'a Gate<T, L>,
    lane: LaneId,
}

impl<T, L> Deref for ReadGuard<'_, T, L> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: a lane is held, so nobody has `&mut T`: that needs every lane empty, and the
        // gate closed before and after.
        unsafe { &*self.gate.state.get() }
    }
}

impl<T, L> Drop for ReadGuard<'_, T, L> {
    fn drop(&mut self) {
        self.gate.lanes.leave(self.lane);
    }
}

/// See [`Gate::write`].
pub struct WriteGuard<'a, T, L> {
    gate: &'a Gate<T, L>,
    _closed: Closed<'a>,
}

impl<'a, T, L> WriteGuard<'a, T, L> {
    /// The state, and what the lanes' holders left behind.
    pub fn parts(&mut self) -> (&mut T, impl Iterator<Item = &mut L>) {
        // SAFETY: the gate is closed and every lane empty, so nobody else has the state or a
        // pad; the borrow of `self` keeps a second one out.
        let state = unsafe { &mut *self.gate.state.get() };
        let used = self.gate.lanes.used();
        // SAFETY: as above; each pad is given out once.
        let pads = self.gate.pads[..used].iter().map(|pad| unsafe { &mut *pad.get() });
        (state, pads)
    }
}

impl<T, L> Deref for WriteGuard<'_, T, L> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: see `parts`.
        unsafe { &*self.gate.state.get() }
    }
}

impl<T, L> DerefMut for WriteGuard<'_, T, L> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: see `parts`.
        unsafe { &mut *self.gate.state.get() }
    }
}

/// See [`Gate::enter`]. What lies outside of pages stays as it is while this exists. A page that
/// may be changed is looked at after [`Point::reads`] or [`Point::latches`] only.
pub struct Point<'a, T, L> {
    gate: &'a Gate<T, L>,
    lane: LaneId,
    latch: Cell<Option<Latch>>,
}

impl<T, L> Point<'_, T, L> {
    /// The state.
    #[inline]
    pub fn state(&self) -> &T {
        // SAFETY: as in `ReadGuard`.
        unsafe { &*self.gate.state.get() }
    }

    /// Keeps others from changing `page` as long as this exists; `false` if they are at it.
    #[inline]
    pub fn reads(&self, page: u64) -> bool {
        debug_assert!(self.latch.get().is_none());
        self.gate.lanes.read(self.lane, page)
    }

    /// Keeps others from looking at `page` as long as this exists; `false` if they are at it. At
    /// most one page, once.
    pub fn latches(&self, page: u64) -> bool {
        debug_assert!(self.latch.get().is_none());
        self.latch.set(self.gate.lanes.latch(self.lane, page));
        self.latch.get().is_some()
    }

    /// Gives the latch back, if there is one.
    pub fn unlatch(&self) {
        if let Some(latch) = self.latch.take() {
            self.gate.lanes.unlatch(self.lane, latch);
        }
    }

    /// The pad of the lane.
    pub fn pad(&mut self) -> &mut L {
        // SAFETY: the lane is this guard's alone, and so is its pad; the borrow of `self` keeps
        // a second one out.
        unsafe { &mut *self.gate.pads[self.lane.index()].get() }
    }
}

impl<T, L> Drop for Point<'_, T, L> {
    #[inline]
    fn drop(&mut self) {
        self.unlatch();
        self.gate.lanes.leave(self.lane);
    }
}
