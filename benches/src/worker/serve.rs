//! A session driven from outside: by a runner over pipes, or by the command line.

use std::io::{BufRead, Write};
use std::time::Duration;

use super::Session;
use crate::Result;
use crate::cli::Solo;
use crate::engine::{self, Setup};
use crate::protocol::{Answer, Ask, Step};
use crate::runner::{Scratch, has_rounds};

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
    *session = Some(Session::new(kind, setup)?);
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
    let scratch = Scratch::new(&solo.shape)?;
    let setup = scratch.setup(&solo.shape, kind.name)?;
    println!("{}", (kind.settings)(&setup));
    let mut steps = vec![Step::Open, Step::Load];
    steps.extend(solo.steps.iter().copied());
    let mut session = Session::new(kind, setup)?;
    for step in steps {
        for round in 0..if has_rounds(step) { solo.shape.rounds } else { 1 } {
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
