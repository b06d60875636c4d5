//! Reads the repository's own sources for the suites that check them.
//!
//! Owns: finding files and telling Rust code from comments and literals. Never does: judge.
//! Invariant: [`code_only`] keeps the number of lines.

use std::path::{Path, PathBuf};

/// Folders that hold nothing written by hand.
const SKIPPED: &[&str] = &["target", "node_modules", ".git", "pkg", "failures"];

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the kit is in a clone")
}

/// Files below `folder` with one of these endings, in order, build output left out.
pub fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.extend(is_ours(&name).then_some(path)),
                Ok(kind) if kind.is_file() => {
                    let ending = path.extension().map(|ending| ending.to_string_lossy());
                    if ending.is_some_and(|ending| endings.contains(&&*ending)) {
                        found.push(path);
                    }
                }
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn is_ours(folder: &str) -> bool {
    !SKIPPED.contains(&folder) && !folder.starts_with("pkg-")
}

/// A file's text; a file that is not UTF-8 is an error of the repository.
pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()))
}

/// A path as it is written in the documentation: relative to the root.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Rust source without comments and with the contents of literals left out.
pub fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skip = literal_or_comment(rest, code.chars().next_back());
        let taken = skip.unwrap_or(first.len_utf8());
        match skip {
            Some(_) => {
                let lines = rest[..taken].matches('\n').count();
                code.push(if first == '/' { ' ' } else { '"' });
                code.extend(std::iter::repeat_n('\n', lines));
            }
            None => code.push(first),
        }
        rest = &rest[taken..];
    }
    code
}

/// Bytes of the comment or literal that `rest` starts with, if it does.
fn literal_or_comment(rest: &str, before: Option<char>) -> Option<usize> {
    let until = |from: usize, end: &str| {
        rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len())
    };
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(until(2, "*/"));
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with('r') && !in_word {
        let hashes = rest[1..].bytes().take_while(|byte| *byte == b'#').count();
        if rest[1 + hashes..].starts_with('"') {
            return Some(until(2 + hashes, &format!("\"{}", "#".repeat(hashes))));
        }
    }
    match rest.as_bytes()[0] {
        b'"' => Some(closing(rest, b'"')),
        b'\'' if rest[1..].starts_with('\\') => Some(closing(rest, b'\'')),
        b'\'' => {
            let inner = rest[1..].chars().next()?;
            let end = 1 + inner.len_utf8();
            rest[end..].starts_with('\'').then_some(end + 1)
        }
        _ => None,
    }
}

/// Bytes up to and including the unescaped closing quote.
fn closing(rest: &str, quote: u8) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The part before the tests that a source file carries itself.
pub fn without_own_tests(code: &str) -> &str {
    match code.find("#[cfg(test)]\nmod ") {
        Some(at) => &code[..at],
        None => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_told_from_code() {
        let text =
            "a(\"x // \\\" y\"); // b\nlet c = '\"'; /* d\ne */ f::<'g>(r#\"h\" i\"#);\n'\\'' j";
        let code = code_only(text);
        assert_eq!(code, "a(\");  \nlet c = \";  \n f::<'g>(\");\n\" j");
        assert_eq!(code.lines().count(), text.lines().count());
        assert_eq!(without_own_tests("x\n#[cfg(test)]\nmod tests {}"), "x\n");
    }
}
