//! What a frame is made of, apart from its pages: key bounds, prefixes, page sets.
//!
//! Owns: fences and the prefix they imply, the set of pages in use, what the manifest keeps.
//! Never does: search.

pub mod bound;
pub mod meta;
pub mod pages;

pub use bound::{Bound, prefix_between, separator_len, successor};
pub use meta::{Forms, FrameMeta};
pub use pages::PageSet;
