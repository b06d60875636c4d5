//! Whether the tests that rows name are there.
//!
//! Owns: what a named test looks like in Rust and in JavaScript. Never does: read outside the
//! repository.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use super::rows::Row;

/// What is named and not found, one line each.
pub fn missing(root: &Path, rows: &[Row]) -> Vec<String> {
    let mut files: BTreeMap<&str, Result<String, String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for row in rows {
        for test in &row.tests {
            let (path, name) = match test.split_once("::") {
                Some((path, name)) => (path, Some(name)),
                None => (test.as_str(), None),
            };
            let text = files.entry(path).or_insert_with(|| source(root, path));
            let found = match text {
                Ok(text) => find(path, text, name),
                Err(why) => Err(why.clone()),
            };
            if let Err(why) = found {
                wrong.push(format!("{}: {test}: {why}", row.name));
            }
        }
    }
    wrong
}

fn source(root: &Path, path: &str) -> Result<String, String> {
    let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    if !inside {
        return Err("is no path below the root".into());
    }
    std::fs::read_to_string(root.join(path)).map_err(|error| error.to_string())
}

/// Looks for a test by name, or for any test at all.
fn find(path: &str, text: &str, name: Option<&str>) -> Result<(), String> {
    let found = match Path::new(path).extension().and_then(|ending| ending.to_str()) {
        Some("rs") => rust(text, name),
        Some("mjs" | "js" | "ts") => script(text, name),
        _ => return Err("is neither Rust nor JavaScript".into()),
    };
    match (found, name) {
        (true, _) => Ok(()),
        (false, Some(name)) => Err(format!("no test is named {name}")),
        (false, None) => Err("has no test".into()),
    }
}

/// Rust: a function under `#[test]`, with other attributes and comments between allowed.
fn rust(text: &str, name: Option<&str>) -> bool {
    let mut marked = false;
    for line in text.lines().map(str::trim) {
        if line == "#[test]" {
            marked = true;
        } else if let Some(rest) = line.strip_prefix("fn ") {
            if marked && name.is_none_or(|name| rest.split('(').next() == Some(name)) {
                return true;
            }
            marked = false;
        } else if !line.starts_with("#[") && !line.starts_with("//") {
            marked = false;
        }
    }
    false
}

/// JavaScript: a call of `test` whose first argument is the name, in any quotes.
fn script(text: &str, name: Option<&str>) -> bool {
    text.lines().map(str::trim).filter_map(|line| line.strip_prefix("test(")).any(|rest| {
        let mut chars = rest.chars();
        let quote = chars.next().unwrap_or_default();
        let quoted = ['\'', '"', '`'].contains(&quote);
        quoted && name.is_none_or(|name| chars.as_str().starts_with(&format!("{name}{quote}")))
    })
}
