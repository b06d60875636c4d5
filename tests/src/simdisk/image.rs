//! The bytes of a file, shared between its states.
//!
//! Owns: pages that are copied when written. Never does: know what is durable. Invariant: bytes
//! behind the length are zero, except between [`Image::write_sectors`] and [`Image::finish`].

use std::sync::Arc;

const PAGE: usize = 4096;

type Page = Arc<[u8; PAGE]>;

/// A file's content. Cloning copies no bytes.
#[derive(Clone, Default)]
pub(super) struct Image {
    len: u64,
    /// Absent pages read as zero.
    pages: Arc<Vec<Option<Page>>>,
}

impl Image {
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Bytes in pages that are there.
    pub fn allocated(&self) -> u64 {
        (self.pages.iter().flatten().count() * PAGE) as u64
    }

    /// Reads what is there; zeros behind the end.
    pub fn read(&self, offset: u64, out: &mut [u8]) {
        for (page, within, range) in chunks(offset, out.len()) {
            let part = &mut out[range];
            match self.pages.get(page) {
                Some(Some(bytes)) => part.copy_from_slice(&bytes[within..within + part.len()]),
                _ => part.fill(0),
            }
        }
    }

    /// Writes, extending the file if needed.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.write_sectors(offset, bytes);
        self.len = self.len.max(offset + bytes.len() as u64);
    }

    /// Writes without changing the length: what lies behind it shows once the file grows, or is
    /// dropped by [`Image::finish`].
    pub fn write_sectors(&mut self, offset: u64, bytes: &[u8]) {
        let pages = Arc::make_mut(&mut self.pages);
        for (page, within, range) in chunks(offset, bytes.len()) {
            if pages.len() <= page {
                pages.resize(page + 1, None);
            }
            let part = &bytes[range];
            let target = pages[page].get_or_insert_with(|| Arc::new([0; PAGE]));
            Arc::make_mut(target)[within..within + part.len()].copy_from_slice(part);
        }
    }

    /// Cuts or extends with zeros.
    pub fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.drop_behind(len);
        }
        self.len = len;
    }

    /// Grows to at least `len`.
    pub fn grow(&mut self, len: u64) {
        self.len = self.len.max(len);
    }

    /// Continues `hash` by the length and by each page that is not the same memory as the page of
    /// `base` at its place.
    pub fn fingerprint(&self, base: Option<&Self>, hash: (u64, u64)) -> (u64, u64) {
        let theirs = base.map_or(&[][..], |base| base.pages.as_slice());
        let mut hash = mix(hash, [self.len, 0]);
        for at in 0..self.pages.len().max(theirs.len()) {
            let of = |pages: &[Option<Page>]| pages.get(at).cloned().flatten();
            match (of(&self.pages), of(theirs)) {
                (None, None) => {}
                (Some(own), Some(other)) if Arc::ptr_eq(&own, &other) => {}
                (None, Some(_)) => hash = mix(hash, [at as u64, 1]),
                (Some(own), _) => {
                    hash = mix(hash, [at as u64, 2]);
                    for pair in own.chunks_exact(16) {
                        let word = |at: usize| {
                            pair[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
                        };
                        hash = mix(hash, [word(0), word(8)]);
                    }
                }
            }
        }
        hash
    }

    /// Zeroes a range within the file and frees whole pages of it.
    pub fn zero(&mut self, offset: u64, len: u64) {
        let len = len.min(self.len.saturating_sub(offset));
        let pages = Arc::make_mut(&mut self.pages);
        for (page, within, range) in chunks(offset, len as usize) {
            let Some(slot) = pages.get_mut(page) else { break };
            match slot {
                Some(_) if range.len() == PAGE => *slot = None,
                Some(bytes) => Arc::make_mut(bytes)[within..within + range.len()].fill(0),
                None => {}
            }
        }
    }

    /// Drops what was written behind the length.
    pub fn finish(&mut self) {
        if (self.pages.len() * PAGE) as u64 > self.len {
            self.drop_behind(self.len);
        }
    }

    fn drop_behind(&mut self, len: u64) {
        let whole = len.div_ceil(PAGE as u64) as usize;
        let within = len as usize % PAGE;
        let pages = Arc::make_mut(&mut self.pages);
        pages.truncate(whole);
        if within > 0
            && let Some(Some(last)) = pages.get_mut(whole - 1)
            && last[within..].iter().any(|byte| *byte != 0)
        {
            Arc::make_mut(last)[within..].fill(0);
        }
    }
}

/// Continues two hashes by two words.
pub(super) const fn mix(hash: (u64, u64), words: [u64; 2]) -> (u64, u64) {
    let one = (hash.0 ^ words[0]).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let two = (hash.1.rotate_left(31) ^ words[1]).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (one ^ words[1].rotate_left(17), two.wrapping_add(one))
}

/// Splits a range of a file at page ends: page, offset within it, range of the caller's bytes.
fn chunks(offset: u64, len: usize) -> impl Iterator<Item = (usize, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done >= len {
            return None;
        }
        let at = offset as usize + done;
        let (page, within) = (at / PAGE, at % PAGE);
        let part = (PAGE - within).min(len - done);
        let range = done..done + part;
        done += part;
        Some((page, within, range))
    })
}
