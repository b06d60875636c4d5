//! What the tests of the sandbox share: devices, one compiled sandbox, a script.
#![allow(dead_code, reason = "each test uses a part")]

use std::sync::{Arc, OnceLock};

use holt_engine::db::{Options, RangeEntry, Tree};
use holt_engine::device::{BlobStore, LogDevice, MemoryBlobStore, MemoryLog};
use holt_engine::error::Result;
use holt_engine::geometry::Geometry;
use holt_engine::limits::MIN_FRAME_BYTES;
use holt_host::api::{Change, Reads, ScanRequest, Store};
use holt_host::native::NativeStore;
use holt_host::sandbox::{Sandbox, SandboxConfig};

pub struct Pair {
    pub blobs: Arc<dyn BlobStore>,
    pub log: Arc<dyn LogDevice>,
}

/// Devices in memory, with the smallest frames so that few records make several.
pub fn devices() -> Pair {
    let geometry = Geometry::new(MIN_FRAME_BYTES).expect("within its bounds");
    let blobs = Arc::new(MemoryBlobStore::new(geometry, *b"host-test-store!"));
    Pair { blobs, log: Arc::new(MemoryLog::new()) }
}

impl Pair {
    pub fn native(&self) -> NativeStore {
        let (blobs, log) = (Arc::clone(&self.blobs), Arc::clone(&self.log));
        let tree = Tree::open_with_devices(blobs, Some(log), options());
        NativeStore::new(tree.expect("opens natively"))
    }

    pub fn sandboxed(&self) -> holt_host::sandbox::SandboxStore {
        self.sandboxed_by(sandbox()).expect("opens in the sandbox")
    }

    pub fn sandboxed_by(&self, sandbox: &Sandbox) -> Result<holt_host::sandbox::SandboxStore> {
        sandbox.open(Arc::clone(&self.blobs), Arc::clone(&self.log), options())
    }
}

pub fn options() -> Options {
    Options { cache_bytes: 4 << 20, log_budget: 1 << 20, ..Options::default() }
}

/// The embedded engine, compiled once for all tests of a file.
pub fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(SandboxConfig::default()).expect("compiles"))
}

/// Runs a fixed mix of everything; returns what each call said.
pub fn script(store: &mut dyn Store) -> Vec<String> {
    let mut said = Vec::new();
    let mut say = |what: &dyn std::fmt::Debug| said.push(format!("{what:?}"));
    for number in 0..2000u32 {
        let key = format!("dir{:02}/file{:04}", number % 37, number * 7919 % 10_007);
        let value = vec![number as u8; (number as usize * 31) % 300];
        say(&store.put(key.as_bytes(), &value));
        if number % 5 == 0 {
            say(&store.delete(format!("dir{:02}/file{:04}", number % 37, number).as_bytes()));
        }
        if number % 11 == 0 {
            let to = format!("moved/{number}");
            say(&store.rename(key.as_bytes(), to.as_bytes(), false));
            say(&store.rename(key.as_bytes(), to.as_bytes(), true));
        }
        if number % 401 == 0 {
            say(&store.checkpoint());
        }
    }
    say(&store.rename(b"moved/0", b"moved/11", false));
    say(&store.rename(b"moved/0", b"moved/11", true));
    let changes: Vec<Change> = (0..300u32)
        .flat_map(|number| {
            let key = format!("batch/{number}").into_bytes();
            let value = vec![0xff; number as usize];
            [Change::Put { key: key.clone(), value }, Change::Delete { key: b"moved/22".into() }]
        })
        .collect();
    say(&store.commit(&changes));
    say(&store.put(b"long/value", &vec![3; 700_000]));
    say(&store.put(&[b'k'; 65_535], b"longest key"));
    say(&store.put(&[b'k'; 65_536], b"too long"));
    say(&store.put(b"v", &vec![0; (1 << 20) + 1]));
    say(&store.get(b"long/value").map(|record| record.map(|record| record.value.len())));
    say(&store.get(b"missing"));
    for key in [&b"moved/33"[..], b"", b"batch/299"] {
        say(&store.get(key));
    }
    for request in scans() {
        for page in pages(store, request) {
            said.push(format!("{page:?}"));
        }
    }
    let mut say = |what: &dyn std::fmt::Debug| said.push(format!("{what:?}"));
    say(&store.compact());
    say(&store.sync());
    let report = store.verify(&mut |_, _| {});
    say(&report.map(|report| (report.records, report.payload_bytes, report.damage)));
    said
}

fn scans() -> Vec<ScanRequest> {
    let all = ScanRequest { max_entries: 97, max_bytes: 1 << 20, ..ScanRequest::default() };
    let short = ScanRequest { max_bytes: 500, ..all.clone() };
    let rolled = ScanRequest { delimiter: Some(b'/'), max_entries: 10, ..all.clone() };
    let keys = ScanRequest { prefix: b"dir01/".into(), keys_only: true, ..all.clone() };
    let none = ScanRequest { max_entries: 0, ..all.clone() };
    vec![all, short, rolled, keys, none]
}

/// All pages of a scan; an error ends it.
pub fn pages(store: &mut dyn Store, mut request: ScanRequest) -> Vec<Result<Vec<RangeEntry>>> {
    let mut pages = Vec::new();
    loop {
        match store.scan(&request) {
            Ok(page) => {
                pages.push(Ok(page.entries));
                match page.next {
                    Some(next) => request.resume = Some(next),
                    None => return pages,
                }
            }
            Err(error) => {
                pages.push(Err(error));
                return pages;
            }
        }
    }
}

/// Every record of a store.
pub fn dump(store: &mut dyn Store) -> Vec<RangeEntry> {
    let all = ScanRequest { max_entries: 1000, max_bytes: 1 << 20, ..ScanRequest::default() };
    pages(store, all).into_iter().flat_map(|page| page.expect("scans")).collect()
}
