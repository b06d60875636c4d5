//! Getting hold of an open store: to look at all of it, to change all of it, or to be at one
//! page of it beside others.
//!
//! Owns: that who changes everything knows what was changed beside others before. Never does:
//! decide what is changed.

use alloc::vec::Vec;

use super::core::Core;
use crate::cache::Noted;
use crate::ids::TreeId;
use crate::limits::MAX_NOTED;
use crate::sync::{Gate, Point, ReadGuard, WriteGuard};

/// What changes beside others left to be taken in.
#[derive(Default)]
pub(super) struct Pad {
    noted: Vec<(TreeId, Noted)>,
    /// Bytes of keys and values that were written.
    payload: u64,
}

impl Pad {
    /// Whether it takes no more.
    pub fn is_full(&self) -> bool {
        self.noted.len() >= MAX_NOTED
    }

    /// Notes a change, of so many bytes of key and value.
    pub fn note(&mut self, tree: TreeId, noted: Noted, payload: usize) {
        self.payload += payload as u64;
        // One page again and again is one change, as long as no record comes or goes.
        match self.noted.last_mut() {
            Some((last_tree, last))
                if *last_tree == tree
                    && noted.added == 0
                    && (last.frame, last.page) == (noted.frame, noted.page) =>
            {
                last.lsn = noted.lsn;
            }
            _ => self.noted.push((tree, noted)),
        }
    }
}

/// Who reads all of the store.
pub(super) type CoreRead<'a> = ReadGuard<'a, Core, Pad>;
/// Who has the store alone.
pub(super) type CoreWrite<'a> = WriteGuard<'a, Core, Pad>;

/// An open store, and who is at it.
pub(super) struct Hold(Gate<Core, Pad>);

impl Hold {
    pub fn new(core: Core) -> Self {
        Self(Gate::new(core))
    }

    /// For looking at all of it: nobody changes anything meanwhile. What [`Pad`]s hold is not
    /// taken in: for counts of records there is [`Hold::read_counted`].
    pub fn read(&self) -> CoreRead<'_> {
        self.0.read()
    }

    /// [`Hold::read`] with all that was changed until now taken in.
    pub fn read_counted(&self) -> CoreRead<'_> {
        drop(self.write());
        self.read()
    }

    /// For having it alone.
    pub fn write(&self) -> CoreWrite<'_> {
        take_in(self.0.write())
    }

    /// [`Hold::write`] if nobody has to be waited for.
    #[cfg(test)]
    pub fn try_write(&self) -> Option<CoreWrite<'_>> {
        self.0.try_write().map(take_in)
    }

    /// For looking at one page, or changing it, beside others.
    #[inline]
    pub fn enter(&self) -> Point<'_, Core, Pad> {
        self.0.enter()
    }
}

fn take_in(mut held: CoreWrite<'_>) -> CoreWrite<'_> {
    let (core, pads) = held.parts();
    for pad in pads {
        core.counters.payload += core::mem::take(&mut pad.payload);
        for (tree, noted) in pad.noted.drain(..) {
            core.forest.take_in(tree, noted);
        }
    }
    held
}
