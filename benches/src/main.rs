//! The benches of holt.

fn main() {}
