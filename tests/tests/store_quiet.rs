//! The packed store alone on a simulated disk, where the crash suite does not get: power cut
//! while a quiet store is made dense, and syncs that fail and forget what they had to write.

use std::collections::BTreeMap;

use holt_engine::device::{Access, BlobOp, BlobStore, Opened, PackedStore, PageAt};
use holt_engine::error::{Error, Result};
use holt_engine::geometry::Geometry;
use holt_engine::ids::BlobId;
use holt_engine::limits::PAGE_BYTES;
use holt_tests::simdisk::{Call, Choice, Fault, FaultKind, SimDisk, SimFile};

const FILE: &str = "blobs.dat";
type Store = PackedStore<SimFile>;
/// The seed of each page.
type State = BTreeMap<(BlobId, u32), u64>;

fn open(disk: &SimDisk) -> Result<Store> {
    match PackedStore::open(disk.file(FILE)?, Access::ReadWrite)? {
        Opened::Store(store) => Ok(store),
        Opened::Blank(file) => PackedStore::create(file, Geometry::default(), [8; 16]),
    }
}

fn page(seed: u64) -> Vec<u8> {
    (0..PAGE_BYTES as u64 / 8).flat_map(|at| (seed ^ at << 40).to_le_bytes()).collect()
}

/// Publishes new bytes for these pages; the root is the number of the publish.
fn publish(
    store: &Store,
    state: &mut State,
    blobs: u32,
    chosen: impl Fn(u32) -> bool,
    number: u64,
) -> Result<()> {
    let mut after = state.clone();
    let mut ops = vec![];
    for blob in (0..blobs).map(BlobId::frame) {
        let numbers: Vec<u32> = (0..128).filter(|page| chosen(*page)).collect();
        let seed = |page: &u32| number << 20 | blob.0 << 8 | u64::from(*page);
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| page(seed(number))).collect();
        let mut tickets = vec![];
        store.stage(&bytes, &mut tickets)?;
        after.extend(numbers.iter().map(|page| ((blob, *page), seed(page))));
        let pages = numbers.into_iter().zip(tickets);
        let pages = pages.map(|(page, ticket)| PageAt { page, ticket }).collect();
        ops.push(BlobOp::Put { blob, meta: vec![], pages, dropped: vec![] });
    }
    store.publish(&ops, &number.to_le_bytes())?;
    *state = after;
    Ok(())
}

fn assert_state(store: &Store, state: &State, what: &str) {
    let blobs = store.list(None, usize::MAX).expect("list");
    let pages: usize = blobs
        .iter()
        .map(|blob| store.entry(*blob).expect("entry").expect("there").pages.len())
        .sum();
    assert_eq!(pages, state.len(), "{what}");
    for ((blob, number), seed) in state {
        let mut buf = vec![0; PAGE_BYTES];
        store.read(*blob, *number, &mut buf).expect("read");
        assert!(buf == page(*seed), "{what}: {blob} page {number}");
    }
    store.audit(&mut |damage| panic!("{what}: {damage}"), &mut |_, _| {}).expect("audit");
}

#[test]
fn power_cut_while_a_store_is_made_dense() {
    let disk = SimDisk::new();
    let mut state = State::new();
    let store = open(&disk).expect("create");
    publish(&store, &mut state, 8, |_| true, 1).expect("publish");
    publish(&store, &mut state, 8, |page| page % 3 > 0, 2).expect("publish");
    let begin = disk.events();
    let written = || store.usage().expect("usage").bytes_written / PAGE_BYTES as u64;
    let (before, punches) = (written(), disk.calls(Call::Punch));
    for _ in 0..4 {
        store.publish(&[], &2u64.to_le_bytes()).expect("quiet");
        assert_state(&store, &state, "live");
    }
    assert!(written() > before + 100, "pages must be moved");
    assert!(disk.calls(Call::Punch) > punches, "what they leave must be given back");
    let mut cuts = 0;
    for event in begin..=disk.events() {
        let seeded = (0..4).map(|seed| Choice::Seeded(seed * 977 + event as u64));
        for choice in [Choice::KeepAll, Choice::LoseAll].into_iter().chain(seeded) {
            let after = disk.crash_at(event, choice);
            let what = format!("event {event}, {choice:?}");
            let again = open(&after).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_state(&again, &state, &what);
            cuts += 1;
        }
    }
    println!("{cuts} power cuts over {} events", disk.events() - begin);
}

/// A sync fails and forgets; the process dies; the store is opened by another, written to, and
/// then power is lost. Nothing acknowledged may be gone.
#[test]
fn syncs_that_forget() {
    let mut failed = 0;
    for after in 0..60 {
        let disk = SimDisk::new();
        let call = Some(Call::Sync);
        disk.inject(Fault { call, file: None, after, sticky: false, kind: FaultKind::DropDirty });
        let mut state = State::new();
        let mut maybe = State::new();
        let script = |state: &mut State, maybe: &mut State| -> Result<()> {
            let store = open(&disk)?;
            for number in 1..20 {
                maybe.clone_from(state);
                let done = publish(&store, maybe, 2, |page| page as u64 % 7 == number % 7, number);
                // What a failed publish would have made.
                if done.is_err() {
                    maybe.extend((0..2).map(BlobId::frame).flat_map(|blob| {
                        (0..128).filter(move |page| u64::from(*page) % 7 == number % 7).map(
                            move |page| {
                                ((blob, page), number << 20 | blob.0 << 8 | u64::from(page))
                            },
                        )
                    }));
                }
                done?;
                state.clone_from(maybe);
            }
            Ok(())
        };
        let Err(error) = script(&mut state, &mut maybe) else { continue };
        assert!(matches!(error, Error::BlobStoreIo(_)), "{error}");
        failed += 1;
        disk.clear_faults();
        let store = open(&disk).expect("reopen");
        let found = store.root().expect("root");
        let number = u64::from_le_bytes(found.try_into().unwrap_or_default());
        let is_new = maybe.values().any(|seed| seed >> 20 == number) && number > 0;
        let mut now = if is_new && maybe.len() >= state.len() { maybe } else { state };
        for more in 100..104 {
            publish(&store, &mut now, 2, |page| u64::from(page) % 3 == more % 3, more)
                .expect("publish");
        }
        drop(store);
        let cut = disk.crash(Choice::LoseAll);
        assert_state(&open(&cut).expect("open"), &now, &format!("sync {after}"));
    }
    assert!(failed > 30, "{failed} syncs failed");
}
