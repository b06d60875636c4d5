//! The log alone on a simulated disk: power is cut at every event of random scripts, also during
//! recovery; what is replayed must join what was published, and no position may repeat.
//!
//! `HOLT_CRASH_LOGS` sets the number of scripts (default 100).

use holt_engine::codec::bytes::{Reader, Write};
use holt_engine::error::{Error, Result};
use holt_engine::geometry::Geometry;
use holt_engine::log::{Log, LogState, OpRef};
use holt_tests::simdisk::store::{Devices, Mode, open_store};
use holt_tests::simdisk::{Choice, SimDisk};
use holt_tests::workload::{Rand, rand_of};
use rand::Rng;

/// A store that only counts: operation number `n` writes `n`.
struct Counter {
    devices: Devices,
    log: Log,
    /// Operations in the published state.
    published: u64,
    /// Operations in all.
    total: u64,
    highest: u64,
    torn: bool,
}

impl Counter {
    fn open(disk: &SimDisk) -> Result<Self> {
        let devices = open_store(disk, Mode::Create(Geometry::default(), [7; 16]))?;
        let root = devices.blobs.root()?;
        let mut reader = Reader::new(&root);
        let (state, published) = match root.is_empty() {
            true => (LogState::default(), 0),
            false => (LogState::decode(&mut reader)?, reader.u64().expect("a whole root")),
        };
        let mut total = published;
        let mut highest = 0;
        let id = devices.blobs.store_id();
        let (log, recovery) = Log::open(devices.log.clone(), id, state, &mut |record| {
            for (version, op) in record.ops() {
                let OpRef::Put { value, .. } = op else { panic!("only puts were written") };
                let number = u64::from_le_bytes(value[..8].try_into().unwrap());
                assert_eq!(number, total, "replayed in order, without holes or repeats");
                assert!(version.as_u64() > highest);
                highest = version.as_u64();
                total += 1;
            }
            Ok(())
        })?;
        Ok(Self { devices, log, published, total, highest, torn: recovery.torn })
    }

    fn publish(&mut self, cut: u64) -> Result<()> {
        let mut root = Vec::new();
        self.log.state(cut).encode(&mut root);
        root.put_u64(self.total);
        self.devices.blobs.publish(&[], &root)?;
        self.published = self.total;
        match self.log.after_publish(cut)? {
            Some((device, before)) => self.log.gave_back(device.truncate(before)),
            None => Ok(()),
        }
    }

    /// Appends one record of `ops` operations.
    fn append(&mut self, ops: u64, len: usize) -> Result<()> {
        if self.log.is_sealed() {
            if self.total > self.published {
                self.publish(self.log.end())?;
            }
            self.log.begin_epoch()?;
            if len.is_multiple_of(2) {
                // What the engine does to notice a log that is lost later.
                let cut = self.log.end();
                self.publish_state_only(cut)?;
            }
        }
        let values: Vec<Vec<u8>> = (0..ops)
            .map(|at| [&(self.total + at).to_le_bytes()[..], &vec![at as u8; len]].concat())
            .collect();
        let list: Vec<_> =
            values.iter().map(|value| OpRef::Put { tree: 1, key: b"k", value }).collect();
        let lsn = self.log.append_ops(&list)?;
        assert!(lsn > self.highest, "position {lsn} was used before ({})", self.highest);
        self.highest = Log::version(lsn, ops as usize - 1).as_u64();
        self.total += ops;
        Ok(())
    }

    fn publish_state_only(&mut self, _end: u64) -> Result<()> {
        let mut root = Vec::new();
        self.log.state(0).encode(&mut root);
        root.put_u64(self.total);
        self.devices.blobs.publish(&[], &root)
    }

    fn checkpoint(&mut self) -> Result<()> {
        let cut = match self.log.is_sealed() {
            true => self.log.end(),
            false => self.log.append_cut()?,
        };
        self.publish(cut)
    }
}

/// Events, operations that were durable then, and the highest version handed out by then.
type Marks = Vec<(usize, u64, u64)>;

fn step(counter: &mut Counter, rng: &mut Rand) -> Result<bool> {
    match rng.random_range(0..20) {
        0..=9 => counter.append(1, rng.random_range(0..300)).map(|()| false),
        10..=11 => counter.append(rng.random_range(2..40), rng.random_range(0..90)).map(|()| false),
        12 => counter.append(1, rng.random_range(3000..9000)).map(|()| false),
        13..=16 => counter.log.sync().map(|()| true),
        _ => counter.checkpoint().map(|()| true),
    }
}

fn run(seed: u64, disk: &SimDisk, before: u64) -> Result<(Marks, Vec<(usize, u64)>)> {
    let mut rng = rand_of(seed);
    let mut counter = Counter::open(disk)?;
    counter.highest = counter.highest.max(before);
    let mut durable = vec![(0, 0, 0)];
    let mut issued = Vec::new();
    for _ in 0..rng.random_range(3..16) {
        issued.push((disk.events(), counter.total));
        if rng.random_ratio(1, 8) {
            let (total, highest) = (counter.total, counter.highest);
            drop(counter);
            counter = Counter::open(disk)?;
            assert_eq!(counter.total, total);
            counter.highest = highest;
        } else if step(&mut counter, &mut rng)? {
            durable.push((disk.events(), counter.total, counter.highest));
        }
    }
    issued.push((disk.events(), counter.total));
    Ok((durable, issued))
}

#[derive(Default)]
struct Count {
    crashes: u64,
    again: u64,
    torn: u64,
    replayed: u64,
}

fn check(
    disk: &SimDisk,
    event: usize,
    dice: u64,
    (durable, issued): &(Marks, Vec<(usize, u64)>),
    count: &mut Count,
) {
    let least = durable.iter().rev().find(|mark| mark.0 <= event).unwrap().1;
    // The first state that was complete only after the crash bounds what may be there.
    let most = issued.iter().find(|mark| mark.0 >= event).unwrap().1;
    let after = disk.crash_at(event, Choice::Seeded(dice));
    let fail = |error: Error| -> Counter { panic!("event {event}, dice {dice}: {error}") };
    let counter = Counter::open(&after).unwrap_or_else(fail);
    let found = counter.total;
    assert!((least..=most).contains(&found), "{found} not in {least}..={most} at {event}, {dice}");
    count.crashes += 1;
    count.torn += u64::from(counter.torn);
    count.replayed += found - counter.published;
    drop(counter);
    if dice.is_multiple_of(4) {
        // Go on, and crash that.
        let highest = durable.iter().rev().find(|mark| mark.0 <= event).unwrap().2;
        let again = run(dice, &after, highest).unwrap();
        for event in 0..=after.events() {
            let image = after.crash_at(event, Choice::Seeded(dice ^ event as u64));
            let total = Counter::open(&image).unwrap_or_else(fail).total;
            let least = again.0.iter().rev().find(|mark| mark.0 <= event).unwrap().1;
            let most = again.1.iter().find(|mark| mark.0 >= event).unwrap().1;
            assert!((least.max(found)..=most).contains(&total), "again at {event}, {dice}");
            count.again += 1;
        }
    }
}

#[test]
fn power_cut_at_every_event_of_a_log() {
    let scripts = std::env::var("HOLT_CRASH_LOGS").ok().map_or(100, |n| n.parse().unwrap());
    let mut count = Count::default();
    for seed in 0..scripts {
        let disk = SimDisk::new();
        let marks = run(seed, &disk, 0).unwrap();
        for event in 0..=disk.events() {
            for draw in 0..3 {
                let dice = rand_of(seed << 32 | (event as u64) << 8 | draw).random();
                check(&disk, event, dice, &marks, &mut count);
            }
        }
    }
    let Count { crashes, again, torn, replayed } = count;
    println!(
        "log: {scripts} scripts, {crashes} crashes, {again} crashed again, {torn} torn tails, \
         {replayed} operations replayed"
    );
    assert!(torn > 0 && replayed > 0 && again > 0);
}
