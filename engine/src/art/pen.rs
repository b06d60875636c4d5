//! Writing an index forward into a space of fixed size.
//!
//! Owns: the place of the next byte. Never does: write past the end, or panic there.

/// Writes forward; every call gives none when there is no room.
pub(super) struct Pen<'a> {
    pub(super) out: &'a mut [u8],
    /// Where the next byte goes.
    pub(super) at: usize,
}

impl Pen<'_> {
    /// Writes `bytes` and moves past them.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Option<()> {
        self.put(self.at, bytes)?;
        self.at += bytes.len();
        Some(())
    }

    /// Leaves `len` bytes to be filled in later and returns where they are.
    pub(super) fn skip(&mut self, len: usize) -> Option<usize> {
        let at = self.at;
        self.at = at.checked_add(len)?;
        self.out.get(at..self.at).map(|_| at)
    }

    /// Writes zeros up to the next multiple of 4.
    pub(super) fn align(&mut self) -> Option<()> {
        self.write(&[0; 4][..self.at.next_multiple_of(4) - self.at])
    }

    /// Writes `bytes` at `at`, where space was left.
    pub(super) fn put(&mut self, at: usize, bytes: &[u8]) -> Option<()> {
        let place = self.out.get_mut(at..at.checked_add(bytes.len())?)?;
        place.copy_from_slice(bytes);
        Some(())
    }
}

/// A run of anchors that still needs its node.
#[derive(Clone, Copy, Default)]
pub(super) struct Job {
    /// Ordinal of the first anchor.
    pub(super) first: usize,
    /// Ordinal after the last anchor.
    pub(super) end: usize,
    /// Bytes of the anchors that the nodes above stand for.
    pub(super) depth: usize,
    /// Where the word that leads here is.
    pub(super) word_at: usize,
}
