//! An error as serde data.
//!
//! Owns: putting the message beside kind and fields. Never does: name a variant; the derive on
//! [`Error`] does.

use alloc::string::{String, ToString};

use serde::{Serialize, Serializer};

use super::Error;

/// Kind and fields, as derived. `Error::serialize` is the derived function here: it comes before
/// the one of the trait, which adds the message.
struct Derived<'a>(&'a Error);

impl Serialize for Derived<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Error::serialize(self.0, serializer)
    }
}

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    derived: Derived<'a>,
    message: String,
}

impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Whole { derived: Derived(self), message: self.to_string() }.serialize(serializer)
    }
}
