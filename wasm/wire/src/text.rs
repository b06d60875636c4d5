//! Texts that the other side sent: cut to a limit, and names kept for the life of the program.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use holt_engine::limits::MAX_TREE_NAME_BYTES;

use crate::limits::{MAX_NAME_BYTES, MAX_NAMES, MAX_TEXT_BYTES};

/// Stands for a name that was too long, or came after [`MAX_NAMES`] others.
const UNNAMED: &str = "argument or quota (its name was not kept)";

/// A text with control characters replaced, at most [`MAX_TEXT_BYTES`] long.
pub fn bounded(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MAX_TEXT_BYTES));
    for char in text.chars() {
        let char = if char.is_control() { '\u{fffd}' } else { char };
        if out.len() + char.len_utf8() > MAX_TEXT_BYTES {
            break;
        }
        out.push(char);
    }
    out
}

/// The name of a tree that the other side sent, cut to the limit of such names. Unlike other
/// texts it is data: its characters stay as they are.
pub fn tree_name(name: String) -> String {
    match name.len() {
        0..=MAX_TREE_NAME_BYTES => name,
        _ => name[..name.floor_char_boundary(MAX_TREE_NAME_BYTES)].into(),
    }
}

/// The engine's errors name arguments and quotas by texts that live for ever. This makes one of a
/// text from the other side; at most [`MAX_NAMES`] of [`MAX_NAME_BYTES`] are ever kept.
pub fn name(text: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(text) {
        return known;
    }
    let odd = text.len() > MAX_NAME_BYTES || text.chars().any(char::is_control);
    if odd || names.len() >= MAX_NAMES {
        return UNNAMED;
    }
    let kept: &'static str = String::from(text).leak();
    names.insert(kept);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_a_character_and_cleaned() {
        let long = "\u{1f600}".repeat(MAX_TEXT_BYTES);
        assert_eq!(bounded(&long).len(), MAX_TEXT_BYTES);
        assert_eq!(bounded("a\x1b[2J\nb"), "a\u{fffd}[2J\u{fffd}b");
    }

    #[test]
    fn names_of_trees_are_cut_and_else_kept() {
        assert_eq!(tree_name("a\nb".into()), "a\nb");
        let long = tree_name("\u{e4}".repeat(MAX_TREE_NAME_BYTES));
        assert_eq!(long.len(), MAX_TREE_NAME_BYTES);
    }

    #[test]
    fn names_are_kept_once_and_bounded() {
        let first = name("cache size");
        assert!(core::ptr::eq(first, name("cache size")));
        assert_eq!(name(&"x".repeat(MAX_NAME_BYTES + 1)), UNNAMED);
        for number in 0..2 * MAX_NAMES {
            name(&number.to_string());
        }
        assert_eq!(name("one too many"), UNNAMED);
        assert_eq!(name("cache size"), "cache size");
    }
}
