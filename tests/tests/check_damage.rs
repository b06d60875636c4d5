//! For each class of damage that `check` names: plant it with valid checksums, and `check` (or
//! opening) must name that class, and the frame and page it is in.
//!
//! Frames are altered through [`BlobStore`] (read, change, stage, publish), so that every
//! checksum is right; what lies below that interface is altered in the files' bytes. Offsets
//! are those of `docs/FORMAT.md`, written down here a second time.

use std::collections::BTreeSet;
use std::sync::Arc;

use holt_engine::db::{Options, Tree, VerifyReport};
use holt_engine::device::{BlobOp, BlobStore, LogDevice, MemoryBlobStore, MemoryLog, PageAt};
use holt_engine::error::{Corruption, CorruptionClass as Class, Error};
use holt_engine::geometry::Geometry;
use holt_engine::ids::BlobId;
use holt_engine::limits::{MIN_FRAME_BYTES, PAGE_BYTES};
use holt_tests::source::{read, root};
use holt_tests::workload::value_of;

/// Fields of every page.
const AT_KIND: usize = 0;
const AT_FRAME: usize = 4;
const AT_LSN: usize = 8;
const AT_COUNT: usize = 16;
const AT_LINES: usize = 18;
const AT_MARKS: usize = 64;
const LINE_SLOTS: usize = 64;
/// Fields of page 0.
const AT_USED: usize = 32;
/// Fields of a record.
const RECORD_SUFFIX_LEN: usize = 8;
const RECORD_SUFFIX: usize = 13;
/// Fields of a frame's metadata.
const META_LIVE: usize = 5;

const LEAF: u8 = 1;
const BRANCH: u8 = 2;

type Page = [u8; PAGE_BYTES];

fn u16_at(page: &Page, at: usize) -> usize {
    usize::from(u16::from_le_bytes([page[at], page[at + 1]]))
}

fn offset_at(page: &Page, slot: usize) -> usize {
    AT_MARKS + u16_at(page, AT_LINES) * LINE_SLOTS + 2 * slot
}

fn record_at(page: &Page, slot: usize) -> usize {
    u16_at(page, offset_at(page, slot))
}

/// A store with records on several frames of two levels, long keys and long values, published.
struct Store {
    blobs: Arc<MemoryBlobStore>,
    log: Arc<MemoryLog>,
}

/// Where damage was planted: a blob, and a page of it where that is known.
type Place = (BlobId, Option<u64>);

impl Store {
    fn new() -> Self {
        let geometry = Geometry::new(MIN_FRAME_BYTES).expect("the smallest frame");
        let store = Self {
            blobs: Arc::new(MemoryBlobStore::new(geometry, [7; 16])),
            log: Arc::new(MemoryLog::new()),
        };
        let tree = store.open().expect("an empty store opens");
        for number in 0..400_u32 {
            let key = format!("folder-{:02}/file-{number:05}", number % 17);
            tree.put(key.as_bytes(), &value_of(90, u64::from(number))).expect("it fits");
        }
        tree.put(&value_of(5000, 1), b"long key").expect("it fits");
        tree.put(b"long value", &value_of(9000, 2)).expect("it fits");
        tree.checkpoint().expect("a checkpoint");
        let report = tree.verify().expect("verify runs");
        assert!(report.is_clean() && report.extents >= 2, "{report:?}");
        assert!(tree.stats().expect("statistics").levels >= 2);
        drop(tree);
        store
    }

    fn open(&self) -> Result<Tree, Error> {
        self.blobs.discard()?;
        let (blobs, log) = (Arc::clone(&self.blobs), Arc::clone(&self.log));
        Tree::open_with_devices(blobs, Some(log as Arc<dyn LogDevice>), Options::default())
    }

    fn page(&self, blob: BlobId, page: u32) -> Page {
        let mut bytes = [0; PAGE_BYTES];
        self.blobs.read(blob, page, &mut bytes).expect("a published page");
        bytes
    }

    /// All pages of frames.
    fn pages(&self) -> Vec<(BlobId, u32, Page)> {
        let mut found = Vec::new();
        for blob in self.blobs.list(None, usize::MAX >> 1).expect("a list") {
            if !blob.is_extent() {
                let entry = self.blobs.entry(blob).expect("an entry").expect("it is there");
                found.extend(entry.pages.iter().map(|page| (blob, *page, self.page(blob, *page))));
            }
        }
        found
    }

    /// A page of this kind with at least `records` of them.
    fn find(&self, kind: u8, records: usize) -> (BlobId, u32, Page) {
        let pages = self.pages();
        let fits = |page: &Page| page[AT_KIND] == kind && u16_at(page, AT_COUNT) >= records;
        let found = pages.into_iter().find(|(_, _, page)| fits(page));
        found.expect("the store is large enough to have such a page")
    }

    fn publish(&self, op: BlobOp) {
        let root = self.blobs.root().expect("a root");
        self.blobs.publish(&[op], &root).expect("publishing");
    }

    fn write(&self, blob: BlobId, page: u32, bytes: &Page) -> Place {
        let mut tickets = Vec::new();
        self.blobs.stage(bytes, &mut tickets).expect("staging");
        let entry = self.blobs.entry(blob).expect("an entry").unwrap_or_else(|| {
            let (known, _, _) = self.find(LEAF, 1);
            self.blobs.entry(known).expect("an entry").expect("it is there")
        });
        let pages = vec![PageAt { page, ticket: tickets[0] }];
        self.publish(BlobOp::Put { blob, meta: entry.meta, pages, dropped: Vec::new() });
        (blob, Some(u64::from(page)))
    }

    /// All damage that opening or checking reports.
    fn damage(&self) -> Vec<Corruption> {
        match self.open().and_then(|tree| tree.verify()) {
            Ok(VerifyReport { damage, .. }) => damage,
            Err(Error::Corrupt(damage)) => vec![damage],
            Err(other) => panic!("neither a report nor damage: {other}"),
        }
    }
}

/// Plants damage in a fresh store and asserts that its class is named, at its place.
fn planted(class: Class, plant: impl FnOnce(&Store) -> Option<Place>) {
    let store = Store::new();
    let place = plant(&store);
    let damage = store.damage();
    let at = |found: &&Corruption| match place {
        Some((blob, page)) => found.blob == Some(blob) && (page.is_none() || found.page == page),
        None => true,
    };
    let named = damage.iter().filter(|found| found.class == class).find(at);
    let found: Vec<String> = damage.iter().take(8).map(ToString::to_string).collect();
    assert!(named.is_some(), "{class:?} at {place:?} is not among {found:#?}");
    let text = named.expect("just seen").to_string();
    assert!(text.contains(class.name()) && text.contains(';'), "{text}");
}

#[test]
fn page_layout() {
    planted(Class::PageLayout, |store| {
        let (blob, page, mut bytes) = store.find(LEAF, 2);
        bytes[AT_LINES] = 9;
        Some(store.write(blob, page, &bytes))
    });
    planted(Class::PageLayout, |store| {
        let (blob, page, mut bytes) = store.find(LEAF, 2);
        bytes[AT_KIND] = 77;
        Some(store.write(blob, page, &bytes))
    });
    planted(Class::PageLayout, |store| {
        let (blob, page, mut bytes) = store.find(LEAF, 2);
        let at = record_at(&bytes, 1) + RECORD_SUFFIX_LEN;
        bytes[at..at + 2].fill(0xff);
        Some(store.write(blob, page, &bytes))
    });
}

#[test]
fn identity() {
    planted(Class::Identity, |store| {
        let (blob, page, mut bytes) = store.find(LEAF, 2);
        bytes[AT_FRAME] ^= 1;
        Some(store.write(blob, page, &bytes))
    });
    // A whole page of another place, as a lost write of a page map would leave it.
    planted(Class::Identity, |store| {
        let (blob, page, bytes) = store.find(LEAF, 2);
        let pages = store.pages();
        let other = pages.iter().find(|(b, p, x)| (*b, *p) != (blob, page) && x[AT_KIND] == LEAF);
        let (blob, page, _) = other.expect("another leaf");
        Some(store.write(*blob, *page, &bytes))
    });
}

#[test]
fn order() {
    planted(Class::Order, |store| {
        let (blob, page, mut bytes) = store.find(LEAF, 2);
        let (first, second) = (offset_at(&bytes, 0), offset_at(&bytes, 1));
        for byte in 0..2 {
            bytes.swap(first + byte, second + byte);
        }
        bytes.swap(AT_MARKS, AT_MARKS + 1);
        Some(store.write(blob, page, &bytes))
    });
}

#[test]
fn fingerprint() {
    planted(Class::Fingerprint, |store| {
        let (blob, page, mut bytes) = store.find(LEAF, 2);
        bytes[AT_MARKS + 1] ^= 0x10;
        Some(store.write(blob, page, &bytes))
    });
}

#[test]
fn bounds() {
    planted(Class::Bounds, |store| {
        // The records of one page at the place of another, with that place's identity.
        let leaves: Vec<_> =
            store.pages().into_iter().filter(|(.., x)| x[AT_KIND] == LEAF).collect();
        let beside = |pair: &&[(BlobId, u32, Page)]| pair[0].0 == pair[1].0;
        let pair = leaves.windows(2).find(beside).expect("two leaves of a frame");
        let ((.., mut bytes), (blob, page, there)) = (pair[0], &pair[1]);
        bytes[..AT_LSN].copy_from_slice(&there[..AT_LSN]);
        Some(store.write(*blob, *page, &bytes))
    });
}

#[test]
fn fence() {
    planted(Class::Fence, |store| {
        // Two crossings that lead to each other's child.
        let (blob, page, mut bytes) = store.find(BRANCH, 2);
        let value = |slot| {
            let at = record_at(&bytes, slot);
            at + RECORD_SUFFIX + u16_at(&bytes, at + RECORD_SUFFIX_LEN)
        };
        let (one, other) = (value(0), value(1));
        for byte in 0..4 {
            bytes.swap(one + byte, other + byte);
        }
        store.write(blob, page, &bytes);
        None
    });
}

#[test]
fn routing() {
    planted(Class::Routing, |store| {
        // Page 0 says that a page is in use to which it does not lead.
        let (blob, _, _) = store.find(LEAF, 2);
        let mut bytes = store.page(blob, 0);
        let unused = (0..128).find(|bit| bytes[AT_USED + bit / 8] & 1 << (bit % 8) == 0);
        let bit = unused.expect("a frame of 4 pages leaves bits unused");
        bytes[AT_USED + bit / 8] |= 1 << (bit % 8);
        Some(store.write(blob, 0, &bytes))
    });
}

#[test]
fn reachability() {
    // A frame that nothing leads to.
    planted(Class::Reachability, |store| {
        let (known, _, _) = store.find(LEAF, 2);
        let orphan = BlobId(store.pages().iter().map(|(blob, ..)| blob.0).max().unwrap_or(0) + 1);
        let mut bytes = store.page(known, 0);
        bytes[AT_FRAME..AT_FRAME + 4].copy_from_slice(&(orphan.0 as u32).to_le_bytes());
        store.write(orphan, 0, &bytes);
        Some((orphan, None))
    });
    // A frame, and an extent, that something leads to and that is gone.
    planted(Class::Reachability, |store| {
        let (blob, _, _) = store.find(LEAF, 2);
        store.publish(BlobOp::Delete { blob });
        Some((blob, None))
    });
    planted(Class::Reachability, |store| {
        let blobs = store.blobs.list(None, usize::MAX >> 1).expect("a list");
        let blob = *blobs.iter().find(|blob| blob.is_extent()).expect("an extent");
        store.publish(BlobOp::Delete { blob });
        None
    });
    // A page that its frame leads to and that is gone.
    planted(Class::Reachability, |store| {
        let (blob, page, _) = store.find(LEAF, 2);
        let meta = store.blobs.entry(blob).expect("an entry").expect("it is there").meta;
        store.publish(BlobOp::Put { blob, meta, pages: Vec::new(), dropped: vec![page] });
        Some((blob, Some(u64::from(page))))
    });
}

#[test]
fn count() {
    planted(Class::Count, |store| {
        let (blob, _, _) = store.find(LEAF, 2);
        let mut meta = store.blobs.entry(blob).expect("an entry").expect("it is there").meta;
        meta[META_LIVE] ^= 1;
        store.publish(BlobOp::Put { blob, meta, pages: Vec::new(), dropped: Vec::new() });
        Some((blob, None))
    });
}

#[test]
fn version() {
    planted(Class::Version, |store| {
        let (blob, page, mut bytes) = store.find(LEAF, 2);
        let at = record_at(&bytes, 1);
        bytes[at + 6] = 0x7f;
        Some(store.write(blob, page, &bytes))
    });
    planted(Class::Version, |store| {
        let (blob, page, mut bytes) = store.find(LEAF, 2);
        bytes[AT_LSN + 6] = 0x7f;
        Some(store.write(blob, page, &bytes))
    });
}

#[test]
fn manifest_entry() {
    planted(Class::Manifest, |store| {
        let (blob, _, _) = store.find(LEAF, 2);
        let meta = vec![1, 2, 3];
        store.publish(BlobOp::Put { blob, meta, pages: Vec::new(), dropped: Vec::new() });
        Some((blob, None))
    });
}

#[test]
fn root_record() {
    let garble: [fn(&mut Vec<u8>); 4] = [
        |root| root.truncate(root.len() - 1),
        |root| root.push(0),
        |root| root[1..].fill(0xff),
        |root| root.truncate(1),
    ];
    for garble in garble {
        planted(Class::Root, |store| {
            let mut root = store.blobs.root().expect("a root");
            garble(&mut root);
            store.blobs.publish(&[], &root).expect("publishing");
            None
        });
    }
}

/// A later format is no damage: the advice is another.
#[test]
fn a_later_format_is_told_from_damage() {
    let store = Store::new();
    let mut root = store.blobs.root().expect("a root");
    root[0] = 200;
    store.blobs.publish(&[], &root).expect("publishing");
    let opened = store.open().map(drop);
    assert!(matches!(opened, Err(Error::UnsupportedFormat { found: 200, .. })), "{opened:?}");
}

/// The classes that this file plants; those below the frames are in `check_files.rs`, those of
/// names and trees among the engine's own tests.
#[test]
fn no_class_is_left_out() {
    let source = read(&root().join("engine/src/error.rs"));
    let (_, source) = source.split_once("impl CorruptionClass {").expect("the names of classes");
    let (source, _) = source.split_once("\n}\n").expect("its end");
    let names = source.split("Self::").filter_map(|arm| {
        let (variant, rest) = arm.split_once(" => \"")?;
        rest.contains("\",").then(|| variant.to_owned())
    });
    let classes: BTreeSet<String> = names.filter(|name| !name.contains(' ')).collect();
    let tests = read(&root().join("tests/tests/check_damage.rs"))
        + &read(&root().join("tests/tests/check_files.rs"))
        + &read(&root().join("engine/src/db/multi_tests.rs"));
    let planted = |class: &String| {
        [",", ";", ")"].iter().any(|end| tests.contains(&format!("Class::{class}{end}")))
    };
    let missing: Vec<&String> = classes.iter().filter(|class| !planted(class)).collect();
    println!("{} classes planted and found", classes.len());
    assert!(classes.len() >= 16 && missing.is_empty(), "not planted: {missing:?} of {classes:?}");
}
