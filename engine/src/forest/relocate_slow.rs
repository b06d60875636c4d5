//! Moving and removing everything under a prefix, record by record.
//!
//! Owns: nothing. Never does: the log. Contract for callers: a move that fails has moved nothing,
//! unless the error is `Poisoned`; a removal that fails may have removed a part.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::Forest;
use super::route::child;
use crate::art::head::HeadView;
use crate::error::{Error, Result};
use crate::ids::TreeId;
use crate::limits::MAX_KEY_BYTES;
use crate::node::{LongKey, Miss, Record, Value};

impl Forest {
    /// Moves every record under `src` in one tree to `dst` in another, or in the same one if
    /// neither prefix starts with the other. Nothing lies under `dst`. Versions stay. Returns
    /// how many records moved.
    ///
    /// # Errors
    /// Damage and failures of the device, with nothing moved; `Poisoned` if what was moved could
    /// not be moved back.
    pub fn move_prefix(&mut self, from: TreeId, src: &[u8], to: TreeId, dst: &[u8]) -> Result<u64> {
        let mut moved: Vec<Vec<u8>> = Vec::new();
        let renamed = |key: &[u8]| [dst, key.get(src.len()..).unwrap_or(&[])].concat();
        let outcome = loop {
            let key = match self.first_under(from, src) {
                Ok(Some(key)) => key,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            if let Err(error) = self.move_record(from, &key, to, &renamed(&key)) {
                break Err(error);
            }
            let shrunk = self.shrink(from, &key);
            moved.push(key);
            if let Err(error) = shrunk {
                break Err(error);
            }
        };
        if let Err(error) = outcome {
            for key in moved.iter().rev() {
                let stuck = |stuck: Error| Error::Poisoned { cause: stuck.to_string() };
                self.move_record(to, &renamed(key), from, key).map_err(stuck)?;
            }
            return Err(error);
        }
        Ok(moved.len() as u64)
    }

    /// Whether any key under `src` would be over the limit under `dst`.
    ///
    /// # Errors
    /// `KeyTooLong` with the first such length; damage and failures of the device.
    pub fn check_move(&mut self, tree: TreeId, src: &[u8], dst: &[u8]) -> Result<()> {
        let Some(growth) = dst.len().checked_sub(src.len()).filter(|growth| *growth > 0) else {
            return Ok(());
        };
        let mut after: Option<Vec<u8>> = None;
        loop {
            let found = self.with(|forest| {
                let reader = forest.reader();
                let from = after.as_deref().unwrap_or(src);
                let mut cursor = reader.seek(tree, from, after.is_some())?;
                let mut key = Vec::new();
                let Some(entry) = reader.entry(&mut cursor)? else { return Ok(None) };
                entry.key(reader.pages, &mut key)?;
                Ok(key.starts_with(src).then_some(key))
            })?;
            let Some(key) = found else { return Ok(()) };
            if key.len() + growth > MAX_KEY_BYTES {
                return Err(Error::KeyTooLong { len: key.len() + growth });
            }
            after = Some(key);
        }
    }

    /// Removes every record under a prefix. Returns how many.
    ///
    /// # Errors
    /// Damage and failures of the device; a part may be removed then.
    pub fn remove_prefix(&mut self, tree: TreeId, prefix: &[u8]) -> Result<u64> {
        let mut removed = 0;
        while let Some(key) = self.first_under(tree, prefix)? {
            let place = self.with(|forest| forest.place(tree, &key))?;
            let remains = self.settle(|forest| forest.erase(tree, place))?;
            self.give_back(remains);
            self.shrink(tree, &key)?;
            removed += 1;
        }
        Ok(removed)
    }

    /// Removes a tree with all it holds. Returns how many records it had.
    ///
    /// # Errors
    /// Damage and failures of the device. The tree is gone all the same; frames that could not
    /// be reached stay in the store, where nothing leads to them.
    pub fn remove_tree(&mut self, tree: TreeId) -> Result<u64> {
        let Some(root) = self.roots.remove(&tree) else { return Err(Error::TreeDropped) };
        let mut stack = alloc::vec![root.frame];
        let mut damaged = Ok(());
        while let Some(frame) = stack.pop() {
            match self.remove_frame(frame, &mut stack) {
                Err(error @ Error::Corrupt(_)) => damaged = Err(error),
                other => other?,
            }
        }
        damaged.map(|()| root.records)
    }

    fn remove_frame(&mut self, frame: u32, stack: &mut Vec<u32>) -> Result<()> {
        let (extents, children) = self.with(|forest| {
            let head = HeadView(forest.cache.page(frame, 0)?);
            let mut extents: Vec<LongKey> = head.extents().collect();
            let mut children = Vec::new();
            for &number in head.pages() {
                let page = forest.cache.page(frame, number)?;
                for record in (0..page.count()).map(|slot| Record::read(page, slot)) {
                    extents.extend(record.long);
                    match record.value {
                        Value::Extent { extent, len } => extents.push(LongKey { extent, len }),
                        Value::Inline(_) if page.level() > 0 => children.extend(child(&record)),
                        Value::Inline(_) => {}
                    }
                }
            }
            Ok((extents, children))
        })?;
        self.settle(|forest| forest.cache.drop_frame(frame))?;
        for extent in extents {
            self.cache.drop_extent(extent.extent, extent.len);
        }
        stack.extend(children);
        Ok(())
    }

    fn first_under(&mut self, tree: TreeId, prefix: &[u8]) -> Result<Option<Vec<u8>>> {
        self.with(|forest| -> Result<_, Miss> {
            let reader = forest.reader();
            let mut cursor = reader.seek(tree, prefix, false)?;
            let Some(entry) = reader.entry(&mut cursor)? else { return Ok(None) };
            let mut key = Vec::new();
            entry.key(reader.pages, &mut key)?;
            Ok(key.starts_with(prefix).then_some(key))
        })
    }

    fn move_record(&mut self, from: TreeId, key: &[u8], to: TreeId, new: &[u8]) -> Result<()> {
        let place = self.with(|forest| forest.place(from, key))?;
        let version = self.with(|forest| forest.version(place))?.unwrap_or_default();
        let value: Vec<u8> = self.with(|forest| forest.value_at(place).map(Vec::from))?;
        let target = self.make_place(to, new, value.len())?;
        let remains = self.settle(|forest| forest.write(to, target, new, &value, version))?;
        self.give_back(remains);
        let place = self.with(|forest| forest.place(from, key))?;
        let remains = self.settle(|forest| forest.erase(from, place))?;
        self.give_back(remains);
        Ok(())
    }
}
