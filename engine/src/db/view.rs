//! Reading a tree as it was at one moment: views and snapshots.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Deref;

use super::snapshot::Moment;
use super::tree::Record;
use crate::error::{Error, Result};
use crate::ids::{Lsn, RecordVersion, TreeId};
use crate::node::Record as Stored;

/// A tree as it was at one moment, under one prefix. Cheap to clone; what is derived from it
/// may outlive it and keeps the moment.
#[derive(Clone)]
pub struct View {
    pub(super) moment: Arc<Moment>,
    pub(super) tree: TreeId,
    scope: Vec<u8>,
}

impl View {
    pub(super) fn new(moment: Arc<Moment>, tree: TreeId, scope: &[u8]) -> Self {
        Self { moment, tree, scope: scope.into() }
    }

    /// The prefix the view was made for; empty for a whole tree.
    pub fn scope(&self) -> &[u8] {
        &self.scope
    }

    /// Every change below this position of the log is in the view, and no other.
    pub fn lsn(&self) -> Lsn {
        self.moment.lsn()
    }

    pub(super) fn check_scope(&self, key: &[u8]) -> Result<()> {
        match key.starts_with(&self.scope) {
            true => Ok(()),
            false => Err(Error::OutsideViewScope),
        }
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// `OutsideViewScope`; `Expired` if the view needed more than snapshots may keep; `Corrupt`
    /// and failures of the device.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.check_scope(key)?;
        self.moment.look(|reader| {
            let Some((page, slot)) = reader.find(self.tree, key)? else { return Ok(None) };
            Ok(Some(reader.value(Stored::read(page, slot).value)?.into()))
        })
    }

    /// The value of `key` and its version.
    ///
    /// # Errors
    /// Those of [`View::get`].
    pub fn get_record(&self, key: &[u8]) -> Result<Option<Record>> {
        self.check_scope(key)?;
        self.moment.look(|reader| {
            let Some((page, slot)) = reader.find(self.tree, key)? else { return Ok(None) };
            let stored = Stored::read(page, slot);
            let version = RecordVersion::from_raw(stored.version);
            Ok(Some(Record { value: reader.value(stored.value)?.into(), version }))
        })
    }

    /// The version of `key`.
    ///
    /// # Errors
    /// Those of [`View::get`].
    pub fn get_version(&self, key: &[u8]) -> Result<Option<RecordVersion>> {
        self.check_scope(key)?;
        self.moment.look(|reader| {
            let found = reader.find(self.tree, key)?;
            Ok(found.map(|(page, slot)| RecordVersion::from_raw(Stored::read(page, slot).version)))
        })
    }
}

/// A [`View`] that is held on to: for as long as it lives, the store keeps what changes replace.
#[derive(Clone)]
pub struct Snapshot {
    view: View,
}

impl Snapshot {
    pub(super) fn new(view: View) -> Self {
        Self { view }
    }

    /// The number of the snapshot: later ones of the same opening have higher ones.
    pub fn epoch(&self) -> u64 {
        self.view.moment.epoch()
    }

    /// The snapshot as a view.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Lets go of the snapshot, as dropping it does. What it kept is given back once no clone
    /// and nothing derived from it is left.
    pub fn retire(self) {}
}

impl Deref for Snapshot {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}
