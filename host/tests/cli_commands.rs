//! Each command does what its help says, as text and as JSON.

mod cli_support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use cli_support::{Home, bare, run};
use serde_json::{Value, json};

const COMMANDS: [&str; 15] = [
    "import",
    "put",
    "get",
    "rm",
    "mv",
    "ls",
    "dump",
    "load",
    "trees",
    "watch",
    "stat",
    "check",
    "checkpoint",
    "compact",
    "completions",
];

#[test]
fn every_command_explains_itself_with_examples() {
    let top = run(bare().arg("--help"), b"").expect(0);
    assert!(top.text().contains("Examples:") && top.text().contains("Exit codes:"));
    for command in COMMANDS {
        assert!(top.text().contains(&format!("\n  {command} ")), "{command} is not listed");
        for args in [["help", command], [command, "--help"]] {
            let help = run(bare().args(args), b"").expect(0);
            assert!(help.text().contains("Examples:\n  holt"), "{command}: {}", help.text());
            assert!(help.text().contains(&format!(" {command} ")), "{command}");
            assert!(help.text().contains("--store <DIR>"), "{command}");
            assert!(help.text().contains("JSON") || help.text().contains("--json"), "{command}");
            assert!(help.err.is_empty());
        }
    }
    assert!(run(bare().arg("--version"), b"").expect(0).text().starts_with("holt "));
}

#[test]
fn put_get_rm_round_trip() {
    let home = Home::new();
    let first = home.run(["put", "color", "blue"]).expect(0);
    assert!(first.out.is_empty());
    assert!(first.err.starts_with("holt: created a store in "), "{}", first.err);
    let second = home.run(["put", "color", "green"]).expect(0);
    assert_eq!((second.out.len(), second.err.as_str()), (0, ""));
    assert_eq!(home.run(["get", "color"]).expect(0).out, b"green");

    home.feed(["put", "piped"], b"\x00\xff\n").expect(0);
    assert_eq!(home.run(["get", "piped"]).expect(0).out, b"\x00\xff\n");
    home.feed(["put", "dash", "-"], b"in").expect(0);
    assert_eq!(home.run(["get", "dash"]).expect(0).out, b"in");
    home.feed(["put", "empty"], b"").expect(0);
    assert_eq!(home.run(["get", "empty"]).expect(0).out, b"");
    home.put("", "the empty key");
    assert_eq!(home.run(["get", ""]).expect(0).out, b"the empty key");
    home.run(["put", "--", "--odd", "v"]).expect(0);
    assert_eq!(home.run(["get", "--", "--odd"]).expect(0).out, b"v");

    home.run(["rm", "color"]).expect(0);
    home.run(["get", "color"]).complains(1, "no record color");
    home.run(["rm", "color"]).complains(1, "no record color");
}

#[test]
fn options_stand_anywhere_and_the_store_comes_from_the_environment() {
    let home = Home::new();
    let store = home.store();
    let mut after = bare();
    run(after.args(["put", "k", "v", "--store"]).arg(&store), b"").expect(0);
    let mut between = bare();
    let got = run(between.args(["get", "--store"]).arg(&store).args(["--json", "k"]), b"");
    assert_eq!(got.expect(0).object()["value"], "v");
    let mut environment = bare();
    let got = run(environment.env("HOLT_STORE", &store).args(["get", "k"]), b"");
    assert_eq!(got.expect(0).out, b"v");
    let mut both = bare();
    both.env("HOLT_STORE", home.path("elsewhere")).arg("--store").arg(&store).args(["get", "k"]);
    assert_eq!(run(&mut both, b"").expect(0).out, b"v", "the option wins");
}

#[test]
fn json_of_single_records() {
    let home = Home::new();
    let put = home.run(["--json", "put", "k", "value"]).expect(0).object();
    assert_eq!(put, json!({"key": "k", "bytes": 5, "created_store": true}));
    let put = home.run(["--json", "put", "k", "other"]).expect(0).object();
    assert_eq!(put["created_store"], false);
    let got = home.run(["--json", "get", "k"]).expect(0).object();
    assert_eq!(
        (&got["key"], &got["value"], &got["bytes"]),
        (&json!("k"), &json!("other"), &json!(5))
    );
    assert!(got["version"].is_u64() && got.get("stat").is_none());
    home.feed(["put", "bin"], b"\xff").expect(0);
    assert_eq!(home.run(["--json", "get", "bin"]).expect(0).object()["value_b64"], "/w==");
    let moved = home.run(["--json", "mv", "k", "l"]).expect(0).object();
    assert_eq!(moved, json!({"from": "k", "to": "l"}));
    let gone = home.run(["--json", "rm", "l"]).expect(0).object();
    assert_eq!(gone, json!({"key": "l", "deleted": true}));
}

#[test]
fn mv_moves_and_refuses_to_replace() {
    let home = Home::new();
    home.put("a", "1");
    home.put("b", "2");
    home.run(["mv", "a", "b"]).complains(2, "pass --force");
    assert_eq!(home.run(["get", "a"]).expect(0).out, b"1");
    home.run(["mv", "--force", "a", "b"]).expect(0);
    assert_eq!(home.run(["get", "b"]).expect(0).out, b"1");
    home.run(["get", "a"]).expect(1);
    home.run(["mv", "a", "c"]).complains(1, "no record a");
    home.run(["mv", "b", "b"]).expect(0);
    assert_eq!(home.run(["get", "b"]).expect(0).out, b"1");
}

#[test]
fn ls_shows_levels() {
    let home = Home::new();
    for key in ["a", "a/b", "a/b/c", "a/d", "e", "f:g:h"] {
        home.put(key, key);
    }
    let ls = |args: &[&str]| {
        let all: Vec<&str> = ["ls"].iter().chain(args).copied().collect();
        home.run(all).expect(0).text().lines().map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(ls(&[]), ["a", "a/", "e", "f:g:h"]);
    assert_eq!(ls(&["a/"]), ["a/b", "a/b/", "a/d"]);
    assert_eq!(ls(&["a"]), ["a", "a/"]);
    assert_eq!(ls(&["-r"]), ["a", "a/b", "a/b/c", "a/d", "e", "f:g:h"]);
    assert_eq!(ls(&["-r", "a/b"]), ["a/b", "a/b/c"]);
    assert_eq!(ls(&["--delimiter", ":"]), ["a", "a/b", "a/b/c", "a/d", "e", "f:"]);
    assert_eq!(ls(&["--limit", "2"]), ["a", "a/"]);
    assert_eq!(ls(&["--limit", "0"]), [""; 0]);
    assert_eq!(ls(&["--after", "a/"]), ["e", "f:g:h"]);
    assert_eq!(ls(&["-r", "--after", "a/b", "--limit", "1"]), ["a/b/c"]);
    assert_eq!(ls(&["nothing/"]), [""; 0]);

    let long = ls(&["-l", "a/"]);
    assert!(long[0].starts_with("value") && long[0].ends_with(" a/b"), "{}", long[0]);
    assert!(
        long[0].contains(" 3 ") && long[1].starts_with("prefix ") && long[1].ends_with(" a/b/")
    );
    let json = home.run(["ls", "--json", "a/"]).expect(0).objects();
    assert_eq!((&json[0]["key"], &json[0]["bytes"]), (&json!("a/b"), &json!(3)));
    assert_eq!(json[1], json!({"prefix": "a/b/"}));
}

#[test]
fn ls_goes_on_past_one_scan() {
    let home = Home::new();
    let lines: String =
        (0..3000).map(|n| format!("{{\"key\":\"k{n:05}/x\",\"value\":\"{n}\"}}\n")).collect();
    home.feed(["load"], lines.as_bytes()).expect(0);
    for args in [&["ls"][..], &["ls", "-r"], &["ls", "--json"]] {
        let listed = home.run(args).expect(0);
        assert_eq!(listed.text().lines().count(), 3000);
    }
    assert_eq!(home.run(["ls", "--limit", "2500"]).expect(0).text().lines().count(), 2500);
}

#[test]
fn keys_of_any_bytes() {
    let home = Home::new();
    let odd = OsStr::from_bytes(b"a\n\xff\\\x1b");
    home.put(odd, "odd");
    assert_eq!(home.run(["ls"]).expect(0).text(), "a\\n\\xff\\\\\\x1b\n");
    let escaped = ["get", "--key-format", "escaped", "a\\n\\xff\\\\\\x1b"];
    assert_eq!(home.run(escaped).expect(0).out, b"odd");
    assert_eq!(home.run(["get", "--key-format", "hex", "610aFF5c1b"]).expect(0).out, b"odd");
    assert_eq!(home.run(["ls", "--key-format", "hex"]).expect(0).text(), "610aff5c1b\n");
    assert_eq!(home.run(["ls", "--json"]).expect(0).object()["key_b64"], "YQr/XBs=");
    // A NUL byte cannot be in an argument as it is.
    home.run(["put", "--key-format", "hex", "6100", "nul"]).expect(0);
    home.run(["put", "--key-format", "hex", "61", "plain"]).expect(0);
    assert_eq!(home.run(["ls"]).expect(0).text(), "a\na\\0\na\\n\\xff\\\\\\x1b\n");
    let all: Vec<Value> = home.run(["ls", "--json"]).expect(0).objects();
    assert_eq!(all[1]["key"], "a\0");
    assert_eq!(
        home.run(["ls", "--key-format", "escaped", "--after", "a\\0"]).expect(0).text(),
        "a\\n\\xff\\\\\\x1b\n"
    );
    assert_eq!(
        home.run(["ls", "--key-format", "hex", "--delimiter", "ff"]).expect(0).text(),
        "61\n6100\n610aff\n"
    );
    home.run(["rm", "--key-format", "escaped", "x\\"]).complains(2, "escaped form");
    home.run(["rm", "--key-format", "hex", "6"]).complains(2, "hexadecimal");
}

#[test]
fn stat_shows_figures() {
    let home = Home::new();
    home.put("a", "1");
    home.put("b", "2");
    let stat = home.run(["--json", "stat"]).expect(0).object();
    assert_eq!(stat["tree"]["records"], 2);
    assert_eq!(stat["engine"], "native");
    assert!(stat["disk_bytes"].as_u64().expect("number") > 0);
    assert!(stat["tree"]["store"]["pages"].is_u64() && stat["sandbox"].is_null());
    assert!(stat["files"].as_array().expect("array").iter().any(|f| f["name"] == "blobs.dat"));
    let table = home.run(["stat"]).expect(0);
    assert!(table.text().contains("records") && table.text().contains("blobs.dat"));
}

#[test]
fn check_checkpoint_and_compact_report() {
    let home = Home::new();
    home.put("a", "1");
    let check = home.run(["check"]).expect(0);
    assert!(check.text().starts_with("clean: 1 record ("), "{}", check.text());
    assert!(check.err.is_empty());
    let check = home.run(["check", "--json"]).expect(0).object();
    assert_eq!((&check["clean"], &check["records"]), (&json!(true), &json!(1)));
    assert_eq!(check["damage"], json!([]));
    assert!(home.run(["checkpoint"]).expect(0).text().contains("log to replay"));
    let checkpoint = home.run(["--json", "checkpoint"]).expect(0).object();
    assert_eq!(checkpoint["log_bytes_after"], 0);
    assert!(home.run(["compact"]).expect(0).text().contains("on disk"));
    let compact = home.run(["--json", "compact"]).expect(0).object();
    assert!(compact["disk_bytes_after"].as_u64().expect("number") > 0);
    assert_eq!(home.run(["get", "a"]).expect(0).out, b"1");
    home.run(["check"]).expect(0);
}

#[test]
fn completions_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(bare().args(["completions", shell]), b"").expect(0);
        assert!(script.text().contains("holt") && script.text().contains("checkpoint"), "{shell}");
    }
    run(bare().args(["completions", "csh"]), b"").complains(2, "csh");
}
