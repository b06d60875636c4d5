//! holt, native, on files.
//!
//! Set-up: `TreeBuilder` with its defaults, `Durability::Wal { sync: false }` (survives the
//! death of the process without waiting for the device), checkpoints by themselves at the
//! default log budget, a cache of four times the payload unless one is asked for, loads one
//! commit a record. Quiet means `checkpoint`.

use holt::{Durability, KeyRangeEntryRef, RangeEntryRef, Tree, TreeBuilder};
use std::ops::ControlFlow;

use super::{Change, Counters, DELIMITER, Engine, Kind, ListFrom, Opener, Owned, Setup};
use crate::Result;

/// Bytes of a page in the store's own counters.
const PAGE_BYTES: u64 = 4096;

pub const KIND: Kind = Kind {
    name: "holt",
    home: "native",
    ours: true,
    persistent: true,
    open,
    settings: |setup| {
        format!(
            "holt {}, file, Wal {{ sync: {} }}, default log budget and checkpoints, cache {} \
             MiB, one commit a record",
            env!("CARGO_PKG_VERSION"),
            setup.durable,
            setup.cache() >> 20
        )
    },
};

fn open(setup: &Setup) -> Result<Box<dyn Engine>> {
    let tree = TreeBuilder::new(&setup.dir)
        .cache_bytes(setup.cache())
        .durability(Durability::Wal { sync: setup.durable })
        .open()?;
    Ok(Box::new(Ours { tree }))
}

struct Ours {
    tree: Tree,
}

impl Engine for Ours {
    fn get(&mut self, key: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        Ok(self.tree.get_into(key, out)?)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.tree.put(key, value)?)
    }

    fn delete(&mut self, key: &[u8]) -> Result<Option<bool>> {
        Ok(Some(self.tree.delete(key)?))
    }

    fn walk(&mut self, start: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<()> {
        self.tree.range().start_at(start).visit_while(|entry| match entry {
            RangeEntryRef::Key { key, value, .. } if !visit(key, value) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })?;
        Ok(())
    }

    fn list(
        &mut self,
        from: ListFrom<'_>,
        limit: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<usize> {
        let scan = self.tree.scan(from.prefix).start_after(from.after);
        let mut seen = 0;
        scan.visit(limit, |entry| {
            if let RangeEntryRef::Key { key, value, .. } = entry {
                visit(key, value);
                seen += 1;
            }
            Ok(())
        })?;
        Ok(seen)
    }

    fn list_owned(
        &mut self,
        from: ListFrom<'_>,
        limit: usize,
        out: &mut Vec<Owned>,
    ) -> Result<usize> {
        let before = out.len();
        self.tree.scan(from.prefix).start_after(from.after).visit(limit, |entry| {
            if let RangeEntryRef::Key { key, value, .. } = entry {
                out.push((key.to_vec(), value.to_vec()));
            }
            Ok(())
        })?;
        Ok(out.len() - before)
    }

    fn list_dir(
        &mut self,
        from: ListFrom<'_>,
        limit: usize,
        visit: &mut dyn FnMut(&[u8]),
    ) -> Result<usize> {
        let mut scan = self.tree.scan_keys(from.prefix).delimiter(DELIMITER);
        if !from.after.is_empty() {
            scan = scan.start_after(from.after);
        }
        let mut seen = 0;
        scan.visit(limit, |entry| {
            let (KeyRangeEntryRef::Key { key, .. } | KeyRangeEntryRef::CommonPrefix(key)) = entry
            else {
                return Ok(());
            };
            visit(key);
            seen += 1;
            Ok(())
        })?;
        Ok(seen)
    }

    fn apply(&mut self, changes: &[Change<'_>]) -> Result<()> {
        Ok(self.tree.txn(|batch| {
            for change in changes {
                match *change {
                    Change::Put(key, value) => batch.put(key, value),
                    Change::Delete(key) => batch.delete(key),
                }
            }
        })?)
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<()> {
        Ok(self.tree.rename(from, to, true)?)
    }

    fn rename_prefix(&mut self, from: &[u8], to: &[u8]) -> Result<u64> {
        Ok(self.tree.rename_prefix(from, to, false)?)
    }

    fn checkpoint(&mut self) -> Result<()> {
        Ok(self.tree.checkpoint()?)
    }

    fn check(&mut self) -> Result<Option<u64>> {
        Ok(Some(self.tree.verify()?.damage.len() as u64))
    }

    fn counters(&self) -> Result<Counters> {
        let stats = self.tree.stats()?;
        Ok(Counters {
            store_read: stats.store.pages_read * PAGE_BYTES,
            store_written: stats.store.bytes_written,
            log_written: stats.last_lsn,
            checkpoints: stats.checkpoints,
            splits: stats.page_splits + stats.spills,
            replayed: Some(stats.replayed_records),
        })
    }

    fn handle(&self) -> Option<Opener> {
        let tree = self.tree.clone();
        Some(Box::new(move || Ok(Box::new(Ours { tree }))))
    }

    fn close(self: Box<Self>) -> Result<()> {
        drop(self.tree);
        Ok(())
    }
}
