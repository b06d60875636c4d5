//! `holt load`: reads what `holt dump` writes.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Instant;

use indicatif::ProgressBar;
use serde_json::json;

use crate::cli::batch::Batch;
use crate::cli::commands::put::check_limits;
use crate::cli::failure::Failure;
use crate::cli::jsonl::{self, Next};
use crate::cli::limits::{LISTED_FAILURES, MAX_LINE_BYTES};
use crate::cli::open::{Access, open};
use crate::cli::output::{count_of, human_count, say, say_if_typed};
use crate::cli::{Context, progress};

const HELP: &str = "\
Examples:
  holt --store ./s load s.jsonl
  holt --store ./s load < s.jsonl                 no file or `-`: standard input
  holt --store ./s load --keep-going s.jsonl      skips lines that are no records
  echo '{\"key\":\"a\",\"value\":\"b\"}' | holt --store ./s load

Takes one object a line as `dump` writes them; empty lines are skipped. Records replace those
under the same key; nothing else is removed. Creates the store if there is none and says so.
Ends with a checkpoint.

A line that is no record stops the load: what came before it stays loaded (exit 3), or, if that
is nothing, the exit code is 2. With --keep-going such lines are counted, the first 20 listed,
and the exit code is 3.

JSON: {\"bad_lines\",\"created_store\",\"loaded\",\"seconds\",\"stopped_at_line\"}; stopped_at_line is
null unless a line stopped the load";

/// Read records that `dump` wrote
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// File to read; `-` or none: standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,

    /// Skip lines that are no records instead of stopping there
    #[arg(long)]
    keep_going: bool,
}

/// What became of the lines.
#[derive(Default)]
struct Outcome {
    loaded: u64,
    bad_lines: u64,
    stopped: Option<(u64, String)>,
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let mut input = open_input(arguments.file.as_deref())?;
    let mut opened = open(context, Access::Create)?;
    let started = Instant::now();
    let bar = progress::records("loaded");
    let outcome =
        load(input.as_mut(), Batch::new(opened.store.as_mut()), arguments.keep_going, &bar)?;
    bar.set_message("; checkpoint");
    opened.store.checkpoint()?;
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    if let (0, Some((line, why))) = (outcome.loaded, &outcome.stopped) {
        return Err(Failure::Usage(format!("line {line}: {why}; nothing was loaded, correct it")));
    }
    if context.json {
        context.out.json(&json!({
            "loaded": outcome.loaded,
            "bad_lines": outcome.bad_lines,
            "stopped_at_line": outcome.stopped.as_ref().map(|stopped| stopped.0),
            "created_store": opened.created,
            "seconds": seconds,
        }))?;
    } else {
        let rate = human_count((outcome.loaded as f64 / seconds.max(1e-9)) as u64);
        let loaded = count_of(outcome.loaded, "record");
        context.out.line(format!("{loaded} in {seconds:.2} s, {rate} records/s"))?;
    }
    match outcome.stopped {
        Some((line, why)) => Err(Failure::Partial(format!(
            "line {line}: {why}; {} before it loaded, correct it and load again",
            count_of(outcome.loaded, "record")
        ))),
        None if outcome.bad_lines > 0 => Err(Failure::Partial(format!(
            "skipped {} that could not be taken; correct and load again",
            count_of(outcome.bad_lines, "line")
        ))),
        None => Ok(()),
    }
}

fn open_input(file: Option<&Path>) -> Result<Box<dyn BufRead>, Failure> {
    match file {
        Some(path) if path.as_os_str() != "-" => {
            let file = File::open(path)
                .map_err(|error| Failure::io(format!("reading {}", path.display()), error))?;
            Ok(Box::new(BufReader::new(file)))
        }
        _ => {
            say_if_typed("records");
            Ok(Box::new(io::stdin().lock()))
        }
    }
}

fn load(
    input: &mut dyn BufRead,
    mut batch: Batch<'_>,
    keep_going: bool,
    bar: &ProgressBar,
) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::default();
    let mut buffer = Vec::new();
    let mut line = 0;
    loop {
        line += 1;
        let next = jsonl::next_line(input, &mut buffer)
            .map_err(|error| Failure::io("reading the records", error))?;
        let record = match next {
            Next::End => break,
            Next::TooLong => Err(format!("longer than {MAX_LINE_BYTES} bytes")),
            Next::Line if buffer.trim_ascii().is_empty() => continue,
            Next::Line => parse(&buffer),
        };
        match record {
            Ok((key, value)) => batch.put(key, value)?,
            Err(why) if keep_going => {
                outcome.bad_lines += 1;
                if outcome.bad_lines <= LISTED_FAILURES {
                    bar.suspend(|| say(format_args!("line {line}: {why}")));
                }
            }
            Err(why) => {
                outcome.bad_lines = 1;
                outcome.stopped = Some((line, why));
                break;
            }
        }
        bar.set_position(batch.written());
    }
    batch.flush()?;
    outcome.loaded = batch.written();
    Ok(outcome)
}

fn parse(line: &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
    let (key, value) = jsonl::parse(line)?;
    check_limits(&key, &value).map_err(|error| error.to_string())?;
    Ok((key, value))
}
