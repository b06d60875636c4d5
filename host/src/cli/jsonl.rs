//! Records as JSON Lines: what `dump` writes and `load` reads.
//!
//! Owns: the form of a line. A record whose key and value are both UTF-8 is
//! `{"key":"...","value":"..."}`, any other `{"key_b64":"...","value_b64":"..."}` (standard
//! base64 with padding). Reading takes any mix of the two, and nothing else.
//! Never does: touch a store.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::limits::MAX_LINE_BYTES;
use super::output::Out;

#[derive(Serialize)]
struct TextLine<'a> {
    key: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
struct BinaryLine {
    key_b64: String,
    value_b64: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnyLine<'a> {
    #[serde(borrow, default)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    value: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    key_b64: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    value_b64: Option<Cow<'a, str>>,
}

/// Writes one record.
pub fn write(out: &mut Out, key: &[u8], value: &[u8]) -> Result<(), Failure> {
    match (std::str::from_utf8(key), std::str::from_utf8(value)) {
        (Ok(key), Ok(value)) => out.json(&TextLine { key, value }),
        _ => out
            .json(&BinaryLine { key_b64: STANDARD.encode(key), value_b64: STANDARD.encode(value) }),
    }
}

/// The record on a line, or what is wrong with it.
pub fn parse(line: &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
    let fields: AnyLine =
        serde_json::from_slice(line).map_err(|error| format!("not a record: {error}"))?;
    let key = bytes_of("key", fields.key, fields.key_b64)?;
    let value = bytes_of("value", fields.value, fields.value_b64)?;
    Ok((key, value))
}

fn bytes_of(
    name: &str,
    text: Option<Cow<'_, str>>,
    base64: Option<Cow<'_, str>>,
) -> Result<Vec<u8>, String> {
    match (text, base64) {
        (Some(text), None) => Ok(text.into_owned().into_bytes()),
        (None, Some(base64)) => STANDARD
            .decode(base64.as_bytes())
            .map_err(|error| format!("{name}_b64 is not base64: {error}")),
        (Some(_), Some(_)) => Err(format!("both {name} and {name}_b64 are given; give one")),
        (None, None) => Err(format!("neither {name} nor {name}_b64 is given")),
    }
}

/// What came next in the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A line is in the buffer, without its line break.
    Line,
    /// A line over the limit was skipped.
    TooLong,
    /// There is nothing more.
    End,
}

/// Reads the next line into `buffer`, never more than [`MAX_LINE_BYTES`] of it.
pub fn next_line(input: &mut dyn BufRead, buffer: &mut Vec<u8>) -> io::Result<Next> {
    buffer.clear();
    let limit = MAX_LINE_BYTES as u64 + 1;
    let read = input.take(limit).read_until(b'\n', buffer)?;
    if read == 0 {
        return Ok(Next::End);
    }
    if buffer.last() == Some(&b'\n') {
        buffer.pop();
        return Ok(Next::Line);
    }
    if buffer.len() <= MAX_LINE_BYTES {
        return Ok(Next::Line);
    }
    buffer.clear();
    input.skip_until(b'\n')?;
    Ok(Next::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_the_last_needs_no_break() {
        let mut long = vec![b'x'; MAX_LINE_BYTES + 1];
        long.extend(b"\nshort\r\n\nlast");
        let mut input = io::Cursor::new(long);
        let mut buffer = Vec::new();
        let mut seen = Vec::new();
        loop {
            let next = next_line(&mut input, &mut buffer).expect("memory");
            if next == Next::End {
                break;
            }
            seen.push((next, String::from_utf8_lossy(&buffer).into_owned()));
        }
        let lines: Vec<_> = seen.iter().map(|(next, text)| (next, text.as_str())).collect();
        assert_eq!(
            lines,
            [
                (&Next::TooLong, ""),
                (&Next::Line, "short\r"),
                (&Next::Line, ""),
                (&Next::Line, "last")
            ]
        );
        let mut exact = io::Cursor::new(vec![b'x'; MAX_LINE_BYTES]);
        assert_eq!(next_line(&mut exact, &mut buffer).expect("memory"), Next::Line);
        assert_eq!(buffer.len(), MAX_LINE_BYTES);
    }

    #[test]
    fn only_records_parse() {
        assert_eq!(parse(br#"{"key":"a\u0000","value":""}"#), Ok((b"a\0".into(), vec![])));
        assert_eq!(parse(br#" {"value_b64":"/w==","key":"k"}"#), Ok((b"k".into(), vec![255])));
        for wrong in [
            &b"{"[..],
            b"[]",
            b"null",
            b"\xff",
            br#"{"key":"a"}"#,
            br#"{"value":"a"}"#,
            br#"{"key":"a","key_b64":"","value":""}"#,
            br#"{"key":"a","value":"","more":1}"#,
            br#"{"key":"a","key":"b","value":""}"#,
            br#"{"key":1,"value":""}"#,
            br#"{"key":"\ud800","value":""}"#,
            br#"{"key_b64":"/w","value":""}"#,
            br#"{"error":{"exit":1}}"#,
        ] {
            assert!(parse(wrong).is_err(), "{}", String::from_utf8_lossy(wrong));
        }
    }
}
