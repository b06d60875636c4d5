//! One worker process: this program again, spoken to over its standard input and output.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::Result;
use crate::engine::Setup;
use crate::protocol::{Answer, Ask, Outcome, Step};

/// How long a worker may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A worker.
pub struct Child {
    process: std::process::Child,
    asks: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl Child {
    /// Starts a worker, in a memory cgroup if one is given; also returns its settings in words.
    pub fn start(cgroup: Option<&Path>, engine: &str, setup: &Setup) -> Result<(Self, String)> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let asks = process.stdin.take();
        let out = process.stdout.take().ok_or("the worker has no standard output")?;
        let (send, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(std::result::Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        let mut child = Self { process, asks, answers };
        if let Some(cgroup) = cgroup {
            std::fs::write(cgroup.join("cgroup.procs"), child.process.id().to_string())
                .map_err(|error| format!("cannot join {}: {error}", cgroup.display()))?;
        }
        child.ask(&Ask::Begin { engine: engine.into(), setup: setup.clone() })?;
        match child.answer(Instant::now() + START_LIMIT)? {
            Answer::Ready { settings } => Ok((child, settings)),
            other => Err(format!("the worker began with {other:?}").into()),
        }
    }

    /// Has it do one step.
    pub fn step(
        &mut self,
        step: Step,
        round: u32,
        cap_seconds: Option<f64>,
        limit_seconds: u64,
        tell: &mut dyn FnMut(u64, u64),
    ) -> Result<Outcome> {
        self.ask(&Ask::Do { step, round, cap_seconds })?;
        let until = Instant::now() + Duration::from_secs(limit_seconds);
        loop {
            match self.answer(until)? {
                Answer::Done(outcome) => return Ok(outcome),
                Answer::Progress { done, total } => tell(done, total),
                Answer::Failed { why } => return Err(why.into()),
                Answer::Ready { .. } => return Err("the worker answered out of turn".into()),
            }
        }
    }

    /// Has it close its store and end.
    pub fn end(mut self, limit_seconds: u64) -> Result<()> {
        self.ask(&Ask::End)?;
        self.asks = None;
        let until = Instant::now() + Duration::from_secs(limit_seconds);
        while Instant::now() < until {
            if let Some(status) = self.process.try_wait()? {
                return if status.success() {
                    Ok(())
                } else {
                    Err(format!("the worker ended with {status}").into())
                };
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err("the worker did not end in time".into())
    }

    fn ask(&mut self, ask: &Ask) -> Result<()> {
        let asks = self.asks.as_mut().ok_or("the worker has been told to end")?;
        writeln!(asks, "{}", serde_json::to_string(ask)?)?;
        Ok(asks.flush()?)
    }

    fn answer(&mut self, until: Instant) -> Result<Answer> {
        let left = until.saturating_duration_since(Instant::now());
        match self.answers.recv_timeout(left) {
            Ok(line) => Ok(serde_json::from_str(&line)?),
            Err(RecvTimeoutError::Timeout) => Err("took longer than --step-limit".into()),
            Err(RecvTimeoutError::Disconnected) => {
                Err(format!("its process ended: {}", self.process.wait()?).into())
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
