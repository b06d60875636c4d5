//! The shape of a store's frames, fixed when the store is created.

use crate::error::{Error, Result};
use crate::limits::{MAX_FRAME_BYTES, MIN_FRAME_BYTES, PAGE_BYTES};

/// How large a frame is. Pages are always [`PAGE_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Geometry {
    frame_bytes: u32,
}

impl Geometry {
    /// A geometry with frames of `frame_bytes`: a whole number of pages from 16 KiB to 512 KiB.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] outside these bounds.
    pub fn new(frame_bytes: u32) -> Result<Self> {
        let whole = frame_bytes.is_multiple_of(PAGE_BYTES as u32);
        if !whole || !(MIN_FRAME_BYTES..=MAX_FRAME_BYTES).contains(&frame_bytes) {
            return Err(Error::InvalidArgument {
                what: "frame size",
                why: "must be a multiple of 4096 from 16384 to 524288 bytes",
            });
        }
        Ok(Self { frame_bytes })
    }

    /// Bytes of one frame.
    pub const fn frame_bytes(self) -> u32 {
        self.frame_bytes
    }

    /// Pages of one frame, page 0 included.
    pub const fn pages(self) -> usize {
        self.frame_bytes as usize / PAGE_BYTES
    }
}

impl Default for Geometry {
    fn default() -> Self {
        Self { frame_bytes: MAX_FRAME_BYTES }
    }
}
