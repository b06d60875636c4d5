//! Engines that mean harm: components of the right world that loop, grow, recurse, lie about
//! lengths or stop dead. The host answers with a typed error, and serves the next call.

mod support;

use std::time::{Duration, Instant};

use holt_engine::error::Error;
use holt_host::api::{Database, Reads, ScanRequest, Store};
use holt_host::sandbox::{MAX_CROSSING_BYTES, Sandbox, SandboxConfig, SandboxStore};
use support::devices;
use support::guest::{ZEROS, answered, bytes, component};

fn open(get: &str, put: &str, scan: &str) -> SandboxStore {
    open_with(&[("tree.get", get), ("tree.put", put), ("tree.scan-packed", scan)])
}

/// A store of an engine whose calls have these bodies.
fn open_with(bodies: &[(&str, &str)]) -> SandboxStore {
    devices().sandboxed_by(&sandbox_with(bodies)).expect("opens")
}

fn sandbox_with(bodies: &[(&str, &str)]) -> Sandbox {
    let config = SandboxConfig {
        memory_bytes: 64 << 20,
        call_fuel: 20_000_000,
        call_device_calls: 100_000,
        ..SandboxConfig::default()
    };
    Sandbox::with_component(config, &component(bodies)).expect("compiles")
}

/// The call is stopped in time, names `cause`, and the store still answers.
fn stopped(store: &mut SandboxStore, body: &str, cause: &str) {
    let (started, restarts) = (Instant::now(), store.restarts());
    let error = store.get(b"key").expect_err(body);
    assert!(started.elapsed() < Duration::from_secs(20), "{body}: {:?}", started.elapsed());
    match &error {
        Error::Interrupted { call, outcome_unknown: false, .. } => assert_eq!(call, "get"),
        other => panic!("{body}: {other:?}"),
    }
    assert!(error.to_string().contains(cause), "{body}: {error}");
    assert_eq!(store.restarts(), restarts + 1);
    store.sync().expect("the next call finds a fresh instance");
    let held = store.sandbox_usage().memory_bytes;
    assert!(held <= 64 << 20, "{body}: {held} bytes");
}

#[test]
fn what_never_ends_is_ended() {
    for (body, cause) in [
        ("(loop (br 0)) (unreachable)", "fuel"),
        ("(loop (drop (call $geometry)) (br 0)) (unreachable)", "device calls"),
        ("(call $recurse (i32.const 0))", "stack"),
        ("(unreachable)", "fault of the guest"),
        ("(i32.load (i32.const -4))", "fault of the guest"),
        ("(i32.div_u (i32.const 1) (i32.const 0))", "fault of the guest"),
    ] {
        stopped(&mut open(body, ZEROS, ZEROS), body, cause);
    }
}

#[test]
fn memory_without_end_is_refused() {
    let body = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
                (unreachable)";
    stopped(&mut open(body, ZEROS, ZEROS), body, "memory of 67108864");
}

/// Lists that lie: outside memory, over every limit, or at an address that cannot be.
#[test]
fn lists_that_lie_are_refused_before_the_host_allocates() {
    let grow = "(drop (memory.grow (i32.const 800)))";
    let crossing = MAX_CROSSING_BYTES + 1;
    for (pointer, length) in [(0, -1), (-1, 1), (-1, -1), (65_536, 1), (0, crossing as i64)] {
        let sent = format!(
            "{grow} (call $stage (i32.const {pointer}) (i32.const {length}) (i32.const 4096))
             {ZEROS}"
        );
        if pointer != 65_536 {
            stopped(&mut open(&sent, ZEROS, ZEROS), &sent, "");
        }
        // The same as the answer of a call: ok, some record, whose value is that list.
        let answered = format!(
            "{grow}
             (i32.store8 (i32.const 3072) (i32.const 0))
             (i32.store8 (i32.const 3080) (i32.const 1))
             (i32.store (i32.const 3088) (i32.const {pointer}))
             (i32.store (i32.const 3092) (i32.const {length}))
             (i32.const 3072)"
        );
        if pointer != 65_536 {
            stopped(&mut open(&answered, ZEROS, ZEROS), &answered, "");
        }
    }
    // An answer at an address outside memory, and one that is no variant's case.
    for body in ["(i32.const -8)", "(i32.const 1025)"] {
        stopped(&mut open(body, ZEROS, ZEROS), body, "");
    }
    let body = "(i32.store8 (i32.const 3072) (i32.const 7)) (i32.const 3072)";
    stopped(&mut open(body, ZEROS, ZEROS), body, "");
}

#[test]
fn a_change_stopped_after_its_append_has_an_unknown_outcome() {
    let append = "(call $append (i64.const 0) (i32.const 1024) (i32.const 8) (i32.const 4096))";
    for (body, unknown) in
        [(format!("{append} (unreachable)"), true), ("(unreachable)".to_owned(), false)]
    {
        let error = open(ZEROS, &body, ZEROS).put(b"key", b"value").expect_err("stopped");
        let Error::Interrupted { outcome_unknown, .. } = error else { panic!("{error:?}") };
        assert_eq!(outcome_unknown, unknown, "{body}");
    }
}

/// A page that is no page is an error of the call, not of the instance.
#[test]
fn packed_pages_that_lie_are_refused() {
    let request = ScanRequest { max_entries: 9, max_bytes: 9, ..ScanRequest::default() };
    // An empty list; a page with a token longer than the page; items of an unknown kind.
    for (bytes, length) in [(0, 0), (0xff_ff_ff_ff_01_i64, 8), (0x0900, 2)] {
        let body = format!(
            "(i64.store (i32.const 3000) (i64.const {bytes}))
             (i32.store8 (i32.const 3072) (i32.const 0))
             (i32.store (i32.const 3080) (i32.const 3000))
             (i32.store (i32.const 3084) (i32.const {length}))
             (i32.const 3072)"
        );
        let mut store = open(ZEROS, ZEROS, &body);
        let error = store.scan(&request).expect_err("no page");
        assert!(matches!(error, Error::InvalidArgument { .. }), "{error:?}");
        assert_eq!(store.restarts(), 0);
    }
}

/// Packed answers of every other kind, each a lie: an error of the call, not of the instance.
#[test]
fn packed_answers_that_lie_are_refused() {
    let key: &[&[u8]] = &[b"key"];
    for (why, answer) in [
        ("nothing for a key", &[][..]),
        ("two records for a key", &[0, 0]),
        ("a kind that is none", &[2]),
        ("a value longer than the answer", &[1, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255]),
    ] {
        let mut store = open_with(&[("tree.get-many-packed", &bytes(answer))]);
        let error = store.get_many(key).expect_err(why);
        assert!(matches!(error, Error::InvalidArgument { .. }), "{why}: {error:?}");
        assert_eq!(store.restarts(), 0);
    }
    let page = |more: u8, next: u64, rest: &[u8]| {
        let mut page = vec![more];
        page.extend_from_slice(&next.to_le_bytes());
        page.extend_from_slice(rest);
        page
    };
    let commit = |lsn: u64, count: u32| [&lsn.to_le_bytes()[..], &count.to_le_bytes()].concat();
    for (why, answer) in [
        ("nothing", vec![]),
        ("no flag", page(2, 10, &[])),
        ("more, and no further", page(1, 7, &[])),
        ("back", page(0, 6, &[])),
        ("a commit from before", page(0, 10, &commit(6, 0))),
        ("a commit from after", page(0, 10, &commit(10, 0))),
        ("a commit twice", page(0, 10, &[commit(8, 0), commit(8, 0)].concat())),
        ("events that are not there", page(0, 10, &commit(8, u32::MAX))),
        ("an event of no kind", page(0, 10, &[commit(8, 1), vec![9]].concat())),
    ] {
        let mut store = open_with(&[("tree.changes-since-packed", &bytes(&answer))]);
        let error = store.changes_since(7).expect_err(why);
        assert!(matches!(error, Error::InvalidArgument { .. }), "{why}: {error:?}");
        assert_eq!(store.restarts(), 0);
    }
    // An answer for another number of records than were given.
    let mut store = open_with(&[("tree.put-many-if-absent", ZEROS)]);
    let error = store.put_many_if_absent(&[(b"a", b"b")]).expect_err("no answer for it");
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error:?}");
}

/// Handles that were never made, or that another call gets again.
#[test]
fn handles_that_are_none_stop_the_instance() {
    let none = answered("(i32.store (i32.const 2056) (i32.const 77))");
    let mut store = open_with(&[("tree.snapshot", &none)]);
    let error = store.snapshot(b"").err().expect("no handle");
    assert!(matches!(error, Error::Interrupted { .. }), "{error:?}");
    store.sync().expect("the next call finds a fresh instance");
    // The tree's own handle is of another kind.
    let tree = answered("(i32.store (i32.const 2056) (i32.const 1))");
    let mut store = open_with(&[("tree.snapshot", &tree)]);
    assert!(matches!(store.snapshot(b"").err(), Some(Error::Interrupted { .. })));
}

#[test]
fn snapshots_that_never_end_are_ended() {
    let new = answered("(i32.store (i32.const 2056) (call $new_snapshot (i32.const 5)))");
    let endless = "(loop (br 0)) (unreachable)";
    let mut store = open_with(&[("tree.snapshot", &new), ("snapshot.get", endless)]);
    let mut snapshot = store.snapshot(b"").expect("takes one");
    let mut other = store.snapshot(b"").expect("takes another");
    let error = snapshot.get(b"key").expect_err("never ends");
    assert!(matches!(error, Error::Interrupted { outcome_unknown: false, .. }), "{error:?}");
    assert!(matches!(snapshot.get(b"key"), Err(Error::Expired { .. })));
    assert!(matches!(other.get_version(b"key"), Err(Error::Expired { .. })));
    assert_eq!(store.restarts(), 1);
    store.sync().expect("the next call finds a fresh instance");
    drop((snapshot, other));
    assert_eq!(store.restarts(), 1, "handles of the old instance are not dropped in the new one");
}

/// Names, chunks and figures of a database that lie.
#[test]
fn a_database_that_lies_is_refused_or_cut() {
    let database = |bodies: &[(&str, &str)]| {
        let pair = devices();
        pair.sandboxed_database(&sandbox_with(bodies))
    };
    let crossing = MAX_CROSSING_BYTES + 1;
    let long = format!(
        "(drop (memory.grow (i32.const 800)))
         (i32.store8 (i32.const 2048) (i32.const 0))
         (i32.store (i32.const 2056) (i32.const 65536))
         (i32.store (i32.const 2060) (i32.const {crossing})) (i32.const 2048)"
    );
    let mut db = database(&[("database.list-trees", &long)]);
    assert!(matches!(db.list_trees(), Err(Error::Interrupted { .. })));
    assert_eq!(db.restarts(), 1);
    assert!(db.list_trees().is_err() && db.checkpoint().is_ok());
    // A name of two million bytes, and one that is not UTF-8.
    let name = |length: i64, byte: i64| {
        answered(&format!(
            "(drop (memory.grow (i32.const 100)))
             (i32.store8 (i32.const 65536) (i32.const {byte}))
             (i32.store (i32.const 4096) (i32.const 65536))
             (i32.store (i32.const 4100) (i32.const {length}))
             (i32.store (i32.const 2056) (i32.const 4096))
             (i32.store (i32.const 2060) (i32.const 1))"
        ))
    };
    let names = database(&[("database.list-trees", &name(2 << 20, 0))]).list_trees();
    assert_eq!(names.expect("is cut")[0].len(), holt_engine::limits::MAX_TREE_NAME_BYTES);
    let odd = database(&[("database.list-trees", &name(1, 0xff))]).list_trees();
    assert!(matches!(odd, Err(Error::Interrupted { .. })), "{odd:?}");
    // A state of the journal whose anchors have no digest.
    let state = database(&[]).journal_state();
    assert!(matches!(state, Err(Error::InvalidArgument { what: "journal anchor", .. })));
}

#[test]
fn components_that_ask_for_more_are_not_loaded() {
    let text = r#"(component (import "wasi:cli/environment@0.2.0" (instance
        (export "get-environment" (func (result (list (tuple string string))))))))"#;
    let wasm = wat::parse_str(text).expect("wat");
    assert!(Sandbox::with_component(SandboxConfig::default(), &wasm).is_err());
    assert!(Sandbox::with_component(SandboxConfig::default(), b"\0asm").is_err());
    assert!(Sandbox::with_component(SandboxConfig::default(), &[]).is_err());
}
