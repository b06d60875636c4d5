//! What every home must answer: the public semantics over a `BTreeMap`.
//!
//! Owns: [`Model`], [`Outcome`], [`VersionOracle`]. Never does: share code with the engine
//! (only limits and error types), so that a mistake there is not repeated here. Invariant: a
//! failed operation changes nothing.

use std::collections::BTreeMap;
use std::ops::Bound;

use holt_engine::error::Error;
use holt_engine::limits::{
    MAX_BATCH_OPS, MAX_KEY_BYTES, MAX_SCAN_BYTES, MAX_SCAN_ENTRIES, MAX_VALUE_BYTES,
};

use crate::script::{Change, Op, Scan, show};

/// One entry of a scan.
#[derive(Clone, PartialEq, Eq)]
pub enum Entry {
    /// A record; the value is empty in keys-only scans.
    Key {
        /// Key.
        key: Vec<u8>,
        /// Value.
        value: Vec<u8>,
        /// Version, where the home tells it.
        version: Option<u64>,
    },
    /// A roll-up.
    Prefix(Vec<u8>),
}

impl Entry {
    /// The key or the rolled-up prefix.
    pub fn shown(&self) -> &[u8] {
        match self {
            Self::Key { key, .. } => key,
            Self::Prefix(prefix) => prefix,
        }
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key { key, value, .. } => write!(f, "{} = {}", show(key), show(value)),
            Self::Prefix(prefix) => write!(f, "{}*", show(prefix)),
        }
    }
}

/// What an operation answered.
#[derive(Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// The record, if there is one: value, and version where the home tells it.
    Record(Option<(Vec<u8>, Option<u64>)>),
    /// Whether there was something to delete.
    Deleted(bool),
    /// A page of a scan and the key to go on after.
    Page(Vec<Entry>, Option<Vec<u8>>),
    /// It failed, in this way (see [`code`]).
    Failed(String),
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Record(None) => f.write_str("no record"),
            Self::Record(Some((value, _))) => f.write_str(&show(value)),
            Self::Deleted(yes) => write!(f, "deleted: {yes}"),
            Self::Failed(why) => write!(f, "failed: {why}"),
            Self::Page(entries, next) => {
                write!(f, "{} entries", entries.len())?;
                if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
                    write!(f, " from {first:?} to {last:?}")?;
                }
                match next {
                    Some(next) => write!(f, ", next {}", show(next)),
                    None => f.write_str(", no next"),
                }
            }
        }
    }
}

impl Outcome {
    /// The same without versions, which the model does not foresee.
    pub fn without_versions(mut self) -> Self {
        match &mut self {
            Self::Record(Some((_, version))) => *version = None,
            Self::Page(entries, _) => entries.iter_mut().for_each(|entry| {
                if let Entry::Key { version, .. } = entry {
                    *version = None;
                }
            }),
            _ => {}
        }
        self
    }
}

/// A failure as one comparable word with its figures.
pub fn code(error: &Error) -> String {
    match error {
        Error::KeyTooLong { len } => format!("key-too-long {len}"),
        Error::ValueTooLong { len } => format!("value-too-long {len}"),
        Error::BatchTooLarge { len } => format!("batch-too-large {len}"),
        Error::WalRecordTooLarge { .. } => "record-too-large".into(),
        Error::NotFound => "not-found".into(),
        Error::DstExists => "destination-exists".into(),
        other => format!("other: {other}"),
    }
}

/// Records in order, and for each the number of the write that made it.
#[derive(Clone, Debug, Default)]
pub struct Model {
    records: BTreeMap<Vec<u8>, (Vec<u8>, u64)>,
    writes: u64,
}

impl Model {
    /// All records, in order.
    pub fn dump(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.records.iter().map(|(key, (value, _))| (key.as_slice(), value.as_slice()))
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The value of `key`.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.records.get(key).map(|(value, _)| value.as_slice())
    }

    /// The number of the write that made the record of `key`: larger for later writes.
    pub fn write_of(&self, key: &[u8]) -> Option<u64> {
        self.records.get(key).map(|(_, write)| *write)
    }

    /// Runs one operation; those that keep the contents answer [`Outcome::Done`].
    pub fn run(&mut self, op: &Op) -> Outcome {
        let done = match op {
            Op::Put { key, value } => self.put(&key.0, &value.0).map(|()| Outcome::Done),
            Op::Get { key } => {
                let value = self.get(&key.0).map(|value| (value.to_vec(), None));
                Ok(Outcome::Record(value))
            }
            Op::Delete { key } => check_key(&key.0)
                .map(|()| Outcome::Deleted(self.records.remove(key.0.as_slice()).is_some())),
            Op::Rename { src, dst, force } => {
                self.rename(&src.0, &dst.0, *force).map(|()| Outcome::Done)
            }
            Op::Batch { changes } => self.batch(changes).map(|()| Outcome::Done),
            Op::Scan(scan) => {
                let (entries, next) = self.scan(scan);
                Ok(Outcome::Page(entries, next))
            }
            Op::Checkpoint
            | Op::Compact
            | Op::Maintain { .. }
            | Op::Sync
            | Op::Reopen
            | Op::Verify => Ok(Outcome::Done),
        };
        done.unwrap_or_else(|error| Outcome::Failed(code(&error)))
    }

    fn write(&mut self, key: &[u8], value: &[u8]) {
        self.writes += 1;
        self.records.insert(key.into(), (value.into(), self.writes));
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        check_key(key)?;
        check_value(value)?;
        self.write(key, value);
        Ok(())
    }

    fn rename(&mut self, src: &[u8], dst: &[u8], force: bool) -> Result<(), Error> {
        check_key(src)?;
        check_key(dst)?;
        let value = self.get(src).ok_or(Error::NotFound)?.to_vec();
        if src == dst {
            return Ok(());
        }
        if !force && self.records.contains_key(dst) {
            return Err(Error::DstExists);
        }
        self.records.remove(src);
        self.write(dst, &value);
        Ok(())
    }

    fn batch(&mut self, changes: &[Change]) -> Result<(), Error> {
        if changes.len() > MAX_BATCH_OPS {
            return Err(Error::BatchTooLarge { len: changes.len() });
        }
        for change in changes {
            match change {
                Change::Put { key, value } => check_key(&key.0).and(check_value(&value.0))?,
                Change::Delete { key } => check_key(&key.0)?,
            }
        }
        for change in changes {
            match change {
                Change::Put { key, value } => self.write(&key.0, &value.0),
                Change::Delete { key } => drop(self.records.remove(key.0.as_slice())),
            }
        }
        Ok(())
    }

    fn scan(&self, scan: &Scan) -> (Vec<Entry>, Option<Vec<u8>>) {
        let prefix = scan.prefix.0.as_slice();
        let most = scan.max_entries.min(MAX_SCAN_ENTRIES);
        let most_bytes = scan.max_bytes.min(MAX_SCAN_BYTES);
        let mut entries: Vec<Entry> = Vec::new();
        let mut bytes = 0;
        for (key, (value, _)) in
            self.records.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded))
        {
            if !key.starts_with(prefix) {
                break;
            }
            let entry = entry_of(scan, key, value);
            let passed = scan.start_after.as_ref().is_some_and(|m| entry.shown() <= m.0.as_slice());
            let same = entries.last().is_some_and(|last| last.shown() == entry.shown());
            if passed || same {
                continue;
            }
            if entries.len() >= most || (bytes >= most_bytes && !entries.is_empty()) {
                let next = entries.last().map(|last| last.shown().to_vec());
                return (entries, next);
            }
            bytes += match &entry {
                Entry::Key { key, value, .. } => key.len() + value.len(),
                Entry::Prefix(shown) => shown.len(),
            };
            entries.push(entry);
        }
        (entries, None)
    }
}

/// The entry under which a key shows: itself, or its roll-up.
///
/// A key that ends in its first delimiter is rolled up as well: the roll-up reaches up to and
/// including the first delimiter after the prefix.
fn entry_of(scan: &Scan, key: &[u8], value: &[u8]) -> Entry {
    let from = scan.prefix.0.len();
    let cut = scan.delimiter.and_then(|d| key[from..].iter().position(|&byte| byte == d));
    match cut {
        Some(at) => Entry::Prefix(key[..from + at + 1].to_vec()),
        None => {
            let value = if scan.keys_only { Vec::new() } else { value.to_vec() };
            Entry::Key { key: key.to_vec(), value, version: None }
        }
    }
}

fn check_key(key: &[u8]) -> Result<(), Error> {
    match key.len() > MAX_KEY_BYTES {
        true => Err(Error::KeyTooLong { len: key.len() }),
        false => Ok(()),
    }
}

fn check_value(value: &[u8]) -> Result<(), Error> {
    match value.len() > MAX_VALUE_BYTES {
        true => Err(Error::ValueTooLong { len: value.len() }),
        false => Ok(()),
    }
}

/// Checks that versions grow with the writes that made them and never change in between.
#[derive(Debug, Default)]
pub struct VersionOracle {
    seen: BTreeMap<u64, u64>,
}

impl VersionOracle {
    /// Takes note that the record of write number `write` showed `version`.
    pub fn observe(&mut self, write: u64, version: u64) -> Result<(), String> {
        if let Some(&known) = self.seen.get(&write) {
            return match known == version {
                true => Ok(()),
                false => Err(format!("write {write} had version {known}, now has {version}")),
            };
        }
        let before = self.seen.range(..write).next_back();
        let after = self.seen.range(write..).next();
        if let Some((earlier, &low)) = before.filter(|(_, low)| **low >= version) {
            return Err(format!("write {write} has {version}, earlier write {earlier} has {low}"));
        }
        if let Some((later, &high)) = after.filter(|(_, high)| **high <= version) {
            return Err(format!("write {write} has {version}, later write {later} has {high}"));
        }
        self.seen.insert(write, version);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(keys: &[&str]) -> Model {
        let mut model = Model::default();
        for key in keys {
            model.put(key.as_bytes(), b"v").unwrap();
        }
        model
    }

    fn shown(model: &Model, prefix: &str, after: Option<&str>) -> Vec<String> {
        let scan = Scan {
            prefix: prefix.as_bytes().into(),
            start_after: after.map(|after| after.as_bytes().into()),
            delimiter: Some(b'/'),
            keys_only: true,
            max_entries: 100,
            max_bytes: 1000,
        };
        let text = |e: &Entry| String::from_utf8_lossy(e.shown()).into_owned();
        model.scan(&scan).0.iter().map(text).collect()
    }

    #[test]
    fn roll_ups_follow_the_next_marker_rule() {
        let model = model(&["a", "b/1", "b/2", "c/", "c/x", "d", "p", "p/1"]);
        assert_eq!(shown(&model, "", None), ["a", "b/", "c/", "d", "p", "p/"]);
        // Inside a roll-up: it is not greater than the marker, so it is not emitted again.
        assert_eq!(shown(&model, "", Some("b/1")), ["c/", "d", "p", "p/"]);
        assert_eq!(shown(&model, "", Some("b/")), ["c/", "d", "p", "p/"]);
        assert_eq!(shown(&model, "", Some("b")), ["b/", "c/", "d", "p", "p/"]);
        // A key equal to the prefix is a key.
        assert_eq!(shown(&model, "c/", None), ["c/", "c/x"]);
        assert_eq!(shown(&model, "p", None), ["p", "p/"]);
    }

    #[test]
    fn page_bounds_stop_after_the_entry_that_reaches_them() {
        let model = model(&["aa", "bb", "cc"]);
        let scan = Scan { max_entries: 9, max_bytes: 4, ..Scan::default() };
        let (entries, next) = model.scan(&scan);
        assert_eq!((entries.len(), next), (2, Some(b"bb".to_vec())));
        let (entries, next) = model.scan(&Scan { max_bytes: 0, ..scan.clone() });
        assert_eq!((entries.len(), next), (1, Some(b"aa".to_vec())));
        let (entries, next) = model.scan(&Scan { max_bytes: 9, max_entries: 3, ..scan });
        assert_eq!((entries.len(), next), (3, None));
    }

    #[test]
    fn a_failed_operation_changes_nothing() {
        let mut model = model(&["a", "b"]);
        let before: Vec<_> = model.clone().records.into_iter().collect();
        let long = vec![0; MAX_KEY_BYTES + 1];
        let changes = vec![
            Change::Delete { key: b"a".as_slice().into() },
            Change::Put { key: long.into(), value: Vec::new().into() },
        ];
        assert_eq!(model.run(&Op::Batch { changes }), Outcome::Failed("key-too-long 65536".into()));
        assert_eq!(model.rename(b"a", b"b", false), Err(Error::DstExists));
        assert_eq!(model.rename(b"c", b"b", true), Err(Error::NotFound));
        assert_eq!(before, model.records.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn the_oracle_refuses_versions_that_repeat_or_go_back() {
        let mut oracle = VersionOracle::default();
        assert!(oracle.observe(1, 10).is_ok() && oracle.observe(5, 50).is_ok());
        assert!(oracle.observe(1, 10).is_ok() && oracle.observe(3, 30).is_ok());
        assert!(oracle.observe(1, 11).is_err() && oracle.observe(2, 30).is_err());
        assert!(oracle.observe(4, 50).is_err() && oracle.observe(9, 50).is_err());
    }
}
