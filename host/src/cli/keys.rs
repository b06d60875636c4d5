//! Keys on the command line and on the screen.
//!
//! Owns: the three ways to write a key (`--key-format`) and the escaping of what is printed.
//! Never does: I/O.
//! Invariants: `unescape(escape(bytes)) == bytes` for any bytes; what `escape` returns has no
//! control characters, so one key is one line and cannot drive a terminal.
//!
//! Escaping: `\\` is a backslash, `\n`, `\r`, `\t`, `\0` are those bytes, `\xHH` is any byte.
//! Escaped are the backslash, control characters, characters that reorder or hide text, and
//! bytes that are not UTF-8.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::failure::Failure;

/// How keys are written on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum KeyFormat {
    /// The bytes of the argument, as they are
    #[default]
    Text,
    /// With \\, \n, \r, \t, \0 and \xHH, as `ls` prints them
    Escaped,
    /// Two hexadecimal digits a byte; `ls` prints hexadecimal too
    Hex,
}

impl KeyFormat {
    /// The bytes that an argument stands for.
    pub fn parse(self, argument: &OsStr) -> Result<Vec<u8>, Failure> {
        let bytes = argument.as_bytes();
        match self {
            Self::Text => Ok(bytes.into()),
            Self::Escaped => unescape(bytes),
            Self::Hex => unhex(bytes),
        }
    }

    /// The same for an optional argument.
    pub fn parse_option(self, argument: Option<&OsString>) -> Result<Option<Vec<u8>>, Failure> {
        argument.map(|argument| self.parse(argument)).transpose()
    }

    /// How `ls` shows a key: in hexadecimal if asked for, else escaped.
    pub fn show(self, key: &[u8]) -> String {
        match self {
            Self::Hex => key.iter().map(|byte| format!("{byte:02x}")).collect(),
            Self::Text | Self::Escaped => escape(key),
        }
    }

    /// How messages name a key: as [`Self::show`] does, cut short.
    pub fn brief(self, key: &[u8]) -> String {
        let shown = self.show(key);
        match shown.char_indices().nth(BRIEF_CHARACTERS) {
            Some((cut, _)) => format!("{}... ({} bytes)", &shown[..cut], key.len()),
            None => shown,
        }
    }
}

/// At most this many characters of a key go into a message.
const BRIEF_CHARACTERS: usize = 200;

/// Characters that make a terminal show something else than what is there.
fn is_unsafe(character: char) -> bool {
    let hides = matches!(character,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    character.is_control() || hides || character == '\\'
}

/// The escaped form of `bytes`.
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\0' => out.push_str("\\0"),
                _ if is_unsafe(character) => {
                    let mut buffer = [0; 4];
                    push_hex(&mut out, character.encode_utf8(&mut buffer).as_bytes());
                }
                _ => out.push(character),
            }
        }
        push_hex(&mut out, chunk.invalid());
    }
    out
}

fn push_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        out.push_str(&format!("\\x{byte:02x}"));
    }
}

fn unescape(bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    let wrong = || {
        Failure::Usage(format!(
            "key {} is not in the escaped form; write \\\\ for a backslash and \\xHH for a byte",
            escape(bytes)
        ))
    };
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match rest.next() {
            Some(b'\\') => b'\\',
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'0') => 0,
            Some(b'x') => {
                let high = rest.next().and_then(|&digit| hex_digit(digit)).ok_or_else(wrong)?;
                let low = rest.next().and_then(|&digit| hex_digit(digit)).ok_or_else(wrong)?;
                high * 16 + low
            }
            _ => return Err(wrong()),
        });
    }
    Ok(out)
}

fn unhex(bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(hex_digit(*high)? * 16 + hex_digit(*low)?),
        _ => None,
    };
    bytes.chunks(2).map(pair).collect::<Option<Vec<u8>>>().ok_or_else(|| {
        Failure::Usage(format!(
            "key {} is not hexadecimal; write two digits for each byte",
            escape(bytes)
        ))
    })
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaping_is_exact_and_harmless() {
        let every: Vec<u8> = (0..=255).collect();
        let samples: [&[u8]; 6] =
            [b"", b"usr/bin", b"a\\x41", &every, "\u{202e}\u{85}ü€".as_bytes(), b"\xf0\x9f\x98"];
        for sample in samples {
            let shown = escape(sample);
            assert!(!shown.chars().any(char::is_control), "{shown}");
            assert_eq!(unescape(shown.as_bytes()).ok().as_deref(), Some(sample));
            let hex = KeyFormat::Hex.show(sample);
            assert_eq!(unhex(hex.as_bytes()).ok().as_deref(), Some(sample));
        }
        assert_eq!(escape(b"a\n\xff\\"), "a\\n\\xff\\\\");
        assert_eq!(escape("ü".as_bytes()), "ü");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for wrong in ["\\", "\\q", "\\x", "\\x1", "\\xzz", "a\\xé"] {
            assert!(matches!(unescape(wrong.as_bytes()), Err(Failure::Usage(_))), "{wrong}");
        }
        for wrong in ["1", "zz", "abc", "é"] {
            assert!(matches!(unhex(wrong.as_bytes()), Err(Failure::Usage(_))), "{wrong}");
        }
    }
}
