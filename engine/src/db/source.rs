//! What the readers of this module work on: the newest state of a tree, or a snapshot of it.
//!
//! Owns: the seam between the two. Scans and lookups are written once, over [`Source`]; handles
//! are thin.

use super::ahead::Ahead;
use super::scan_part::Buffers;
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

    /// Memory for scans.
    fn buffers(&self) -> &Buffers;

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

    /// Runs a lookup, again and again until nothing is missing, with no lock held afterwards. The
    /// calls may see different states, each one not older than the one before.
    ///
    /// # Errors
    /// `Corrupt` if what is read is damaged, and failures of the device.
    fn look<T>(
        &self,
        mut look: impl FnMut(Reader<'_, Self::Pages<'_>>) -> Result<T, Miss>,
    ) -> Result<T> {
        self.look_anew(&mut Ahead::default(), |reader, _| look(reader))
    }

    /// The same for a lookup that keeps what it found from call to call: it is told when that may
    /// be of another state than what it sees now. A walk of many lookups keeps `ahead`.
    ///
    /// # Errors
    /// Those of [`Source::look`].
    fn look_anew<T>(
        &self,
        ahead: &mut Ahead,
        look: impl FnMut(Reader<'_, Self::Pages<'_>>, bool) -> Result<T, Miss>,
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

    fn buffers(&self) -> &Buffers {
        &self.shared.buffers
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
    fn look_anew<T>(
        &self,
        ahead: &mut Ahead,
        mut look: impl FnMut(Reader<'_, Cache>, bool) -> Result<T, Miss>,
    ) -> Result<T> {
        self.shared.look_into(ahead, |core, anew| {
            core.check_whole()?;
            Ok(look(core.forest.reader(), anew))
        })
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

    fn buffers(&self) -> &Buffers {
        self.moment.buffers()
    }

    fn still(&self) -> Result<View> {
        Ok(self.clone())
    }

    fn look_anew<T>(
        &self,
        ahead: &mut Ahead,
        mut look: impl FnMut(Reader<'_, Past<'_>>, bool) -> Result<T, Miss>,
    ) -> Result<T> {
        // What it shows never changes.
        self.moment.walk(ahead, |reader| look(reader, false))
    }
}

/// Runs a lookup that keeps what it has, beginning with what `begin` gives, from one call to the
/// next; all of what it has in the end, and of the answer, is of one state.
///
/// # Errors
/// Those of [`Source::look`].
pub(super) fn look_whole<S: Source, W, T>(
    source: &S,
    mut begin: impl FnMut() -> W,
    mut step: impl FnMut(Reader<'_, S::Pages<'_>>, &mut W) -> Result<T, Miss>,
) -> Result<(W, T)> {
    let mut work = None;
    let found = source.look_anew(&mut Ahead::default(), |reader, anew| {
        if anew {
            work = None;
        }
        step(reader, work.get_or_insert_with(&mut begin))
    })?;
    Ok((work.unwrap_or_else(begin), found))
}
