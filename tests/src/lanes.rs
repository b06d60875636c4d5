//! The busy writer of the SIGKILL suite: what each of its threads writes, and what a parent
//! that saw only acknowledgements knows about the store.
//!
//! Owns: [`op_of`], [`Lane`], the messages on the pipe. Never does: open a store or kill.
//! Invariant: operation `n` of a lane depends on nothing but the arguments of [`op_of`], so
//! an acknowledgement is the number alone. A lane has one operation in flight at most: after a
//! kill its records are those of `acknowledged` operations, or of one more.

use std::collections::BTreeMap;

use rand::Rng;

use crate::model::Model;
use crate::script::{Bytes, Change, Op, show};
use crate::workload::{Rand, rand_of, value_of};

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
    /// Mostly single records; now and then a whole directory moves or goes.
    Single,
    /// The same, mostly in batches, so that one sync serves many changes.
    Batches,
    /// Ascending keys with large values, the oldest deleted: pages split, frames spill and merge.
    Burst,
}

/// What operation `number` of a lane does: one call.
pub fn op_of(seed: u64, lane: u32, style: Style, number: u64) -> Op {
    let mut rng = rand_of(seed ^ (u64::from(lane) << 48) ^ number);
    if style == Style::Burst {
        let (round, step) = (number / BURST, number % BURST);
        let key = |round: u64| burst_key(lane, round, step);
        let put = |key: Bytes, value: Bytes| Change::Put { key, value };
        let mut changes = vec![put(key(round), value_of(700, rng.random()).into())];
        let old = round.checked_sub(BURSTS_KEPT).map(|old| Change::Delete { key: key(old) });
        changes.extend(old);
        return Op::atomic(changes);
    }
    let batches = style == Style::Batches;
    match rng.random_range(0..100) {
        0 => Op::DeletePrefix { prefix: folder(&mut rng, lane) },
        1..4 => Op::RenamePrefix {
            src: folder(&mut rng, lane),
            dst: folder(&mut rng, lane),
            force: true,
        },
        4..24 if !batches => batch(&mut rng, lane, 2..10),
        24..84 if batches => batch(&mut rng, lane, 4..24),
        84..88 => {
            let records = (0..rng.random_range(2..12)).map(|_| record(&mut rng, lane));
            Op::PutMany { records: records.collect() }
        }
        88..92 => {
            let (key, value) = record(&mut rng, lane);
            Op::PutIfAbsent { key, value }
        }
        92..96 => {
            let (src, dst) = (file(&mut rng, lane), file(&mut rng, lane));
            Op::Rename { src, dst, force: rng.random_ratio(1, 2) }
        }
        _ => match change(&mut rng, lane) {
            Change::Put { key, value } => Op::Put { key, value },
            other => Op::atomic(vec![other]),
        },
    }
}

/// Records that an operation is about, at most; those of prefixes do not count.
pub fn weight(op: &Op) -> u64 {
    match op {
        Op::Batch { changes, .. } => changes.len() as u64,
        Op::PutMany { records } => records.len() as u64,
        _ => 1,
    }
}

fn batch(rng: &mut Rand, lane: u32, sizes: std::ops::Range<u32>) -> Op {
    let count = rng.random_range(sizes);
    Op::atomic((0..count).map(|_| change(rng, lane)).collect())
}

fn change(rng: &mut Rand, lane: u32) -> Change {
    if rng.random_ratio(1, 5) {
        return Change::Delete { key: file(rng, lane) };
    }
    let (key, value) = record(rng, lane);
    Change::Put { key, value }
}

fn folder(rng: &mut Rand, lane: u32) -> Bytes {
    let mut key = prefix_of(lane);
    key.extend_from_slice(format!("dir-{:02}/", rng.random_range(0..20)).as_bytes());
    key.into()
}

fn file(rng: &mut Rand, lane: u32) -> Bytes {
    let Bytes(mut key) = folder(rng, lane);
    key.extend_from_slice(format!("file-{:04}", rng.random_range(0..KEYS / 20)).as_bytes());
    key.into()
}

fn record(rng: &mut Rand, lane: u32) -> (Bytes, Bytes) {
    let len = match rng.random_range(0..100) {
        0 => rng.random_range(4000..9000),
        1..30 => rng.random_range(200..1100),
        _ => rng.random_range(0..80),
    };
    (file(rng, lane), value_of(len, rng.random()).into())
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
    model: Model,
}

impl Lane {
    /// A lane that wrote nothing.
    pub fn new(lane: u32, style: Style) -> Self {
        Self { lane, style, acknowledged: 0, model: Model::default() }
    }

    /// Takes note that operations below `number` are acknowledged; returns their weight.
    pub fn acknowledge(&mut self, seed: u64, number: u64) -> u64 {
        let mut records = 0;
        while self.acknowledged < number {
            records += weight(&self.next(seed));
        }
        records
    }

    /// Runs the next operation in the model.
    fn next(&mut self, seed: u64) -> Op {
        let op = op_of(seed, self.lane, self.style, self.acknowledged);
        self.model.run(&op);
        self.acknowledged += 1;
        op
    }

    /// Compares what the store holds under this lane's prefix with what it may hold; takes over
    /// the operation in flight if it survived. `Ok(true)` if it did.
    pub fn settle(
        &mut self,
        seed: u64,
        found: &BTreeMap<Vec<u8>, Vec<u8>>,
    ) -> Result<bool, String> {
        let Some(without) = first_difference(&self.model, found) else { return Ok(false) };
        let mut one_more = self.clone();
        let flying = one_more.next(seed);
        let Some(with) = first_difference(&one_more.model, found) else {
            *self = one_more;
            return Ok(true);
        };
        Err(format!(
            "lane {} after {} acknowledged operations: {without}; with the operation in flight \
             ({} of {}): {with}",
            self.lane,
            self.acknowledged,
            flying.kind().name(),
            weight(&flying)
        ))
    }
}

fn first_difference(expected: &Model, found: &BTreeMap<Vec<u8>, Vec<u8>>) -> Option<String> {
    for (key, value) in expected.dump() {
        match found.get(key) {
            None => return Some(format!("{} is lost", show(key))),
            Some(other) if other != value => {
                return Some(format!("{} = {}, not {}", show(key), show(other), show(value)));
            }
            Some(_) => {}
        }
    }
    let extra = found.keys().find(|key| expected.get(key).is_none());
    extra.map(|key| format!("{} should not be there", show(key)))
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

    fn records(lane: &Lane) -> BTreeMap<Vec<u8>, Vec<u8>> {
        lane.model.dump().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
    }

    #[test]
    fn a_lane_takes_one_more_operation_whole_and_nothing_else() {
        for style in [Style::Single, Style::Batches, Style::Burst] {
            let mut lane = Lane::new(3, style);
            lane.acknowledge(1, 700);
            let mut found = records(&lane);
            assert_eq!(lane.clone().settle(1, &found), Ok(false));
            let mut more = lane.clone();
            more.acknowledge(1, 701);
            let took = lane.clone().settle(1, &records(&more)).expect("whole");
            assert_eq!(took, records(&more) != records(&lane));
            found.pop_last();
            assert!(lane.settle(1, &found).is_err(), "a lost record is seen");
            more.acknowledge(1, 720);
            assert!(lane.settle(1, &records(&more)).is_err(), "too much is seen");
        }
    }
}
