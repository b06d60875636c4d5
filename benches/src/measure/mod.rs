//! What the system says about this process and its files.
//!
//! Owns: reading `/proc/self`, file sizes, medians. Never does: changing anything.

mod disk;
mod process;
mod spread;

pub use disk::{allocated_bytes, page_cache_bytes};
pub use process::{Usage, cpu_nanos};
pub use spread::Spread;
