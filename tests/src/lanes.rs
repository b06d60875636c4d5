//! The busy writer of the SIGKILL suite: what each of its threads writes, and what a parent
//! that saw only acknowledgements knows about the store.
//!
//! Owns: [`change_of`], [`Lane`], the messages on the pipe. Never does: open a store or kill.
//! Invariant: operation `n` of a lane depends on nothing but the arguments of [`change_of`], so
//! an acknowledgement is the number alone. A lane has one operation in flight at most: after a
//! kill its records are those of `acknowledged` operations, or of one more.

use std::collections::BTreeMap;

use rand::Rng;

use crate::script::{Bytes, Change, show};
use crate::workload::{rand_of, value_of};

/// Keys of a lane that come and go at random.
const KEYS: u32 = 400;

/// Records of one burst of ascending keys, which makes pages split and frames spill.
const BURST: u64 = 48;

/// Bursts that a lane keeps; older ones are deleted, so that pages and frames merge.
const BURSTS_KEPT: u64 = 6;

/// Bytes of one message.
pub const MESSAGE_BYTES: usize = 16;

/// What a busy writer is doing when it is not only writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A checkpoint was asked for.
    Checkpoint,
    /// Frames are being repacked.
    Compact,
    /// Ascending keys are written in a burst.
    Spill,
}

impl Phase {
    /// All phases.
    pub const ALL: [Self; 3] = [Self::Checkpoint, Self::Compact, Self::Spill];
}

/// One message of the writer, whole or not at all (a pipe keeps writes this small together).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// The store is open.
    Ready,
    /// Operations of this lane up to and including this number are acknowledged.
    Done {
        /// Which lane.
        lane: u32,
        /// Which operation of it.
        number: u64,
    },
    /// A phase begins.
    Begin(Phase),
    /// It ended; for a burst, the frames that spilled meanwhile.
    End(Phase, u64),
}

impl Message {
    /// As bytes.
    pub fn encode(self) -> [u8; MESSAGE_BYTES] {
        let (kind, small, large) = match self {
            Self::Ready => (0, 0, 0),
            Self::Done { lane, number } => (1, lane, number),
            Self::Begin(phase) => (2, phase as u32, 0),
            Self::End(phase, count) => (3, phase as u32, count),
        };
        let mut bytes = [0; MESSAGE_BYTES];
        bytes[0] = kind;
        bytes[4..8].copy_from_slice(&u32::to_le_bytes(small));
        bytes[8..].copy_from_slice(&u64::to_le_bytes(large));
        bytes
    }

    /// From bytes; `None` for bytes that no writer sends.
    pub fn decode(bytes: [u8; MESSAGE_BYTES]) -> Option<Self> {
        let small = u32::from_le_bytes(bytes[4..8].try_into().ok()?);
        let large = u64::from_le_bytes(bytes[8..].try_into().ok()?);
        let phase = || Phase::ALL.into_iter().find(|phase| *phase as u32 == small);
        match bytes[0] {
            0 => Some(Self::Ready),
            1 => Some(Self::Done { lane: small, number: large }),
            2 => Some(Self::Begin(phase()?)),
            3 => Some(Self::End(phase()?, large)),
            _ => None,
        }
    }
}

/// The prefix of all keys of a lane.
pub fn prefix_of(lane: u32) -> Vec<u8> {
    format!("lane-{lane:02}/").into_bytes()
}

/// What a lane writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Mostly single records.
    Single,
    /// Mostly batches, so that one sync serves many changes.
    Batches,
    /// Ascending keys with large values, the oldest deleted: pages split, frames spill and merge.
    Burst,
}

/// What operation `number` of a lane writes; several changes are one atomic batch.
pub fn change_of(seed: u64, lane: u32, style: Style, number: u64) -> Vec<Change> {
    let mut rng = rand_of(seed ^ (u64::from(lane) << 48) ^ number);
    if style == Style::Burst {
        let (round, step) = (number / BURST, number % BURST);
        let key = |round: u64| burst_key(lane, round, step);
        let mut changes =
            vec![Change::Put { key: key(round), value: value_of(700, rng.random()).into() }];
        if let Some(old) = round.checked_sub(BURSTS_KEPT) {
            changes.push(Change::Delete { key: key(old) });
        }
        return changes;
    }
    let count = match style {
        Style::Batches if !rng.random_ratio(1, 5) => rng.random_range(4..24),
        Style::Single if rng.random_ratio(1, 5) => rng.random_range(2..10),
        _ => 1,
    };
    (0..count)
        .map(|_| {
            let (folder, file) = (rng.random_range(0..20), rng.random_range(0..KEYS / 20));
            let mut key = prefix_of(lane);
            key.extend_from_slice(format!("dir-{folder:02}/file-{file:04}").as_bytes());
            if rng.random_ratio(1, 4) {
                return Change::Delete { key: key.into() };
            }
            let len = match rng.random_range(0..100) {
                0 => rng.random_range(4000..9000),
                1..30 => rng.random_range(200..1100),
                _ => rng.random_range(0..80),
            };
            Change::Put { key: key.into(), value: value_of(len, rng.random()).into() }
        })
        .collect()
}

fn burst_key(lane: u32, round: u64, step: u64) -> Bytes {
    let mut key = prefix_of(lane);
    key.extend_from_slice(format!("burst-{round:08}/{step:04}").as_bytes());
    key.into()
}

/// Operations of one burst.
pub const fn burst_operations() -> u64 {
    BURST
}

/// What is known of one lane.
#[derive(Clone, Debug)]
pub struct Lane {
    /// Which.
    pub lane: u32,
    /// What it writes.
    pub style: Style,
    /// Operations acknowledged, which is also the number of the next.
    pub acknowledged: u64,
    records: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Lane {
    /// A lane that wrote nothing.
    pub fn new(lane: u32, style: Style) -> Self {
        Self { lane, style, acknowledged: 0, records: BTreeMap::new() }
    }

    /// Takes note that operations below `number` are acknowledged; returns their changes.
    pub fn acknowledge(&mut self, seed: u64, number: u64) -> u64 {
        let mut changes = 0;
        while self.acknowledged < number {
            let op = change_of(seed, self.lane, self.style, self.acknowledged);
            changes += op.len() as u64;
            self.apply(&op);
        }
        changes
    }

    fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Put { key, value } => {
                    drop(self.records.insert(key.0.clone(), value.0.clone()));
                }
                Change::Delete { key } => drop(self.records.remove(&key.0)),
            }
        }
        self.acknowledged += 1;
    }

    /// Compares what the store holds under this lane's prefix with what it may hold; takes over
    /// the operation in flight if it survived. `Ok(true)` if it did.
    pub fn settle(
        &mut self,
        seed: u64,
        found: &BTreeMap<Vec<u8>, Vec<u8>>,
    ) -> Result<bool, String> {
        if self.records == *found {
            return Ok(false);
        }
        let mut one_more = self.clone();
        let flying = change_of(seed, self.lane, self.style, self.acknowledged);
        one_more.apply(&flying);
        if one_more.records == *found {
            *self = one_more;
            return Ok(true);
        }
        Err(format!(
            "lane {} after {} acknowledged operations: {}; with the operation in flight ({} \
             changes): {}",
            self.lane,
            self.acknowledged,
            first_difference(&self.records, found),
            flying.len(),
            first_difference(&one_more.records, found)
        ))
    }
}

fn first_difference(
    expected: &BTreeMap<Vec<u8>, Vec<u8>>,
    found: &BTreeMap<Vec<u8>, Vec<u8>>,
) -> String {
    for (key, value) in expected {
        match found.get(key) {
            None => return format!("{} is lost", show(key)),
            Some(other) if other != value => {
                return format!("{} = {}, not {}", show(key), show(other), show(value));
            }
            Some(_) => {}
        }
    }
    match found.keys().find(|key| !expected.contains_key(*key)) {
        Some(key) => format!("{} should not be there", show(key)),
        None => "equal".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_back() {
        let mut messages = vec![Message::Ready, Message::Done { lane: 7, number: u64::MAX }];
        for phase in Phase::ALL {
            messages.extend([Message::Begin(phase), Message::End(phase, 12)]);
        }
        for message in messages {
            assert_eq!(Message::decode(message.encode()), Some(message));
        }
        assert_eq!(Message::decode([9; MESSAGE_BYTES]), None);
    }

    #[test]
    fn a_lane_takes_one_more_operation_whole_and_nothing_else() {
        for style in [Style::Single, Style::Batches, Style::Burst] {
            let mut lane = Lane::new(3, style);
            lane.acknowledge(1, 700);
            let mut found = lane.records.clone();
            assert_eq!(lane.clone().settle(1, &found), Ok(false));
            let mut more = lane.clone();
            more.acknowledge(1, 701);
            let took = lane.clone().settle(1, &more.records).expect("whole");
            assert_eq!(took, more.records != lane.records);
            found.pop_last();
            assert!(lane.settle(1, &found).is_err(), "a lost record is seen");
            more.acknowledge(1, 720);
            assert!(lane.settle(1, &more.records).is_err(), "too much is seen");
        }
    }
}
