//! Several threads on one store, and commits that wait for the device.

use std::sync::Barrier;
use std::time::Instant;

use super::Session;
use super::records::Records;
use crate::Result;
use crate::engine::{Engine, Opener, Setup};
use crate::limits::{DURABLE_EACH, DURABLE_PUTS, DURABLE_WRITERS, THREAD_OPS};
use crate::measure::cpu_nanos;
use crate::protocol::Outcome;
use crate::workload::Chunk;

/// What one thread does.
struct Part {
    opener: Opener,
    chunk: Chunk,
}

/// The first handle on a store, or none.
fn handles(engine: &dyn Engine, threads: u64) -> Option<Vec<Opener>> {
    (0..threads).map(|_| engine.handle()).collect()
}

/// Does all of a chunk: writes what has a value, reads what has none.
fn all(engine: &mut dyn Engine, chunk: &Chunk) -> Result<()> {
    let mut out = Vec::with_capacity(256);
    for (key, value) in chunk.iter() {
        if !value.is_empty() {
            engine.put(key, value)?;
        } else if !engine.get(key, &mut out)? {
            return Err("a thread does not find a record".into());
        }
    }
    Ok(())
}

/// Runs the parts beside each other, from when all are ready until the last is done.
fn beside(parts: Vec<Part>) -> Result<Outcome> {
    let ops = parts.iter().map(|part| part.chunk.len() as u64).sum();
    let mut outcome = Outcome { ops, asked: ops, ..Outcome::default() };
    let barrier = &Barrier::new(parts.len());
    let cpu = cpu_nanos();
    // Each thread reads the clock itself: on a busy machine this one may be woken after they end.
    let spans = std::thread::scope(|scope| {
        let running: Vec<_> = parts
            .into_iter()
            .map(|part| {
                scope.spawn(move || -> Result<(Instant, Instant)> {
                    let engine = (part.opener)();
                    barrier.wait();
                    let mut engine = engine?;
                    let start = Instant::now();
                    all(engine.as_mut(), &part.chunk)?;
                    Ok((start, Instant::now()))
                })
            })
            .collect();
        let ended = running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        ended.collect::<Result<Vec<_>>>()
    })?;
    let start = spans.iter().map(|span| span.0).min();
    let end = spans.iter().map(|span| span.1).max();
    if let (Some(start), Some(end)) = (start, end) {
        outcome.nanos = (end - start).as_nanos() as u64;
    }
    outcome.cpu_nanos = cpu_nanos().saturating_sub(cpu);
    Ok(outcome)
}

/// Records of one part of the keys, by chance.
fn part(records: &Records, part: (u64, u64), round: u32, ops: u64, puts: Option<u32>) -> Chunk {
    let mut chunk = Chunk::default();
    let (number, parts) = part;
    let size = (records.loaded / parts).max(1);
    for at in 0..ops {
        let chance = records.chance(13 + number, round, at);
        let index = number * size + chance % size;
        match puts {
            Some(generation) => records.push(index, generation, &mut chunk),
            None => chunk.push(|out| records.workload.key(index, out), |_| {}),
        }
    }
    chunk
}

impl Session {
    /// So many threads, each in its own half of the keys.
    pub(super) fn threads(&mut self, threads: u64, puts: bool, round: u32) -> Result<Outcome> {
        let whole = self.records.whole();
        let engine = self.engine.as_deref_mut().ok_or("the store is not open")?;
        let Some(handles) = handles(engine, threads).filter(|_| whole) else {
            return Ok(Outcome::default());
        };
        let generation = puts.then(|| self.records.next_generation());
        let ops = self.setup.ops.min(THREAD_OPS);
        let parts = handles.into_iter().zip(0..).map(|(opener, number)| Part {
            opener,
            chunk: part(&self.records, (number, 2), round, ops, generation),
        });
        beside(parts.collect())
    }

    /// One writer that waits for each commit.
    pub(super) fn durable(&mut self) -> Result<Outcome> {
        self.durably(|engine, records| {
            let chunk = part(records, (0, 1), 0, DURABLE_PUTS, Some(0));
            let mut outcome =
                Outcome { ops: DURABLE_PUTS, asked: DURABLE_PUTS, ..Outcome::default() };
            super::timed(&mut outcome, || all(engine, &chunk))?;
            Ok(outcome)
        })
    }

    /// Sixteen writers that each wait for their commits.
    pub(super) fn durable_many(&mut self) -> Result<Outcome> {
        self.durably(|engine, records| {
            let Some(handles) = handles(engine, DURABLE_WRITERS) else {
                return Ok(Outcome::default());
            };
            let parts = handles.into_iter().zip(0..).map(|(opener, number)| Part {
                opener,
                chunk: part(records, (number, DURABLE_WRITERS), 0, DURABLE_EACH, Some(0)),
            });
            beside(parts.collect())
        })
    }

    /// Runs something on a small store of its own, whose commits wait for the device.
    fn durably(
        &mut self,
        run: impl FnOnce(&mut dyn Engine, &Records) -> Result<Outcome>,
    ) -> Result<Outcome> {
        if !self.kind.persistent {
            return Ok(Outcome::default());
        }
        let dir = self.setup.dir.with_extension("durable");
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        std::fs::create_dir_all(&dir)?;
        let setup = Setup { dir: dir.clone(), durable: true, payload: 0, ..self.setup.clone() };
        let mut engine = (self.kind.open)(&setup)?;
        let outcome = run(engine.as_mut(), &self.records)?;
        engine.close()?;
        std::fs::remove_dir_all(&dir)?;
        Ok(outcome)
    }
}
