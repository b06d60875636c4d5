//! The home in Node: the web package, driven line by line through its driver script.
//!
//! Owns: the process. Never does: build the package. A missing Node or package is an error that
//! says what to do.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use holt_engine::db::TreeStats;
use serde_json::{Value, json};

use super::has::{
    BATCHES, DURABILITY, NAMED_TREES, READS, SCANS, SNAPSHOTS, TXN, UPKEEP, VIEW, WRITES,
};
use super::web_lines::{entries, failure, outcome, pages_of, request};
use super::{Home, not_here};
use crate::model::{Entry, Outcome};
use crate::script::{Kind, Op};
use crate::source::root;

/// A database in memory in a Node process. It cannot be closed and opened.
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
        if let Some(pages) = pages_of(op) {
            return self.pages(op, pages);
        }
        let Some(request) = request(op) else { return Ok(not_here(op)) };
        let answer = self.ask(&request)?;
        if answer["ok"] != true {
            return Ok(Outcome::Failed(failure(&answer)));
        }
        outcome(op, &answer).ok_or_else(|| format!("not an answer to {op:?}: {answer}"))
    }

    /// Follows the tokens of a scan, in as many requests as it has parts.
    fn pages(&mut self, op: &Op, pages: usize) -> Result<Outcome, String> {
        // Each request on a view is a view of its own.
        let one_moment = matches!(op, Op::InSnapshot { .. });
        let mut request = request(op).ok_or("a scan by parts is a request")?;
        let (mut all, mut token) = (Vec::<Entry>::new(), Value::Null);
        for part in 0..pages {
            request["token"] = token;
            let answer = self.ask(&request)?;
            if answer["ok"] != true {
                return Ok(Outcome::Failed(failure(&answer)));
            }
            if answer["consistent"] != (one_moment || part == 0) {
                return Ok(Outcome::Failed(format!("part {part}: {}", answer["consistent"])));
            }
            let entries = entries(&answer).ok_or_else(|| format!("not a page: {answer}"))?;
            all.extend(entries);
            token = answer["token"].clone();
            if token.is_null() {
                break;
            }
        }
        let next = all.last().filter(|_| !token.is_null());
        let next = next.map(|last| last.shown().to_vec());
        Ok(Outcome::Page(all, next))
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
        let reads = [READS, SCANS, SNAPSHOTS, VIEW].concat();
        let writes = [WRITES, BATCHES, TXN, NAMED_TREES, UPKEEP, DURABILITY].concat();
        [reads, writes].concat()
    }

    fn run(&mut self, op: &Op) -> Outcome {
        self.try_run(op).unwrap_or_else(Outcome::Failed)
    }

    fn reopen(&mut self) -> Result<(), String> {
        Err("a store in memory ends with its handles".into())
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
