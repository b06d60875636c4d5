//! The packed layouts of the package `holt:metadata`, as `wit/` documents them.
//!
//! Owns: putting publishes, entries, batches, pages of scans and of the change feed into bytes
//! and reading them back, what a request may ask for, and the conversion of errors, data and
//! figures to the generated types. Used by the guest and by the host, so that they cannot differ.
//! Never does: input or output, or trust a length it reads.
#![forbid(unsafe_code)]

mod bytes;
pub mod changes;
pub mod convert;
pub mod data;
pub mod entry;
pub mod feed;
pub mod figures;
pub mod limits;
pub mod many;
pub mod page;
pub mod publish;
pub mod scan;
pub mod text;
