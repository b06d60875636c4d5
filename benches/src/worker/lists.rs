//! Lists of records and of levels.

use super::records::Records;
use super::task::Task;
use crate::Result;
use crate::engine::{Engine, ListFrom, Owned};
use crate::limits::{LEVEL_ENTRIES, LIST_ENTRIES};
use crate::workload::Chunk;

/// In which form a list is taken. The three are three cells, since they cost differently.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Lent, and looked at: lengths are added up.
    Visited,
    /// Copied into one buffer.
    Copied,
    /// Each key and value in memory of its own.
    Owned,
}

/// Lists of up to a hundred records after a random key of its directory.
pub struct Lists {
    form: Form,
    round: u32,
    bytes: Vec<u8>,
    owned: Vec<Owned>,
    seen: u64,
    wanted: u64,
    last: u64,
}

impl Lists {
    pub fn new(form: Form, round: u32) -> Self {
        Self { form, round, bytes: Vec::new(), owned: Vec::new(), seen: 0, wanted: 0, last: 0 }
    }

    fn one(&mut self, engine: &mut dyn Engine, from: ListFrom<'_>) -> Result<usize> {
        match self.form {
            Form::Visited => {
                let mut lengths = 0;
                let seen = engine.list(from, LIST_ENTRIES, &mut |key, value| {
                    lengths += key.len() + value.len();
                })?;
                std::hint::black_box(lengths);
                Ok(seen)
            }
            Form::Copied => {
                self.bytes.clear();
                let bytes = &mut self.bytes;
                engine.list(from, LIST_ENTRIES, &mut |key, value| {
                    bytes.extend_from_slice(key);
                    bytes.extend_from_slice(value);
                })
            }
            Form::Owned => {
                self.owned.clear();
                engine.list_owned(from, LIST_ENTRIES, &mut self.owned)
            }
        }
    }

    /// Compares the last list of a chunk, key by key and value by value.
    fn compare(&mut self, records: &Records) -> Result<()> {
        if self.form == Form::Owned {
            self.bytes.clear();
            for (key, value) in &self.owned {
                self.bytes.extend_from_slice(key);
                self.bytes.extend_from_slice(value);
            }
        }
        let mut rest = &self.bytes[..];
        for index in self.last + 1..=self.last + records.listed_after(self.last) {
            let key = records.key(index);
            let value = rest.strip_prefix(&key[..]);
            let length = records.value_len(index);
            match value {
                Some(value) if value.len() >= length && records.wrote(index, &value[..length]) => {
                    rest = &value[length..];
                }
                _ => {
                    let key = String::from_utf8_lossy(&key);
                    return Err(format!("a list leaves out or changes {key}").into());
                }
            }
        }
        if rest.is_empty() { Ok(()) } else { Err("a list has more than it should".into()) }
    }
}

impl Task for Lists {
    fn make(&mut self, records: &Records, number: u64, chunk: &mut Chunk) {
        // The keys of a directory come in no fixed place, so no answer repeats.
        let index = records.pick(7, self.round, number);
        self.last = index;
        if records.whole() {
            self.wanted += records.listed_after(index);
        }
        // Directory and key.
        let key = records.key(index);
        let directory = records.workload.directory(&key);
        chunk.push(
            |out| out.extend_from_slice(&key[..directory]),
            |out| out.extend_from_slice(&key),
        );
    }

    fn work(&mut self, engine: &mut dyn Engine, chunk: &Chunk) -> Result<()> {
        for (prefix, after) in chunk.iter() {
            self.seen += self.one(engine, ListFrom { prefix, after })? as u64;
        }
        Ok(())
    }

    fn check(&mut self, records: &Records, _: &Chunk) -> Result<u64> {
        let (seen, wanted) = (std::mem::take(&mut self.seen), std::mem::take(&mut self.wanted));
        if !records.whole() {
            return Ok(seen);
        }
        if seen != wanted {
            return Err(format!("lists have {seen} entries instead of {wanted}").into());
        }
        if self.form != Form::Visited {
            self.compare(records)?;
        }
        Ok(seen)
    }
}

/// Up to eight entries of the level above a random record's directory, after that directory.
pub struct Levels {
    round: u32,
    names: Vec<u8>,
    last: u64,
    seen: u64,
    last_seen: usize,
}

impl Levels {
    pub fn new(round: u32) -> Self {
        Self { round, names: Vec::new(), last: 0, seen: 0, last_seen: 0 }
    }
}

/// Adds a level and where to start in it.
pub fn push_level(records: &Records, index: u64, chunk: &mut Chunk) {
    let key = records.key(index);
    let level = records.workload.level(&key);
    let directory = records.workload.directory(&key);
    chunk.push(
        |out| out.extend_from_slice(&key[..level]),
        |out| out.extend_from_slice(&key[..directory]),
    );
}

impl Task for Levels {
    fn make(&mut self, records: &Records, number: u64, chunk: &mut Chunk) {
        self.last = records.pick(8, self.round, number);
        push_level(records, self.last, chunk);
    }

    fn work(&mut self, engine: &mut dyn Engine, chunk: &Chunk) -> Result<()> {
        for (prefix, after) in chunk.iter() {
            self.names.clear();
            let names = &mut self.names;
            let from = ListFrom { prefix, after };
            self.last_seen = engine.list_dir(from, LEVEL_ENTRIES, &mut |name| {
                names.extend_from_slice(name);
            })?;
            self.seen += self.last_seen as u64;
        }
        Ok(())
    }

    fn check(&mut self, records: &Records, _: &Chunk) -> Result<u64> {
        let seen = std::mem::take(&mut self.seen);
        if records.whole() {
            let wanted = records.level_after(self.last);
            if self.last_seen != wanted.len() || self.names != wanted.concat() {
                let key = String::from_utf8_lossy(&records.key(self.last)).into_owned();
                return Err(format!("the level after {key} is not what it should be").into());
            }
        }
        Ok(seen)
    }
}
