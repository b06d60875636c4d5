//! The example plugin, built by cargo, run over a native and over a sandboxed store.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use holt_engine::error::Error;
use holt_host::api::{Reads, Store};
use holt_host::plugin::{Plugin, PluginConfig, PluginRun, SharedStore};
use support::{devices, dump};

/// The core module as cargo makes it from `examples/plugins/tagger`.
fn tagger() -> &'static [u8] {
    static MODULE: OnceLock<Vec<u8>> = OnceLock::new();
    MODULE.get_or_init(|| {
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/plugins/tagger");
        // The guest's target directory: what it shares with the engine's build is built once.
        let target = Path::new(env!("HOLT_GUEST_TARGET_DIR"));
        let output = Command::new("cargo")
            .args(["build", "--release", "--locked", "--target", "wasm32-unknown-unknown"])
            .arg("--target-dir")
            .arg(target)
            .current_dir(&source)
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("CARGO_TARGET_DIR")
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let module = target.join("wasm32-unknown-unknown/release/tagger.wasm");
        std::fs::read(module).expect("cargo made it")
    })
}

fn load(change: impl FnOnce(&mut PluginConfig)) -> Plugin {
    let mut config = PluginConfig::default();
    change(&mut config);
    Plugin::load(tagger(), config).expect("loads")
}

fn filled(mut store: impl Store + Send + 'static) -> SharedStore {
    for number in 0..2500u32 {
        let key = format!("photos/{number:05}");
        store.put(key.as_bytes(), &number.to_le_bytes()).expect("puts");
    }
    store.put(b"songs/1", b"not a photo").expect("puts");
    Arc::new(Mutex::new(store))
}

fn run(plugin: &Plugin, store: &SharedStore, args: &[&str]) -> Result<PluginRun, Error> {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    plugin.run(Arc::clone(store), &args)
}

#[test]
fn native_and_sandboxed_stores_serve_the_plugin_alike() {
    let plugin = load(|_| ());
    let (native, sandboxed) = (devices(), devices());
    let stores = [filled(native.native()), filled(sandboxed.sandboxed())];
    let runs = stores
        .each_ref()
        .map(|store| run(&plugin, store, &["photos/", "holiday"]).expect("is not stopped"));
    assert_eq!(runs[0].outcome.as_deref(), Ok("tagged 2500 records under photos/ as holiday"));
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].fuel > 0 && runs[0].store_calls >= 7, "{:?}", runs[0]);
    let dumps = stores.each_ref().map(|store| dump(&mut *store.lock().expect("not poisoned")));
    assert_eq!(dumps[0].len(), 2500 + 1 + 2500);
    assert_eq!(dumps[0], dumps[1]);
}

#[test]
fn a_plugin_that_fails_says_why() {
    let store = filled(devices().native());
    let said = run(&load(|_| ()), &store, &["only one"]).expect("is not stopped");
    assert_eq!(said.outcome, Err("usage: PREFIX TAG".to_owned()));
}

#[test]
fn a_plugin_that_may_only_read_changes_nothing() {
    let store = filled(devices().native());
    let plugin = load(|config| config.read_only = true);
    let said = run(&plugin, &store, &["photos/", "holiday"]).expect("is not stopped");
    assert!(said.outcome.expect_err("may not write").contains("ReadOnly"));
    assert_eq!(dump(&mut *store.lock().expect("not poisoned")).len(), 2501);
}

#[test]
fn limits_stop_a_plugin_and_say_whether_it_wrote() {
    let store = filled(devices().native());
    for (plugin, cause, wrote) in [
        (load(|config| config.fuel = 1000), "fuel", false),
        (load(|config| config.store_calls = 4), "calls to the store", true),
        (load(|config| config.memory_bytes = 1 << 16), "", false),
    ] {
        let error = run(&plugin, &store, &["photos/", "x"]).expect_err(cause);
        let Error::Interrupted { outcome_unknown, .. } = error else { panic!("{error:?}") };
        assert!(outcome_unknown == wrote && error.to_string().contains(cause), "{error}");
    }
    let long = "x".repeat(2 << 20);
    let error = run(&load(|_| ()), &store, &[&long]).expect_err("too long");
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error:?}");
}

#[test]
fn what_is_no_plugin_is_not_loaded() {
    let ambient = wat::parse_str(
        r#"(component (import "wasi:cli/environment@0.2.0" (instance
            (export "get-environment" (func (result (list (tuple string string))))))))"#,
    )
    .expect("wat");
    let empty = wat::parse_str("(module)").expect("wat");
    for wasm in [&ambient[..], &empty, b"", b"\0asm\x01\0\0\0"] {
        assert!(Plugin::load(wasm, PluginConfig::default()).is_err());
    }
}
