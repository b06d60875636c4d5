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
//! Quiet means `wal_checkpoint(TRUNCATE)` with `synchronous=FULL`, so that its final state is as
//! durable as the others'.

use std::fs;

use rusqlite::{Connection, OptionalExtension, Statement};
use self_cell::self_cell;

use super::{Engine, Kind, ListFrom, Setup};
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
}

fn open(setup: &Setup) -> Result<Box<dyn Engine>> {
    fs::create_dir_all(&setup.dir)?;
    let connection = Connection::open(setup.dir.join("bench.sqlite"))?;
    let cache_kib = setup.cache() >> 10;
    let mapped: i64 = if setup.cache_bytes.is_some() { 0 } else { 1 << 40 };
    connection.execute_batch(&format!(
        "PRAGMA page_size=4096; PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;
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
        })
    })?;
    Ok(Box::new(Sqlite { store, reading: false }))
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

    fn delete(&mut self, key: &[u8]) -> Result<bool> {
        self.read_mode(false)?;
        Ok(self.store.with_dependent_mut(|_, held| held.delete.execute([key]))? > 0)
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
        Ok(connection.execute_batch("PRAGMA synchronous=OFF")?)
    }

    fn close(mut self: Box<Self>) -> Result<()> {
        self.read_mode(false)?;
        // Statements first, then the connection; an error of the latter is worth knowing.
        self.store.into_owner().close().map_err(|(_, error)| error.into())
    }
}
