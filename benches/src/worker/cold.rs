//! What happens when nothing is in memory, and what overwrites write.

use std::time::Duration;

use super::points::{Gets, Reads};
use super::task::Tell;
use super::{Session, timed};
use crate::Result;
use crate::limits::{
    COLD_GETS, COLD_SCAN_RECORDS, OVERWRITE_SHARE, OVERWRITES_LEAST, OVERWRITES_MOST,
};
use crate::measure::drop_page_cache;
use crate::protocol::Outcome;
use crate::workload::Chunk;

impl Session {
    /// Closes the store, has the system forget its files, and opens it again.
    fn chill(&mut self) -> Result<()> {
        self.engine()?.checkpoint()?;
        let engine = self.engine.take().ok_or("the store is not open")?;
        engine.close()?;
        drop_page_cache(&self.setup.dir)?;
        self.open()?;
        Ok(())
    }

    /// Reads after everything was forgotten.
    pub(super) fn cold_gets(
        &mut self,
        round: u32,
        cap: Option<Duration>,
        tell: Tell<'_>,
    ) -> Result<Outcome> {
        if !self.kind.persistent {
            return Ok(Outcome::default());
        }
        self.chill()?;
        // Rounds of their own: warm reads have had the same numbers.
        let mut task = Gets::new(Reads::There, 1_000 + round);
        self.chunks(&mut task, COLD_GETS.min(self.setup.ops), cap, tell)
    }

    /// A walk over everything after everything was forgotten.
    pub(super) fn cold_scan(&mut self) -> Result<Outcome> {
        if !self.kind.persistent {
            return Ok(Outcome::default());
        }
        self.chill()?;
        let wanted = self.records.loaded.min(COLD_SCAN_RECORDS);
        let mut outcome = Outcome { ops: wanted, asked: wanted, ..Outcome::default() };
        let whole = self.records.whole();
        let engine = self.engine.as_deref_mut().ok_or("the store is not open")?;
        let (mut seen, mut bytes, mut sorted) = (0, 0, true);
        let mut before = Vec::with_capacity(256);
        timed(&mut outcome, || {
            engine.walk(b"", &mut |key, value| {
                sorted &= before.as_slice() < key;
                before.clear();
                before.extend_from_slice(key);
                bytes += (key.len() + value.len()) as u64;
                seen += 1;
                seen < wanted
            })
        })?;
        let all = !whole || wanted < self.records.loaded || bytes == self.records.payload;
        if seen != wanted || !sorted || !all {
            return Err(format!("a walk over {wanted} records had {seen}, {bytes} bytes").into());
        }
        outcome.entries = seen;
        Ok(outcome)
    }

    /// Uniform overwrites and the checkpoint after them.
    pub(super) fn overwrite(&mut self, round: u32) -> Result<Outcome> {
        if !self.kind.persistent {
            return Ok(Outcome::default());
        }
        let puts = self.records.loaded / OVERWRITE_SHARE;
        let puts = puts.clamp(OVERWRITES_LEAST, OVERWRITES_MOST);
        let generation = self.records.next_generation();
        let mut outcome = Outcome { ops: puts, asked: puts, ..Outcome::default() };
        let engine = self.engine.as_deref_mut().ok_or("the store is not open")?;
        let mut chunk = Chunk::default();
        for number in 0..puts {
            chunk.clear();
            self.records.push(self.records.pick(10, round, number), generation, &mut chunk);
            outcome.changed += chunk.payload();
            for (key, value) in chunk.iter() {
                timed(&mut outcome, || engine.put(key, value))?;
            }
        }
        timed(&mut outcome, || engine.checkpoint())?;
        Ok(outcome)
    }
}
