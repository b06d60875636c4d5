//! `holt` 0.9.2 from the registry, under another package name.
//!
//! Set-up, as its documentation recommends for a service: file-backed, default features
//! (`io_uring` and `O_DIRECT`), `Durability::Wal { sync: false }`, the background checkpointer
//! at its defaults, a buffer pool that holds everything unless a cache is asked for (a random
//! load leaves its frames nearly empty, so that is many times the payload).
//! A weaker promise than the others': with `sync: false` it may lose what it acknowledged within
//! the last moments when the process is killed (tried: 500 of 500 puts).
//! `list` uses its record iterator: its visitor with borrowed entries has keys only, and serves
//! `list_dir`. A prefix is renamed record by record in atomic batches of a thousand moves (one of
//! more can outgrow its log records). Quiet means `checkpoint`; settling is `vacuum` and another
//! `checkpoint`.

use holt_peer::{Durability, KeyRangeEntryRef, RangeEntry, Tree, TreeBuilder};

use super::{Change, Counters, DELIMITER, Engine, Kind, ListFrom, Opener, Setup};
use crate::Result;
use crate::limits::ROOMY_PEER_CACHE_RATIO;

/// Moves of one atomic batch.
const MOVES: usize = 1_000;

/// Its unit of cache.
const FRAME_BYTES: u64 = 512 * 1024;

pub const KIND: Kind = Kind {
    name: "holt092",
    home: "native",
    ours: false,
    persistent: true,
    open,
    settings: |setup| {
        format!(
            "holt 0.9.2, file, Wal {{ sync: {} }}, io_uring, background checkpointer at its \
             defaults, buffer pool {} frames of 512 KiB",
            setup.durable,
            frames(setup)
        )
    },
};

fn frames(setup: &Setup) -> u64 {
    setup.cache_or_roomy(ROOMY_PEER_CACHE_RATIO).div_ceil(FRAME_BYTES)
}

fn open(setup: &Setup) -> Result<Box<dyn Engine>> {
    let tree = TreeBuilder::new(&setup.dir)
        .buffer_pool_size(frames(setup) as usize)
        .durability(Durability::Wal { sync: setup.durable })
        .open()?;
    // Its `stats` walks every frame, so the one figure wanted is taken once.
    let replayed = tree.stats()?.open.wal_replay_records;
    Ok(Box::new(Peer { tree, replayed }))
}

struct Peer {
    tree: Tree,
    replayed: u64,
}

impl Engine for Peer {
    fn get(&mut self, key: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        let Some(value) = self.tree.get(key)? else { return Ok(false) };
        *out = value;
        Ok(true)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.tree.put(key, value)?)
    }

    fn delete(&mut self, key: &[u8]) -> Result<Option<bool>> {
        Ok(Some(self.tree.delete(key)?))
    }

    fn walk(&mut self, start: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<()> {
        // It starts after a key, so a record at `start` itself needs a lookup.
        if let Some(value) = self.tree.get(start)?
            && !visit(start, &value)
        {
            return Ok(());
        }
        for entry in self.tree.range().start_after(start) {
            if let RangeEntry::Key { key, value, .. } = entry?
                && !visit(&key, &value)
            {
                break;
            }
        }
        Ok(())
    }

    fn list(
        &mut self,
        from: ListFrom<'_>,
        limit: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<usize> {
        let mut seen = 0;
        for entry in self.tree.scan(from.prefix).start_after(from.after).into_iter().take(limit) {
            if let RangeEntry::Key { key, value, .. } = entry? {
                visit(&key, &value);
                seen += 1;
            }
        }
        Ok(seen)
    }

    fn list_dir(
        &mut self,
        from: ListFrom<'_>,
        limit: usize,
        visit: &mut dyn FnMut(&[u8]),
    ) -> Result<usize> {
        let scan = self.tree.scan_keys(from.prefix).start_after(from.after).delimiter(DELIMITER);
        let mut seen = 0;
        // It starts with the roll-up it is told to start after, so that one more is asked for.
        scan.visit(limit + 1, |entry| {
            let (KeyRangeEntryRef::Key { key, .. } | KeyRangeEntryRef::CommonPrefix(key)) = entry
            else {
                return Ok(());
            };
            if key > from.after && seen < limit {
                visit(key);
                seen += 1;
            }
            Ok(())
        })?;
        Ok(seen)
    }

    fn apply(&mut self, changes: &[Change<'_>]) -> Result<()> {
        let applied = self.tree.atomic(|batch| {
            for change in changes {
                match *change {
                    Change::Put(key, value) => batch.put(key, value),
                    Change::Delete(key) => batch.delete(key),
                }
            }
        })?;
        if applied { Ok(()) } else { Err("a batch without guards was refused".into()) }
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<()> {
        Ok(self.tree.rename(from, to, true)?)
    }

    fn rename_prefix(&mut self, from: &[u8], to: &[u8]) -> Result<u64> {
        let moved = super::walk::under(self, from, to)?;
        for part in moved.chunks(MOVES) {
            let applied = self.tree.atomic(|batch| {
                for (old, new, _) in part {
                    batch.rename(old, new, true);
                }
            })?;
            if !applied {
                return Err("a batch of moves was refused".into());
            }
        }
        Ok(moved.len() as u64)
    }

    fn checkpoint(&mut self) -> Result<()> {
        Ok(self.tree.checkpoint()?)
    }

    fn settle(&mut self) -> Result<()> {
        self.tree.vacuum()?;
        Ok(self.tree.checkpoint()?)
    }

    fn counters(&self) -> Result<Counters> {
        Ok(Counters { replayed: Some(self.replayed), ..Counters::default() })
    }

    fn handle(&self) -> Option<Opener> {
        let (tree, replayed) = (self.tree.clone(), self.replayed);
        Some(Box::new(move || Ok(Box::new(Peer { tree, replayed }))))
    }

    fn close(self: Box<Self>) -> Result<()> {
        drop(self.tree);
        Ok(())
    }
}
