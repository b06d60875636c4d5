//! Byte strings in scripts and in messages.
//!
//! Owns: their JSON form and their short form. Never does: look for meaning in them. Invariant:
//! what is read back from the JSON form is equal to what was written.

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

impl<const N: usize> From<&[u8; N]> for Bytes {
    fn from(bytes: &[u8; N]) -> Self {
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
