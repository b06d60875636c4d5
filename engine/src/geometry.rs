//! The shape of a store's frames, fixed when the store is created.

use crate::error::{Error, Result};
use crate::limits::{MAX_FRAME_BYTES, MIN_FRAME_BYTES, PAGE_BYTES};

/// How large a frame is. Pages are always [`PAGE_BYTES`].
///
/// ```
/// use holt_engine::geometry::Geometry;
///
/// let small = Geometry::new(64 << 10)?;
/// assert_eq!((small.frame_bytes(), small.pages()), (65_536, 16));
/// assert!(Geometry::new(100).is_err());
/// # Ok::<(), holt_engine::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "Unchecked")
)]
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

/// A geometry as it was read from outside.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
struct Unchecked {
    frame_bytes: u32,
}

#[cfg(feature = "serde")]
impl TryFrom<Unchecked> for Geometry {
    type Error = Error;

    fn try_from(read: Unchecked) -> Result<Self> {
        Self::new(read.frame_bytes)
    }
}

impl Default for Geometry {
    fn default() -> Self {
        Self { frame_bytes: MAX_FRAME_BYTES }
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use super::*;

    #[test]
    fn a_geometry_from_outside_is_checked() {
        let written = serde_json::to_string(&Geometry::default()).expect("is plain data");
        assert_eq!(written, r#"{"frame_bytes":524288}"#);
        assert_eq!(serde_json::from_str::<Geometry>(&written).ok(), Some(Geometry::default()));
        for bytes in [0, PAGE_BYTES as u32, MIN_FRAME_BYTES + 1, 2 * MAX_FRAME_BYTES] {
            let wrong = std::format!(r#"{{"frame_bytes":{bytes}}}"#);
            let refused = serde_json::from_str::<Geometry>(&wrong).expect_err(&wrong);
            assert!(std::string::ToString::to_string(&refused).contains("16384"), "{refused}");
        }
    }
}
