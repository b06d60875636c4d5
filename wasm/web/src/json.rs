//! A writer of small JSON objects, for what crosses rarely: errors, figures, reports.

use std::fmt::Write;

/// An object being written, member by member.
pub struct Object(String);

impl Default for Object {
    fn default() -> Self {
        Self(String::from("{"))
    }
}

impl Object {
    /// Adds a number.
    pub fn number(self, name: &str, value: u64) -> Self {
        self.raw(name, &value.to_string())
    }

    /// Adds `true` or `false`.
    pub fn flag(self, name: &str, value: bool) -> Self {
        self.raw(name, if value { "true" } else { "false" })
    }

    /// Adds a string.
    pub fn text(self, name: &str, value: &str) -> Self {
        let value = quoted(value);
        self.raw(name, &value)
    }

    /// Adds a member whose value is JSON already.
    pub fn raw(mut self, name: &str, json: &str) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&quoted(name));
        self.0.push(':');
        self.0.push_str(json);
        self
    }

    /// The finished object.
    pub fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// A JSON array of members that are JSON already.
pub fn array(members: impl IntoIterator<Item = String>) -> String {
    let members: Vec<String> = members.into_iter().collect();
    format!("[{}]", members.join(","))
}

/// A string as JSON.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if control < ' ' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", control as u32);
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_backslashes_and_controls_are_escaped() {
        let json = Object::default().text("a\"b", "c\\d\n\u{1}é").number("n", u64::MAX).end();
        assert_eq!(json, "{\"a\\\"b\":\"c\\\\d\\u000a\\u0001é\",\"n\":18446744073709551615}");
    }

    #[test]
    fn empty_objects_and_arrays() {
        assert_eq!(Object::default().end(), "{}");
        assert_eq!(array([]), "[]");
        assert_eq!(array([String::from("1"), String::from("2")]), "[1,2]");
    }
}
