//! Where the trees start, shared with snapshots until it changes.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::ops::Deref;

use super::Root;
use crate::ids::TreeId;

/// Roots by tree. A clone costs one count; the first change after it copies the map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roots(Arc<BTreeMap<TreeId, Root>>);

impl Roots {
    /// The root of a tree, to change.
    pub fn get_mut(&mut self, tree: &TreeId) -> Option<&mut Root> {
        Arc::make_mut(&mut self.0).get_mut(tree)
    }

    /// Sets the root of a tree; the one before it is returned.
    pub fn insert(&mut self, tree: TreeId, root: Root) -> Option<Root> {
        Arc::make_mut(&mut self.0).insert(tree, root)
    }

    /// Takes the root of a tree out.
    pub fn remove(&mut self, tree: &TreeId) -> Option<Root> {
        Arc::make_mut(&mut self.0).remove(tree)
    }
}

impl From<BTreeMap<TreeId, Root>> for Roots {
    fn from(roots: BTreeMap<TreeId, Root>) -> Self {
        Self(Arc::new(roots))
    }
}

impl Deref for Roots {
    type Target = BTreeMap<TreeId, Root>;

    #[inline]
    fn deref(&self) -> &BTreeMap<TreeId, Root> {
        &self.0
    }
}
