//! Snapshots: a tree as it was, for as long as someone looks.
//!
//! Owns: handles and when a snapshot ends. Never does: keep pages; the cache's history does.
//! A snapshot ends with its last handle. Handles only note that; the next operation that has
//! the core for itself gives back what was kept, so that a handle may be dropped anywhere.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use super::ahead::Ahead;
use super::core::Core;
use super::scan_part::Buffers;
use super::shared::Shared;
use crate::cache::Past;
use crate::error::{Error, Result};
use crate::forest::{Reader, Roots};
use crate::ids::{Lsn, TreeId};
use crate::node::Miss;
use crate::sync::Mutex;

/// Snapshots whose last handle is gone and whose images are not given back yet.
#[derive(Debug, Default)]
pub(super) struct Retired {
    any: AtomicBool,
    epochs: Mutex<Vec<u64>>,
}

impl Retired {
    fn add(&self, epoch: u64) {
        self.epochs.lock().push(epoch);
        self.any.store(true, Ordering::Release);
    }

    /// Takes what was noted; cheap if there is nothing.
    pub fn take(&self) -> Vec<u64> {
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        self.any.store(false, Ordering::Release);
        core::mem::take(&mut *self.epochs.lock())
    }
}

/// One moment of a store, shared by every handle that reads it.
pub(super) struct Moment {
    shared: Arc<Shared>,
    retired: Arc<Retired>,
    epoch: u64,
    lsn: Lsn,
    roots: Roots,
}

impl Moment {
    /// Memory for scans of its store.
    pub fn buffers(&self) -> &Buffers {
        &self.shared.buffers
    }

    /// This moment, if it has the tree.
    ///
    /// # Errors
    /// `TreeDropped`, and those of [`Moment::take_with`].
    pub fn take(shared: &Arc<Shared>, tree: TreeId) -> Result<Arc<Self>> {
        let exists = |core: &Core| match core.forest.roots.contains_key(&tree) {
            true => Ok(()),
            false => Err(Error::TreeDropped),
        };
        Self::take_with(shared, exists).map(|(moment, ())| moment)
    }

    /// This moment, and what else is to be known of it.
    pub fn take_with<T>(
        shared: &Arc<Shared>,
        also: impl FnOnce(&Core) -> Result<T>,
    ) -> Result<(Arc<Self>, T)> {
        let mut held = shared.core.write();
        held.check_whole()?;
        held.drain_retired();
        let also = also(&held)?;
        let epoch = held.forest.cache.take_snapshot()?;
        let roots = held.forest.roots.clone();
        let retired = Arc::clone(&held.retired);
        let lsn = held.last_lsn();
        drop(held);
        let moment = Self { shared: Arc::clone(shared), retired, epoch, lsn, roots };
        Ok((Arc::new(moment), also))
    }

    /// Its number: higher for later ones, from 1 at each opening.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Every change below this position of the log is in it, and no other.
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Runs a lookup on the store as it was; what it misses is loaded.
    ///
    /// # Errors
    /// `Expired` if what the snapshot needs outgrew its limit; `Corrupt` and failures of the
    /// device.
    pub fn look<T>(&self, look: impl FnMut(Reader<'_, Past<'_>>) -> Result<T, Miss>) -> Result<T> {
        self.walk(&mut Ahead::default(), look)
    }

    /// The same for one of the lookups of a walk, which keeps `ahead`.
    ///
    /// # Errors
    /// Those of [`Moment::look`].
    pub fn walk<T>(
        &self,
        ahead: &mut Ahead,
        mut look: impl FnMut(Reader<'_, Past<'_>>) -> Result<T, Miss>,
    ) -> Result<T> {
        self.shared.look_into(ahead, |core, _| self.look_at(core, &mut look))
    }

    fn look_at<T>(
        &self,
        core: &Core,
        look: &mut impl FnMut(Reader<'_, Past<'_>>) -> Result<T, Miss>,
    ) -> Result<Result<T, Miss>> {
        core.check_whole()?;
        if !core.forest.cache.has_snapshot(self.epoch) {
            let advice = "take another snapshot, or allow snapshots more space";
            return Err(Error::Expired { what: "the snapshot", advice });
        }
        let pages = core.forest.cache.past(self.epoch);
        Ok(look(Reader { pages: &pages, roots: &self.roots }))
    }
}

impl Drop for Moment {
    fn drop(&mut self) {
        self.retired.add(self.epoch);
    }
}
