//! Several transfers at once, by each of the ways there are: the devices' contracts, files that
//! end early, failures, many threads. What each way costs is measured by an ignored test:
//! `cargo test -p holt-native-store --release --test batches -- --ignored --nocapture`.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holt_engine::device::{Access, Opened, PackedStore, PositionedIo, PositionedLog, conformance};
use holt_engine::error::{IoError, IoErrorKind};
use holt_engine::geometry::Geometry;
use holt_native_store::limits::{RING_BYTES, RING_OPS, RING_PIECE_BYTES};
use holt_native_store::{
    AlignedBlobBuf, BLOBS_FILE, FileIo, FileMode, FileOptions, FileStore, Io, IoChoice, LOG_FILE,
};

const PAGE: usize = 4096;

/// A directory on a real file system: /tmp may be memory, which has no direct I/O.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory")
}

fn file(path: &Path, direct: bool, io: Io) -> FileIo {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    over(file.expect("open"), path, direct, io)
}

fn over(file: File, path: &Path, direct: bool, io: Io) -> FileIo {
    let file = FileIo::new(Arc::new(file), path.display().to_string());
    let file = if direct { file.direct() } else { file };
    file.through(io).expect("io_uring, where it is granted, and positioned calls")
}

/// Whether this kernel grants io_uring. Containers often do not; what is about it is not tested
/// there then, and says so.
fn is_granted() -> bool {
    let file = FileIo::new(Arc::new(tempfile::tempfile().expect("a file")), "probe");
    let refused = file.through(Io::Uring).err();
    if let Some(error) = &refused {
        eprintln!("only positioned calls are tested: {error}");
    }
    refused.is_none()
}

/// Every way that there is, on a file in the system's cache and past it.
fn ways() -> impl Iterator<Item = (bool, Io)> {
    let granted = is_granted();
    let ios = [Io::Positioned, Io::Auto, Io::Uring].into_iter();
    let ios = ios.filter(move |io| granted || *io != Io::Uring);
    ios.flat_map(|io| [(false, io), (true, io)])
}

/// Makes a batch of every transfer: pieces of uneven lengths, none of them aligned, most of them
/// in one page with others.
struct Pieces(FileIo);

fn lengths() -> impl Iterator<Item = usize> {
    [1, 700, PAGE, 3000, 2 * PAGE + 5, RING_PIECE_BYTES + 1].into_iter().cycle()
}

impl PositionedIo for Pieces {
    fn size(&self) -> Result<u64, IoError> {
        self.0.size()
    }

    fn read_at(&self, mut offset: u64, mut buf: &mut [u8]) -> Result<(), IoError> {
        let mut parts = Vec::new();
        for len in lengths() {
            if buf.is_empty() {
                break;
            }
            let (now, later) = buf.split_at_mut(len.min(buf.len()));
            buf = later;
            let next = offset.saturating_add(now.len() as u64);
            parts.push((offset, now));
            offset = next;
        }
        self.0.read_many(&mut parts)
    }

    fn write_at(&self, mut offset: u64, mut bytes: &[u8]) -> Result<(), IoError> {
        let mut parts = Vec::new();
        for len in lengths() {
            if bytes.is_empty() {
                break;
            }
            let (now, later) = bytes.split_at(len.min(bytes.len()));
            bytes = later;
            parts.push((offset, now));
            offset = offset.saturating_add(now.len() as u64);
        }
        self.0.write_many(&parts)
    }

    fn sync(&self) -> Result<(), IoError> {
        self.0.sync()
    }

    fn set_len(&self, len: u64) -> Result<(), IoError> {
        self.0.set_len(len)
    }

    fn punch(&self, offset: u64, len: u64) -> Result<(), IoError> {
        self.0.punch(offset, len)
    }

    fn allocated(&self) -> Result<u64, IoError> {
        self.0.allocated()
    }
}

#[test]
fn files_keep_the_contract_in_every_way() {
    for (direct, io) in ways() {
        let dir = directory();
        let path = dir.path().join("io");
        let make = || Pieces(file(&path, direct, io));
        conformance::positioned_io(make, |old| {
            drop(old);
            Pieces(file(&path, direct, io))
        });
    }
}

#[test]
fn blobs_and_logs_keep_their_contracts_in_every_way() {
    for (direct, io) in ways() {
        let dir = directory();
        let path = dir.path().join(BLOBS_FILE);
        let open = || Pieces(file(&path, direct, io));
        conformance::blob_store(
            || PackedStore::create(open(), Geometry::default(), [1; 16]).expect("create"),
            |old| {
                drop(old);
                match PackedStore::open(open(), Access::ReadWrite).expect("open") {
                    Opened::Store(store) => store,
                    Opened::Blank(_) => panic!("blank"),
                }
            },
        );
        let path = dir.path().join(LOG_FILE);
        let open = || {
            let io = Pieces(file(&path, direct, io));
            PositionedLog::open(io, [2; 16], Access::ReadWrite).expect("open")
        };
        conformance::log_device(open, |old| {
            drop(old);
            open()
        });
    }
}

/// Bytes that differ from place to place.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let word = |at: u64| (seed << 32 ^ at).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    (0..len as u64).map(|at| (word(at / 8) >> (at % 8 * 8)) as u8).collect()
}

#[test]
fn batches_larger_than_the_ring_are_whole() {
    for (direct, io) in ways() {
        let dir = directory();
        let file = file(&dir.path().join("io"), direct, io);
        // More transfers than the ring takes, and more bytes than it has memory.
        for (count, len) in [(3 * RING_OPS + 1, PAGE), (3, RING_BYTES + 3 * PAGE)] {
            let bytes: Vec<_> = (0..count).map(|seed| noise(seed as u64, len)).collect();
            let at = |number: usize| (2 * (count - number) * len) as u64;
            let parts: Vec<_> = (0..count).map(|n| (at(n), &bytes[n][..])).collect();
            file.write_many(&parts).expect("writes");
            let mut found = vec![vec![0; len]; count];
            let mut parts: Vec<_> =
                found.iter_mut().enumerate().map(|(n, buf)| (at(n), &mut buf[..])).collect();
            file.read_many(&mut parts).expect("reads");
            assert!(found == bytes, "{direct} {io:?} {count}");
        }
        file.write_many(&[]).expect("writes nothing");
        file.read_many(&mut [(1 << 40, &mut [])]).expect("reads nothing");
    }
}

#[test]
fn reads_beyond_the_end_are_typed_and_name_the_place() {
    for (direct, io) in ways() {
        let dir = directory();
        let path = dir.path().join("io");
        let file = file(&path, direct, io);
        let bytes = noise(1, 3 * PAGE + 100);
        file.write_at(0, &bytes).expect("writes");
        let mut ends = [vec![0; PAGE], vec![0; 100], vec![0; 60]];
        let [a, b, c] = &mut ends;
        let at = [2 * PAGE as u64, 3 * PAGE as u64, 3 * PAGE as u64 + 40];
        file.read_many(&mut [(at[0], a), (at[1], b), (at[2], c)]).expect("reads up to the end");
        for (found, at) in ends.iter().zip(at) {
            assert_eq!(found[..], bytes[at as usize..][..found.len()]);
        }
        let places = [3 * PAGE as u64 + 1, 4 * PAGE as u64, 1 << 40, u64::MAX - 10];
        for beyond in places {
            let mut bufs = [vec![0; PAGE], vec![0; 100]];
            let [whole, early] = &mut bufs;
            let failed = file.read_many(&mut [(0, whole), (beyond, early)]).expect_err("ended");
            assert_eq!(failed.kind, IoErrorKind::UnexpectedEof, "{io:?} {beyond}");
            let place = format!("read {} at {beyond}", path.display());
            assert_eq!(failed.call, place, "{direct} {io:?}");
        }
        let failed = file.write_many(&[(0, &bytes[..PAGE]), (1 << 63, &bytes[..PAGE])]);
        assert!(failed.is_err(), "{direct} {io:?}: beyond what the system can number");
    }
}

#[test]
fn writes_that_fail_say_where_and_leave_the_ring_usable() {
    for (direct, io) in ways() {
        let dir = directory();
        let path = dir.path().join("io");
        let bytes = noise(2, 8 * PAGE);
        std::fs::write(&path, &bytes).expect("write");
        let file = over(File::open(&path).expect("open"), &path, direct, io);
        let parts: Vec<_> =
            bytes.chunks(PAGE).zip(0..).map(|(page, n)| (n * PAGE as u64, page)).collect();
        let failed = file.write_many(&parts[2..]).expect_err("the file is open for reading only");
        assert_eq!(failed.kind, IoErrorKind::Device);
        assert_eq!(failed.call, format!("write {} at 8192", path.display()), "{direct} {io:?}");
        let mut found = vec![0; bytes.len()];
        let mut parts: Vec<_> =
            found.chunks_mut(PAGE).zip(0..).map(|(page, n)| (n * PAGE as u64, page)).collect();
        file.read_many(&mut parts).expect("reads go on");
        assert!(found == bytes);
    }
}

const LIMITED: &str = "HOLT_TEST_LIMITED_FILE";

/// Run as a process of its own, by `writes_cut_short_are_resumed_and_fail_by_kind`.
#[test]
#[ignore = "needs a process that may not write large files"]
fn child_with_limited_files() {
    let Some(path) = std::env::var_os(LIMITED) else { return };
    for (direct, io) in ways() {
        let file = file(Path::new(&path), direct, io);
        file.set_len(0).expect("empties");
        let bytes = noise(3, 64 * 1024);
        // The limit is in the middle of the second part.
        let failed = file.write_many(&[(0, &bytes), (bytes.len() as u64, &bytes)]);
        let failed = failed.expect_err("the file may have 96 KiB");
        assert_eq!(failed.kind, IoErrorKind::NoSpace, "{direct} {io:?}: {failed}");
        assert!(failed.call.ends_with(" at 65536"), "{direct} {io:?}: {failed}");
        let mut found = vec![0; bytes.len()];
        file.read_many(&mut [(0, &mut found)]).expect("reads");
        assert!(found == bytes, "{direct} {io:?}: the part that fits");
    }
    println!("all ways were tried");
}

#[test]
fn writes_cut_short_are_resumed_and_fail_by_kind() {
    let dir = directory();
    let this = std::env::current_exe().expect("this program");
    // The limit counts kilobytes in this shell; the signal is ignored, as a server would.
    let script = "trap '' XFSZ; ulimit -f 96 && exec \"$0\" --ignored --exact --nocapture \
                  child_with_limited_files";
    let mut child = Command::new("bash");
    child.args(["-c", script]).arg(this).env(LIMITED, dir.path().join("limited"));
    let done = child.output().expect("runs");
    let out = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{out}{}", String::from_utf8_lossy(&done.stderr));
    assert!(out.contains("all ways were tried"), "{out}");
}

#[test]
fn eight_threads_share_a_file() {
    const ROUNDS: u64 = 12;
    const EACH: u64 = 16;
    for (direct, io) in ways() {
        let dir = directory();
        let file = file(&dir.path().join("io"), direct, io);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let file = &file;
                scope.spawn(move || {
                    let place = |n: u64| (n * 8 + thread) * PAGE as u64;
                    for round in 0..ROUNDS {
                        let pages: Vec<_> =
                            (0..EACH).map(|n| noise(thread << 16 | round << 8 | n, PAGE)).collect();
                        let parts: Vec<_> =
                            pages.iter().zip(0..).map(|(page, n)| (place(n), &page[..])).collect();
                        file.write_many(&parts).expect("writes");
                        let mut found = vec![vec![0; PAGE]; EACH as usize];
                        let mut parts: Vec<_> = found
                            .iter_mut()
                            .zip(0..)
                            .map(|(page, n)| (place(n), &mut page[..]))
                            .collect();
                        file.read_many(&mut parts).expect("reads");
                        assert!(found == pages, "{direct} {io:?} {thread} {round}");
                    }
                    file.sync().expect("syncs");
                });
            }
        });
    }
}

#[test]
fn stores_say_which_way_they_took_and_read_each_others_files() {
    let dir = directory();
    let granted = is_granted();
    for (direct, io) in ways() {
        let options = FileOptions { io, direct, ..FileOptions::default() };
        let store = FileStore::open(dir.path(), &options).expect("open");
        let past_cache = store.io_choice() != IoChoice::Buffered;
        let expected = match io {
            Io::Auto if past_cache && granted => Io::Uring,
            Io::Auto => Io::Positioned,
            io => io,
        };
        assert_eq!(store.io(), expected, "{io:?} {direct}");
        drop(store);
        let reader = FileOptions { mode: FileMode::ReadOnly, ..options };
        assert_eq!(FileStore::open(dir.path(), &reader).expect("open").io(), expected);
    }
}

/// Random parts of a file, in batches.
struct Measured {
    plain: FileIo,
    ring: FileIo,
    state: u64,
}

const FILE_BYTES: u64 = 256 << 20;

impl Measured {
    fn place(&mut self, len: usize) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.state >> 33) % (FILE_BYTES / len as u64) * len as u64
    }

    /// Microseconds of one batch at random places.
    fn once(&mut self, buffers: &mut [AlignedBlobBuf], write: bool, way: &str) -> f64 {
        let len = buffers[0].len();
        let places: Vec<u64> = buffers.iter().map(|_| self.place(len)).collect();
        let start = Instant::now();
        let done = if write {
            let buffers = buffers.iter().map(AlignedBlobBuf::as_slice);
            let parts: Vec<_> = places.into_iter().zip(buffers).collect();
            match way {
                "one by one" => parts.iter().try_for_each(|p| self.plain.write_at(p.0, p.1)),
                "threads" => in_threads(parts, |p| self.plain.write_at(p.0, p.1)),
                _ => self.ring.write_many(&parts),
            }
        } else {
            let buffers = buffers.iter_mut().map(AlignedBlobBuf::as_mut_slice);
            let mut parts: Vec<_> = places.into_iter().zip(buffers).collect();
            match way {
                "one by one" => parts.iter_mut().try_for_each(|p| self.plain.read_at(p.0, p.1)),
                "threads" => in_threads(parts, |p| self.plain.read_at(p.0, p.1)),
                _ => self.ring.read_many(&mut parts),
            }
        };
        done.expect("transfers");
        start.elapsed().as_secs_f64() * 1e6
    }

    /// Runs batches by each way in turn, so that what else the machine does hits all alike, and
    /// gives the lower quartile and the median of each, in microseconds.
    fn compare(&mut self, count: usize, len: usize, write: bool) -> String {
        let mut buffers = vec![AlignedBlobBuf::with_len(len); count];
        let mut ways = ["one by one", "threads", "ring"].map(|way| (way, Vec::new()));
        let until = Instant::now() + Duration::from_secs(3);
        while Instant::now() < until {
            for (way, times) in &mut ways {
                times.push(self.once(&mut buffers, write, way));
            }
        }
        let shown = ways.map(|(way, mut times)| {
            times.sort_by(f64::total_cmp);
            format!("  {way} {:>7.0} {:>7.0}", times[times.len() / 4], times[times.len() / 2])
        });
        shown.concat()
    }
}

/// A share of the parts by each of up to eight new threads.
fn in_threads<P: Send>(
    parts: Vec<P>,
    act: impl Fn(P) -> Result<(), IoError> + Sync,
) -> Result<(), IoError> {
    let share = parts.len().div_ceil(8);
    let mut parts = parts.into_iter();
    std::thread::scope(|scope| {
        let mut workers = Vec::new();
        loop {
            let mine: Vec<P> = parts.by_ref().take(share).collect();
            if mine.is_empty() {
                break;
            }
            workers.push(scope.spawn(|| mine.into_iter().try_for_each(&act)));
        }
        workers.into_iter().try_for_each(|worker| worker.join().expect("joins"))
    })
}

#[test]
#[ignore = "measures; prints microseconds a batch"]
fn measure_batches() {
    let dir = directory();
    let path = dir.path().join("io");
    let plain = file(&path, true, Io::Positioned);
    let ring = file(&path, true, Io::Uring);
    println!("{:?}; microseconds a batch, lower quartile and median", plain.choice());
    let mut measured = Measured { plain, ring, state: 7 };
    let full = noise(9, 1 << 20);
    let pages = [1, 2, 4, 8, 16, 64].map(|count| (count, PAGE));
    let runs = [1, 2, 4, 16].map(|count| (count, RING_PIECE_BYTES));
    for what in ["write to holes", "write", "read"] {
        if what == "write" {
            for at in (0..FILE_BYTES).step_by(full.len()) {
                measured.plain.write_at(at, &full).expect("fills");
            }
            measured.plain.sync().expect("syncs");
        }
        for (count, len) in pages.into_iter().chain(runs) {
            if what == "write to holes" {
                measured.plain.set_len(0).expect("empties");
                measured.plain.set_len(FILE_BYTES).expect("holes");
            }
            let figures = measured.compare(count, len, what != "read");
            println!("{what:>14} {count:>3} of {:>3} KiB:{figures}", len / 1024);
        }
    }
}
