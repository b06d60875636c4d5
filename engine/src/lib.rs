//! The platform-free engine of holt: a persistent adaptive radix tree over blob frames, with a
//! log, checkpoints and cuts. It uses no operating system: devices come in through
//! [`device::BlobStore`] and [`device::LogDevice`].
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod art;
pub mod cache;
pub mod checkpoint;
pub mod codec;
pub mod db;
pub mod device;
pub mod error;
pub mod forest;
pub mod frame;
pub mod geometry;
pub mod ids;
pub mod keys;
pub mod limits;
pub mod log;
pub mod node;
#[cfg(test)]
mod random;
#[cfg(feature = "seeded")]
pub mod seeded;
#[cfg(not(feature = "seeded"))]
mod seeded;
pub mod sync;
mod trace;
pub mod txn;
