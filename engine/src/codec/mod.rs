//! Bytes in and out: bounded reading and writing, checksums, variable-length integers, order.

pub mod bytes;
pub mod checksum;
pub mod hash;
pub mod order;
