//! What a call into the sandbox costs: `cargo run --release -p holt-host --example boundary`.
//!
//! Prints nanoseconds per call, native and sandboxed, over devices in memory: the best of five
//! rounds. Numbers are of one machine; the ratio says more than the figures.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use holt_engine::db::{Options, Tree};
use holt_engine::device::{MemoryBlobStore, MemoryLog};
use holt_engine::error::Result;
use holt_engine::geometry::Geometry;
use holt_host::api::{Reads, ScanRequest, Store};
use holt_host::native::NativeStore;
use holt_host::sandbox::{Sandbox, SandboxConfig, SandboxStore};

const RECORDS: u32 = 100_000;
const CALLS: u32 = 20_000;
const ROUNDS: usize = 5;

fn key(number: u32) -> [u8; 16] {
    let mut key = *b"dir/000000000000";
    let scattered = number.wrapping_mul(0x9e37_79b1) % RECORDS;
    for (place, byte) in key[4..].iter_mut().rev().enumerate() {
        *byte = b'0' + (scattered / 10u32.pow(place as u32 % 9) % 10) as u8;
    }
    key
}

fn best(calls: u32, mut act: impl FnMut(u32) -> Result<()>) -> Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for number in 0..calls {
            act(number)?;
        }
        best = best.min(started.elapsed().as_nanos() as f64 / f64::from(calls));
    }
    Ok(best)
}

fn measure(store: &mut dyn Store) -> Result<[f64; 3]> {
    for number in 0..RECORDS {
        store.put(&key(number), &[7; 100])?;
    }
    let scan = ScanRequest { max_entries: 100, max_bytes: 1 << 20, ..ScanRequest::default() };
    Ok([
        best(CALLS, |number| store.get(&key(number)).map(|found| drop(black_box(found))))?,
        best(CALLS, |number| store.put(&key(number), &[8; 100]))?,
        best(CALLS / 20, |number| {
            let start_after = Some(key(number).to_vec());
            store.scan(&ScanRequest { start_after, ..scan.clone() }).map(|page| {
                black_box(page);
            })
        })?,
    ])
}

fn no_operation(store: &mut SandboxStore) -> Result<f64> {
    best(CALLS, |_| store.get_many(&[]).map(drop))
}

fn main() -> Result<()> {
    let blobs = || Arc::new(MemoryBlobStore::new(Geometry::default(), [1; 16]));
    let options = Options::default;
    let native = Tree::open_with_devices(blobs(), Some(Arc::new(MemoryLog::new())), options())?;
    let native = measure(&mut NativeStore::new(native))?;

    let started = Instant::now();
    let sandbox = Sandbox::new(SandboxConfig::default())?;
    println!("compiling the engine: {:.0} ms", started.elapsed().as_secs_f64() * 1e3);
    let started = Instant::now();
    let mut store = sandbox.open(blobs(), Arc::new(MemoryLog::new()), options())?;
    println!("opening an empty store: {:.0} us", started.elapsed().as_secs_f64() * 1e6);
    let sandboxed = measure(&mut store)?;

    println!("{:<28}{:>12}{:>12}{:>8}", "ns per call", "native", "sandboxed", "ratio");
    println!("{:<28}{:>12}{:>12.0}", "call that does nothing", "-", no_operation(&mut store)?);
    for ((name, native), sandboxed) in
        ["get", "put", "packed scan of 100"].into_iter().zip(native).zip(sandboxed)
    {
        println!("{name:<28}{native:>12.0}{sandboxed:>12.0}{:>8.1}", sandboxed / native);
    }
    let (usage, devices) = (store.sandbox_usage(), store.device_use());
    println!(
        "fuel {}, device calls {}, memory {} KiB",
        usage.fuel,
        usage.device_calls,
        usage.memory_bytes >> 10
    );
    println!("bytes to the host {}, to the guest {}", devices.bytes_in, devices.bytes_out);
    Ok(())
}
