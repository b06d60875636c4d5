//! A tree of one frame, whose pages have one record each: the engine's way to a leaf page beside
//! others.

#[path = "../../../engine/src/forest/beside.rs"]
mod beside;
mod change;
mod merge {
    //! When a page is thin.

    /// If it has nothing.
    pub const THIN_PAGE: usize = 1;
}

use std::collections::BTreeMap;

use crate::cache::{Cache, PAGES, Print};
use crate::ids::TreeId;
use crate::node::{Extents, Miss, Page, Query, search};

pub use beside::{Change, Spot};
pub use change::Place;

/// What the engine's searches look at.
pub trait Pages: Extents {
    fn page(&self, frame: u32, page: u8) -> Result<&Page, Miss>;
}

impl Pages for Cache {
    fn page(&self, frame: u32, page: u8) -> Result<&Page, Miss> {
        self.page(frame, page)
    }
}

/// The root of a tree.
pub struct Root {
    pub records: u64,
}

pub struct Forest {
    pub cache: Cache,
    pub roots: BTreeMap<TreeId, Root>,
}

impl Forest {
    /// Nothing is removed here.
    fn note_thinned(&mut self, _frame: u32, _page: u8) {}

    pub fn reader(&self) -> Reader<'_, Cache> {
        Reader { pages: &self.cache }
    }
}

/// For looking things up.
pub struct Reader<'a, P> {
    pub pages: &'a P,
}

impl<P> Clone for Reader<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Reader<'_, P> {}

/// The head of the frame: the first byte of a key is its page.
struct Head([u8; PAGES]);

impl Head {
    fn prefix_len(&self) -> usize {
        0
    }

    fn pages(&self) -> &[u8] {
        &self.0
    }

    fn floor(&self, query: &Query<'_>, _: &impl Extents) -> Result<usize, Miss> {
        Ok(query.key[0].into())
    }
}

impl<'a> Reader<'a, Cache> {
    /// Pages in memory where a record may be: first one where it is not, then the right one.
    pub fn seen<'k>(
        self,
        _tree: TreeId,
        key: &'k [u8],
        _print: Option<Print>,
    ) -> impl Iterator<Item = Spot<'k>> {
        let right = key[0];
        let guesses = [1 - right, right].into_iter();
        let is_here =
            move |page: &u8| self.pages.frame(0).is_ok_and(|frame| frame.handle(*page).is_some());
        guesses.filter(is_here).map(|page| Spot {
            frame: 0,
            page,
            query: Query { key, stripped: 0 },
        })
    }
}

impl<'a, P: Pages> Reader<'a, P> {
    fn leaf_frame(self, _tree: TreeId, _key: &[u8]) -> Result<u32, Miss> {
        Ok(0)
    }

    fn head(self, _frame: u32, _page: u8) -> Result<Head, Miss> {
        Ok(Head([0, 1]))
    }

    fn known_absent<T>(self, miss: Miss, _key: &[u8]) -> Result<Option<T>, Miss> {
        Err(miss)
    }

    /// The page and the slot of a key.
    pub fn find(self, tree: TreeId, key: &[u8]) -> Result<Option<(&'a Page, usize)>, Miss> {
        let spot = self.spot(tree, key)?;
        let page = self.pages.page(spot.frame, spot.page)?;
        let slot = search::find(page, &Query { key, stripped: 0 }, self.pages)?;
        Ok(slot.map(|slot| (page, slot)))
    }
}
