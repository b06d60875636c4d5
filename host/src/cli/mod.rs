//! The command `holt`: arguments, commands, output, exit codes.
//!
//! Owns: everything a user of the command sees.
//! Never does: anything about the store but through [`holt_host::api::Store`].

mod args;
mod batch;
mod codecache;
mod commands;
mod disk;
mod failure;
mod jsonl;
mod keys;
mod limits;
mod open;
mod output;
mod progress;
mod statjson;
mod statrec;
mod walk;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use serde_json::json;

use args::{Arguments, EngineChoice};
use failure::Failure;
use keys::KeyFormat;
use output::{Out, say};

/// What every command gets.
pub struct Context {
    /// Standard output.
    pub out: Out,
    /// Whether to print JSON.
    pub json: bool,
    /// How keys are written.
    pub keys: KeyFormat,
    /// The directory of the store, if given.
    pub store: Option<PathBuf>,
    /// Which engine opens it.
    pub engine: EngineChoice,
    /// How long to wait for a store that is in use.
    pub wait: Duration,
    /// The tree, if it has a name.
    pub tree: Option<String>,
    /// Bytes of committed changes to keep.
    pub feed: u64,
}

/// Runs the command line and returns the code to exit with.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    // Needed before the arguments are understood, to report that they are not.
    let json = arguments.iter().skip(1).take_while(|a| *a != "--").any(|a| a == "--json");
    let mut out = Out::new();
    let result = match Arguments::try_parse_from(&arguments) {
        Ok(parsed) => {
            let mut context = Context {
                out,
                json: parsed.json,
                keys: parsed.key_format,
                store: parsed.store.filter(|dir| !dir.as_os_str().is_empty()),
                engine: parsed.engine,
                wait: Duration::from_secs(parsed.wait.into()),
                tree: parsed.tree,
                feed: parsed.feed,
            };
            let result = commands::run(&parsed.command, &mut context);
            out = context.out;
            result
        }
        Err(error) => args::explain(&error, &arguments, &mut out),
    };
    finish(result, out, json)
}

/// Prints what went wrong. A result that cannot be written out is a failure of its own.
fn finish(result: Result<(), Failure>, mut out: Out, json: bool) -> ExitCode {
    let failure = match (result, out.flush()) {
        (Err(failure), _) | (Ok(()), Err(failure)) => failure,
        (Ok(()), Ok(())) => return ExitCode::SUCCESS,
    };
    if matches!(failure, Failure::ClosedPipe) {
        return ExitCode::SUCCESS;
    }
    let code = failure.exit_code();
    if json && !failure.has_result() {
        let text = failure.to_string();
        let object = json!({"error": {"kind": failure.kind(), "exit": code, "message": text}});
        // Standard error still carries the message if this cannot be written.
        let _ = out.json(&object).and_then(|()| out.flush());
    }
    say(failure);
    ExitCode::from(code)
}
