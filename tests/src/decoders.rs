//! Everything that reads bytes from outside, each with valid inputs to begin from: what a fuzzer
//! calls.
//!
//! Owns: the list, the inputs, what a decoder may answer. Never does: choose inputs; the suite
//! `decoders` and the targets in `fuzz` do.

use std::sync::{Arc, OnceLock};

use holt_engine::db::{CheckpointImage, DB, Options, PageToken, RangeEntry, Tree};
use holt_engine::device::{BlobOp, BlobStore, LogDevice, MemoryBlobStore, MemoryLog, PageAt};
use holt_engine::error::{Error, Result};
use holt_engine::geometry::Geometry;
use holt_engine::ids::{BlobId, StoreId};
use holt_engine::limits::{MIN_FRAME_BYTES, PAGE_BYTES};
use holt_wire::{changes, entry, feed, many, page};

use crate::simdisk::store::{BLOBS, LOG, Mode, open_store};
use crate::simdisk::{Choice, SimDisk};

/// A decoder.
pub struct Decoder {
    /// Its name, and that of the fuzz target.
    pub name: &'static str,
    /// Inputs that it accepts.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Gives it bytes; panics if its answer is not one that damage may have.
    pub run: fn(&[u8]),
    /// Whether a run opens a store and asks it for everything.
    pub heavy: bool,
}

/// All of them.
pub const DECODERS: &[Decoder] = &[
    Decoder { name: "log", seeds: log_seeds, run: log, heavy: true },
    Decoder { name: "blobs", seeds: blobs_seeds, run: blobs, heavy: true },
    Decoder { name: "root", seeds: root_seeds, run: root, heavy: true },
    Decoder { name: "page", seeds: page_seeds, run: page_bytes, heavy: true },
    Decoder { name: "image", seeds: image_seeds, run: image, heavy: true },
    Decoder { name: "token", seeds: token_seeds, run: token, heavy: false },
    Decoder { name: "wire", seeds: wire_seeds, run: wire, heavy: false },
];

/// Gives bytes to the decoder of a name.
///
/// # Panics
/// If none has the name, and as [`Decoder::run`].
pub fn run(name: &str, bytes: &[u8]) {
    let decoder = DECODERS.iter().find(|decoder| decoder.name == name);
    (decoder.expect("a decoder of this name").run)(bytes);
}

const ID: StoreId = *b"a store to break";

fn options() -> Options {
    Options { cache_bytes: 1 << 20, log_budget: 1 << 20, ..Options::default() }
}

fn key(at: u32) -> Vec<u8> {
    match at % 13 {
        0 => format!("{}{at}", "long/".repeat(260)).into_bytes(),
        _ => format!("dir/{}/file-{at:05}", at % 5).into_bytes(),
    }
}

fn fill(tree: &Tree, records: u32) -> Result<()> {
    for at in 0..records {
        let len = if at % 37 == 0 { 1500 } else { at % 90 };
        tree.put(&key(at), &vec![at as u8; len as usize])?;
    }
    Ok(())
}

/// Passes on what was found; damage, and what a limit refuses, is an answer too.
fn typed<T>(result: Result<T>) -> Option<T> {
    match result {
        Ok(found) => Some(found),
        Err(
            Error::Corrupt(_)
            | Error::NotAStore { .. }
            | Error::UnsupportedFormat { .. }
            | Error::BlobStoreIo(_)
            | Error::Poisoned { .. }
            | Error::InvalidArgument { .. }
            | Error::TreeDropped
            | Error::InvalidImage { .. }
            | Error::QuotaExceeded { .. },
        ) => None,
        Err(other) => panic!("not an answer to damage: {other:?}"),
    }
}

/// Asks a tree for everything, changes it, and asks again.
fn exercise(tree: &Tree, records: u32) {
    for at in (0..records).step_by(17) {
        typed(tree.get(&key(at)));
    }
    let most = 4 * records as usize + 100;
    for scan in [tree.range(), tree.range().reverse(), tree.range().delimiter(b'/')] {
        let mut entries = 0;
        for entry in scan {
            entries += 1;
            assert!(entries <= most, "a scan that does not end");
            let Some(RangeEntry::Key { .. } | RangeEntry::CommonPrefix(_)) = typed(entry) else {
                break;
            };
        }
    }
    typed(tree.prefix_count(b"dir/", 0));
    typed(tree.verify());
    typed(tree.put(b"dir/new", b"value"));
    typed(tree.delete(&key(1)));
    typed(tree.rename_prefix(b"dir/1/", b"moved/", true));
    typed(tree.checkpoint());
}

/// A store in memory: what it published and its log.
struct Base {
    blobs: Arc<MemoryBlobStore>,
    log: Vec<u8>,
    start: u64,
}

const RECORDS: u32 = 260;

/// Published after two thirds of the records; the rest is in the log.
fn base() -> &'static Base {
    static BASE: OnceLock<Base> = OnceLock::new();
    BASE.get_or_init(|| {
        let geometry = Geometry::new(MIN_FRAME_BYTES).expect("is one");
        let (blobs, log) =
            (Arc::new(MemoryBlobStore::new(geometry, ID)), Arc::new(MemoryLog::new()));
        let tree = Tree::open_with_devices(blobs.clone(), Some(log.clone()), options());
        let tree = tree.expect("opens");
        fill(&tree, RECORDS * 2 / 3).and_then(|()| tree.checkpoint()).expect("writes");
        fill(&tree, RECORDS).expect("writes");
        tree.rename_prefix(b"dir/2/", b"dir/two/", false).expect("moves");
        tree.delete_prefix(b"dir/3/").expect("deletes");
        drop(tree);
        let bounds = log.bounds().expect("is in memory");
        let mut bytes = vec![0; (bounds.end - bounds.start) as usize];
        let mut at = 0;
        while at < bytes.len() {
            at += log.read(bounds.start + at as u64, &mut bytes[at..]).expect("is in memory");
        }
        Base { blobs, log: bytes, start: bounds.start }
    })
}

/// A copy of what was published, with one page, and the root, as given.
fn copy(other: Option<(BlobId, u32, &[u8])>, root: &[u8]) -> Option<Arc<MemoryBlobStore>> {
    let from = &base().blobs;
    let to = Arc::new(MemoryBlobStore::new(from.geometry(), ID));
    let mut ops = Vec::new();
    for blob in from.list(None, usize::MAX).ok()? {
        let entry = from.entry(blob).ok()??;
        let mut pages = Vec::new();
        for &number in &entry.pages {
            let mut bytes = vec![0; PAGE_BYTES];
            from.read(blob, number, &mut bytes).ok()?;
            if let Some((_, _, given)) = other.filter(|(b, n, _)| (*b, *n) == (blob, number)) {
                bytes.copy_from_slice(given);
            }
            let mut tickets = Vec::new();
            to.stage(&bytes, &mut tickets).ok()?;
            pages.push(PageAt { page: number, ticket: tickets[0] });
        }
        ops.push(BlobOp::Put { blob, meta: entry.meta, pages, dropped: Vec::new() });
    }
    to.publish(&ops, root).ok()?;
    Some(to)
}

fn log_seeds() -> Vec<Vec<u8>> {
    vec![base().log.clone()]
}

/// A log beside the store it belongs to.
fn log(bytes: &[u8]) {
    let root = base().blobs.root().expect("is in memory");
    let Some(blobs) = copy(None, &root) else { return };
    let log = Arc::new(MemoryLog::new());
    log.reset(base().start).and_then(|()| log.append(base().start, bytes)).expect("is in memory");
    if let Some(tree) = typed(Tree::open_with_devices(blobs, Some(log), options())) {
        exercise(&tree, RECORDS);
    }
}

fn disk() -> &'static SimDisk {
    static DISK: OnceLock<SimDisk> = OnceLock::new();
    DISK.get_or_init(|| {
        let disk = SimDisk::new();
        let geometry = Geometry::new(MIN_FRAME_BYTES).expect("is one");
        let devices = open_store(&disk, Mode::Create(geometry, ID)).expect("opens");
        let db = DB::open_with_devices(devices.blobs, Some(devices.log), options());
        let db = db.expect("opens");
        let tree = db.create_tree("tree").expect("creates");
        fill(&tree, RECORDS / 2).and_then(|()| tree.checkpoint()).expect("writes");
        disk
    })
}

fn blobs_seeds() -> Vec<Vec<u8>> {
    disk().snapshot_bytes(BLOBS).into_iter().collect()
}

/// The file of frames and extents, beside a log that is its own.
fn blobs(bytes: &[u8]) {
    let disk = disk().crash(Choice::KeepAll);
    disk.load(BLOBS, bytes);
    assert!(disk.exists(LOG));
    let opened = open_store(&disk, Mode::ReadWrite);
    let Some(devices) = typed(opened) else { return };
    let log = Some(devices.log);
    let Some(db) = typed(DB::open_with_devices(devices.blobs, log, options())) else { return };
    if let Some(tree) = typed(db.open_tree("tree").or(Err(Error::TreeDropped))) {
        exercise(&tree, RECORDS / 2);
    }
}

fn root_seeds() -> Vec<Vec<u8>> {
    base().blobs.root().into_iter().collect()
}

/// A root record under a valid checksum.
fn root(bytes: &[u8]) {
    let Some(blobs) = copy(None, bytes) else { return };
    if let Some(tree) = typed(Tree::open_with_devices(blobs, None, options())) {
        exercise(&tree, RECORDS);
    }
}

/// Pages of the base, each with which one it is.
fn all_pages() -> Vec<(BlobId, u32)> {
    let blobs = base().blobs.list(None, usize::MAX).expect("is in memory");
    let frames = blobs.into_iter().filter_map(|blob| Some((blob, base().blobs.entry(blob).ok()??)));
    frames.flat_map(|(blob, entry)| entry.pages.into_iter().map(move |page| (blob, page))).collect()
}

fn page_seeds() -> Vec<Vec<u8>> {
    let read = |(at, (blob, page)): (usize, (BlobId, u32))| {
        let mut bytes = vec![0; PAGE_BYTES];
        base().blobs.read(blob, page, &mut bytes).expect("is in memory");
        [&[at as u8][..], &bytes].concat()
    };
    all_pages().into_iter().take(256).enumerate().map(read).collect()
}

/// A page under a valid checksum; the first byte says which.
fn page_bytes(bytes: &[u8]) {
    let Some((at, bytes)) = bytes.split_first() else { return };
    let pages = all_pages();
    let (blob, page) = pages[usize::from(*at) % pages.len()];
    let mut whole = bytes.to_vec();
    whole.resize(PAGE_BYTES, 0);
    let root = base().blobs.root().expect("is in memory");
    let Some(blobs) = copy(Some((blob, page, &whole)), &root) else { return };
    if let Some(tree) = typed(Tree::open_with_devices(blobs, None, options())) {
        exercise(&tree, RECORDS);
    }
}

fn image_seeds() -> Vec<Vec<u8>> {
    let blobs = Arc::new(MemoryBlobStore::new(Geometry::default(), ID));
    let image = || -> Result<Vec<u8>> {
        let db = DB::open_with_devices(blobs, None, options())?;
        for name in ["one", "two"] {
            fill(&db.create_tree(name)?, 40)?;
        }
        Ok(db.export_checkpoint()?.into_bytes())
    };
    vec![image().expect("exports")]
}

/// An image of a store, validated and put in.
fn image(bytes: &[u8]) {
    let image = CheckpointImage::from_bytes(bytes.to_vec());
    let valid = typed(image.validate()).is_some();
    let blobs = Arc::new(MemoryBlobStore::new(Geometry::default(), ID));
    let Ok(db) = DB::open_with_devices(blobs, None, options()) else { return };
    let installed = typed(db.install_checkpoint(&image)).is_some();
    assert!(valid || !installed, "what is not valid was put in");
    assert!(db.verify().expect("checks").is_clean());
}

fn token_seeds() -> Vec<Vec<u8>> {
    let tree = Tree::memory().expect("opens");
    fill(&tree, 40).expect("writes");
    let page = |reverse: bool| {
        let range = if reverse { tree.range().reverse() } else { tree.range() };
        range.page_from(None, 5, 1 << 20).ok()?.next.map(|token| token.to_bytes())
    };
    [false, true].into_iter().filter_map(page).collect()
}

/// Where a listing goes on, as a client sends it back.
fn token(bytes: &[u8]) {
    let Some(token) = typed(PageToken::from_bytes(bytes)) else { return };
    assert_eq!(token.to_bytes(), bytes, "a token says what it is in one way");
    let tree = Tree::memory().expect("opens");
    fill(&tree, 40).expect("writes");
    typed(tree.range().page_from(Some(&token), 5, 1 << 20).map(drop));
}

fn wire_seeds() -> Vec<Vec<u8>> {
    let keys: Vec<Vec<u8>> = (0..9).map(key).collect();
    let tree = Tree::memory().expect("opens");
    fill(&tree, 20).expect("writes");
    let found = tree.get_many_records(&keys, 1 << 20).expect("reads");
    let put = |at| changes::Change::Put { key: key(at), value: vec![7; 30] };
    let batch = || {
        let mut batch = changes::Packer::with_len(3).ok()?;
        for at in 0..3 {
            batch.push(put(at).borrowed()).ok()?;
        }
        Some(batch.finish())
    };
    let mut seeds = vec![many::encode_keys(&keys).expect("packs")];
    seeds.extend(many::encode_found(&found).ok());
    seeds.extend(batch());
    seeds
}

/// What crosses the border of the sandbox, in either direction.
fn wire(bytes: &[u8]) {
    let _ = changes::for_each(bytes, |change| drop(change.check()));
    let _ = changes::for_each_of(bytes, |_, change| drop(change.check()));
    let _ = many::decode_keys(bytes);
    for asked in [0, 9, bytes.len()] {
        let _ = many::decode_found(bytes, asked);
    }
    let _ = page::decode(bytes);
    let _ = feed::decode(bytes, 0);
    let _ = entry::decode(bytes);
}
