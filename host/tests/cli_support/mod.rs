//! Runs the real command `holt` for the tests and looks at what it printed.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// What a run of the command came to.
pub struct Ran {
    pub code: i32,
    pub out: Vec<u8>,
    pub err: String,
}

impl Ran {
    /// Standard output as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.out).expect("output is UTF-8")
    }

    /// The objects on standard output, one a line.
    pub fn objects(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).expect("a JSON value on each line");
        self.text().lines().map(parse).collect()
    }

    /// The only object on standard output.
    pub fn object(&self) -> Value {
        let mut objects = self.objects();
        assert_eq!(objects.len(), 1, "{}", self.text());
        objects.remove(0)
    }

    /// Fails unless the exit code is this one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        let out = String::from_utf8_lossy(&self.out);
        assert_eq!(self.code, code, "stdout: {out}\nstderr: {}", self.err);
        self
    }

    /// Fails unless standard error is exactly one line that starts with `holt: ` and has this
    /// in it.
    #[track_caller]
    pub fn complains(self, code: i32, part: &str) -> Self {
        let ran = self.expect(code);
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
        assert!(ran.err.starts_with("holt: ") && ran.err.contains(part), "{}", ran.err);
        ran
    }
}

/// A directory of its own for a test, with a place for a store in it.
pub struct Home {
    pub dir: TempDir,
    pub engine: &'static str,
}

impl Home {
    pub fn new() -> Self {
        Self { dir: TempDir::new().expect("temporary directory"), engine: "native" }
    }

    /// Where this test's store is.
    pub fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// A path in the test's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The command with this store, ready for more arguments.
    pub fn command(&self) -> Command {
        let mut command = bare();
        command.arg("--store").arg(self.store()).args(["--engine", self.engine]);
        command.args(["--wait", "0"]);
        // The sandbox is compiled once for all tests.
        command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
        // No test of one engine is served by the other.
        command.env("HOLT_ENGINES", self.engine);
        command
    }

    /// Runs with these arguments and nothing on standard input.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        run(self.command().args(args), b"")
    }

    /// Runs with these arguments and this standard input.
    pub fn feed<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>, input: &[u8]) -> Ran {
        run(self.command().args(args), input)
    }

    /// Puts a record that the test needs.
    #[track_caller]
    pub fn put(&self, key: impl Into<OsString>, value: impl Into<OsString>) {
        self.run([OsString::from("put"), key.into(), value.into()]).expect(0);
    }
}

/// The command without arguments and without an environment that would change it.
pub fn bare() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holt"));
    command.env_remove("HOLT_STORE").env_remove("HOLT_ENGINES");
    command
}

/// Runs a command to its end, feeding it `input`.
pub fn run(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = spawn(command);
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    // A command that does not read its input closes it: that is no failure of the test.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("the command runs");
    writer.join().expect("writer");
    Ran {
        code: output.status.code().expect("not killed by a signal"),
        out: output.stdout,
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Starts a command with all three streams piped.
pub fn spawn(command: &mut Command) -> Child {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts")
}

/// Flips bits in both superblocks of a store, so that it cannot be opened. What says that they
/// are superblocks stays: the file is damaged, not foreign.
pub fn damage_superblocks(store: &Path) {
    const MAGIC_BYTES: usize = 8;
    let path = store.join("blobs.dat");
    let mut bytes = std::fs::read(&path).expect("file");
    for page in bytes.chunks_mut(4096).take(2) {
        page.iter_mut().skip(MAGIC_BYTES).for_each(|byte| *byte ^= 0x5a);
    }
    std::fs::write(&path, bytes).expect("file");
}
