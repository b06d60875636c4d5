//! What a step of many operations is made of.

use std::time::{Duration, Instant};

use super::records::Records;
use crate::Result;
use crate::engine::Engine;
use crate::workload::Chunk;

/// How often a step says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Tells how far a step is.
pub type Tell<'a> = &'a mut dyn FnMut(u64, u64);

/// Operations of one kind. Only `work` runs while the clock does.
pub trait Task {
    /// Adds what operation `number` needs to a chunk.
    fn make(&mut self, records: &Records, number: u64, chunk: &mut Chunk);

    /// Does the operations of a chunk.
    fn work(&mut self, engine: &mut dyn Engine, chunk: &Chunk) -> Result<()>;

    /// Compares what came back with what should; returns entries that lists returned.
    fn check(&mut self, _: &Records, _: &Chunk) -> Result<u64> {
        Ok(0)
    }

    /// Leaves the store as it was found.
    fn finish(&mut self, _: &mut dyn Engine) -> Result<()> {
        Ok(())
    }

    /// Operations that each entry of a chunk stands for.
    fn weight(&self) -> u64 {
        1
    }
}

/// Keeps a step's cap and tells how far it is now and then.
pub struct Pace {
    cap: Option<u64>,
    told: Instant,
}

impl Pace {
    pub fn new(cap: Option<Duration>) -> Self {
        Self { cap: cap.map(|cap| cap.as_nanos() as u64), told: Instant::now() }
    }

    pub fn over(&self, nanos: u64) -> bool {
        self.cap.is_some_and(|cap| nanos > cap)
    }

    pub fn tell(&mut self, tell: Tell<'_>, done: u64, total: u64) {
        if self.told.elapsed() >= PROGRESS_EVERY {
            self.told = Instant::now();
            tell(done, total);
        }
    }
}
