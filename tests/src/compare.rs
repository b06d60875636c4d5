//! Runs a script in a home and in the model side by side and tells where they part.
//!
//! Owns: the comparison, versions included, full dumps, shrinking a failure and writing it to a
//! file. Never does: set up a home. Invariant: a panic in the home is a difference, not the end
//! of the suite.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use crate::home::Home;
use crate::model::{Entry, Model, Outcome, VersionOracle};
use crate::report::Tally;
use crate::script::{How, Kind, Op, Read, Scan, Script, Start, show};

/// Entries and bytes of one page of a dump.
const DUMP: How = How::Page { max_entries: 1000, max_bytes: 1 << 20 };

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

/// A home and the model beside it.
struct Pair<'h> {
    home: &'h mut dyn Home,
    model: Model,
    versions: VersionOracle,
    tally: Tally,
}

/// Runs `script` in an empty `home`; at the end the store is verified, dumped, reopened and
/// dumped again.
pub fn run(home: &mut dyn Home, script: &Script) -> Result<Run, Difference> {
    let has = home.supports();
    let mut pair = Pair {
        home,
        model: Model::default(),
        versions: VersionOracle::default(),
        tally: Tally::default(),
    };
    for (at, op) in script.ops.iter().enumerate() {
        pair.step(op).map_err(|what| Difference { at, what: format!("{}: {what}", brief(op)) })?;
    }
    let at = script.ops.len();
    let dump = pair.end(&has).map_err(|what| Difference { at, what })?;
    let mut tally = pair.tally;
    if let Some(stats) = home.stats() {
        tally.add(&stats);
    }
    tally.operations += script.ops.len() as u64;
    tally.scripts += 1;
    Ok(Run { tally, dump })
}

impl Pair<'_> {
    fn step(&mut self, op: &Op) -> Result<(), String> {
        if matches!(op, Op::Reopen) {
            if let Some(stats) = self.home.stats() {
                self.tally.add(&stats);
            }
            self.tally.reopens += 1;
            self.tally.call(op, &self.model.run(op));
            return guarded(|| self.home.reopen())?;
        }
        let (of_model, of_home) = resolved(&self.versions, op);
        let expected = self.model.run(&of_model);
        self.tally.call(op, &expected);
        let answered = guarded(|| self.home.run(&of_home))?;
        if !expected.allows(&answered) {
            let parting = parting(&expected, &answered);
            return Err(format!("expected {expected:?}, got {answered:?}{parting}"));
        }
        self.note_versions(op, &expected, &answered)
    }

    fn note_versions(
        &mut self,
        op: &Op,
        expected: &Outcome,
        answered: &Outcome,
    ) -> Result<(), String> {
        let tree = if let Op::InTree { tree, .. } = op { tree.as_str() } else { "" };
        let pairs = expected.sightings(op).into_iter().zip(answered.sightings(op));
        for ((key, write), (_, version)) in pairs {
            self.versions.observe(write, version).map_err(|why| format!("{}: {why}", show(key)))?;
            self.versions.remember(tree, key, write, version);
        }
        Ok(())
    }

    fn end(&mut self, has: &[Kind]) -> Result<Dump, String> {
        let trees: Vec<String> = self.model.trees().map(|(name, _)| name.to_owned()).collect();
        let whole = trees
            .into_iter()
            .map(|tree| Op::InTree { tree, run: Box::new(Op::Read(Read::Scan(Scan::default()))) });
        let closing = [Op::Verify, Op::Reopen, Op::Verify].into_iter().chain(whole);
        for op in closing.filter(|op| has.contains(&op.kind())) {
            self.step(&op).map_err(|what| format!("{}: {what}", brief(&op)))?;
        }
        let dump = dump(self.home)?;
        same_dump(&self.model, &dump)?;
        Ok(dump)
    }
}

/// An operation as the model and as the home get it: with the versions that its conditions name.
pub fn resolved<'o>(versions: &VersionOracle, op: &'o Op) -> (Cow<'o, Op>, Cow<'o, Op>) {
    if !op.expects() {
        return (Cow::Borrowed(op), Cow::Borrowed(op));
    }
    let of_model = op.with_expects(&mut |tree, key, expect| versions.resolve(tree, key, expect).0);
    let of_home = op.with_expects(&mut |tree, key, expect| versions.resolve(tree, key, expect).1);
    (Cow::Owned(of_model), Cow::Owned(of_home))
}

/// Where two pages part first.
fn parting(expected: &Outcome, answered: &Outcome) -> String {
    let (Outcome::Page(expected, _), Outcome::Page(answered, _)) = (expected, answered) else {
        return String::new();
    };
    match expected.iter().zip(answered).position(|(one, other)| !one.agrees(other)) {
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

/// Everything in a home, by pages.
pub fn dump(home: &mut dyn Home) -> Result<Dump, String> {
    let mut all = Dump::new();
    let mut start = Start::First;
    loop {
        let scan = Scan { start, how: DUMP, ..Scan::default() };
        let (entries, next) = match guarded(|| home.run(&Op::Read(Read::Scan(scan))))? {
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
                start = Start::After(next.into());
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
    const LONGEST: usize = 400;
    let mut text = format!("{op:?}");
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.push_str(" …");
    }
    text
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

/// Writes a script to `target/failures`; returns where.
pub fn save(label: &str, script: &Script) -> String {
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
