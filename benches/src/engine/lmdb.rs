//! LMDB through `heed`.
//!
//! Set-up, as its author would for speed without a wait at every commit: `WRITEMAP | NOSYNC`
//! (weaker than ours against loss of power until the next checkpoint), one read transaction kept
//! over all reads of a round, zero-copy reads (the harness copies, as from every engine), loads
//! in transactions of a thousand records, `NORDAHEAD` when memory is limited.
//! LMDB has no cache of its own: it maps its file, so a cache limit can not be set. Under a
//! limit its resident mapping is shown beside the figure; only a memory cgroup bounds it.
//! Quiet means `mdb_env_sync` with force. Free pages stay in the file for reuse.

use std::fs;

use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, RoTxn, WithTls};

use super::{Engine, Kind, ListFrom, Setup};
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
    if setup.cache_bytes.is_some() {
        flags |= EnvFlags::NO_READ_AHEAD;
    }
    let map = (setup.payload * MAP_RATIO).max(MAP_FLOOR);
    let mut options = EnvOpenOptions::new();
    options.map_size(usize::try_from(map)?);
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

    fn delete(&mut self, key: &[u8]) -> Result<bool> {
        self.reading = None;
        let mut write = self.env.write_txn()?;
        let found = self.records.delete(&mut write, key)?;
        write.commit()?;
        Ok(found)
    }

    fn load(&mut self, records: &Chunk) -> Result<()> {
        self.reading = None;
        let mut write = self.env.write_txn()?;
        for (key, value) in records.iter() {
            self.records.put(&mut write, key, value)?;
        }
        Ok(write.commit()?)
    }

    fn list(
        &mut self,
        from: ListFrom<'_>,
        limit: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<usize> {
        use std::ops::Bound;
        self.reader()?;
        let Some(read) = &self.reading else { return Ok(0) };
        let start = if from.after >= from.prefix {
            Bound::Excluded(from.after)
        } else {
            Bound::Included(from.prefix)
        };
        let mut seen = 0;
        for entry in self.records.range(read, &(start, Bound::Unbounded))?.take(limit) {
            let (key, value) = entry?;
            if !key.starts_with(from.prefix) {
                break;
            }
            visit(key, value);
            seen += 1;
        }
        Ok(seen)
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.reading = None;
        Ok(self.env.force_sync()?)
    }

    fn close(mut self: Box<Self>) -> Result<()> {
        self.reading = None;
        self.env.prepare_for_closing().wait();
        Ok(())
    }
}
