//! The calls as JavaScript makes them: through the input, the answer block and the output.

use super::engine::{
    ABSENT, ENTRIES, EXTRA, Engine, FIRST_BYTES, KEEP_BYTES, MAX_INPUT_BYTES, OUTPUT_BYTES,
    VERSION, status,
};

fn engine(named: bool) -> Engine {
    Engine::memory(named, None, None, Some(1e6), None).expect("a store in memory")
}

fn write(engine: &mut Engine, input: &[u8]) {
    assert_ne!(engine.reserve(input.len()), 0);
    engine.input[..input.len()].copy_from_slice(input);
}

fn engine_with(input: &[u8]) -> Engine {
    let mut engine = engine(false);
    write(&mut engine, input);
    engine
}

fn page(engine: &mut Engine, prefix: u32, delimiter: i32, entries: usize, flags: u32) -> u32 {
    engine.page(prefix, ABSENT, ABSENT, ABSENT, delimiter, entries, usize::MAX, flags)
}

#[test]
fn a_record_goes_in_and_comes_out() {
    let mut engine = engine_with(b"keyvalue");
    assert_eq!(engine.put(3, 5), status::YES);
    assert_eq!(engine.get(3), status::YES);
    assert_eq!(engine.output, b"value");
    assert_eq!(engine.answer[OUTPUT_BYTES], 5);
    let version = engine.answer[VERSION];
    assert_eq!(engine.get(2), status::NO);
    assert_eq!(engine.longest_prefix(8), status::YES);
    assert_eq!((engine.answer[EXTRA], engine.answer[VERSION]), (3, version));
    assert_eq!(engine.compare_and_put(3, 4, version + 1), status::NO);
    assert_eq!(engine.compare_and_put(3, 4, version), status::YES);
    assert_eq!(engine.remove(3), status::YES);
    assert_eq!(engine.output, b"valu");
    assert_eq!(engine.delete(3), status::NO);
}

#[test]
fn lengths_past_the_input_fail() {
    let mut engine = engine_with(b"x");
    for length in [FIRST_BYTES + 1, usize::MAX] {
        let failed = [
            engine.get(length),
            engine.version(length),
            engine.longest_prefix(length),
            engine.is_prefix_empty(length),
            engine.prefix_count(length, 0),
            engine.put(length, 0),
            engine.put(1, length),
            engine.insert(1, length),
            engine.put_if_absent(1, length),
            engine.compare_and_put(1, length, 0),
            engine.delete(length),
            engine.remove(length),
            engine.delete_if_version(length, 0),
            engine.rename(1, length, true),
            engine.rename_prefix(1, length, true),
            engine.delete_prefix(length),
            engine.put_many(length),
            engine.put_many_if_absent(length),
            engine.atomic(length),
            engine.drop_tree(length),
            engine.atomic_trees(0, length),
            engine.initialize_journal_stream(length),
            engine.atomic_with_journal_envelope(0, 0, length),
            engine.journal_envelopes_after(length),
            engine.push_chunk(length),
            page(&mut engine, u32::try_from(length).unwrap_or(ABSENT - 1), -1, 1, 1),
        ];
        assert_eq!(failed, [status::FAILED; 26]);
    }
    for at in 0..4 {
        let mut lengths = [1; 4];
        lengths[at] = ABSENT - 1;
        let [prefix, start, end, token] = lengths;
        assert_eq!(engine.page(prefix, start, end, token, -1, 1, 1, 0), status::FAILED);
    }
    assert_eq!(engine.atomic(5), status::FAILED, "not a batch");
    assert_eq!(engine.page(1, ABSENT, ABSENT, 1, -1, 1, 1, 0), status::FAILED, "not a token");
}

#[test]
fn input_is_bounded_and_given_back() {
    let mut engine = engine_with(b"");
    assert_eq!(engine.reserve(MAX_INPUT_BYTES + 1), 0);
    assert_eq!(engine.capacity(), FIRST_BYTES);
    engine.reserve(KEEP_BYTES + 1);
    assert_eq!(engine.capacity(), 2 * KEEP_BYTES);
    engine.trim();
    assert_eq!(engine.capacity(), FIRST_BYTES);
}

#[test]
fn bounds_of_a_page_are_clamped() {
    let mut engine = engine_with(b"keyvalue");
    assert_eq!(engine.put(3, 5), status::YES);
    assert_eq!(page(&mut engine, 0, 300, 0, 0), status::YES);
    assert_eq!((engine.answer[ENTRIES], engine.answer[EXTRA]), (1, 0));
    assert_eq!(page(&mut engine, ABSENT, -1, usize::MAX, u32::MAX), status::YES);
    assert_eq!(engine.answer[ENTRIES], 1);
}

#[test]
fn a_call_on_a_handle_of_another_kind_fails() {
    let (mut tree, mut database) = (engine_with(b"kv"), engine(true));
    let mut snapshot = tree.snapshot(0).expect("a snapshot");
    write(&mut snapshot, b"kv");
    for handle in [&mut snapshot, &mut database] {
        assert_eq!(handle.put(1, 1), status::FAILED);
        assert_eq!(handle.atomic(0), status::FAILED);
    }
    assert_eq!(snapshot.changes(0), status::FAILED);
    for handle in [&mut tree, &mut snapshot, &mut database] {
        assert_eq!(handle.next_chunk(1), status::FAILED);
        assert_eq!(handle.push_chunk(1), status::FAILED);
        assert_eq!(handle.finish_image(), status::FAILED);
    }
    let mut export = database.begin_export().expect("an image");
    assert_eq!((export.list_trees(), export.get(0)), (status::FAILED, status::FAILED));
    assert_eq!(tree.journal_state(), status::FAILED);
    assert_eq!(database.get(1), status::FAILED);
    assert_eq!(page(&mut database, ABSENT, -1, 1, 0), status::FAILED);
    assert_eq!(snapshot.stats(), status::FAILED);
    assert_eq!(snapshot.checkpoint(), status::FAILED);
    assert_eq!(tree.list_trees(), status::FAILED);
    assert_eq!(tree.atomic_trees(0, 0), status::FAILED);
}

#[test]
fn a_database_hands_out_its_trees() {
    let mut database = engine(true);
    write(&mut database, b"tree");
    let mut tree = database.create_tree(4).expect("a new name");
    write(&mut tree, b"kv");
    assert_eq!(tree.put(1, 1), status::YES);
    let mut other = database.open_tree(4).expect("the tree");
    write(&mut other, b"k");
    assert_eq!(other.get(1), status::YES);
    assert_eq!(database.list_trees(), status::YES);
    assert_eq!(database.output, br#"["tree"]"#);
    // An operation that names a tree there is no name for.
    let stray = [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    write(&mut database, &stray);
    assert_eq!(database.atomic_trees(0, stray.len()), status::FAILED);
    write(&mut database, b"tree");
    assert_eq!(database.drop_tree(4), status::YES);
    assert_eq!(tree.get(1), status::FAILED);
}

#[test]
fn an_image_goes_out_and_in_by_chunks() {
    let mut database = engine(true);
    write(&mut database, b"tree");
    let mut tree = database.create_tree(4).expect("a new name");
    write(&mut tree, b"kv");
    assert_eq!(tree.put(1, 1), status::YES);
    let mut export = database.begin_export().expect("an image");
    let mut copy = engine(true);
    let mut install = copy.begin_install().expect("a store that takes one");
    let mut check = Engine::check_image().expect("no store is needed");
    while export.next_chunk(10) == status::YES {
        assert!(export.output.len() <= 10);
        for taker in [&mut install, &mut check] {
            let chunk = export.output.clone();
            write(taker, &chunk);
            assert_eq!(taker.push_chunk(chunk.len()), status::YES);
        }
    }
    for taker in [&mut install, &mut check] {
        assert_eq!(taker.finish_image(), status::YES);
        assert_eq!((taker.answer[ENTRIES], taker.answer[EXTRA]), (1, 1));
        assert_eq!(taker.finish_image(), status::FAILED, "it ended");
    }
    assert_eq!(copy.list_trees(), status::YES);
    assert_eq!(copy.output, br#"["tree"]"#);
}
