//! Pages that are damaged under valid checksums: every call ends, with a typed error at worst.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::core::Core;
use super::{Options, RangeEntry, Tree};
use crate::device::{BlobOp, BlobStore, MemoryBlobStore, PageAt};
use crate::error::Error;
use crate::geometry::Geometry;
use crate::ids::BlobId;
use crate::limits::PAGE_BYTES;
use crate::node::record::RECORD_HEADER;
use crate::random::Random;

fn key(at: usize) -> Vec<u8> {
    match at % 9 {
        0 => alloc::format!("{}{at}", "l".repeat(1100)).into(),
        1 => alloc::format!("m{}{at}", "n".repeat(300)).into(),
        _ => alloc::format!("dir/{:02}/file-{at:06}", at % 7).into(),
    }
}

fn value(at: usize) -> Vec<u8> {
    alloc::vec![at as u8; if at.is_multiple_of(11) { 1500 } else { 20 + at % 150 }]
}

/// A blob: its metadata and its pages by number.
type Blob = (BlobId, Vec<u8>, Vec<(u32, Vec<u8>)>);

struct Published {
    root: Vec<u8>,
    blobs: Vec<Blob>,
}

fn published(records: usize) -> Published {
    let blobs = store();
    let tree = open(blobs.clone()).unwrap();
    for at in 0..records {
        tree.put(&key(at), &value(at)).unwrap();
    }
    tree.checkpoint().unwrap();
    assert!(tree.verify().unwrap().is_clean());
    let mut all = Vec::new();
    for blob in blobs.list(None, usize::MAX).unwrap() {
        let entry = blobs.entry(blob).unwrap().unwrap();
        let read = |&page: &u32| {
            let mut bytes = alloc::vec![0; PAGE_BYTES];
            blobs.read(blob, page, &mut bytes).unwrap();
            (page, bytes)
        };
        let pages = entry.pages.iter().map(read).collect();
        all.push((blob, entry.meta, pages));
    }
    Published { root: blobs.root().unwrap(), blobs: all }
}

fn store() -> Arc<dyn BlobStore> {
    Arc::new(MemoryBlobStore::new(Geometry::new(16 * 1024).unwrap(), [7; 16]))
}

fn open(blobs: Arc<dyn BlobStore>) -> crate::error::Result<Tree> {
    Tree::open_with_devices(blobs, None, Options::default())
}

impl Published {
    fn restore(&self, damage: impl Fn(BlobId, u32, &mut Vec<u8>)) -> Arc<dyn BlobStore> {
        let blobs = store();
        let mut ops = Vec::new();
        for (blob, meta, pages) in &self.blobs {
            let mut put = Vec::new();
            for (page, bytes) in pages {
                let mut bytes = bytes.clone();
                damage(*blob, *page, &mut bytes);
                let mut tickets = Vec::new();
                blobs.stage(&bytes, &mut tickets).unwrap();
                put.push(PageAt { page: *page, ticket: tickets[0] });
            }
            let (blob, meta) = (*blob, meta.clone());
            ops.push(BlobOp::Put { blob, meta, pages: put, dropped: Vec::new() });
        }
        blobs.publish(&ops, &self.root).unwrap();
        blobs
    }
}

fn typed<T>(result: Result<T, Error>) -> Option<T> {
    match result {
        Ok(found) => Some(found),
        Err(Error::Corrupt(_) | Error::Poisoned { .. } | Error::UnsupportedFormat { .. }) => None,
        Err(other) => panic!("not an error for damage: {other}"),
    }
}

/// Every way to go over the records, in both directions: each ends, and never goes back.
fn read_all(tree: &Tree, records: usize) {
    let most = 2 * records + 10;
    for reverse in [false, true] {
        let directed = || if reverse { tree.range().reverse() } else { tree.range() };
        let mut before: Option<Vec<u8>> = None;
        for (at, entry) in directed().into_iter().enumerate() {
            let Some(RangeEntry::Key { key, .. }) = typed(entry) else { break };
            let on = |before: &Vec<u8>| if reverse { *before > key } else { *before < key };
            assert!(before.as_ref().is_none_or(on) && at < most, "a scan went back");
            before = Some(key);
        }
        for start in [&b"dir/03/"[..], b"m", b"l"] {
            let rolled = directed().start_after(start).delimiter(b'/').into_iter();
            assert!(rolled.take(most).count() < most);
        }
        for prefix in [&b""[..], b"dir/04/", b"ln", b"lll", b"mnn"] {
            let mut scan = directed().prefix(prefix);
            let mut parts = 0;
            while let Some(page) = typed(scan.page(7, 4000)) {
                parts += 1;
                assert!(parts < most, "parts without end");
                let Some(next) = page.next else { break };
                scan = scan.start_after(&next);
            }
        }
    }
    for prefix in [&b""[..], b"d", b"dir/02/", b"l", b"mn"] {
        typed(tree.prefix_count(prefix, 0));
        typed(tree.prefix_count(prefix, 9));
        typed(tree.is_prefix_empty(prefix));
    }
    for at in (0..records).step_by(5) {
        typed(tree.longest_prefix_record(&[key(at), key(at)].concat()));
    }
    typed(tree.get_many(&(0..records).map(key).collect::<Vec<_>>()));
}

/// Everything a caller can do; a scan must end after no more than twice the records.
fn exercise(blobs: Arc<dyn BlobStore>, records: usize, random: &mut Random) {
    let Some(tree) = typed(open(blobs)) else { return };
    for at in (0..records).step_by(7) {
        typed(tree.get(&key(at)));
    }
    typed(tree.get(b""));
    typed(tree.get(b"d"));
    read_all(&tree, records);
    typed(tree.verify());
    for step in 0..40 {
        let at = random.below(records + 50);
        match step % 4 {
            0 | 1 => drop(typed(tree.put(&key(at), &value(at + step)))),
            2 => drop(typed(tree.delete(&key(at)))),
            _ => drop(typed(tree.put(b"a", &value(step)))),
        }
    }
    typed(tree.compact());
    typed(tree.range().into_iter().try_for_each(|entry| entry.map(|_| ())));
}

/// Moves and removals of prefixes, until one fails: what it left is for no one to go on with.
fn exercise_moves(blobs: Arc<dyn BlobStore>, random: &mut Random) {
    let Some(mut core) = typed(Core::open(blobs, None, Options::default())) else { return };
    let prefixes = ["", "dir/", "dir/03/", "dir/05/file-0001", "l", "lll", "m", "mn", "zoo/"];
    let mut other = 0;
    for step in 0..6 {
        let src = prefixes[random.below(prefixes.len())].as_bytes();
        let dst = ["new/", "dir/030", "ln", "A"][random.below(4)].as_bytes();
        if typed(core.forest.keys_can_grow(0, src, dst.len())).is_none() {
            return;
        }
        let done = match step % 3 {
            0 => core.forest.remove_prefix(0, src),
            1 => {
                other += 1;
                let created = core.forest.create_tree(other);
                created.and_then(|()| core.forest.move_prefix(0, src, other, dst))
            }
            _ => core.forest.move_prefix(0, src, 0, dst),
        };
        match done {
            Err(Error::InvalidArgument { .. } | Error::DstExists) => {}
            done => {
                if typed(done).is_none() {
                    return;
                }
            }
        }
    }
    typed(core.forest.remove_tree(other));
    typed(core.forest.remove_tree(0));
}

/// One damaged page, at header fields, tables or anywhere.
fn damage(bytes: &mut [u8], random: &mut Random) {
    for _ in 0..1 + random.below(3) {
        let at = match random.below(4) {
            0 | 1 => 16 + random.below(16),
            2 => 64 + random.below(400),
            _ => random.below(PAGE_BYTES),
        };
        bytes[at] = match random.below(3) {
            0 => bytes[at] ^ (1 << random.below(8)),
            1 => bytes[at].wrapping_add(8),
            _ => random.below(256) as u8,
        };
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn damaged_pages_never_panic_or_hang() {
    let records = 260;
    let good = published(records);
    let frames: Vec<(BlobId, u32)> = good
        .blobs
        .iter()
        .filter(|(blob, ..)| !blob.is_extent())
        .flat_map(|(blob, _, pages)| pages.iter().map(|(page, _)| (*blob, *page)))
        .collect();
    let rounds = std::env::var("HOLT_HOSTILE_ROUNDS").ok().and_then(|n| n.parse().ok());
    for seed in 1..=rounds.unwrap_or(300usize) {
        let mut random = Random::new(seed as u64);
        let target = frames[random.below(frames.len())];
        let state = random.clone();
        let blobs = good.restore(|blob, page, bytes| {
            if (blob, page) == target {
                damage(bytes, &mut state.clone());
            }
        });
        std::println!("seed {seed}: page {} of {}", target.1, target.0);
        exercise(blobs, records, &mut random);
        let blobs = good.restore(|blob, page, bytes| {
            if (blob, page) == target {
                damage(bytes, &mut state.clone());
            }
        });
        exercise_moves(blobs, &mut random);
    }
}

#[test]
fn a_key_that_is_twice_on_a_page_ends_a_scan_either_way() {
    let published = published(20);
    let blobs = published.restore(|_, _, bytes| {
        let word = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        let (leaf, lines, count) = (bytes[0] == 1, word(18), word(16));
        if leaf && count > 4 {
            // The third record takes the key of the second.
            let [from, to] = [1, 2].map(|slot| word(64 + 64 * lines + 2 * slot));
            let [len, other] = [from, to].map(|at| word(at + 8));
            if len == other {
                let key = from + RECORD_HEADER..from + RECORD_HEADER + len;
                bytes.copy_within(key, to + RECORD_HEADER);
                bytes.copy_within(65..66, 66);
            }
        }
    });
    let tree = open(blobs).unwrap();
    for reverse in [false, true] {
        let scan = tree.range().prefix(b"dir/");
        let scan = if reverse { scan.reverse() } else { scan };
        let (mut before, mut failed) = (None, false);
        for entry in scan {
            match entry {
                Ok(RangeEntry::Key { key, .. }) => {
                    assert!(before.as_ref() != Some(&key), "{reverse}: the same again");
                    before = Some(key);
                }
                Ok(other) => panic!("{other:?}"),
                Err(error) => {
                    assert!(matches!(error, Error::Corrupt(_)), "{error}");
                    failed = true;
                }
            }
        }
        assert!(failed, "reverse {reverse}");
    }
}

/// Every key of the page then lies elsewhere than its anchor says, while the records' own bytes
/// are in order: a scan by parts must not go on where it has been.
#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_page_whose_keys_lie_elsewhere_leads_no_scan_round() {
    let records = 260;
    let published = published(records);
    let word =
        |bytes: &[u8], at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let mut tried = 0;
    for (blob, _, pages) in published.blobs.iter().filter(|(blob, ..)| !blob.is_extent()) {
        for (page, bytes) in pages.iter().filter(|(_, bytes)| bytes[0] == 1) {
            let (prefix, len) = (word(bytes, 24), word(bytes, 26));
            for (at, by) in (0..len.min(24)).flat_map(|at| [(at, 1), (at, u8::MAX)]) {
                let blobs = published.restore(|other, number, bytes| {
                    if (other, number) == (*blob, *page) {
                        bytes[prefix + at] = bytes[prefix + at].wrapping_add(by);
                    }
                });
                let Some(tree) = typed(open(blobs)) else { continue };
                read_all(&tree, records);
                tried += 1;
            }
        }
    }
    assert!(tried > 50, "{tried} pages with a prefix");
}
