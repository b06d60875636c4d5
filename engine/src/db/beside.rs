//! Single operations beside others: lookups, and changes that stay on one page.
//!
//! Owns: the short way of the write protocol: way to the page, latch, condition, log record,
//! change. Never does: a change of structure, or anything a snapshot or a running checkpoint has
//! to know of first; those have the store alone, and are left to `write.rs`.
#![allow(unsafe_code)]

use alloc::sync::Arc;

use super::ahead::Ahead;
use super::core::Core;
use super::fetch::MAX_FETCHES;
use super::hold::Pad;
use super::shared::Store;
use crate::cache::{Cache, Print};
use crate::error::{Error, Result};
use crate::forest::{Change, Forest, Place, Reader};
use crate::ids::{Lsn, TreeId};
use crate::log::{Durable, OpRef};
use crate::node::{Miss, Page};
use crate::sync::Point;
use crate::txn::{Expect, check_limits};

/// A change of one record.
#[derive(Clone, Copy)]
pub(super) struct Single<'a> {
    pub tree: TreeId,
    pub key: &'a [u8],
    pub change: Change<'a>,
    pub when: Expect,
}

impl<'a> Single<'a> {
    fn op(&self) -> OpRef<'a> {
        let Self { tree, key, .. } = *self;
        match self.change {
            Change::Put(value) => OpRef::Put { tree, key, value },
            Change::Delete => OpRef::Delete { tree, key },
        }
    }

    fn value(&self) -> &'a [u8] {
        match self.change {
            Change::Put(value) => value,
            Change::Delete => &[],
        }
    }
}

/// What became of a change beside others.
enum Outcome {
    /// It is made, and this is what its writer still has to do.
    Made(After),
    /// Its condition does not hold, or there is nothing to delete.
    Refused,
    /// It needs the store alone.
    Left,
    /// Something that it needs is not in memory.
    Missed(Miss),
}

/// What a change comes to whose page is not in memory: a record that is known not to be there
/// need not be deleted.
fn missed(forest: &Forest, miss: Miss, single: &Single<'_>) -> Outcome {
    match (single.change, miss) {
        (Change::Delete, Miss::Page { frame, page })
            if forest.cache.lacks(frame, page, single.key) =>
        {
            Outcome::Refused
        }
        (_, miss) => Outcome::Missed(miss),
    }
}

/// Latches the page where the record of a change is or belongs: its place and its version.
fn latched(
    point: &Point<'_, Core, Pad>,
    core: &Core,
    single: &Single<'_>,
) -> core::result::Result<Latched, Outcome> {
    let Single { tree, key, .. } = *single;
    let reader = core.forest.reader();
    let print = Print::of(tree, key);
    for spot in reader.seen(tree, key, print) {
        if point.latches(spot.id()) {
            if let Some((place, version)) = core.forest.place_guessed(&spot) {
                return Ok(Latched { place, found: Some(version), is_small: false });
            }
            point.unlatch();
        }
    }
    let spot = reader.spot(tree, key).map_err(Outcome::Missed)?;
    if !point.latches(spot.id()) {
        return Err(Outcome::Left);
    }
    let (place, found) =
        core.forest.place_at(&spot).map_err(|miss| missed(&core.forest, miss, single))?;
    if let Some(print) = print.filter(|_| place.exact) {
        let is_small = reader.pages.remember(print, spot.frame, spot.page);
        return Ok(Latched { place, found, is_small });
    }
    Ok(Latched { place, found, is_small: false })
}

/// What became of an attempt, for who may try again.
enum Beside {
    /// It is made, or was refused: whether its condition held.
    Done(bool),
    /// Nothing was changed: it needs the store alone.
    Left,
    /// Nothing was changed: this is not in memory.
    Missed(Miss),
}

struct After {
    /// What has to be durable, and up to where.
    awaited: Option<(Arc<Durable>, Lsn)>,
    /// The log is over its budget.
    over: bool,
    /// The accelerator's table is too small.
    is_small: bool,
}

/// A page that is latched for a change of a record.
struct Latched {
    /// Where the record is or belongs.
    place: Place,
    /// The version that is there.
    found: Option<u64>,
    /// The accelerator's table is too small.
    is_small: bool,
}

impl Store {
    /// Runs `read` on the record of `key`, if there is one, beside others; what it misses is
    /// loaded.
    ///
    /// # Errors
    /// Those of `read`, `Corrupt`, and failures of the device.
    pub fn find<T>(
        &self,
        tree: TreeId,
        key: &[u8],
        mut read: impl FnMut(Reader<'_, Cache>, Option<(&Page, usize)>) -> Result<T, Miss>,
    ) -> Result<T> {
        if let Some(found) = self.find_beside(tree, key, &mut read)? {
            return Ok(found);
        }
        self.look(|forest| {
            let found = forest.reader().find(tree, key)?;
            read(forest.reader(), found)
        })
    }

    fn find_beside<T>(
        &self,
        tree: TreeId,
        key: &[u8],
        read: &mut impl FnMut(Reader<'_, Cache>, Option<(&Page, usize)>) -> Result<T, Miss>,
    ) -> Result<Option<T>> {
        let point = self.core.enter();
        let core = point.state();
        core.check_whole()?;
        let reader = core.forest.reader();
        let print = Print::of(tree, key);
        for spot in reader.seen(tree, key, print) {
            if point.reads(spot.id())
                && let Some(found) = reader.find_guessed(&spot)
            {
                return Ok(read(reader, Some(found)).ok());
            }
        }
        let Ok(spot) = reader.spot(tree, key) else { return Ok(None) };
        if !point.reads(spot.id()) {
            return Ok(None);
        }
        let Ok(found) = reader.find_at(&spot) else { return Ok(None) };
        let is_small = match (print, found) {
            (Some(print), Some(_)) => reader.pages.remember(print, spot.frame, spot.page),
            _ => false,
        };
        let read = read(reader, found).ok();
        if is_small {
            drop(point);
            self.core.write().forest.cache.widen();
        }
        Ok(read)
    }

    /// Makes a change: beside others if it can be, else alone; whether its condition held.
    ///
    /// # Errors
    /// Those of writes.
    pub fn change(&self, single: Single<'_>) -> Result<bool> {
        let mut ahead = Ahead::default();
        for _ in 0..MAX_FETCHES {
            match self.change_beside(single)? {
                Beside::Done(held) => return Ok(held),
                Beside::Missed(miss) if self.fetch(miss, &mut ahead) => {}
                Beside::Missed(_) | Beside::Left => break,
            }
        }
        let Single { tree, key, change, when } = single;
        self.commit_one(|core| match (change, when) {
            (Change::Put(value), Expect::Anything) => core.put(tree, key, value).map(|()| true),
            (Change::Put(value), when) => core.put_when(tree, key, value, when),
            (Change::Delete, when) => core.delete_when(tree, key, when),
        })
    }

    /// Makes a change beside others, if it can be.
    ///
    /// # Errors
    /// Limits, and failures of the log.
    fn change_beside(&self, single: Single<'_>) -> Result<Beside> {
        check_limits(single.key, single.value())?;
        if !self.beside || !Forest::lies_on_a_page(single.key, single.value().len()) {
            return Ok(Beside::Left);
        }
        let mut point = self.core.enter();
        let made = self.make(&mut point, &single);
        drop(point);
        match made {
            Ok(Outcome::Left) => Ok(Beside::Left),
            Ok(Outcome::Missed(miss)) => Ok(Beside::Missed(miss)),
            Ok(Outcome::Refused) => Ok(Beside::Done(false)),
            Ok(Outcome::Made(after)) => {
                if after.is_small {
                    self.core.write().forest.cache.widen();
                }
                if after.over {
                    self.help();
                }
                if let Some((durable, end)) = after.awaited {
                    self.wait(&durable, end)?;
                }
                Ok(Beside::Done(true))
            }
            // The log did not take it.
            Err(error) => Err(self.core.write().judge(error)),
        }
    }

    fn make(&self, point: &mut Point<'_, Core, Pad>, single: &Single<'_>) -> Result<Outcome> {
        let Single { tree, key, change, when } = *single;
        if point.pad().is_full() {
            return Ok(Outcome::Left);
        }
        let core = point.state();
        if core.check_writable().is_err() || core.check_journal().is_err() {
            return Ok(Outcome::Left);
        }
        let Latched { place, found, is_small } = match latched(point, core, single) {
            Ok(found) => found,
            Err(outcome) => return Ok(outcome),
        };
        let nothing = matches!(change, Change::Delete) && found.is_none();
        if nothing || !when.holds(found) {
            return Ok(Outcome::Refused);
        }
        if !core.forest.stays_on_page(place, key, change).unwrap_or(false) {
            return Ok(Outcome::Left);
        }
        let Some((lsn, after)) = self.append_beside(core, single)? else {
            return Ok(Outcome::Left);
        };
        // SAFETY: the page is latched through this point: readers of one page look at the latch,
        // those of everything wait, and those who are alone were waited for. Nothing borrowed
        // from the page is in use: `place` and `found` are numbers.
        let noted = unsafe { core.forest.change_at(place, key, change, lsn) };
        // It was there a moment ago, and nothing leaves memory meanwhile.
        let noted =
            noted.map_err(|_| Error::Poisoned { cause: "a latched page is gone".into() })?;
        point.pad().note(tree, noted, single.op().payload() as usize);
        Ok(Outcome::Made(After { is_small, ..after }))
    }

    /// Logs the change; `None` if the log waits for its first write since the opening.
    fn append_beside(&self, core: &Core, single: &Single<'_>) -> Result<Option<(Lsn, After)>> {
        let Some(mut log) = core.log() else {
            let after = After { awaited: None, over: false, is_small: false };
            return core.tick(1).map(|lsn| Some((lsn, after)));
        };
        if log.is_sealed() {
            return Ok(None);
        }
        let lsn = log.append_ops(&[single.op()])?;
        let over = self.options.auto_checkpoint
            && log.bytes_since(core.published()) >= self.options.log_budget();
        let awaited = self.options.sync.then(|| (Arc::clone(log.durable()), log.end()));
        Ok(Some((lsn, After { awaited, over, is_small: false })))
    }
}
