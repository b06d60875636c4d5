//! Exit codes, messages, pipes: what scripts rely on.

mod cli_support;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use cli_support::{Home, bare, damage_superblocks, run, spawn};
use serde_json::json;

#[test]
fn usage_is_2_in_one_line() {
    let home = Home::new();
    run(&mut bare(), b"").complains(2, "--help");
    run(bare().args(["get", "k"]), b"").complains(2, "--store DIR or set HOLT_STORE");
    run(bare().env("HOLT_STORE", "").args(["get", "k"]), b"").complains(2, "HOLT_STORE");
    home.run(["frobnicate"]).complains(2, "frobnicate");
    home.run(["get"]).complains(2, "<KEY>; see `holt help get`");
    home.run(["get", "a", "b"]).complains(2, "'b'");
    home.run(["ls", "--lmit", "1"]).complains(2, "--limit");
    home.run(["ls", "--limit", "many"]).complains(2, "many");
    home.run(["ls", "--delimiter", "ab"]).complains(2, "one byte");
    home.run(["ls", "-r", "--delimiter", "/"]).complains(2, "cannot be used");
    home.run(["--engine", "other", "ls"]).complains(2, "");
    assert!(!home.store().exists(), "nothing was created");
}

#[test]
fn engines_that_are_not_listed_are_refused() {
    let home = Home::new();
    let with = |engines: &str| run(home.command().env("HOLT_ENGINES", engines).arg("ls"), b"");
    with("sandbox").complains(2, "HOLT_ENGINES does not list native");
    with("sandbox, native").complains(1, "there is no store");
    with("").complains(1, "there is no store");
}

#[test]
fn limits_are_2_and_create_nothing() {
    let home = Home::new();
    let key = "k".repeat(65_536);
    home.run(["put", &key, "v"]).complains(2, "65536 bytes is over the limit of 65535");
    home.feed(["put", "k"], &vec![0; (1 << 20) + 1]).complains(2, "over the limit of 1048576");
    assert!(!home.store().exists());
    let value = vec![7; 1 << 20];
    home.feed(["put", &key[1..]], &value).expect(0);
    assert_eq!(home.run(["get", &key[1..]]).expect(0).out, value);
    let none = home.run(["get", &key[2..]]).complains(1, "... (65534 bytes)");
    assert!(none.err.len() < 400, "{}", none.err);
    let long = home.run(["ls"]).expect(0);
    assert_eq!(long.text().len(), 65_536);
}

#[test]
fn a_missing_store_is_1_and_is_not_created() {
    let home = Home::new();
    let other = home.path("other");
    let commands: [&[&str]; 9] = [
        &["get", "k"],
        &["rm", "k"],
        &["mv", "a", "b"],
        &["ls"],
        &["dump"],
        &["stat"],
        &["check"],
        &["checkpoint"],
        &["compact"],
    ];
    for args in commands {
        home.run(args).complains(1, "there is no store in");
        assert!(!home.store().exists(), "{args:?} created something");
    }
    fs::create_dir(home.store()).expect("directory");
    for args in commands {
        home.run(args).complains(1, "there is no store in");
        assert_eq!(fs::read_dir(home.store()).expect("directory").count(), 0, "{args:?}");
    }
    // What creates a store does not do so for input that it cannot read.
    home.run(["load".as_ref(), other.as_os_str()]).complains(1, "check the path");
    home.run(["import".as_ref(), other.as_os_str()]).complains(1, "check the path");
    assert_eq!(fs::read_dir(home.store()).expect("directory").count(), 0);
}

#[test]
fn a_foreign_directory_is_refused_and_left_alone() {
    let home = Home::new();
    fs::create_dir(home.store()).expect("directory");
    fs::write(home.store().join("notes.txt"), "mine").expect("file");
    home.run(["get", "k"]).complains(1, "there is no store in");
    let foreign = home.store().join("blobs.dat");
    fs::write(&foreign, "not holt's").expect("file");
    for args in [&["get", "k"][..], &["put", "k", "v"], &["check"], &["import", "/etc"]] {
        home.run(args).complains(1, "is not a holt store");
        assert_eq!(fs::read(&foreign).expect("file"), b"not holt's", "{args:?}");
        assert_eq!(fs::read_dir(home.store()).expect("directory").count(), 2, "{args:?}");
    }
    let error = home.run(["get", "k", "--json"]).expect(1).object();
    assert_eq!(error["error"]["kind"], "not-a-store");
    fs::write(home.path("file"), "x").expect("file");
    let file = home.path("file");
    let mut command = bare();
    run(command.arg("--store").arg(&file).args(["put", "k", "v"]), b"")
        .complains(2, "is not a directory");
    assert_eq!(fs::read(file).expect("file"), b"x");
}

#[test]
fn damage_that_prevents_opening_is_printed_by_check() {
    let home = Home::new();
    home.put("a", "1");
    home.run(["checkpoint"]).expect(0);
    damage_superblocks(&home.store());
    let check = home.run(["check"]).complains(1, "damage found (1 piece)");
    assert!(check.text().starts_with("superblock"), "{}", check.text());
    assert!(check.text().contains("DAMAGED"), "{}", check.text());
    let check = home.run(["check", "--json"]).expect(1).object();
    assert_eq!(
        (&check["clean"], &check["damage"][0]["class"]),
        (&json!(false), &json!("superblock"))
    );
    home.run(["get", "a"]).complains(1, "holt check");
    home.run(["put", "a", "2"]).complains(1, "holt check");
    let error = home.run(["--json", "get", "a"]).expect(1).object();
    assert_eq!(error["error"]["kind"], "damage");
}

#[test]
fn failures_are_objects_with_json() {
    let home = Home::new();
    let missing = home.run(["--json", "get", "k"]).expect(1);
    assert_eq!(missing.err.lines().count(), 1);
    let error = &missing.object()["error"];
    assert_eq!((&error["kind"], &error["exit"]), (&json!("not-found"), &json!(1)));
    assert!(missing.err.contains(error["message"].as_str().expect("text")));
    let usage = home.run(["get", "--json"]).expect(2).object();
    assert_eq!(usage["error"]["kind"], "usage");
    home.put("a", "1");
    home.put("b", "1");
    let exists = home.run(["--json", "mv", "a", "b"]).expect(2).object();
    assert_eq!(exists["error"]["kind"], "destination-exists");
}

#[test]
fn a_store_in_use_is_4_and_readers_share() {
    let home = Home::new();
    home.put("a", "1");
    // A load that waits for more input holds the store for writing.
    let mut writer = spawn(home.command().args(["load", "--keep-going"]));
    let mut input = writer.stdin.take().expect("piped");
    input.write_all(b"no record\n").expect("writer reads");
    let mut said = BufReader::new(writer.stderr.take().expect("piped"));
    let mut line = String::new();
    said.read_line(&mut line).expect("writer speaks");
    assert!(line.starts_with("holt: line 1"), "{line}");
    for args in [&["get", "a"][..], &["put", "a", "2"], &["check"]] {
        home.run(args).complains(4, "in use");
    }
    let error = home.run(["get", "a", "--json"]).expect(4).object();
    assert_eq!(error["error"]["kind"], "locked");
    let started = Instant::now();
    home.run(["get", "a", "--wait", "1"]).complains(4, "in use");
    assert!(started.elapsed() >= Duration::from_secs(1), "it waits as long as told");
    home.run(["get", "a", "--wait", "100000"]).complains(2, "86400");
    drop(input);
    assert_eq!(writer.wait().expect("ends").code(), Some(3));
    assert_eq!(home.run(["get", "a"]).expect(0).out, b"1");

    // A listing that waits for its reader holds the store for reading.
    let lines: String =
        (0..40_000).map(|n| format!("{{\"key\":\"k{n:020}\",\"value\":\"\"}}\n")).collect();
    home.feed(["load"], lines.as_bytes()).expect(0);
    let mut reader = spawn(home.command().args(["ls", "-r"]));
    let mut output = reader.stdout.take().expect("piped");
    output.read_exact(&mut [0; 16]).expect("reader prints");
    assert_eq!(home.run(["get", "a"]).expect(0).out, b"1");
    home.run(["put", "a", "2"]).complains(4, "in use");
    drop(output);
    assert_eq!(reader.wait().expect("ends").code(), Some(0));
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let home = Home::new();
    let lines: String =
        (0..40_000).map(|n| format!("{{\"key\":\"k{n:020}\",\"value\":\"\"}}\n")).collect();
    home.feed(["load"], lines.as_bytes()).expect(0);
    for args in [&["ls"][..], &["ls", "-r", "--json"], &["dump"]] {
        let mut child = spawn(home.command().args(args));
        let mut output = child.stdout.take().expect("piped");
        output.read_exact(&mut [0; 16]).expect("some output");
        drop(output);
        let mut err = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut err).expect("text");
        assert_eq!((child.wait().expect("ends").code(), err.as_str()), (Some(0), ""), "{args:?}");
    }
    // Closed before anything is written, and help into a closed pipe.
    for args in [&["get", "k00000000000000000001"][..], &["--help"], &["--json", "nonsense"]] {
        let mut child = spawn(home.command().args(args));
        drop(child.stdout.take());
        let code = child.wait().expect("ends").code();
        assert!(code == Some(0) || code == Some(2), "{args:?}: {code:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_5() {
    let home = Home::new();
    home.put("a", "1");
    for args in [&["get", "a"][..], &["ls"], &["--help"]] {
        let full = File::options().write(true).open("/dev/full").expect("/dev/full");
        let mut command = home.command();
        let child = command.args(args).stdout(full).stderr(Stdio::piped()).spawn().expect("starts");
        let output = child.wait_with_output().expect("ends");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{args:?}: {err}");
        assert!(err.contains("writing standard output failed"), "{err}");
    }
}
