//! No arrow goes up: a module of the engine uses only the layers before its own.
//!
//! Reads every `use` and every inline path that starts with `crate::` or `super::` in
//! `engine/src`. Tests inside a file count as that file.

use std::path::Path;

use holt_tests::source::{code_only, files, read, root};

/// The layers, lowest first. Modules of one row may use each other; `docs/ARCHITECTURE.md`
/// explains each.
const LAYERS: &[&[&str]] = &[
    &["limits", "ids", "error", "env", "random", "seeded", "sync", "trace", "geometry", "keys"],
    &["codec"],
    &["device"],
    &["log"],
    &["node"],
    &["frame"],
    &["art"],
    &["cache"],
    &["forest"],
    &["checkpoint"],
    &["txn"],
    &["db"],
];

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// The module path of a file below `src`, as `["device", "blob"]`.
fn module_of(src: &Path, file: &Path) -> Vec<String> {
    let inner = file.strip_prefix(src).expect("found below src").with_extension("");
    let mut parts: Vec<String> =
        inner.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
        parts.pop();
    }
    parts
}

/// The first modules that `code` of the module `own` names through `crate` or `super`.
fn used(own: &[String], code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        found.extend(names(&code[at + "crate::".len()..]));
    }
    // As many `super`s as the module is deep lead to the root of the crate.
    let to_root = "super::".repeat(own.len());
    if !own.is_empty() {
        for (at, _) in code.match_indices(&to_root) {
            let earlier = code[..at].ends_with("super::");
            if !earlier {
                found.extend(names(&code[at + to_root.len()..]));
            }
        }
    }
    found
}

/// The first names of a path, or of each path of a `{a::b, c}` group.
fn names(path: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(group) = path.strip_prefix('{') else { return vec![word(path)] };
    let mut depth = 0;
    let mut starts = vec![0];
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => starts.push(at + 1),
            _ => {}
        }
    }
    starts.into_iter().map(|at| word(&group[at..])).collect()
}

#[test]
fn no_import_goes_up() {
    let src = root().join("engine/src");
    let files = files(&src, &["rs"]);
    assert!(files.len() > 10, "only {} sources found below {}", files.len(), src.display());
    let mut wrong = Vec::new();
    let mut arrows = 0;
    for file in &files {
        let own = module_of(&src, file);
        let Some(layer) = own.first() else { continue };
        let shown = file.strip_prefix(&src).expect("found below src").display().to_string();
        let Some(height) = rank(layer) else {
            wrong.push(format!("{shown}: module `{layer}` has no place in the list of layers"));
            continue;
        };
        for name in used(&own, &code_only(&read(file))) {
            let Some(other) = rank(&name) else { continue };
            arrows += 1;
            if other > height {
                wrong.push(format!("{shown}: `{layer}` uses `{name}`, which is above it"));
            }
        }
    }
    println!("{} files, {arrows} arrows between layers", files.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_what_it_must() {
    let own = |path: &str| path.split('/').map(String::from).collect::<Vec<_>>();
    let seen = |path: &str, code: &str| used(&own(path), &code_only(code));
    assert_eq!(seen("codec/bytes", "use crate::db::Tree;"), ["db"]);
    assert_eq!(seen("codec", "use crate::{ids::{A, B}, db::Tree, log};"), ["ids", "db", "log"]);
    assert_eq!(seen("codec/bytes", "use super::super::db::Tree;"), ["db"]);
    assert_eq!(seen("codec/bytes", "use super::checksum;"), Vec::<String>::new());
    assert_eq!(seen("codec", "fn f(t: crate::db::Tree) {} // crate::txn::X"), ["db"]);
    assert_eq!(seen("codec", "//! [`crate::db`]\nlet a = \"crate::db\";"), Vec::<String>::new());
    assert_eq!(seen("codec", "use super::txn::{A};"), ["txn"]);
}
