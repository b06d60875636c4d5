//! The records of one tree, and what reads and changes mean.
//!
//! Owns: [`Records`]. Invariant: every change is noted in a [`Log`], so that it can be taken
//! back.

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;

use holt_engine::limits::{MAX_BATCH_OPS, MAX_KEY_BYTES, MAX_VALUE_BYTES};

use super::outcome::{Entry, Outcome};
use super::scan;
use crate::script::{Change, Expect, Read};

/// Why an operation is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A condition of a batch does not hold.
    Guard,
    /// It fails, in these words (see [`code`](super::code)).
    Error(String),
}

impl Fault {
    /// A failure in words.
    pub fn new(words: &str) -> Self {
        Self::Error(words.into())
    }
}

/// A value and the number of the write that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The value.
    pub value: Vec<u8>,
    /// The number: larger for later writes.
    pub write: u64,
}

/// What keys held before they changed, in order, and the number of the last write.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Writes so far.
    pub writes: u64,
    /// Keys and what they held.
    pub before: Vec<(Vec<u8>, Option<Record>)>,
}

/// Records in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    map: BTreeMap<Vec<u8>, Record>,
}

impl Records {
    /// All of them.
    pub fn iter(&self) -> btree_map::Iter<'_, Vec<u8>, Record> {
        self.map.iter()
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The record of a key.
    pub fn get(&self, key: &[u8]) -> Option<&Record> {
        self.map.get(key)
    }

    fn value(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.get(key).map(|record| record.value.clone())
    }

    /// Keys and records under a prefix.
    fn under(&self, prefix: &[u8]) -> btree_map::Range<'_, Vec<u8>, Record> {
        let end = prefix.iter().rposition(|&byte| byte < u8::MAX).map(|at| {
            let mut end = prefix[..=at].to_vec();
            end[at] += 1;
            end
        });
        let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        self.map.range::<[u8], _>((Bound::Included(prefix), end))
    }

    /// Answers a read of the whole, or of what starts with `scope`.
    ///
    /// # Errors
    /// A key, query or prefix outside the scope.
    pub fn read(&self, read: &Read, scope: &[u8]) -> Result<Outcome, Fault> {
        let inside = |bytes: &[u8]| match bytes.starts_with(scope) {
            true => Ok(()),
            false => Err(Fault::new("outside-view-scope")),
        };
        Ok(match read {
            Read::Get { key } => {
                inside(&key.0)?;
                Outcome::Value(self.value(&key.0))
            }
            Read::GetRecord { key } => {
                inside(&key.0)?;
                Outcome::Record(self.get(&key.0).map(|found| (found.value.clone(), found.write)))
            }
            Read::GetVersion { key } => {
                inside(&key.0)?;
                Outcome::Version(self.get(&key.0).map(|found| found.write))
            }
            Read::LongestPrefix { query } => {
                inside(&query.0)?;
                let found = self.longest_prefix(&query.0, scope.len());
                Outcome::Found(found.map(|(key, Record { value, write })| Entry::Key {
                    key: key.clone(),
                    value: value.clone(),
                    version: *write,
                }))
            }
            Read::IsPrefixEmpty { prefix } => {
                inside(&prefix.0)?;
                Outcome::Yes(self.under(&prefix.0).next().is_none())
            }
            Read::PrefixCount { prefix, limit } => {
                inside(&prefix.0)?;
                let all = self.under(&prefix.0).count() as u64;
                let limit = if *limit == 0 { u64::MAX } else { *limit as u64 };
                Outcome::Count(all.min(limit), all <= limit)
            }
            Read::Scan(asked) => {
                inside(&asked.prefix.0)?;
                scan::scan(self.under(&asked.prefix.0), asked)
            }
        })
    }

    /// The record with the longest key of at least `least` bytes that `query` starts with.
    fn longest_prefix(&self, query: &[u8], least: usize) -> Option<(&Vec<u8>, &Record)> {
        let mut rest = query;
        loop {
            let (key, record) =
                self.map.range::<[u8], _>((Bound::Unbounded, Bound::Included(rest))).next_back()?;
            if rest.starts_with(key) {
                return (key.len() >= least).then_some((key, record));
            }
            // Keys that the query starts with are no longer than what it shares with this one.
            let shared = rest.iter().zip(key).take_while(|(one, other)| one == other).count();
            rest = &rest[..shared];
        }
    }

    fn set(&mut self, key: &[u8], record: Option<Record>, log: &mut Log) {
        let before = match record {
            Some(record) => self.map.insert(key.to_vec(), record),
            None => self.map.remove(key),
        };
        log.before.push((key.to_vec(), before));
    }

    /// Writes a record, whatever its lengths.
    pub fn write(&mut self, key: &[u8], value: &[u8], log: &mut Log) {
        log.writes += 1;
        self.set(key, Some(Record { value: value.into(), write: log.writes }), log);
    }

    /// Deletes a record; whether there was one.
    pub fn erase(&mut self, key: &[u8], log: &mut Log) -> bool {
        let there = self.map.contains_key(key);
        if there {
            self.set(key, None, log);
        }
        there
    }

    /// Takes back all that `log` has from its entry `from` on.
    pub fn undo(&mut self, log: &mut Log, from: usize) {
        for (key, before) in log.before.drain(from..).rev() {
            match before {
                Some(record) => drop(self.map.insert(key, record)),
                None => drop(self.map.remove(&key)),
            }
        }
    }

    /// Makes one change of a batch.
    ///
    /// # Errors
    /// A condition that does not hold, or a rename that cannot be; the caller takes back what
    /// came before.
    pub fn change(&mut self, change: &Change, log: &mut Log) -> Result<u64, Fault> {
        let guard = |holds: bool| if holds { Ok(0) } else { Err(Fault::Guard) };
        match change {
            Change::Put { key, value } => self.write(&key.0, &value.0, log),
            Change::PutIfAbsent { key, value } => {
                guard(self.get(&key.0).is_none())?;
                self.write(&key.0, &value.0, log);
            }
            Change::CompareAndPut { key, expect, value } => {
                guard(self.is_version(&key.0, *expect))?;
                self.write(&key.0, &value.0, log);
            }
            Change::Delete { key } => drop(self.erase(&key.0, log)),
            Change::DeleteIfVersion { key, expect } => {
                guard(self.is_version(&key.0, *expect))?;
                self.erase(&key.0, log);
            }
            Change::AssertVersion { key, expect } => {
                return guard(self.is_version(&key.0, *expect));
            }
            Change::AssertAbsent { key } => return guard(self.get(&key.0).is_none()),
            Change::AssertPrefixEmpty { prefix } => {
                return guard(self.under(&prefix.0).next().is_none());
            }
            Change::Rename { src, dst, force } => self.rename(&src.0, &dst.0, *force, log)?,
            Change::RenamePrefix { src, dst, force } => {
                return self.rename_prefix(&src.0, &dst.0, *force, log);
            }
            Change::DeletePrefix { prefix } => return Ok(self.delete_prefix(&prefix.0, log)),
        }
        Ok(0)
    }

    /// Whether a record is there in the version that a resolved condition asks for.
    pub fn is_version(&self, key: &[u8], expect: Expect) -> bool {
        let Expect::Exactly(wanted) = expect else {
            unreachable!("conditions are resolved before the model sees them");
        };
        self.get(key).is_some_and(|record| record.write == wanted)
    }

    fn rename(&mut self, src: &[u8], dst: &[u8], force: bool, log: &mut Log) -> Result<(), Fault> {
        let value = self.value(src).ok_or_else(|| Fault::new("not-found"))?;
        if src == dst {
            return Ok(());
        }
        if !force && self.map.contains_key(dst) {
            return Err(Fault::new("destination-exists"));
        }
        self.erase(src, log);
        self.write(dst, &value, log);
        Ok(())
    }

    /// Keys move with their versions. Nothing under `src`: nothing changes.
    fn rename_prefix(
        &mut self,
        src: &[u8],
        dst: &[u8],
        force: bool,
        log: &mut Log,
    ) -> Result<u64, Fault> {
        let moving: Vec<(Vec<u8>, Record)> =
            self.under(src).map(|(key, record)| (key.clone(), record.clone())).collect();
        let longest = moving.iter().map(|(key, _)| key.len() - src.len() + dst.len()).max();
        if longest.is_some_and(|len| len > MAX_KEY_BYTES) {
            // Which of the keys is named is not promised.
            return Err(Fault::new("key-too-long"));
        }
        if !moving.is_empty() && !force && self.under(dst).next().is_some() {
            return Err(Fault::new("destination-exists"));
        }
        if !moving.is_empty() {
            self.delete_prefix(dst, log);
        }
        for (key, _) in &moving {
            self.set(key, None, log);
        }
        let count = moving.len() as u64;
        for (key, record) in moving {
            self.set(&[dst, &key[src.len()..]].concat(), Some(record), log);
        }
        Ok(count)
    }

    fn delete_prefix(&mut self, prefix: &[u8], log: &mut Log) -> u64 {
        let doomed: Vec<Vec<u8>> = self.under(prefix).map(|(key, _)| key.clone()).collect();
        doomed.iter().for_each(|key| self.set(key, None, log));
        doomed.len() as u64
    }
}

/// Checks every limit of a list of changes, before any of them is made.
///
/// # Errors
/// The first limit that is passed, and prefixes of which one starts with the other.
pub fn check<'a>(changes: impl ExactSizeIterator<Item = &'a Change>) -> Result<(), Fault> {
    if changes.len() > MAX_BATCH_OPS {
        return Err(Fault::Error(format!("batch-too-large {}", changes.len())));
    }
    for change in changes {
        match change {
            Change::Put { key, value }
            | Change::PutIfAbsent { key, value }
            | Change::CompareAndPut { key, value, .. } => {
                check_key(&key.0).and(check_value(&value.0))?;
            }
            Change::Delete { key }
            | Change::DeleteIfVersion { key, .. }
            | Change::AssertVersion { key, .. }
            | Change::AssertAbsent { key } => check_key(&key.0)?,
            Change::AssertPrefixEmpty { prefix } | Change::DeletePrefix { prefix } => {
                check_key(&prefix.0)?;
            }
            Change::Rename { src, dst, .. } => check_key(&src.0).and(check_key(&dst.0))?,
            Change::RenamePrefix { src, dst, .. } => {
                check_key(&src.0).and(check_key(&dst.0))?;
                if src.0.starts_with(&dst.0) || dst.0.starts_with(&src.0) {
                    return Err(Fault::new("invalid-argument"));
                }
            }
        }
    }
    Ok(())
}

fn check_key(key: &[u8]) -> Result<(), Fault> {
    match key.len() > MAX_KEY_BYTES {
        true => Err(Fault::Error(format!("key-too-long {}", key.len()))),
        false => Ok(()),
    }
}

fn check_value(value: &[u8]) -> Result<(), Fault> {
    match value.len() > MAX_VALUE_BYTES {
        true => Err(Fault::Error(format!("value-too-long {}", value.len()))),
        false => Ok(()),
    }
}
