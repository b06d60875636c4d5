//! Pages of sorted records: the buckets of the tree.
//!
//! Owns: the byte layout of a page of records, search, insertion and removal within one page.
//! Never does: know about frames, other pages, or where extents live; a comparison that needs
//! the rest of a long key asks for it through [`Extents`].
//! Invariant: a [`Page`] in memory has passed `verify` (or was built here), so that offsets
//! inside it may be followed without further checks.

pub mod build;
pub mod edit;
pub mod page;
mod prints;
pub mod record;
pub mod search;
pub mod verify;

pub use build::{Owned, PageBuilder};
pub use edit::Part;
pub use page::{Page, PageKind};
pub use record::{LongKey, Record, Value};
pub use search::{Extents, Miss, Query};
