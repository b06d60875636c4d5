//! What `docs/api.toml` says each home has.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::script::Kind;
use crate::source::{read, root};

const LIST: &str = "docs/api.toml";

#[derive(Deserialize)]
struct Row {
    name: String,
    homes: Vec<String>,
    tests: Vec<String>,
}

#[derive(Deserialize)]
struct List {
    row: Vec<Row>,
}

/// The rows of the list by name.
pub struct Api {
    rows: BTreeMap<String, Row>,
}

impl Api {
    /// Reads the list.
    ///
    /// # Errors
    /// A list that cannot be understood, or that has no row for an operation of the kit.
    pub fn new() -> Result<Self, String> {
        let text = read(&root().join(LIST));
        let List { row } = toml::from_str(&text).map_err(|error| format!("{LIST}: {error}"))?;
        let api = Self { rows: row.into_iter().map(|row| (row.name.clone(), row)).collect() };
        match Kind::ALL.iter().find(|kind| !api.rows.contains_key(kind.row())) {
            None => Ok(api),
            Some(kind) => Err(format!("{LIST} has no row {} for {}", kind.row(), kind.name())),
        }
    }

    /// Whether the list says that a home has an operation: it is to have it, and the row names
    /// `test`, which is the suite run in this home, or, in the native home, any test.
    pub fn says(&self, home: &str, test: &str, kind: Kind) -> bool {
        let row = &self.rows[kind.row()];
        let shown = row.tests.iter().any(|name| home == "native" || name.ends_with(test));
        shown && row.homes.iter().any(|has| has == home)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_what_each_home_has() {
        let api = Api::new().unwrap();
        let test = "differential.rs::web_package_in_node";
        assert!(api.says("native", "any", Kind::Put));
        assert!(api.says("web", test, Kind::Put));
        assert!(!api.says("web", "differential.rs::no_such_test", Kind::Put));
        assert!(!api.says("web", test, Kind::Sync), "a tree in memory has nothing to sync");
    }
}
