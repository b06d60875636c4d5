//! The peer redb, a copy-on-write B-tree.
//!
//! Set-up, as its author benches it: one table of byte keys and values, a cache of four times the
//! payload unless one is asked for, one read transaction and its table kept over all reads, loads
//! in transactions of a thousand records, `Durability::None` for single commits with an
//! `Immediate` one every ten thousand (`None` alone never frees a page, and a file that only
//! grows measures nothing). A weaker promise than ours: what came after the last `Immediate`
//! commit is lost when the process is killed.
//! Durable commits: `Immediate`, its default. A level is read by seeking past each roll-up, a
//! prefix renamed record by record in one transaction. Quiet means an empty `Immediate` commit;
//! settling is `compact`.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, TableDefinition};

use super::{Change, Engine, Kind, Opener, Setup};
use crate::Result;
use crate::workload::Chunk;

/// Commits that do not wait between two that free pages.
const UNSAVED_COMMITS: u64 = 10_000;

const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");

pub const KIND: Kind = Kind {
    name: "redb",
    home: "native",
    ours: false,
    persistent: true,
    open,
    settings: |setup| {
        let commits = if setup.durable { "Immediate" } else { "None, Immediate every 10000" };
        format!(
            "redb 4.5, Durability::{commits}, kept read transaction, loads of 1000 a transaction, \
             cache {} MiB",
            setup.cache() >> 20
        )
    },
};

type Reading = ReadOnlyTable<&'static [u8], &'static [u8]>;

struct Redb {
    database: Arc<Database>,
    reading: Option<Reading>,
    durable: bool,
    unsaved: Arc<AtomicU64>,
}

fn open(setup: &Setup) -> Result<Box<dyn Engine>> {
    fs::create_dir_all(&setup.dir)?;
    let mut builder = Database::builder();
    builder.set_cache_size(usize::try_from(setup.cache())?);
    let database = builder.create(setup.dir.join("bench.redb"))?;
    let write = database.begin_write()?;
    drop(write.open_table(RECORDS)?);
    write.commit()?;
    Ok(Box::new(Redb {
        database: Arc::new(database),
        reading: None,
        durable: setup.durable,
        unsaved: Arc::default(),
    }))
}

impl Redb {
    fn reader(&mut self) -> Result<&Reading> {
        match &mut self.reading {
            Some(reading) => Ok(reading),
            none => Ok(none.insert(self.database.begin_read()?.open_table(RECORDS)?)),
        }
    }

    /// Changes, as one commit.
    fn write<R>(
        &mut self,
        change: impl FnOnce(&mut redb::Table<'_, &'static [u8], &'static [u8]>) -> Result<R>,
    ) -> Result<R> {
        // A reader kept over writes would pin every page they replace.
        self.reading = None;
        let mut write = self.database.begin_write()?;
        let unsaved = self.unsaved.fetch_add(1, Ordering::Relaxed) + 1;
        if !self.durable && !unsaved.is_multiple_of(UNSAVED_COMMITS) {
            write.set_durability(Durability::None)?;
        }
        let mut table = write.open_table(RECORDS)?;
        let answer = change(&mut table)?;
        drop(table);
        write.commit()?;
        Ok(answer)
    }
}

impl Engine for Redb {
    fn get(&mut self, key: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        let Some(value) = self.reader()?.get(key)? else { return Ok(false) };
        out.clear();
        out.extend_from_slice(value.value());
        Ok(true)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.write(|table| {
            table.insert(key, value)?;
            Ok(())
        })
    }

    fn delete(&mut self, key: &[u8]) -> Result<Option<bool>> {
        self.write(|table| Ok(Some(table.remove(key)?.is_some())))
    }

    fn load(&mut self, records: &Chunk) -> Result<()> {
        self.write(|table| {
            for (key, value) in records.iter() {
                table.insert(key, value)?;
            }
            Ok(())
        })
    }

    fn walk(&mut self, start: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<()> {
        for entry in self.reader()?.range(start..)? {
            let (key, value) = entry?;
            if !visit(key.value(), value.value()) {
                break;
            }
        }
        Ok(())
    }

    fn apply(&mut self, changes: &[Change<'_>]) -> Result<()> {
        self.write(|table| {
            for change in changes {
                match *change {
                    Change::Put(key, value) => drop(table.insert(key, value)?),
                    Change::Delete(key) => drop(table.remove(key)?),
                }
            }
            Ok(())
        })
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<()> {
        self.write(|table| {
            let value = table.remove(from)?.map(|value| value.value().to_vec());
            let value = value.ok_or("a record to rename is not there")?;
            table.insert(to, &value[..])?;
            Ok(())
        })
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.reading = None;
        Ok(self.database.begin_write()?.commit()?)
    }

    fn settle(&mut self) -> Result<()> {
        self.reading = None;
        let database = Arc::get_mut(&mut self.database).ok_or("another thread has the store")?;
        while database.compact()? {}
        Ok(())
    }

    fn handle(&self) -> Option<Opener> {
        let (database, unsaved) = (self.database.clone(), self.unsaved.clone());
        let durable = self.durable;
        Some(Box::new(move || Ok(Box::new(Redb { database, reading: None, durable, unsaved }))))
    }

    fn close(mut self: Box<Self>) -> Result<()> {
        self.reading = None;
        drop(self.database);
        Ok(())
    }
}
