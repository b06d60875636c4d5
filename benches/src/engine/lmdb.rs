//! LMDB through `heed`.
//!
//! Set-up, as its author would for speed without a wait at every commit: `WRITEMAP | NOSYNC`
//! (weaker than ours against loss of power until the next checkpoint), one read transaction kept
//! over all reads of a round, zero-copy reads (the harness copies, as from every engine), loads
//! in transactions of a thousand records, `NORDAHEAD` when memory is limited.
//! LMDB has no cache of its own: it maps its file, so a cache limit can not be set. Under a
//! limit its resident mapping is shown beside the figure; only a memory cgroup bounds it.
//! Durable commits: the default flags, so that every commit is synchronous.
//! A level is read by seeking past each roll-up, a prefix renamed in one transaction.
//! Quiet means `mdb_env_sync` with force. Free pages stay in the file for reuse.

use std::fs;

use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, RoTxn, WithTls};

use super::{Change, Engine, Kind, Opener, Setup};
use crate::Result;
use crate::limits::{MAP_FLOOR, MAP_RATIO};
use crate::workload::Chunk;

pub const KIND: Kind = Kind {
    name: "lmdb",
    home: "native",
    ours: false,
    persistent: true,
    open,
    settings: |setup| {
        let ahead = if setup.cache_bytes.is_some() { "|NORDAHEAD" } else { "" };
        format!(
            "LMDB 0.9 through heed 0.22, WRITEMAP|NOSYNC{ahead}, kept read transaction, loads of \
             1000 a transaction; no cache of its own: the page cache, unlimited without a cgroup"
        )
    },
};

/// Threads and kept transactions that may read at a time.
const READERS: u32 = 64;

type Records = Database<Bytes, Bytes>;

struct Lmdb {
    /// Before `env`, so that it is dropped first.
    reading: Option<RoTxn<'static, WithTls>>,
    env: Env,
    records: Records,
}

fn open(setup: &Setup) -> Result<Box<dyn Engine>> {
    fs::create_dir_all(&setup.dir)?;
    let mut flags = EnvFlags::WRITE_MAP | EnvFlags::NO_SYNC;
    if setup.durable {
        flags = EnvFlags::empty();
    }
    if setup.cache_bytes.is_some() {
        flags |= EnvFlags::NO_READ_AHEAD;
    }
    let map = (setup.payload * MAP_RATIO).max(MAP_FLOOR);
    let mut options = EnvOpenOptions::new();
    options.map_size(usize::try_from(map)?).max_readers(READERS);
    // SAFETY: `heed` asks that the flags be understood and that nobody else changes the mapped
    // file. NOSYNC and WRITEMAP are what is measured here; the directory was made by the runner
    // for this engine of this process alone, and it is opened once at a time.
    let env = unsafe { options.flags(flags).open(&setup.dir)? };
    let mut write = env.write_txn()?;
    let records: Records = env.create_database(&mut write, None)?;
    write.commit()?;
    Ok(Box::new(Lmdb { reading: None, env, records }))
}

impl Lmdb {
    fn reader(&mut self) -> Result<()> {
        if self.reading.is_none() {
            self.reading = Some(self.env.clone().static_read_txn()?);
        }
        Ok(())
    }
}

impl Engine for Lmdb {
    fn get(&mut self, key: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        self.reader()?;
        let Some(read) = &self.reading else { return Ok(false) };
        let Some(value) = self.records.get(read, key)? else { return Ok(false) };
        out.clear();
        out.extend_from_slice(value);
        Ok(true)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        // A reader kept over writes would pin every page they replace.
        self.reading = None;
        let mut write = self.env.write_txn()?;
        self.records.put(&mut write, key, value)?;
        Ok(write.commit()?)
    }

    fn delete(&mut self, key: &[u8]) -> Result<Option<bool>> {
        self.reading = None;
        let mut write = self.env.write_txn()?;
        let found = self.records.delete(&mut write, key)?;
        write.commit()?;
        Ok(Some(found))
    }

    fn load(&mut self, records: &Chunk) -> Result<()> {
        self.reading = None;
        let mut write = self.env.write_txn()?;
        for (key, value) in records.iter() {
            self.records.put(&mut write, key, value)?;
        }
        Ok(write.commit()?)
    }

    fn walk(&mut self, start: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<()> {
        use std::ops::Bound;
        self.reader()?;
        let Some(read) = &self.reading else { return Ok(()) };
        let bounds = (Bound::Included(start), Bound::Unbounded);
        // An empty key is no key to it.
        let entries = match start.is_empty() {
            true => self.records.range(read, &..)?,
            false => self.records.range(read, &bounds)?,
        };
        for entry in entries {
            let (key, value) = entry?;
            if !visit(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn apply(&mut self, changes: &[Change<'_>]) -> Result<()> {
        self.reading = None;
        let mut write = self.env.write_txn()?;
        for change in changes {
            match *change {
                Change::Put(key, value) => self.records.put(&mut write, key, value)?,
                Change::Delete(key) => drop(self.records.delete(&mut write, key)?),
            }
        }
        Ok(write.commit()?)
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<()> {
        self.reading = None;
        let mut write = self.env.write_txn()?;
        let value = self.records.get(&write, from)?.ok_or("a record to rename is not there")?;
        let value = value.to_vec();
        self.records.delete(&mut write, from)?;
        self.records.put(&mut write, to, &value)?;
        Ok(write.commit()?)
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.reading = None;
        Ok(self.env.force_sync()?)
    }

    fn handle(&self) -> Option<Opener> {
        let (env, records) = (self.env.clone(), self.records);
        Some(Box::new(move || Ok(Box::new(Lmdb { reading: None, env, records }))))
    }

    fn close(mut self: Box<Self>) -> Result<()> {
        self.reading = None;
        self.env.prepare_for_closing().wait();
        Ok(())
    }
}
