//! A scan that fetches part after part: what iterators and visits share.
//!
//! Owns: how large parts are, and what of the part at hand was handed out. No lock is held
//! between two entries.

use super::ahead::Ahead;
use super::outcome::{ScanOutcome, ScanStats};
use super::scan_part::Lent;
use super::scan_run::ScanRun;
use super::scan_spec::ScanSpec;
use super::source::Source;
use crate::error::{Error, Result};

/// Bytes fetched at a time.
const PART_BYTES: usize = 64 * 1024;
/// Most entries fetched at a time.
const PART_ENTRIES: usize = 4096;
/// How many times as many entries the next part may have.
const GROWTH: usize = 4;

/// A scan and what it reads.
pub(super) struct Scan<S: Source> {
    source: S,
    run: ScanRun,
    /// Entries of the part at hand that were handed out.
    taken: usize,
    /// Most entries of the next part.
    batch: usize,
    ahead: Ahead,
    /// What to report once the entries found before it are handed out.
    failed: Option<Error>,
    returned: u64,
    rollup: u64,
}

impl<S: Source> Scan<S> {
    /// A scan that fetches `first` entries first.
    pub fn new(source: S, spec: ScanSpec, values: bool, first: usize) -> Self {
        let run = ScanRun::new(&source, spec, values);
        let ahead = Ahead::default();
        Self { source, run, taken: 0, batch: first, ahead, failed: None, returned: 0, rollup: 0 }
    }

    /// The next entry, which is lent until the one after it is asked for; `most` is how many more
    /// are wanted at all. After an error there are no more entries.
    #[inline]
    pub fn next(&mut self, most: usize) -> Result<Option<Lent<'_>>> {
        if self.taken == self.run.part.len() {
            self.fetch(most)?;
        }
        let entry = self.run.part.get(self.taken);
        if let Some(entry) = &entry {
            self.taken += 1;
            self.returned += u64::from(entry.version.is_some());
            self.rollup += u64::from(entry.version.is_none());
        }
        Ok(entry)
    }

    fn fetch(&mut self, most: usize) -> Result<()> {
        if self.failed.is_none() && self.run.more && most > 0 {
            self.fetch_part(most);
        }
        match self.failed.take_if(|_| self.taken == self.run.part.len()) {
            Some(error) => {
                self.run.more = false;
                Err(error)
            }
            None => Ok(()),
        }
    }

    fn fetch_part(&mut self, most: usize) {
        self.run.begin_part(self.batch.min(most), PART_BYTES);
        self.taken = 0;
        self.batch = (self.batch * GROWTH).min(PART_ENTRIES);
        let run = &mut self.run;
        let advanced = self.source.look_anew(&mut self.ahead, |reader, _| run.advance(reader));
        self.failed = advanced.err();
    }

    /// Calls `visit` for at most `limit` entries, until it says `false`.
    pub fn visit(
        mut self,
        limit: usize,
        mut visit: impl FnMut(Lent<'_>) -> Result<bool>,
    ) -> Result<ScanOutcome> {
        let (mut left, mut goes_on) = (limit, true);
        while left > 0 && goes_on {
            self.fetch(left)?;
            if self.taken == self.run.part.len() {
                break;
            }
            for entry in self.run.part.iter() {
                self.taken += 1;
                self.rollup += u64::from(entry.version.is_none());
                goes_on = visit(entry)?;
                if !goes_on {
                    break;
                }
            }
            left -= self.taken;
            self.returned += self.taken as u64;
        }
        self.returned -= self.rollup;
        let more = self.run.more || self.taken < self.run.part.len() || self.failed.is_some();
        Ok(ScanOutcome { stats: self.stats(), more })
    }

    /// What the scan did so far.
    pub fn stats(&self) -> ScanStats {
        ScanStats {
            visited: self.run.visited,
            returned: self.returned,
            rollup: self.rollup,
            restarts: self.run.restarts,
        }
    }
}

impl<S: Source> Drop for Scan<S> {
    fn drop(&mut self) {
        self.run.give_back(self.source.buffers());
    }
}
