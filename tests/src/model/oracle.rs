//! Versions as homes answer them, beside the writes of the model that made them.

use std::collections::{BTreeMap, HashMap};

use crate::script::Expect;

/// A number that no write and no version has.
pub const NEVER: u64 = u64::MAX;

/// What was seen: the number of a write, and the version of the record it made.
type Seen = (u64, u64);

/// Checks that versions grow with the writes that made them and never change in between, and
/// remembers which were seen under each key.
#[derive(Debug, Default)]
pub struct VersionOracle {
    versions: BTreeMap<u64, u64>,
    /// By named tree and key: the last one, and the one before it.
    keys: HashMap<(String, Vec<u8>), (Seen, Option<Seen>)>,
}

impl VersionOracle {
    /// Takes note that the record of write number `write` showed `version`.
    pub fn observe(&mut self, write: u64, version: u64) -> Result<(), String> {
        if let Some(&known) = self.versions.get(&write) {
            return match known == version {
                true => Ok(()),
                false => Err(format!("write {write} had version {known}, now has {version}")),
            };
        }
        let before = self.versions.range(..write).next_back();
        let after = self.versions.range(write..).next();
        if let Some((earlier, &low)) = before.filter(|(_, low)| **low >= version) {
            return Err(format!("write {write} has {version}, earlier write {earlier} has {low}"));
        }
        if let Some((later, &high)) = after.filter(|(_, high)| **high <= version) {
            return Err(format!("write {write} has {version}, later write {later} has {high}"));
        }
        self.versions.insert(write, version);
        Ok(())
    }

    /// Takes note that it was seen under this key of this tree.
    pub fn remember(&mut self, tree: &str, key: &[u8], write: u64, version: u64) {
        let seen = (write, version);
        let place = (tree.to_owned(), key.to_vec());
        let entry = self.keys.entry(place).or_insert((seen, None));
        if entry.0 != seen {
            *entry = (seen, Some(entry.0));
        }
    }

    /// What a condition on a key asks for: as a write of the model, and as a version of the home.
    pub fn resolve(&self, tree: &str, key: &[u8], expect: Expect) -> (Expect, Expect) {
        let known = self.keys.get(&(tree.to_owned(), key.to_vec()));
        let other = || self.versions.first_key_value().map(|(write, version)| (*write, *version));
        let seen = match expect {
            Expect::Exactly(number) => Some((number, number)),
            Expect::Seen => known.map(|(last, _)| *last),
            Expect::Stale => known.and_then(|(_, before)| *before).or_else(other),
            Expect::Never => None,
        };
        let (write, version) = seen.unwrap_or((NEVER, NEVER));
        (Expect::Exactly(write), Expect::Exactly(version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_repeat_or_go_back_are_refused() {
        let mut oracle = VersionOracle::default();
        assert!(oracle.observe(1, 10).is_ok() && oracle.observe(5, 50).is_ok());
        assert!(oracle.observe(1, 10).is_ok() && oracle.observe(3, 30).is_ok());
        assert!(oracle.observe(1, 11).is_err() && oracle.observe(2, 30).is_err());
        assert!(oracle.observe(4, 50).is_err() && oracle.observe(9, 50).is_err());
    }

    #[test]
    fn conditions_find_what_was_seen_under_their_key() {
        let mut oracle = VersionOracle::default();
        let exactly = |write, version| (Expect::Exactly(write), Expect::Exactly(version));
        assert_eq!(oracle.resolve("", b"k", Expect::Stale), exactly(NEVER, NEVER));
        for (write, version) in [(1, 10), (2, 20), (3, 30), (3, 30)] {
            oracle.observe(write, version).unwrap();
            oracle.remember(if write == 1 { "other" } else { "" }, b"k", write, version);
        }
        assert_eq!(oracle.resolve("", b"k", Expect::Seen), exactly(3, 30));
        assert_eq!(oracle.resolve("", b"k", Expect::Stale), exactly(2, 20));
        assert_eq!(oracle.resolve("other", b"k", Expect::Seen), exactly(1, 10));
        assert_eq!(oracle.resolve("", b"k", Expect::Never), exactly(NEVER, NEVER));
        assert_eq!(oracle.resolve("", b"x", Expect::Seen), exactly(NEVER, NEVER));
        assert_eq!(oracle.resolve("", b"x", Expect::Stale), exactly(1, 10), "of another record");
    }
}
