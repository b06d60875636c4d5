//! The packed store over memory: its contract, damage of every kind.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::device::blob::PageAt;
use crate::device::conformance;
use crate::device::memory::MemoryIo;
use crate::error::CorruptionClass;
use crate::limits::PAGE_BYTES;

fn create<Io: PositionedIo>(io: Io) -> PackedStore<Io> {
    PackedStore::create(io, Geometry::default(), [5; 16]).expect("create")
}

fn open<Io: PositionedIo>(io: Io) -> PackedStore<Io> {
    match PackedStore::open(io, Access::ReadWrite).expect("open") {
        Opened::Store(store) => store,
        Opened::Blank(_) => panic!("the store is blank"),
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn keeps_the_contract_over_memory() {
    let reopen = |store: PackedStore<MemoryIo>| open(MemoryIo::new(store.io().to_vec()));
    conformance::blob_store(|| create(MemoryIo::default()), reopen);
    conformance::blob_store_poisons(MemoryIo::default, create, open);
}

/// A page of a blob and its bytes.
type Held = (BlobId, u32, Vec<u8>);

/// A store of some publishes, and the state it must have.
fn sample(publishes: u64) -> (Vec<u8>, Vec<Held>) {
    let store = create(MemoryIo::default());
    for round in 0..publishes {
        let bytes: Vec<u8> =
            (0..3u64).flat_map(|page| vec![(round * 3 + page) as u8; PAGE_BYTES]).collect();
        let mut tickets = vec![];
        store.stage(&bytes, &mut tickets).expect("stage");
        let pages = (0..).zip(tickets).map(|(page, ticket)| PageAt { page, ticket }).collect();
        let blob = BlobId::frame(round as u32 % 2);
        let op = BlobOp::Put { blob, meta: vec![round as u8], pages, dropped: vec![] };
        store.publish(&[op], &[round as u8]).expect("publish");
    }
    let mut state = vec![];
    for blob in store.list(None, 10).expect("list") {
        for page in store.entry(blob).expect("entry").expect("there").pages {
            let mut buf = vec![0; PAGE_BYTES];
            store.read(blob, page, &mut buf).expect("read");
            state.push((blob, page, buf));
        }
    }
    (store.io().to_vec(), state)
}

/// Opens damaged bytes: the state must be right page by page, or damage must be reported.
fn open_damaged(bytes: Vec<u8>, state: &[Held], what: &str) {
    let before = bytes.clone();
    let io = Arc::new(MemoryIo::new(bytes));
    let store = match PackedStore::open(io.clone(), Access::ReadOnly) {
        Ok(Opened::Store(store)) => store,
        Ok(Opened::Blank(_)) => {
            assert!(before.iter().all(|byte| *byte == 0), "{what}: bytes taken for a blank file");
            return;
        }
        Err(Error::Corrupt(_) | Error::NotAStore { .. } | Error::UnsupportedFormat { .. }) => {
            assert!(io.to_vec() == before, "{what}: a refused file was changed");
            return;
        }
        Err(error) => panic!("{what}: {error}"),
    };
    for (blob, page, expected) in state {
        let mut buf = vec![0; PAGE_BYTES];
        match store.read(*blob, *page, &mut buf) {
            Ok(()) => assert!(buf == *expected, "{what}: {blob} page {page} has wrong bytes"),
            Err(Error::Corrupt(damage)) => assert_eq!(damage.class, CorruptionClass::Checksum),
            Err(error) => panic!("{what}: {blob} page {page}: {error}"),
        }
    }
    if what.len().is_multiple_of(4) {
        store.audit(&mut |_| {}, &mut |_, _| {}).expect("audit");
    }
    assert!(io.to_vec() == before, "{what}: reading changed the file");
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn every_flipped_bit_is_caught_or_harmless() {
    let (bytes, state) = sample(5);
    for at in 0..bytes.len() {
        // Every bit where structure lies, one of eight elsewhere.
        let bits = if bytes[at] != 0 && at % PAGE_BYTES < 600 { 0..8 } else { at % 8..at % 8 + 1 };
        let structure = at < 3 * PAGE_BYTES || at % PAGE_BYTES < 600 || at % 127 == 0;
        for bit in bits.filter(|_| structure) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            open_damaged(damaged, &state, &alloc::format!("bit {bit} of byte {at}"));
        }
    }
}

#[test]
fn every_truncation_is_caught_or_harmless() {
    let (bytes, state) = sample(5);
    for len in (0..bytes.len()).step_by(509).chain([1, 511, 512, 4096, 8191, 8192, 8193]) {
        open_damaged(bytes[..len].to_vec(), &state, &alloc::format!("cut to {len}"));
    }
}

#[test]
fn foreign_bytes_are_refused_and_kept() {
    for bytes in
        [vec![1; 100], vec![0xff; 20_000], b"SQLite format 3\0".repeat(1000), vec![0; 8193]]
    {
        let io = Arc::new(MemoryIo::new(bytes.clone()));
        for access in [Access::ReadOnly, Access::ReadWrite] {
            let refused = PackedStore::open(io.clone(), access);
            assert!(matches!(refused, Err(Error::NotAStore { .. })));
        }
        let refused = PackedStore::create(io.clone(), Geometry::default(), [1; 16]);
        assert!(matches!(refused, Err(Error::NotAStore { .. })));
        assert_eq!(io.to_vec(), bytes);
    }
    for len in [0, 1, 4096, 8192] {
        let opened = PackedStore::open(MemoryIo::new(vec![0; len]), Access::ReadWrite);
        assert!(matches!(opened, Ok(Opened::Blank(_))));
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn manifests_switch_and_space_stays_bounded() {
    let store = create(MemoryIo::default());
    let live = 64u64;
    for round in 0..300u64 {
        let mut tickets = vec![];
        store.stage(&vec![round as u8; 16 * PAGE_BYTES], &mut tickets).expect("stage");
        let pages = (0..).zip(tickets).map(|(page, ticket)| PageAt { page, ticket }).collect();
        let blob = BlobId::frame((round % 4) as u32);
        let op = BlobOp::Put { blob, meta: vec![], pages, dropped: vec![] };
        store.publish(&[op], b"r").expect("publish");
    }
    let usage = store.usage().expect("usage");
    assert_eq!(usage.pages, live);
    assert!(usage.manifest_switches >= 10, "{} switches", usage.manifest_switches);
    let pages = store.io().size().expect("size") / PAGE_BYTES as u64;
    assert!(pages <= live + 16 + 2 * 16 + 3 + 16, "the file has {pages} pages");
    let store = open(MemoryIo::new(store.io().to_vec()));
    store.publish(&[], b"r").expect("quiet");
    store.audit(&mut |damage| panic!("{damage}"), &mut |_, _| {}).expect("audit");
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_quiet_store_becomes_dense() {
    let store = create(MemoryIo::default());
    let put = |blob: u32, numbers: Vec<u32>, seed: u8| {
        let mut tickets = vec![];
        let bytes: Vec<u8> =
            numbers.iter().flat_map(|page| vec![seed ^ *page as u8; PAGE_BYTES]).collect();
        store.stage(&bytes, &mut tickets).expect("stage");
        let pages = numbers.into_iter().zip(tickets);
        let pages = pages.map(|(page, ticket)| PageAt { page, ticket }).collect();
        BlobOp::Put { blob: BlobId::frame(blob), meta: vec![seed], pages, dropped: vec![] }
    };
    let ops: Vec<_> = (0..40).map(|blob| put(blob, (0..128).collect(), 1)).collect();
    store.publish(&ops, b"r").expect("publish");
    // Two pages of three are replaced: what they leave is holes of two pages.
    let ops: Vec<_> =
        (0..40).map(|blob| put(blob, (0..128).filter(|page| page % 3 > 0).collect(), 9)).collect();
    store.publish(&ops, b"r").expect("publish");
    let pages = || store.io().size().expect("size") / PAGE_BYTES as u64;
    let before = pages();
    assert!(before > 40 * 128 * 5 / 3);
    for _ in 0..10 {
        store.publish(&[], b"r").expect("quiet");
        store.audit(&mut |damage| panic!("{damage}"), &mut |_, _| {}).expect("audit");
    }
    let (free, used) = {
        let staging = store.staging.lock();
        (staging.space.free_backed(), staging.space.used())
    };
    assert!(free < used / 8, "{free} free pages take space beside {used} used ones");
    let switches = store.usage().expect("usage").manifest_switches;
    let store = open(MemoryIo::new(store.io().to_vec()));
    for blob in 0..40 {
        for page in 0..128u32 {
            let mut buf = vec![0; PAGE_BYTES];
            store.read(BlobId::frame(blob), page, &mut buf).expect("read");
            let seed = if page % 3 > 0 { 9 } else { 1 };
            assert!(buf == vec![seed ^ page as u8; PAGE_BYTES], "page {page} of {blob}");
        }
    }
    assert!(switches < 20, "{switches} switches");
}

#[test]
fn read_only_changes_nothing() {
    let (bytes, _) = sample(3);
    let io = Arc::new(MemoryIo::new(bytes.clone()));
    let Ok(Opened::Store(store)) = PackedStore::open(io.clone(), Access::ReadOnly) else {
        panic!("the store must open")
    };
    assert_eq!(store.stage(&vec![0; PAGE_BYTES], &mut vec![]), Err(Error::ReadOnly));
    assert_eq!(store.publish(&[], b"x"), Err(Error::ReadOnly));
    assert_eq!(io.to_vec(), bytes);
}
