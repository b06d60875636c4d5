//! `dump` and `load` carry any records from one store to another.

mod cli_support;

use std::fs;

use cli_support::Home;
use serde_json::json;

/// Records of all kinds, as `dump` must print them: in key order, text where both are text.
const RECORDS: &str = r#"{"key":"","value":"the empty key"}
{"key":"a","value":""}
{"key":"a\u0000","value":"quote \" slash / back \\ line \n tab \t bell \u0007 ü € 😀"}
{"key_b64":"YQ==AA","value_b64":""}
{"key_b64":"/w==","value_b64":"dGV4dA=="}
"#;

fn records() -> String {
    // The fourth line is there to be left out: it is not base64.
    RECORDS.lines().filter(|line| !line.contains("==AA")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_dump_of_a_load_is_the_same_bytes() {
    let home = Home::new();
    let loaded = home.feed(["load", "--json"], records().as_bytes()).expect(0);
    assert!(loaded.err.contains("created a store"));
    let object = loaded.object();
    assert_eq!((&object["loaded"], &object["created_store"]), (&json!(4), &json!(true)));
    assert_eq!((&object["bad_lines"], &object["stopped_at_line"]), (&json!(0), &json!(null)));
    let dump = home.run(["dump"]).expect(0);
    assert_eq!(dump.text(), records());
    assert_eq!(home.run(["dump", "a"]).expect(0).text().lines().count(), 2);

    let copy = Home::new();
    fs::write(copy.path("dump.jsonl"), &dump.out).expect("file");
    let file = copy.path("dump.jsonl");
    let said = copy.run(["load".as_ref(), file.as_os_str()]).expect(0);
    assert!(said.text().starts_with("4 records in "), "{}", said.text());
    assert_eq!(copy.run(["dump"]).expect(0).out, dump.out);
}

#[test]
fn many_batches_and_large_values() {
    let home = Home::new();
    let mut lines: Vec<String> = (0..2000)
        .map(|n| format!("{{\"key\":\"k{n:05}\",\"value\":\"{}\"}}", "v".repeat(n % 700)))
        .collect();
    // Control characters take six bytes each in JSON: the longest line there is.
    for n in 0..12 {
        let value = "\\u0001".repeat(1 << 20);
        lines.push(format!("{{\"key\":\"large{n:02}\",\"value\":\"{value}\"}}"));
    }
    let text = lines.join("\n") + "\n";
    home.feed(["load", "-"], text.as_bytes()).expect(0);
    assert!(home.run(["dump"]).expect(0).out == text.as_bytes(), "dump differs");
    home.run(["check"]).expect(0);
}

#[test]
fn a_bad_line_stops_with_its_number() {
    let home = Home::new();
    let first = home.feed(["load"], b"\n{\"key\":\"a\"}\n");
    let first = first.expect(2);
    assert!(first.err.contains("line 2: neither value nor value_b64"), "{}", first.err);
    home.run(["dump"]).expect(0);

    let later = home.feed(["load", "--json"], (records() + RECORDS).as_bytes()).expect(3);
    assert!(later.err.contains("line 8: key_b64 is not base64"), "{}", later.err);
    let object = later.object();
    assert_eq!((&object["loaded"], &object["stopped_at_line"]), (&json!(7), &json!(8)));
    assert_eq!(home.run(["dump"]).expect(0).text(), records());

    let skipped = home.feed(["load", "--keep-going", "--json"], RECORDS.as_bytes()).expect(3);
    assert!(skipped.err.contains("line 4: ") && skipped.err.contains("skipped 1 line that"));
    let object = skipped.object();
    assert_eq!((&object["loaded"], &object["bad_lines"]), (&json!(4), &json!(1)));
}

#[test]
fn lines_are_bounded_and_limits_hold() {
    let home = Home::new();
    let mut input = vec![b'x'; 9 << 20];
    input.extend(b"\n{\"key\":\"after\",\"value\":\"1\"}\n");
    let key = "k".repeat(65_536);
    input.extend(format!("{{\"key\":\"{key}\",\"value\":\"\"}}\n").bytes());
    let value = "v".repeat((1 << 20) + 1);
    input.extend(format!("{{\"key\":\"k\",\"value\":\"{value}\"}}\n").bytes());
    input.extend(b"{\"key\":\"last\",\"value\":\"\"}");
    let ran = home.feed(["load", "--keep-going"], &input).expect(3);
    for part in ["line 1: longer than", "line 3: key of 65536", "line 4: value of 1048577"] {
        assert!(ran.err.contains(part), "{}", ran.err);
    }
    assert_eq!(home.run(["ls"]).expect(0).text(), "after\nlast\n");

    let noise: String = (0..50).map(|n| format!("noise {n}\n")).collect();
    let ran = home.feed(["load", "--keep-going"], noise.as_bytes()).expect(3);
    assert_eq!(ran.err.lines().count(), 21, "the first 20 and the count: {}", ran.err);
    assert!(ran.err.contains("skipped 50 lines"));
}
