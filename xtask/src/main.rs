//! The xtask of holt.

fn main() {}
