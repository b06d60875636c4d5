//! Things that are costly to make, kept for the next one who needs one.
//!
//! Owns: a few places, of which each thread mostly finds the same one, so that nobody waits.

use super::{Mutex, thread_number};

/// Places. More threads than that share some.
const PLACES: usize = 16;

/// What was given back.
#[derive(Debug)]
pub struct Spares<T>([Mutex<Option<T>>; PLACES]);

impl<T> Default for Spares<T> {
    fn default() -> Self {
        Self(core::array::from_fn(|_| Mutex::new(None)))
    }
}

impl<T> Spares<T> {
    fn place(&self) -> &Mutex<Option<T>> {
        &self.0[thread_number() % PLACES]
    }

    /// What was given back here last, if it was not taken since.
    pub fn take(&self) -> Option<T> {
        self.place().lock().take()
    }

    /// Keeps a thing for the next one.
    pub fn give(&self, spare: T) {
        let before = self.place().lock().replace(spare);
        // Dropped without the lock.
        drop(before);
    }
}
