//! `BTreeMap` of the standard library: what a plain ordered map in memory costs.
//!
//! Set-up: boxed keys and values, no spare capacity; an overwrite of the same length copies in
//! place. It has no disk, so it is a reference, not a peer, and no ratio is taken against it.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Engine, Kind, ListFrom};
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

    fn delete(&mut self, key: &[u8]) -> Result<bool> {
        Ok(self.records.remove(key).is_some())
    }

    fn list(
        &mut self,
        from: ListFrom<'_>,
        limit: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<usize> {
        let start = from.after.max(from.prefix);
        let bounds: (Bound<&[u8]>, Bound<&[u8]>) = (
            if start == from.after { Bound::Excluded(start) } else { Bound::Included(start) },
            Bound::Unbounded,
        );
        let mut seen = 0;
        for (key, value) in self.records.range::<[u8], _>(bounds).take(limit) {
            if !key.starts_with(from.prefix) {
                break;
            }
            visit(key, value);
            seen += 1;
        }
        Ok(seen)
    }

    fn checkpoint(&mut self) -> Result<()> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
