//! One engine in this process, doing the steps it is told to.
//!
//! Owns: the open engine, the clock around it. Never does: deciding what to measure or what a
//! figure means.
//! Invariant: while the clock runs nothing but the engine and a loop over a prepared chunk runs.

mod cold;
mod lists;
mod metadata;
mod moves;
mod points;
mod records;
mod serve;
mod task;
mod threads;

use std::time::{Duration, Instant};

use crate::Result;
use crate::engine::{Engine, Kind, Setup};
use crate::limits::{
    CHUNK_RECORDS, LARGE_DIRECTORY, LARGE_MOVES, LOAD_BATCH_RECORDS, RETURN_READS, RETURN_ROUND,
    ROUND_LISTS, SMALL_DIRECTORY, SMALL_MOVES, VERIFY_RECORDS,
};
use crate::measure::{Usage, allocated_bytes, cpu_nanos, page_cache_bytes};
use crate::protocol::{Outcome, Step};
use crate::workload::Chunk;
use lists::{Form, Levels, Lists};
use metadata::Metadata;
use points::{CreateDelete, Gets, Mixed, Puts, Reads, Renames};
use records::Records;
pub use serve::{serve, solo};
use task::{Pace, Task, Tell};

/// Runs a closure while the clocks of `outcome` run.
fn timed<R>(outcome: &mut Outcome, work: impl FnOnce() -> R) -> R {
    let (cpu, start) = (cpu_nanos(), Instant::now());
    let answer = work();
    outcome.nanos += start.elapsed().as_nanos() as u64;
    outcome.cpu_nanos += cpu_nanos().saturating_sub(cpu);
    answer
}

/// An outcome of one operation that has still to be done.
fn single() -> Outcome {
    Outcome { ops: 1, asked: 1, ..Outcome::default() }
}

/// An engine and the records in it.
pub struct Session {
    kind: Kind,
    setup: Setup,
    engine: Option<Box<dyn Engine>>,
    records: Records,
    empty_rss: u64,
}

impl Session {
    /// Of this engine, not open yet.
    pub fn new(kind: Kind, setup: Setup) -> Result<Self> {
        let records = Records::new(&setup)?;
        Ok(Self { kind, records, setup, engine: None, empty_rss: Usage::now().peak_rss })
    }

    /// Does one step and measures it.
    pub fn run(
        &mut self,
        step: Step,
        round: u32,
        cap: Option<Duration>,
        tell: Tell<'_>,
    ) -> Result<Outcome> {
        let usage = Usage::now();
        let counters = self.engine.as_deref().map_or(Ok(Default::default()), |e| e.counters())?;
        let mut outcome = match step {
            Step::Open => self.open()?,
            Step::Load => self.load(cap, tell)?,
            Step::Checkpoint => self.checkpoint()?,
            Step::Settle => self.settle()?,
            Step::Overwrite => self.overwrite(round)?,
            Step::ColdGet => self.cold_gets(round, cap, tell)?,
            Step::ColdScan => self.cold_scan()?,
            Step::MoveSmall => self.moves(SMALL_DIRECTORY, SMALL_MOVES, round, cap)?,
            Step::MoveLarge => self.moves(LARGE_DIRECTORY, LARGE_MOVES, round, cap)?,
            Step::GetAlone => self.threads(1, false, round)?,
            Step::GetTwo => self.threads(2, false, round)?,
            Step::PutAlone => self.threads(1, true, round)?,
            Step::PutTwo => self.threads(2, true, round)?,
            Step::Durable => self.durable()?,
            Step::DurableMany => self.durable_many()?,
            Step::Reopen => self.reopen()?,
            Step::Verify => self.verify(round)?,
            Step::Check => self.check()?,
            Step::Chase | Step::ChaseTwo => return Err("no engine follows pointers".into()),
            rounded => {
                self.come_back(round)?;
                self.rounded(rounded, round, cap, tell)?
            }
        };
        outcome.usage = Usage::now().since(usage);
        if self.kind.persistent {
            outcome.usage.disk = allocated_bytes(&self.setup.dir)?;
            if step == Step::Checkpoint {
                outcome.usage.page_cache = page_cache_bytes(&self.setup.dir);
            }
        }
        let now = self.engine()?.counters()?;
        outcome.counters = if step == Step::Reopen { now } else { now.since(counters) };
        outcome.payload = self.records.payload;
        outcome.empty_rss = self.empty_rss;
        Ok(outcome)
    }

    /// Reads, untimed, what the rounds of other engines have pushed out of the processor's caches.
    fn come_back(&mut self, round: u32) -> Result<()> {
        let mut reads = Gets::new(Reads::There, round + RETURN_ROUND);
        let total = self.records.loaded.min(RETURN_READS);
        self.chunks(&mut reads, total, None, &mut |_, _| {}).map(drop)
    }

    /// A step of many equal operations.
    fn rounded(
        &mut self,
        step: Step,
        round: u32,
        cap: Option<Duration>,
        tell: Tell<'_>,
    ) -> Result<Outcome> {
        let ops = self.setup.ops;
        let lists = ROUND_LISTS.min(ops);
        let records = &mut self.records;
        let (mut task, total): (Box<dyn Task>, u64) = match step {
            Step::Warm => (Box::new(Gets::new(Reads::There, round)), records.loaded.min(4 * ops)),
            Step::Get => (Box::new(Gets::new(Reads::There, round)), ops),
            Step::Zipf => (Box::new(Gets::new(Reads::skewed(records.loaded), round)), ops),
            Step::Miss => (Box::new(Gets::new(Reads::Absent, round)), ops),
            Step::Put => (Box::new(Puts::new(round, records.next_generation())), ops),
            Step::Mixed => (Box::new(Mixed::new(round, records.next_generation())), ops),
            Step::CreateDelete => (Box::new(CreateDelete::new(round)), ops / 2),
            Step::Rename => (Box::new(Renames::new(round)), (ops / 4).min(records.loaded)),
            Step::Visit => (Box::new(Lists::new(Form::Visited, round)), lists),
            Step::List => (Box::new(Lists::new(Form::Copied, round)), lists),
            Step::ListOwned => (Box::new(Lists::new(Form::Owned, round)), lists),
            Step::ListDir => (Box::new(Levels::new(round)), lists),
            Step::Metadata => (Box::new(Metadata::new(round)), ops / 4),
            other => return Err(format!("{other:?} has no rounds").into()),
        };
        let levels = matches!(step, Step::ListDir | Step::Metadata);
        if levels && !records.workload.has_directories() {
            return Ok(Outcome::default());
        }
        self.chunks(task.as_mut(), total.max(1), cap, tell)
    }

    /// Makes chunks and has a task work on each.
    fn chunks(
        &mut self,
        task: &mut dyn Task,
        total: u64,
        cap: Option<Duration>,
        tell: Tell<'_>,
    ) -> Result<Outcome> {
        let weight = task.weight();
        let mut outcome = Outcome { asked: total * weight, ..Outcome::default() };
        let (mut chunk, mut clock, mut done) = (Chunk::default(), Pace::new(cap), 0);
        let engine = self.engine.as_deref_mut().ok_or("the store is not open")?;
        while done < total && !clock.over(outcome.nanos) {
            chunk.clear();
            let end = total.min(done + CHUNK_RECORDS as u64);
            for number in done..end {
                task.make(&self.records, number, &mut chunk);
            }
            timed(&mut outcome, || task.work(engine, &chunk))?;
            outcome.entries += task.check(&self.records, &chunk)?;
            done = end;
            clock.tell(tell, done, total);
        }
        task.finish(engine)?;
        outcome.ops = done * weight;
        Ok(outcome)
    }

    fn engine(&mut self) -> Result<&mut dyn Engine> {
        match &mut self.engine {
            Some(engine) => Ok(engine.as_mut()),
            None => Err("the store is not open".into()),
        }
    }

    fn open(&mut self) -> Result<Outcome> {
        let mut outcome = single();
        self.engine = Some(timed(&mut outcome, || (self.kind.open)(&self.setup))?);
        Ok(outcome)
    }

    fn load(&mut self, cap: Option<Duration>, tell: Tell<'_>) -> Result<Outcome> {
        let total = self.setup.records;
        let mut outcome = Outcome { asked: total, ..Outcome::default() };
        let (mut chunk, mut clock) = (Chunk::default(), Pace::new(cap));
        let engine = self.engine.as_deref_mut().ok_or("the store is not open")?;
        while self.records.loaded < total && !clock.over(outcome.nanos) {
            chunk.clear();
            let end = total.min(self.records.loaded + LOAD_BATCH_RECORDS as u64);
            for position in self.records.loaded..end {
                self.records.push(self.records.sequence.at(position), 0, &mut chunk);
            }
            timed(&mut outcome, || engine.load(&chunk))?;
            self.records.loaded = end;
            self.records.payload += chunk.payload();
            clock.tell(tell, end, total);
        }
        outcome.ops = self.records.loaded;
        Ok(outcome)
    }

    fn checkpoint(&mut self) -> Result<Outcome> {
        let mut outcome = single();
        let engine = self.engine()?;
        timed(&mut outcome, || engine.checkpoint())?;
        Ok(outcome)
    }

    fn settle(&mut self) -> Result<Outcome> {
        let mut outcome = single();
        let engine = self.engine()?;
        timed(&mut outcome, || engine.settle())?;
        Ok(outcome)
    }

    fn reopen(&mut self) -> Result<Outcome> {
        if !self.kind.persistent {
            return Ok(Outcome::default());
        }
        let engine = self.engine.take().ok_or("the store is not open")?;
        engine.close()?;
        self.open()
    }

    fn check(&mut self) -> Result<Outcome> {
        let mut outcome = single();
        let engine = self.engine()?;
        outcome.damage = timed(&mut outcome, || engine.check())?;
        match outcome.damage {
            Some(damage) if damage > 0 => {
                Err(format!("{} finds {damage} damaged places", self.kind.name).into())
            }
            _ => Ok(outcome),
        }
    }

    /// Reads records back and compares them with what was written, in whichever round it was.
    fn verify(&mut self, round: u32) -> Result<Outcome> {
        let total = VERIFY_RECORDS.min(self.records.loaded);
        let (mut key, mut got) = (Vec::new(), Vec::new());
        let mut outcome = Outcome { ops: total, asked: total, ..Outcome::default() };
        let engine = self.engine.as_deref_mut().ok_or("the store is not open")?;
        for number in 0..total {
            let index = self.records.pick(9, round, number);
            key.clear();
            self.records.workload.key(index, &mut key);
            let found = timed(&mut outcome, || engine.get(&key, &mut got))?;
            if !found || !self.records.wrote(index, &got) {
                let key = String::from_utf8_lossy(&key);
                return Err(format!("{} lost or changed record {key}", self.kind.name).into());
            }
        }
        Ok(outcome)
    }
}
