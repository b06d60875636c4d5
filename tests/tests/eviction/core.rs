//! What is behind the lanes.

use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::forest::Forest;
use crate::ids::{Lsn, TreeId};
use crate::log::Log;
use crate::node::{Record, Value};
use crate::txn::Expect;

#[derive(Default)]
pub struct Counters {
    pub payload: u64,
}

pub struct Core {
    pub forest: Forest,
    pub counters: Counters,
    pub clock: AtomicU64,
    /// Changes that were made alone.
    pub alone: u64,
}

impl Core {
    pub fn check_whole(&self) -> Result<()> {
        Ok(())
    }

    pub fn check_writable(&self) -> Result<()> {
        Ok(())
    }

    pub fn check_journal(&self) -> Result<()> {
        Ok(())
    }

    /// There is none.
    pub fn log(&self) -> Option<MutexGuard<'_, Log>> {
        None
    }

    pub fn published(&self) -> Lsn {
        0
    }

    pub fn tick(&self, ops: u64) -> Result<Lsn> {
        Ok(self.clock.fetch_add(ops, Ordering::Relaxed))
    }

    pub fn judge(&mut self, error: Error) -> Error {
        error
    }

    /// Overwrites a record, which is loaded first if it has to be.
    pub fn put(&mut self, tree: TreeId, key: &[u8], value: &[u8]) -> Result<()> {
        let version = self.tick(1)?;
        let place = loop {
            let spot = self.forest.reader().spot(tree, key);
            match spot.and_then(|spot| self.forest.place_at(&spot)) {
                Ok((place, _)) => break place,
                Err(miss) => self.forest.cache.load(miss),
            }
        };
        assert!(place.exact, "every key here has a record");
        self.alone += 1;
        let page = self.forest.cache.page_mut(place.frame, place.page).expect("was loaded");
        let record = Record { version, suffix: key, long: None, value: Value::Inline(value) };
        assert!(page.replace(place.slot, &record), "it has room");
        Ok(())
    }

    pub fn put_when(&mut self, tree: TreeId, key: &[u8], value: &[u8], _: Expect) -> Result<bool> {
        self.put(tree, key, value).map(|()| true)
    }

    pub fn delete_when(&mut self, _: TreeId, _: &[u8], _: Expect) -> Result<bool> {
        panic!("nothing is deleted here")
    }
}
