//! What the system says about this process and its files.
//!
//! Owns: reading `/proc/self`, file sizes, medians, the pointer chase. Never does: changing
//! anything but what the page cache holds.

mod chase;
mod disk;
mod process;
mod spread;

pub use chase::Chase;
pub use disk::{allocated_bytes, drop_page_cache, page_cache_bytes};
pub use process::{Usage, cpu_nanos};
pub use spread::Spread;
