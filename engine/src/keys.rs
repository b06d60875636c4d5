//! Building keys that are paths: segments joined by `/`.
//!
//! Owns: [`KeyPathBuf`], [`KeyPrefixBuf`] and which segments they take. Never does: touch a tree;
//! the engine takes any bytes as a key, and these are a help to those whose keys are paths.
//! Invariant: what is built so has no empty segment, no `.` or `..` and no NUL, so that every
//! path has one spelling and no prefix ends within a segment.

use alloc::vec::Vec;

/// Stands between the segments of a path.
const DELIMITER: u8 = b'/';

/// Why a segment was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum KeyPathError {
    /// The segment is empty.
    #[error("a segment of a key path is empty; leave it out")]
    EmptySegment,
    /// The segment contains `/`.
    #[error("a segment of a key path contains '/'; push its parts one by one")]
    ContainsDelimiter,
    /// The segment contains a zero byte.
    #[error("a segment of a key path contains a NUL byte; encode it first")]
    ContainsNul,
    /// The segment is `.` or `..`, which paths of files resolve and keys do not.
    #[error("a segment of a key path is '.' or '..'; resolve the path first")]
    DotSegment,
}

/// A key built from the segments of a path.
///
/// ```
/// use holt_engine::keys::KeyPathBuf;
///
/// let mut key = KeyPathBuf::with_namespace("objects")?;
/// assert_eq!(key.as_bytes(), b"objects/");
/// key.push("photos")?;
/// key.push("cat.jpg")?;
/// assert_eq!(key.as_bytes(), b"objects/photos/cat.jpg");
///
/// // What lies below a directory, and not what merely starts with its name.
/// let mut below = KeyPathBuf::new();
/// below.push("photos")?;
/// assert_eq!(below.into_prefix().as_bytes(), b"photos/");
/// # Ok::<(), holt_engine::keys::KeyPathError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPathBuf {
    bytes: Vec<u8>,
}

impl KeyPathBuf {
    /// A path without segments: the empty key.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// A path below one first segment: `ns/`.
    ///
    /// # Errors
    /// [`KeyPathError`] if `ns` may not be a segment.
    pub fn with_namespace(ns: impl AsRef<[u8]>) -> Result<Self, KeyPathError> {
        let mut path = Self::new();
        path.push(ns)?;
        path.bytes.push(DELIMITER);
        Ok(path)
    }

    /// Adds a segment: one or more bytes, UTF-8 or not, without `/` and NUL, and neither `.` nor
    /// `..`. The length of a key is checked when it is used.
    ///
    /// # Errors
    /// [`KeyPathError`] says what is wrong with the segment; the path is as it was.
    pub fn push(&mut self, segment: impl AsRef<[u8]>) -> Result<(), KeyPathError> {
        let segment = segment.as_ref();
        check(segment)?;
        let joined = self.bytes.last().is_none_or(|last| *last == DELIMITER);
        self.bytes.reserve(segment.len() + usize::from(!joined));
        if !joined {
            self.bytes.push(DELIMITER);
        }
        self.bytes.extend_from_slice(segment);
        Ok(())
    }

    /// The key.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key, to keep.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// What all keys below this path start with: it ends in `/`, unless the path has no segment,
    /// when it is empty and every key starts with it.
    pub fn into_prefix(self) -> KeyPrefixBuf {
        let mut bytes = self.bytes;
        if bytes.last().is_some_and(|last| *last != DELIMITER) {
            bytes.push(DELIMITER);
        }
        KeyPrefixBuf { bytes }
    }

    /// Bytes of the key.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the path has no segment.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl AsRef<[u8]> for KeyPathBuf {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// What all keys below a path start with: empty, or ending in `/`. Made by
/// [`KeyPathBuf::into_prefix`].
///
/// ```
/// use holt_engine::db::{KeyRangeEntry, Tree};
/// use holt_engine::keys::KeyPathBuf;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tree = Tree::memory()?;
/// for key in ["img", "img!", "img/cat.png", "img0"] {
///     tree.put(key.as_bytes(), b"")?;
/// }
/// let mut path = KeyPathBuf::new();
/// path.push("img")?;
/// let mut below = tree.scan_keys(path.into_prefix().as_bytes()).into_iter();
/// let Some(KeyRangeEntry::Key { key, .. }) = below.next().transpose()? else { panic!() };
/// assert_eq!(key, b"img/cat.png");
/// assert!(below.next().is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPrefixBuf {
    bytes: Vec<u8>,
}

impl KeyPrefixBuf {
    /// The prefix.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The prefix, to keep.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Bytes of the prefix.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether every key starts with it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl AsRef<[u8]> for KeyPrefixBuf {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn check(segment: &[u8]) -> Result<(), KeyPathError> {
    match segment {
        b"" => Err(KeyPathError::EmptySegment),
        b"." | b".." => Err(KeyPathError::DotSegment),
        _ if segment.contains(&DELIMITER) => Err(KeyPathError::ContainsDelimiter),
        _ if segment.contains(&0) => Err(KeyPathError::ContainsNul),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(segments: &[&str]) -> KeyPathBuf {
        let mut path = KeyPathBuf::new();
        for segment in segments {
            path.push(segment).expect("is a segment");
        }
        path
    }

    #[test]
    fn a_path_is_its_segments_with_one_slash_between() {
        assert_eq!(path(&[]).as_bytes(), b"");
        assert!(path(&[]).is_empty() && KeyPathBuf::new().into_prefix().is_empty());
        assert_eq!(path(&["a"]).as_bytes(), b"a");
        assert_eq!(path(&["a", "b c", "..."]).as_bytes(), b"a/b c/...");
        assert_eq!(path(&["a", "b"]).len(), 3);
        assert_eq!(path(&["a", "b"]).as_ref(), b"a/b");
        assert_eq!(path(&["a", "b"]).into_prefix().as_bytes(), b"a/b/");
        let mut bytes = path(&["a"]);
        bytes.push([0xff, 0x80]).expect("need not be UTF-8");
        assert_eq!(bytes.into_bytes(), b"a/\xff\x80");
    }

    #[test]
    fn a_namespace_is_a_first_segment_and_its_slash() {
        let mut path = KeyPathBuf::with_namespace("o").expect("is a segment");
        assert_eq!(path.as_bytes(), b"o/");
        let prefix = path.clone().into_prefix();
        assert_eq!((prefix.as_bytes(), prefix.as_ref(), prefix.len()), (&b"o/"[..], &b"o/"[..], 2));
        assert_eq!(prefix.into_bytes(), b"o/");
        path.push("x").expect("is a segment");
        assert_eq!(path.as_bytes(), b"o/x");
        assert_eq!(KeyPathBuf::with_namespace(""), Err(KeyPathError::EmptySegment));
        assert_eq!(KeyPathBuf::with_namespace("o/"), Err(KeyPathError::ContainsDelimiter));
    }

    #[test]
    fn a_refused_segment_leaves_the_path_as_it_was() {
        let mut built = path(&["a"]);
        for (segment, why) in [
            ("", KeyPathError::EmptySegment),
            (".", KeyPathError::DotSegment),
            ("..", KeyPathError::DotSegment),
            ("/", KeyPathError::ContainsDelimiter),
            ("b/c", KeyPathError::ContainsDelimiter),
            ("b\0", KeyPathError::ContainsNul),
        ] {
            assert_eq!(built.push(segment), Err(why), "{segment:?}");
            assert_eq!(built.as_bytes(), b"a", "{segment:?}");
        }
    }

    proptest! {
        #[test]
        fn any_accepted_segments_can_be_told_apart_again(
            segments in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 0..6),
        ) {
            let mut path = KeyPathBuf::new();
            let mut taken = Vec::new();
            for segment in &segments {
                if path.push(segment).is_ok() {
                    taken.push(&segment[..]);
                }
            }
            let split: Vec<&[u8]> = match path.is_empty() {
                true => Vec::new(),
                false => path.as_bytes().split(|byte| *byte == b'/').collect(),
            };
            prop_assert_eq!(split, taken);
        }
    }
}
