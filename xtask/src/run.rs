//! Running other programs: at the root of the repository, with their output shown or kept.
//!
//! Owns: [`Command`] set-up and its errors. Never does: interpret what a program printed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The root of the repository that cargo runs this for. The one that it was compiled in may be
/// another: where clones share build output, cargo takes it for built.
pub fn root() -> PathBuf {
    let compiled = || env!("CARGO_MANIFEST_DIR").into();
    let own = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(compiled, PathBuf::from);
    own.parent().map_or_else(|| own.clone(), Path::to_path_buf)
}

/// The folder of build output.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A program to run at the root.
pub fn command(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Cargo, the same that runs this.
pub fn cargo(arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = command(program, arguments);
    // What cargo set for this program must not leak into the builds it starts.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
        command.env_remove(name);
    }
    command
}

/// The number that follows a flag.
pub fn number<'a>(flag: &str, words: &mut impl Iterator<Item = &'a String>) -> Result<u64, String> {
    let given = words.next().ok_or_else(|| format!("{flag} needs a number"))?;
    given.parse().map_err(|_| format!("{flag} needs a number, not {given}"))
}

/// Runs with its output on the terminal.
pub fn shown(mut command: Command) -> Result<(), String> {
    let name = name_of(&command);
    let status = command.status().map_err(|error| format!("{name} does not start: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("{name} ended with {status}")),
    }
}

/// What a program printed, both streams in the order they came, and whether it succeeded.
pub struct Output {
    /// Lines of both streams.
    pub lines: Vec<String>,
    /// Whether it ended well.
    pub success: bool,
}

/// Runs and keeps its output, handing each line to `line` as it comes.
pub fn kept(mut command: Command, mut line: impl FnMut(&str)) -> Result<Output, String> {
    let name = name_of(&command);
    let failed = |error: std::io::Error| format!("{name}: {error}");
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    let errors = writer.try_clone().map_err(failed)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(errors)
        .spawn()
        .map_err(|error| format!("{name} does not start: {error}"))?;
    // The command holds the writing ends; the reader ends when the program has them alone.
    drop(command);
    let mut lines = Vec::new();
    for read in BufReader::new(reader).split(b'\n') {
        let read = String::from_utf8_lossy(&read.map_err(failed)?).into_owned();
        line(&read);
        lines.push(read);
    }
    let status = child.wait().map_err(failed)?;
    Ok(Output { lines, success: status.success() })
}

/// An error that says what is missing, unless the program runs.
pub fn available(program: &str, arguments: &[&str], how: &str) -> Result<(), String> {
    match kept(command(program, arguments), |_| {}) {
        Ok(output) if output.success => Ok(()),
        _ => Err(format!("missing: {how}")),
    }
}

/// Standard output of a program that must succeed.
pub fn stdout(mut command: Command) -> Result<Vec<u8>, String> {
    let name = name_of(&command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{name} does not start: {error}"))?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(format!("{name} ended with {}", output.status)),
    }
}

fn name_of(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let arguments = command.get_args().map(|word| format!(" {}", word.to_string_lossy()));
    program.to_string_lossy().into_owned() + &arguments.collect::<String>()
}
