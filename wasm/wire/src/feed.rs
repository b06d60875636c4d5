//! A page of the change feed, as values and packed.
//!
//! Owns: how much of the feed crosses the boundary at a time. A page ends between two commits,
//! never within one. Never does: read the feed.

use holt_engine::db::{ChangeEvent, ChangePage};
use holt_engine::error::{Error, Result};
use holt_engine::ids::{Lsn, RecordVersion};

use crate::bytes::{Reader, malformed, put_count, put_framed};
use crate::changes::{check_key, check_value};
use crate::limits::{MAX_FEED_COMMITS, MAX_FEED_EVENTS, MAX_FEED_PAGE_BYTES};

const PUT: u8 = 0;
const DELETE: u8 = 1;
const RENAME_PREFIX: u8 = 2;
const DELETE_PREFIX: u8 = 3;
const CREATED: u8 = 4;
const DROPPED: u8 = 5;

/// What a typed event counts for beside its bytes, and a commit beside its events: about the
/// memory that either takes on the other side.
const EVENT_BYTES: usize = 80;
const COMMIT_BYTES: usize = 40;

const _: () = assert!(MAX_FEED_PAGE_BYTES / EVENT_BYTES <= MAX_FEED_EVENTS);

/// What a commit changed in one tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A record was written.
    Put {
        /// Key.
        key: Vec<u8>,
        /// Value.
        value: Vec<u8>,
        /// Version.
        version: RecordVersion,
    },
    /// A record was deleted.
    Delete {
        /// Key.
        key: Vec<u8>,
    },
    /// Every record under a prefix was moved.
    RenamePrefix {
        /// What the keys started with.
        src: Vec<u8>,
        /// What they start with now.
        dst: Vec<u8>,
    },
    /// Every record under a prefix was deleted.
    DeletePrefix {
        /// The prefix.
        prefix: Vec<u8>,
    },
    /// The tree was created, empty.
    Created,
    /// The tree was dropped, with all its records.
    Dropped,
}

/// One commit of a tree: a single write, or a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its position; later commits have higher ones.
    pub lsn: Lsn,
    /// What it changed, in the order in which it took effect.
    pub events: Vec<Event>,
}

/// A part of the change feed of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedPage {
    /// Commits, in order.
    pub commits: Vec<Commit>,
    /// Where to go on.
    pub next: Lsn,
    /// Whether there are more commits already.
    pub more: bool,
}

fn event(event: ChangeEvent) -> Result<Event> {
    Ok(match event {
        ChangeEvent::Put { key, value, version, .. } => Event::Put { key, value, version },
        ChangeEvent::Delete { key, .. } => Event::Delete { key },
        ChangeEvent::RenamePrefix { src, dst, .. } => Event::RenamePrefix { src, dst },
        ChangeEvent::DeletePrefix { prefix, .. } => Event::DeletePrefix { prefix },
        ChangeEvent::CreateTree { .. } => Event::Created,
        ChangeEvent::DropTree { .. } => Event::Dropped,
        _ => {
            let why = "has an event of an unknown kind; use a later version of this program";
            return Err(Error::InvalidArgument { what: "change feed", why });
        }
    })
}

impl Event {
    fn bytes(&self) -> usize {
        EVENT_BYTES
            + match self {
                Self::Put { key, value, .. } => key.len() + value.len(),
                Self::Delete { key } => key.len(),
                Self::RenamePrefix { src, dst } => src.len() + dst.len(),
                Self::DeletePrefix { prefix } => prefix.len(),
                Self::Created | Self::Dropped => 0,
            }
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Put { key, value, version } => {
                out.push(PUT);
                put_framed(out, key)?;
                out.extend_from_slice(&version.as_u64().to_le_bytes());
                put_framed(out, value)
            }
            Self::Delete { key } => {
                out.push(DELETE);
                put_framed(out, key)
            }
            Self::RenamePrefix { src, dst } => {
                out.push(RENAME_PREFIX);
                put_framed(out, src)?;
                put_framed(out, dst)
            }
            Self::DeletePrefix { prefix } => {
                out.push(DELETE_PREFIX);
                put_framed(out, prefix)
            }
            Self::Created => {
                out.push(CREATED);
                Ok(())
            }
            Self::Dropped => {
                out.push(DROPPED);
                Ok(())
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let kind = reader.u8()?;
        match kind {
            CREATED => return Ok(Self::Created),
            DROPPED => return Ok(Self::Dropped),
            _ => {}
        }
        let first = reader.framed()?;
        check_key(first)?;
        let first = first.to_vec();
        Ok(match kind {
            PUT => {
                let version = RecordVersion::from_raw(reader.u64()?);
                let value = reader.framed()?;
                check_value(value)?;
                Self::Put { key: first, value: value.into(), version }
            }
            DELETE => Self::Delete { key: first },
            RENAME_PREFIX => {
                let dst = reader.framed()?;
                check_key(dst)?;
                Self::RenamePrefix { src: first, dst: dst.into() }
            }
            DELETE_PREFIX => Self::DeletePrefix { prefix: first },
            _ => return Err(malformed("event of an unknown kind")),
        })
    }
}

impl FeedPage {
    /// A page of the engine, cut between two commits to what may cross the boundary at a time.
    ///
    /// # Errors
    /// `InvalidArgument` for an event of a kind that came after this program.
    pub fn cut(page: ChangePage) -> Result<Self> {
        let mut cut = Self { commits: Vec::new(), next: page.next, more: page.more };
        let mut bytes = 0_usize;
        for change in page.changes {
            let events = change.events.into_iter().map(event).collect::<Result<Vec<_>>>()?;
            let len = COMMIT_BYTES + events.iter().map(Event::bytes).sum::<usize>();
            bytes = bytes.saturating_add(len);
            if bytes > MAX_FEED_PAGE_BYTES && !cut.commits.is_empty() {
                (cut.next, cut.more) = (change.lsn, true);
                break;
            }
            cut.commits.push(Commit { lsn: change.lsn, events });
        }
        Ok(cut)
    }
}

/// Packs a page.
///
/// # Errors
/// None for a page of an engine.
pub fn encode(page: &FeedPage) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    out.push(u8::from(page.more));
    out.extend_from_slice(&page.next.to_le_bytes());
    for commit in &page.commits {
        out.extend_from_slice(&commit.lsn.to_le_bytes());
        put_count(&mut out, commit.events.len())?;
        commit.events.iter().try_for_each(|event| event.write(&mut out))?;
    }
    Ok(out)
}

/// Reads a packed page of the feed from `start` on.
///
/// # Errors
/// `InvalidArgument` for bytes of another form, and for positions that do not ascend from
/// `start`: a follower of such a feed could go round for ever.
pub fn decode(packed: &[u8], start: Lsn) -> Result<FeedPage> {
    let mut reader = Reader::new(packed);
    let mut page = FeedPage { more: reader.flag()?, next: reader.u64()?, ..FeedPage::default() };
    let (mut least, mut total) = (start, 0);
    while !reader.is_empty() {
        if page.commits.len() == MAX_FEED_COMMITS {
            return Err(malformed("more commits than a page may have"));
        }
        let lsn = reader.u64()?;
        if lsn < least || lsn >= page.next {
            return Err(malformed("commits out of order"));
        }
        least = lsn + 1;
        // An event has at least a kind.
        let count = reader.count(1)?;
        total += count;
        if total > MAX_FEED_EVENTS {
            return Err(malformed("more events than a page may have"));
        }
        let mut events = Vec::new();
        for _ in 0..count {
            events.push(Event::read(&mut reader)?);
        }
        page.commits.push(Commit { lsn, events });
    }
    match page.next > start || (page.next == start && !page.more) {
        true => Ok(page),
        false => Err(malformed("page of the change feed that leads nowhere")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holt_engine::db::Change;

    fn sample() -> FeedPage {
        let version = RecordVersion::from_raw(99);
        let events = vec![
            Event::Put { key: b"a".to_vec(), value: vec![], version },
            Event::Delete { key: vec![] },
            Event::RenamePrefix { src: b"b/".to_vec(), dst: b"c/".to_vec() },
            Event::DeletePrefix { prefix: b"d".to_vec() },
            Event::Created,
            Event::Dropped,
        ];
        let commits = vec![Commit { lsn: 10, events }, Commit { lsn: 50, events: vec![] }];
        FeedPage { commits, next: 51, more: true }
    }

    #[test]
    fn pages_read_back_as_packed() {
        let page = sample();
        assert_eq!(decode(&encode(&page).unwrap(), 10), Ok(page));
        let empty = FeedPage { next: 10, ..FeedPage::default() };
        assert_eq!(decode(&encode(&empty).unwrap(), 10), Ok(empty));
    }

    #[test]
    fn every_changed_byte_reads_as_something_or_is_refused() {
        let packed = encode(&sample()).unwrap();
        for at in 0..packed.len() {
            for value in 0..=u8::MAX {
                let mut wrong = packed.clone();
                wrong[at] = value;
                let _ = decode(&wrong, 0);
                let _ = decode(&wrong[..at], 0);
            }
        }
        assert!(decode(&packed[..packed.len() - 1], 0).is_err());
    }

    #[test]
    fn a_feed_that_does_not_go_forward_is_refused() {
        let packed = |page: &FeedPage| encode(page).unwrap();
        assert!(decode(&packed(&sample()), 11).is_err(), "a commit from before the start");
        let mut page = sample();
        page.commits.swap(0, 1);
        assert!(decode(&packed(&page), 0).is_err(), "commits in disorder");
        let page = FeedPage { next: 50, ..sample() };
        assert!(decode(&packed(&page), 0).is_err(), "the next position is one that was read");
        let stuck = FeedPage { next: 7, more: true, ..FeedPage::default() };
        assert!(decode(&packed(&stuck), 7).is_err(), "it says there is more and stays");
        let back = FeedPage { next: 6, ..FeedPage::default() };
        assert!(decode(&packed(&back), 7).is_err(), "it goes back");
    }

    #[test]
    fn more_events_than_a_page_may_have_are_refused_before_they_take_memory() {
        let events = vec![Event::Delete { key: vec![] }; MAX_FEED_EVENTS];
        let commits: Vec<Commit> =
            (0..2).map(|lsn| Commit { lsn, events: events.clone() }).collect();
        let mut page = FeedPage { commits, next: 2, more: false };
        assert!(decode(&encode(&page).unwrap(), 0).is_err());
        page.commits.pop();
        assert_eq!(decode(&encode(&page).unwrap(), 0), Ok(page));
    }

    #[test]
    fn pages_are_cut_between_commits() {
        let value = vec![0; 3 << 20];
        let commit = |lsn| {
            let (key, version) = (vec![1], RecordVersion::from_raw(lsn));
            let event = ChangeEvent::Put { tree: 0, key, value: value.clone(), version };
            Change { lsn, events: vec![event; 2] }
        };
        let page = ChangePage { changes: vec![commit(1), commit(2)], next: 3, more: false };
        let cut = FeedPage::cut(page.clone()).unwrap();
        assert_eq!((cut.commits.len(), cut.next, cut.more), (1, 2, true));
        let rest = ChangePage { changes: page.changes[1..].to_vec(), ..page };
        let cut = FeedPage::cut(rest).unwrap();
        assert_eq!((cut.commits.len(), cut.next, cut.more), (1, 3, false));
    }
}
