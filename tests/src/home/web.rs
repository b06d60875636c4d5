//! The home in Node: the web package, driven line by line through its driver script.
//!
//! Owns: the translation of operations and answers (see the head of `wasm/web/tests/driver.mjs`).
//! Never does: build the package. A missing Node or package is an error that says what to do.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use holt_engine::db::TreeStats;
use serde_json::{Value, json};

use super::{Home, not_here};
use crate::model::{Entry, Outcome};
use crate::script::{Bytes, Change, How, Kind, Op, Read, Scan, Start};
use crate::source::root;

/// What it has: a tree in memory, which cannot be closed and opened.
const SUPPORTED: &[Kind] = &[
    Kind::Get,
    Kind::GetRecord,
    Kind::Put,
    Kind::Delete,
    Kind::Rename,
    Kind::Page,
    Kind::Iterate,
    Kind::ScanRecords,
    Kind::ScanKeys,
    Kind::StartAfter,
    Kind::Delimiter,
    Kind::Atomic,
    Kind::BatchPut,
    Kind::BatchDelete,
    Kind::Compact,
    Kind::Maintain,
    Kind::Verify,
];

/// A tree in memory in a Node process.
pub struct WebHome {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl WebHome {
    /// Starts Node.
    pub fn new() -> Result<Self, String> {
        let driver = root().join("wasm/web/tests/driver.mjs");
        let package = root().join("wasm/web/pkg/node.js");
        for (path, advice) in [(&driver, "restore it"), (&package, "run `cargo xtask test`")] {
            if !path.exists() {
                return Err(format!("{} is missing; {advice}", path.display()));
            }
        }
        Self::start(Path::new("node"), &driver)
    }

    fn start(node: &Path, driver: &PathBuf) -> Result<Self, String> {
        let mut child = Command::new(node)
            .arg(driver)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("node does not start ({error}); install Node 18 or later"))?;
        let input = child.stdin.take().ok_or("no pipe to node")?;
        let output = BufReader::new(child.stdout.take().ok_or("no pipe from node")?);
        Ok(Self { child, input, output })
    }

    fn ask(&mut self, request: &Value) -> Result<Value, String> {
        let mut line = request.to_string();
        line.push('\n');
        self.input
            .write_all(line.as_bytes())
            .and_then(|()| self.input.flush())
            .map_err(|error| format!("node takes no more: {error}"))?;
        line.clear();
        match self.output.read_line(&mut line) {
            Ok(0) => Err("node ended without an answer".into()),
            Ok(_) => serde_json::from_str(&line).map_err(|error| format!("{error}: {line}")),
            Err(error) => Err(format!("node says nothing more: {error}")),
        }
    }

    fn try_run(&mut self, op: &Op) -> Result<Outcome, String> {
        let Some(request) = request(op) else { return Ok(not_here(op)) };
        let answer = self.ask(&request)?;
        if answer["ok"] != true {
            return Ok(Outcome::Failed(failure(&answer)));
        }
        outcome(op, &answer).ok_or_else(|| format!("not an answer to {op:?}: {answer}"))
    }
}

impl Drop for WebHome {
    fn drop(&mut self) {
        // It only holds memory; the end of a test must not wait for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Home for WebHome {
    fn name(&self) -> &str {
        "web in Node"
    }

    fn supports(&self) -> Vec<Kind> {
        SUPPORTED.to_vec()
    }

    fn run(&mut self, op: &Op) -> Outcome {
        self.try_run(op).unwrap_or_else(Outcome::Failed)
    }

    fn reopen(&mut self) -> Result<(), String> {
        Err("a tree in memory ends with its handle".into())
    }

    fn stats(&mut self) -> Option<TreeStats> {
        let answer = self.ask(&json!({ "op": "stats" })).ok()?;
        let told = answer.get("stats")?;
        let count = |name: &str| told[name].as_u64().unwrap_or_default();
        let mut stats = TreeStats::default();
        stats.records = count("records");
        stats.levels = u32::try_from(count("levels")).ok()?;
        stats.evictions = count("evictions");
        stats.staged_evictions = count("stagedEvictions");
        stats.page_splits = count("pageSplits");
        stats.page_merges = count("pageMerges");
        stats.spills = count("spills");
        stats.merges = count("merges");
        stats.compactions = count("compactions");
        stats.checkpoints = count("checkpoints");
        Some(stats)
    }
}

fn text(bytes: &Bytes) -> String {
    BASE64_STANDARD.encode(&bytes.0)
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(value.as_str()?).ok()
}

/// The request of an operation; `None` for what it does not have.
fn request(op: &Op) -> Option<Value> {
    let put =
        |key: &Bytes, value: &Bytes| json!({ "op": "put", "key": text(key), "value": text(value) });
    let delete = |key: &Bytes| json!({ "op": "delete", "key": text(key) });
    Some(match op {
        Op::Read(Read::Get { key } | Read::GetRecord { key }) => {
            json!({ "op": "get", "key": text(key) })
        }
        Op::Read(Read::Scan(scan)) => scan_request(scan)?,
        Op::Put { key, value } => put(key, value),
        Op::Delete { key } => delete(key),
        Op::Rename { src, dst, force } => {
            json!({ "op": "rename", "src": text(src), "dst": text(dst), "force": force })
        }
        Op::Batch { changes, txn: false } => {
            let change = |change: &Change| match change {
                Change::Put { key, value } => Some(put(key, value)),
                Change::Delete { key } => Some(delete(key)),
                _ => None,
            };
            let changes: Option<Vec<Value>> = changes.iter().map(change).collect();
            json!({ "op": "batch", "ops": changes? })
        }
        Op::Compact => json!({ "op": "compact" }),
        Op::Maintain { budget } => json!({ "op": "maintain", "pages": budget }),
        Op::Verify => json!({ "op": "verify" }),
        _ => return None,
    })
}

fn scan_request(scan: &Scan) -> Option<Value> {
    let start_after = match &scan.start {
        Start::First => None,
        Start::After(key) => Some(text(key)),
        Start::At(_) => return None,
    };
    let mut request = json!({
        "op": "page",
        "prefix": text(&scan.prefix),
        "startAfter": start_after,
        "delimiter": scan.delimiter,
        "keysOnly": scan.keys_only,
    });
    match scan.how {
        How::Page { max_entries, max_bytes } => {
            request["limit"] = max_entries.into();
            request["maxBytes"] = max_bytes.into();
        }
        How::Iterate { most } => {
            request["op"] = "scan".into();
            request["limit"] = most.into();
        }
        How::Tokens { .. } | How::Visit { .. } => return None,
    }
    Some(request)
}

/// A failure in the words of [`code`](crate::model::code).
fn failure(answer: &Value) -> String {
    let message = answer["message"].as_str().unwrap_or_default();
    let figure = message.split(' ').find(|word| word.parse::<u64>().is_ok()).unwrap_or_default();
    match answer["code"].as_str().unwrap_or_default() {
        "NOT_FOUND" => "not-found".into(),
        "DST_EXISTS" => "destination-exists".into(),
        "KEY_TOO_LONG" => format!("key-too-long {figure}"),
        "VALUE_TOO_LONG" => format!("value-too-long {figure}"),
        code => format!("other: {code}: {message}"),
    }
}

fn outcome(op: &Op, answer: &Value) -> Option<Outcome> {
    let value = &answer["value"];
    Some(match op {
        Op::Read(Read::Get { .. }) if value.is_null() => Outcome::Value(None),
        Op::Read(Read::Get { .. }) => Outcome::Value(Some(bytes(value)?)),
        Op::Read(Read::GetRecord { .. }) if value.is_null() => Outcome::Record(None),
        Op::Read(Read::GetRecord { .. }) => {
            Outcome::Record(Some((bytes(value)?, version(&answer["version"])?)))
        }
        Op::Read(Read::Scan(_)) => {
            let entries = answer["entries"].as_array()?.iter().map(entry);
            let next = match &answer["next"] {
                Value::Null => None,
                next => Some(bytes(next)?),
            };
            Outcome::Page(entries.collect::<Option<_>>()?, next)
        }
        Op::Delete { .. } => Outcome::Yes(answer["deleted"].as_bool()?),
        Op::Batch { .. } => Outcome::Yes(answer["applied"].as_bool()?),
        Op::Verify if answer["report"]["clean"] != true => {
            Outcome::Failed(format!("damage: {}", answer["report"]["damage"][0]))
        }
        _ => Outcome::Done,
    })
}

fn version(value: &Value) -> Option<u64> {
    value.as_str()?.parse().ok()
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
