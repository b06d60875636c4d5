//! The sandboxed engine does what the native one does, on the same devices, within its limits.

mod support;

use std::sync::Arc;

use holt_engine::db::Options;
use holt_engine::error::Error;
use holt_host::api::{Change, Reads, ScanRequest, Store};
use holt_host::sandbox::{Quotas, Sandbox, SandboxConfig, SandboxStore};
use holt_native_store::{FileOptions, FileStore};
use support::{devices, dump, pages, sandbox, script};

#[test]
fn the_same_script_has_the_same_answers() {
    let native = script(&mut devices().native());
    let mut store = devices().sandboxed();
    let sandboxed = script(&mut store);
    for (number, (native, sandboxed)) in native.iter().zip(&sandboxed).enumerate() {
        assert_eq!(native, sandboxed, "answer {number}");
    }
    assert_eq!(native.len(), sandboxed.len());
    let usage = store.sandbox_usage();
    assert!(usage.fuel > 0 && usage.device_calls > 0 && usage.memory_bytes > 0, "{usage:?}");
    assert_eq!(store.restarts(), 0);
}

#[test]
fn stores_open_in_the_other_home_with_and_without_a_log_to_replay() {
    for checkpoint in [false, true] {
        let pair = devices();
        let mut native = pair.native();
        script(&mut native);
        native.put(b"last", b"native").expect("puts");
        if checkpoint {
            native.checkpoint().expect("publishes");
        }
        let expected = dump(&mut native);
        drop(native);

        let mut sandboxed = pair.sandboxed();
        assert_eq!(dump(&mut sandboxed), expected);
        assert_eq!(sandboxed.stats().expect("tells").replayed_records == 0, checkpoint);
        sandboxed.put(b"last", b"sandboxed").expect("puts");
        if checkpoint {
            sandboxed.checkpoint().expect("publishes");
        }
        let expected = dump(&mut sandboxed);
        drop(sandboxed);

        let mut native = pair.native();
        assert_eq!(dump(&mut native), expected);
        assert!(native.verify(&mut |_, _| {}).expect("checks").is_clean());
    }
}

#[test]
fn files_written_in_the_sandbox_open_natively() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = || FileStore::open(dir.path(), &FileOptions::default()).expect("opens");
    let first = files();
    let mut store = sandbox()
        .open(first.blobs.clone(), first.log.clone(), Options::default())
        .expect("opens in the sandbox");
    drop(first);
    for number in 0..500u32 {
        store.put(&number.to_be_bytes(), b"value").expect("puts");
    }
    store.sync().expect("syncs");
    drop(store);
    let second = files();
    let tree = holt_engine::db::Tree::open_with_devices(
        second.blobs.clone(),
        Some(second.log.clone()),
        Options::default(),
    )
    .expect("opens natively");
    assert_eq!(tree.stats().expect("tells").records, 500);
}

#[test]
fn resume_continues_where_the_page_ended() {
    let mut store = devices().sandboxed();
    for number in 0..250u32 {
        store.put(format!("{number:03}").as_bytes(), b"x").expect("puts");
    }
    let request = ScanRequest { max_entries: 100, max_bytes: usize::MAX, ..ScanRequest::default() };
    let sizes: Vec<usize> =
        pages(&mut store, request).into_iter().map(|page| page.expect("scans").len()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 250);
    assert_eq!(sizes[..2], [100, 100]);
    let found = store.get_many(&[b"001", b"none"]).expect("gets");
    assert!(found[0].is_some() && found[1].is_none());
    assert!(store.maintain(16).is_ok());
}

fn tight(change: impl FnOnce(&mut SandboxConfig)) -> Sandbox {
    let mut config = SandboxConfig::default();
    change(&mut config);
    Sandbox::new(config).expect("compiles")
}

fn outcome_unknown(error: &Error) -> bool {
    match error {
        Error::Interrupted { outcome_unknown, .. } => *outcome_unknown,
        other => panic!("not interrupted: {other:?}"),
    }
}

#[test]
fn a_call_without_fuel_is_stopped_and_the_next_one_goes_on() {
    let pair = devices();
    pair.native().put(b"key", b"value").expect("puts");
    let mut store = pair.sandboxed_by(&tight(|config| config.call_fuel = 50)).expect("opens");
    let error = store.get(b"key").expect_err("has no fuel");
    assert!(!outcome_unknown(&error) && error.to_string().contains("fuel of 50"), "{error}");
    let error = store.put(b"key", b"other").expect_err("has no fuel");
    assert!(!outcome_unknown(&error), "nothing was appended: {error}");
    assert_eq!(store.restarts(), 2);
    // A long call has fuel of its own, and starts a fresh instance.
    assert!(store.verify(&mut |_, _| {}).expect("checks").is_clean());
    assert_eq!(dump(&mut pair.native()).len(), 1);
}

/// Stops a put at every stride of fuel. What was acknowledged stays; what was interrupted is
/// there wholly or not at all, and not at all unless the error says so.
#[test]
fn a_put_stopped_anywhere_is_all_or_nothing() {
    let (mut stopped, mut unknown) = (0, 0);
    let value = vec![9; 5000];
    for fuel in (0..400).map(|step| 200 + step * 300) {
        let pair = devices();
        pair.native().put(b"before", b"kept").expect("puts");
        let mut store =
            pair.sandboxed_by(&tight_cached(fuel)).expect("opening has fuel of its own");
        let outcome = store.put(b"key", &value);
        drop(store);
        let mut native = pair.native();
        assert_eq!(native.get(b"before").expect("gets").expect("kept").value, b"kept");
        let found = native.get(b"key").expect("gets").map(|record| record.value);
        match outcome {
            Ok(()) => assert_eq!(found.as_ref(), Some(&value), "acknowledged"),
            Err(error) => {
                stopped += 1;
                unknown += u32::from(outcome_unknown(&error));
                if let Some(found) = found {
                    assert!(outcome_unknown(&error) && found == value);
                }
            }
        }
        if stopped > 0 && stopped + 3 < fuel / 300 {
            break;
        }
    }
    println!("put stopped at {stopped} points, outcome unknown at {unknown}");
    assert!(stopped > 0);
}

/// Compiled once; only the fuel differs.
fn tight_cached(fuel: u64) -> Sandbox {
    sandbox().with_call_fuel(fuel)
}

#[test]
fn memory_over_the_limit_stops_the_guest_not_the_host() {
    let pair = devices();
    let sandbox = tight(|config| config.memory_bytes = 4 << 20);
    let mut store = pair.sandboxed_by(&sandbox).expect("opens");
    store.put(b"small", b"fits").expect("puts");
    let changes: Vec<Change> = (0..8u8)
        .map(|number| Change::Put { key: vec![number], value: vec![number; 1 << 20] })
        .collect();
    let error = store.commit(&changes).expect_err("needs more memory than there is");
    assert!(error.to_string().contains("memory of 4194304"), "{error}");
    assert!(!outcome_unknown(&error));
    assert!(store.sandbox_usage().memory_bytes <= 4 << 20);
    assert_eq!(store.get(b"small").expect("gets").expect("kept").value, b"fits");
}

#[test]
fn used_up_device_calls_stop_the_guest() {
    let pair = devices();
    let mut store =
        pair.sandboxed_by(&tight(|config| config.call_device_calls = 0)).expect("opens");
    let error = store.put(b"key", b"value").expect_err("may not call the log");
    assert!(error.to_string().contains("device calls"), "{error}");
    assert!(store.get(b"key").expect("needs no device, or is reopened").is_none());
}

#[test]
fn the_quota_of_pages_reaches_the_caller() {
    let pair = devices();
    let quotas = Quotas { pages: Some(8), ..Quotas::default() };
    let mut store = pair.sandboxed_by(&tight(|config| config.quotas = quotas)).expect("opens");
    let failed = (0..200u8).find_map(|number| {
        let put = store.put(&[number], &vec![number; 900]);
        put.and_then(|()| store.checkpoint()).err()
    });
    assert!(matches!(failed, Some(Error::QuotaExceeded { what: "pages", limit: 8 })), "{failed:?}");
}

#[test]
fn a_pool_of_instances_and_a_cache_of_code_serve_the_same() {
    let cache = tempfile::tempdir().expect("a directory");
    for _ in 0..2 {
        let config = SandboxConfig {
            pooled_instances: Some(4),
            compile_cache: Some(cache.path().to_owned()),
            memory_bytes: 64 << 20,
            ..SandboxConfig::default()
        };
        let pair = devices();
        let (blobs, log) = (Arc::clone(&pair.blobs), Arc::clone(&pair.log));
        let mut store = SandboxStore::open(blobs, log, Options::default(), config).expect("opens");
        store.put(b"key", b"value").expect("puts");
        assert!(store.get(b"key").expect("gets").is_some());
    }
    assert!(std::fs::read_dir(cache.path()).expect("lists").count() > 0, "nothing was cached");
}

#[test]
fn a_check_tells_how_far_it_is() {
    let pair = devices();
    script(&mut pair.native());
    let mut store = pair.sandboxed();
    let mut reports = Vec::new();
    assert!(store.verify(&mut |done, total| reports.push((done, total))).is_ok());
    let last = reports.last().expect("at least one report");
    assert!(last.0 == last.1 && last.1 > 0, "{last:?}");
    assert!(reports.is_sorted(), "{reports:?}");
}
