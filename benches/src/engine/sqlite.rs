//! SQLite, bundled, through `rusqlite`.
//!
//! Set-up, as an SQLite developer would for a key-value table: one `WITHOUT ROWID` table with
//! BLOB columns, WAL, `synchronous=OFF` (no wait for the device, in its checkpoints neither:
//! weaker than ours against loss of power), `locking_mode=EXCLUSIVE`, statements prepared once
//! and held, reads inside one read transaction, upserts by `ON CONFLICT DO UPDATE`, loads in
//! transactions of a thousand records, pages of 4 KiB (the default). With room: a cache of four
//! times the payload and `mmap_size` over the whole file. Under a limit: `cache_size` is the
//! limit and no mapping; what the page cache of the system holds comes on top, and only a memory
//! cgroup bounds that.
//! Durable commits: `synchronous=FULL`. A level is read by seeking past each roll-up with the held
//! statement of walks; a rename is an `UPDATE` of the key, a prefix is renamed by one `UPDATE` over
//! its range. One connection, since the lock is exclusive: no second thread.
//! Quiet means `wal_checkpoint(TRUNCATE)` with `synchronous=FULL`, so that its final state is as
//! durable as the others'.

use std::fs;

use rusqlite::{Connection, OptionalExtension, Statement};
use self_cell::self_cell;

use super::{Change, Engine, Kind, ListFrom, Setup};
use crate::Result;
use crate::workload::Chunk;

pub const KIND: Kind = Kind {
    name: "sqlite",
    home: "native",
    ours: false,
    persistent: true,
    open,
    settings: |setup| {
        let memory = match setup.cache_bytes {
            None => format!("cache {} MiB, mmap over the file", setup.cache() >> 20),
            Some(bytes) => format!(
                "cache {} MiB, no mmap; the page cache of the system is not limited without a cgroup",
                bytes >> 20
            ),
        };
        format!(
            "SQLite {} bundled, WITHOUT ROWID, WAL, synchronous=OFF (FULL for the final \
             checkpoint), EXCLUSIVE, held statements, upsert, loads of 1000 a transaction, {memory}",
            rusqlite::version()
        )
    },
};

struct Held<'a> {
    get: Statement<'a>,
    put: Statement<'a>,
    delete: Statement<'a>,
    list: Statement<'a>,
    walk: Statement<'a>,
    rename: Statement<'a>,
    rename_all: Statement<'a>,
}

self_cell!(
    struct Store {
        owner: Connection,
        #[not_covariant]
        dependent: Held,
    }
);

struct Sqlite {
    store: Store,
    reading: bool,
    /// The word of `synchronous` that commits run with.
    sync: &'static str,
}

fn open(setup: &Setup) -> Result<Box<dyn Engine>> {
    fs::create_dir_all(&setup.dir)?;
    let connection = Connection::open(setup.dir.join("bench.sqlite"))?;
    let cache_kib = setup.cache() >> 10;
    let mapped: i64 = if setup.cache_bytes.is_some() { 0 } else { 1 << 40 };
    let sync = if setup.durable { "FULL" } else { "OFF" };
    connection.execute_batch(&format!(
        "PRAGMA page_size=4096; PRAGMA journal_mode=WAL; PRAGMA synchronous={sync};
         PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-{cache_kib};
         PRAGMA mmap_size={mapped}; PRAGMA temp_store=MEMORY;
         CREATE TABLE IF NOT EXISTS records (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID;"
    ))?;
    let store = Store::try_new(connection, |connection| {
        Ok::<_, rusqlite::Error>(Held {
            get: connection.prepare("SELECT v FROM records WHERE k = ?1")?,
            put: connection.prepare(
                "INSERT INTO records (k, v) VALUES (?1, ?2)
                 ON CONFLICT (k) DO UPDATE SET v = excluded.v",
            )?,
            delete: connection.prepare("DELETE FROM records WHERE k = ?1")?,
            list: connection
                .prepare("SELECT k, v FROM records WHERE k > ?1 AND k >= ?2 ORDER BY k LIMIT ?3")?,
            walk: connection.prepare("SELECT k, v FROM records WHERE k >= ?1 ORDER BY k")?,
            rename: connection.prepare("UPDATE records SET k = ?2 WHERE k = ?1")?,
            rename_all: connection.prepare(
                "UPDATE records SET k = CAST(?2 || substr(k, ?3) AS BLOB)
                 WHERE k >= ?1 AND k < ?4",
            )?,
        })
    })?;
    Ok(Box::new(Sqlite { store, reading: false, sync }))
}

impl Sqlite {
    /// Begins or ends the transaction that reads share.
    fn read_mode(&mut self, reading: bool) -> Result<()> {
        if self.reading != reading {
            let word = if reading { "BEGIN" } else { "COMMIT" };
            self.store.borrow_owner().execute_batch(word)?;
            self.reading = reading;
        }
        Ok(())
    }
}

impl Engine for Sqlite {
    fn get(&mut self, key: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        self.read_mode(true)?;
        let found = self.store.with_dependent_mut(|_, held| {
            held.get
                .query_row([key], |row| {
                    out.clear();
                    out.extend_from_slice(row.get_ref(0)?.as_blob()?);
                    Ok(())
                })
                .optional()
        })?;
        Ok(found.is_some())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.read_mode(false)?;
        self.store.with_dependent_mut(|_, held| held.put.execute([key, value]))?;
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<Option<bool>> {
        self.read_mode(false)?;
        Ok(Some(self.store.with_dependent_mut(|_, held| held.delete.execute([key]))? > 0))
    }

    fn walk(&mut self, start: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<()> {
        self.read_mode(true)?;
        self.store.with_dependent_mut(|_, held| {
            let mut rows = held.walk.query([start])?;
            while let Some(row) = rows.next()? {
                if !visit(row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?) {
                    break;
                }
            }
            Ok(())
        })
    }

    fn apply(&mut self, changes: &[Change<'_>]) -> Result<()> {
        self.read_mode(false)?;
        self.store.borrow_owner().execute_batch("BEGIN IMMEDIATE")?;
        self.store.with_dependent_mut(|_, held| {
            for change in changes {
                match *change {
                    Change::Put(key, value) => held.put.execute([key, value])?,
                    Change::Delete(key) => held.delete.execute([key])?,
                };
            }
            Ok::<_, rusqlite::Error>(())
        })?;
        Ok(self.store.borrow_owner().execute_batch("COMMIT")?)
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<()> {
        self.read_mode(false)?;
        match self.store.with_dependent_mut(|_, held| held.rename.execute([from, to]))? {
            1 => Ok(()),
            _ => Err("a record to rename is not there".into()),
        }
    }

    fn rename_prefix(&mut self, from: &[u8], to: &[u8]) -> Result<u64> {
        self.read_mode(false)?;
        let bounds = (from, to, from.len() as i64 + 1, super::walk::past(from));
        Ok(self.store.with_dependent_mut(|_, held| held.rename_all.execute(bounds))? as u64)
    }

    fn load(&mut self, records: &Chunk) -> Result<()> {
        self.read_mode(false)?;
        self.store.borrow_owner().execute_batch("BEGIN IMMEDIATE")?;
        for (key, value) in records.iter() {
            self.store.with_dependent_mut(|_, held| held.put.execute([key, value]))?;
        }
        Ok(self.store.borrow_owner().execute_batch("COMMIT")?)
    }

    fn list(
        &mut self,
        from: ListFrom<'_>,
        limit: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<usize> {
        self.read_mode(true)?;
        let mut seen = 0;
        self.store.with_dependent_mut(|_, held| {
            let mut rows = held.list.query((from.after, from.prefix, limit as i64))?;
            while let Some(row) = rows.next()? {
                let key = row.get_ref(0)?.as_blob()?;
                if !key.starts_with(from.prefix) {
                    break;
                }
                visit(key, row.get_ref(1)?.as_blob()?);
                seen += 1;
            }
            Ok::<_, rusqlite::Error>(())
        })?;
        Ok(seen)
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.read_mode(false)?;
        let connection = self.store.borrow_owner();
        connection.execute_batch("PRAGMA synchronous=FULL")?;
        let busy: i64 =
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy != 0 {
            return Err("SQLite could not finish its checkpoint".into());
        }
        Ok(connection.execute_batch(&format!("PRAGMA synchronous={}", self.sync))?)
    }

    fn close(mut self: Box<Self>) -> Result<()> {
        self.read_mode(false)?;
        // Statements first, then the connection; an error of the latter is worth knowing.
        self.store.into_owner().close().map_err(|(_, error)| error.into())
    }
}
