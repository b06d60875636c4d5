//! A script: operations as data, so that a failure can be stored, shrunk and run again.
//!
//! Owns: [`Op`], its JSON form (one operation a line) and shrinking. Never does: run anything.
//! Invariant: a script read back from its JSON lines is equal to the one written.

use serde::{Deserialize, Serialize};

/// A byte string; in JSON `t:` and printable ASCII, or `x:` and hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Bytes(pub Vec<u8>);

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> Self {
        match std::str::from_utf8(&bytes.0) {
            Ok(text) if text.bytes().all(|b| (0x20..0x7f).contains(&b)) => format!("t:{text}"),
            _ => format!("x:{}", hex(&bytes.0)),
        }
    }
}

impl TryFrom<String> for Bytes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some(plain) = text.strip_prefix("t:") {
            return Ok(Self(plain.into()));
        }
        let digits = text.strip_prefix("x:").ok_or("bytes start with t: or x:")?;
        unhex(digits).map(Self)
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&show(&self.0))
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The bytes that [`hex`] wrote.
pub fn unhex(digits: &str) -> Result<Vec<u8>, String> {
    let nibble = |byte: u8| char::from(byte).to_digit(16).map(|value| value as u8);
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
        return Err("an odd number of hexadecimal digits".into());
    };
    pairs
        .iter()
        .map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?))
        .collect::<Option<Vec<u8>>>()
        .ok_or_else(|| "not a hexadecimal digit".into())
}

/// A short form for messages: long strings by their ends and length.
pub fn show(bytes: &[u8]) -> String {
    const ENDS: usize = 24;
    match bytes.len() > 3 * ENDS {
        false => format!("\"{}\"", bytes.escape_ascii()),
        true => format!(
            "\"{}\"..\"{}\" ({} B)",
            bytes[..ENDS].escape_ascii(),
            bytes[bytes.len() - ENDS..].escape_ascii(),
            bytes.len()
        ),
    }
}

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Change {
    /// Writes a record.
    Put {
        /// Key.
        key: Bytes,
        /// Value.
        value: Bytes,
    },
    /// Deletes a record, if it is there.
    Delete {
        /// Key.
        key: Bytes,
    },
}

/// What a scan asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// Only keys that start with it.
    pub prefix: Bytes,
    /// Only entries after it.
    pub start_after: Option<Bytes>,
    /// Roll up at the first such byte after the prefix.
    pub delimiter: Option<u8>,
    /// Leave values out.
    pub keys_only: bool,
    /// Most entries.
    pub max_entries: usize,
    /// No further entry once so many bytes are reached.
    pub max_bytes: usize,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Op {
    /// Writes a record.
    Put {
        /// Key.
        key: Bytes,
        /// Value.
        value: Bytes,
    },
    /// Reads a record.
    Get {
        /// Key.
        key: Bytes,
    },
    /// Deletes a record.
    Delete {
        /// Key.
        key: Bytes,
    },
    /// Moves a record.
    Rename {
        /// From.
        src: Bytes,
        /// To.
        dst: Bytes,
        /// Whether an existing destination is replaced.
        force: bool,
    },
    /// Changes that apply together.
    Batch {
        /// In order.
        changes: Vec<Change>,
    },
    /// One page of a scan.
    Scan(Scan),
    /// Makes all of it part of the published state.
    Checkpoint,
    /// Repacks.
    Compact,
    /// Bounded maintenance, in pages.
    Maintain {
        /// Pages.
        budget: usize,
    },
    /// Makes all of it durable.
    Sync,
    /// Closes and opens the store.
    Reopen,
    /// Checks the whole store; damage is a failed outcome.
    Verify,
}

impl Op {
    /// Whether it may change what a reader sees.
    pub fn is_write(&self) -> bool {
        matches!(
            self,
            Self::Put { .. } | Self::Delete { .. } | Self::Rename { .. } | Self::Batch { .. }
        )
    }
}

/// Operations in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// The operations.
    pub ops: Vec<Op>,
}

impl Script {
    /// One JSON object a line.
    pub fn to_json_lines(&self) -> String {
        let line = |op: &Op| serde_json::to_string(op).expect("operations are plain data") + "\n";
        self.ops.iter().map(line).collect()
    }

    /// What [`Script::to_json_lines`] wrote; empty lines are skipped.
    pub fn from_json_lines(text: &str) -> Result<Self, String> {
        let ops = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(at, line)| {
                serde_json::from_str(line).map_err(|error| format!("line {}: {error}", at + 1))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { ops })
    }

    /// A smaller script for which `fails` still says true, after at most `tries` runs of it.
    ///
    /// Drops ever smaller runs of operations, then shortens batches and values. The result
    /// fails too; it is not promised to be the smallest.
    pub fn shrink(&self, tries: usize, mut fails: impl FnMut(&Self) -> bool) -> Self {
        let mut best = self.clone();
        let mut left = tries;
        let mut run = best.ops.len().div_ceil(2).max(1);
        loop {
            let mut at = 0;
            let mut dropped = false;
            while at < best.ops.len() && left > 0 {
                let mut smaller = best.clone();
                smaller.ops.drain(at..(at + run).min(best.ops.len()));
                left -= 1;
                match fails(&smaller) {
                    true => (best, dropped) = (smaller, true),
                    false => at += run,
                }
            }
            if left == 0 || (run == 1 && !dropped) {
                break;
            }
            run = run.div_ceil(2).max(1);
        }
        best.shorten(left, &mut fails)
    }

    fn shorten(mut self, tries: usize, fails: &mut impl FnMut(&Self) -> bool) -> Self {
        let mut left = tries;
        for at in 0..self.ops.len() {
            while left > 0 {
                let Some(smaller) = shorter(&self.ops[at]) else { break };
                let whole = std::mem::replace(&mut self.ops[at], smaller);
                left -= 1;
                if !fails(&self) {
                    self.ops[at] = whole;
                    break;
                }
            }
        }
        self
    }
}

/// The same operation with less in it, if there is one.
fn shorter(op: &Op) -> Option<Op> {
    match op {
        Op::Put { key, value } if !value.0.is_empty() => {
            let value = value.0[..value.0.len() / 2].into();
            Some(Op::Put { key: key.clone(), value })
        }
        Op::Batch { changes } if changes.len() > 1 => {
            Some(Op::Batch { changes: changes[..changes.len() / 2].to_vec() })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Script {
        let put = |n: u8| Op::Put { key: vec![n].into(), value: vec![n; 9].into() };
        let mut ops: Vec<Op> = (0..=255).map(put).collect();
        ops.push(Op::Scan(Scan { start_after: Some(Bytes::default()), ..Scan::default() }));
        ops.push(Op::Batch { changes: vec![Change::Delete { key: b"t:x".as_slice().into() }] });
        ops.push(Op::Reopen);
        Script { ops }
    }

    #[test]
    fn json_lines_read_back_equal() {
        let script = sample();
        assert_eq!(Script::from_json_lines(&script.to_json_lines()), Ok(script));
        assert!(Script::from_json_lines("{\"op\":\"get\",\"key\":\"zz\"}").is_err());
        assert!(Script::from_json_lines("{\"op\":\"get\",\"key\":\"x:0\"}").is_err());
    }

    #[test]
    fn shrinking_keeps_what_fails_and_little_else() {
        let needle =
            |op: &Op| matches!(op, Op::Put { key, value } if key.0 == [77] && value.0.len() > 2);
        let shrunk = sample().shrink(500, |script| script.ops.iter().any(needle));
        assert_eq!(shrunk.ops.len(), 1);
        assert!(matches!(&shrunk.ops[0], Op::Put { value, .. } if value.0.len() == 4));
    }
}
