//! The home in Node: the web package, driven line by line through its driver script.
//!
//! Owns: the process. Never does: build the package. A missing Node or package is an error that
//! says what to do.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use holt_engine::db::TreeStats;
use serde_json::{Value, json};

use super::has::{
    BATCHES, DURABILITY, NAMED_TREES, READS, SCANS, SNAPSHOTS, TXN, UPKEEP, VIEW, WRITES,
};
use super::web_lines::{entries, failure, outcome, pages_of, request};
use super::{FileSettings, Home, not_here};
use crate::model::{Entry, Outcome};
use crate::script::{Kind, Op};
use crate::source::root;

/// A database in a Node process: in memory, where it cannot be closed and opened, or in files.
pub struct WebHome {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Where the files are; removed with the home.
    made: Option<tempfile::TempDir>,
}

impl WebHome {
    /// Starts Node with a store in memory.
    pub fn new() -> Result<Self, String> {
        Self::started(&[])
    }

    /// Starts Node with a store in the files of an empty directory.
    pub fn files(settings: FileSettings) -> Result<Self, String> {
        let folder =
            crate::settings::scratch().map_err(|error| format!("no directory: {error}"))?;
        let options = json!({
            "frameBytes": settings.frame_bytes,
            "cacheBytes": settings.cache_bytes,
            "logBudget": settings.log_budget,
            "sync": settings.sync,
        });
        let arguments = [folder.path().as_os_str().to_owned(), options.to_string().into()];
        let mut home = Self::started(&arguments)?;
        home.made = Some(folder);
        Ok(home)
    }

    fn started(arguments: &[OsString]) -> Result<Self, String> {
        let driver = root().join("wasm/web/tests/driver.mjs");
        let package = root().join("wasm/web/pkg/node.js");
        for (path, advice) in [(&driver, "restore it"), (&package, "run `cargo xtask test`")] {
            if !path.exists() {
                return Err(format!("{} is missing; {advice}", path.display()));
            }
        }
        Self::start(Path::new("node"), &driver, arguments)
    }

    fn start(node: &Path, driver: &Path, arguments: &[OsString]) -> Result<Self, String> {
        let mut child = Command::new(node)
            .arg(driver)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("node does not start ({error}); install Node 18 or later"))?;
        let input = child.stdin.take().ok_or("no pipe to node")?;
        let output = BufReader::new(child.stdout.take().ok_or("no pipe from node")?);
        Ok(Self { child, input, output, made: None })
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
        // Each request on a view is a view of its own, but of the same state: nobody writes.
        let one_moment = matches!(op, Op::InSnapshot { .. } | Op::View { .. });
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
        match self.made {
            None => "web in Node",
            Some(_) => "web in Node on files",
        }
    }

    fn supports(&self) -> Vec<Kind> {
        let reads = [READS, SCANS, SNAPSHOTS, VIEW].concat();
        let writes = [WRITES, BATCHES, TXN, NAMED_TREES, UPKEEP, DURABILITY].concat();
        let mut kinds = [reads, writes].concat();
        kinds.extend(self.made.is_some().then_some(Kind::Reopen));
        kinds
    }

    fn run(&mut self, op: &Op) -> Outcome {
        self.try_run(op).unwrap_or_else(Outcome::Failed)
    }

    fn reopen(&mut self) -> Result<(), String> {
        if self.made.is_none() {
            return Err("a store in memory ends with its handles".into());
        }
        let answer = self.ask(&json!({ "op": "reopen" }))?;
        if answer["ok"] != true {
            return Err(format!("reopening failed: {}", failure(&answer)));
        }
        Ok(())
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
        stats.page_balances = count("pageBalances");
        stats.page_merges = count("pageMerges");
        stats.spills = count("spills");
        stats.merges = count("merges");
        stats.compactions = count("compactions");
        stats.checkpoints = count("checkpoints");
        Some(stats)
    }
}
