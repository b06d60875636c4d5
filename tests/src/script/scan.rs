//! What a scan asks for, and reads that a tree and a view of it answer alike.

use serde::{Deserialize, Serialize};

use super::bytes::Bytes;
use super::kind::Kind;

/// Where a scan starts, in its own direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// At the first entry.
    #[default]
    First,
    /// Behind this key.
    After(Bytes),
    /// At this key.
    At(Bytes),
}

/// How entries are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum How {
    /// One bounded part.
    Page {
        /// Most entries.
        max_entries: usize,
        /// No further entry once so many bytes of keys and values are reached.
        max_bytes: usize,
    },
    /// Bounded parts, each by the token of the one before.
    Tokens {
        /// Most parts.
        pages: usize,
        /// Most entries of a part.
        max_entries: usize,
        /// No further entry of a part once so many bytes are reached.
        max_bytes: usize,
    },
    /// An iterator, dropped after so many entries.
    Iterate {
        /// Most entries.
        most: usize,
    },
    /// A callback.
    Visit {
        /// Most entries.
        limit: usize,
    },
}

impl How {
    /// All of it in one call.
    pub const ALL: Self = Self::Iterate { most: usize::MAX >> 12 };
}

impl Default for How {
    fn default() -> Self {
        Self::ALL
    }
}

/// What a scan asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// Only keys that start with it.
    pub prefix: Bytes,
    /// Where to start.
    pub start: Start,
    /// Only entries before it, in the direction of the scan.
    pub end_before: Option<Bytes>,
    /// From the last entry to the first.
    pub reverse: bool,
    /// Roll up at the first such byte after the prefix.
    pub delimiter: Option<u8>,
    /// Leave values out.
    pub keys_only: bool,
    /// How entries are taken.
    pub how: How,
}

impl Scan {
    /// How it is taken, as a kind.
    pub const fn kind(&self) -> Kind {
        match self.how {
            How::Page { .. } => Kind::Page,
            How::Tokens { .. } => Kind::Tokens,
            How::Iterate { .. } => Kind::Iterate,
            How::Visit { .. } => Kind::Visit,
        }
    }

    /// What else it needs.
    pub fn parts(&self) -> Vec<Kind> {
        let mut parts = vec![if self.keys_only { Kind::ScanKeys } else { Kind::ScanRecords }];
        match self.start {
            Start::First => {}
            Start::After(_) => parts.push(Kind::StartAfter),
            Start::At(_) => parts.push(Kind::StartAt),
        }
        let bounds = [
            (self.end_before.is_some(), Kind::EndBefore),
            (self.reverse, Kind::Reverse),
            (self.delimiter.is_some(), Kind::Delimiter),
        ];
        parts.extend(bounds.into_iter().filter(|(has, _)| *has).map(|(_, kind)| kind));
        parts
    }
}

/// A read that a tree and a view of it answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "read", rename_all = "kebab-case")]
#[allow(missing_docs, reason = "fields and kinds are named as what they are")]
pub enum Read {
    /// The value.
    Get { key: Bytes },
    /// Value and version.
    GetRecord { key: Bytes },
    /// The version.
    GetVersion { key: Bytes },
    /// The record with the longest key that the query starts with.
    LongestPrefix { query: Bytes },
    /// Whether there is no record under a prefix.
    IsPrefixEmpty { prefix: Bytes },
    /// Number of records under a prefix, up to a limit (0: all).
    PrefixCount { prefix: Bytes, limit: usize },
    /// Entries in order.
    Scan(Scan),
}

impl Read {
    /// What it is on a tree.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Get { .. } => Kind::Get,
            Self::GetRecord { .. } => Kind::GetRecord,
            Self::GetVersion { .. } => Kind::GetVersion,
            Self::LongestPrefix { .. } => Kind::LongestPrefix,
            Self::IsPrefixEmpty { .. } => Kind::IsPrefixEmpty,
            Self::PrefixCount { .. } => Kind::PrefixCount,
            Self::Scan(scan) => scan.kind(),
        }
    }

    /// What it is in a view.
    pub const fn view_kind(&self) -> Kind {
        match self {
            Self::Get { .. } | Self::GetRecord { .. } | Self::GetVersion { .. } => Kind::ViewGet,
            Self::LongestPrefix { .. } => Kind::ViewLongestPrefix,
            Self::IsPrefixEmpty { .. } | Self::PrefixCount { .. } => Kind::ViewPrefix,
            Self::Scan(_) => Kind::ViewScan,
        }
    }

    /// What else it needs.
    pub fn parts(&self) -> Vec<Kind> {
        match self {
            Self::Scan(scan) => scan.parts(),
            _ => Vec::new(),
        }
    }

    /// What it needs of a view beside being there: how a scan is taken, and its bounds.
    pub fn parts_in_view(&self) -> Vec<Kind> {
        match self {
            Self::Scan(scan) => [vec![scan.kind()], scan.parts()].concat(),
            _ => Vec::new(),
        }
    }
}
