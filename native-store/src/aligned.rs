//! Aligned memory for direct I/O.
//!
//! Owns: a few buffers, kept for the next transfer. Never does: I/O.

use std::sync::Mutex;

use crate::limits::{BOUNCE_BYTES, KEPT_BOUNCE_BUFFERS, MAX_DIRECT_ALIGN};

/// Buffers of [`BOUNCE_BYTES`], aligned to [`MAX_DIRECT_ALIGN`].
#[derive(Debug, Default)]
pub struct Pool {
    kept: Mutex<Vec<Vec<u8>>>,
}

/// Whether a slice begins at a multiple of `align` bytes.
pub fn is_aligned(bytes: &[u8], align: usize) -> bool {
    bytes.as_ptr().addr().is_multiple_of(align)
}

impl Pool {
    /// Lends an aligned buffer; what it holds is not defined.
    pub fn with<R>(&self, work: impl FnOnce(&mut [u8]) -> R) -> R {
        let kept = self.kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop();
        let mut memory = kept.unwrap_or_else(|| vec![0; BOUNCE_BYTES + MAX_DIRECT_ALIGN]);
        let skip = memory.as_ptr().addr().wrapping_neg() % MAX_DIRECT_ALIGN;
        let result = work(&mut memory[skip..skip + BOUNCE_BYTES]);
        let mut kept = self.kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if kept.len() < KEPT_BOUNCE_BUFFERS {
            kept.push(memory);
        }
        result
    }
}
