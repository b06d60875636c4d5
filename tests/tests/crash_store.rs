//! The packed store alone on a simulated disk: power is cut at every event of random scripts of
//! publishes; what is found is one of the published states, whole, and its audit is clean.
//!
//! `HOLT_CRASH_STORES` sets the number of scripts (default 40).

use std::collections::BTreeMap;

use holt_engine::device::{BlobOp, BlobStore, PageAt};
use holt_engine::error::Result;
use holt_engine::geometry::Geometry;
use holt_engine::ids::{BlobId, Ticket};
use holt_engine::limits::PAGE_BYTES;
use holt_tests::simdisk::store::{Devices, Mode, open_store};
use holt_tests::simdisk::{Choice, SimDisk};
use holt_tests::workload::{Rand, rand_of};
use rand::Rng;

/// What a store holds: metadata and the seed of each page by blob, and the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    blobs: BTreeMap<BlobId, (Vec<u8>, BTreeMap<u32, u64>)>,
    root: Vec<u8>,
}

fn open(disk: &SimDisk) -> Result<Devices> {
    open_store(disk, Mode::Create(Geometry::new(16 * 1024)?, [3; 16]))
}

/// A page that tells its seed.
fn page(seed: u64) -> Vec<u8> {
    let mut page = vec![0; PAGE_BYTES];
    for (at, word) in page.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&seed.rotate_left(at as u32 % 64).to_le_bytes());
    }
    page
}

/// Reads all of a store back.
fn contents(store: &dyn BlobStore) -> Result<State> {
    let mut state = State { root: store.root()?, ..State::default() };
    let mut last = None;
    loop {
        let some = store.list(last, 7)?;
        let Some(highest) = some.last() else { return Ok(state) };
        last = Some(*highest);
        for blob in some {
            let entry = store.entry(blob)?.expect("a listed blob has an entry");
            let mut pages = BTreeMap::new();
            for number in entry.pages {
                let mut bytes = vec![0; PAGE_BYTES];
                store.read(blob, number, &mut bytes)?;
                let seed = u64::from_le_bytes(bytes[..8].try_into().unwrap());
                assert!(bytes == page(seed), "the bytes of one page");
                pages.insert(number, seed);
            }
            state.blobs.insert(blob, (entry.meta, pages));
        }
    }
}

fn stage(store: &dyn BlobStore, rng: &mut Rand, count: usize) -> Result<Vec<(Ticket, u64)>> {
    let seeds: Vec<u64> = (0..count).map(|_| rng.random()).collect();
    let bytes: Vec<u8> = seeds.iter().flat_map(|seed| page(*seed)).collect();
    let mut tickets = Vec::new();
    store.stage(&bytes, &mut tickets)?;
    Ok(tickets.into_iter().zip(seeds).collect())
}

/// One publish of random changes; returns the state it makes.
fn publish(store: &dyn BlobStore, rng: &mut Rand, before: &State) -> Result<State> {
    let mut state = before.clone();
    let mut ops: BTreeMap<BlobId, BlobOp> = BTreeMap::new();
    for _ in 0..rng.random_range(1..7) {
        let blob = match rng.random_ratio(1, 4) {
            true => BlobId::extent(rng.random_range(0..4)),
            false => BlobId::frame(rng.random_range(0..9)),
        };
        if ops.contains_key(&blob) {
            continue;
        }
        if rng.random_ratio(1, 5) {
            ops.insert(blob, BlobOp::Delete { blob });
            state.blobs.remove(&blob);
            continue;
        }
        let meta: Vec<u8> = (0..rng.random_range(0..64)).map(|_| rng.random()).collect();
        let numbers: Vec<u32> = (0..12).filter(|_| rng.random_ratio(1, 3)).collect();
        let staged = stage(store, rng, numbers.len())?;
        let dropped: Vec<u32> =
            (0..12).filter(|page| !numbers.contains(page) && rng.random_ratio(1, 6)).collect();
        let entry = state.blobs.entry(blob).or_default();
        entry.0.clone_from(&meta);
        entry.1.retain(|page, _| !dropped.contains(page));
        let mut pages = Vec::new();
        for (page, (ticket, seed)) in numbers.into_iter().zip(staged) {
            entry.1.insert(page, seed);
            pages.push(PageAt { page, ticket });
        }
        ops.insert(blob, BlobOp::Put { blob, meta, pages, dropped });
    }
    state.root = (0..rng.random_range(1..200)).map(|_| rng.random()).collect();
    let ops: Vec<BlobOp> = ops.into_values().collect();
    store.publish(&ops, &state.root)?;
    Ok(state)
}

/// Events before each publish and after it, and the state it made.
type Published = Vec<(usize, usize, State)>;

/// Runs a script on `disk`, which holds `state`.
fn run(seed: u64, disk: &SimDisk, state: State, switches: &mut u64) -> Result<Published> {
    let mut rng = rand_of(seed);
    let mut devices = open(disk)?;
    let mut done = vec![(0, 0, state)];
    let now = |done: &Published| done.last().expect("never empty").2.clone();
    for _ in 0..rng.random_range(2..12) {
        let store = &*devices.blobs;
        match rng.random_range(0..12) {
            0 => {
                *switches += store.usage()?.manifest_switches;
                devices = open(disk)?;
                assert_eq!(contents(&*devices.blobs)?, now(&done));
            }
            1 => drop(stage(store, &mut rng, 5)?),
            2 => {
                let staged = stage(store, &mut rng, 4)?;
                let tickets: Vec<Ticket> = staged.iter().map(|(ticket, _)| *ticket).collect();
                store.release(&tickets[..2])?;
                store.discard()?;
            }
            // Nothing to publish: space is given back.
            3..=4 => store.publish(&[], &store.root()?)?,
            _ => {
                let before = disk.events();
                let state = publish(store, &mut rng, &now(&done))?;
                done.push((before, disk.events(), state));
            }
        }
    }
    *switches += devices.blobs.usage()?.manifest_switches;
    assert_eq!(contents(&*devices.blobs)?, now(&done));
    Ok(done)
}

/// Opens the disk after a crash and compares; what it holds.
fn check(after: &SimDisk, event: usize, published: &Published) -> Result<State, String> {
    let devices = open(after).map_err(|error| format!("opening failed: {error}"))?;
    let store = &*devices.blobs;
    let found = contents(store).map_err(|error| format!("reading failed: {error}"))?;
    let least = published.iter().rposition(|(_, end, _)| *end <= event).expect("the first");
    let most = published.iter().rposition(|(start, _, _)| *start < event).unwrap_or(0);
    if !published[least..=most.max(least)].iter().any(|(_, _, state)| *state == found) {
        let which = published.iter().rposition(|(_, _, state)| *state == found);
        return Err(format!("found the state after {which:?} publishes, not {least} to {most}"));
    }
    let mut damage = Vec::new();
    store.audit(&mut |found| damage.push(found), &mut |_, _| ()).map_err(|e| e.to_string())?;
    match damage.first() {
        None => Ok(found),
        Some(first) => Err(format!("damage: {first}")),
    }
}

#[test]
fn power_cut_at_every_event_of_publishes() {
    let scripts = std::env::var("HOLT_CRASH_STORES").ok().map_or(40, |n| n.parse().unwrap());
    let (mut crashes, mut again, mut switches) = (0_u64, 0_u64, 0_u64);
    for seed in 0..scripts {
        let disk = SimDisk::new();
        // A manifest grows for a while before it is switched: start with some history.
        let mut state = State::default();
        let disk = match seed % 3 {
            0 => disk,
            _ => {
                for round in 0..6 {
                    let done = run(seed << 8 | round, &disk, state, &mut switches).unwrap();
                    state = done.last().unwrap().2.clone();
                }
                disk.crash(Choice::KeepAll)
            }
        };
        let published = run(seed, &disk, state, &mut switches).unwrap();
        for event in 0..=disk.events() {
            for draw in 0..2 {
                let dice: u64 = rand_of(seed << 32 | (event as u64) << 8 | draw).random();
                let wrong = |what: String| -> State {
                    panic!("seed {seed}, event {event} ({:?}), {dice}: {what}", disk.event(event))
                };
                let after = disk.crash_at(event, Choice::Seeded(dice));
                let found = check(&after, event, &published).unwrap_or_else(wrong);
                crashes += 1;
                if dice.is_multiple_of(32) {
                    let more = run(dice, &after, found, &mut switches).unwrap();
                    for event in 0..=after.events() {
                        let image = after.crash_at(event, Choice::Seeded(dice ^ event as u64));
                        check(&image, event, &more).unwrap_or_else(wrong);
                        again += 1;
                    }
                }
            }
        }
    }
    println!(
        "packed store: {scripts} scripts, {crashes} crashes, {again} crashed again, {switches} \
         manifest switches"
    );
    assert!(crashes > 0 && again > 0 && switches > 0);
}
