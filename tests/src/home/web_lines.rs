//! Operations and answers as the lines of `wasm/web/tests/driver.mjs`.
//!
//! Owns: the translation; the protocol is at the head of the driver. Never does: send anything.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::model::{Entry, Outcome};
use crate::script::{Bytes, Change, Expect, How, Op, Read, Scan, Start};

fn text(bytes: &Bytes) -> String {
    BASE64_STANDARD.encode(&bytes.0)
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(value.as_str()?).ok()
}

fn digits(expect: Expect) -> String {
    match expect {
        Expect::Exactly(version) => version.to_string(),
        named => unreachable!("{named:?} is resolved before a home sees it"),
    }
}

/// The most requests that an operation takes, if it is a scan that goes on by tokens.
pub(super) fn pages_of(op: &Op) -> Option<usize> {
    let (Op::Read(Read::Scan(scan))
    | Op::InSnapshot { read: Read::Scan(scan), .. }
    | Op::View { read: Read::Scan(scan), .. }) = op
    else {
        return None;
    };
    match scan.how {
        How::Tokens { pages, .. } => Some(pages),
        _ => None,
    }
}

/// The request of an operation; `None` for what the package does not have.
pub(super) fn request(op: &Op) -> Option<Value> {
    Some(match op {
        Op::Read(read) => read_request(read)?,
        Op::InSnapshot { slot, read } => with(read_request(read)?, "slot", (*slot).into()),
        Op::View { prefix, read } => with(read_request(read)?, "view", text(prefix).into()),
        Op::InTree { tree, run } => with(request(run)?, "tree", tree.as_str().into()),
        Op::ContainsKey { key } => json!({ "op": "has", "key": text(key) }),
        Op::GetMany { keys } => {
            json!({ "op": "getMany", "keys": keys.iter().map(text).collect::<Vec<_>>() })
        }
        Op::Snapshot { slot, prefix } => {
            json!({ "op": "snapshot", "slot": slot, "prefix": text(prefix) })
        }
        Op::DropSnapshot { slot } => json!({ "op": "dropSnapshot", "slot": slot }),
        Op::CreateTree { name } => json!({ "op": "createTree", "name": name }),
        Op::OpenTree { name } => json!({ "op": "openTree", "name": name }),
        Op::OpenOrCreateTree { name } => json!({ "op": "openOrCreateTree", "name": name }),
        Op::DropTree { name } => json!({ "op": "dropTree", "name": name }),
        Op::ListTrees => json!({ "op": "listTrees" }),
        Op::AcrossTrees { changes } => {
            let ops = changes.iter().map(|(tree, c)| with(change(c), "tree", tree.as_str().into()));
            json!({ "op": "across", "ops": ops.collect::<Vec<_>>() })
        }
        Op::Checkpoint => json!({ "op": "checkpoint" }),
        Op::Compact => json!({ "op": "compact" }),
        Op::Maintain { budget } => json!({ "op": "maintain", "pages": budget }),
        Op::Sync => json!({ "op": "sync" }),
        Op::Gc => json!({ "op": "gc" }),
        Op::Vacuum => json!({ "op": "vacuum" }),
        Op::Verify => json!({ "op": "verify" }),
        Op::GetWith { .. } | Op::GetInto { .. } | Op::Reopen => return None,
        write => write_request(write)?,
    })
}

fn with(mut request: Value, name: &str, value: Value) -> Value {
    request[name] = value;
    request
}

fn write_request(op: &Op) -> Option<Value> {
    let records = |records: &[(Bytes, Bytes)]| -> Vec<[String; 2]> {
        records.iter().map(|(key, value)| [text(key), text(value)]).collect()
    };
    Some(match op {
        Op::Put { key, value } => json!({ "op": "put", "key": text(key), "value": text(value) }),
        Op::Insert { key, value } => {
            json!({ "op": "insert", "key": text(key), "value": text(value) })
        }
        Op::PutIfAbsent { key, value } => {
            json!({ "op": "putIfAbsent", "key": text(key), "value": text(value) })
        }
        Op::CompareAndPut { key, expect, value } => json!({
            "op": "compareAndPut",
            "key": text(key),
            "version": digits(*expect),
            "value": text(value),
        }),
        Op::PutMany { records: many } => json!({ "op": "putMany", "records": records(many) }),
        Op::PutManyIfAbsent { records: many } => {
            json!({ "op": "putManyIfAbsent", "records": records(many) })
        }
        Op::Delete { key } => json!({ "op": "delete", "key": text(key) }),
        Op::Remove { key } => json!({ "op": "remove", "key": text(key) }),
        Op::DeleteIfVersion { key, expect } => {
            json!({ "op": "deleteIfVersion", "key": text(key), "version": digits(*expect) })
        }
        Op::Rename { src, dst, force } => {
            json!({ "op": "rename", "src": text(src), "dst": text(dst), "force": force })
        }
        Op::RenamePrefix { src, dst, force } => {
            json!({ "op": "renamePrefix", "src": text(src), "dst": text(dst), "force": force })
        }
        Op::DeletePrefix { prefix } => json!({ "op": "deletePrefix", "prefix": text(prefix) }),
        Op::Batch { changes, txn } => json!({
            "op": if *txn { "txn" } else { "batch" },
            "ops": changes.iter().map(change).collect::<Vec<_>>(),
        }),
        _ => return None,
    })
}

fn change(change: &Change) -> Value {
    match change {
        Change::Put { key, value } => {
            json!({ "op": "put", "key": text(key), "value": text(value) })
        }
        Change::PutIfAbsent { key, value } => {
            json!({ "op": "putIfAbsent", "key": text(key), "value": text(value) })
        }
        Change::CompareAndPut { key, expect, value } => json!({
            "op": "compareAndPut",
            "key": text(key),
            "version": digits(*expect),
            "value": text(value),
        }),
        Change::Delete { key } => json!({ "op": "delete", "key": text(key) }),
        Change::DeleteIfVersion { key, expect } => {
            json!({ "op": "deleteIfVersion", "key": text(key), "version": digits(*expect) })
        }
        Change::AssertVersion { key, expect } => {
            json!({ "op": "assertVersion", "key": text(key), "version": digits(*expect) })
        }
        Change::AssertAbsent { key } => json!({ "op": "assertAbsent", "key": text(key) }),
        Change::AssertPrefixEmpty { prefix } => {
            json!({ "op": "assertPrefixEmpty", "prefix": text(prefix) })
        }
        Change::Rename { src, dst, force } => {
            json!({ "op": "rename", "src": text(src), "dst": text(dst), "force": force })
        }
        Change::RenamePrefix { src, dst, force } => {
            json!({ "op": "renamePrefix", "src": text(src), "dst": text(dst), "force": force })
        }
        Change::DeletePrefix { prefix } => json!({ "op": "deletePrefix", "prefix": text(prefix) }),
    }
}

fn read_request(read: &Read) -> Option<Value> {
    Some(match read {
        Read::Get { key } => json!({ "op": "value", "key": text(key) }),
        Read::GetRecord { key } => json!({ "op": "get", "key": text(key) }),
        Read::GetVersion { key } => json!({ "op": "version", "key": text(key) }),
        Read::LongestPrefix { query } => json!({ "op": "longestPrefix", "query": text(query) }),
        Read::IsPrefixEmpty { prefix } => json!({ "op": "isPrefixEmpty", "prefix": text(prefix) }),
        Read::PrefixCount { prefix, limit } => {
            let limit = (*limit > 0).then_some(limit);
            json!({ "op": "prefixCount", "prefix": text(prefix), "limit": limit })
        }
        Read::Scan(scan) => scan_request(scan)?,
    })
}

fn scan_request(scan: &Scan) -> Option<Value> {
    let (start_after, start_at) = match &scan.start {
        Start::First => (None, None),
        Start::After(key) => (Some(text(key)), None),
        Start::At(key) => (None, Some(text(key))),
    };
    let mut request = json!({
        "op": "page",
        "prefix": text(&scan.prefix),
        "startAfter": start_after,
        "startAt": start_at,
        "endBefore": scan.end_before.as_ref().map(text),
        "reverse": scan.reverse,
        "delimiter": scan.delimiter,
        "keysOnly": scan.keys_only,
    });
    match scan.how {
        How::Page { max_entries, max_bytes } | How::Tokens { max_entries, max_bytes, .. } => {
            request["limit"] = max_entries.into();
            request["maxBytes"] = max_bytes.into();
        }
        How::Iterate { most } => {
            request["op"] = "scan".into();
            request["limit"] = most.into();
        }
        How::Visit { .. } => return None,
    }
    Some(request)
}

/// A failure in the words of [`code`](crate::model::code).
pub(super) fn failure(answer: &Value) -> String {
    let message = answer["message"].as_str().unwrap_or_default();
    let figure = message.split(' ').find(|word| word.parse::<u64>().is_ok()).unwrap_or_default();
    match answer["code"].as_str().unwrap_or_default() {
        "DST_EXISTS" => "destination-exists".into(),
        "KEY_TOO_LONG" => format!("key-too-long {figure}"),
        "VALUE_TOO_LONG" => format!("value-too-long {figure}"),
        code @ ("NOT_FOUND" | "GUARD_FAILED" | "INVALID_ARGUMENT" | "OUTSIDE_VIEW_SCOPE"
        | "TREE_NOT_FOUND" | "TREE_EXISTS" | "INVALID_TREE_NAME" | "TREE_DROPPED"
        | "NO_SNAPSHOT") => code.to_ascii_lowercase().replace('_', "-"),
        code => format!("other: {code}: {message}"),
    }
}

/// The outcome that an answer is; `None` for one that is no answer to the operation.
pub(super) fn outcome(op: &Op, answer: &Value) -> Option<Outcome> {
    Some(match op {
        Op::Read(read) | Op::InSnapshot { read, .. } | Op::View { read, .. } => {
            read_outcome(read, answer)?
        }
        Op::InTree { run, .. } => outcome(run, answer)?,
        Op::ContainsKey { .. } => Outcome::Yes(answer["has"].as_bool()?),
        Op::GetMany { .. } => {
            let values = answer["values"].as_array()?.iter().map(value);
            Outcome::Values(values.collect::<Option<_>>()?)
        }
        Op::Insert { .. } | Op::Remove { .. } => Outcome::Value(value(&answer["value"])?),
        Op::Delete { .. } => Outcome::Yes(answer["deleted"].as_bool()?),
        Op::PutIfAbsent { .. } | Op::CompareAndPut { .. } | Op::DeleteIfVersion { .. } => {
            Outcome::Yes(answer["done"].as_bool()?)
        }
        Op::PutManyIfAbsent { .. } => {
            let each = answer["each"].as_array()?.iter().map(Value::as_bool);
            Outcome::Each(each.collect::<Option<_>>()?)
        }
        Op::RenamePrefix { .. } | Op::DeletePrefix { .. } => {
            Outcome::Moved(answer["count"].as_u64()?)
        }
        Op::Batch { txn: false, .. } | Op::AcrossTrees { .. } => {
            Outcome::Yes(answer["applied"].as_bool()?)
        }
        Op::ListTrees => {
            let names =
                answer["names"].as_array()?.iter().map(|name| name.as_str().map(Into::into));
            Outcome::Names(names.collect::<Option<_>>()?)
        }
        Op::Gc if answer["count"] != 0 => {
            Outcome::Failed(format!("{} blobs had no owner", answer["count"]))
        }
        Op::Verify if answer["report"]["clean"] != true => {
            Outcome::Failed(format!("damage: {}", answer["report"]["damage"][0]))
        }
        _ => Outcome::Done,
    })
}

fn read_outcome(read: &Read, answer: &Value) -> Option<Outcome> {
    Some(match read {
        Read::Get { .. } => Outcome::Value(value(&answer["value"])?),
        Read::GetRecord { .. } if answer["value"].is_null() => Outcome::Record(None),
        Read::GetRecord { .. } => {
            Outcome::Record(Some((bytes(&answer["value"])?, version(&answer["version"])?)))
        }
        Read::GetVersion { .. } if answer["version"].is_null() => Outcome::Version(None),
        Read::GetVersion { .. } => Outcome::Version(Some(version(&answer["version"])?)),
        Read::LongestPrefix { .. } if answer["entry"].is_null() => Outcome::Found(None),
        Read::LongestPrefix { .. } => Outcome::Found(Some(entry(&answer["entry"])?)),
        Read::IsPrefixEmpty { .. } => Outcome::Yes(answer["empty"].as_bool()?),
        Read::PrefixCount { .. } => {
            Outcome::Count(answer["count"].as_u64()?, answer["exact"].as_bool()?)
        }
        Read::Scan(_) => Outcome::Page(entries(answer)?, value(&answer["next"])?),
    })
}

/// A byte string that may be null or missing.
fn value(value: &Value) -> Option<Option<Vec<u8>>> {
    match value {
        Value::Null => Some(None),
        some => bytes(some).map(Some),
    }
}

fn version(value: &Value) -> Option<u64> {
    value.as_str()?.parse().ok()
}

/// The entries of a page or a scan.
pub(super) fn entries(answer: &Value) -> Option<Vec<Entry>> {
    answer["entries"].as_array()?.iter().map(entry).collect()
}

fn entry(value: &Value) -> Option<Entry> {
    if let Some(prefix) = value.get("prefix") {
        return Some(Entry::Prefix(bytes(prefix)?));
    }
    let found = match value.get("value") {
        Some(found) => bytes(found)?,
        None => Vec::new(),
    };
    Some(Entry::Key {
        key: bytes(&value["key"])?,
        value: found,
        version: version(&value["version"])?,
    })
}
