//! What a plugin may let the host do for it.
//!
//! Owns: the price of calls whose length is not in what they carry: walks over the whole store,
//! counts and moves by prefix, waits for the device. Never does: stop a plugin; what it cannot pay
//! for is refused, and it goes on.
//!
//! A plugin's own instructions are paid by wasmtime. The host's work for it is paid from a second
//! purse that holds as much fuel, so that a run is bounded by about twice its limit.

use holt_engine::db::{PrefixCount, TreeStats};
use holt_engine::error::{Error, Result};

/// Fuel for one page that the host goes over: about what it computes meanwhile.
pub(super) const PAGE_FUEL: u64 = 20_000;

/// Fuel for one wait for the device.
const SYNC_FUEL: u64 = 100 * PAGE_FUEL;

/// Records that the host counts or moves for the price of a page. Some pages hold fewer, but most
/// pages are not read for it.
const PAGE_RECORDS: u64 = 64;

/// How often an upkeep of the whole store goes over its pages: reading, moving, writing.
const UPKEEP_WALKS: u64 = 4;

/// The purse of one run.
pub(super) struct Work {
    left: u64,
    limit: u64,
}

impl Work {
    /// A purse with this much fuel.
    pub(super) const fn new(fuel: u64) -> Self {
        Self { left: fuel, limit: fuel }
    }

    fn refusal(&self) -> Error {
        Error::QuotaExceeded { what: "fuel for the host's work (fuel)", limit: self.limit }
    }

    fn take(&mut self, fuel: u64) -> Result<()> {
        self.left = self.left.checked_sub(fuel).ok_or_else(|| self.refusal())?;
        Ok(())
    }

    /// Pays for a sync or a checkpoint.
    pub(super) fn sync(&mut self) -> Result<()> {
        self.take(SYNC_FUEL)
    }

    /// Pays for reading every page of a store, which is read twice.
    pub(super) fn check(&mut self, stats: &TreeStats) -> Result<()> {
        self.take(pages(stats).saturating_mul(2 * PAGE_FUEL))
    }

    /// Pays for an upkeep of a whole store.
    pub(super) fn upkeep(&mut self, stats: &TreeStats) -> Result<()> {
        self.take(SYNC_FUEL.saturating_add(pages(stats).saturating_mul(UPKEEP_WALKS * PAGE_FUEL)))
    }

    /// Pays for a call that answers with a number of records, of which no more are counted than
    /// can be paid for.
    pub(super) fn count(
        &mut self,
        limit: u64,
        count: impl FnOnce(u64) -> Result<PrefixCount>,
    ) -> Result<PrefixCount> {
        self.take(PAGE_FUEL)?;
        let payable = (self.left / PAGE_FUEL).saturating_mul(PAGE_RECORDS).max(1);
        let most = if limit == 0 { payable } else { limit.min(payable) };
        let counted = count(most)?;
        self.records(counted.count);
        match counted.exact || most == limit {
            true => Ok(counted),
            false => Err(self.refusal()),
        }
    }

    /// Pays for a call that moves or deletes records and answers with their number. That is known
    /// afterwards, so the last one may be longer than there is fuel for.
    pub(super) fn change(&mut self, change: impl FnOnce() -> Result<u64>) -> Result<u64> {
        self.take(PAGE_FUEL)?;
        let records = change()?;
        self.records(records);
        Ok(records)
    }

    /// Pays for records, as far as there is fuel left.
    fn records(&mut self, records: u64) {
        self.left = self.left.saturating_sub((records / PAGE_RECORDS).saturating_mul(PAGE_FUEL));
    }
}

/// Pages of a store, in it and on their way to it.
fn pages(stats: &TreeStats) -> u64 {
    stats.store.pages.saturating_add(stats.dirty_pages)
}
