//! One engine in this process, doing the steps it is told to.
//!
//! Owns: the open engine, the clock around it. Never does: deciding what to measure or what a
//! figure means.
//! Invariant: while the clock runs nothing but the engine and a loop over a prepared chunk runs.

use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use crate::cli::Solo;
use crate::engine::{self, Engine, Kind, ListFrom, Setup};
use crate::limits::{CHUNK_RECORDS, LIST_ENTRIES, LOAD_BATCH_RECORDS, ROUND_LISTS, VERIFY_RECORDS};
use crate::measure::{Usage, allocated_bytes, cpu_nanos, page_cache_bytes};
use crate::protocol::{Answer, Ask, Outcome, Step};
use crate::runner::Scratch;
use crate::workload::{Chunk, ObjStore, Sequence, Workload, mix};
use crate::{Failure, Result};

/// How often a step says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Tells how far a step is.
type Tell<'a> = &'a mut dyn FnMut(u64, u64);

/// Runs a closure while the clocks of `outcome` run.
fn timed<R>(outcome: &mut Outcome, work: impl FnOnce() -> R) -> R {
    let (cpu, start) = (cpu_nanos(), Instant::now());
    let answer = work();
    outcome.nanos += start.elapsed().as_nanos() as u64;
    outcome.cpu_nanos += cpu_nanos().saturating_sub(cpu);
    answer
}

/// An engine and the records in it.
pub struct Session {
    kind: Kind,
    setup: Setup,
    engine: Option<Box<dyn Engine>>,
    workload: ObjStore,
    sequence: Sequence,
    loaded: u64,
    payload: u64,
    generation: u32,
}

impl Session {
    /// Of this engine, not open yet.
    pub fn new(kind: Kind, setup: Setup) -> Self {
        Self {
            kind,
            workload: ObjStore::new(setup.records, setup.seed),
            sequence: Sequence::new(setup.records, setup.seed, setup.order),
            setup,
            engine: None,
            loaded: 0,
            payload: 0,
            generation: 0,
        }
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
        let ops = self.setup.ops;
        let mut outcome = match step {
            Step::Open => self.open()?,
            Step::Load => self.load(cap, tell)?,
            Step::Checkpoint => self.checkpoint()?,
            Step::Warm => self.points(Point::Get, self.loaded.min(4 * ops), round, cap, tell)?,
            Step::Get => self.points(Point::Get, ops, round, cap, tell)?,
            Step::Miss => self.points(Point::Miss, ops, round, cap, tell)?,
            Step::Put => self.points(Point::Put, ops, round, cap, tell)?,
            Step::List => self.lists(round, cap, tell)?,
            Step::Reopen => self.reopen()?,
            Step::Verify => self.verify(round)?,
            Step::Check => self.check()?,
        };
        outcome.usage = Usage::now().since(usage);
        if self.kind.persistent {
            outcome.usage.disk = allocated_bytes(&self.setup.dir)?;
            outcome.usage.page_cache = page_cache_bytes(&self.setup.dir);
        }
        let now = self.engine()?.counters()?;
        outcome.counters = if step == Step::Reopen { now } else { now.since(counters) };
        outcome.payload = self.payload;
        Ok(outcome)
    }

    fn engine(&mut self) -> Result<&mut dyn Engine> {
        match &mut self.engine {
            Some(engine) => Ok(engine.as_mut()),
            None => Err("the store is not open".into()),
        }
    }

    fn open(&mut self) -> Result<Outcome> {
        let mut outcome = Outcome { ops: 1, asked: 1, ..Outcome::default() };
        self.engine = Some(timed(&mut outcome, || (self.kind.open)(&self.setup))?);
        Ok(outcome)
    }

    fn load(&mut self, cap: Option<Duration>, tell: Tell<'_>) -> Result<Outcome> {
        let total = self.setup.records;
        let mut outcome = Outcome { asked: total, ..Outcome::default() };
        let (mut chunk, mut clock) = (Chunk::default(), Pace::new(cap));
        while self.loaded < total && !clock.over(outcome.nanos) {
            chunk.clear();
            let end = total.min(self.loaded + LOAD_BATCH_RECORDS as u64);
            for position in self.loaded..end {
                let index = self.sequence.at(position);
                let workload = &self.workload;
                chunk.push(|out| workload.key(index, out), |out| workload.value(index, 0, out));
            }
            let engine = self.engine.as_deref_mut().ok_or("the store is not open")?;
            timed(&mut outcome, || engine.load(&chunk))?;
            self.loaded = end;
            self.payload += chunk.payload();
            clock.tell(tell, self.loaded, total);
        }
        outcome.ops = self.loaded;
        Ok(outcome)
    }

    fn checkpoint(&mut self) -> Result<Outcome> {
        let mut outcome = Outcome { ops: 1, asked: 1, ..Outcome::default() };
        let engine = self.engine()?;
        timed(&mut outcome, || engine.checkpoint())?;
        Ok(outcome)
    }

    fn reopen(&mut self) -> Result<Outcome> {
        if !self.kind.persistent {
            return Ok(Outcome::default());
        }
        let engine = self.engine.take().ok_or("the store is not open")?;
        engine.close()?;
        let outcome = self.open()?;
        Ok(outcome)
    }

    fn check(&mut self) -> Result<Outcome> {
        let mut outcome = Outcome { ops: 1, asked: 1, ..Outcome::default() };
        let engine = self.engine()?;
        outcome.damage = timed(&mut outcome, || engine.check())?;
        match outcome.damage {
            Some(damage) if damage > 0 => {
                Err(format!("{} finds {damage} damaged places", self.kind.name).into())
            }
            _ => Ok(outcome),
        }
    }

    /// A record that is loaded, by chance.
    fn pick(&self, kind: u64, round: u32, number: u64) -> u64 {
        let chance = mix(self.setup.seed ^ (kind << 48) ^ (u64::from(round) << 32), number);
        self.sequence.at(chance % self.loaded.max(1))
    }

    fn points(
        &mut self,
        point: Point,
        total: u64,
        round: u32,
        cap: Option<Duration>,
        tell: Tell<'_>,
    ) -> Result<Outcome> {
        if point == Point::Put {
            self.generation = self.generation.max(round + 1);
        }
        let mut outcome = Outcome { asked: total, ..Outcome::default() };
        let (mut chunk, mut clock) = (Chunk::default(), Pace::new(cap));
        while outcome.ops < total && !clock.over(outcome.nanos) {
            chunk.clear();
            for number in outcome.ops..total.min(outcome.ops + CHUNK_RECORDS as u64) {
                let index = self.pick(point as u64, round, number);
                let workload = &self.workload;
                chunk.push(
                    |out| match point {
                        Point::Miss => workload.absent_key(index, out),
                        _ => workload.key(index, out),
                    },
                    |out| {
                        if point == Point::Put {
                            workload.value(index, round + 1, out);
                        }
                    },
                );
            }
            let engine = self.engine.as_deref_mut().ok_or("the store is not open")?;
            timed(&mut outcome, || point.run(engine, &chunk))?;
            outcome.ops += chunk.len() as u64;
            clock.tell(tell, outcome.ops, total);
        }
        Ok(outcome)
    }

    fn lists(&mut self, round: u32, cap: Option<Duration>, tell: Tell<'_>) -> Result<Outcome> {
        let total = ROUND_LISTS.min(self.setup.ops);
        let mut outcome = Outcome { asked: total, ..Outcome::default() };
        let (mut chunk, mut clock) = (Chunk::default(), Pace::new(cap));
        let mut arena = Vec::new();
        while outcome.ops < total && !clock.over(outcome.nanos) {
            chunk.clear();
            for number in outcome.ops..total.min(outcome.ops + CHUNK_RECORDS as u64) {
                let index = self.pick(7, round, number);
                let workload = &self.workload;
                chunk.push(|out| workload.key(index, out), |_| {});
            }
            let (mut entries, workload) = (0, &self.workload);
            let engine = self.engine.as_deref_mut().ok_or("the store is not open")?;
            timed(&mut outcome, || -> Result<()> {
                for (key, _) in chunk.iter() {
                    // The keys of a directory come in no fixed place, so no answer repeats.
                    let from = ListFrom { prefix: &key[..workload.directory(key)], after: key };
                    arena.clear();
                    let listed = engine.list(from, LIST_ENTRIES, &mut |key, value| {
                        arena.extend_from_slice(key);
                        arena.extend_from_slice(value);
                    })?;
                    entries += listed as u64;
                }
                Ok(())
            })?;
            outcome.entries += entries;
            outcome.ops += chunk.len() as u64;
            clock.tell(tell, outcome.ops, total);
        }
        Ok(outcome)
    }

    /// Reads records back and compares them with what was written, in whichever round it was.
    fn verify(&mut self, round: u32) -> Result<Outcome> {
        let total = VERIFY_RECORDS.min(self.loaded);
        let (mut key, mut got, mut want) = (Vec::new(), Vec::new(), Vec::new());
        let mut outcome = Outcome { ops: total, asked: total, ..Outcome::default() };
        for number in 0..total {
            let index = self.pick(9, round, number);
            key.clear();
            self.workload.key(index, &mut key);
            let engine = self.engine.as_deref_mut().ok_or("the store is not open")?;
            let found = timed(&mut outcome, || engine.get(&key, &mut got))?;
            let whole = found
                && (0..=self.generation).any(|generation| {
                    want.clear();
                    self.workload.value(index, generation, &mut want);
                    want == got
                });
            if !whole {
                let key = String::from_utf8_lossy(&key);
                return Err(format!("{} lost or changed record {key}", self.kind.name).into());
            }
        }
        Ok(outcome)
    }
}

/// A kind of point operation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Point {
    Get = 1,
    Miss = 2,
    Put = 3,
}

impl Point {
    /// All of a chunk; checks what comes back as far as that costs next to nothing.
    fn run(self, engine: &mut dyn Engine, chunk: &Chunk) -> Result<()> {
        let mut out = Vec::with_capacity(128);
        match self {
            Self::Put => {
                for (key, value) in chunk.iter() {
                    engine.put(key, value)?;
                }
            }
            Self::Get | Self::Miss => {
                let (mut found, mut bytes) = (0, 0);
                for (key, _) in chunk.iter() {
                    if engine.get(key, &mut out)? {
                        found += 1;
                        bytes += out.len();
                    }
                }
                let wanted = if self == Self::Get { chunk.len() } else { 0 };
                if found != wanted || (bytes == 0) != (wanted == 0) {
                    return Err(Failure::from(format!("{found} found, {wanted} expected")));
                }
            }
        }
        Ok(())
    }
}

/// Keeps a step's cap and tells how far it is now and then.
struct Pace {
    cap: Option<u64>,
    told: Instant,
}

impl Pace {
    fn new(cap: Option<Duration>) -> Self {
        Self { cap: cap.map(|cap| cap.as_nanos() as u64), told: Instant::now() }
    }

    fn over(&self, nanos: u64) -> bool {
        self.cap.is_some_and(|cap| nanos > cap)
    }

    fn tell(&mut self, tell: Tell<'_>, done: u64, total: u64) {
        if self.told.elapsed() >= PROGRESS_EVERY {
            self.told = Instant::now();
            tell(done, total);
        }
    }
}

/// Answers a runner until it says to end or goes away.
pub fn serve() -> Result<()> {
    let mut session: Option<Session> = None;
    for line in std::io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?)? {
            Ask::End => break,
            Ask::Begin { engine, setup } => begin(&engine, setup, &mut session),
            Ask::Do { step, round, cap_seconds } => {
                let cap = cap_seconds.map(Duration::from_secs_f64);
                let mut tell = |done, total| say(&Answer::Progress { done, total });
                let session = session.as_mut().ok_or("the runner began nothing")?;
                session.run(step, round, cap, &mut tell).map(Answer::Done)
            }
        };
        let failed = answer.is_err();
        say(&answer.unwrap_or_else(|error| Answer::Failed { why: error.to_string() }));
        if failed {
            break;
        }
    }
    match session.and_then(|session| session.engine) {
        Some(engine) => engine.close(),
        None => Ok(()),
    }
}

fn begin(name: &str, setup: Setup, session: &mut Option<Session>) -> Result<Answer> {
    let kind = engine::kind(name)?;
    let settings = (kind.settings)(&setup);
    *session = Some(Session::new(kind, setup));
    Ok(Answer::Ready { settings })
}

fn say(answer: &Answer) {
    // A runner that went away needs no answer; the next read of standard input ends.
    if let Ok(line) = serde_json::to_string(answer) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }
}

/// Runs one engine in this process and prints what each step took.
pub fn solo(solo: &Solo) -> Result<()> {
    let kind = engine::kind(&solo.engine)?;
    let _scratch = Scratch::new(&solo.shape);
    let setup = crate::runner::setup(&solo.shape, kind.name)?;
    println!("{}", (kind.settings)(&setup));
    let mut steps = vec![Step::Open, Step::Load];
    for name in &solo.steps {
        let word = format!("\"{}\"", name.trim());
        steps.push(serde_json::from_str(&word).map_err(|_| format!("no step {name}"))?);
    }
    let mut session = Session::new(kind, setup);
    for step in steps {
        let rounded = matches!(step, Step::Get | Step::Miss | Step::Put | Step::List);
        for round in 0..if rounded { solo.shape.rounds } else { 1 } {
            let outcome = session.run(step, round, None, &mut |_, _| {})?;
            println!(
                "{step:?} {:.0} ns/op, {:.0} of them on a processor, {outcome:?}",
                outcome.nanos_per_op(),
                outcome.cpu_nanos_per_op()
            );
        }
    }
    match session.engine {
        Some(engine) => engine.close(),
        None => Ok(()),
    }
}
