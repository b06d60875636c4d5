//! Bytes from outside, made of valid ones by a few mistakes: every decoder answers, and what it
//! does not take it refuses with a typed error. The targets in `fuzz` give the same decoders to
//! libFuzzer, which sees what its inputs reach; this is the part of it that always runs.
//!
//! `HOLT_DECODER_RUNS` (inputs of each decoder of bytes; default 400 000; a decoder that opens a
//! store has one in 60 of them; `HOLT_QUICK` takes a tenth), `HOLT_SEED`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use holt_tests::decoders::DECODERS;
use holt_tests::report::figure;
use holt_tests::watch::Watch;
use holt_tests::workload::{Rand, rand_of};
use rand::Rng;

/// Runs of decoders of bytes for one of those that open stores.
const HEAVY: u64 = 60;

/// Numbers at the edge of something.
const EDGES: &[u64] = &[0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, u64::MAX];

/// One to eight mistakes.
fn spoil(bytes: &mut Vec<u8>, other: &[u8], random: &mut Rand) {
    for _ in 0..random.random_range(1..=8) {
        if bytes.is_empty() {
            bytes.push(random.random());
            continue;
        }
        let at = random.random_range(0..bytes.len());
        let len = random.random_range(0..=(bytes.len() - at).min(64));
        match random.random_range(0..9) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = random.random(),
            2 => bytes[at] = bytes[at].wrapping_add(random.random_range(0..3)).wrapping_sub(1),
            3 => {
                let edge = EDGES[random.random_range(0..EDGES.len())].to_le_bytes();
                let wide = [1, 2, 4, 8][random.random_range(0..4)];
                let end = (at + wide).min(bytes.len());
                bytes[at..end].copy_from_slice(&edge[..end - at]);
            }
            4 => drop(bytes.drain(at..at + len)),
            5 => {
                let part = bytes[at..at + len].to_vec();
                let to = random.random_range(0..=bytes.len());
                bytes.splice(to..to, part);
            }
            6 => bytes.truncate(at),
            7 => {
                let from = random.random_range(0..=other.len());
                let part = other[from..(from + len).min(other.len())].to_vec();
                bytes.splice(at..(at + part.len()).min(bytes.len()), part);
            }
            _ => bytes[at..at + len].fill(0),
        }
    }
}

#[test]
fn what_is_valid_is_taken() {
    for decoder in DECODERS {
        let seeds = (decoder.seeds)();
        assert!(!seeds.is_empty(), "{}", decoder.name);
        seeds.iter().take(20).for_each(|seed| (decoder.run)(seed));
    }
}

#[test]
fn no_bytes_make_a_decoder_panic_or_hang() {
    let given = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let quick = std::env::var_os("HOLT_QUICK").is_some();
    let runs: u64 = given("HOLT_DECODER_RUNS").unwrap_or(if quick { 40_000 } else { 400_000 });
    let seed: u64 = given("HOLT_SEED").unwrap_or(1);
    let (mut all, mut longest, watch) = (0, Duration::ZERO, Watch::over("decoders"));
    for decoder in DECODERS {
        let seeds = (decoder.seeds)();
        let runs = if decoder.heavy { runs / HEAVY } else { runs };
        for at in 0..runs {
            let mut random = rand_of(seed << 32 | at);
            let mut pick = || &seeds[random.random_range(0..seeds.len())];
            let (mut bytes, other) = (pick().clone(), pick());
            spoil(&mut bytes, other, &mut random);
            let begun = Instant::now();
            let ran = catch_unwind(AssertUnwindSafe(|| (decoder.run)(&bytes)));
            longest = longest.max(begun.elapsed());
            assert!(ran.is_ok(), "{}: input {at} of seed {seed} panics", decoder.name);
            watch.step();
            all += 1;
        }
    }
    figure("decoder inputs", all);
    println!("longest run {longest:?}");
}
