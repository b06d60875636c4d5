//! Operations on single records.

use super::records::Records;
use super::task::Task;
use crate::Result;
use crate::cli::Order;
use crate::engine::Engine;
use crate::limits::ZIPF_EXPONENT;
use crate::workload::{Chunk, Sequence, Zipf};

/// Which records are read.
pub enum Reads {
    /// Those that are there, uniformly.
    There,
    /// Those that are there, a few of them most often.
    Skewed(Zipf, Sequence),
    /// Those that are not.
    Absent,
}

impl Reads {
    /// By Zipf's law, the popular ones scattered over the keys.
    pub fn skewed(loaded: u64) -> Self {
        let scatter = Sequence::new(loaded, 0x21bf, Order::Random);
        Self::Skewed(Zipf::new(loaded.max(2), ZIPF_EXPONENT), scatter)
    }
}

/// Reads of single records.
pub struct Gets {
    reads: Reads,
    round: u32,
    out: Vec<u8>,
    found: usize,
    last: u64,
}

impl Gets {
    pub fn new(reads: Reads, round: u32) -> Self {
        Self { reads, round, out: Vec::with_capacity(256), found: 0, last: 0 }
    }
}

impl Task for Gets {
    fn make(&mut self, records: &Records, number: u64, chunk: &mut Chunk) {
        let index = match &self.reads {
            Reads::There => records.pick(1, self.round, number),
            Reads::Absent => records.pick(2, self.round, number),
            Reads::Skewed(zipf, scatter) => {
                let rank = zipf.rank(records.chance(11, self.round, number));
                records.sequence.at(scatter.at(rank % records.loaded.max(1)))
            }
        };
        self.last = index;
        let workload = &records.workload;
        match self.reads {
            Reads::Absent => chunk.push(|out| workload.absent_key(index, out), |_| {}),
            _ => chunk.push(|out| workload.key(index, out), |_| {}),
        }
    }

    fn work(&mut self, engine: &mut dyn Engine, chunk: &Chunk) -> Result<()> {
        self.found = 0;
        for (key, _) in chunk.iter() {
            self.found += usize::from(engine.get(key, &mut self.out)?);
        }
        Ok(())
    }

    fn check(&mut self, records: &Records, chunk: &Chunk) -> Result<u64> {
        let absent = matches!(self.reads, Reads::Absent);
        let wanted = if absent { 0 } else { chunk.len() };
        if self.found != wanted {
            return Err(format!("{} found, {wanted} expected", self.found).into());
        }
        if !absent && !records.wrote(self.last, &self.out) {
            return Err(format!("record {} came back changed", self.last).into());
        }
        Ok(self.found as u64)
    }
}

/// Overwrites with values of the same size.
pub struct Puts {
    round: u32,
    generation: u32,
}

impl Puts {
    pub fn new(round: u32, generation: u32) -> Self {
        Self { round, generation }
    }
}

impl Task for Puts {
    fn make(&mut self, records: &Records, number: u64, chunk: &mut Chunk) {
        records.push(records.pick(3, self.round, number), self.generation, chunk);
    }

    fn work(&mut self, engine: &mut dyn Engine, chunk: &Chunk) -> Result<()> {
        for (key, value) in chunk.iter() {
            engine.put(key, value)?;
        }
        Ok(())
    }
}

/// Reads and overwrites by turns.
pub struct Mixed {
    round: u32,
    generation: u32,
    out: Vec<u8>,
    found: usize,
    read: usize,
    last: u64,
}

impl Mixed {
    pub fn new(round: u32, generation: u32) -> Self {
        Self { round, generation, out: Vec::with_capacity(256), found: 0, read: 0, last: 0 }
    }
}

impl Task for Mixed {
    fn make(&mut self, records: &Records, number: u64, chunk: &mut Chunk) {
        let index = records.pick(4, self.round, number);
        if number % 2 == 1 {
            records.push(index, self.generation, chunk);
        } else {
            self.last = index;
            chunk.push(|out| records.workload.key(index, out), |_| {});
        }
    }

    fn work(&mut self, engine: &mut dyn Engine, chunk: &Chunk) -> Result<()> {
        (self.found, self.read) = (0, 0);
        for (key, value) in chunk.iter() {
            if value.is_empty() {
                self.read += 1;
                self.found += usize::from(engine.get(key, &mut self.out)?);
            } else {
                engine.put(key, value)?;
            }
        }
        Ok(())
    }

    fn check(&mut self, records: &Records, _: &Chunk) -> Result<u64> {
        if self.found != self.read || !records.wrote(self.last, &self.out) {
            return Err(format!("{} of {} found, or one changed", self.found, self.read).into());
        }
        Ok(self.found as u64)
    }
}

/// New records, deleted again: five hundred are made, then deleted in the same order.
pub struct CreateDelete {
    round: u32,
    missing: usize,
}

impl CreateDelete {
    pub fn new(round: u32) -> Self {
        Self { round, missing: 0 }
    }
}

impl Task for CreateDelete {
    fn make(&mut self, records: &Records, number: u64, chunk: &mut Chunk) {
        let index = records.pick(5, self.round, number);
        let workload = &records.workload;
        chunk.push(|out| workload.sibling(index, number, out), |out| workload.value(index, 0, out));
    }

    fn work(&mut self, engine: &mut dyn Engine, chunk: &Chunk) -> Result<()> {
        for (key, value) in chunk.iter() {
            engine.put(key, value)?;
        }
        for (key, _) in chunk.iter() {
            self.missing += usize::from(engine.delete(key)? == Some(false));
        }
        Ok(())
    }

    fn check(&mut self, _: &Records, _: &Chunk) -> Result<u64> {
        match self.missing {
            0 => Ok(0),
            missing => Err(format!("{missing} new records were not there to delete").into()),
        }
    }
}

/// Moves of single records to a new name in their directory: five hundred there, then back.
pub struct Renames {
    round: u32,
}

impl Renames {
    pub fn new(round: u32) -> Self {
        Self { round }
    }
}

impl Task for Renames {
    fn make(&mut self, records: &Records, number: u64, chunk: &mut Chunk) {
        let index = records.distinct(self.round, number);
        let workload = &records.workload;
        chunk.push(|out| workload.key(index, out), |out| workload.sibling(index, number, out));
    }

    fn work(&mut self, engine: &mut dyn Engine, chunk: &Chunk) -> Result<()> {
        for (old, new) in chunk.iter() {
            engine.rename(old, new)?;
        }
        for (old, new) in chunk.iter() {
            engine.rename(new, old)?;
        }
        Ok(())
    }

    fn weight(&self) -> u64 {
        2
    }
}
