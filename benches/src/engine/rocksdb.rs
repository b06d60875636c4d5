//! RocksDB, bundled, through `rocksdb`.
//!
//! Set-up, after its tuning guide for point lookups and short scans: a block cache of four times
//! the payload unless one is asked for, ribbon filters of ten bits a key, index and filter blocks
//! in the cache with those of level 0 pinned, a hash index in data blocks, LZ4, `get_pinned`, raw
//! iterators with an upper bound, the log written through the system's buffers (`sync=false`:
//! survives the death of the process), loads in batches of a thousand records.
//! Durable commits: `sync=true`. A level is read by one iterator that seeks past each roll-up, a
//! move is a lookup and a batch, a deletion a tombstone that asks for no lookup. Quiet means the
//! memtable flushed and the compactions it causes over; settling is a full `compact_range`, so
//! that small stores too are read from sorted tables.

use std::sync::Arc;

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, DB, DBCompressionType, DataBlockIndexType,
    FlushOptions, Options, ReadOptions, WaitForCompactOptions, WriteBatch, WriteOptions,
};

use super::{Change, Engine, Kind, ListFrom, Opener, Setup, walk};
use crate::Result;
use crate::workload::Chunk;

/// Bits a key of the filters.
const FILTER_BITS: f64 = 10.0;

/// Share of a data block's hash index that is used.
const HASH_RATIO: f64 = 0.75;

/// Threads for flushes and compactions, as many as the machine of the published figures has.
const BACKGROUND_THREADS: i32 = 2;

pub const KIND: Kind = Kind {
    name: "rocksdb",
    home: "native",
    ours: false,
    persistent: true,
    open,
    settings: |setup| {
        format!(
            "RocksDB 11 bundled, WAL with sync={}, LZ4, ribbon filters, hash index in blocks, loads \
             of 1000 a batch, compacted before it is read, block cache {} MiB",
            setup.durable,
            setup.cache() >> 20
        )
    },
};

struct Rocks {
    db: Arc<DB>,
    write: WriteOptions,
    durable: bool,
}

fn open(setup: &Setup) -> Result<Box<dyn Engine>> {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&Cache::new_lru_cache(usize::try_from(setup.cache())?));
    blocks.set_ribbon_filter(FILTER_BITS);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks.set_index_type(BlockBasedIndexType::BinarySearch);
    blocks.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
    blocks.set_data_block_hash_ratio(HASH_RATIO);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::Lz4);
    options.increase_parallelism(BACKGROUND_THREADS);
    options.set_level_compaction_dynamic_level_bytes(true);
    let db = Arc::new(DB::open(&options, &setup.dir)?);
    Ok(Box::new(Rocks::new(db, setup.durable)))
}

impl Rocks {
    fn new(db: Arc<DB>, durable: bool) -> Self {
        let mut write = WriteOptions::default();
        write.set_sync(durable);
        Self { db, write, durable }
    }

    /// Reading no further than the end of a prefix.
    fn bounded(prefix: &[u8]) -> ReadOptions {
        let mut read = ReadOptions::default();
        if !prefix.is_empty() {
            read.set_iterate_upper_bound(walk::past(prefix));
        }
        read
    }

    fn quiet(&self) -> Result<()> {
        Ok(self.db.wait_for_compact(&WaitForCompactOptions::default())?)
    }
}

/// Lends what an iterator finds from `start` on.
fn from(
    entries: &mut rocksdb::DBRawIterator<'_>,
    start: &[u8],
    visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
) -> Result<()> {
    entries.seek(start);
    while let Some((key, value)) = entries.item() {
        if !visit(key, value) {
            break;
        }
        entries.next();
    }
    Ok(entries.status()?)
}

impl Engine for Rocks {
    fn get(&mut self, key: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        let Some(value) = self.db.get_pinned(key)? else { return Ok(false) };
        out.clear();
        out.extend_from_slice(&value);
        Ok(true)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.db.put_opt(key, value, &self.write)?)
    }

    fn delete(&mut self, key: &[u8]) -> Result<Option<bool>> {
        self.db.delete_opt(key, &self.write)?;
        Ok(None)
    }

    fn load(&mut self, records: &Chunk) -> Result<()> {
        let mut batch = WriteBatch::default();
        for (key, value) in records.iter() {
            batch.put(key, value);
        }
        Ok(self.db.write_opt(batch, &self.write)?)
    }

    fn walk(&mut self, start: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<()> {
        from(&mut self.db.raw_iterator(), start, visit)
    }

    fn list(
        &mut self,
        within: ListFrom<'_>,
        limit: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<usize> {
        let mut entries = self.db.raw_iterator_opt(Self::bounded(within.prefix));
        let mut seen = 0;
        from(&mut entries, within.prefix.max(within.after), &mut |key, value| {
            if key != within.after {
                visit(key, value);
                seen += 1;
            }
            seen < limit
        })?;
        Ok(seen)
    }

    fn list_dir(
        &mut self,
        within: ListFrom<'_>,
        limit: usize,
        visit: &mut dyn FnMut(&[u8]),
    ) -> Result<usize> {
        let mut entries = self.db.raw_iterator_opt(Self::bounded(within.prefix));
        walk::level(within, limit, visit, &mut |start, each| from(&mut entries, start, each))
    }

    fn apply(&mut self, changes: &[Change<'_>]) -> Result<()> {
        let mut batch = WriteBatch::default();
        for change in changes {
            match *change {
                Change::Put(key, value) => batch.put(key, value),
                Change::Delete(key) => batch.delete(key),
            }
        }
        Ok(self.db.write_opt(batch, &self.write)?)
    }

    fn checkpoint(&mut self) -> Result<()> {
        let mut wait = FlushOptions::default();
        wait.set_wait(true);
        self.db.flush_opt(&wait)?;
        self.quiet()
    }

    fn settle(&mut self) -> Result<()> {
        self.db.compact_range(None::<&[u8]>, None::<&[u8]>);
        self.quiet()
    }

    fn handle(&self) -> Option<Opener> {
        let (db, durable) = (self.db.clone(), self.durable);
        Some(Box::new(move || Ok(Box::new(Rocks::new(db, durable)))))
    }

    fn close(self: Box<Self>) -> Result<()> {
        drop(self.db);
        Ok(())
    }
}
