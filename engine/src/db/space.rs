//! Giving space back: what nothing leads to, and what packing frees.
//!
//! Owns: the order check, remove, publish. Never does: remove anything from a damaged store.

use super::core::Core;
use super::stats::VacuumStats;
use crate::error::{Error, Result};

impl Core {
    /// Removes blobs that nothing leads to and publishes. Returns how many.
    pub fn gc(&mut self) -> Result<usize> {
        // What is on its way out anyway leaves with this.
        self.checkpoint()?;
        let survey = super::verify::survey(self, &mut |_, _| {})?;
        if let Some(damage) = survey.report.damage.into_iter().next() {
            return Err(Error::Corrupt(damage));
        }
        for &blob in &survey.orphans {
            self.forest.cache.drop_orphan(blob);
        }
        self.checkpoint()?;
        Ok(survey.orphans.len())
    }

    /// The same, and repacks every tree.
    pub fn vacuum(&mut self) -> Result<VacuumStats> {
        let bytes_before = self.allocated()?;
        let before = self.forest.counters;
        let unreachable_blobs = self.gc()? as u64;
        self.compact(None)?;
        let now = self.forest.counters;
        Ok(VacuumStats {
            unreachable_blobs,
            compactions: now.compactions - before.compactions,
            merges: now.merges - before.merges,
            bytes_before,
            bytes_after: self.allocated()?,
        })
    }

    /// Bytes that store and log have allocated.
    fn allocated(&self) -> Result<u64> {
        let log = self.log().map_or(Ok(0), |log| log.allocated())?;
        Ok(self.forest.cache.blobs().usage()?.allocated_bytes + log)
    }
}
