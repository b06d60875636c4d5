//! The rows of the list: one for each call, type and rule that a user can rely on.
//!
//! Owns: their form and what makes a row wrong. Never does: look at the sources.

use std::collections::BTreeSet;

use serde::Deserialize;

/// Where the engine runs, in the order of the page's columns.
pub const HOMES: &[&str] = &["native", "sandbox", "web"];

/// One row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The call, type or rule.
    pub name: String,
    /// The heading it stands under; rows of one section stand together.
    pub section: String,
    /// What it means, in one line.
    pub what: String,
    /// The homes in which it is to exist.
    pub homes: Vec<String>,
    /// The tests that show it: `path::name`, or the path of a suite.
    pub tests: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    row: Vec<Row>,
}

/// Reads the list; an error names the first thing wrong with it.
pub fn parse(text: &str) -> Result<Vec<Row>, String> {
    let List { row: rows } = toml::from_str(text).map_err(|error| error.to_string())?;
    let (mut names, mut sections) = (BTreeSet::new(), BTreeSet::new());
    let mut current = "";
    for row in &rows {
        check(row).map_err(|why| format!("row {:?}: {why}", row.name))?;
        if !names.insert(&row.name) {
            return Err(format!("row {:?} is there twice", row.name));
        }
        if row.section != current && !sections.insert(&row.section) {
            return Err(format!("section {:?} is in two places", row.section));
        }
        current = &row.section;
    }
    match rows.is_empty() {
        true => Err("it has no rows".into()),
        false => Ok(rows),
    }
}

fn check(row: &Row) -> Result<(), String> {
    for (what, text) in [("name", &row.name), ("section", &row.section), ("what", &row.what)] {
        if text.trim().is_empty() || text.trim() != text || text.contains('\n') {
            return Err(format!("its {what} must be one line of text"));
        }
    }
    if row.homes.is_empty() {
        return Err(format!("it needs a home: {}", HOMES.join(", ")));
    }
    for (what, list) in [("home", &row.homes), ("test", &row.tests)] {
        let different: BTreeSet<&String> = list.iter().collect();
        if different.len() != list.len() {
            return Err(format!("it names a {what} twice"));
        }
    }
    match row.homes.iter().find(|home| !HOMES.contains(&home.as_str())) {
        Some(home) => Err(format!("{home:?} is no home; there are {}", HOMES.join(", "))),
        None => Ok(()),
    }
}
