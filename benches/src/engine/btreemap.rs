//! `BTreeMap` of the standard library: what a plain ordered map in memory costs.
//!
//! Set-up: boxed keys and values, no spare capacity; an overwrite of the same length copies in
//! place. It has no disk, so it is a reference, not a peer, and no ratio is taken against it.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Change, Engine, Kind};
use crate::Result;

pub const KIND: Kind = Kind {
    name: "btreemap",
    home: "native",
    ours: false,
    persistent: false,
    open: |_| Ok(Box::new(Map::default())),
    settings: |_| "std BTreeMap<Box<[u8]>, Box<[u8]>>, memory only".into(),
};

#[derive(Default)]
struct Map {
    records: BTreeMap<Box<[u8]>, Box<[u8]>>,
}

impl Engine for Map {
    fn get(&mut self, key: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        let Some(value) = self.records.get(key) else { return Ok(false) };
        out.clear();
        out.extend_from_slice(value);
        Ok(true)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        match self.records.get_mut(key) {
            Some(old) if old.len() == value.len() => old.copy_from_slice(value),
            Some(old) => *old = value.into(),
            None => drop(self.records.insert(key.into(), value.into())),
        }
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<Option<bool>> {
        Ok(Some(self.records.remove(key).is_some()))
    }

    fn walk(&mut self, start: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<()> {
        let bounds: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Included(start), Bound::Unbounded);
        for (key, value) in self.records.range::<[u8], _>(bounds) {
            if !visit(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn apply(&mut self, changes: &[Change<'_>]) -> Result<()> {
        for change in changes {
            match *change {
                Change::Put(key, value) => self.put(key, value)?,
                Change::Delete(key) => drop(self.records.remove(key)),
            }
        }
        Ok(())
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<()> {
        let value = self.records.remove(from).ok_or("a record to rename is not there")?;
        self.records.insert(to.into(), value);
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<()> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
