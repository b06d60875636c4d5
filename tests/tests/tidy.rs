//! The house rules that a program can check, checked on every source of the repository.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use holt_tests::source::{code_only, files, read, root, shown, without_own_tests};

/// Most lines of a source file, and of one that tests.
const SOURCE_LINES: usize = 650;
const TEST_LINES: usize = 900;

/// Most lines of a function. The house aims at 70; a little over is no reason to stop work.
const FUNCTION_LINES: usize = 100;

/// From here on a power of two in the engine is a limit and needs a name.
const SMALLEST_LIMIT: u64 = 1024;

fn rust() -> Vec<PathBuf> {
    let found = files(&root(), &["rs"]);
    assert!(found.len() > 20, "only {} sources found below {}", found.len(), root().display());
    found
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
}

fn none(wrong: &[String], rule: &str) {
    assert!(wrong.is_empty(), "{rule}:\n  {}", wrong.join("\n  "));
}

#[test]
fn files_are_short() {
    let endings = ["rs", "ts", "mjs", "js", "wit", "sh"];
    let mut wrong = Vec::new();
    for path in files(&root(), &endings) {
        let lines = read(&path).lines().count();
        let most = if is_test(&path) { TEST_LINES } else { SOURCE_LINES };
        if lines > most {
            wrong.push(format!("{}: {lines} lines, at most {most}", shown(&path)));
        }
    }
    none(&wrong, "split these files by idea");
}

#[test]
fn functions_are_short() {
    let mut wrong = Vec::new();
    for path in rust() {
        for (name, line, lines) in functions(&code_only(&read(&path))) {
            if lines > FUNCTION_LINES {
                wrong.push(format!("{}:{line}: `{name}` has {lines} lines", shown(&path)));
            }
        }
    }
    none(&wrong, "split these functions");
}

/// Name, first line and number of lines of each function with a body.
fn functions(code: &str) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let in_word = code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let name: String =
            code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if in_word || name.is_empty() {
            continue;
        }
        let mut depth = 0_usize;
        for (offset, c) in code[at..].char_indices() {
            match c {
                ';' if depth == 0 => break,
                '{' => depth += 1,
                '}' if depth <= 1 => {
                    let line = code[..at].matches('\n').count() + 1;
                    let lines = code[at..at + offset].matches('\n').count() + 1;
                    found.push((name, line, lines));
                    break;
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    found
}

#[test]
fn every_source_says_what_it_is_for() {
    let mut wrong = Vec::new();
    for path in rust() {
        let text = read(&path);
        let first = text.lines().next().unwrap_or_default();
        if !first.starts_with("//! ") || first.len() < 12 {
            wrong.push(format!("{}: starts with {first:?}", shown(&path)));
        }
    }
    none(&wrong, "start these files with `//!` and one sentence of purpose");
}

#[test]
fn nothing_is_left_to_do() {
    // In pieces, so that this file does not find itself.
    let banned = ["todo", "dbg", "unimplemented"].map(|name| format!("{name}!("));
    let mut wrong = Vec::new();
    for path in rust() {
        for (number, line) in code_only(&read(&path)).lines().enumerate() {
            for word in &banned {
                if line.contains(word.as_str()) {
                    wrong.push(format!("{}:{}: {word})", shown(&path), number + 1));
                }
            }
        }
        for (number, line) in read(&path).lines().enumerate() {
            if line.contains(&["PLACE", "HOLDER"].concat()) {
                wrong.push(format!("{}:{}: {}", shown(&path), number + 1, line.trim()));
            }
        }
    }
    none(&wrong, "finish or remove");
}

#[test]
fn unsafe_code_is_listed() {
    let list = root().join("docs/UNSAFE.md");
    let listed = if list.exists() { read(&list) } else { String::new() };
    let mut wrong = Vec::new();
    let mut holders = BTreeSet::new();
    for path in rust() {
        let code = code_only(&read(&path));
        let words = code.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        if words.into_iter().any(|word| word == "unsafe") {
            holders.insert(shown(&path));
        }
    }
    for holder in &holders {
        if !listed.contains(holder.as_str()) {
            wrong.push(format!("{holder} is not in docs/UNSAFE.md"));
        }
    }
    for named in paths_in(&listed).into_iter().filter(|named| named.ends_with(".rs")) {
        if !holders.contains(&named) {
            wrong.push(format!("docs/UNSAFE.md lists {named}, which has none"));
        }
    }
    none(&wrong, "keep docs/UNSAFE.md true");
}

#[test]
fn documents_name_files_that_exist() {
    let mut documents = files(&root().join("docs"), &["md"]);
    documents.push(root().join("README.md"));
    let mut wrong = Vec::new();
    for document in documents {
        for named in paths_in(&read(&document)) {
            let near = document.parent().unwrap_or(Path::new(".")).join(&named);
            if !root().join(&named).exists() && !near.exists() {
                wrong.push(format!("{} names {named}", shown(&document)));
            }
        }
    }
    none(&wrong, "these files do not exist");
}

/// What a document names that looks like a path of the repository: in backticks or as the
/// target of a link, with a slash, starting with a folder of ours or being a link.
fn paths_in(document: &str) -> Vec<String> {
    let tops: BTreeSet<String> = std::fs::read_dir(root())
        .expect("the root can be read")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let mut found = Vec::new();
    for line in document.lines() {
        for quoted in line.split('`').skip(1).step_by(2) {
            let plain = quoted.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b));
            let top = quoted.split('/').next().unwrap_or_default();
            let built = ["target/", "wasm/web/pkg"].iter().any(|output| quoted.starts_with(output));
            if plain && quoted.contains('/') && tops.contains(top) && !built {
                found.push(quoted.trim_end_matches('/').to_owned());
            }
        }
        for link in line.split("](").skip(1) {
            let target = link.split([')', '#', ' ']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                found.push(target.to_owned());
            }
        }
    }
    found
}

#[test]
fn limits_have_names() {
    let mut wrong = Vec::new();
    for path in files(&root().join("engine/src"), &["rs"]) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let code = code_only(&read(&path));
        let folder_of_tests = path
            .components()
            .map(|part| part.as_os_str().to_string_lossy())
            .any(|part| part.ends_with("tests") || part == "conformance");
        if name.is_some_and(|name| name.contains("limits") || name.contains("test"))
            || folder_of_tests
        {
            continue;
        }
        for (number, line) in without_own_tests(&code).lines().enumerate() {
            let named = line.trim_start().trim_start_matches("pub(crate) ");
            let named = named.trim_start_matches("pub(super) ").trim_start_matches("pub ");
            if named.starts_with("const ") || named.starts_with("assert!(") {
                continue;
            }
            for literal in large_powers_of_two(line) {
                wrong.push(format!("{}:{}: {literal}", shown(&path), number + 1));
            }
        }
    }
    none(&wrong, "give these numbers a name, in engine/src/limits.rs or as a `const`");
}

/// Literals of a line that are powers of two of a limit's size, `1 << n` included.
fn large_powers_of_two(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let words: Vec<&str> = line
        .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
        .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    for word in words {
        if let Some(value) = integer(word)
            && value >= SMALLEST_LIMIT
            && value.is_power_of_two()
        {
            found.push(word.to_owned());
        }
    }
    for (at, _) in line.match_indices("1 << ") {
        let shift = line[at + 5..].split(|c: char| !c.is_ascii_digit()).next();
        let bits = shift.and_then(|digits| digits.parse::<u32>().ok());
        if bits.is_some_and(|bits| bits >= SMALLEST_LIMIT.trailing_zeros()) {
            found.push(format!("1 << {}", shift.unwrap_or_default()));
        }
    }
    found
}

/// The value of a decimal or hexadecimal literal, type suffix and underscores allowed.
fn integer(word: &str) -> Option<u64> {
    let plain = word.replace('_', "");
    let digits = match plain.find(['u', 'i']) {
        Some(at) => &plain[..at],
        None => &plain,
    };
    match digits.strip_prefix("0x") {
        Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16).ok(),
        None => digits.parse().ok(),
    }
}

#[test]
fn the_readers_see_what_they_must() {
    assert_eq!(large_powers_of_two("f(4096, 0x1000_u32, 1 << 20, 100, 1023)").len(), 3);
    assert!(large_powers_of_two("x + 512 * 3 + a1024 + 1.5").is_empty());
    let found = functions("fn a() {\n  if x { y }\n}\nfn b();\nfn c() {}\n");
    assert_eq!(found, [("a".into(), 1, 3), ("c".into(), 5, 1)]);
    let named = paths_in("`engine/src/lib.rs`, `a/b`, [x](docs/X.md#y), `target/demo`, `x y/z`");
    assert_eq!(named, ["engine/src/lib.rs", "docs/X.md"]);
}
