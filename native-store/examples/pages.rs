//! Measures a packed store on files: `pages DIR [PAGES] [plain]`. Stages random pages in the
//! ways a checkpoint does, publishes them, and reads single pages back. Prints figures; asserts
//! nothing about time.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use holt_engine::device::{BlobOp, BlobStore, PageAt};
use holt_engine::ids::{BlobId, Ticket};
use holt_engine::limits::PAGE_BYTES;
use holt_native_store::{FileOptions, FileStore};

/// Pages of one blob.
const FRAME: u32 = 128;
/// Pages staged by one call, where calls are large.
const BATCH: usize = 256;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&self.next().to_le_bytes()[..part.len()]);
        }
    }
}

fn op(blob: u32, pages: Vec<PageAt>) -> BlobOp {
    BlobOp::Put { blob: BlobId::frame(blob), meta: vec![0; 32], pages, dropped: vec![] }
}

/// Stages and publishes the given pages of the whole store; prints what it took.
fn round(store: &FileStore, random: &mut Random, chosen: &[u32], batch: usize, what: &str) {
    let blobs = &store.blobs;
    let before = blobs.usage().expect("usage");
    let mut bytes = vec![0; batch * PAGE_BYTES];
    let mut tickets: Vec<Ticket> = Vec::with_capacity(chosen.len());
    let mut staging = Duration::ZERO;
    for part in chosen.chunks(batch) {
        let bytes = &mut bytes[..part.len() * PAGE_BYTES];
        random.fill(bytes);
        let begin = Instant::now();
        blobs.stage(bytes, &mut tickets).expect("stage");
        staging += begin.elapsed();
    }
    let mut ops = Vec::new();
    let named: Vec<(u32, Ticket)> = chosen.iter().copied().zip(tickets).collect();
    for of_blob in named.chunk_by(|a, b| a.0 / FRAME == b.0 / FRAME) {
        let pages = of_blob.iter().map(|(at, ticket)| PageAt { page: at % FRAME, ticket: *ticket });
        ops.push(op(of_blob[0].0 / FRAME, pages.collect()));
    }
    let begin = Instant::now();
    blobs.publish(&ops, b"root").expect("publish");
    let publish = begin.elapsed();
    let after = blobs.usage().expect("usage");
    let mib = |bytes: u64| bytes as f64 / (1 << 20) as f64;
    println!(
        "{what}: {} pages, {batch} a call: stage {:.2} us/page, publish {:.0} ms, {:.0} MiB/s, \
         written {:.1} MiB, live {:.1} MiB, allocated {:.1} MiB, manifest {:.2} MiB",
        chosen.len(),
        staging.as_secs_f64() * 1e6 / chosen.len() as f64,
        publish.as_secs_f64() * 1e3,
        mib((chosen.len() * PAGE_BYTES) as u64) / (staging + publish).as_secs_f64(),
        mib(after.bytes_written - before.bytes_written),
        mib(after.pages * PAGE_BYTES as u64),
        mib(after.allocated_bytes),
        mib(after.manifest_bytes),
    );
}

fn reads(store: &FileStore, random: &mut Random, pages: u32) {
    let mut buf = vec![0; PAGE_BYTES];
    let mut times: Vec<Duration> = (0..5_000)
        .map(|_| {
            let at = (random.next() % u64::from(pages)) as u32;
            let begin = Instant::now();
            store.blobs.read(BlobId::frame(at / FRAME), at % FRAME, &mut buf).expect("read");
            begin.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("read one random page: median {:?}, p99 {:?}", times[2_500], times[4_950]);
    let mut frame = vec![0; FRAME as usize * PAGE_BYTES];
    let begin = Instant::now();
    let frames = (pages / FRAME).min(200);
    for blob in 0..frames {
        store.blobs.read(BlobId::frame(blob), 0, &mut frame).expect("read");
    }
    println!("read one frame of {FRAME} pages: {:?}", begin.elapsed() / frames.max(1));
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().expect("usage: pages DIR [PAGES] [plain]"));
    let pages: u32 = arguments.next().map_or(100_000, |count| count.parse().expect("a number"));
    let pages = pages / FRAME * FRAME;
    let direct = arguments.next().is_none();
    let options = FileOptions { direct, ..FileOptions::default() };
    let store = FileStore::open(&dir, &options).expect("open");
    println!("blobs.dat: {:?}", store.io_choice());
    let mut random = Random(0x5eed);
    let all: Vec<u32> = (0..pages).collect();
    round(&store, &mut random, &all, BATCH, "fresh");
    reads(&store, &mut random, pages);
    for (share, batch, what) in [
        (100, BATCH, "all again"),
        (50, BATCH, "half, random"),
        (50, BATCH, "half, random"),
        (10, BATCH, "a tenth, random"),
        (10, 1, "a tenth, random"),
    ] {
        let chosen: Vec<u32> = (0..pages).filter(|_| random.next() % 100 < share).collect();
        round(&store, &mut random, &chosen, batch, what);
    }
    reads(&store, &mut random, pages);
    for _ in 0..40 {
        let begin = Instant::now();
        store.blobs.publish(&[], b"root").expect("quiet");
        let usage = store.blobs.usage().expect("usage");
        let spent = begin.elapsed();
        if spent < Duration::from_millis(1) {
            println!("quiet: allocated {} MiB", usage.allocated_bytes >> 20);
            break;
        }
        println!("quiet: {spent:?}, allocated {} MiB", usage.allocated_bytes >> 20);
    }
    let begin = Instant::now();
    drop(store);
    let store = FileStore::open(&dir, &options).expect("open");
    println!("reopened in {:?}", begin.elapsed());
    let begin = Instant::now();
    store.blobs.audit(&mut |damage| panic!("{damage}"), &mut |_, _| {}).expect("audit");
    println!("audit in {:?}: clean", begin.elapsed());
}
