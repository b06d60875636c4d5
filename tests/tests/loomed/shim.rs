//! What the lanes are made of where every interleaving is tried: loom's atomics, and few of each.
//!
//! Loom knows sequential consistency only as fences, so there is one where the engine's accesses
//! are sequentially consistent themselves.

use std::cell::Cell;

pub use loom::sync::MutexGuard;
pub use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use super::lanes::Place;

thread_local! {
    /// The fence that is left out. Loom's threads all run on the one that explores.
    pub static WITHOUT: Cell<Option<Place>> = const { Cell::new(None) };
}

pub const LANES: usize = 3;
pub const HINTS: usize = 2;
pub const LATCHES: usize = 2;
pub const PATIENCE: usize = 2;

#[derive(Debug)]
pub struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("nobody panicked")
    }

    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok()
    }
}

pub fn spin() {
    loom::thread::yield_now();
}

pub fn pause(_tries: &mut u32) {
    loom::thread::yield_now();
}

pub fn thread_id() -> u64 {
    0
}

pub fn in_order(place: Place) {
    if WITHOUT.get() != Some(place) {
        loom::sync::atomic::fence(Ordering::SeqCst);
    }
}
