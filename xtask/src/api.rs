//! `cargo xtask api`: the list of what holt offers, each with the tests that show it.
//!
//! Owns: `docs/api.toml` read and judged, `docs/API-COVERAGE.md` written or compared. Never does:
//! run a test; it only sees that those named are there.

mod named;
mod page;
mod rows;

use std::path::Path;

use crate::run::root;
use rows::Row;

const LIST: &str = "docs/api.toml";
const PAGE: &str = "docs/API-COVERAGE.md";

/// What to do.
pub struct Options {
    /// Compare the page instead of writing it.
    pub check: bool,
    /// Let rows without a test pass.
    pub allow_missing: bool,
}

/// Writes or compares the page; an error names what is wrong.
pub fn run(options: &Options) -> Result<(), String> {
    run_at(&root(), options)
}

fn run_at(root: &Path, options: &Options) -> Result<(), String> {
    let list = text_of(&root.join(LIST))?;
    let rows = rows::parse(&list).map_err(|why| format!("{LIST}: {why}"))?;
    let wrong = named::missing(root, &rows);
    if !wrong.is_empty() {
        return Err(format!("{LIST} names tests that are not there:\n  {}", wrong.join("\n  ")));
    }
    let (path, page) = (root.join(PAGE), page::render(&rows));
    if !options.check {
        std::fs::write(&path, page).map_err(|error| format!("{PAGE}: {error}"))?;
        println!("wrote {PAGE}");
    } else if text_of(&path)? != page {
        return Err(format!("{PAGE} is older than {LIST}; run cargo xtask api and commit it"));
    }
    judge(&rows, options)
}

/// Says which rows have no test, and whether that is a failure.
fn judge(rows: &[Row], options: &Options) -> Result<(), String> {
    let bare: Vec<&str> =
        rows.iter().filter(|row| row.tests.is_empty()).map(|row| row.name.as_str()).collect();
    let counts = format!("{} of {} rows have no test", bare.len(), rows.len());
    match (bare.is_empty(), options) {
        (true, _) => println!("each of {} rows has a test", rows.len()),
        (false, Options { check: true, allow_missing: false }) => {
            return Err(format!("{counts}:\n  {}", bare.join("\n  ")));
        }
        (false, Options { check: true, .. }) => println!("{counts}; cargo xtask api lists them"),
        (false, _) => println!("{counts}:\n  {}", bare.join("\n  ")),
    }
    Ok(())
}

fn text_of(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
