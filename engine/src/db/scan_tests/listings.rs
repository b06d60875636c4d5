//! Every way to read a listing gives the listing, for all combinations of what can be asked.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use super::{Ask, Item, Model, Random, grown, items, keys_of};
use crate::db::{KeyRangeEntryRef, PageToken, RangeEntryRef, Tree};
use crate::error::Error;

/// More bytes than a part of these tests has.
const BYTES: usize = 1 << 20;

/// Reads a listing page by page, passing `next` back as `start_after`.
fn by_pages(tree: &Tree, ask: &Ask, random: &mut Random, keys_only: bool) -> Vec<Item> {
    let (mut ask, mut found) = (ask.clone(), Vec::new());
    loop {
        let (entries, bytes) = (1 + random.below(9), random.below(2000));
        let (page, next): (Vec<Item>, _) = if keys_only {
            let page = ask.keys(tree).page(entries, bytes).unwrap();
            (page.entries.into_iter().map(Item::from).collect(), page.next)
        } else {
            let page = ask.records(tree).page(entries, bytes).unwrap();
            (page.entries.into_iter().map(Item::from).collect(), page.next)
        };
        assert!(page.len() <= entries);
        if let Some((_, all_but_last)) = page.split_last() {
            let size = |item: &Item| match item {
                Item::Record(key, value) => key.len() + value.len(),
                Item::RollUp(prefix) => prefix.len(),
            };
            let before_last: usize = all_but_last.iter().map(size).sum();
            assert!(all_but_last.is_empty() || before_last < bytes, "went on over the bytes");
        }
        found.extend(page);
        match next {
            Some(next) => ask.start = Some((next, false)),
            None => return found,
        }
    }
}

/// Reads a listing by tokens that go through bytes.
fn by_tokens(tree: &Tree, ask: &Ask, random: &mut Random) -> Vec<Item> {
    let (mut token, mut found) = (None, Vec::new());
    loop {
        let page = ask.records(tree).page_from(token.as_ref(), 1 + random.below(9), BYTES);
        let page = page.unwrap();
        assert_eq!(page.consistent, token.is_none());
        found.extend(page.entries.into_iter().map(Item::from));
        let Some(next) = page.next else { return found };
        token = Some(PageToken::from_bytes(&next.to_bytes()).unwrap());
    }
}

fn lent(entry: RangeEntryRef<'_>) -> Item {
    match entry {
        RangeEntryRef::Key { key, value, .. } => Item::Record(key.into(), value.into()),
        RangeEntryRef::CommonPrefix(prefix) => Item::RollUp(prefix.into()),
    }
}

fn lent_key(entry: KeyRangeEntryRef<'_>) -> Item {
    match entry {
        KeyRangeEntryRef::Key { key, .. } => Item::Record(key.into(), Vec::new()),
        KeyRangeEntryRef::CommonPrefix(prefix) => Item::RollUp(prefix.into()),
    }
}

fn check(tree: &Tree, model: &Model, ask: &Ask, random: &mut Random) {
    let expected = ask.expected(model);
    let keys: Vec<Item> = expected.iter().cloned().map(Item::without_value).collect();
    assert_eq!(items(ask.records(tree)), expected, "{ask:?}");
    assert_eq!(items(ask.keys(tree)), keys, "{ask:?}");
    assert_eq!(by_pages(tree, ask, random, false), expected, "{ask:?}");
    assert_eq!(by_pages(tree, ask, random, true), keys, "{ask:?}");
    assert_eq!(by_tokens(tree, ask, random), expected, "{ask:?}");

    let limit = random.below(expected.len() + 3);
    let mut visited = Vec::new();
    let outcome = ask.records(tree).visit_with_outcome(limit, |entry| {
        visited.push(lent(entry));
        Ok(())
    });
    let outcome = outcome.unwrap();
    let wanted = &expected[..limit.min(expected.len())];
    assert_eq!(visited, wanted, "{ask:?}");
    if limit > 0 {
        assert_eq!(outcome.more, limit < expected.len(), "{ask:?}");
    }
    let rollups = wanted.iter().filter(|item| matches!(item, Item::RollUp(_))).count() as u64;
    assert_eq!(
        (outcome.stats.rollup, outcome.stats.returned),
        (rollups, wanted.len() as u64 - rollups)
    );
    assert!(outcome.stats.visited >= wanted.len() as u64);

    let mut visited = Vec::new();
    let stopped = ask.keys(tree).visit_while(|entry| {
        visited.push(lent_key(entry));
        if visited.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let most = if limit == 0 { keys.len() } else { limit.min(keys.len()) };
    assert_eq!(visited, keys[..most], "{ask:?}");
    assert_eq!(stopped.unwrap().more, most < keys.len(), "{ask:?}");
}

fn run(seed: u64, records: usize, cold: bool) {
    let mut random = Random::new(seed);
    let (tree, model) = grown(&mut random, records, cold);
    let keys = keys_of(&model);
    let mut filled = 0;
    for _ in 0..250 {
        let ask = Ask::random(&mut random, &keys);
        filled += usize::from(ask.expected(&model).len() > 2);
        check(&tree, &model, &ask, &mut random);
    }
    assert!(filled > 40, "only {filled} listings with something in them");
    let restarts = items_and_restarts(&tree, &model);
    assert_eq!(restarts > 0, cold, "{restarts} restarts");
    assert!(tree.verify().unwrap().is_clean());
}

/// All records by one iterator, and how often it missed something.
fn items_and_restarts(tree: &Tree, model: &Model) -> u64 {
    let mut iter = tree.range().into_iter();
    assert_eq!(iter.by_ref().map(Result::unwrap).count(), model.len());
    assert!(iter.next().is_none() && iter.next().is_none());
    assert_eq!(iter.stats().returned, model.len() as u64);
    iter.stats().restarts
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn listings_follow_the_rules_in_memory() {
    for seed in 0..4 {
        run(seed, 900, false);
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn listings_follow_the_rules_when_read_from_a_store() {
    for seed in 10..14 {
        run(seed, 1200, true);
    }
}

#[test]
fn a_listing_of_one_level_goes_both_ways() {
    let tree = Tree::memory().unwrap();
    for key in ["img/a/1", "img/a/2", "img/b", "img/c/", "img/c/3", "img/d/4/5", "img/", "jpg"] {
        tree.put(key.as_bytes(), b"").unwrap();
    }
    let show = |ask: &Ask| -> Vec<Vec<u8>> {
        items(ask.keys(&tree)).iter().map(|item| item.bytes().into()).collect()
    };
    let level = Ask { prefix: b"img/".into(), delimiter: Some(b'/'), ..Ask::default() };
    let all: Vec<&[u8]> = [&b"img/"[..], b"img/a/", b"img/b", b"img/c/", b"img/d/"].into();
    assert_eq!(show(&level), all);
    let back = Ask { reverse: true, ..level.clone() };
    assert_eq!(show(&back), all.iter().rev().copied().collect::<Vec<_>>());
    // The marker is a roll-up, or lies inside one: the roll-up is not repeated forwards, and
    // backwards only if it is smaller than the marker.
    for (marker, forward, backward) in [
        (&b"img/a/"[..], 2, 4),
        (b"img/a/1", 2, 3),
        (b"img/c/3", 4, 1),
        (b"img/a", 1, 4),
        (b"img/b", 3, 3),
        (b"", 0, 5),
        (b"zzz", 5, 0),
    ] {
        let start = Some((marker.into(), false));
        assert_eq!(show(&Ask { start: start.clone(), ..level.clone() }), all[forward..]);
        let rest: Vec<&[u8]> = all.iter().rev().copied().skip(backward).collect();
        assert_eq!(show(&Ask { start, ..back.clone() }), rest, "{marker:?}");
    }
}

#[test]
fn a_page_of_no_entries_is_refused() {
    let tree = Tree::memory().unwrap();
    tree.put(b"a", b"").unwrap();
    let refused = |error| matches!(error, Err(Error::InvalidArgument { what: "max_entries", .. }));
    assert!(refused(tree.range().page(0, 100).map(|_| ())));
    assert!(refused(tree.range_keys().page_from(None, 0, 100).map(|_| ())));
    // A page of no bytes has its first entry: the scan gets on.
    assert_eq!(tree.range().page(9, 0).unwrap().entries.len(), 1);
}

#[test]
fn a_visit_of_nothing_reads_nothing() {
    let tree = Tree::memory().unwrap();
    tree.put(b"a", b"").unwrap();
    let fail = |_: RangeEntryRef<'_>| Err(Error::NotFound);
    assert!(tree.range().visit_with_outcome(0, fail).unwrap().more);
    assert!(
        !tree.range().start_at(b"b").end_before(b"b").visit_with_outcome(0, fail).unwrap().more
    );
    assert_eq!(tree.range().visit(1, fail), Err(Error::NotFound));
}
