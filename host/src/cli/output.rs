//! Standard output, buffered and locked, and lines on standard error.
//!
//! Owns: writing. Never does: decide what to write, panic when a pipe is closed.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::failure::Failure;
use super::keys::escape;

const BUFFER_BYTES: usize = 64 * 1024;

/// Standard output. A closed pipe comes back as [`Failure::ClosedPipe`].
pub struct Out(BufWriter<StdoutLock<'static>>);

impl Out {
    pub fn new() -> Self {
        Self(BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock()))
    }

    /// Writes bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0.write_all(bytes).map_err(output_failure)
    }

    /// Writes a line.
    pub fn line(&mut self, text: impl AsRef<str>) -> Result<(), Failure> {
        self.raw(text.as_ref().as_bytes())?;
        self.raw(b"\n")
    }

    /// Writes one JSON value on a line of its own.
    pub fn json(&mut self, value: &impl serde::Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.0, value)
            .map_err(|error| output_failure(io::Error::from(error)))?;
        self.raw(b"\n")
    }

    /// Hands everything to the system.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.0.flush().map_err(output_failure)
    }
}

fn output_failure(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
        _ => Failure::io("writing standard output", error),
    }
}

/// One line on standard error. If nobody reads it, nobody can be told.
pub fn say(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "holt: {}", one_line(text.to_string()));
}

/// Tells who has to type what is read next, if standard input is a terminal.
pub fn say_if_typed(what: &str) {
    if io::stdin().is_terminal() {
        say(format_args!("reading {what} from the terminal; Ctrl-D ends it"));
    }
}

/// Texts may quote a path, an argument or bytes of a disk: no line breaks, no control characters.
pub fn one_line(text: String) -> String {
    match text.chars().any(char::is_control) {
        true => escape(text.as_bytes()),
        false => text,
    }
}

/// Adds `name` if the bytes are UTF-8, else `name_b64`.
pub fn add_bytes(map: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => map.insert(name.into(), text.into()),
        Err(_) => map.insert(format!("{name}_b64"), STANDARD.encode(bytes).into()),
    };
}

/// A JSON object that starts with these bytes under `name` (or `name_b64`).
pub fn object_of(name: &str, bytes: &[u8]) -> Map<String, Value> {
    let mut map = Map::new();
    add_bytes(&mut map, name, bytes);
    map
}

/// Bytes for people: 1023 B, 1.5 KiB, 12.0 MiB.
pub fn human_bytes(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

/// A count for people: 1,234,567.
pub fn human_count(count: u64) -> String {
    indicatif::HumanCount(count).to_string()
}

/// A count and what is counted: 1 record, 2 records.
pub fn count_of(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {what}{plural}", human_count(count))
}
