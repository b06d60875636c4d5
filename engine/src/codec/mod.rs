//! Bytes in and out: bounded reading and writing, checksums, variable-length integers.

pub mod bytes;
pub mod checksum;
