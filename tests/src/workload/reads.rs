//! Reads of a script: prefixes, scans with their bounds, views and snapshots.

use holt_engine::limits::{MAX_KEY_BYTES, MAX_SCAN_BYTES};
use rand::Rng;

use super::maker::Maker;
use super::mix::Step;
use crate::script::{Bytes, How, Op, Read, SLOTS, Scan, Start};

impl Maker<'_> {
    pub fn prefix_read(&mut self, step: Step, scope: &[u8]) -> Read {
        match step {
            Step::LongestPrefix => {
                let mut query = self.key_in(scope);
                let more = self.rng.random_range(0..6).min(MAX_KEY_BYTES - query.len());
                query.extend((0..more).map(|_| self.rng.random::<u8>()));
                Read::LongestPrefix { query: query.into() }
            }
            Step::IsPrefixEmpty => {
                let mut prefix = self.prefix_in(scope);
                if self.rng.random_ratio(1, 2) && prefix.len() < MAX_KEY_BYTES {
                    prefix.push(self.rng.random());
                }
                Read::IsPrefixEmpty { prefix: prefix.into() }
            }
            _ => {
                let prefix = self.prefix_in(scope).into();
                let bounded = self.rng.random_ratio(1, 2);
                let limit = if bounded { self.rng.random_range(1..30) } else { 0 };
                Read::PrefixCount { prefix, limit }
            }
        }
    }

    pub fn views(&mut self, step: Step) {
        if step == Step::View {
            let scope = self.scope();
            let kinds = [Step::ViewGet, Step::ViewLongestPrefix, Step::ViewScan, Step::ViewPrefix];
            let kind = kinds[self.rng.random_range(0..kinds.len())];
            let read = self.view_read(kind, &scope);
            self.ops.push(Op::View { prefix: scope.into(), read });
            return;
        }
        let taken: Vec<usize> = (0..SLOTS).filter(|&slot| self.slots[slot].is_some()).collect();
        if step == Step::Snapshot || taken.is_empty() {
            let scope = self.scope();
            let slot = self.rng.random_range(0..SLOTS);
            self.slots[slot] = Some(scope.clone());
            self.ops.push(Op::Snapshot { slot, prefix: scope.into() });
            if step == Step::Snapshot {
                return;
            }
        }
        let taken: Vec<usize> = (0..SLOTS).filter(|&slot| self.slots[slot].is_some()).collect();
        let slot = taken[self.rng.random_range(0..taken.len())];
        if step == Step::DropSnapshot {
            self.slots[slot] = None;
            self.ops.push(Op::DropSnapshot { slot });
            return;
        }
        let scope = self.slots[slot].clone().unwrap_or_default();
        let read = self.view_read(step, &scope);
        self.ops.push(Op::InSnapshot { slot, read });
    }

    /// What a view is made for: everything, or a directory.
    fn scope(&mut self) -> Vec<u8> {
        match self.rng.random_ratio(1, 2) {
            true => Vec::new(),
            false => self.directories.any(&mut self.rng),
        }
    }

    fn view_read(&mut self, step: Step, scope: &[u8]) -> Read {
        match step {
            Step::ViewGet => {
                let key = self.key_in(scope).into();
                match self.rng.random_range(0..3) {
                    0 => Read::Get { key },
                    1 => Read::GetRecord { key },
                    _ => Read::GetVersion { key },
                }
            }
            Step::ViewScan => {
                let kinds = [Step::Page, Step::Tokens, Step::Iterate, Step::Visit];
                let kind = kinds[self.rng.random_range(0..kinds.len())];
                Read::Scan(self.scan(kind, scope))
            }
            Step::ViewPrefix if self.rng.random_ratio(1, 2) => {
                self.prefix_read(Step::IsPrefixEmpty, scope)
            }
            Step::ViewPrefix => self.prefix_read(Step::PrefixCount, scope),
            _ => self.prefix_read(Step::LongestPrefix, scope),
        }
    }

    /// A scan of some kind within `scope`.
    pub fn scan(&mut self, step: Step, scope: &[u8]) -> Scan {
        let prefix = match self.rng.random_ratio(1, 3) {
            true => scope.to_vec(),
            false => self.prefix_in(scope),
        };
        let start = match self.rng.random_range(0..8) {
            0..2 => Start::After(self.bound(&prefix)),
            2..4 => Start::At(self.bound(&prefix)),
            _ => Start::First,
        };
        let end_before = self.rng.random_ratio(1, 4).then(|| self.bound(&prefix));
        let delimiter = match self.rng.random_range(0..5) {
            0..2 => None,
            2 => Some(self.rng.random()),
            3 => Some(0),
            _ => Some(b'/'),
        };
        let reverse = self.rng.random_ratio(1, 3);
        let keys_only = self.rng.random_ratio(1, 3);
        let how = self.how(step);
        Scan { prefix: prefix.into(), start, end_before, reverse, delimiter, keys_only, how }
    }

    fn how(&mut self, step: Step) -> How {
        let max_entries = self.rng.random_range(1..80);
        let narrow: u32 = self.rng.random_range(0..16);
        let max_bytes = if self.rng.random_ratio(1, 4) { MAX_SCAN_BYTES } else { 1 << narrow };
        match step {
            Step::Tokens => {
                How::Tokens { pages: self.rng.random_range(1..6), max_entries, max_bytes }
            }
            Step::Iterate if self.rng.random_ratio(1, 4) => How::ALL,
            Step::Iterate => How::Iterate { most: 4 * max_entries },
            Step::Visit => How::Visit { limit: 2 * max_entries },
            _ => How::Page { max_entries, max_bytes },
        }
    }

    /// Bounds of a scan lie at keys, at roll-ups, or near them.
    fn bound(&mut self, prefix: &[u8]) -> Bytes {
        match self.rng.random_range(0..6) {
            0 => self.key(),
            1..3 => self.prefix_in(prefix),
            _ => self.key_in(prefix),
        }
        .into()
    }
}
