//! The sandboxed engine and the native one are two ways to the same bytes.

mod cli_support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use cli_support::Home;
use serde_json::json;

/// A few hundred files, directories and links, deep and wide enough for several pages.
fn plant(root: &Path) {
    for n in 0..40 {
        let dir = root.join(format!("d{:02}/deep/er", n % 10));
        fs::create_dir_all(&dir).expect("directories");
        for m in 0..15 {
            fs::write(dir.join(format!("file-{n}-{m}")), vec![b'x'; n * m]).expect("file");
        }
        symlink(format!("../target-{n}"), dir.join(format!("link-{n}"))).expect("link");
    }
}

fn home(engine: &'static str) -> Home {
    Home { engine, ..Home::new() }
}

#[test]
fn an_import_gives_the_same_dump_in_both_engines() {
    let tree = Home::new();
    plant(&tree.path("tree"));
    let path = tree.path("tree");
    let native = home("native");
    let sandbox = home("sandbox");
    let args = ["import".as_ref(), path.as_os_str(), "--json".as_ref()];
    let by_native = native.run(args).expect(0).object();
    let by_sandbox = sandbox.run(args).expect(0).object();
    assert_eq!(by_native["records"], by_sandbox["records"]);
    assert_eq!((&by_native["fuel"], &by_native["device_calls"]), (&json!(null), &json!(null)));
    assert_eq!(by_sandbox["engine"], "sandbox");
    assert!(by_sandbox["fuel"].as_u64().is_some_and(|fuel| fuel > 0), "{by_sandbox}");
    assert!(by_sandbox["device_calls"].as_u64().is_some_and(|calls| calls > 0), "{by_sandbox}");

    let dump = native.run(["dump"]).expect(0).out;
    assert_eq!(dump.iter().filter(|&&byte| byte == b'\n').count(), 670);
    assert!(sandbox.run(["dump"]).expect(0).out == dump, "the dumps differ");
    native.run(["check"]).expect(0);
    sandbox.run(["check"]).expect(0);

    // Each opens what the other wrote, and goes on with it.
    let mut crossed = [native, sandbox];
    crossed[0].engine = "sandbox";
    crossed[1].engine = "native";
    for store in &mut crossed {
        assert!(store.run(["dump"]).expect(0).out == dump, "the dumps differ");
        store.put("added", "later");
        store.run(["mv", "added", "d00/added"]).expect(0);
        store.run(["check"]).expect(0);
        store.engine = if store.engine == "native" { "sandbox" } else { "native" };
        assert_eq!(store.run(["get", "d00/added"]).expect(0).out, b"later");
        store.run(["rm", "d00/added"]).expect(0);
        assert!(store.run(["dump"]).expect(0).out == dump, "the dumps differ");
    }
}

#[test]
fn every_command_works_in_the_sandbox_with_the_native_engine_disabled() {
    let home = home("sandbox");
    let native = ["put", "a", "1", "--engine", "native"];
    let mut refused = cli_support::bare();
    refused.env("HOLT_ENGINES", "sandbox").arg("--store").arg(home.store()).args(native);
    cli_support::run(&mut refused, b"").complains(2, "does not list native");
    assert!(home.run(["put", "a", "1"]).expect(0).err.contains("created a store"));
    assert_eq!(home.run(["get", "a"]).expect(0).out, b"1");
    home.run(["get", "b"]).complains(1, "no record b");
    home.run(["mv", "a", "b/c"]).expect(0);
    home.put("b/d", "2");
    home.run(["mv", "b/c", "b/d"]).complains(2, "--force");
    assert_eq!(home.run(["ls"]).expect(0).text(), "b/\n");
    assert_eq!(home.run(["ls", "-r", "--after", "b/c"]).expect(0).text(), "b/d\n");
    home.feed(["load"], b"{\"key\":\"z\",\"value\":\"3\"}\n").expect(0);
    home.run(["rm", "b/d"]).expect(0);
    home.run(["compact"]).expect(0);
    home.run(["checkpoint"]).expect(0);
    home.run(["check"]).expect(0);
    let stat = home.run(["stat", "--json"]).expect(0).object();
    assert_eq!((&stat["engine"], &stat["tree"]["records"]), (&json!("sandbox"), &json!(2)));
    for figure in ["fuel", "device_calls", "memory_bytes"] {
        assert!(stat["sandbox"][figure].as_u64().is_some_and(|count| count > 0), "{stat}");
    }
    assert_eq!(home.run(["dump"]).expect(0).text().lines().count(), 2);
    let large = vec![9; 1 << 20];
    home.feed(["put", "large"], &large).expect(0);
    assert!(home.run(["get", "large"]).expect(0).out == large);
}
