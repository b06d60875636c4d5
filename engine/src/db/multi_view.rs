//! One moment of several trees.

use alloc::collections::BTreeMap;
use alloc::string::String;

use super::feed::ChangePage;
use super::multi::DB;
use super::snapshot::Moment;
use super::view::View;
use crate::error::{Error, Result};
use crate::ids::{Lsn, TreeId};

/// Several trees as they were at one moment. Its views may outlive it.
///
/// ```
/// let db = holt_engine::db::DB::memory()?;
/// db.create_tree("files")?.put(b"key", b"value")?;
/// let moment = db.snapshot()?;
/// db.drop_tree("files")?;
/// assert_eq!((moment.len(), moment.names().next()), (1, Some("files")));
/// let files = moment.tree("files").expect("was there");
/// assert!(files.get(b"key")?.is_some());
/// # Ok::<(), holt_engine::error::Error>(())
/// ```
#[derive(Clone)]
pub struct DBView {
    views: BTreeMap<String, View>,
    lsn: Lsn,
}

impl DBView {
    /// The view of a tree; `None` if the tree is not part of it.
    pub fn tree(&self, name: &str) -> Option<&View> {
        self.views.get(name)
    }

    /// How many trees.
    pub fn len(&self) -> usize {
        self.views.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// The names of the trees, in byte order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.views.keys().map(String::as_str)
    }

    /// Every commit below this position is in the views, and no other.
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }
}

impl DB {
    /// All trees as they are now. Taking it costs the same however large they are; keeping it
    /// costs what changes meanwhile.
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// db.create_tree("files")?;
    /// assert!(db.snapshot()?.tree("files").is_some());
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `SnapshotEpochExhausted`.
    pub fn snapshot(&self) -> Result<DBView> {
        let (moment, names) =
            Moment::take_with(&self.shared, |core| Ok(core.catalog.names.clone()))?;
        let view = |tree| View::new(moment.clone(), tree, b"");
        let views = names.into_iter().map(|(name, tree)| (name, view(tree))).collect();
        Ok(DBView { views, lsn: moment.lsn() })
    }

    /// Calls `read` with some trees as they are now, each under a prefix: everything it reads is
    /// of one moment. No lock is held meanwhile. Of a name given twice the last prefix counts.
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// db.create_tree("files")?.put(b"a/1", b"x")?;
    /// let found = db.view(&[("files", b"a/")], |view| match view.tree("files") {
    ///     Some(files) => files.get(b"a/1"),
    ///     None => Ok(None),
    /// })?;
    /// assert_eq!(found.as_deref(), Some(&b"x"[..]));
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `TreeNotFound`, `SnapshotEpochExhausted`, and those of `read`.
    pub fn view<R>(
        &self,
        scopes: &[(&str, &[u8])],
        read: impl FnOnce(&DBView) -> Result<R>,
    ) -> Result<R> {
        let (moment, ids) = Moment::take_with(&self.shared, |core| {
            let id = |(name, _): &(&str, &[u8])| -> Result<TreeId> {
                let id = core.catalog.names.get(*name).copied();
                id.ok_or_else(|| Error::TreeNotFound { name: (*name).into() })
            };
            scopes.iter().map(id).collect::<Result<alloc::vec::Vec<TreeId>>>()
        })?;
        let views = scopes.iter().zip(ids).map(|((name, scope), tree)| {
            (String::from(*name), View::new(moment.clone(), tree, scope))
        });
        read(&DBView { views: views.collect(), lsn: moment.lsn() })
    }

    /// Commits of all trees from position `from` on; see
    /// [`Tree::changes_since`](super::Tree::changes_since). A tree that was created or dropped is
    /// named by its number.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use holt_engine::db::{DB, Options};
    /// # use holt_engine::{device::MemoryBlobStore, geometry::Geometry};
    ///
    /// # let blobs = Arc::new(MemoryBlobStore::new(Geometry::default(), [1; 16]));
    /// let options = Options { feed_retention: 1 << 20, ..Options::default() };
    /// let db = DB::open_with_devices(blobs, None, options)?;
    /// let files = db.create_tree("files")?;
    /// let from = db.last_lsn();
    /// files.put(b"key", b"value")?;
    /// assert_eq!(db.changes_since(from)?.changes.len(), 1);
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::changes_since`](super::Tree::changes_since).
    pub fn changes_since(&self, from: Lsn) -> Result<ChangePage> {
        self.shared.changes(None, from)
    }

    /// Every commit so far has a position below this one.
    pub fn last_lsn(&self) -> Lsn {
        self.shared.core.enter().state().last_lsn()
    }
}
