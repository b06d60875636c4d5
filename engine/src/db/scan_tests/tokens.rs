//! Page tokens: they go on over restarts, belong to one scan, and are refused if damaged.

use alloc::vec::Vec;

use super::{Ask, Awkward, Item, Random, grown, items, keys_of, open, store};
use crate::cache::Cache;
use crate::codec::checksum::crc32;
use crate::db::ahead::Ahead;
use crate::db::scan_part::Buffers;
use crate::db::source::Source;
use crate::db::{PageToken, RangeBuilder, Tree, View};
use crate::error::{Error, Result};
use crate::forest::Reader;
use crate::ids::TreeId;
use crate::limits::{MAX_KEY_BYTES, MAX_PAGE_TOKEN_BYTES, MIN_CACHE_BYTES};
use crate::limits::{MAX_SCAN_BYTES, MAX_SCAN_ENTRIES};
use crate::node::Miss;

/// More bytes than a part of these tests has.
const BYTES: usize = 1 << 20;

fn refused(bytes: &[u8]) -> bool {
    matches!(PageToken::from_bytes(bytes), Err(Error::InvalidArgument { what: "page token", .. }))
}

fn some_tree() -> Tree {
    let tree = Tree::memory().unwrap();
    for key in ["a", "b/1", "b/2", "c", "d"] {
        tree.put(key.as_bytes(), b"value").unwrap();
    }
    tree
}

fn token(ask: &Ask, tree: &Tree) -> PageToken {
    ask.records(tree).page_from(None, 1, 100).unwrap().next.unwrap()
}

#[test]
fn a_token_without_a_snapshot_names_none() {
    let bytes = token(&Ask::default(), &some_tree()).to_bytes();
    let (body, crc) = bytes.split_last_chunk::<4>().unwrap();
    assert_eq!(crc, &crc32(0, body).to_le_bytes(), "the checksum is at the end");
    // A form, the scan, whether there is a snapshot, its number.
    assert_eq!((body[9], &body[10..18]), (0, &[0; 8][..]));
    let mut other = body.to_vec();
    other[10] = 1;
    other.extend(crc32(0, &other).to_le_bytes());
    assert!(refused(&other) && !refused(&bytes));
}

#[test]
fn a_token_outlives_the_store_it_came_from() {
    let blobs = store();
    let mut random = Random::new(60);
    let mut tree = open(&blobs, MIN_CACHE_BYTES);
    for _ in 0..500 {
        tree.put(&random.key(), b"value").unwrap();
    }
    let ask = Ask { reverse: true, delimiter: Some(b'/'), ..Ask::default() };
    let expected = items(ask.records(&tree));
    let (mut found, mut bytes): (Vec<Item>, Option<Vec<u8>>) = (Vec::new(), None);
    loop {
        let token = bytes.map(|bytes| PageToken::from_bytes(&bytes).unwrap());
        let page = ask.keys(&tree).page_from(token.as_ref(), 7, BYTES).unwrap();
        found.extend(page.entries.into_iter().map(Item::from));
        let Some(next) = page.next else { break };
        bytes = Some(next.to_bytes());
        tree.checkpoint().unwrap();
        drop(tree);
        tree = open(&blobs, MIN_CACHE_BYTES);
    }
    let expected: Vec<Item> = expected.into_iter().map(Item::without_value).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_token_of_a_snapshot_before_a_restart_promises_nothing_of_one_after_it() {
    let blobs = store();
    let tree = open(&blobs, MIN_CACHE_BYTES);
    for key in ["a", "b", "c"] {
        tree.put(key.as_bytes(), b"value").unwrap();
    }
    let part = |tree: &Tree, token: Option<&PageToken>| {
        let snapshot = tree.snapshot(b"").unwrap();
        snapshot.range().page_from(token, 1, BYTES).unwrap()
    };
    let first = part(&tree, None);
    let token = first.next.expect("there is more");
    assert!(part(&tree, Some(&token)).consistent, "another snapshot of the same state");
    tree.put(b"b", b"changed").unwrap();
    assert!(!part(&tree, Some(&token)).consistent);
    tree.checkpoint().unwrap();
    drop(tree);
    // The first snapshot of this opening, as the token's was of the last one.
    assert!(!part(&open(&blobs, MIN_CACHE_BYTES), Some(&token)).consistent);
}

#[test]
fn a_token_of_another_scan_is_refused() {
    let tree = some_tree();
    let base = Ask { start: Some((b"a".into(), true)), ..Ask::default() };
    let others = [
        Ask { prefix: b"b".into(), ..base.clone() },
        Ask { start: Some((b"a".into(), false)), ..base.clone() },
        Ask { start: Some((b"".into(), true)), ..base.clone() },
        Ask { start: None, ..base.clone() },
        Ask { end: Some(b"".into()), ..base.clone() },
        Ask { reverse: true, ..base.clone() },
        Ask { delimiter: Some(b'/'), ..base.clone() },
        Ask { delimiter: Some(0), ..base.clone() },
    ];
    let token = token(&base, &tree);
    for other in others {
        let error = other.records(&tree).page_from(Some(&token), 5, 100).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument { what: "page token", .. }), "{other:?}");
    }
    let page = base.records(&tree).page_from(Some(&token), 5, 100).unwrap();
    assert_eq!((page.entries.len(), page.next, page.consistent), (4, None, false));
}

#[test]
fn damaged_tokens_are_refused() {
    let tree = some_tree();
    let bytes = token(&Ask::default(), &tree).to_bytes();
    assert_eq!(PageToken::from_bytes(&bytes).unwrap().to_bytes(), bytes);
    for at in 0..bytes.len() {
        assert!(refused(&bytes[..at]), "cut off at {at}");
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            assert!(refused(&flipped), "bit {bit} of byte {at}");
        }
    }
    assert!(refused(&[bytes.as_slice(), b"x"].concat()));
    assert!(refused(&alloc::vec![1; MAX_PAGE_TOKEN_BYTES + 1]));
    let mut random = Random::new(61);
    for _ in 0..2000 {
        let garbage: Vec<u8> = (0..random.below(60)).map(|_| random.below(256) as u8).collect();
        assert!(refused(&garbage), "{garbage:?}");
    }
}

/// A token with a sound checksum made by another may say anything; it leads no further than the
/// bounds of the scan.
#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn forged_tokens_stay_within_the_scan() {
    let mut random = Random::new(62);
    let (tree, model) = grown(&mut random, 600, false);
    let keys = keys_of(&model);
    let mut forged = 0;
    while forged < 300 {
        let ask = Ask::random(&mut random, &keys);
        let Some(next) = ask.records(&tree).page_from(None, 1, 100).unwrap().next else { continue };
        let good = next.to_bytes();
        let after = random.near(&keys);
        let mut bad = [&good[..18], &after].concat();
        bad.extend(crate::codec::checksum::crc32(0, &bad).to_le_bytes());
        let token = PageToken::from_bytes(&bad).unwrap();
        let page =
            ask.records(&tree).page_from(Some(&token), MAX_SCAN_ENTRIES, MAX_SCAN_BYTES).unwrap();
        let within = ask.expected(&model);
        for entry in page.entries {
            let item = Item::from(entry);
            assert!(within.contains(&item), "{ask:?} returned {item:?} after {after:?}");
        }
        forged += 1;
    }
}

#[test]
fn the_longest_token_has_the_longest_key() {
    let tree = Tree::memory().unwrap();
    tree.put(&alloc::vec![b'k'; MAX_KEY_BYTES], b"").unwrap();
    tree.put(b"l", b"").unwrap();
    let bytes = token(&Ask::default(), &tree).to_bytes();
    assert_eq!(bytes.len(), MAX_PAGE_TOKEN_BYTES);
    let token = PageToken::from_bytes(&bytes).unwrap();
    assert_eq!(token.snapshot(), None);
    assert_eq!(tree.range().page_from(Some(&token), 5, 100).unwrap().entries.len(), 1);
}

/// Whatever two scans differ in, down to one bit of one prefix.
#[test]
fn a_token_belongs_to_its_prefix_alone() {
    let tree = Tree::memory().unwrap();
    for first in 0..=255u8 {
        for second in 0..2u8 {
            tree.put(&[first, second], b"").unwrap();
        }
    }
    for first in 0..=255u8 {
        let ask = Ask { prefix: [first].into(), ..Ask::default() };
        let token = token(&ask, &tree);
        for bit in 0..8 {
            let other = Ask { prefix: [first ^ (1 << bit)].into(), ..Ask::default() };
            let error = other.records(&tree).page_from(Some(&token), 5, 100).unwrap_err();
            assert!(
                matches!(error, Error::InvalidArgument { what: "page token", .. }),
                "{first:#x}, other in bit {bit}: {error:?}"
            );
        }
    }
}

/// A tree in which a writer comes between what a reader finds in memory and what it has to wait
/// for: it moves the record `first` behind all others.
#[derive(Clone)]
struct Overtaken {
    tree: Tree,
    first: Vec<u8>,
    /// Whether somebody reads everything after that, so that nothing is waited for any more.
    read: bool,
}

impl Source for Overtaken {
    type Pages<'a> = Cache;

    fn tree(&self) -> TreeId {
        self.tree.tree
    }

    fn snapshot(&self) -> Option<u64> {
        None
    }

    fn buffers(&self) -> &Buffers {
        self.tree.buffers()
    }

    fn still(&self) -> Result<View> {
        self.tree.still()
    }

    fn look_anew<T>(
        &self,
        ahead: &mut Ahead,
        mut look: impl FnMut(Reader<'_, Cache>, bool) -> Result<T, Miss>,
    ) -> Result<T> {
        let found = look(self.tree.shared.core.read().forest.reader(), true);
        if let Ok(found) = found {
            return Ok(found);
        }
        self.tree.rename(&self.first, b"last", true)?;
        if self.read {
            assert_eq!(items(self.tree.range()).len(), 600);
        }
        self.tree.look_anew(ahead, look)
    }
}

#[test]
fn what_is_said_to_be_consistent_is_of_one_state() {
    for (cache, read) in [(MIN_CACHE_BYTES, false), (64 << 20, true)] {
        let blobs = store();
        let tree = open(&blobs, cache);
        let key = |at: usize| alloc::format!("key/{at:04}").into_bytes();
        for at in 0..600 {
            tree.put(&key(at), &[7; 300]).unwrap();
        }
        tree.checkpoint().unwrap();
        drop(tree);
        let tree = open(&blobs, cache);
        // The start is in memory, and the rest is not.
        tree.get(&key(0)).unwrap();
        let overtaken = Overtaken { tree: tree.clone(), first: key(0), read };
        let scan = RangeBuilder::over(overtaken, b"");
        let page = scan.page_from(None, MAX_SCAN_ENTRIES, MAX_SCAN_BYTES).unwrap();
        assert_eq!(tree.get(&key(0)), Ok(None), "the writer did come between");
        let found: Vec<Item> = page.entries.into_iter().map(Item::from).collect();
        assert_eq!((found.len(), page.next, page.consistent), (600, None, true));
        assert_eq!(found, items(tree.range()));
    }
}
