//! What operations answer.
//!
//! Owns: [`Outcome`] and how two of them are compared. Never does: run anything. Where a home
//! answers a version the model answers the number of the write that made the record.

use crate::script::{Op, Read, show};

/// One entry of a scan.
#[derive(Clone, PartialEq, Eq)]
pub enum Entry {
    /// A record; the value is empty in keys-only scans.
    Key {
        /// Key.
        key: Vec<u8>,
        /// Value.
        value: Vec<u8>,
        /// Version.
        version: u64,
    },
    /// A roll-up.
    Prefix(Vec<u8>),
}

impl Entry {
    /// The key or the rolled-up prefix.
    pub fn shown(&self) -> &[u8] {
        match self {
            Self::Key { key, .. } => key,
            Self::Prefix(prefix) => prefix,
        }
    }

    /// Whether both are equal but for the version.
    pub fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Key { key, value, .. }, Self::Key { key: other, value: others, .. }) => {
                key == other && value == others
            }
            _ => self == other,
        }
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key { key, value, .. } => write!(f, "{} = {}", show(key), show(value)),
            Self::Prefix(prefix) => write!(f, "{}*", show(prefix)),
        }
    }
}

/// What an operation answered.
#[derive(Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// Whether it was so, or was done.
    Yes(bool),
    /// A value, if there is one.
    Value(Option<Vec<u8>>),
    /// Several of them, in the order asked for.
    Values(Vec<Option<Vec<u8>>>),
    /// A version, if there is a record.
    Version(Option<u64>),
    /// Value and version, if there is a record.
    Record(Option<(Vec<u8>, u64)>),
    /// A record under a key that was not asked for.
    Found(Option<Entry>),
    /// For each record whether it was written.
    Each(Vec<bool>),
    /// How many records it was about.
    Moved(u64),
    /// How many records there are, and whether these are all.
    Count(u64, bool),
    /// Names in order.
    Names(Vec<String>),
    /// Entries of a scan and, where it says whether there are more, the last one if there are.
    Page(Vec<Entry>, Option<Vec<u8>>),
    /// It failed, in this way (see [`code`](super::code)).
    Failed(String),
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Yes(yes) => write!(f, "{yes}"),
            Self::Value(None) | Self::Version(None) | Self::Record(None) | Self::Found(None) => {
                f.write_str("no record")
            }
            Self::Value(Some(value)) => f.write_str(&show(value)),
            Self::Record(Some((value, version))) => write!(f, "{} @{version}", show(value)),
            Self::Version(Some(version)) => write!(f, "@{version}"),
            Self::Found(Some(entry)) => write!(f, "{entry:?}"),
            Self::Values(values) => {
                let text = |value: &Option<Vec<u8>>| value.as_deref().map_or("-".into(), show);
                f.debug_list().entries(values.iter().map(text)).finish()
            }
            Self::Each(each) => write!(f, "{each:?}"),
            Self::Moved(count) => write!(f, "{count} records"),
            Self::Count(count, all) => write!(f, "{count} records, all: {all}"),
            Self::Names(names) => write!(f, "{names:?}"),
            Self::Failed(why) => write!(f, "failed: {why}"),
            Self::Page(entries, next) => {
                write!(f, "{} entries", entries.len())?;
                if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
                    write!(f, " from {first:?} to {last:?}")?;
                }
                match next {
                    Some(next) => write!(f, ", next {}", show(next)),
                    None => f.write_str(", no next"),
                }
            }
        }
    }
}

impl Outcome {
    /// Whether a home may answer `answered` where the model answers `self`: equal but for the
    /// numbers of versions, and for figures of a failure that the model leaves out.
    pub fn allows(&self, answered: &Self) -> bool {
        match (self, answered) {
            (Self::Version(one), Self::Version(other)) => one.is_some() == other.is_some(),
            (Self::Record(one), Self::Record(other)) => {
                let value = |record: &'_ Option<(Vec<u8>, u64)>| {
                    record.as_ref().map(|(value, _)| value.clone())
                };
                value(one) == value(other)
            }
            (Self::Found(Some(one)), Self::Found(Some(other))) => one.agrees(other),
            (Self::Page(one, next), Self::Page(other, next_too)) => {
                next == next_too && one.len() == other.len() && {
                    one.iter().zip(other).all(|(one, other)| one.agrees(other))
                }
            }
            (Self::Failed(one), Self::Failed(other)) => {
                let kind = other.split(' ').next().unwrap_or_default();
                one == other || one == kind
            }
            _ => self == answered,
        }
    }

    /// Whether it is a refusal: a failure, `false`, nothing found or nothing done.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Yes(yes) => !yes,
            Self::Value(value) => value.is_none(),
            Self::Version(version) => version.is_none(),
            Self::Record(record) => record.is_none(),
            Self::Found(found) => found.is_none(),
            Self::Each(each) => each.iter().any(|wrote| !wrote),
            Self::Moved(count) | Self::Count(count, _) => *count == 0,
            Self::Page(entries, _) => entries.is_empty(),
            Self::Failed(_) => true,
            Self::Done | Self::Values(_) | Self::Names(_) => false,
        }
    }

    /// The versions in it with their keys, in order.
    pub fn sightings<'a>(&'a self, op: &'a Op) -> Vec<(&'a [u8], u64)> {
        let pair = |entry: &'a Entry| match entry {
            Entry::Key { key, version, .. } => Some((key.as_slice(), *version)),
            Entry::Prefix(_) => None,
        };
        match self {
            Self::Record(Some((_, version))) | Self::Version(Some(version)) => {
                key_of(op).map(|key| (key, *version)).into_iter().collect()
            }
            Self::Found(Some(entry)) => pair(entry).into_iter().collect(),
            Self::Page(entries, _) => entries.iter().filter_map(pair).collect(),
            _ => Vec::new(),
        }
    }
}

/// The key a single read asks for.
fn key_of(op: &Op) -> Option<&[u8]> {
    match op {
        Op::Read(read) | Op::InSnapshot { read, .. } | Op::View { read, .. } => match read {
            Read::Get { key } | Read::GetRecord { key } | Read::GetVersion { key } => Some(&key.0),
            _ => None,
        },
        Op::InTree { run, .. } => key_of(run),
        _ => None,
    }
}
