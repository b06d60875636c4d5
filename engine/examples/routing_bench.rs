//! Measures the routing index of one frame: `cargo run --release -p holt-engine --example
//! routing_bench [PAGES] [SHAPE] [ROUNDS]`. PAGES is the number of index pages of the cold runs.
//!
//! Anchors come from sorted keys cut into pages of 44 records as a tree would: shortest
//! separators, relative to what the fences of the frame share. Every lookup chooses the next one
//! by its result, so that what is timed is latency, not overlap; the loop without a search is
//! timed too and taken off. COLD goes to a random page out of PAGES, each 4 KiB with the index at
//! 256; HOT stays in one frame; WARM goes round 64 of them.

use std::hint::black_box;
use std::time::Instant;

use holt_engine::art::{AnchorList, Refused, heads, radix};

const RECORDS_PER_PAGE: usize = 44;
const PAGE: usize = 4096;
const INDEX_AT: usize = 256;
const INDEX_SPACE: usize = 3400;
const FRAMES: usize = 64;
const QUERIES: usize = 128;

type Build = fn(&[&[u8]], &mut [u8]) -> Result<usize, Refused>;
type Floor = fn(&[u8], &[u8]) -> usize;

/// Makes the sorted keys of a shape.
type Keys<'a> = dyn Fn(&mut Random) -> Vec<Vec<u8>> + 'a;

struct Frame {
    anchors: Vec<Vec<u8>>,
    queries: Vec<Vec<u8>>,
}

struct Way {
    name: &'static str,
    build: Build,
    floor: Floor,
    anchors: fn(&[u8]) -> Result<AnchorList, &'static str>,
}

/// A small generator, so that two runs measure the same thing.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn shared(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}

/// Cuts sorted keys into frames of `pages` pages, each cut moved by up to `window` records to
/// where the separator is shortest.
fn frames(keys: &[Vec<u8>], pages: usize, window: usize, random: &mut Random) -> Vec<Frame> {
    let per_frame = RECORDS_PER_PAGE * pages;
    let frame = |keys: &[Vec<u8>]| {
        let prefix = shared(&keys[0], &keys[keys.len() - 1]);
        let mut anchors = vec![Vec::new()];
        for page in 1..pages {
            let middle = page * RECORDS_PER_PAGE;
            let len = |at: usize| shared(&keys[at - 1], &keys[at]) + 1;
            let cut = (middle - window..=middle + window).min_by_key(|&at| len(at));
            let cut = cut.expect("at least the middle");
            anchors.push(keys[cut][prefix..len(cut).min(prefix + 255)].to_vec());
        }
        let queries = (0..QUERIES).map(|_| keys[random.below(keys.len())][prefix..].to_vec());
        Frame { anchors, queries: queries.collect() }
    };
    keys.chunks_exact(per_frame).take(FRAMES).map(frame).collect()
}

fn generated(make: impl Fn(&mut Random) -> Vec<u8>, random: &mut Random) -> Vec<Vec<u8>> {
    let wanted = FRAMES * 127 * RECORDS_PER_PAGE;
    let mut keys: Vec<Vec<u8>> = (0..wanted + wanted / 8).map(|_| make(random)).collect();
    keys.sort();
    keys.dedup();
    keys
}

fn usr() -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let mut todo = vec![std::path::PathBuf::from("/usr")];
    while let Some(directory) = todo.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                todo.push(entry.path());
            }
            keys.push(entry.path().into_os_string().into_encoded_bytes());
        }
    }
    keys.sort();
    keys
}

fn shapes<'a>(wanted: &str, random: &mut Random) -> Vec<(&'a str, Vec<Frame>)> {
    let big = |r: &mut Random| {
        let (top, file) = (r.below(8), r.below(100_000_000));
        format!("bucket-{top:02}/objects/file-{file:08}.json").into_bytes()
    };
    let small = |r: &mut Random| {
        let (top, sub, file) = (r.below(40), r.below(50), r.below(100_000));
        format!("path-{top:03}/sub-{sub:05}/file-{file:05}").into_bytes()
    };
    let tiny = |r: &mut Random| {
        let (user, day, file) = (r.below(3000), r.below(30), r.below(100_000));
        format!("home/user-{user:05}/mail/2026-11-{day:02}/message-{file:05}").into_bytes()
    };
    let bytes = |r: &mut Random| r.next().to_be_bytes().to_vec();
    // (shape, pages of a frame, window of a cut): fewer pages where 127 separators do not fit.
    let all: [(&str, usize, usize, &Keys<'_>); 7] = [
        ("objects, big directories", 127, 0, &|random| generated(big, random)),
        ("path/sub/file, ~180 a directory", 127, 0, &|random| generated(small, random)),
        ("deep, ~5 a directory", 72, 0, &|random| generated(tiny, random)),
        ("/usr", 64, 0, &|_| usr()),
        ("deep, cut within 5", 127, 5, &|random| generated(tiny, random)),
        ("/usr, cut within 5", 127, 5, &|_| usr()),
        ("random 8 bytes", 127, 0, &|random| generated(bytes, random)),
    ];
    let wanted = all.into_iter().filter(|(name, ..)| name.contains(wanted));
    wanted
        .map(|(name, pages, window, keys)| (name, frames(&keys(random), pages, window, random)))
        .collect()
}

/// Index pages on page boundaries.
struct Pages {
    bytes: Vec<u8>,
    start: usize,
    lens: Vec<usize>,
}

impl Pages {
    fn new(way: &Way, frames: &[Frame], count: usize) -> Self {
        let mut bytes = vec![0u8; (count + 1) * PAGE];
        let start = bytes.as_ptr().align_offset(PAGE);
        let mut lens = Vec::new();
        let mut built = Vec::new();
        for frame in frames {
            let slices: Vec<&[u8]> = frame.anchors.iter().map(Vec::as_slice).collect();
            let mut page = vec![0; INDEX_SPACE];
            lens.push((way.build)(&slices, &mut page).expect("it fits"));
            built.push(page);
        }
        for (at, page) in bytes[start..].chunks_exact_mut(PAGE).take(count).enumerate() {
            page[INDEX_AT..INDEX_AT + INDEX_SPACE].copy_from_slice(&built[at % frames.len()]);
        }
        Self { bytes, start, lens }
    }

    fn index(&self, page: usize) -> &[u8] {
        let at = self.start + page * PAGE + INDEX_AT;
        &self.bytes[at..at + INDEX_SPACE]
    }
}

/// Nanoseconds of one lookup by each of `searches`, measured in turns of under a millisecond so
/// that a busy machine disturbs all of them alike; the fastest tenth of the turns counts.
fn time(frames: &[Frame], searches: &[(Floor, &Pages)], count: usize, rounds: u64) -> Vec<f64> {
    let lookups = 1500u64;
    let mut turns = vec![Vec::new(); searches.len()];
    for round in 0..rounds {
        for (turns, &(floor, pages)) in turns.iter_mut().zip(searches) {
            let mut state = round * 0x1_0001;
            let start = Instant::now();
            for _ in 0..lookups {
                let random = mix(state);
                let page = (((random >> 32) * count as u64) >> 32) as usize;
                let queries = &frames[page % frames.len()].queries;
                let query = &queries[random as usize % QUERIES];
                state = state.wrapping_add(1 + ((floor(pages.index(page), query) as u64) << 32));
            }
            black_box(state);
            turns.push(start.elapsed().as_nanos() as f64 / lookups as f64);
        }
    }
    let fastest = |mut turns: Vec<f64>| {
        turns.sort_by(f64::total_cmp);
        turns[turns.len() / 20]
    };
    turns.into_iter().map(fastest).collect()
}

fn nothing(index: &[u8], query: &[u8]) -> usize {
    black_box(index.len() + usize::from(query[0])) & 0x7f
}

fn time_build(frames: &[Frame], way: &Way) -> f64 {
    let lists: Vec<Vec<&[u8]>> =
        frames.iter().map(|frame| frame.anchors.iter().map(Vec::as_slice).collect()).collect();
    let mut out = vec![0; INDEX_SPACE];
    let mut best = f64::MAX;
    for _ in 0..20 {
        let start = Instant::now();
        for list in &lists {
            black_box((way.build)(black_box(list), &mut out).is_ok());
        }
        best = best.min(start.elapsed().as_nanos() as f64 / lists.len() as f64);
    }
    best / 1000.0
}

/// What a page split or merge does: read the anchors, take one out, build.
fn time_edit(frames: usize, pages: &Pages, way: &Way) -> f64 {
    let mut out = vec![0; INDEX_SPACE];
    let mut best = f64::MAX;
    for round in 0..40 {
        let start = Instant::now();
        for frame in 0..frames {
            let mut list = (way.anchors)(pages.index(frame)).expect("built");
            list.remove(1 + round % (list.len() - 1));
            black_box((way.build)(&list.slices(), &mut out).is_ok());
        }
        best = best.min(start.elapsed().as_nanos() as f64 / frames as f64);
    }
    best / 1000.0
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let cold_pages = arguments.get(1).and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let wanted = arguments.get(2).map_or("", String::as_str);
    let rounds = arguments.get(3).and_then(|text| text.parse().ok()).unwrap_or(400);
    let ways = [
        Way { name: "heads", build: heads::build, floor: heads::floor, anchors: heads::anchors },
        Way { name: "radix", build: radix::build, floor: radix::floor, anchors: radix::anchors },
    ];
    println!(
        "| anchors | way | hot ns | warm ns | cold ns | build us | edit us | bytes mean (max) |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (shape, frames) in shapes(wanted, &mut Random(1)) {
        let pages = ways.each_ref().map(|way| Pages::new(way, &frames, cold_pages));
        let mut searches: Vec<(Floor, &Pages)> = vec![(nothing, &pages[0])];
        for (way, pages) in ways.iter().zip(&pages) {
            check(&frames, pages, way.floor);
            searches.push((way.floor, pages));
        }
        let mut hot = vec![0.0; searches.len()];
        for one in frames[..frames.len().min(8)].chunks(1) {
            // The pages of a frame are every `frames.len()`-th; the first frame is page 0.
            let own = ways.each_ref().map(|way| Pages::new(way, one, 1));
            let searches: Vec<(Floor, &Pages)> =
                [&own[0]].into_iter().chain(&own).zip(&searches).map(|(p, s)| (s.0, p)).collect();
            for (sum, ns) in hot.iter_mut().zip(time(one, &searches, 1, rounds)) {
                *sum += ns / frames.len().min(8) as f64;
            }
        }
        let warm = time(&frames, &searches, frames.len(), rounds);
        let cold = time(&frames, &searches, cold_pages, rounds);
        for (at, (way, pages)) in ways.iter().zip(&pages).enumerate() {
            let net = |all: &[f64]| all[at + 1] - all[0];
            let (hot, warm, cold) = (net(&hot), net(&warm), net(&cold));
            let build = time_build(&frames, way);
            let edit = time_edit(frames.len(), pages, way);
            let mean = pages.lens.iter().sum::<usize>() / pages.lens.len();
            let max = pages.lens.iter().max().expect("frames");
            println!(
                "| {shape} | {} | {hot:.1} | {warm:.1} | {cold:.0} | {build:.2} | {edit:.2} | \
                 {mean} ({max}) |",
                way.name
            );
        }
    }
}

fn check(frames: &[Frame], pages: &Pages, floor: Floor) {
    for (at, frame) in frames.iter().enumerate() {
        for query in &frame.queries {
            let naive = frame.anchors.iter().rposition(|anchor| anchor <= query);
            assert_eq!(Some(floor(pages.index(at), query)), naive);
        }
    }
}
