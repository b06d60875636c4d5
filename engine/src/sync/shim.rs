//! What the protocol of the lanes is made of here. A suite that tries every interleaving puts
//! its own in place of it.

pub use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;

pub use parking_lot::{Mutex, MutexGuard};
use parking_lot::{RawThreadId, lock_api::GetThreadId};

use super::lanes::Place;

/// Threads that can be at the state at the same time; more of them wait.
pub const LANES: usize = 64;
/// Where threads find the lane that they had last: so many that two rarely share one.
pub const HINTS: usize = 256;
/// Latches. Pages that share one exclude each other for nothing, and lose a moment.
pub const LATCHES: usize = 512;
/// Looks at what is in the way before one gives up: some microseconds.
pub const PATIENCE: usize = 400;

/// Looks before one sleeps in between.
const SPINS: u32 = 1000;
const NAP: Duration = Duration::from_micros(50);

/// Between two looks.
pub fn spin() {
    core::hint::spin_loop();
}

/// Between two looks at what ends without fail, but may be a thread that does not run now.
pub fn pause(tries: &mut u32) {
    *tries = tries.saturating_add(1);
    if *tries < SPINS {
        return spin();
    }
    // Nobody tells: that way those who leave need not look whether somebody waits.
    let (alone, never) = (Mutex::new(()), parking_lot::Condvar::new());
    never.wait_for(&mut alone.lock(), NAP);
}

/// Differs between threads that run.
pub fn thread_id() -> u64 {
    RawThreadId.nonzero_thread_id().get() as u64
}

/// Between what one says and what one looks at, both sequentially consistent. That is all it
/// takes; a suite whose model knows no such accesses, but fences, has one here.
#[inline(always)]
pub fn in_order(_: Place) {}
