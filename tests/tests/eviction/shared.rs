//! A store that threads share: the other way, for what cannot be done beside others.

use std::sync::atomic::{AtomicU64, Ordering};

use super::beside::Single;
use super::core::Core;
use super::hold::Hold;
use crate::error::Result;
use crate::forest::{Change, Forest};
use crate::ids::Lsn;
use crate::log::Durable;
use crate::node::Miss;
use crate::txn::Expect;

#[derive(Default)]
pub struct Options {
    pub sync: bool,
    pub auto_checkpoint: bool,
}

impl Options {
    pub fn log_budget(&self) -> u64 {
        u64::MAX
    }
}

pub struct Store {
    pub(super) core: Hold,
    pub beside: bool,
    pub options: Options,
    /// Times that a lookup loaded what it missed.
    pub loaded: AtomicU64,
}

impl Store {
    pub fn new(core: Core) -> Self {
        let (options, loaded) = (Options::default(), AtomicU64::new(0));
        Self { core: Hold::new(core), beside: true, options, loaded }
    }

    /// Overwrites a record, whatever is there.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<bool> {
        let (change, when) = (Change::Put(value), Expect::Anything);
        self.change(Single { tree: 0, key, change, when })
    }

    /// Runs a lookup; what it misses is loaded alone, and looked for anew.
    pub fn look<T>(&self, mut look: impl FnMut(&Forest) -> Result<T, Miss>) -> Result<T> {
        let held = self.core.read();
        if let Ok(found) = look(&held.forest) {
            return Ok(found);
        }
        drop(held);
        let mut core = self.core.write();
        loop {
            match look(&core.forest) {
                Ok(found) => return Ok(found),
                Err(miss) => {
                    core.forest.cache.load(miss);
                    self.loaded.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    pub fn commit_one<T>(&self, write: impl FnOnce(&mut Core) -> Result<T>) -> Result<T> {
        write(&mut self.core.write())
    }

    /// Runs what needs the store alone.
    pub fn alone<T>(&self, run: impl FnOnce(&mut Core) -> T) -> T {
        run(&mut self.core.write())
    }

    /// Runs what looks at one page, as its own way of doing so.
    pub fn glance<T>(&self, run: impl FnOnce(&Forest, &dyn Fn(u64) -> bool) -> T) -> T {
        let point = self.core.enter();
        run(&point.state().forest, &|page| point.reads(page))
    }

    /// Without a log there is no budget of it.
    pub fn help(&self) {}

    pub fn wait(&self, durable: &Durable, end: Lsn) -> Result<()> {
        durable.wait(end)
    }
}
