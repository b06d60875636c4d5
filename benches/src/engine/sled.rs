//! sled 0.34, its last stable release.
//!
//! Set-up: `Mode::HighThroughput`, the timed flush switched off (`flush_every_ms(None)`), a cache
//! of four times the payload unless one is asked for, loads in batches of a thousand records. A
//! weaker promise than ours: commits wait in its own buffers and are lost when the process is
//! killed.
//! Durable commits: `flush` after each. A level is read by seeking past each roll-up, a move is a
//! lookup and an atomic batch. Quiet means `flush`.

use sled::{Batch, Config, Db, Mode};

use super::{Change, Engine, Kind, Opener, Setup};
use crate::Result;
use crate::workload::Chunk;

pub const KIND: Kind = Kind {
    name: "sled",
    home: "native",
    ours: false,
    persistent: true,
    open,
    settings: |setup| {
        format!(
            "sled 0.34, HighThroughput, {}, loads of 1000 a batch, cache {} MiB",
            if setup.durable { "flush after each commit" } else { "no timed flush" },
            setup.cache() >> 20
        )
    },
};

struct Sled {
    records: Db,
    durable: bool,
}

fn open(setup: &Setup) -> Result<Box<dyn Engine>> {
    let records = Config::new()
        .path(&setup.dir)
        .cache_capacity(setup.cache())
        .mode(Mode::HighThroughput)
        .flush_every_ms(None)
        .open()?;
    Ok(Box::new(Sled { records, durable: setup.durable }))
}

impl Sled {
    fn committed(&self) -> Result<()> {
        if self.durable {
            self.records.flush()?;
        }
        Ok(())
    }
}

impl Engine for Sled {
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
        let found = self.records.remove(key)?.is_some();
        self.committed()?;
        Ok(Some(found))
    }

    fn load(&mut self, records: &Chunk) -> Result<()> {
        let mut batch = Batch::default();
        for (key, value) in records.iter() {
            batch.insert(key, value);
        }
        Ok(self.records.apply_batch(batch)?)
    }

    fn walk(&mut self, start: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<()> {
        for entry in self.records.range(start..) {
            let (key, value) = entry?;
            if !visit(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    fn apply(&mut self, changes: &[Change<'_>]) -> Result<()> {
        let mut batch = Batch::default();
        for change in changes {
            match *change {
                Change::Put(key, value) => batch.insert(key, value),
                Change::Delete(key) => batch.remove(key),
            }
        }
        self.records.apply_batch(batch)?;
        self.committed()
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.records.flush()?;
        Ok(())
    }

    fn handle(&self) -> Option<Opener> {
        let (records, durable) = (self.records.clone(), self.durable);
        Some(Box::new(move || Ok(Box::new(Sled { records, durable }))))
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.records.flush()?;
        Ok(())
    }
}
