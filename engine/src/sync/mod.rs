//! The one place where the engine chooses how it locks: parking locks and lanes where there are
//! threads, cells where there are none.

#[cfg(unix)]
mod gate;
#[cfg(unix)]
mod lanes;
#[cfg(unix)]
mod shim;
mod spares;

pub use spares::Spares;

#[cfg(unix)]
mod imp {
    use core::time::Duration;

    use crate::limits::MAX_GATHER_MICROS;

    pub use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};

    pub use super::gate::{Gate, Point, ReadGuard, WriteGuard};

    /// Whether threads can be beside each other.
    pub const THREADS: bool = true;

    /// A number of up to 16 bits; threads that run have different ones, but for few.
    pub fn thread_number() -> usize {
        super::lanes::spread(super::shim::thread_id(), 16)
    }

    /// Locks what others hold for a moment only: to sleep would take longer than to look again.
    #[inline]
    pub fn lock_soon<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        for _ in 0..super::shim::PATIENCE {
            if let Some(held) = mutex.try_lock() {
                return held;
            }
            super::shim::spin();
        }
        mutex.lock()
    }

    /// Waits, but not for long; whether the time was over before somebody told.
    pub fn wait_a_moment<T>(told: &Condvar, held: &mut MutexGuard<'_, T>) -> bool {
        told.wait_for(held, Duration::from_micros(MAX_GATHER_MICROS)).timed_out()
    }

    /// What a device must be to be shared: with threads, safe to share between them.
    pub trait MaybeSync: Send + Sync {}
    impl<T: Send + Sync + ?Sized> MaybeSync for T {}
}

#[cfg(not(unix))]
mod imp {
    use core::cell::{Ref, RefCell, RefMut};
    use core::marker::PhantomData;
    use core::ops::{Deref, DerefMut};

    /// What a device must be to be shared: without threads, anything.
    pub trait MaybeSync {}
    impl<T: ?Sized> MaybeSync for T {}

    /// A mutex for one thread. Locking it twice is a bug of the engine and panics.
    #[derive(Debug, Default)]
    pub struct Mutex<T>(RefCell<T>);
    /// A held [`Mutex`].
    pub type MutexGuard<'a, T> = RefMut<'a, T>;

    impl<T> Mutex<T> {
        /// A mutex that holds `value`.
        pub const fn new(value: T) -> Self {
            Self(RefCell::new(value))
        }

        /// Locks it.
        pub fn lock(&self) -> MutexGuard<'_, T> {
            self.0.borrow_mut()
        }

        /// What it holds, for who has it alone.
        pub fn get_mut(&mut self) -> &mut T {
            self.0.get_mut()
        }
    }

    /// What waiting threads are woken by; with one thread, nobody ever waits.
    #[derive(Debug, Default)]
    pub struct Condvar;

    impl Condvar {
        /// With nobody to wake.
        pub const fn new() -> Self {
            Self
        }

        /// Wakes nobody.
        pub fn notify_all(&self) {}

        /// Wakes nobody.
        pub fn notify_one(&self) {}

        /// Waiting for oneself is a bug of the engine and panics.
        pub fn wait<T>(&self, _guard: &mut MutexGuard<'_, T>) {
            panic!("the only thread waits for another");
        }
    }

    /// As [`Condvar::wait`].
    pub fn wait_a_moment<T>(told: &Condvar, held: &mut MutexGuard<'_, T>) -> bool {
        told.wait(held);
        false
    }

    /// A reader-writer lock for one thread.
    #[derive(Debug, Default)]
    pub struct RwLock<T>(RefCell<T>);

    impl<T> RwLock<T> {
        /// A lock that holds `value`.
        pub const fn new(value: T) -> Self {
            Self(RefCell::new(value))
        }

        /// Locks it for reading.
        pub fn read(&self) -> Ref<'_, T> {
            self.0.borrow()
        }

        /// Locks it for writing.
        pub fn write(&self) -> RefMut<'_, T> {
            self.0.borrow_mut()
        }
    }

    /// There is one.
    pub const THREADS: bool = false;

    /// That one's.
    pub fn thread_number() -> usize {
        0
    }

    /// With one thread, at once.
    pub fn lock_soon<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock()
    }

    /// A state and a pad, for one thread.
    #[derive(Debug, Default)]
    pub struct Gate<T, L> {
        state: RefCell<T>,
        pad: RefCell<L>,
    }

    /// See [`Gate::read`].
    pub type ReadGuard<'a, T, L> = Read<'a, T, L>;

    impl<T, L: Default> Gate<T, L> {
        /// A gate in front of `state`.
        pub fn new(state: T) -> Self {
            Self { state: RefCell::new(state), pad: RefCell::default() }
        }
    }

    impl<T, L> Gate<T, L> {
        /// For reading everything.
        pub fn read(&self) -> ReadGuard<'_, T, L> {
            Read(self.state.borrow(), PhantomData)
        }

        /// For looking at one page.
        #[inline]
        pub fn enter(&self) -> Point<'_, T, L> {
            Point { state: self.state.borrow(), pad: self.pad.borrow_mut() }
        }

        /// For changing everything.
        pub fn write(&self) -> WriteGuard<'_, T, L> {
            WriteGuard { state: self.state.borrow_mut(), pad: self.pad.borrow_mut() }
        }
    }

    /// See [`Gate::read`].
    pub struct Read<'a, T, L>(Ref<'a, T>, PhantomData<L>);

    impl<T, L> Deref for Read<'_, T, L> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.0
        }
    }

    /// See [`Gate::write`].
    pub struct WriteGuard<'a, T, L> {
        state: RefMut<'a, T>,
        pad: RefMut<'a, L>,
    }

    impl<T, L> WriteGuard<'_, T, L> {
        /// The state, and what was left in the pad.
        pub fn parts(&mut self) -> (&mut T, impl Iterator<Item = &mut L>) {
            (&mut self.state, core::iter::once(&mut *self.pad))
        }
    }

    impl<T, L> Deref for WriteGuard<'_, T, L> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.state
        }
    }

    impl<T, L> DerefMut for WriteGuard<'_, T, L> {
        fn deref_mut(&mut self) -> &mut T {
            &mut self.state
        }
    }

    /// See [`Gate::enter`].
    pub struct Point<'a, T, L> {
        state: Ref<'a, T>,
        pad: RefMut<'a, L>,
    }

    impl<T, L> Point<'_, T, L> {
        /// The state.
        pub fn state(&self) -> &T {
            &self.state
        }

        /// With one thread, nobody changes a page.
        pub fn reads(&self, _page: u64) -> bool {
            true
        }

        /// With one thread, who changes a page may as well have everything.
        pub fn latches(&self, _page: u64) -> bool {
            false
        }

        /// Nobody is kept out, so nobody is let in.
        pub fn unlatch(&self) {}

        /// The pad.
        pub fn pad(&mut self) -> &mut L {
            &mut self.pad
        }
    }
}

pub use core::sync::atomic;

pub use imp::*;
