//! Engines that mean harm: components of the right world that loop, grow, recurse, lie about
//! lengths or stop dead. The host answers with a typed error, and serves the next call.

mod support;

use std::time::{Duration, Instant};

use holt_engine::error::Error;
use holt_host::api::{Reads, ScanRequest, Store};
use holt_host::sandbox::{MAX_CROSSING_BYTES, Sandbox, SandboxConfig, SandboxStore};
use support::devices;
use wit_component::StringEncoding;
use wit_parser::Resolve;

/// Where a call that answers "ok, nothing" points: memory that is never written.
const ZEROS: &str = "(i32.const 1024)";

/// A component of the world `engine` whose `get`, `put` and `scan` have these bodies, and whose
/// other calls answer that all is well.
fn component(get: &str, put: &str, scan: &str) -> Vec<u8> {
    let export = |name: &str, params: usize, body: &str| {
        let params = "i32 ".repeat(params);
        format!(
            "(func (export \"holt:metadata/store@0.1.0#[method]tree.{name}\")
               (param {params}) (result i32) {body})"
        )
    };
    let methods = [
        export("get", 3, get),
        export("get-many", 3, ZEROS),
        export("put", 5, put),
        export("delete", 3, ZEROS),
        export("rename", 6, ZEROS),
        export("commit", 3, ZEROS),
        export("commit-packed", 3, ZEROS),
        export("scan", 14, ZEROS),
        export("scan-packed", 14, scan),
        export("checkpoint", 1, ZEROS),
        export("compact", 1, ZEROS),
        export("maintain", 2, ZEROS),
        export("sync", 1, ZEROS),
        export("verify", 1, ZEROS),
        export("stats", 1, ZEROS),
    ]
    .join("\n");
    let text = format!(
        r#"(module
          (import "[export]holt:metadata/store@0.1.0" "[resource-new]tree"
            (func $new (param i32) (result i32)))
          (import "holt:metadata/blob-store@0.1.0" "geometry" (func $geometry (result i32)))
          (import "holt:metadata/blob-store@0.1.0" "stage"
            (func $stage (param i32 i32 i32)))
          (import "holt:metadata/log@0.1.0" "append" (func $append (param i64 i32 i32 i32)))
          (memory (export "memory") 1)
          (global $heap (mut i32) (i32.const 8192))
          (func $recurse (param i32) (result i32)
            (i32.add (call $recurse (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local i32)
            (local.set 4 (global.get $heap))
            (global.set $heap (i32.and (i32.const -8)
              (i32.add (i32.add (global.get $heap) (local.get 3)) (i32.const 7))))
            (local.get 4))
          (func (export "holt:metadata/store@0.1.0#open")
            (param i64 i32 i64 i32 i32) (result i32)
            (i32.store (i32.const 2056) (call $new (i32.const 1)))
            (i32.const 2048))
          {methods})"#
    );
    let mut module = wat::parse_str(&text).expect("wat");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path("../wit").expect("the package");
    let world = resolve.select_world(&[package], Some("engine")).expect("the world");
    let encoding = StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding)
        .expect("embeds");
    wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| encoder.encode())
        .expect("a component")
}

fn open(get: &str, put: &str, scan: &str) -> SandboxStore {
    let config = SandboxConfig {
        memory_bytes: 64 << 20,
        call_fuel: 20_000_000,
        call_device_calls: 100_000,
        ..SandboxConfig::default()
    };
    let sandbox = Sandbox::with_component(config, &component(get, put, scan)).expect("compiles");
    devices().sandboxed_by(&sandbox).expect("opens")
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

#[test]
fn components_that_ask_for_more_are_not_loaded() {
    let text = r#"(component (import "wasi:cli/environment@0.2.0" (instance
        (export "get-environment" (func (result (list (tuple string string))))))))"#;
    let wasm = wat::parse_str(text).expect("wat");
    assert!(Sandbox::with_component(SandboxConfig::default(), &wasm).is_err());
    assert!(Sandbox::with_component(SandboxConfig::default(), b"\0asm").is_err());
    assert!(Sandbox::with_component(SandboxConfig::default(), &[]).is_err());
}
