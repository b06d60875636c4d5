//! A set of page numbers of one frame.

/// Page numbers 0 to 127.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageSet(pub u128);

impl PageSet {
    /// The pages `0..count`.
    pub const fn first(count: usize) -> Self {
        if count >= 128 { Self(u128::MAX) } else { Self((1 << count) - 1) }
    }

    /// Whether `page` is in the set.
    pub const fn has(self, page: u8) -> bool {
        page < 128 && self.0 & (1 << page) != 0
    }

    /// Adds `page`.
    pub const fn add(&mut self, page: u8) {
        self.0 |= 1 << page;
    }

    /// Takes `page` out.
    pub const fn take(&mut self, page: u8) {
        self.0 &= !(1 << page);
    }

    /// How many pages.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The lowest of the pages `0..count` that is not in the set.
    pub const fn lowest_free(self, count: usize) -> Option<u8> {
        let page = (!self.0).trailing_zeros();
        if (page as usize) < count { Some(page as u8) } else { None }
    }

    /// The pages, ascending.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            if rest == 0 {
                return None;
            }
            let page = rest.trailing_zeros() as u8;
            rest &= rest - 1;
            Some(page)
        })
    }
}
