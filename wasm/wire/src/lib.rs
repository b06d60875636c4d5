//! The packed layouts of the package `holt:metadata`, as `wit/` documents them.
//!
//! Owns: putting publishes, entries, batches and scan pages into bytes and reading them back, and
//! the conversion of errors and figures to the generated types. Used by the guest and by the
//! host, so that they cannot differ. Never does: input or output, or trust a length it reads.
#![forbid(unsafe_code)]

mod bytes;
pub mod changes;
pub mod convert;
pub mod entry;
pub mod limits;
pub mod page;
pub mod publish;
pub mod text;
