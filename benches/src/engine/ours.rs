//! holt, native, on files.
//!
//! Set-up: `TreeBuilder` with its defaults, `Durability::Wal { sync: false }` (survives the
//! death of the process without waiting for the device), checkpoints by themselves at the
//! default log budget, a cache of four times the payload unless one is asked for, loads one
//! commit a record. Quiet means `checkpoint`.

use holt::{Durability, RangeEntry, Tree, TreeBuilder};

use super::{Counters, Engine, Kind, ListFrom, Setup};
use crate::Result;

/// Bytes of a page in the store's own counters.
const PAGE_BYTES: u64 = 4096;

/// Most bytes one list may return: far more than a hundred records take.
const LIST_BYTES: usize = 1 << 20;

pub const KIND: Kind = Kind {
    name: "holt",
    home: "native",
    ours: true,
    persistent: true,
    open,
    settings: |setup| {
        format!(
            "holt {}, file, Wal {{ sync: false }}, default log budget and checkpoints, cache {} \
             MiB, one commit a record",
            env!("CARGO_PKG_VERSION"),
            setup.cache() >> 20
        )
    },
};

fn open(setup: &Setup) -> Result<Box<dyn Engine>> {
    let tree = TreeBuilder::new(&setup.dir)
        .cache_bytes(setup.cache())
        .durability(Durability::Wal { sync: false })
        .open()?;
    Ok(Box::new(Ours { tree }))
}

struct Ours {
    tree: Tree,
}

impl Engine for Ours {
    fn get(&mut self, key: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        let Some(value) = self.tree.get(key)? else { return Ok(false) };
        *out = value;
        Ok(true)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.tree.put(key, value)?)
    }

    fn delete(&mut self, key: &[u8]) -> Result<bool> {
        Ok(self.tree.delete(key)?)
    }

    fn list(
        &mut self,
        from: ListFrom<'_>,
        limit: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<usize> {
        let page = self.tree.scan(from.prefix).start_after(from.after).page(limit, LIST_BYTES)?;
        let mut seen = 0;
        for entry in &page.entries {
            if let RangeEntry::Key { key, value, .. } = entry {
                visit(key, value);
                seen += 1;
            }
        }
        Ok(seen)
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

    fn close(self: Box<Self>) -> Result<()> {
        drop(self.tree);
        Ok(())
    }
}
