//! The names of trees.
//!
//! Owns: the records of the catalog tree, and their copy in memory. Never does: change the
//! catalog by any other way than a batch. Layout: the key is the name, the value the tree's id
//! as a `u32`, little-endian; under the key of one NUL byte is the id of the next tree in the
//! same form. The catalog tree is created together with the first name.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::error::{Corruption, CorruptionClass, Error, Result};
use crate::forest::Forest;
use crate::ids::{
    CATALOG_TREE, FEED_TREE, FIRST_SYSTEM_TREE, JOURNAL_TREE, STANDALONE_TREE, TreeId,
};
use crate::limits::MAX_TREE_NAME_BYTES;
use crate::node::{Miss, Value};

/// The key of the next id. No name starts with a NUL byte.
pub(super) const NEXT_KEY: &[u8] = &[0];

/// The first id that a named tree gets.
const FIRST_NAMED_TREE: TreeId = 1;

/// The catalog as it is in memory.
#[derive(Clone, Debug)]
pub(super) struct Catalog {
    /// Ids by name.
    pub names: BTreeMap<String, TreeId>,
    /// The id that the next tree gets.
    pub next: TreeId,
}

impl Default for Catalog {
    fn default() -> Self {
        Self { names: BTreeMap::new(), next: FIRST_NAMED_TREE }
    }
}

impl Catalog {
    /// Reads the catalog; a store without one has no names.
    ///
    /// # Errors
    /// `Corrupt` of class catalog for records that no program writes; other damage, and failures
    /// of the device.
    pub fn load(forest: &mut Forest) -> Result<Self> {
        let mut catalog = Self::default();
        if !forest.roots.contains_key(&CATALOG_TREE) {
            return Ok(catalog);
        }
        let mut key = Vec::new();
        while let Some((next, value)) = record_after(forest, &key)? {
            key = next;
            match read(&key, &value)? {
                Entry::Next(id) => catalog.next = id,
                Entry::Name(name, id) => drop(catalog.names.insert(name, id)),
            }
        }
        Ok(catalog)
    }

    /// Compares the catalog with the trees there are.
    ///
    /// # Errors
    /// Failures of the device. Damaged pages were reported when the tree was checked.
    pub fn check(forest: &mut Forest, found: &mut dyn FnMut(Corruption)) -> Result<()> {
        let mut damage = |why: String| found(Corruption::new(CorruptionClass::Catalog, why));
        let mut named: BTreeMap<TreeId, String> = BTreeMap::new();
        let mut next = None;
        let mut key = Vec::new();
        while forest.roots.contains_key(&CATALOG_TREE) {
            let (after, value) = match record_after(forest, &key) {
                Ok(Some(record)) => record,
                Ok(None) => break,
                Err(Error::Corrupt(_)) => return Ok(()),
                Err(other) => return Err(other),
            };
            key = after;
            match read(&key, &value) {
                Err(Error::Corrupt(piece)) => damage(piece.detail),
                Err(other) => return Err(other),
                Ok(Entry::Next(id)) => next = Some(id),
                Ok(Entry::Name(name, id)) => {
                    if !forest.roots.contains_key(&id) {
                        damage(format!("tree {name:?} (id {id}) does not exist"));
                    }
                    if let Some(other) = named.insert(id, name.clone()) {
                        damage(format!("{other:?} and {name:?} are the same tree (id {id})"));
                    }
                }
            }
        }
        let next = next.unwrap_or(FIRST_NAMED_TREE);
        for &tree in forest.roots.keys() {
            if [STANDALONE_TREE, CATALOG_TREE, FEED_TREE, JOURNAL_TREE].contains(&tree) {
                continue;
            }
            if tree >= FIRST_SYSTEM_TREE {
                damage(format!("tree {tree:#x} can exist only within a batch"));
            } else if !named.contains_key(&tree) {
                damage(format!("tree {tree} has no name"));
            } else if tree >= next {
                damage(format!("tree {tree} exists, and the next one would be {next}"));
            }
        }
        Ok(())
    }
}

/// Checks that a tree can have this name.
pub(super) fn check_name(name: &str) -> Result<()> {
    let reason = match name.as_bytes() {
        [] => "empty",
        [0, ..] => "reserved prefix",
        long if long.len() > MAX_TREE_NAME_BYTES => "too long",
        _ => return Ok(()),
    };
    Err(Error::InvalidTreeName { reason })
}

enum Entry {
    Next(TreeId),
    Name(String, TreeId),
}

/// What a record of the catalog says.
fn read(key: &[u8], value: &[u8]) -> Result<Entry> {
    let damage = |why: &str| {
        let detail = format!("a record of the catalog {why}");
        Error::from(Corruption::new(CorruptionClass::Catalog, detail))
    };
    let bytes = value.try_into().map_err(|_| damage("does not hold an id"))?;
    let id = TreeId::from_le_bytes(bytes);
    if !(FIRST_NAMED_TREE..=FIRST_SYSTEM_TREE).contains(&id) {
        return Err(damage("holds an id that no named tree has"));
    }
    if key == NEXT_KEY {
        return Ok(Entry::Next(id));
    }
    let name = core::str::from_utf8(key).map_err(|_| damage("has a name that is not UTF-8"))?;
    check_name(name).map_err(|_| damage("has a name that no tree can have"))?;
    Ok(Entry::Name(name.into(), id))
}

/// The record of the catalog that follows `key`; no record has the empty key.
fn record_after(forest: &mut Forest, key: &[u8]) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    forest.with(|forest| -> Result<_, Miss> {
        let reader = forest.reader();
        let mut cursor = reader.seek(CATALOG_TREE, key, true)?;
        let Some(entry) = reader.entry(&mut cursor)? else { return Ok(None) };
        let mut next = Vec::new();
        entry.key(reader.pages, &mut next)?;
        if next.as_slice() <= key {
            let why = "the catalog has records that are out of order";
            return Err(Miss::Broken { frame: entry.leaf.page.frame(), why });
        }
        let value = match entry.record.value {
            Value::Inline(value) => value.into(),
            // Longer than an id: what it says does not matter.
            Value::Extent { .. } => Vec::new(),
        };
        Ok(Some((next, value)))
    })
}
