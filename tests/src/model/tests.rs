//! The model says what the surface says.

use holt_engine::limits::MAX_KEY_BYTES;

use super::*;
use crate::script::{Bytes, Change, Expect, How, Read, Scan, Start};

fn bytes(text: &str) -> Bytes {
    text.as_bytes().into()
}

fn put(key: &str) -> Op {
    Op::Put { key: bytes(key), value: bytes("v") }
}

fn model(keys: &[&str]) -> Model {
    let mut model = Model::default();
    for key in keys {
        assert_eq!(model.run(&put(key)), Outcome::Done);
    }
    model
}

fn keys(model: &Model) -> Vec<String> {
    model.dump().map(|(key, _)| String::from_utf8_lossy(key).into_owned()).collect()
}

fn level(prefix: &str) -> Scan {
    Scan { prefix: bytes(prefix), delimiter: Some(b'/'), keys_only: true, ..Scan::default() }
}

fn found(model: &mut Model, scan: Scan) -> Vec<String> {
    match model.run(&Op::Read(Read::Scan(scan))) {
        Outcome::Page(entries, _) => {
            entries.iter().map(|e| String::from_utf8_lossy(e.shown()).into_owned()).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn failed(words: &str) -> Outcome {
    Outcome::Failed(words.into())
}

#[test]
fn roll_ups_follow_the_next_marker_rule() {
    let mut model = model(&["a", "b/1", "b/2", "c/", "c/x", "d", "p", "p/1"]);
    let mut after = |prefix: &str, key: &str| {
        found(&mut model, Scan { start: Start::After(bytes(key)), ..level(prefix) })
    };
    // Inside a roll-up: it is not greater than the marker, so it is not emitted again.
    assert_eq!(after("", "b/1"), ["c/", "d", "p", "p/"]);
    assert_eq!(after("", "b/"), ["c/", "d", "p", "p/"]);
    assert_eq!(after("", "b"), ["b/", "c/", "d", "p", "p/"]);
    assert_eq!(found(&mut model, level("")), ["a", "b/", "c/", "d", "p", "p/"]);
    // A key equal to the prefix is a key.
    assert_eq!(found(&mut model, level("c/")), ["c/", "c/x"]);
    assert_eq!(found(&mut model, level("p")), ["p", "p/"]);
}

#[test]
fn bounds_are_places_among_entries_in_the_direction_of_the_scan() {
    let mut model = model(&["a", "b/1", "b/2", "c", "d/9", "e"]);
    let forward =
        |start: Start, end: &str| Scan { start, end_before: Some(bytes(end)), ..level("") };
    assert_eq!(found(&mut model, forward(Start::At(bytes("b/")), "d/")), ["b/", "c"]);
    // Inside the roll-up: behind it, so as an end it lets the roll-up through.
    assert_eq!(found(&mut model, forward(Start::At(bytes("b/1")), "d/9")), ["c", "d/"]);
    assert!(found(&mut model, forward(Start::After(bytes("c")), "c")).is_empty());
    let back = |start: Start, end: &str| Scan { reverse: true, ..forward(start, end) };
    assert_eq!(found(&mut model, back(Start::After(bytes("d/")), "a")), ["c", "b/"]);
    assert_eq!(found(&mut model, back(Start::At(bytes("d/")), "b/")), ["d/", "c"]);
    assert_eq!(found(&mut model, back(Start::At(bytes("b/2")), "")), ["b/", "a"]);
    assert_eq!(found(&mut model, back(Start::First, "b/1")), ["e", "d/", "c"]);
}

#[test]
fn page_bounds_stop_after_the_entry_that_reaches_them() {
    let mut model = model(&["aa", "bb", "cc"]);
    let mut page = |how: How| {
        let scan = Scan { how, ..Scan::default() };
        match model.run(&Op::Read(Read::Scan(scan))) {
            Outcome::Page(entries, next) => (entries.len(), next),
            other => panic!("{other:?}"),
        }
    };
    let last = |key: &[u8]| Some(key.to_vec());
    assert_eq!(page(How::Page { max_entries: 9, max_bytes: 4 }), (2, last(b"bb")));
    assert_eq!(page(How::Page { max_entries: 9, max_bytes: 0 }), (1, last(b"aa")));
    assert_eq!(page(How::Page { max_entries: 3, max_bytes: 9 }), (3, None));
    let tokens = |pages| How::Tokens { pages, max_entries: 1, max_bytes: 99 };
    assert_eq!(page(tokens(2)), (2, last(b"bb")));
    assert_eq!(page(tokens(9)), (3, None));
    assert_eq!(page(How::Visit { limit: 1 }), (1, last(b"aa")));
    assert_eq!(page(How::Iterate { most: 1 }), (1, None), "an iterator does not say");
}

#[test]
fn a_failed_operation_changes_nothing() {
    let mut model = model(&["a", "b", "p/1"]);
    let before = model.records.clone();
    let long = vec![0; MAX_KEY_BYTES + 1];
    let too_long = Op::atomic(vec![
        Change::Delete { key: bytes("a") },
        Change::Put { key: long.into(), value: bytes("") },
    ]);
    assert_eq!(model.run(&too_long), failed("key-too-long 65536"));
    let rename =
        |src: &str, dst: &str, force| Op::Rename { src: bytes(src), dst: bytes(dst), force };
    assert_eq!(model.run(&rename("a", "b", false)), failed("destination-exists"));
    assert_eq!(model.run(&rename("c", "b", true)), failed("not-found"));
    assert_eq!(model.run(&rename("a", "a", false)), Outcome::Done);
    let first = Change::Put { key: bytes("new"), value: bytes("") };
    let guards = [
        Change::AssertAbsent { key: bytes("new") },
        Change::AssertPrefixEmpty { prefix: bytes("p") },
        Change::PutIfAbsent { key: bytes("a"), value: bytes("") },
        Change::AssertVersion { key: bytes("a"), expect: Expect::Exactly(2) },
        Change::DeleteIfVersion { key: bytes("c"), expect: Expect::Exactly(NEVER) },
    ];
    for guard in guards {
        let changes = vec![first.clone(), guard];
        assert_eq!(model.run(&Op::atomic(changes.clone())), Outcome::Yes(false));
        assert_eq!(model.run(&Op::Batch { changes, txn: true }), failed("guard-failed"));
    }
    let rename = Change::Rename { src: bytes("none"), dst: bytes("x"), force: true };
    assert_eq!(model.run(&Op::atomic(vec![first, rename])), failed("not-found"));
    assert!(model.records == before && model.changed().is_empty());
}

#[test]
fn guards_see_what_the_batch_did_before_them() {
    let mut model = model(&["p/1"]);
    let version = model.get(b"p/1").unwrap().write;
    let changes = vec![
        Change::AssertVersion { key: bytes("p/1"), expect: Expect::Exactly(version) },
        Change::RenamePrefix { src: bytes("p/"), dst: bytes("q/"), force: false },
        Change::AssertPrefixEmpty { prefix: bytes("p") },
        Change::CompareAndPut {
            key: bytes("q/1"),
            expect: Expect::Exactly(version),
            value: bytes("new"),
        },
        Change::Rename { src: bytes("q/1"), dst: bytes("r"), force: false },
        Change::AssertAbsent { key: bytes("q/1") },
        Change::DeletePrefix { prefix: bytes("zzz") },
    ];
    assert_eq!(model.run(&Op::atomic(changes)), Outcome::Yes(true));
    assert_eq!(keys(&model), ["r"]);
    assert!(model.get(b"r").unwrap().write > version);
}

#[test]
fn a_prefix_moves_with_its_versions_and_replaces_only_by_force() {
    let mut model = model(&["a/", "a/1", "a/2/x", "ab", "b/1", "b/9"]);
    let versions: Vec<u64> = model.records.iter().map(|(_, record)| record.write).collect();
    let rename =
        |src: &str, dst: &str, force| Op::RenamePrefix { src: bytes(src), dst: bytes(dst), force };
    assert_eq!(model.run(&rename("a/", "b/", false)), failed("destination-exists"));
    for (src, dst) in [("a/", "a/2/"), ("a/", "a"), ("a/", "a/"), ("", "c")] {
        assert_eq!(model.run(&rename(src, dst, true)), failed("invalid-argument"));
    }
    let far = "x".repeat(MAX_KEY_BYTES - 2);
    assert_eq!(model.run(&rename("a/", &far, true)), failed("key-too-long"));
    assert_eq!(model.run(&rename("none/", "b/", true)), Outcome::Moved(0));
    assert_eq!(keys(&model), ["a/", "a/1", "a/2/x", "ab", "b/1", "b/9"]);
    assert_eq!(model.run(&rename("a/", "b/", true)), Outcome::Moved(3));
    assert_eq!(keys(&model), ["ab", "b/", "b/1", "b/2/x"]);
    assert_eq!(model.get(b"b/2/x").unwrap().write, versions[2]);
    assert_eq!(model.changed().len(), 2 + 3 + 3, "what was there, and both ends of each move");
    assert_eq!(model.run(&Op::DeletePrefix { prefix: bytes("b/") }), Outcome::Moved(3));
    assert_eq!(model.run(&Op::DeletePrefix { prefix: bytes("") }), Outcome::Moved(1));
    assert!(model.is_empty());
}

#[test]
fn single_writes_answer_what_was_there() {
    let mut model = model(&["a"]);
    let write = model.get(b"a").unwrap().write;
    let value = |text: &str| Outcome::Value(Some(text.into()));
    let (key, new) = (bytes("a"), bytes("new"));
    let insert = Op::Insert { key: key.clone(), value: new.clone() };
    assert_eq!(model.run(&insert), value("v"));
    let absent = Op::PutIfAbsent { key: key.clone(), value: bytes("no") };
    assert_eq!(model.run(&absent), Outcome::Yes(false));
    let cas = |expect| Op::CompareAndPut { key: key.clone(), expect, value: bytes("cas") };
    assert_eq!(model.run(&cas(Expect::Exactly(write))), Outcome::Yes(false), "a stale version");
    assert_eq!(model.run(&cas(Expect::Exactly(write + 1))), Outcome::Yes(true));
    assert_eq!(model.run(&Op::Remove { key: key.clone() }), value("cas"));
    assert_eq!(model.run(&Op::Remove { key: key.clone() }), Outcome::Value(None));
    assert_eq!(model.run(&cas(Expect::Exactly(write + 2))), Outcome::Yes(false));
    let gone = Op::DeleteIfVersion { key: key.clone(), expect: Expect::Exactly(write + 2) };
    assert_eq!(model.run(&gone), Outcome::Yes(false));
    assert_eq!(model.run(&absent), Outcome::Yes(true));
    let many = vec![(bytes("b"), bytes("1")), (bytes("a"), bytes("2")), (bytes("b"), bytes("3"))];
    let outcome = model.run(&Op::PutManyIfAbsent { records: many.clone() });
    assert_eq!(outcome, Outcome::Each(vec![true, false, false]));
    assert_eq!(model.get(b"b").unwrap().value, b"1");
    assert_eq!(model.run(&Op::PutMany { records: many }), Outcome::Done);
    assert_eq!(model.get(b"b").unwrap().value, b"3");
}

#[test]
fn prefixes_are_counted_and_the_longest_is_found() {
    let mut model = model(&["", "a", "a/b", "a/bc", "b\u{ff}"]);
    let mut longest =
        |query: &str| match model.run(&Op::Read(Read::LongestPrefix { query: bytes(query) })) {
            Outcome::Found(found) => found.map(|e| String::from_utf8_lossy(e.shown()).into_owned()),
            other => panic!("{other:?}"),
        };
    assert_eq!(longest("a/bcd").as_deref(), Some("a/bc"));
    assert_eq!(longest("a/bb").as_deref(), Some("a/b"));
    assert_eq!(longest("a").as_deref(), Some("a"));
    assert_eq!(longest("zebra").as_deref(), Some(""));
    let count = |prefix: &str, limit| Op::Read(Read::PrefixCount { prefix: bytes(prefix), limit });
    assert_eq!(model.run(&count("a", 0)), Outcome::Count(3, true));
    assert_eq!(model.run(&count("a", 3)), Outcome::Count(3, true));
    assert_eq!(model.run(&count("a", 2)), Outcome::Count(2, false));
    let empty = |prefix: &str| Op::Read(Read::IsPrefixEmpty { prefix: bytes(prefix) });
    assert_eq!(model.run(&empty("a/b")), Outcome::Yes(false));
    assert_eq!(model.run(&empty("a/x")), Outcome::Yes(true));
    model.run(&Op::Delete { key: bytes("") });
    let none = Op::Read(Read::LongestPrefix { query: bytes("zebra") });
    assert_eq!(model.run(&none), Outcome::Found(None));
}

#[test]
fn a_snapshot_stays_as_it_was_until_the_store_is_reopened() {
    let mut model = model(&["a/1", "b"]);
    let get = |key: &str| Read::Get { key: bytes(key) };
    let read = |slot, key: &str| Op::InSnapshot { slot, read: get(key) };
    model.run(&Op::Snapshot { slot: 0, prefix: bytes("") });
    model.run(&Op::Snapshot { slot: 1, prefix: bytes("a/") });
    model.run(&Op::DeletePrefix { prefix: bytes("") });
    let value = Outcome::Value(Some(b"v".to_vec()));
    assert_eq!(model.run(&read(0, "b")), value);
    assert_eq!(model.run(&read(1, "a/1")), value);
    assert_eq!(model.run(&read(1, "b")), failed("outside-view-scope"));
    let query = |query: &str| Read::LongestPrefix { query: bytes(query) };
    let outcome = model.run(&Op::InSnapshot { slot: 1, read: query("a/") });
    assert_eq!(outcome, Outcome::Found(None));
    let view = Op::View { prefix: bytes("b"), read: get("a") };
    assert_eq!(model.run(&view), failed("outside-view-scope"));
    assert_eq!(model.run(&Op::DropSnapshot { slot: 0 }), Outcome::Done);
    assert_eq!(model.run(&read(0, "b")), failed("no-snapshot"));
    model.run(&Op::Reopen);
    assert_eq!(model.run(&read(1, "a/1")), failed("no-snapshot"));
}

#[test]
fn handles_are_of_the_tree_they_were_opened_on() {
    let mut model = Model::default();
    let name = || "t".to_owned();
    let inside = |op: Op| Op::InTree { tree: name(), run: Box::new(op) };
    assert_eq!(model.run(&inside(put("k"))), failed("tree-not-found"));
    assert_eq!(model.run(&Op::CreateTree { name: "\0".into() }), failed("invalid-tree-name"));
    assert_eq!(model.run(&Op::CreateTree { name: name() }), Outcome::Done);
    assert_eq!(model.run(&Op::CreateTree { name: name() }), failed("tree-exists"));
    assert_eq!(model.run(&inside(put("k"))), Outcome::Done);
    assert!(model.is_empty() && model.changed().is_empty(), "the script's own tree is another");
    let across = |tree: &str| Op::AcrossTrees {
        changes: vec![
            (name(), Change::Delete { key: bytes("k") }),
            (tree.into(), Change::AssertAbsent { key: bytes("k") }),
        ],
    };
    assert_eq!(model.run(&across("u")), failed("tree-not-found"));
    assert_eq!(model.run(&across("t")), Outcome::Yes(true));
    assert_eq!(model.run(&Op::DropTree { name: name() }), Outcome::Done);
    assert_eq!(model.run(&Op::OpenOrCreateTree { name: "u".into() }), Outcome::Done);
    assert_eq!(model.run(&inside(put("k"))), failed("tree-dropped"));
    assert_eq!(model.run(&Op::ListTrees), Outcome::Names(vec!["u".into()]));
    model.run(&Op::Reopen);
    assert_eq!(model.run(&inside(put("k"))), failed("tree-not-found"));
}
