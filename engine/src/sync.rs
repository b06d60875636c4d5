//! The one place where the engine chooses how it locks: parking locks where there are threads,
//! cells where there are none.

#[cfg(unix)]
mod imp {
    pub use parking_lot::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

    /// What a device must be to be shared: with threads, safe to share between them.
    pub trait MaybeSync: Send + Sync {}
    impl<T: Send + Sync + ?Sized> MaybeSync for T {}
}

#[cfg(not(unix))]
mod imp {
    use core::cell::{Ref, RefCell, RefMut};

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

        /// Waiting for oneself is a bug of the engine and panics.
        pub fn wait<T>(&self, _guard: &mut MutexGuard<'_, T>) {
            panic!("the only thread waits for another");
        }
    }

    /// A reader-writer lock for one thread.
    #[derive(Debug, Default)]
    pub struct RwLock<T>(RefCell<T>);
    /// A lock held for reading.
    pub type RwLockReadGuard<'a, T> = Ref<'a, T>;
    /// A lock held for writing.
    pub type RwLockWriteGuard<'a, T> = RefMut<'a, T>;

    impl<T> RwLock<T> {
        /// A lock that holds `value`.
        pub const fn new(value: T) -> Self {
            Self(RefCell::new(value))
        }

        /// Locks it for reading.
        pub fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.borrow()
        }

        /// Locks it for writing.
        pub fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.borrow_mut()
        }
    }
}

pub use imp::*;
