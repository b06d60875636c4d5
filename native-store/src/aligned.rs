//! Aligned memory for direct I/O.
//!
//! Owns: the buffer, and a few of them kept for the next transfer. Never does: I/O.

use std::fmt;
use std::sync::Mutex;

use holt_engine::limits::MAX_FRAME_BYTES;

use crate::limits::{BOUNCE_BYTES, KEPT_BOUNCE_BUFFERS, MAX_DIRECT_ALIGN};

/// Bytes of zeros at first, aligned to [`MAX_DIRECT_ALIGN`] as direct I/O wants them: for stores
/// of one's own that bypass the system's cache.
///
/// ```
/// let mut page = holt_native_store::AlignedBlobBuf::with_len(4096);
/// page.as_mut_slice()[0] = 7;
/// assert!(page.as_ptr().addr().is_multiple_of(4096) && page.len() == 4096);
/// ```
pub struct AlignedBlobBuf {
    /// Longer than the buffer, so that an aligned byte is near its start. Never grows, so that
    /// it stays where it is.
    memory: Box<[u8]>,
    skip: usize,
    len: usize,
}

impl AlignedBlobBuf {
    /// As many zeros as the largest frame has bytes.
    pub fn zeroed() -> Self {
        Self::with_len(MAX_FRAME_BYTES as usize)
    }

    /// So many zeros.
    pub fn with_len(len: usize) -> Self {
        let memory = vec![0; len + MAX_DIRECT_ALIGN].into_boxed_slice();
        let skip = memory.as_ptr().addr().wrapping_neg() % MAX_DIRECT_ALIGN;
        Self { memory, skip, len }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.memory[self.skip..self.skip + self.len]
    }

    /// The bytes, to change.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.memory[self.skip..self.skip + self.len]
    }

    /// Where the bytes are.
    pub fn as_ptr(&self) -> *const u8 {
        self.as_slice().as_ptr()
    }

    /// Where the bytes are, to change.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_slice().as_mut_ptr()
    }

    /// How many bytes.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Default for AlignedBlobBuf {
    fn default() -> Self {
        Self::zeroed()
    }
}

impl Clone for AlignedBlobBuf {
    /// The same bytes elsewhere, aligned anew.
    fn clone(&self) -> Self {
        let mut copy = Self::with_len(self.len);
        copy.as_mut_slice().copy_from_slice(self.as_slice());
        copy
    }
}

impl fmt::Debug for AlignedBlobBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlignedBlobBuf").field("len", &self.len).finish_non_exhaustive()
    }
}

/// Buffers of [`BOUNCE_BYTES`].
#[derive(Debug, Default)]
pub struct Pool {
    kept: Mutex<Vec<AlignedBlobBuf>>,
}

/// Whether a slice begins at a multiple of `align` bytes.
pub fn is_aligned(bytes: &[u8], align: usize) -> bool {
    bytes.as_ptr().addr().is_multiple_of(align)
}

impl Pool {
    /// Lends an aligned buffer; what it holds is not defined.
    pub fn with<R>(&self, work: impl FnOnce(&mut [u8]) -> R) -> R {
        let kept = self.kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop();
        let mut buffer = kept.unwrap_or_else(|| AlignedBlobBuf::with_len(BOUNCE_BYTES));
        let result = work(buffer.as_mut_slice());
        let mut kept = self.kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if kept.len() < KEPT_BOUNCE_BUFFERS {
            kept.push(buffer);
        }
        result
    }
}
