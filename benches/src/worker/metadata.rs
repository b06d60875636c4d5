//! A mix of what file systems and object stores ask of their metadata.
//!
//! Of a hundred operations 40 are lookups of records that are there, 20 lists of up to eight
//! entries of a level, 15 creations, 10 deletions and 15 moves. Deleted and moved are records that
//! the mix has made, oldest first: a file is written under a passing name, given its own, and goes.

use std::collections::VecDeque;

use super::lists::push_level;
use super::records::Records;
use super::task::Task;
use crate::Result;
use crate::engine::{Engine, ListFrom};
use crate::limits::LEVEL_ENTRIES;
use crate::workload::Chunk;

/// One operation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Get,
    ListDir,
    Create,
    Delete,
    Rename,
}

impl Act {
    /// By chance, in the shares above.
    fn of(chance: u64) -> Self {
        match chance % 100 {
            0..40 => Self::Get,
            40..60 => Self::ListDir,
            60..75 => Self::Create,
            75..85 => Self::Delete,
            _ => Self::Rename,
        }
    }
}

/// The mix.
pub struct Metadata {
    round: u32,
    acts: Vec<Act>,
    /// Keys that the mix has made and not deleted, with the record whose directory they are in.
    made: VecDeque<(Vec<u8>, u64)>,
    out: Vec<u8>,
    wrong: usize,
    entries: u64,
}

impl Metadata {
    pub fn new(round: u32) -> Self {
        Self {
            round,
            acts: Vec::new(),
            made: VecDeque::new(),
            out: Vec::with_capacity(256),
            wrong: 0,
            entries: 0,
        }
    }

    fn sibling(&mut self, records: &Records, index: u64, number: u64) -> Vec<u8> {
        let mut key = Vec::with_capacity(96);
        records.workload.sibling(index, number, &mut key);
        self.made.push_back((key.clone(), index));
        key
    }
}

impl Task for Metadata {
    fn make(&mut self, records: &Records, number: u64, chunk: &mut Chunk) {
        if chunk.len() == 0 {
            self.acts.clear();
        }
        let mut act = Act::of(records.chance(12, self.round, number));
        if self.made.is_empty() && matches!(act, Act::Delete | Act::Rename) {
            act = Act::Create;
        }
        self.acts.push(act);
        let index = records.pick(6, self.round, number);
        let workload = &records.workload;
        match act {
            Act::Get => chunk.push(|out| workload.key(index, out), |_| {}),
            Act::ListDir => push_level(records, index, chunk),
            Act::Create => {
                let key = self.sibling(records, index, number);
                chunk.push(|out| out.extend(key), |out| workload.value(index, 0, out));
            }
            Act::Delete => {
                let (key, _) = self.made.pop_front().unwrap_or_default();
                chunk.push(|out| out.extend(key), |_| {});
            }
            Act::Rename => {
                let (old, index) = self.made.pop_front().unwrap_or_default();
                let new = self.sibling(records, index, number);
                chunk.push(|out| out.extend(old), |out| out.extend(new));
            }
        }
    }

    fn work(&mut self, engine: &mut dyn Engine, chunk: &Chunk) -> Result<()> {
        for (act, (first, second)) in self.acts.iter().zip(chunk.iter()) {
            match act {
                Act::Get => self.wrong += usize::from(!engine.get(first, &mut self.out)?),
                Act::ListDir => {
                    let from = ListFrom { prefix: first, after: second };
                    let mut bytes = 0;
                    let seen = engine.list_dir(from, LEVEL_ENTRIES, &mut |name| {
                        bytes += name.len();
                    })?;
                    std::hint::black_box(bytes);
                    self.entries += seen as u64;
                }
                Act::Create => engine.put(first, second)?,
                Act::Delete => self.wrong += usize::from(engine.delete(first)? == Some(false)),
                Act::Rename => engine.rename(first, second)?,
            }
        }
        Ok(())
    }

    fn check(&mut self, _: &Records, _: &Chunk) -> Result<u64> {
        match self.wrong {
            0 => Ok(std::mem::take(&mut self.entries)),
            wrong => Err(format!("{wrong} records were not there").into()),
        }
    }

    fn finish(&mut self, engine: &mut dyn Engine) -> Result<()> {
        for (key, _) in self.made.drain(..) {
            if !engine.get(&key, &mut self.out)? || engine.delete(&key)? == Some(false) {
                return Err("a record that was made or moved is gone".into());
            }
        }
        Ok(())
    }
}
