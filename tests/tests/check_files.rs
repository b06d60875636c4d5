//! Damage below the frames, planted in the bytes of the two files: each class is named, at its
//! place. Where a class can only show behind right checksums, the manifest is sealed anew.
//!
//! The readers of the manifest here are written from `docs/FORMAT.md`, not shared with the
//! engine. The other classes are in `check_damage.rs`.

use std::sync::Arc;

use holt_engine::db::{Options, Tree};
use holt_engine::device::{Access, LogDevice, MemoryIo, Opened, PackedStore, PositionedLog};
use holt_engine::error::{Corruption, CorruptionClass as Class, Error};
use holt_engine::geometry::Geometry;
use holt_engine::ids::BlobId;
use holt_engine::limits::{MIN_FRAME_BYTES, PAGE_BYTES};
use holt_tests::workload::value_of;

/// Fields of a superblock.
const SUPER_SEQUENCE: usize = 16;
const SUPER_ID: usize = 24;
const SUPER_REGION: usize = 48;
/// A manifest record: header, and fields in it.
const RECORD_BYTES: usize = 32;
const RECORD_MAGIC: &[u8] = b"hmr1";
const RECORD_CRC: usize = 28;
const KIND_CHANGES: u8 = 1;
const KIND_COMMIT: u8 = 3;
/// Where the log's bytes start in its file.
const LOG_DATA: usize = 2 * PAGE_BYTES;

const STORE_ID: [u8; 16] = *b"store for damage";

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn crc(initial: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(initial);
    hasher.update(bytes);
    hasher.finalize()
}

fn varint(bytes: &[u8], at: &mut usize) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes[*at];
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

/// The bytes of both files of a store.
#[derive(Clone)]
struct Files {
    blobs: Vec<u8>,
    log: Vec<u8>,
}

fn io_of(bytes: &[u8]) -> MemoryIo {
    MemoryIo::new(bytes.to_vec())
}

fn options() -> Options {
    Options { sync: true, ..Options::default() }
}

impl Files {
    /// A store with a few published frames and a log with records after the last checkpoint.
    fn new() -> Self {
        let geometry = Geometry::new(MIN_FRAME_BYTES).expect("the smallest frame");
        let (blob_io, log_io) = (Arc::new(MemoryIo::default()), Arc::new(MemoryIo::default()));
        let blobs = PackedStore::create(Arc::clone(&blob_io), geometry, STORE_ID).expect("a store");
        let log = PositionedLog::create(Arc::clone(&log_io), STORE_ID).expect("a log");
        let tree = Tree::open_with_devices(Arc::new(blobs), Some(Arc::new(log)), options())
            .expect("an empty store opens");
        for round in 0..3_u32 {
            for number in 0..150_u64 {
                let key = format!("round-{round}/file-{number:05}");
                tree.put(key.as_bytes(), &value_of(90, number)).expect("it fits");
            }
            if round < 2 {
                tree.checkpoint().expect("a checkpoint");
            }
        }
        drop(tree);
        Self { blobs: blob_io.to_vec(), log: log_io.to_vec() }
    }

    /// All damage that opening or checking reports.
    fn damage(&self) -> Vec<Corruption> {
        let opened = || -> Result<_, Error> {
            let blobs = match PackedStore::open(io_of(&self.blobs), Access::ReadWrite)? {
                Opened::Store(store) => Arc::new(store),
                Opened::Blank(_) => panic!("a damaged store was taken for a blank one"),
            };
            let log = PositionedLog::open(io_of(&self.log), STORE_ID, Access::ReadWrite)?;
            Tree::open_with_devices(blobs, Some(Arc::new(log) as Arc<dyn LogDevice>), options())
        };
        match opened().and_then(|tree| tree.verify()) {
            Ok(report) => report.damage,
            Err(Error::Corrupt(damage)) => vec![damage],
            Err(other) => panic!("neither a report nor damage: {other}"),
        }
    }

    /// Position of the superblock in force.
    fn superblock(&self) -> usize {
        let sequence = |slot: usize| u64_at(&self.blobs, slot + SUPER_SEQUENCE);
        if sequence(0) >= sequence(PAGE_BYTES) { 0 } else { PAGE_BYTES }
    }

    /// Position of the manifest.
    fn region(&self) -> usize {
        u32_at(&self.blobs, self.superblock() + SUPER_REGION) * PAGE_BYTES
    }

    /// Positions of the manifest's records, in order.
    fn records(&self) -> Vec<usize> {
        let mut at = self.region();
        let mut found = Vec::new();
        while self.blobs.get(at..at + 4) == Some(RECORD_MAGIC) {
            found.push(at);
            let kind = self.blobs[at + 8];
            at += RECORD_BYTES + u32_at(&self.blobs, at + 4);
            if kind == KIND_COMMIT {
                at = at.next_multiple_of(PAGE_BYTES);
            }
        }
        found
    }

    /// Gives every manifest record its right checksum again.
    fn seal(&mut self) {
        let block = self.superblock();
        let (sequence, id) = (block + SUPER_SEQUENCE, block + SUPER_ID);
        let mut chain = crc(0, &self.blobs[id..id + 16]);
        chain = crc(chain, &self.blobs[sequence..sequence + 8]);
        for at in self.records() {
            let end = at + RECORD_BYTES + u32_at(&self.blobs, at + 4);
            chain = crc(chain, &self.blobs[at..at + RECORD_CRC]);
            chain = crc(chain, &self.blobs[at + RECORD_BYTES..end]);
            self.blobs[at + RECORD_CRC..at + RECORD_BYTES].copy_from_slice(&chain.to_le_bytes());
        }
    }

    /// For each page of a blob in the manifest's last words on it: blob, page, and where in the
    /// file its place is written. A later change of a page replaces an earlier one.
    fn places(&self) -> Vec<(BlobId, u64, usize, usize)> {
        let mut found: Vec<(BlobId, u64, usize, usize)> = Vec::new();
        for record in self.records() {
            let end = record + RECORD_BYTES + u32_at(&self.blobs, record + 4);
            let mut at = record + RECORD_BYTES;
            while self.blobs[record + 8] == KIND_CHANGES && at < end {
                let tag = self.blobs[at];
                at += 1;
                let blob = BlobId(varint(&self.blobs, &mut at).rotate_right(1));
                if tag != 1 {
                    found.retain(|known| known.0 != blob);
                    continue;
                }
                at += varint(&self.blobs, &mut at) as usize;
                let dropped = varint(&self.blobs, &mut at) as usize;
                let gone = self.blobs[at..at + dropped].to_vec();
                found.retain(|known| known.0 != blob || !gone.contains(&(known.1 as u8)));
                at += dropped;
                loop {
                    let run = varint(&self.blobs, &mut at);
                    if run == 0 {
                        break;
                    }
                    let (first, written) = (u64::from(self.blobs[at]), at + 1);
                    let place = u32_at(&self.blobs, written);
                    at += 5 + 4 * run as usize;
                    for step in 0..run {
                        let page = first + step;
                        found.retain(|known| (known.0, known.1) != (blob, page));
                        found.push((blob, page, written, place + step as usize));
                    }
                }
            }
        }
        found
    }
}

fn named(files: &Files, class: Class, place: Option<(BlobId, u64)>) {
    let damage = files.damage();
    let found: Vec<String> = damage.iter().take(8).map(ToString::to_string).collect();
    let at = |found: &&Corruption| {
        place.is_none_or(|(blob, page)| found.blob == Some(blob) && found.page == Some(page))
    };
    let hit = damage.iter().filter(|found| found.class == class).find(at);
    assert!(hit.is_some(), "{class:?} at {place:?} is not among {found:#?}");
}

#[test]
fn an_untouched_store_is_clean_and_sealing_changes_nothing() {
    let files = Files::new();
    assert!(files.damage().is_empty());
    let mut sealed = files.clone();
    sealed.seal();
    assert!(sealed.blobs == files.blobs, "the reader of the manifest in this test is wrong");
    assert!(files.places().len() > 8);
}

#[test]
fn superblock() {
    let mut files = Files::new();
    for slot in [0, PAGE_BYTES] {
        files.blobs[slot + SUPER_SEQUENCE] ^= 0x40;
    }
    named(&files, Class::Superblock, None);
}

#[test]
fn manifest() {
    let mut files = Files::new();
    let first = files.records()[0];
    files.blobs[first + RECORD_BYTES + 3] ^= 1;
    named(&files, Class::Manifest, None);
    // A change that cannot be, behind right checksums.
    let mut files = Files::new();
    let first = files.records()[0];
    files.blobs[first + RECORD_BYTES] = 99;
    files.seal();
    named(&files, Class::Manifest, None);
}

#[test]
fn checksum() {
    let files = Files::new();
    for (blob, page, _, place) in files.places() {
        let mut files = files.clone();
        files.blobs[place * PAGE_BYTES + 2000] ^= 0x20;
        named(&files, Class::Checksum, Some((blob, page)));
    }
}

#[test]
fn space() {
    // A page that lies where another one does, and one inside the manifest.
    let files = Files::new();
    let places = files.places();
    let (one, other) = (places[0], places[places.len() - 1]);
    for target in [other.3, files.region() / PAGE_BYTES] {
        let mut files = files.clone();
        files.blobs[one.2..one.2 + 4].copy_from_slice(&(target as u32).to_le_bytes());
        files.seal();
        named(&files, Class::Space, None);
    }
}

#[test]
fn log() {
    let mut files = Files::new();
    let len = files.log.len();
    assert!(len > LOG_DATA + 2000, "the log holds {len} bytes");
    // Early in what was synced since the last checkpoint; later records say that it was.
    let first = files.log[LOG_DATA..].iter().position(|byte| *byte != 0).expect("records");
    files.log[LOG_DATA + first + 700] ^= 1;
    named(&files, Class::Log, None);
}
