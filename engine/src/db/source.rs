//! What the readers of this module work on: the newest state of a tree, or a snapshot of it.
//!
//! Owns: the seam between the two. Scans and lookups are written once, over [`Source`]; handles
//! are thin.

use super::snapshot::Moment;
use super::tree::Tree;
use super::view::View;
use crate::cache::{Cache, Past};
use crate::error::Result;
use crate::forest::{Pages, Reader};
use crate::ids::{Lsn, TreeId};
use crate::node::{Miss, Page};

/// One tree in one state, or in its newest one. Cheap to clone.
pub trait Source: Clone {
    /// Where its pages come from.
    type Pages<'a>: Pages;

    /// Which tree.
    fn tree(&self) -> TreeId;

    /// Which snapshot the state is, if it is one: two sources with one number show one state.
    fn snapshot(&self) -> Option<u64>;

    /// The state as it is now, for lookups that are too long for one look.
    ///
    /// # Errors
    /// `SnapshotEpochExhausted`, `TreeDropped`, `Poisoned`.
    fn still(&self) -> Result<View>;

    /// Runs `read` on the record of `key`, if there is one, again and again until nothing is
    /// missing, with no lock held afterwards.
    ///
    /// # Errors
    /// Those of [`Source::look`].
    fn find<T>(
        &self,
        key: &[u8],
        mut read: impl FnMut(Reader<'_, Self::Pages<'_>>, Option<(&Page, usize)>) -> Result<T, Miss>,
    ) -> Result<T> {
        self.look(|reader| {
            let found = reader.find(self.tree(), key)?;
            read(reader, found)
        })
    }

    /// Runs a lookup, again and again until nothing is missing, with no lock held afterwards.
    ///
    /// The first call may see an older state than the later ones, which all see the same.
    ///
    /// # Errors
    /// `Corrupt` if what is read is damaged, and failures of the device.
    fn look<T>(
        &self,
        look: impl FnMut(Reader<'_, Self::Pages<'_>>) -> Result<T, Miss>,
    ) -> Result<T>;
}

impl Source for Tree {
    type Pages<'a> = Cache;

    fn tree(&self) -> TreeId {
        self.tree
    }

    fn snapshot(&self) -> Option<Lsn> {
        None
    }

    fn still(&self) -> Result<View> {
        Ok(View::new(Moment::take(&self.shared, self.tree)?, self.tree, b""))
    }

    #[inline]
    fn find<T>(
        &self,
        key: &[u8],
        read: impl FnMut(Reader<'_, Cache>, Option<(&Page, usize)>) -> Result<T, Miss>,
    ) -> Result<T> {
        self.shared.find(self.tree, key, read)
    }

    #[inline]
    fn look<T>(&self, mut look: impl FnMut(Reader<'_, Cache>) -> Result<T, Miss>) -> Result<T> {
        Self::look(self, |forest| look(forest.reader()))
    }
}

impl Source for View {
    type Pages<'a> = Past<'a>;

    fn tree(&self) -> TreeId {
        self.tree
    }

    fn snapshot(&self) -> Option<Lsn> {
        Some(self.moment.lsn())
    }

    fn still(&self) -> Result<View> {
        Ok(self.clone())
    }

    fn look<T>(&self, look: impl FnMut(Reader<'_, Past<'_>>) -> Result<T, Miss>) -> Result<T> {
        self.moment.look(look)
    }
}

/// Runs a lookup that keeps what it has, beginning with what `begin` gives, from one call to the
/// next; all of what it has in the end, and of the answer, is of one state.
///
/// # Errors
/// Those of [`Source::look`].
pub(super) fn look_whole<S: Source, W, T>(
    source: &S,
    begin: impl Fn() -> W,
    mut step: impl FnMut(Reader<'_, S::Pages<'_>>, &mut W) -> Result<T, Miss>,
) -> Result<(W, T)> {
    let mut work = begin();
    let mut calls = 0_u32;
    let found = source.look(|reader| {
        // What the first call had may be of an older state.
        if calls == 1 {
            work = begin();
        }
        calls = calls.saturating_add(1);
        step(reader, &mut work)
    })?;
    Ok((work, found))
}
