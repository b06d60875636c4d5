//! Lists, levels and moves over a plain ordered walk, for engines that have no more than that.
//!
//! Owns: the seek form of a level, the bounds of a list. Never does: keeping anything.
//! Invariant: a level costs one seek a roll-up, however many records are under it.

use super::{Engine, ListFrom};
use crate::Result;

/// Ends a directory's name in a key.
pub const DELIMITER: u8 = b'/';

/// The delimiter's successor: a roll-up with its last byte replaced by it is the first key that
/// is after everything under the roll-up.
const PAST: u8 = DELIMITER + 1;

/// Where a list starts: the first key that it may return.
fn start(from: ListFrom<'_>) -> Vec<u8> {
    let mut start = from.prefix.to_vec();
    if from.after >= from.prefix {
        start = from.after.to_vec();
        start.push(0);
    }
    start
}

/// Where a level goes on after its entry `after`: behind everything under it, if it is a roll-up
/// or under one.
fn after_level(prefix: &[u8], after: &[u8], start: &mut Vec<u8>) {
    start.clear();
    let Some(rest) = after.strip_prefix(prefix) else {
        start.extend_from_slice(prefix.max(after));
        return;
    };
    match rest.iter().position(|&byte| byte == DELIMITER) {
        Some(at) => {
            start.extend_from_slice(&after[..prefix.len() + at]);
            start.push(PAST);
        }
        None => {
            start.extend_from_slice(after);
            start.push(0);
        }
    }
}

/// The first key after everything that starts with `prefix`, which is not empty and does not end
/// with the highest byte.
#[cfg(any(feature = "rocksdb", feature = "sqlite"))]
pub fn past(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}

/// A list over a walk.
pub fn list<E: Engine + ?Sized>(
    engine: &mut E,
    from: ListFrom<'_>,
    limit: usize,
    visit: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<usize> {
    let mut seen = 0;
    if limit == 0 {
        return Ok(seen);
    }
    engine.walk(&start(from), &mut |key, value| {
        if !key.starts_with(from.prefix) {
            return false;
        }
        visit(key, value);
        seen += 1;
        seen < limit
    })?;
    Ok(seen)
}

/// A walk, seen from [`level`]: from a key on, until the visitor answers `false`.
pub type Walk<'a> = &'a mut dyn FnMut(&[u8], &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<()>;

/// A level over a walk.
pub fn level(
    from: ListFrom<'_>,
    limit: usize,
    visit: &mut dyn FnMut(&[u8]),
    walk: Walk<'_>,
) -> Result<usize> {
    let (mut seen, mut over) = (0, limit == 0);
    let (mut start, mut past) = (Vec::with_capacity(128), Vec::with_capacity(128));
    after_level(from.prefix, from.after, &mut start);
    while !over {
        let mut roll_up = false;
        past.clear();
        walk(&start, &mut |key, _| {
            let Some(rest) = key.strip_prefix(from.prefix) else {
                return false;
            };
            let entry = match rest.iter().position(|&byte| byte == DELIMITER) {
                Some(at) => {
                    roll_up = true;
                    &key[..from.prefix.len() + at + 1]
                }
                None => key,
            };
            visit(entry);
            seen += 1;
            if roll_up {
                past.extend_from_slice(entry);
            }
            !roll_up && seen < limit
        })?;
        over = !roll_up || seen >= limit;
        if roll_up {
            after_level(from.prefix, &past, &mut start);
        }
    }
    Ok(seen)
}

/// Old key, new key and value of a record.
type Moved = (Vec<u8>, Vec<u8>, Vec<u8>);

/// Every record under a prefix, with the key it gets under another.
pub fn under<E: Engine + ?Sized>(engine: &mut E, from: &[u8], to: &[u8]) -> Result<Vec<Moved>> {
    let mut found = Vec::new();
    engine.walk(from, &mut |key, value| {
        let Some(rest) = key.strip_prefix(from) else { return false };
        found.push((key.to_vec(), [to, rest].concat(), value.to_vec()));
        true
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_seen_once_in_order_and_by_seeking() {
        let keys: Vec<&[u8]> =
            vec![b"a", b"d/", b"d/a/1", b"d/a/2", b"d/b", b"d/c/1", b"d/d", b"e"];
        let mut seeks = 0;
        let mut walk = |start: &[u8], each: &mut dyn FnMut(&[u8], &[u8]) -> bool| {
            seeks += 1;
            for key in keys.iter().filter(|key| **key >= start) {
                if !each(key, b"") {
                    break;
                }
            }
            Ok(())
        };
        let mut names = Vec::new();
        let from = ListFrom { prefix: b"d/", after: b"" };
        let seen = level(from, 9, &mut |name| names.push(name.to_vec()), &mut walk);
        assert_eq!(seen.ok(), Some(5));
        let wanted: [&[u8]; 5] = [b"d/", b"d/a/", b"d/b", b"d/c/", b"d/d"];
        assert_eq!(names, wanted);
        names.clear();
        let from = ListFrom { prefix: b"d/", after: b"d/a/" };
        let seen = level(from, 2, &mut |name| names.push(name.to_vec()), &mut walk);
        assert_eq!((seen.ok(), &names[..]), (Some(2), &[b"d/b".to_vec(), b"d/c/".to_vec()][..]));
        assert_eq!(seeks, 4);
    }
}
