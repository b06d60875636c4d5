//! The peer fjall, a log-structured merge tree.
//!
//! Set-up, close to its defaults as its author recommends: one keyspace, LZ4 below the first
//! levels, writes into the journal through the system's buffers (its default: survives the death
//! of the process), a block cache of four times the payload unless one is asked for, loads in
//! batches of a thousand records.
//! Durable commits: `persist(SyncData)` after each. A level is read by seeking past each roll-up,
//! a move is a lookup and a batch, a deletion a tombstone that asks for no lookup. Quiet means the
//! memtable flushed, its compactions over and `persist(SyncAll)`; settling is `major_compact`.

use std::time::Duration;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Change, Engine, Kind, Opener, Setup};
use crate::Result;
use crate::workload::Chunk;

/// Between two looks at the compactions that still run.
const LOOK: Duration = Duration::from_millis(2);

pub const KIND: Kind = Kind {
    name: "fjall",
    home: "native",
    ours: false,
    persistent: true,
    open,
    settings: |setup| {
        format!(
            "fjall 3.1, {} commits, loads of 1000 a batch, compacted, cache {} MiB, memtable and \
             compression at their defaults",
            if setup.durable { "SyncData" } else { "buffered" },
            setup.cache() >> 20
        )
    },
};

struct Fjall {
    database: Database,
    records: Keyspace,
    durable: bool,
}

fn open(setup: &Setup) -> Result<Box<dyn Engine>> {
    let database = Database::builder(&setup.dir).cache_size(setup.cache()).open()?;
    let records = database.keyspace("records", KeyspaceCreateOptions::default)?;
    Ok(Box::new(Fjall { database, records, durable: setup.durable }))
}

impl Fjall {
    fn committed(&self) -> Result<()> {
        if self.durable {
            self.database.persist(PersistMode::SyncData)?;
        }
        Ok(())
    }

    /// Waits until neither flushes nor compactions run.
    fn quiet(&self) {
        while self.database.outstanding_flushes() > 0 || self.database.active_compactions() > 0 {
            std::thread::sleep(LOOK);
        }
    }
}

impl Engine for Fjall {
    fn get(&mut self, key: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        let Some(value) = self.records.get(key)? else { return Ok(false) };
        out.clear();
        out.extend_from_slice(&value);
        Ok(true)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.records.insert(key, value)?;
        self.committed()
    }

    fn delete(&mut self, key: &[u8]) -> Result<Option<bool>> {
        self.records.remove(key)?;
        self.committed()?;
        Ok(None)
    }

    fn load(&mut self, records: &Chunk) -> Result<()> {
        let mut batch = self.database.batch();
        for (key, value) in records.iter() {
            batch.insert(&self.records, key, value);
        }
        Ok(batch.commit()?)
    }

    fn walk(&mut self, start: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<()> {
        for entry in self.records.range(start..) {
            let (key, value) = entry.into_inner()?;
            if !visit(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    fn apply(&mut self, changes: &[Change<'_>]) -> Result<()> {
        let mut batch = self.database.batch();
        for change in changes {
            match *change {
                Change::Put(key, value) => batch.insert(&self.records, key, value),
                Change::Delete(key) => batch.remove(&self.records, key),
            }
        }
        batch.commit()?;
        self.committed()
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.records.rotate_memtable_and_wait()?;
        self.quiet();
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }

    fn settle(&mut self) -> Result<()> {
        self.records.major_compact()?;
        self.quiet();
        Ok(())
    }

    fn handle(&self) -> Option<Opener> {
        let (database, records) = (self.database.clone(), self.records.clone());
        let durable = self.durable;
        Some(Box::new(move || Ok(Box::new(Fjall { database, records, durable }))))
    }

    fn close(self: Box<Self>) -> Result<()> {
        // Its own dropping leaves the journal to the next opening, as it would for a user.
        drop(self.records);
        drop(self.database);
        Ok(())
    }
}
