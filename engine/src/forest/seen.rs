//! The way to a page by where its records were found before, not through the tree.
//!
//! Owns: which guesses are worth a look. Never does: look at the page itself.

use super::{Reader, Spot};
use crate::art::head::HeadView;
use crate::cache::{Cache, Guesses, Print};
use crate::codec::order;
use crate::ids::TreeId;
use crate::node::Query;

/// Most guesses that a lookup tries: one in twenty is wrong, and where more are, keys were chosen
/// so that they share a hash.
const MOST_TRIED: u8 = 2;

/// See [`Reader::seen`].
pub struct Seen<'a, 'k> {
    pages: &'a Cache,
    guesses: Option<Guesses<'a>>,
    tree: TreeId,
    key: &'k [u8],
    left: u8,
}

impl<'k> Iterator for Seen<'_, 'k> {
    type Item = Spot<'k>;

    #[inline]
    fn next(&mut self) -> Option<Spot<'k>> {
        loop {
            self.left = self.left.checked_sub(1)?;
            let (frame, page) = self.guesses.as_mut()?.next()?;
            if let Some(spot) = self.spot(frame, page) {
                return Some(spot);
            }
        }
    }
}

impl<'k> Seen<'_, 'k> {
    #[inline]
    fn spot(&self, frame: u32, page: u8) -> Option<Spot<'k>> {
        let view = self.pages.view(frame).ok()?;
        if page == 0 || !view.is_leaf_of(self.tree) {
            return None;
        }
        let prefix = HeadView(view.page(0).ok()?).prefix();
        let query = Query { key: self.key, stripped: prefix.len() };
        order::starts_with(self.key, prefix).then_some(Spot { frame, page, query })
    }
}

impl<'a> Reader<'a, Cache> {
    /// The pages of the tree in memory where the record of `key` may be, whose print this is. A
    /// record with that key on one of them is the one: no key has two.
    #[inline]
    pub fn seen<'k>(self, tree: TreeId, key: &'k [u8], print: Option<Print>) -> Seen<'a, 'k> {
        let print = print.filter(|_| self.roots.contains_key(&tree));
        let guesses = print.map(|print| self.pages.guesses(print));
        Seen { pages: self.pages, guesses, tree, key, left: MOST_TRIED }
    }
}
