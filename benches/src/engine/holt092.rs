//! `holt` 0.9.2 from the registry, under another package name.
//!
//! Set-up, as its documentation recommends for a service: file-backed, default features
//! (`io_uring` and `O_DIRECT`), `Durability::Wal { sync: false }`, the background checkpointer
//! at its defaults, a buffer pool that holds everything unless a cache is asked for (a random
//! load leaves its frames nearly empty, so that is many times the payload).
//! A weaker promise than the others': with `sync: false` it may lose what it acknowledged within
//! the last moments when the process is killed (tried: 500 of 500 puts).
//! `list` uses its record iterator: its visitor with borrowed entries has keys only. Quiet means
//! `checkpoint`, then `vacuum`, then `checkpoint`.

use holt_peer::{Durability, RangeEntry, Tree, TreeBuilder};

use super::{Counters, Engine, Kind, ListFrom, Setup};
use crate::Result;
use crate::limits::ROOMY_PEER_CACHE_RATIO;

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
            "holt 0.9.2, file, Wal {{ sync: false }}, io_uring, background checkpointer at its \
             defaults, buffer pool {} frames of 512 KiB",
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
        .durability(Durability::Wal { sync: false })
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

    fn delete(&mut self, key: &[u8]) -> Result<bool> {
        Ok(self.tree.delete(key)?)
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

    fn checkpoint(&mut self) -> Result<()> {
        self.tree.checkpoint()?;
        self.tree.vacuum()?;
        Ok(self.tree.checkpoint()?)
    }

    fn counters(&self) -> Result<Counters> {
        Ok(Counters { replayed: Some(self.replayed), ..Counters::default() })
    }

    fn close(self: Box<Self>) -> Result<()> {
        drop(self.tree);
        Ok(())
    }
}
