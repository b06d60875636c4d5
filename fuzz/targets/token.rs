//! The decoder `token` under libFuzzer; see `tests/src/decoders.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| holt_tests::decoders::run("token", bytes));
