//! A batch applied in memory and not yet logged.
//!
//! Owns: conditions, in order, over the effects of earlier operations; the list of what is to be
//! logged. Never does: write to the log.

use alloc::borrow::Cow;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::request::{Expect, Request};
use super::undo::{Done, rename_tree};
use crate::error::{Error, Result};
use crate::forest::{Forest, Place};
use crate::ids::{FIRST_HIDDEN_TREE, Lsn, TreeId};
use crate::limits::{MAX_RECORD_BYTES, MAX_TREES, SMALL_PREFIX_RECORDS};
use crate::log::{OpRef, record_len};
use crate::node::Miss;

/// One unconditional effect.
enum Effect<'a> {
    /// As the caller gave it.
    Op(OpRef<'a>),
    /// What a rename writes: the value came from the tree.
    Moved { tree: TreeId, key: &'a [u8], value: Vec<u8> },
}

impl Effect<'_> {
    fn op(&self) -> OpRef<'_> {
        match self {
            Self::Op(op) => *op,
            Self::Moved { tree, key, value } => OpRef::Put { tree: *tree, key, value },
        }
    }
}

/// A batch that was applied and is not certain yet: [`Pending::commit`] or [`Pending::undo`].
#[derive(Default)]
pub struct Pending<'a> {
    lsn: Lsn,
    done: Vec<Done<'a>>,
    effects: Vec<Effect<'a>>,
    /// Bytes that the effects take in a record.
    body: u64,
    /// Hidden trees in use.
    hidden: TreeId,
    /// Records that operations on prefixes moved or deleted.
    pub moved: u64,
    /// For each [`Request::PutNew`], whether it wrote its record.
    pub created: Vec<bool>,
}

impl<'a> Pending<'a> {
    /// Applies requests in order under the record that will be at `lsn`; each sees the effects
    /// of those before. `None` if a condition did not hold: nothing is changed then.
    ///
    /// # Errors
    /// What stopped an operation, with nothing changed; `Poisoned` if what was applied could not
    /// be undone.
    pub fn run(forest: &mut Forest, requests: &[Request<'a>], lsn: Lsn) -> Result<Option<Self>> {
        forest.cache.set_lsn(lsn);
        let mut pending = Self { lsn, ..Self::default() };
        for request in requests {
            match pending.one(forest, request) {
                Ok(true) => {}
                Ok(false) => {
                    pending.undo(forest)?;
                    return Ok(None);
                }
                Err(error @ Error::Poisoned { .. }) => return Err(error),
                Err(error) => {
                    pending.undo(forest)?;
                    return Err(error);
                }
            }
        }
        Ok(Some(pending))
    }

    fn one(&mut self, forest: &mut Forest, request: &Request<'a>) -> Result<bool> {
        match *request {
            Request::Put { tree, key, value, when } => {
                let place = forest.with(|forest| forest.place(tree, key))?;
                if !holds(forest, place, when)? {
                    return Ok(false);
                }
                self.put(forest, OpRef::Put { tree, key, value }, place)?;
            }
            Request::PutNew { tree, key, value } => {
                let place = forest.with(|forest| forest.place(tree, key))?;
                if !place.exact {
                    self.put(forest, OpRef::Put { tree, key, value }, place)?;
                }
                self.created.push(!place.exact);
            }
            Request::Delete { tree, key, when } => {
                let place = forest.with(|forest| forest.place(tree, key))?;
                if !holds(forest, place, when)? {
                    return Ok(false);
                }
                if place.exact {
                    self.erase(forest, tree, Cow::Borrowed(key), place)?;
                    self.log(Effect::Op(OpRef::Delete { tree, key }))?;
                }
            }
            Request::Assert { tree, key, when } => {
                let place = forest.with(|forest| forest.place(tree, key))?;
                return holds(forest, place, when);
            }
            Request::AssertPrefixEmpty { tree, prefix } => {
                return Ok(keys_under(forest, tree, prefix, 1)?.is_empty());
            }
            Request::Rename { tree, src, dst, force } => {
                self.rename(forest, tree, (src, dst), force)?;
            }
            Request::RenamePrefix { tree, src, dst, force } => {
                self.rename_prefix(forest, tree, (src, dst), force)?;
            }
            Request::DeletePrefix { tree, prefix } => {
                let count = self.displace(forest, tree, prefix)?;
                if count > 0 {
                    self.moved += count;
                    self.log(Effect::Op(OpRef::DeletePrefix { tree, prefix }))?;
                }
            }
            Request::CreateTree { tree } => self.create_tree(forest, tree)?,
            Request::DropTree { tree } => self.drop_tree(forest, tree)?,
        }
        Ok(true)
    }

    /// Notes what is to be logged. Its index in the record, and so its version, is known now.
    fn log(&mut self, effect: Effect<'a>) -> Result<()> {
        self.body += effect.op().encoded_len();
        self.effects.push(effect);
        // Only the values of renames can lead here: the rest was counted before.
        let bytes = record_len(self.effects.len(), self.body);
        match bytes > MAX_RECORD_BYTES {
            true => Err(Error::WalRecordTooLarge { bytes, maximum: MAX_RECORD_BYTES }),
            false => Ok(()),
        }
    }

    fn put(&mut self, forest: &mut Forest, op: OpRef<'a>, place: Place) -> Result<()> {
        if let OpRef::Put { tree, key, value } = op {
            self.write(forest, tree, (key, value), place)?;
        }
        self.log(Effect::Op(op))
    }

    /// Writes the record that is logged next.
    fn write(
        &mut self,
        forest: &mut Forest,
        tree: TreeId,
        (key, value): (&'a [u8], &[u8]),
        place: Place,
    ) -> Result<()> {
        let place = forest.make_room(tree, key, value.len(), place)?;
        let previous = match place.exact {
            true => Some(forest.with(|forest| forest.previous(place, key))?),
            false => None,
        };
        let version = self.lsn + self.effects.len() as u64;
        let remains = forest.settle(|f| f.write(tree, place, key, value, version))?;
        self.done.push(Done::Wrote { tree, key, previous, remains });
        Ok(())
    }

    fn erase(
        &mut self,
        forest: &mut Forest,
        tree: TreeId,
        key: Cow<'a, [u8]>,
        place: Place,
    ) -> Result<()> {
        let previous = forest.with(|forest| forest.previous(place, &key))?;
        let remains = forest.settle(|forest| forest.erase(tree, place))?;
        self.done.push(Done::Erased { tree, key, previous, remains });
        Ok(())
    }

    fn rename(
        &mut self,
        forest: &mut Forest,
        tree: TreeId,
        (src, dst): (&'a [u8], &'a [u8]),
        force: bool,
    ) -> Result<()> {
        let from = forest.with(|forest| forest.place(tree, src))?;
        if !from.exact {
            return Err(Error::NotFound);
        }
        if src == dst {
            return Ok(());
        }
        if !force && forest.with(|forest| forest.place(tree, dst))?.exact {
            return Err(Error::DstExists);
        }
        let value: Vec<u8> = forest.with(|forest| forest.value_at(from).map(Vec::from))?;
        self.erase(forest, tree, Cow::Borrowed(src), from)?;
        self.log(Effect::Op(OpRef::Delete { tree, key: src }))?;
        let to = forest.with(|forest| forest.place(tree, dst))?;
        self.write(forest, tree, (dst, &value), to)?;
        self.log(Effect::Moved { tree, key: dst, value })
    }

    /// Moves everything under one prefix to another. Nothing under the first: nothing changes.
    pub(super) fn rename_prefix(
        &mut self,
        forest: &mut Forest,
        tree: TreeId,
        (src, dst): (&'a [u8], &'a [u8]),
        force: bool,
    ) -> Result<()> {
        if keys_under(forest, tree, src, 1)?.is_empty() {
            return Ok(());
        }
        forest.check_move(tree, src, dst)?;
        if !force && !keys_under(forest, tree, dst, 1)?.is_empty() {
            return Err(Error::DstExists);
        }
        self.displace(forest, tree, dst)?;
        // One that fails half way leaves neither the old state nor the new one.
        self.moved += forest.move_prefix(tree, src, tree, dst).map_err(stuck)?;
        self.done.push(Done::Moved { tree, src, dst });
        self.log(Effect::Op(OpRef::RenamePrefix { tree, src, dst }))
    }

    /// Takes everything under a prefix out of a tree, to be brought back or removed later: a few
    /// records one by one, more of them as a whole. Returns how many.
    pub(super) fn displace(
        &mut self,
        forest: &mut Forest,
        tree: TreeId,
        prefix: &'a [u8],
    ) -> Result<u64> {
        let keys = keys_under(forest, tree, prefix, SMALL_PREFIX_RECORDS + 1)?;
        if keys.len() <= SMALL_PREFIX_RECORDS {
            let count = keys.len() as u64;
            for key in keys {
                let place = forest.with(|forest| forest.place(tree, &key))?;
                self.erase(forest, tree, Cow::Owned(key), place)?;
            }
            return Ok(count);
        }
        let hidden = self.hide();
        forest.create_tree(hidden)?;
        let count = forest.move_prefix(tree, prefix, hidden, prefix).map_err(stuck)?;
        self.done.push(Done::Displaced { tree, prefix, hidden });
        Ok(count)
    }

    fn hide(&mut self) -> TreeId {
        self.hidden += 1;
        FIRST_HIDDEN_TREE + self.hidden
    }

    fn create_tree(&mut self, forest: &mut Forest, tree: TreeId) -> Result<()> {
        if forest.roots.len() >= MAX_TREES {
            return Err(Error::QuotaExceeded { what: "trees", limit: MAX_TREES as u64 });
        }
        if forest.roots.contains_key(&tree) {
            return Err(Error::InvalidArgument { what: "tree", why: "its id is in use" });
        }
        forest.create_tree(tree)?;
        self.done.push(Done::Created { tree });
        self.log(Effect::Op(OpRef::CreateTree { tree }))
    }

    pub(super) fn drop_tree(&mut self, forest: &mut Forest, tree: TreeId) -> Result<()> {
        if !forest.roots.contains_key(&tree) {
            return Err(Error::TreeDropped);
        }
        let hidden = self.hide();
        rename_tree(forest, tree, hidden);
        self.done.push(Done::Dropped { tree, hidden });
        self.log(Effect::Op(OpRef::DropTree { tree }))
    }

    /// What is to be logged, in order; nothing if nothing changed.
    pub fn ops(&self) -> Vec<OpRef<'_>> {
        self.effects.iter().map(Effect::op).collect()
    }

    /// Takes everything back, newest first.
    ///
    /// # Errors
    /// `Poisoned` if that fails: what is in memory is neither the old state nor the new one.
    pub fn undo(self, forest: &mut Forest) -> Result<()> {
        for done in self.done.into_iter().rev() {
            done.undo(forest).map_err(stuck)?;
        }
        Ok(())
    }

    /// The batch is certain: gives back what it replaced, and lets thin pages join.
    ///
    /// # Errors
    /// Failures of the device; what is in memory is the new state, with leftovers.
    pub fn commit(self, forest: &mut Forest) -> Result<()> {
        for done in &self.done {
            done.commit(forest)?;
        }
        for done in &self.done {
            done.tidy(forest)?;
        }
        Ok(())
    }
}

fn stuck(error: Error) -> Error {
    match error {
        poisoned @ Error::Poisoned { .. } => poisoned,
        other => Error::Poisoned { cause: other.to_string() },
    }
}

fn holds(forest: &mut Forest, place: Place, when: Expect) -> Result<bool> {
    match when {
        Expect::Anything => Ok(true),
        _ => forest.with(|forest| Ok(when.holds(forest.version(place)?))),
    }
}

/// The first keys under a prefix, at most `limit` of them.
fn keys_under(
    forest: &mut Forest,
    tree: TreeId,
    prefix: &[u8],
    limit: usize,
) -> Result<Vec<Vec<u8>>> {
    forest.with(|forest| -> Result<_, Miss> {
        let reader = forest.reader();
        let mut cursor = reader.seek(tree, prefix, false)?;
        let mut keys: Vec<Vec<u8>> = Vec::new();
        while keys.len() < limit
            && let Some(entry) = reader.entry(&mut cursor)?
        {
            let mut key = Vec::new();
            entry.key(reader.pages, &mut key)?;
            if !key.starts_with(prefix) {
                break;
            }
            keys.push(key);
            cursor.move_to(cursor.slot() + 1);
        }
        Ok(keys)
    })
}
