//! Runs a script in a home and in the model side by side and tells where they part.
//!
//! Owns: the comparison, versions included, full dumps, shrinking a failure and writing it to a
//! file. Never does: set up a home. Invariant: a panic in the home is a difference, not the end
//! of the suite.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use crate::home::Home;
use crate::model::{Entry, Model, Outcome, VersionOracle};
use crate::report::Tally;
use crate::script::{Bytes, Op, Scan, Script, show};

/// Entries and bytes of one page of a dump.
const DUMP_ENTRIES: usize = 1000;
const DUMP_BYTES: usize = 1 << 20;

/// Keys and values, in order.
pub type Dump = Vec<(Vec<u8>, Vec<u8>)>;

/// What a finished run leaves behind.
pub struct Run {
    /// Counters of the home, summed over its openings.
    pub tally: Tally,
    /// Its contents at the end.
    pub dump: Dump,
}

/// Where a home and the model part.
#[derive(Debug)]
pub struct Difference {
    /// Number of the operation.
    pub at: usize,
    /// What was asked, expected and answered.
    pub what: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "operation {}: {}", self.at, self.what)
    }
}

/// Runs `script` in an empty `home`; at the end the store is verified, dumped, reopened and
/// dumped again.
pub fn run(home: &mut dyn Home, script: &Script) -> Result<Run, Difference> {
    let mut model = Model::default();
    let mut versions = VersionOracle::default();
    let mut tally = Tally::default();
    for (at, op) in script.ops.iter().enumerate() {
        step(home, &mut model, &mut versions, &mut tally, op)
            .map_err(|what| Difference { at, what: format!("{}: {what}", brief(op)) })?;
    }
    let at = script.ops.len();
    let closing = |what: String| Difference { at, what };
    let mut end = |op: &Op| step(home, &mut model, &mut versions, &mut tally, op).map_err(closing);
    end(&Op::Verify)?;
    end(&Op::Reopen)?;
    end(&Op::Verify)?;
    let dump = dump(home).map_err(closing)?;
    same_dump(&model, &dump).map_err(closing)?;
    if let Some(stats) = home.stats() {
        tally.add(&stats);
    }
    tally.operations += script.ops.len() as u64;
    tally.scripts += 1;
    Ok(Run { tally, dump })
}

fn step(
    home: &mut dyn Home,
    model: &mut Model,
    versions: &mut VersionOracle,
    tally: &mut Tally,
    op: &Op,
) -> Result<(), String> {
    if matches!(op, Op::Reopen) {
        if let Some(stats) = home.stats() {
            tally.add(&stats);
        }
        tally.reopens += 1;
        return guarded(|| home.reopen())?;
    }
    let expected = model.run(op);
    let answered = guarded(|| home.run(op))?;
    note_versions(model, versions, op, &answered)?;
    let answered = answered.without_versions();
    match answered == expected {
        true => Ok(()),
        false => {
            Err(format!("expected {expected:?}, got {answered:?}{}", parting(&expected, &answered)))
        }
    }
}

/// Where two pages part first.
fn parting(expected: &Outcome, answered: &Outcome) -> String {
    let (Outcome::Page(expected, _), Outcome::Page(answered, _)) = (expected, answered) else {
        return String::new();
    };
    match expected.iter().zip(answered).position(|(one, other)| one != other) {
        Some(at) => format!("; entry {at}: {:?} against {:?}", expected[at], answered[at]),
        None => String::new(),
    }
}

/// Runs `call`; a panic becomes an error with its message.
fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        format!("panicked: {}", text.unwrap_or("no message"))
    })
}

fn note_versions(
    model: &Model,
    versions: &mut VersionOracle,
    op: &Op,
    answered: &Outcome,
) -> Result<(), String> {
    let mut note = |key: &[u8], version: Option<u64>| match (model.write_of(key), version) {
        (Some(write), Some(version)) => {
            versions.observe(write, version).map_err(|why| format!("{}: {why}", show(key)))
        }
        _ => Ok(()),
    };
    match (op, answered) {
        (Op::Get { key }, Outcome::Record(Some((_, version)))) => note(&key.0, *version),
        (Op::Scan(_), Outcome::Page(entries, _)) => {
            entries.iter().try_for_each(|entry| match entry {
                Entry::Key { key, version, .. } => note(key, *version),
                Entry::Prefix(_) => Ok(()),
            })
        }
        _ => Ok(()),
    }
}

/// Everything in a home, by pages.
pub fn dump(home: &mut dyn Home) -> Result<Dump, String> {
    let mut all = Dump::new();
    let mut start_after: Option<Bytes> = None;
    loop {
        let scan = Scan {
            start_after: start_after.take(),
            max_entries: DUMP_ENTRIES,
            max_bytes: DUMP_BYTES,
            ..Scan::default()
        };
        let (entries, next) = match guarded(|| home.run(&Op::Scan(scan)))? {
            Outcome::Page(entries, next) => (entries, next),
            other => return Err(format!("dump: {other:?}")),
        };
        for entry in entries {
            match entry {
                Entry::Key { key, value, .. } => all.push((key, value)),
                Entry::Prefix(prefix) => {
                    return Err(format!("roll-up {} in a dump", show(&prefix)));
                }
            }
        }
        match next {
            Some(next) if all.last().is_some_and(|(key, _)| *key == next) => {
                start_after = Some(next.into());
            }
            Some(next) => return Err(format!("dump: next is {}, not the last key", show(&next))),
            None => return Ok(all),
        }
    }
}

fn same_dump(model: &Model, dump: &Dump) -> Result<(), String> {
    for (at, (expected, got)) in model.dump().zip(dump).enumerate() {
        let got = (got.0.as_slice(), got.1.as_slice());
        if expected != got {
            let text = |(key, value): (&[u8], &[u8])| format!("{} = {}", show(key), show(value));
            return Err(format!(
                "dump: record {at}: expected {}, got {}",
                text(expected),
                text(got)
            ));
        }
    }
    match model.len() == dump.len() {
        true => Ok(()),
        false => Err(format!("dump: expected {} records, got {}", model.len(), dump.len())),
    }
}

fn brief(op: &Op) -> String {
    match op {
        Op::Batch { changes } => format!("Batch of {}", changes.len()),
        other => format!("{other:?}"),
    }
}

/// Shrinks a script that fails in fresh homes made by `make`, writes it to a file and says
/// where it is and how it fails.
pub fn explain(
    label: &str,
    script: &Script,
    first: &Difference,
    make: &mut dyn FnMut() -> Result<Box<dyn Home>, String>,
) -> String {
    const TRIES: usize = 400;
    let mut how = first.to_string();
    let cut = Script { ops: script.ops[..(first.at + 1).min(script.ops.len())].to_vec() };
    let silent = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut fails = |script: &Script| match make().map(|mut home| run(home.as_mut(), script)) {
        Ok(Err(difference)) => {
            how = difference.to_string();
            true
        }
        Ok(Ok(_)) | Err(_) => false,
    };
    let start = if fails(&cut) { &cut } else { script };
    let shrunk = start.shrink(TRIES, &mut fails);
    fails(&shrunk);
    std::panic::set_hook(silent);
    let place = save(label, &shrunk);
    format!("{label}: {first}\n  shrunk to {} operations ({place}): {how}", shrunk.ops.len())
}

fn save(label: &str, script: &Script) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/failures");
    let name: String =
        label.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let path = folder.join(format!("{name}.jsonl"));
    let written = std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&path, script.to_json_lines()));
    match written {
        Ok(()) => path.display().to_string(),
        Err(error) => format!("not saved: {error}"),
    }
}
