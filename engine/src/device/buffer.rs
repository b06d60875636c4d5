//! Memory that a device reads into without a copy.
//!
//! Owns: where it starts. Direct I/O takes addresses that are multiples of a sector or a page;
//! what starts elsewhere is read into other memory first, and copied.

use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

use crate::limits::PAGE_BYTES;

/// Zeros, a whole number of pages, at an address that is a multiple of [`PAGE_BYTES`] wherever
/// the target tells addresses.
#[derive(Debug, Default)]
pub struct PageBuffer {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl PageBuffer {
    /// Memory for so many pages.
    pub fn new(pages: usize) -> Self {
        let len = pages * PAGE_BYTES;
        let bytes = alloc::vec![0; len + PAGE_BYTES];
        let start = bytes.as_ptr().align_offset(PAGE_BYTES);
        Self { bytes, start: if start < PAGE_BYTES { start } else { 0 }, len }
    }
}

impl Deref for PageBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..][..self.len]
    }
}

impl DerefMut for PageBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..][..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_zeros_and_all_of_it_can_be_written() {
        for pages in [0, 1, 7] {
            let mut buffer = PageBuffer::new(pages);
            assert!(buffer.len() == pages * PAGE_BYTES && buffer.iter().all(|&byte| byte == 0));
            buffer.fill(7);
            assert!(buffer.iter().all(|&byte| byte == 7));
        }
        assert!(PageBuffer::default().is_empty());
    }
}
